#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "base/text.h"

namespace tenon {

// What the console's form, the reference page, the help and an error message need to know of one kind.
struct Doc {
  std::string summary;            // one line, a verb first
  std::string when;               // when to choose it, and when not
  std::string example;            // its settings as JSON, such as {"bins": 16}; the contract suite parses and runs it
  std::vector<Option> options = {};  // the settings it takes
};

// The kinds of one interface, by name. Filled once at start, then only read: no lock, no global. One kind is one file
// of its folder, which defines `Result<void> AddSomeName(Kinds<Interface>&)`; tenon_kinds() in cmake/ writes AddAll.
template <typename Interface>
class Kinds {
 public:
  using Make = std::function<Result<std::unique_ptr<Interface>>(const Options&)>;
  struct Kind {
    Doc doc;
    Make make;
  };

  Result<void> Add(std::string name, Doc doc, Make make) {
    if (!make || doc.summary.empty() || doc.example.empty()) {
      return Error(Code::kInternal, Str("kind '", name, "' needs a factory, a summary and an example"));
    }
    auto [it, fresh] = kinds_.try_emplace(std::move(name), Kind{std::move(doc), std::move(make)});
    if (!fresh) return Error(Code::kAlreadyExists, Str("two kinds are named '", it->first, "'"));
    return {};
  }

  // A new instance with `settings` (an object or null) read against the kind's table.
  // Errors: not_found with near names; invalid_argument for a setting, its message starting with `path`.
  Result<std::unique_ptr<Interface>> Create(std::string_view name, const Json& settings = {}, std::string_view path = "",
                                            std::string_view file = "") const {
    TENON_ASSIGN(const Kind* kind, Find(name));
    TENON_ASSIGN(Options options, Options::Parse(kind->doc.options, settings, path.empty() ? name : path, file));
    return kind->make(options);
  }

  Result<const Kind*> Find(std::string_view name) const {
    if (auto it = kinds_.find(name); it != kinds_.end()) return &it->second;
    return Error(Code::kNotFound, Str("no kind '", name, "'", DidYouMean(name, Names())));
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& [name, kind] : kinds_) names.push_back(name);
    return names;
  }

  const std::map<std::string, Kind, std::less<>>& all() const { return kinds_; }

 private:
  std::map<std::string, Kind, std::less<>> kinds_;
};

}  // namespace tenon
