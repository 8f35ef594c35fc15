#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tenon {

// SHA-256 (FIPS 180-4) of all that was added, as 64 hexadecimal digits. Names artifacts, so that `sha256sum` can check
// them. One thread.
class ContentHash {
 public:
  ContentHash();
  ~ContentHash();
  ContentHash(ContentHash&&) noexcept;
  ContentHash& operator=(ContentHash&&) noexcept;
  void Add(std::string_view bytes);
  // Adds the length first, so that ("ab","c") and ("a","bc") differ.
  void AddSized(std::string_view bytes);
  std::string Hex() const;  // may be asked again after more Add

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string HashOf(std::string_view bytes);
// HMAC-SHA-256 (RFC 2104) in hexadecimal: for pseudonyms that only who has the key can make.
std::string KeyedHash(std::string_view key, std::string_view bytes);

// XXH3, 64 bits: stable across runs, machines and versions of this program. For splits, sketches and hash features; not
// against an adversary.
std::uint64_t Hash64(std::string_view bytes, std::uint64_t seed = 0);
std::uint64_t Hash64(std::uint64_t value, std::uint64_t seed = 0);

}  // namespace tenon
