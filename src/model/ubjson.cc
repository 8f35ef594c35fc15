#include "model/ubjson_internal.h"

#include <bit>
#include <cstring>

#include "base/text.h"

namespace tenon::model {
namespace {

constexpr int kMostDepth = 200;

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  Result<Json> Whole() {
    TENON_ASSIGN(Json json, Value(Byte(), 0));
    if (failed_) return Cut();
    if (at_ != bytes_.size()) return Error(Code::kInvalidArgument, Str("UBJSON: ", bytes_.size() - at_, " bytes follow the value"));
    return json;
  }

 private:
  Error Cut() const { return Error(Code::kInvalidArgument, Str("UBJSON: the file ends within a value, at byte ", at_, "; it is cut off or damaged")); }
  Error Wrong(char marker) const {
    return Error(Code::kInvalidArgument, Str("UBJSON: byte ", at_, " has the marker ", static_cast<int>(static_cast<unsigned char>(marker)), ", which is none"));
  }
  char Byte() {
    if (at_ >= bytes_.size()) {
      failed_ = true;
      return 'Z';
    }
    return bytes_[at_++];
  }
  char Peek() const { return at_ < bytes_.size() ? bytes_[at_] : '\0'; }

  // Big-endian.
  template <typename T>
  T Number() {
    unsigned char raw[sizeof(T)] = {};
    if (bytes_.size() - at_ < sizeof(T)) {
      failed_ = true;
      at_ = bytes_.size();
    } else {
      for (std::size_t i = 0; i < sizeof(T); ++i) raw[sizeof(T) - 1 - i] = static_cast<unsigned char>(bytes_[at_ + i]);
      at_ += sizeof(T);
    }
    T value;
    std::memcpy(&value, raw, sizeof(T));
    return value;
  }
  static std::size_t SizeOf(char marker) {
    switch (marker) {
      case 'i': case 'U': case 'C': return 1;
      case 'I': return 2;
      case 'l': case 'd': return 4;
      case 'L': case 'D': return 8;
      default: return 0;
    }
  }
  Result<std::int64_t> Whole(char marker) {
    switch (marker) {
      case 'i': return Number<std::int8_t>();
      case 'U': return Number<std::uint8_t>();
      case 'I': return Number<std::int16_t>();
      case 'l': return Number<std::int32_t>();
      case 'L': return Number<std::int64_t>();
      default: return Wrong(marker);
    }
  }
  Result<std::size_t> Length() {
    TENON_ASSIGN(const std::int64_t length, Whole(Byte()));
    if (length < 0 || static_cast<std::uint64_t>(length) > bytes_.size()) return Cut();
    return static_cast<std::size_t>(length);
  }
  Result<std::string> Text() {
    TENON_ASSIGN(const std::size_t length, Length());
    if (bytes_.size() - at_ < length) return Cut();
    std::string text(bytes_.substr(at_, length));
    at_ += length;
    return text;
  }

  Result<Json> Value(char marker, int depth) {
    if (failed_) return Cut();
    if (depth > kMostDepth) return Error(Code::kInvalidArgument, "UBJSON: nested too deeply");
    switch (marker) {
      case 'Z': return Json();
      case 'T': return Json(true);
      case 'F': return Json(false);
      case 'd': return Json(static_cast<double>(Number<float>()));
      case 'D': return Json(Number<double>());
      case 'C': return Json(std::string(1, Byte()));
      case 'S': case 'H': {
        TENON_ASSIGN(std::string text, Text());
        return Json(std::move(text));
      }
      case '[': return List(depth);
      case '{': return Object(depth);
      default: {
        TENON_ASSIGN(const std::int64_t whole, Whole(marker));
        return Json(whole);
      }
    }
  }

  // The type and count that may stand before a container's values; -1: none, it ends with a mark.
  Result<std::int64_t> Header(char* type) {
    *type = '\0';
    if (Peek() == '$') {
      ++at_;
      *type = Byte();
      if (Peek() != '#') return Wrong(Peek());
    }
    if (Peek() != '#') return -1;
    ++at_;
    TENON_ASSIGN(const std::int64_t count, Whole(Byte()));
    const std::size_t least = *type == '\0' ? 1 : SizeOf(*type);
    if (count < 0 || failed_) return Cut();
    if (least == 0 && *type != '[' && *type != '{' && *type != 'S') return Wrong(*type);
    if (static_cast<std::uint64_t>(count) > (bytes_.size() - at_) / std::max<std::size_t>(least, 1)) return Cut();
    return count;
  }

  Result<Json> List(int depth) {
    char type = '\0';
    TENON_ASSIGN(const std::int64_t count, Header(&type));
    Json::Array out;
    if (count >= 0) out.reserve(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; count < 0 || i < count; ++i) {
      char marker = type;
      if (type == '\0') marker = Byte();
      if (count < 0 && marker == ']') break;
      TENON_ASSIGN(Json value, Value(marker, depth + 1));
      out.push_back(std::move(value));
    }
    return Json(std::move(out));
  }

  Result<Json> Object(int depth) {
    char type = '\0';
    TENON_ASSIGN(const std::int64_t count, Header(&type));
    Json::Object out;
    for (std::int64_t i = 0; count < 0 || i < count; ++i) {
      if (count < 0 && Peek() == '}') {
        ++at_;
        break;
      }
      TENON_ASSIGN(std::string key, Text());
      char marker = type;
      if (type == '\0') marker = Byte();
      TENON_ASSIGN(Json value, Value(marker, depth + 1));
      out.emplace_back(std::move(key), std::move(value));
    }
    return Json(std::move(out));
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace

Result<Json> ReadUbjson(std::string_view bytes) { return Reader(bytes).Whole(); }

}  // namespace tenon::model
