#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/text.h"
#include "base/result.h"

// The envelope of a model's payload (docs/formats/forest.md): eight letters that name the format, its version, the body,
// and the XXH3 of all before, so that a flipped bit is found even outside a bundle. Little-endian.
namespace tenon::model {

static_assert(std::endian::native == std::endian::little, "payloads are written in the machine's order");

class PayloadWriter {
 public:
  PayloadWriter(std::string_view magic, std::uint32_t version) : bytes_(magic) { Put(version); }

  template <typename T>
  void Put(T value) {
    static_assert(std::is_arithmetic_v<T>);
    char raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    bytes_.append(raw, sizeof(T));
  }
  void PutBytes(std::string_view bytes) {
    Put(static_cast<std::uint64_t>(bytes.size()));
    bytes_.append(bytes);
  }
  std::string Finish() && {
    Put(Hash64(bytes_));
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
};

// Reads what PayloadWriter wrote. After a read past the end every further read gives zero and ok() is false.
class PayloadReader {
 public:
  // data_loss when the letters or the sum do not fit, failed_precondition for a version that is not oldest..newest.
  static Result<PayloadReader> Open(std::string_view payload, std::string_view magic, std::uint32_t oldest, std::uint32_t newest) {
    const std::size_t least = magic.size() + sizeof(newest) + sizeof(std::uint64_t);
    if (payload.size() < least) {
      return Error(Code::kDataLoss, Str("the payload has ", payload.size(), " bytes; the smallest has ", least));
    }
    if (payload.substr(0, magic.size()) != magic) {
      return Error(Code::kDataLoss, Str("the payload does not start with '", magic, "': it is damaged or of another format"));
    }
    const std::string_view summed = payload.substr(0, payload.size() - sizeof(std::uint64_t));
    PayloadReader sum(payload.substr(summed.size()));
    if (sum.Get<std::uint64_t>() != Hash64(summed)) {
      return Error(Code::kDataLoss, "the payload's bytes do not match its check sum: it is damaged; take it from a backup");
    }
    PayloadReader reader(summed.substr(magic.size()));
    reader.version_ = reader.Get<std::uint32_t>();
    if (reader.version_ < oldest || reader.version_ > newest) {
      return Error(Code::kFailedPrecondition, Str("the payload has version ", reader.version_, " of its format, this program reads ",
                                                  oldest == newest ? Str(newest) : Str(oldest, " to ", newest),
                                                  "; use the program that wrote it"));
    }
    return reader;
  }

  template <typename T>
  T Get() {
    T value{};
    if (left_.size() < sizeof(T)) {
      ok_ = false;
      left_ = {};
      return value;
    }
    std::memcpy(&value, left_.data(), sizeof(T));
    left_.remove_prefix(sizeof(T));
    return value;
  }
  // A count of things that take at least `bytes_each`: 0 and not ok() when so many cannot follow.
  std::size_t GetCount(std::size_t bytes_each) {
    const auto count = Get<std::uint64_t>();
    if (count > left_.size() / bytes_each) {
      ok_ = false;
      left_ = {};
      return 0;
    }
    return static_cast<std::size_t>(count);
  }
  std::uint32_t version() const { return version_; }
  std::string_view GetBytes() {
    const std::string_view bytes = left_.substr(0, GetCount(1));
    left_.remove_prefix(bytes.size());
    return bytes;
  }
  bool ok() const { return ok_; }
  // data_loss unless everything was there and nothing is left.
  Result<void> Done() const {
    if (ok_ && left_.empty()) return {};
    return Error(Code::kDataLoss, ok_ ? Str("the payload has ", left_.size(), " bytes too many") : Str("the payload ends too early"));
  }

 private:
  explicit PayloadReader(std::string_view bytes) : left_(bytes) {}
  std::string_view left_;
  std::uint32_t version_ = 0;
  bool ok_ = true;
};

}  // namespace tenon::model
