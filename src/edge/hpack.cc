#include "edge/hpack_internal.h"

#include <array>

namespace tenon::edge {
namespace {

struct Header {
  std::string_view name, value;
};

// RFC 7541, appendix A.
constexpr std::array<Header, 61> kStatic = {{{":authority", ""},
                                             {":method", "GET"},
                                             {":method", "POST"},
                                             {":path", "/"},
                                             {":path", "/index.html"},
                                             {":scheme", "http"},
                                             {":scheme", "https"},
                                             {":status", "200"},
                                             {":status", "204"},
                                             {":status", "206"},
                                             {":status", "304"},
                                             {":status", "400"},
                                             {":status", "404"},
                                             {":status", "500"},
                                             {"accept-charset", ""},
                                             {"accept-encoding", "gzip, deflate"},
                                             {"accept-language", ""},
                                             {"accept-ranges", ""},
                                             {"accept", ""},
                                             {"access-control-allow-origin", ""},
                                             {"age", ""},
                                             {"allow", ""},
                                             {"authorization", ""},
                                             {"cache-control", ""},
                                             {"content-disposition", ""},
                                             {"content-encoding", ""},
                                             {"content-language", ""},
                                             {"content-length", ""},
                                             {"content-location", ""},
                                             {"content-range", ""},
                                             {"content-type", ""},
                                             {"cookie", ""},
                                             {"date", ""},
                                             {"etag", ""},
                                             {"expect", ""},
                                             {"expires", ""},
                                             {"from", ""},
                                             {"host", ""},
                                             {"if-match", ""},
                                             {"if-modified-since", ""},
                                             {"if-none-match", ""},
                                             {"if-range", ""},
                                             {"if-unmodified-since", ""},
                                             {"last-modified", ""},
                                             {"link", ""},
                                             {"location", ""},
                                             {"max-forwards", ""},
                                             {"proxy-authenticate", ""},
                                             {"proxy-authorization", ""},
                                             {"range", ""},
                                             {"referer", ""},
                                             {"refresh", ""},
                                             {"retry-after", ""},
                                             {"server", ""},
                                             {"set-cookie", ""},
                                             {"strict-transport-security", ""},
                                             {"transfer-encoding", ""},
                                             {"user-agent", ""},
                                             {"vary", ""},
                                             {"via", ""},
                                             {"www-authenticate", ""}}};
constexpr std::uint32_t kFirstStatus = 8, kLastStatus = 14;

// Bits of each byte's code (appendix B). The code is canonical: codes of a length follow each other by value, so that lengths say all of it.
constexpr std::array<std::uint8_t, 257> kBits = {
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6,  10, 10, 12, 13, 6,  8,  11, 10, 10, 8,  11, 8,  6,  6,  6,  5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8,  15, 6,  12, 10,
    13, 6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8,  13, 19, 13, 14, 6,
    15, 5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,  6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7,  15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30};
constexpr int kLeastBits = 5, kMostBits = 30, kFastBits = 8;
constexpr std::uint16_t kEnd = 256;  // its code is nowhere in a text

struct Codes {
  std::array<std::uint32_t, kMostBits + 1> first{};   // code of each length's first symbol
  std::array<std::uint32_t, kMostBits + 1> count{}, place{};  // how many there are, and where in `symbols`
  std::array<std::uint16_t, 257> symbols{};           // by length, then by value
  struct Fast {
    std::uint8_t symbol = 0, bits = 0;                // bits 0: the code is longer
  };
  std::array<Fast, 1 << kFastBits> fast{};
};

constexpr Codes MakeCodes() {
  Codes codes;
  std::uint32_t code = 0, place = 0;
  for (int bits = kLeastBits; bits <= kMostBits; ++bits) {
    const auto at = static_cast<std::size_t>(bits);
    code <<= 1;
    codes.first[at] = code;
    codes.place[at] = place;
    for (std::uint16_t symbol = 0; symbol < kBits.size(); ++symbol) {
      if (kBits[symbol] != bits) continue;
      codes.symbols[place++] = symbol;
      ++codes.count[at];
      if (bits <= kFastBits) {
        const std::uint32_t from = code << (kFastBits - bits);
        for (std::uint32_t i = 0; i < 1U << (kFastBits - bits); ++i) {
          codes.fast[from + i] = {static_cast<std::uint8_t>(symbol), static_cast<std::uint8_t>(bits)};
        }
      }
      ++code;
    }
  }
  return codes;
}
constexpr Codes kCodes = MakeCodes();

// The symbol whose code the 32 bits begin with, and its length; 0 when there is none.
int LongSymbol(std::uint32_t window, std::uint16_t* symbol) {
  for (int bits = kFastBits + 1; bits <= kMostBits; ++bits) {
    const auto at = static_cast<std::size_t>(bits);
    const std::uint32_t code = window >> (32 - bits);
    if (code < kCodes.first[at] || code - kCodes.first[at] >= kCodes.count[at]) continue;
    *symbol = kCodes.symbols[kCodes.place[at] + code - kCodes.first[at]];
    return bits;
  }
  return 0;
}

bool Unhuffman(std::string_view bytes, std::string* out) {
  out->clear();
  std::uint64_t held = 0;  // its low `have` bits are what is not decoded
  int have = 0;
  std::size_t at = 0;
  while (true) {
    for (; have <= 48 && at < bytes.size(); have += 8) held = held << 8 | static_cast<unsigned char>(bytes[at++]);
    if (have == 0) return true;
    // The next 32 bits, with ones behind the end, which is how a text is filled up.
    const std::uint64_t left = held & ((std::uint64_t{1} << have) - 1);
    const auto window = static_cast<std::uint32_t>(have >= 32 ? left >> (have - 32) : left << (32 - have) | ((std::uint64_t{1} << (32 - have)) - 1));
    if (have < 8 && at == bytes.size() && window == 0xffffffffU) return true;
    const Codes::Fast fast = kCodes.fast[window >> (32 - kFastBits)];
    int bits = fast.bits;
    std::uint16_t symbol = fast.symbol;
    if (bits == 0) bits = LongSymbol(window, &symbol);
    if (bits == 0 || bits > have || symbol == kEnd) return false;
    out->push_back(static_cast<char>(symbol));
    have -= bits;
  }
}

// An integer with a prefix of so many bits in the first byte (5.1).
bool TakeInteger(std::string_view* block, int prefix_bits, std::uint32_t* out) {
  if (block->empty()) return false;
  const std::uint32_t full = (1U << prefix_bits) - 1;
  std::uint64_t value = static_cast<unsigned char>(block->front()) & full;
  block->remove_prefix(1);
  if (value == full) {
    for (int shift = 0;; shift += 7) {
      if (block->empty() || shift > 28) return false;
      const auto byte = static_cast<unsigned char>(block->front());
      block->remove_prefix(1);
      value += static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if (value > 0x7fffffffU) return false;
  }
  *out = static_cast<std::uint32_t>(value);
  return true;
}

void AppendInteger(unsigned char first, int prefix_bits, std::size_t value, std::string* out) {
  const std::size_t full = (std::size_t{1} << prefix_bits) - 1;
  if (value < full) {
    out->push_back(static_cast<char>(first | value));
    return;
  }
  out->push_back(static_cast<char>(first | full));
  for (value -= full; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

void AppendString(std::string_view text, std::string* out) {
  AppendInteger(0, 7, text.size(), out);
  out->append(text);
}

// Of a name in the static table; 0: it is not there.
std::uint32_t PlaceOf(std::string_view name) {
  for (std::uint32_t i = 0; i < kStatic.size(); ++i) {
    if (kStatic[i].name == name) return i + 1;
  }
  return 0;
}

void AppendLiteral(unsigned char first, int prefix_bits, std::string_view name, std::string_view value, std::string* out) {
  const std::uint32_t place = PlaceOf(name);
  AppendInteger(first, prefix_bits, place, out);
  if (place == 0) AppendString(name, out);
  AppendString(value, out);
}

constexpr Header kSharedHeaders[] = {{"content-type", "application/grpc"}, {"grpc-status", "0"}, {"content-type", "application/json"}, {"server", "tenon"}};

}  // namespace

struct HpackReader::Sink {
  std::size_t most;
  std::string* text;
  std::vector<HpackField>* fields;
  bool* too_large;
  void Put(std::string_view name, std::string_view value) const {
    if (text->size() + name.size() + value.size() > most || fields->size() >= kMostFields) {
      *too_large = true;
      return;
    }
    const auto at = static_cast<std::uint32_t>(text->size());
    text->append(name);
    text->append(value);
    const auto name_size = static_cast<std::uint32_t>(name.size());
    fields->push_back({at, name_size, at + name_size, static_cast<std::uint32_t>(value.size())});
  }
};

bool HpackReader::At(std::uint32_t index, std::string_view* name, std::string_view* value) const {
  if (index == 0) return false;
  if (index <= kStatic.size()) {
    *name = kStatic[index - 1].name;
    *value = kStatic[index - 1].value;
    return true;
  }
  const std::size_t back = index - kStatic.size() - 1;
  if (back >= count_) return false;
  const Entry& entry = ring_[(newest_ + ring_.size() - back) % ring_.size()];
  *name = std::string_view(entry.text).substr(0, entry.name_size);
  *value = std::string_view(entry.text).substr(entry.name_size);
  return true;
}

void HpackReader::Evict(std::size_t until) {
  for (; bytes_ > until; --count_) {
    Entry& oldest = ring_[(newest_ + ring_.size() - (count_ - 1)) % ring_.size()];
    bytes_ -= oldest.size();
    std::string().swap(oldest.text);  // the ring has room for 128 short ones: long ones that are gone would stay in it
  }
}

void HpackReader::Insert(std::string_view name, std::string_view value) {
  ++changes_;
  if (ring_.empty()) ring_.resize(kMostTable / 32 + 1);
  const std::size_t size = name.size() + value.size() + 32;
  if (size > limit_) return Evict(0);
  std::string text;  // made first: the name may be of an entry that goes
  text.reserve(name.size() + value.size());
  text.append(name).append(value);
  Evict(limit_ - size);
  newest_ = (newest_ + 1) % ring_.size();
  ring_[newest_].text = std::move(text);
  ring_[newest_].name_size = name.size();
  bytes_ += size;
  ++count_;
}

bool HpackReader::String(std::string_view* block, std::string* spare, std::string_view* out) {
  if (block->empty()) return false;
  const bool packed = (block->front() & 0x80) != 0;
  std::uint32_t size = 0;
  if (!TakeInteger(block, 7, &size) || size > block->size()) return false;
  *out = block->substr(0, size);
  block->remove_prefix(size);
  if (!packed) return true;
  if (!Unhuffman(*out, spare)) return false;
  *out = *spare;
  return true;
}

bool HpackReader::Literal(std::string_view* block, int prefix_bits, bool keep, Sink& sink) {
  std::uint32_t index = 0;
  std::string_view name, value, unused;
  if (!TakeInteger(block, prefix_bits, &index)) return false;
  if (index == 0 ? !String(block, &name_, &name) : !At(index, &name, &unused)) return false;
  if (!String(block, &value_, &value)) return false;
  sink.Put(name, value);
  if (keep) Insert(name, value);
  return true;
}

bool HpackReader::Read(std::string_view block, std::size_t most, std::string* text, std::vector<HpackField>* fields, bool* too_large) {
  Sink sink{most, text, fields, too_large};
  bool begun = false;
  while (!block.empty()) {
    const auto first = static_cast<unsigned char>(block.front());
    if ((first & 0xe0) == 0x20) {  // a new size of the table, before any header
      std::uint32_t size = 0;
      if (begun || !TakeInteger(&block, 5, &size) || size > kMostTable) return false;
      if (size != limit_) ++changes_;
      limit_ = size;
      Evict(limit_);
      continue;
    }
    begun = true;
    if ((first & 0x80) != 0) {
      std::uint32_t index = 0;
      std::string_view name, value;
      if (!TakeInteger(&block, 7, &index) || !At(index, &name, &value)) return false;
      sink.Put(name, value);
    } else if (const bool keep = (first & 0x40) != 0; !Literal(&block, keep ? 6 : 4, keep, sink)) {
      return false;
    }
  }
  return true;
}

void HpackWriter::Limit(std::uint32_t bytes) {
  // What is shared fits into 512 bytes. A table that was made smaller once is not made larger again.
  const std::uint32_t bound = bytes >= bound_ ? bound_ : bytes >= 512 ? 512 : 0;
  if (bound == bound_) return;
  bound_ = bound;
  told_ = false;
}

void HpackWriter::Begin(std::string* block) {
  if (told_) return;
  told_ = true;
  AppendInteger(0x20, 5, bound_, block);
  if (bound_ != 0) return;
  for (std::uint32_t& place : place_) place = 0;
}

void HpackWriter::AppendPlain(std::string_view name, std::string_view value, std::string* block) {
  if (name == kStatic[kFirstStatus - 1].name) {
    for (std::uint32_t i = kFirstStatus; i <= kLastStatus; ++i) {
      if (kStatic[i - 1].value == value) return AppendInteger(0x80, 7, i, block);
    }
  }
  AppendLiteral(0, 4, name, value, block);
}

void HpackWriter::Append(std::string_view name, std::string_view value, std::string* block) {
  for (std::size_t i = 0; bound_ != 0 && i < kShared; ++i) {
    if (kSharedHeaders[i].name != name || kSharedHeaders[i].value != value) continue;
    if (place_[i] != 0) return AppendInteger(0x80, 7, kStatic.size() + 1 + inserted_ - place_[i], block);
    place_[i] = ++inserted_;
    return AppendLiteral(0x40, 6, name, value, block);
  }
  AppendPlain(name, value, block);
}

}  // namespace tenon::edge
