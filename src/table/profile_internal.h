#pragma once

#include <memory>

#include "table/counts_internal.h"
#include "table/profile.h"
#include "table/sketch_internal.h"

namespace tenon::table {

// What replaces the exact counts once there are more than kExactDistinct values.
struct NumberSketches {
  Moments moments;
  LogHistogram histogram;
  DistinctSketch distinct;
  FrequentSketch frequent{8};  // codes are Mix(key)
};

// A text's code: its hash, then its length (at most 255) and first bytes, both made to look random by the hash.
inline constexpr std::size_t kTextHead = 23;
inline constexpr int kTextCode = 32;
struct TextSketches {
  DistinctSketch distinct;
  FrequentSketch frequent{kTextCode};
};

// Numbers stand in counts and sketches by 64 bits, their key: the bits of a double (zero is positive), or the integer
// itself. Infinities are only counted.
struct ColumnProfile::State {
  Field field;
  std::int64_t count = 0;               // rows, missing included
  std::int64_t missing = 0;
  std::int64_t infinities[2] = {0, 0};  // positive, negative
  std::int64_t zeros = 0;
  std::int64_t negatives = 0;           // finite
  double least = 0;                     // of finite values, when there are any
  double most = 0;
  std::int64_t shortest = 0;            // of texts, when there are any
  std::int64_t longest = 0;
  std::int64_t length = 0;              // of all texts
  std::vector<std::int64_t> weekly;     // of timestamps: 168 counts once there is one
  std::unique_ptr<ColumnProfile> norms; // of embeddings, once there is one
  NumberCounts numbers;                 // while there are no sketches
  TextCounts texts;
  std::unique_ptr<NumberSketches> number_sketches;
  std::unique_ptr<TextSketches> text_sketches;

  State() = default;
  State(const State& other);

  bool numeric() const { return field.type != Type::kString && field.type != Type::kEmbedding; }
  bool whole() const { return numeric() && field.type != Type::kFloat64; }
  std::int64_t present() const { return count - missing; }
  std::int64_t finite() const { return present() - infinities[0] - infinities[1]; }
  double ValueOf(std::uint64_t key) const;
  std::string TextOf(std::uint64_t key) const;

  void AddFinite(double value, std::uint64_t key, std::int64_t times);
  struct Block;                         // some values and what it takes to add them
  void AddKeys(Block* block);
  void AddMoment(std::int64_t micros, std::int64_t times);
  void AddEmbeddings(const Column& values);
  void AddDoubles(const Column& values);
  void AddWholes(const Column& values);
  void AddText(std::string_view text, std::int64_t times);
  void AddTexts(const Column& values);
  void AddPlainTexts(const Column& values);
  void Tally(double value, std::uint64_t key, std::int64_t times);  // counts or sketches only
  void TallyText(std::string_view text, std::uint64_t hash, std::int64_t times);
  void CollapseNumbers();
  void CollapseTexts();
  void Absorb(const NumberCounts& exact);
  void Absorb(const TextCounts& exact);
  void Settle();
  // The values with their counts, ascending; only while exact.
  std::vector<std::pair<double, std::int64_t>> Sorted() const;
  Moments AllMoments() const;
};

}  // namespace tenon::table
