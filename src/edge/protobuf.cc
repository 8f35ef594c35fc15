#include "edge/protobuf_internal.h"

#include <bit>

namespace tenon::edge {
namespace {

std::uint64_t Little(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

bool ProtoReader::TakeLongVarint(std::string_view* bytes, std::uint64_t* out) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes->size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>((*bytes)[i]);
    if (i == 9 && byte > 1) return false;  // beyond 64 bits
    value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      bytes->remove_prefix(i + 1);
      *out = value;
      return true;
    }
  }
  return false;
}

bool ProtoReader::Next() {
  if (!good_ || rest_.empty()) return false;
  good_ = false;
  std::uint64_t tag = 0;
  if (!TakeVarint(&rest_, &tag) || tag > 0xffffffffU || (tag >> 3) == 0) return false;
  field_ = static_cast<std::uint32_t>(tag >> 3);
  wire_ = static_cast<ProtoWire>(tag & 7);
  switch (wire_) {
    case ProtoWire::kVarint:
      good_ = TakeVarint(&rest_, &number_);
      return good_;
    case ProtoWire::kFixed64:
    case ProtoWire::kFixed32: {
      const std::size_t size = wire_ == ProtoWire::kFixed64 ? 8 : 4;
      if (rest_.size() < size) return false;
      number_ = Little(rest_.substr(0, size));
      rest_.remove_prefix(size);
      return good_ = true;
    }
    case ProtoWire::kBytes: {
      std::uint64_t size = 0;
      if (!TakeVarint(&rest_, &size) || size > rest_.size()) return false;
      bytes_ = rest_.substr(0, static_cast<std::size_t>(size));
      rest_.remove_prefix(bytes_.size());
      return good_ = true;
    }
  }
  return false;
}

void ProtoWriter::Varint(std::uint64_t value) {
  while (value >= 0x80) {
    out_->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out_->push_back(static_cast<char>(value));
}

void ProtoWriter::Number(std::uint32_t field, std::uint64_t value) {
  if (value == 0) return;
  Varint(field << 3);
  Varint(value);
}

void ProtoWriter::Bytes(std::uint32_t field, std::string_view value) {
  if (!value.empty()) AlwaysBytes(field, value);
}

void ProtoWriter::AlwaysBytes(std::uint32_t field, std::string_view value) {
  Varint(field << 3 | 2);
  Varint(value.size());
  out_->append(value);
}

std::size_t ProtoWriter::Begin(std::uint32_t field) {
  Varint(field << 3 | 2);
  return out_->size();
}

void ProtoWriter::End(std::size_t begin) {
  const std::size_t size = out_->size() - begin;
  char digits[10];
  std::size_t used = 0;
  for (std::uint64_t left = size; ; left >>= 7) {
    digits[used++] = static_cast<char>(left >= 0x80 ? left | 0x80 : left);
    if (left < 0x80) break;
  }
  out_->insert(begin, digits, used);
}

}  // namespace tenon::edge
