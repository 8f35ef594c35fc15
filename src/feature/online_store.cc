#include "feature/online_store.h"

namespace tenon::feature {

Result<std::unique_ptr<OnlineStore>> StartOnlineStore(const Kinds<OnlineStoreKind>& kinds, std::string_view kind, const Json& settings,
                                                      platform::Files& files, const std::string& folder) {
  TENON_ASSIGN(auto maker, kinds.Create(kind.empty() ? "embedded" : kind, settings, "online"));
  return maker->Start(files, folder);
}

}  // namespace tenon::feature
