#include "govern/access.h"

#include <algorithm>

#include "base/hash.h"

namespace tenon::govern {

const Principal* Rules::Find(std::string_view id) const {
  const auto at = std::ranges::lower_bound(keys, id, {}, &Principal::id);
  return at == keys.end() || at->id != id ? nullptr : &*at;
}

bool IsKeyOf(const Principal& principal, std::string_view text) { return SameSecret(principal.digest, HashOf(text)); }

void Access::Set(std::shared_ptr<const Rules> rules) {
  rules_.Set(std::move(rules));
  revision_.fetch_add(1, std::memory_order_acq_rel);
}

Rules RulesOf(const std::vector<KeyRecord>& keys, bool may_open, bool certificates, Scopes certificate_scopes) {
  Rules rules;
  rules.open = may_open && keys.empty() && !certificates;
  rules.certificates = certificates;
  rules.certificate_scopes = certificate_scopes;
  for (const KeyRecord& key : keys) {
    rules.keys.push_back({.name = key.name, .id = key.id, .digest = key.digest, .scopes = key.scopes, .expires = key.expires, .rate = key.rate, .hash = Hash64(key.name, 0x6b6579)});
  }
  std::ranges::sort(rules.keys, {}, &Principal::id);
  return rules;
}

}  // namespace tenon::govern
