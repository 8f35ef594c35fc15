#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "table/batch.h"

namespace tenon::feature {

// How the values of a view's features lie in one packed record: a bit a feature that says it is missing, then eight bytes
// a feature (a double, an int64, a bool as 0 or 1, microseconds, or where a text lies in the texts' bytes), for values that
// change though nothing happens eight bytes more, until when they hold, then the bytes of texts. Nothing is parsed to read one.
// docs/formats/online-record.md. Immutable; any number of threads.
class RecordLayout {
 public:
  RecordLayout() = default;
  // invalid_argument when a field is an embedding.
  static Result<RecordLayout> Of(std::shared_ptr<const table::Schema> fields, bool moves = false);

  const table::Schema& fields() const { return *fields_; }
  const std::shared_ptr<const table::Schema>& shared_fields() const { return fields_; }
  std::size_t features() const { return static_cast<std::size_t>(fields_->size()); }
  std::size_t null_words() const { return (features() + 63) / 64; }
  bool moves() const { return moves_; }                            // whether a record says until when its values hold
  std::size_t words() const { return null_words() + features() + (moves_ ? 1 : 0); }  // of the fixed part
  bool has_texts() const { return has_texts_; }
  std::uint64_t hash() const { return hash_; }  // of names and types

 private:
  std::shared_ptr<const table::Schema> fields_;
  bool has_texts_ = false, moves_ = false;
  std::uint64_t hash_ = 0;
};

// Packs one row of columns that have the layout's types: fixed part and texts. Reused by its owner, a thread.
class RecordPacker {
 public:
  explicit RecordPacker(const RecordLayout& layout) : layout_(layout), words_(layout.words()) {}
  void Start();  // every feature missing, for ever
  void Set(std::size_t feature, double value) { Word(feature, std::bit_cast<std::uint64_t>(value)); }
  void SetInt(std::size_t feature, std::int64_t value) { Word(feature, static_cast<std::uint64_t>(value)); }
  void SetText(std::size_t feature, std::string_view text);
  void SetRow(const table::Batch& rows, std::int64_t row);
  void SetUntil(Micros until) { words_.back() = static_cast<std::uint64_t>(until); }  // of a layout that moves
  std::span<const std::uint64_t> words() const { return words_; }
  std::string_view texts() const { return texts_; }

 private:
  void Word(std::size_t feature, std::uint64_t value) {
    words_[feature / 64] &= ~(std::uint64_t{1} << (feature % 64));
    words_[layout_.null_words() + feature] = value;
  }
  const RecordLayout& layout_;
  std::vector<std::uint64_t> words_;
  std::string texts_;
};

// What a look-up found: one record a key, side by side. Reused from request to request by its owner, a thread.
class Records {
 public:
  // Makes room; every row is not found.
  void Reset(const RecordLayout& layout, std::size_t rows);
  std::size_t rows() const { return at_.size(); }
  bool Found(std::size_t row) const { return found_[row] != 0; }
  Micros at(std::size_t row) const { return at_[row]; }            // event time
  Micros created(std::size_t row) const { return created_[row]; }  // when it was computed
  // From when on the values are others though nothing happens; the greatest: never.
  Micros Until(std::size_t row) const {
    return moves_ ? static_cast<Micros>(words_[(row + 1) * stride_ - 1]) : std::numeric_limits<Micros>::max();
  }
  bool IsNull(std::size_t row, std::size_t feature) const {
    return !Found(row) || (words_[row * stride_ + feature / 64] >> (feature % 64) & 1) != 0;
  }
  // The value of a feature that is not null, by its type.
  double Number(std::size_t row, std::size_t feature) const { return std::bit_cast<double>(Word(row, feature)); }
  std::int64_t Int(std::size_t row, std::size_t feature) const { return static_cast<std::int64_t>(Word(row, feature)); }
  // Any numeric type as a double; NaN when null.
  double AsNumber(std::size_t row, std::size_t feature, table::Type type) const {
    if (IsNull(row, feature)) return std::numeric_limits<double>::quiet_NaN();
    return type == table::Type::kFloat64 ? Number(row, feature) : static_cast<double>(Int(row, feature));
  }
  std::string_view Text(std::size_t row, std::size_t feature) const;

  // For stores: where a record's fixed part goes, and its texts.
  std::span<std::uint64_t> WordsOf(std::size_t row) { return {words_.data() + row * stride_, stride_}; }
  char* TextsOf(std::size_t row, std::size_t bytes);
  void Set(std::size_t row, Micros at, Micros created) {
    at_[row] = at;
    created_[row] = created;
    found_[row] = 1;
  }
  void Lose(std::size_t row) { found_[row] = 0; }

 private:
  std::uint64_t Word(std::size_t row, std::size_t feature) const { return words_[row * stride_ + null_words_ + feature]; }
  std::size_t stride_ = 0, null_words_ = 0;
  bool moves_ = false;
  std::vector<std::uint64_t> words_;
  std::vector<Micros> at_, created_;
  std::vector<std::uint8_t> found_;
  std::vector<std::string> texts_;
};

// A record as flat bytes: 16 bytes of event and creation time, the fixed part, the texts. What logs and servers keep.
std::string FlatRecord(Micros at, Micros created, std::span<const std::uint64_t> words, std::string_view texts);
// data_loss when the bytes cannot be a record of the layout.
Result<void> ReadFlatRecord(const RecordLayout& layout, std::string_view bytes, std::size_t row, Records* out);

}  // namespace tenon::feature
