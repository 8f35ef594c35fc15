#include <algorithm>
#include <map>
#include <set>

#include "app/holder.h"
#include "base/text.h"
#include "serve/endpoint.h"
#include "serve/batchers.h"

namespace tenon::app {
namespace {

constexpr std::string_view kEnding = ".tenon";

// "fraud@7.tenon" -> fraud and 7; version 0 when the name says none.
std::pair<std::string, int> NamedBy(std::string_view path) {
  std::string_view stem = platform::NameOf(path);
  if (stem.ends_with(kEnding)) stem.remove_suffix(kEnding.size());
  const std::size_t at = stem.rfind('@');
  std::int64_t version = 0;
  if (at == std::string_view::npos || !ParseInt64(stem.substr(at + 1), &version) || version < 1 || version > 1'000'000'000) return {std::string(), 0};
  return {std::string(stem.substr(0, at)), static_cast<int>(version)};
}

class Bundles final : public Holder {
 public:
  Bundles(platform::Files& files, const HolderKinds& kinds, BundleSpec spec) : files_(files), kinds_(kinds), spec_(std::move(spec)) {}

  Result<void> Refresh(serve::Endpoints& endpoints, std::vector<std::string>* changes) override {
    TENON_ASSIGN(const std::vector<std::string> paths, Paths());
    std::set<std::string> touched;
    for (const std::string& path : paths) {
      const auto info = files_.Info(path);
      const auto known = taken_.find(path);
      if (!info) {
        if (first_) return info.error().Clone();
        continue;
      }
      if (known != taken_.end() && known->second.bytes == info->bytes && known->second.modified == info->modified) continue;
      Taken next{.bytes = info->bytes, .modified = info->modified, .served = known == taken_.end() ? nullptr : known->second.served};
      auto served = Open(path);
      if (served) {
        touched.insert((*served)->endpoint);
        if (next.served != nullptr) touched.insert(next.served->endpoint);
        changes->push_back(Str((*served)->model, " answers"));
        next.served = *std::move(served);
      } else if (first_) {
        return std::move(served).error();
      } else {
        next.refused = Str(path, ": ", served.error().ForPeople());
      }
      taken_[path] = std::move(next);
    }
    for (auto it = taken_.begin(); it != taken_.end();) {
      if (std::ranges::find(paths, it->first) != paths.end()) {
        ++it;
        continue;
      }
      if (it->second.served != nullptr) {
        touched.insert(it->second.served->endpoint);
        changes->push_back(Str(it->second.served->model, " was taken away"));
      }
      it = taken_.erase(it);
    }
    for (const std::string& name : touched) Place(name, endpoints);
    if (first_ && taken_.empty()) return Error(Code::kNotFound, Str("there is no *.tenon in ", Join(spec_.folders, ", "), "; `tenon models export` writes one"));
    first_ = false;
    std::vector<std::string> refused;
    for (const auto& [path, taken] : taken_) {
      if (!taken.refused.empty()) refused.push_back(taken.refused);
    }
    if (!refused.empty()) return Error(Code::kFailedPrecondition, Join(refused, "; "));
    return {};
  }

  Result<std::int64_t> KeysRevision() override {
    if (spec_.keys.empty()) return std::int64_t{0};
    TENON_ASSIGN(const platform::FileInfo info, files_.Info(spec_.keys));
    return info.modified;
  }
  Result<std::vector<govern::KeyRecord>> Keys() override {
    if (spec_.keys.empty()) return std::vector<govern::KeyRecord>();
    TENON_ASSIGN(const std::string text, files_.Read(spec_.keys));
    TENON_ASSIGN(auto keys, govern::ReadKeys(text, spec_.keys));
    // A file that asks for keys and has none must not open the door to everybody.
    if (keys.empty()) return Error(Code::kInvalidArgument, Str(spec_.keys, " has no key: nobody could ask; leave --keys away to be open to everybody"));
    return keys;
  }

 private:
  struct Taken {
    std::uint64_t bytes = 0;
    std::int64_t modified = 0;
    std::shared_ptr<const serve::Served> served;  // what answers; null: nothing was ever taken from it
    std::string refused;                          // why the file as it is now is not taken
  };

  Result<std::vector<std::string>> Paths() const {
    std::vector<std::string> paths = spec_.files;
    for (const std::string& folder : spec_.folders) {
      TENON_ASSIGN(const auto names, files_.List(folder));
      for (const std::string& name : names) {
        if (name.ends_with(kEnding) && !name.starts_with(".")) paths.push_back(platform::JoinPath(folder, name));
      }
    }
    return paths;
  }

  // Read, not mapped: a file that is written over while it is served must not change what is served.
  Result<std::shared_ptr<const serve::Served>> Open(const std::string& path) const {
    TENON_ASSIGN(auto bytes, files_.Read(path));
    class Held final : public platform::Bytes {
     public:
      explicit Held(std::string held) : held_(std::move(held)) {}
      std::string_view view() const override { return held_; }

     private:
      std::string held_;
    };
    TENON_ASSIGN(auto bundle, model::Bundle::Open(std::make_shared<Held>(std::move(bytes))), path);
    auto [name, version] = NamedBy(path);
    if (name.empty()) name = bundle->manifest().StringAt("name");
    if (!spec_.name.empty() && spec_.files.size() == 1 && spec_.folders.empty()) name = spec_.name;
    if (name.empty()) name = "model";
    version = std::max(version, 1);
    return serve::MakeServed(bundle, name, Str(name, "@", version), version, kinds_.ops, kinds_.formats);
  }

  void Place(const std::string& name, serve::Endpoints& endpoints) {
    auto route = std::make_shared<serve::Route>();
    route->name = name;
    for (const auto& [path, taken] : taken_) {
      if (taken.served != nullptr && taken.served->endpoint == name) route->arms.push_back({.served = taken.served, .role = serve::Role::kDark, .share = 0});
    }
    if (route->arms.empty()) {
      batchers_.erase(name);
      return endpoints.Remove(name);
    }
    std::ranges::stable_sort(route->arms, std::greater(), [](const serve::Arm& arm) { return arm.served->version; });
    route->arms.front().role = serve::Role::kChampion;
    route->arms.front().share = 1;
    batchers_.try_emplace(name, kinds_.batching).first->second.AddTo(route.get());
    endpoints.Set(std::shared_ptr<const serve::Route>(std::move(route)));
  }

  platform::Files& files_;
  const HolderKinds& kinds_;
  BundleSpec spec_;
  std::map<std::string, Taken> taken_;  // by path
  std::map<std::string, serve::Batchers> batchers_;  // by endpoint
  bool first_ = true;
};

}  // namespace

std::unique_ptr<Holder> HoldBundles(platform::Files& files, const HolderKinds& kinds, BundleSpec spec) {
  return std::make_unique<Bundles>(files, kinds, std::move(spec));
}

}  // namespace tenon::app
