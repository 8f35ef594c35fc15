#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/result.h"

// The wire format of Protocol Buffers, which ONNX files are: fields one after another, each with a number and one of four
// forms. Reading checks bounds and never allocates; groups, which nobody writes any more, are refused.
namespace tenon::platform {

class ProtoReader {
 public:
  enum class Form : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

  explicit ProtoReader(std::string_view bytes) : left_(bytes) {}

  // Goes to the next field; false at the end, or when the bytes are none (then failed()).
  bool Next() {
    if (left_.empty() || failed_) return false;
    const char* begin = left_.data();
    std::uint64_t tag = 0;
    if (!Varint(&tag)) return Fail();
    number_ = static_cast<std::uint32_t>(tag >> 3);
    form_ = static_cast<Form>(tag & 7);
    if (number_ == 0 || tag >> 32 != 0) return Fail();
    switch (form_) {
      case Form::kVarint:
        if (!Varint(&value_)) return Fail();
        break;
      case Form::kFixed64:
        if (!Fixed(8)) return Fail();
        break;
      case Form::kFixed32:
        if (!Fixed(4)) return Fail();
        break;
      case Form::kBytes: {
        std::uint64_t size = 0;
        if (!Varint(&size) || size > left_.size()) return Fail();
        bytes_ = left_.substr(0, static_cast<std::size_t>(size));
        left_.remove_prefix(static_cast<std::size_t>(size));
        break;
      }
      default: return Fail();
    }
    whole_ = {begin, static_cast<std::size_t>(left_.data() - begin)};
    return true;
  }

  std::uint32_t number() const { return number_; }
  Form form() const { return form_; }
  bool failed() const { return failed_; }
  std::string_view whole() const { return whole_; }  // the field with its tag, to be copied
  // Of the field's form; others give nothing.
  std::string_view bytes() const { return form_ == Form::kBytes ? bytes_ : std::string_view(); }
  std::int64_t whole_number() const { return form_ == Form::kVarint ? static_cast<std::int64_t>(value_) : 0; }
  float single() const {
    float out = 0;
    if (form_ == Form::kFixed32) std::memcpy(&out, &value_, sizeof out);
    return out;
  }
  // One varint of a packed list.
  bool Varint(std::uint64_t* out) {
    *out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (left_.empty()) return false;
      const auto byte = static_cast<unsigned char>(left_.front());
      left_.remove_prefix(1);
      *out |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool empty() const { return left_.empty(); }

 private:
  bool Fixed(std::size_t size) {
    if (left_.size() < size) return false;
    value_ = 0;
    std::memcpy(&value_, left_.data(), size);
    left_.remove_prefix(size);
    return true;
  }
  bool Fail() {
    failed_ = true;
    return false;
  }
  std::string_view left_, bytes_, whole_;
  std::uint64_t value_ = 0;
  std::uint32_t number_ = 0;
  Form form_ = Form::kVarint;
  bool failed_ = false;
};

class ProtoWriter {
 public:
  void Varint(std::uint32_t number, std::uint64_t value) {
    Raw(std::uint64_t{number} << 3);
    Raw(value);
  }
  void Bytes(std::uint32_t number, std::string_view bytes) {
    Raw(std::uint64_t{number} << 3 | 2);
    Raw(bytes.size());
    out_.append(bytes);
  }
  void Single(std::uint32_t number, float value) {
    Raw(std::uint64_t{number} << 3 | 5);
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    out_.append(raw, sizeof raw);
  }
  void Copy(std::string_view whole) { out_.append(whole); }
  void Raw(std::uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
  }
  const std::string& bytes() const { return out_; }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

}  // namespace tenon::platform
