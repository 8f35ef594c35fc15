#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tenon::edge {

// The wire format of Protocol Buffers, read and written field by field, without messages as objects. The contracts are in
// api/*.proto. https://protobuf.dev/programming-guides/encoding/

enum class ProtoWire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Goes through the fields of one message. Strict: a number of more than 64 bits, a length beyond the end, field 0, and
// groups (which proto3 does not have) end it. Borrows the bytes.
//   while (reader.Next()) { if (reader.Is(1, ProtoWire::kBytes)) ... reader.bytes() ... }
//   if (!reader.good()) ...
class ProtoReader {
 public:
  explicit ProtoReader(std::string_view bytes) : rest_(bytes) {}
  // Reads the next field; false at the end, and when the bytes are no message.
  bool Next();
  bool good() const { return good_; }
  std::uint32_t field() const { return field_; }
  ProtoWire wire() const { return wire_; }
  // A known field of another kind than the contract says makes the message a bad one.
  bool Is(std::uint32_t field, ProtoWire wire) {
    if (field_ != field) return false;
    if (wire_ == wire) return true;
    good_ = false;
    rest_ = {};
    return false;
  }
  std::uint64_t number() const { return number_; }       // of kVarint, kFixed32, kFixed64: the bits
  std::string_view bytes() const { return bytes_; }      // of kBytes
  // One number from a packed list; false when there is none left or it is malformed.
  static bool TakeVarint(std::string_view* bytes, std::uint64_t* out) {
    if (bytes->empty()) return false;
    const auto first = static_cast<unsigned char>(bytes->front());
    if (first >= 0x80) return TakeLongVarint(bytes, out);
    bytes->remove_prefix(1);
    *out = first;
    return true;
  }

 private:
  static bool TakeLongVarint(std::string_view* bytes, std::uint64_t* out);

  std::string_view rest_;
  std::uint32_t field_ = 0;
  ProtoWire wire_ = ProtoWire::kVarint;
  std::uint64_t number_ = 0;
  std::string_view bytes_;
  bool good_ = true;
};

// Appends fields of one message to a string. Fields with the value that stands for "not given" (0, "") are left out by the
// plain functions, as proto3 has it.
class ProtoWriter {
 public:
  explicit ProtoWriter(std::string* out) : out_(out) {}
  void Number(std::uint32_t field, std::uint64_t value);
  void Bytes(std::uint32_t field, std::string_view value);
  void AlwaysBytes(std::uint32_t field, std::string_view value);  // of repeated fields, whose empty ones count
  // A nested message, whose fields are appended between the two: `Begin` gives what `End` wants.
  std::size_t Begin(std::uint32_t field);
  void End(std::size_t begin);

 private:
  void Varint(std::uint64_t value);
  std::string* out_;
};

}  // namespace tenon::edge
