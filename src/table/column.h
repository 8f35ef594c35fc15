#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "table/schema.h"

namespace tenon::table {

// The distinct texts that a dictionary-coded column's codes point at. Immutable.
using Dictionary = std::vector<std::string>;

// The values of one column of a batch, Arrow's layout: a validity bitmap (bit i of word i/64 set: value i is there;
// absent: all are), and a flat array of values, of offsets and bytes, or of codes. Immutable and cheap to copy: copies
// share the buffers, which live as long as any of them. Values under a cleared validity bit are zero or empty.
// A floating NaN is a value, not a null; most operations treat both as missing.
class Column {
 public:
  Column() = default;
  // Views onto memory that `owner` keeps alive. `validity` may be null.
  static Column Fixed(Type type, const void* values, std::int64_t size, const std::uint64_t* validity,
                      std::shared_ptr<const void> owner, int width = 0);
  static Column Texts(const std::int64_t* offsets, const char* bytes, std::int64_t size, const std::uint64_t* validity,
                      std::shared_ptr<const void> owner);
  static Column Coded(const std::int32_t* codes, std::shared_ptr<const Dictionary> dictionary, std::int64_t size,
                      const std::uint64_t* validity, std::shared_ptr<const void> owner);
  // Short ways for tests and small results.
  static Column Of(std::vector<double> values);
  static Column Of(std::vector<std::int64_t> values, Type type = Type::kInt64);
  static Column Of(const std::vector<std::string>& values);

  Type type() const { return type_; }
  std::int64_t size() const { return size_; }
  int width() const { return width_; }
  bool has_nulls() const { return null_count() > 0; }
  std::int64_t null_count() const;  // counts the bitmap: O(size / 64)
  bool IsNull(std::int64_t i) const {
    return validity_ != nullptr && (validity_[i >> 6] >> (i & 63) & 1) == 0;
  }
  const std::uint64_t* validity() const { return validity_; }  // null: all valid

  // The flat values; the type must fit (asserted).
  std::span<const std::uint8_t> bools() const;
  std::span<const std::int64_t> ints() const;  // also timestamps
  std::span<const double> doubles() const;
  std::span<const float> floats() const;       // size * width, of embeddings
  bool coded() const { return dictionary_ != nullptr; }
  std::span<const std::int32_t> codes() const;
  const std::shared_ptr<const Dictionary>& dictionary() const { return dictionary_; }
  const std::int64_t* offsets() const { return offsets_; }
  const char* bytes() const { return bytes_; }
  std::string_view Text(std::int64_t i) const {
    if (dictionary_ != nullptr) return (*dictionary_)[static_cast<std::size_t>(static_cast<const std::int32_t*>(values_)[i])];
    return {bytes_ + offsets_[i], static_cast<std::size_t>(offsets_[i + 1] - offsets_[i])};
  }
  // Bools, ints, timestamps and doubles as a double (ints above 2^53 are rounded); NaN when null. Not for texts.
  double Number(std::int64_t i) const;
  // Any value as JSON: null, number, string, bool; timestamps as ISO 8601 text.
  Json ValueAt(std::int64_t i) const;

  // Rows [from, from + count), sharing the buffers; validity bits are copied when they begin within a word.
  Column Slice(std::int64_t from, std::int64_t count) const;
  // The rows at `rows`, in that order, copied. Dictionaries are shared.
  Column Take(std::span<const std::int64_t> rows) const;
  // Copies into one column; the types are equal (asserted). Plain texts unless all share one dictionary.
  static Column Concat(std::span<const Column> parts);

 private:
  Type type_ = Type::kFloat64;
  int width_ = 0;
  std::int64_t size_ = 0;
  const std::uint64_t* validity_ = nullptr;
  const void* values_ = nullptr;
  const std::int64_t* offsets_ = nullptr;
  const char* bytes_ = nullptr;
  std::shared_ptr<const Dictionary> dictionary_;
  std::shared_ptr<const void> owner_;
};

// Makes a column value by value. One thread.
class ColumnBuilder {
 public:
  explicit ColumnBuilder(Type type, int width = 0);
  void AddNull();
  void Add(double value);              // of float64
  void AddInt(std::int64_t value);     // of int64, timestamp, bool
  void AddText(std::string_view text); // of string
  void AddFloats(std::span<const float> values);
  std::int64_t size() const { return size_; }
  // The column; the builder is empty afterwards.
  Column Finish();

 private:
  void Valid(bool valid);
  Type type_;
  int width_;
  std::int64_t size_ = 0;
  bool any_null_ = false;
  std::vector<std::uint64_t> validity_;
  std::vector<double> doubles_;
  std::vector<std::int64_t> ints_;
  std::vector<std::uint8_t> bools_;
  std::vector<float> floats_;
  std::vector<std::int64_t> offsets_;
  std::string bytes_;
};

}  // namespace tenon::table
