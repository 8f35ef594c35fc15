// SHA-256 (FIPS 180-4) for programs without OpenSSL: takes the place of base/content_hash.cc in libtenon.

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/hash.h"

namespace tenon {
namespace {

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
constexpr std::array<std::uint32_t, 64> kRound = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

}  // namespace

struct ContentHash::State {
  std::array<std::uint32_t, 8> words = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> block = {};
  std::size_t held = 0;      // bytes of `block`
  std::uint64_t total = 0;   // bytes so far

  void Mix(const unsigned char* at);
  void Add(const unsigned char* at, std::size_t size);
};

void ContentHash::State::Mix(const unsigned char* at) {
  std::array<std::uint32_t, 64> w;
  for (std::size_t i = 0; i < 16; ++i) {
    w[i] = static_cast<std::uint32_t>(at[4 * i]) << 24 | static_cast<std::uint32_t>(at[4 * i + 1]) << 16 |
           static_cast<std::uint32_t>(at[4 * i + 2]) << 8 | static_cast<std::uint32_t>(at[4 * i + 3]);
  }
  for (std::size_t i = 16; i < 64; ++i) {
    const std::uint32_t a = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const std::uint32_t b = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + a + w[i - 7] + b;
  }
  auto [a, b, c, d, e, f, g, h] = words;
  for (std::size_t i = 0; i < 64; ++i) {
    const std::uint32_t first = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) + kRound[i] + w[i];
    const std::uint32_t second = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + first, d = c, c = b, b = a, a = first + second;
  }
  const std::array<std::uint32_t, 8> mixed = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) words[i] += mixed[i];
}

void ContentHash::State::Add(const unsigned char* at, std::size_t size) {
  total += size;
  if (held > 0) {
    const std::size_t part = std::min(size, block.size() - held);
    std::memcpy(block.data() + held, at, part);
    held += part, at += part, size -= part;
    if (held < block.size()) return;
    Mix(block.data());
    held = 0;
  }
  for (; size >= block.size(); at += block.size(), size -= block.size()) Mix(at);
  if (size > 0) std::memcpy(block.data(), at, size);
  held = size;
}

ContentHash::ContentHash() : state_(std::make_unique<State>()) {}
ContentHash::~ContentHash() = default;
ContentHash::ContentHash(ContentHash&&) noexcept = default;
ContentHash& ContentHash::operator=(ContentHash&&) noexcept = default;

void ContentHash::Add(std::string_view bytes) { state_->Add(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()); }

void ContentHash::AddSized(std::string_view bytes) {
  std::array<char, 8> size;
  for (std::size_t i = 0; i < size.size(); ++i) size[i] = static_cast<char>(bytes.size() >> (8 * i) & 0xff);
  Add({size.data(), size.size()});
  Add(bytes);
}

std::string ContentHash::Hex() const {
  State end = *state_;
  const std::uint64_t bits = end.total * 8;
  const unsigned char one = 0x80, zero = 0;
  end.Add(&one, 1);
  while (end.held != 56) end.Add(&zero, 1);
  std::array<unsigned char, 8> length;
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(bits >> (56 - 8 * i) & 0xff);
  end.Add(length.data(), length.size());
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const std::uint32_t word : end.words) {
    for (int shift = 28; shift >= 0; shift -= 4) out += kHex[word >> shift & 15];
  }
  return out;
}

std::string HashOf(std::string_view bytes) {
  ContentHash hash;
  hash.Add(bytes);
  return hash.Hex();
}

}  // namespace tenon
