#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/text.h"

namespace tenon {

// Little-endian bytes of what is saved. The format's document names what stands where.
class ByteWriter {
 public:
  void U8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void I64(std::int64_t value) { Raw(&value, sizeof value); }
  void Size(std::size_t value) { I64(static_cast<std::int64_t>(value)); }
  void F64(double value) { Raw(&value, sizeof value); }
  void Text(std::string_view text) {
    Size(text.size());
    out_.append(text);
  }
  const std::string& bytes() const { return out_; }
  std::string Take() { return std::move(out_); }

 private:
  void Raw(const void* from, std::size_t size) { out_.append(static_cast<const char*>(from), size); }
  std::string out_;
};

// Reads what ByteWriter wrote. Reading past the end gives zeros and empty texts, and Done() the error: a loader reads all,
// checks sizes it allocates for against left(), and asks once.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
  std::uint8_t U8() {
    std::uint8_t value = 0;
    Raw(&value, sizeof value);
    return value;
  }
  std::int64_t I64() {
    std::int64_t value = 0;
    Raw(&value, sizeof value);
    return value;
  }
  double F64() {
    double value = 0;
    Raw(&value, sizeof value);
    return value;
  }
  // A count of things of at least `least` bytes each; 0 (and failed) when they cannot be there.
  std::size_t Size(std::size_t least = 1) {
    const auto value = static_cast<std::uint64_t>(I64());
    if (value > rest_.size() / least) {
      failed_ = true;
      return 0;
    }
    return static_cast<std::size_t>(value);
  }
  std::string_view Text() {
    const std::size_t size = Size();
    const std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return text;
  }
  std::size_t left() const { return rest_.size(); }
  void Fail() { failed_ = true; }
  bool failed() const { return failed_; }
  Result<void> Done() const {
    if (failed_) return Error(Code::kDataLoss, "the saved state ends too early or contradicts itself");
    if (!rest_.empty()) return Error(Code::kDataLoss, Str("the saved state has ", rest_.size(), " bytes too many"));
    return {};
  }

 private:
  void Raw(void* to, std::size_t size) {
    if (failed_ || rest_.size() < size) {
      failed_ = true;
      return;
    }
    std::memcpy(to, rest_.data(), size);
    rest_.remove_prefix(size);
  }
  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace tenon
