#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tenon {

std::uint64_t Hash64(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint64_t Hash64(std::uint64_t value, std::uint64_t seed) { return XXH3_64bits_withSeed(&value, sizeof value, seed); }

std::string KeyedHash(std::string_view key, std::string_view bytes) {
  constexpr std::size_t kBlock = 64;
  const auto raw = [](const std::string& hex) {
    std::string out;
    for (std::size_t i = 0; i < hex.size(); i += 2) out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    return out;
  };
  const std::string used = key.size() > kBlock ? raw(HashOf(key)) : std::string(key);
  std::string inner(kBlock, '\x36');
  std::string outer(kBlock, '\x5c');
  for (std::size_t i = 0; i < used.size(); ++i) {
    inner[i] = static_cast<char>(inner[i] ^ used[i]);
    outer[i] = static_cast<char>(outer[i] ^ used[i]);
  }
  return HashOf(outer + raw(HashOf(inner.append(bytes))));
}

}  // namespace tenon
