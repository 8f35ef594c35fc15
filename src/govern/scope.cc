#include "govern/scope.h"

#include <array>

#include "base/text.h"

namespace tenon::govern {
namespace {

struct Row {
  std::string_view name, summary;
};
constexpr std::array<Row, kScopeCount> kScopes = {{{"predict", "ask for predictions"},
                                                   {"explain", "ask why an answer is as it is"},
                                                   {"metrics", "read counters and statistics"},
                                                   {"admin", "change what the service does"},
                                                   {"sensitive", "read features that are marked sensitive"}}};

}  // namespace

std::string_view NameOf(Scope scope) { return kScopes[static_cast<std::size_t>(scope)].name; }
std::string_view SummaryOf(Scope scope) { return kScopes[static_cast<std::size_t>(scope)].summary; }

Result<Scopes> Scopes::Of(const std::vector<std::string>& names) {
  Scopes scopes;
  if (names.empty()) return Error(Code::kInvalidArgument, "name at least one scope, such as predict");
  for (const std::string& name : names) {
    bool known = false;
    for (int i = 0; i < kScopeCount; ++i) {
      if (name != "all" && name != kScopes[static_cast<std::size_t>(i)].name) continue;
      scopes.Add(static_cast<Scope>(i));
      known = true;
    }
    if (known) continue;
    std::vector<std::string> all = {"all"};
    for (const Row& row : kScopes) all.emplace_back(row.name);
    return Error(Code::kInvalidArgument, Str("no scope '", name, "'", DidYouMean(name, all)));
  }
  return scopes;
}

std::vector<std::string> Scopes::Names() const {
  std::vector<std::string> names;
  for (int i = 0; i < kScopeCount; ++i) {
    if (Has(static_cast<Scope>(i))) names.emplace_back(NameOf(static_cast<Scope>(i)));
  }
  return names;
}

}  // namespace tenon::govern
