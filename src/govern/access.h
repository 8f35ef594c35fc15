#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/shared_cell.h"
#include "govern/keys.h"

namespace tenon::govern {

// Somebody who is known, and what they may.
struct Principal {
  std::string name;         // the key's name, or "cert:" and a certificate's common name
  std::string id;           // the key's; "" for a certificate
  std::string digest;
  Scopes scopes;
  Micros expires = 0;       // 0: never
  double rate = 0;          // requests a second; 0: the service's own limit
  std::uint64_t hash = 0;   // of the name, to count by
};

// All that is needed to say who asks. Immutable.
struct Rules {
  bool open = true;                  // everybody may everything
  std::vector<Principal> keys;       // by id
  bool certificates = false;         // whether a client's checked certificate stands for a key
  Scopes certificate_scopes;

  // The one whose id that is; null when there is none. Whether the key is right is asked apart, by Is.
  const Principal* Find(std::string_view id) const;
};

// Whether the text is that principal's key; hashes it.
bool IsKeyOf(const Principal& principal, std::string_view text);

// The rules of a service, which change while it answers. Set is the owner's; the rest is for any thread.
class Access {
 public:
  std::shared_ptr<const Rules> rules() const { return rules_.Get(); }
  std::uint64_t revision() const { return revision_.load(std::memory_order_acquire); }
  void Set(std::shared_ptr<const Rules> rules);

 private:
  SharedCell<const Rules> rules_{std::make_shared<const Rules>()};
  std::atomic<std::uint64_t> revision_{1};
};

// The rules that the keys make. Open when there is no key and no certificate is asked for, and `may_open`.
Rules RulesOf(const std::vector<KeyRecord>& keys, bool may_open, bool certificates, Scopes certificate_scopes);

}  // namespace tenon::govern
