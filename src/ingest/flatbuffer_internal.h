#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace tenon::ingest {

// Reads flatbuffers (the metadata of Arrow files) without trusting them: what lies outside the bytes reads as zero or
// empty and sets *damaged, which the caller asks when it has read all it needs. A view; one thread.
class FlatTable {
 public:
  FlatTable() = default;
  static FlatTable Root(std::string_view bytes, bool* damaged) {
    FlatTable whole(bytes, 0, damaged);
    return FlatTable(bytes, whole.Word<std::uint32_t>(0), damaged);
  }

  bool exists() const { return damaged_ != nullptr; }

  template <typename T>
  T Scalar(int field, T fallback = {}) const {
    const std::uint64_t at = Field(field, sizeof(T));
    return at == 0 ? fallback : Word<T>(at);
  }
  FlatTable Child(int field) const {
    const std::uint64_t at = Field(field, 4);
    return at == 0 ? FlatTable() : FlatTable(bytes_, at + Word<std::uint32_t>(at), damaged_);
  }
  std::string_view Text(int field) const { return Vector(field, 1); }
  // The bytes of a vector of `width`-byte scalars or structs.
  std::string_view Vector(int field, std::uint64_t width) const {
    const std::uint64_t at = Field(field, 4);
    if (at == 0) return {};
    const std::uint64_t begin = at + Word<std::uint32_t>(at);
    const std::uint64_t bytes = Word<std::uint32_t>(begin) * width;
    return Inside(begin + 4, bytes) ? bytes_.substr(begin + 4, bytes) : std::string_view();
  }
  std::size_t Children(int field) const { return Vector(field, 4).size() / 4; }
  FlatTable ChildAt(int field, std::size_t i) const {
    const std::uint64_t at = static_cast<std::uint64_t>(Vector(field, 4).data() - bytes_.data()) + i * 4;
    return FlatTable(bytes_, at + Word<std::uint32_t>(at), damaged_);
  }

 private:
  FlatTable(std::string_view bytes, std::uint64_t at, bool* damaged) : bytes_(bytes), at_(at), damaged_(damaged) {}

  bool Inside(std::uint64_t at, std::uint64_t size) const {
    if (at <= bytes_.size() && size <= bytes_.size() - at) return true;
    *damaged_ = true;
    return false;
  }
  template <typename T>
  T Word(std::uint64_t at) const {
    T value{};
    if (Inside(at, sizeof(T))) std::memcpy(&value, bytes_.data() + at, sizeof(T));
    return value;
  }
  // Where a field's value stands; 0 when the table leaves it out.
  std::uint64_t Field(int field, std::uint64_t size) const {
    if (!exists()) return 0;
    const std::int64_t table = static_cast<std::int64_t>(at_) - Word<std::int32_t>(at_);
    if (table < 0) return *damaged_ = true, 0;
    const auto names = static_cast<std::uint64_t>(table);
    const std::uint64_t slot = 4 + 2 * static_cast<std::uint64_t>(field);
    if (slot + 2 > Word<std::uint16_t>(names)) return 0;
    const std::uint64_t offset = Word<std::uint16_t>(names + slot);
    return offset == 0 || !Inside(at_ + offset, size) ? 0 : at_ + offset;
  }

  std::string_view bytes_;
  std::uint64_t at_ = 0;
  bool* damaged_ = nullptr;
};

}  // namespace tenon::ingest
