#include <algorithm>
#include <map>
#include <optional>

#include "app/holder.h"
#include "base/text.h"
#include "registry/registry.h"
#include "serve/endpoint.h"
#include "serve/batchers.h"

namespace tenon::app {
namespace {

class Champions final : public Holder {
 public:
  Champions(std::unique_ptr<store::Store> store, const HolderKinds& kinds, std::string model, std::string name)
      : store_(std::move(store)), registry_(*store_), kinds_(kinds), model_(std::move(model)), name_(std::move(name)) {}

  // A champion that cannot be taken is tried again when the registry changes, and keeps no other from being taken.
  Result<void> Refresh(serve::Endpoints& endpoints, std::vector<std::string>* changes) override {
    TENON_ASSIGN(const std::int64_t revision, registry_.Revision());
    if (revision == revision_) return Refused();
    const bool first = revision_ == -1;
    TENON_ASSIGN(const std::vector<std::string> names, Names());
    refusal_.reset();
    for (const std::string& name : names) {
      if (auto followed = Follow(name, endpoints, changes); !followed) refusal_ = std::move(followed).error();
    }
    if (first && refusal_) return Refused();
    if (endpoints.all()->empty()) {
      return Error(Code::kFailedPrecondition, Str("no version of ", model_.empty() ? "any model" : model_, " in ", store_->folder(),
                                                  " is champion: `tenon run` deploys one when its gates pass (`tenon models ls` shows what there is)"));
    }
    revision_ = revision;
    return Refused();
  }

  Result<std::int64_t> KeysRevision() override { return govern::KeysRevision(*store_); }
  Result<std::vector<govern::KeyRecord>> Keys() override { return govern::Keys(*store_); }

 private:
  Result<void> Refused() const {
    if (refusal_) return refusal_->Clone();
    return {};
  }

  Result<void> Follow(const std::string& name, serve::Endpoints& endpoints, std::vector<std::string>* changes) {
    TENON_ASSIGN(const auto aliases, registry_.Aliases(name));
    for (const auto& [alias, version] : aliases) {
      int& taken = taken_[name];
      if (alias != "champion" || taken == version) continue;
      TENON_ASSIGN(auto served, Open(name, version));
      auto route = std::make_shared<serve::Route>(*serve::Route::Of(std::move(served)));
      batchers_.try_emplace(name, kinds_.batching).first->second.AddTo(route.get());
      endpoints.Set(std::shared_ptr<const serve::Route>(std::move(route)));
      changes->push_back(taken == 0 ? Str(name, "@", version, " answers") : Str(name, "@", version, " answers instead of ", name, "@", taken));
      taken = version;
    }
    return {};
  }

  Result<std::vector<std::string>> Names() const {
    TENON_ASSIGN(const auto versions, registry_.List(model_));
    std::vector<std::string> names;
    for (const registry::ModelVersion& version : versions) {
      if (std::ranges::find(names, version.name) == names.end()) names.push_back(version.name);
    }
    if (!name_.empty() && names.size() > 1) {
      return Error(Code::kInvalidArgument, Str("--name needs one model; the store has ", Join(names, ", "), ": say which with --model"));
    }
    return names;
  }

  Result<std::shared_ptr<const serve::Served>> Open(const std::string& name, int version) const {
    TENON_ASSIGN(const registry::ModelVersion found, registry_.Find(name, version));
    TENON_ASSIGN(auto bytes, store_->Get(found.bundle), found.id());
    TENON_ASSIGN(auto bundle, model::Bundle::Open(bytes), found.id());
    return serve::MakeServed(bundle, name_.empty() ? name : name_, found.id(), version, kinds_.ops, kinds_.formats);
  }

  std::unique_ptr<store::Store> store_;
  registry::Registry registry_;
  const HolderKinds& kinds_;
  std::string model_, name_;
  std::map<std::string, int> taken_;
  std::map<std::string, serve::Batchers> batchers_;  // by model
  std::int64_t revision_ = -1;
  std::optional<Error> refusal_;  // of what the registry says at this revision
};

}  // namespace

Result<std::unique_ptr<Holder>> HoldProject(platform::Files& files, const HolderKinds& kinds, const std::string& folder,
                                            std::string model, std::string name) {
  const std::string data = platform::JoinPath(folder, ".tenon");
  if (!files.Exists(data)) return Error(Code::kNotFound, Str("nothing was run in ", folder, " yet: there is no ", data));
  TENON_ASSIGN(auto store, store::Store::Open(files, data, store::Store::Access::kRead));
  return std::unique_ptr<Holder>(std::make_unique<Champions>(std::move(store), kinds, std::move(model), std::move(name)));
}

}  // namespace tenon::app
