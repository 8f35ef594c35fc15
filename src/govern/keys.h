#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/call.h"
#include "base/json.h"
#include "govern/scope.h"
#include "store/store.h"

namespace tenon::govern {

// One API key as it is stored: enough to know it again, not enough to use it.
struct KeyRecord {
  std::string name;     // of whoever uses it: "ci", "mobile-app"
  std::string id;       // 8 characters, the part of the key that may be shown
  std::string digest;   // SHA-256 of the whole key, in hex
  Scopes scopes;
  Micros made = 0;
  Micros expires = 0;   // 0: never
  double rate = 0;      // requests a second; 0: the service's own limit
  Json ToJson() const;  // without the digest
};

struct NewKey {
  KeyRecord record;
  std::string text;  // the key itself; not kept anywhere
};

// Makes a key and its audit record. already_exists when there is one of that name; invalid_argument for a name that is
// empty, longer than 64 bytes or has other characters than letters, digits, '-', '_', '.', '@', or a time gone by.
struct KeyWish {
  std::string name;
  Scopes scopes;
  Micros expires = 0;
  double rate = 0;
};
Result<NewKey> AddKey(const Call& call, store::Store& store, const KeyWish& wish);
// Services refuse it within a second. not_found naming the nearest.
Result<void> RemoveKey(const Call& call, store::Store& store, std::string_view name);
Result<std::vector<KeyRecord>> Keys(const store::Store& store);  // by name
// Grows with every change of the keys; 0 when there never was one.
Result<std::int64_t> KeysRevision(const store::Store& store);

// Keys without a store, for a service that has none: a list of objects with the members of ToJson and `digest`.
std::string WriteKeys(const std::vector<KeyRecord>& keys);
Result<std::vector<KeyRecord>> ReadKeys(std::string_view text, std::string_view file);

// The id within a key's text, or "" when it does not have a key's form. No allocation.
std::string_view KeyIdOf(std::string_view text);
// Whether two texts are the same, in a time that depends on the first one's size only.
bool SameSecret(std::string_view known, std::string_view given);

}  // namespace tenon::govern
