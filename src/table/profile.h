#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "table/batch.h"

namespace tenon::table {

class ByteReader;

// One bin of a histogram; the last one includes its upper end.
struct Bin {
  double low = 0;
  double high = 0;
  double count = 0;
};

// A value and how often it came.
struct Frequency {
  std::string value;
  double count = 0;
};

// The summary of one column: what schemas are inferred from, snapshots are validated by, drift is measured against, and
// the console draws. Adding values and merging summaries in any split and any order gives the same bytes. One thread
// (one a thread, then Merge).
//
// Exact: counts, missing, extremes, zeros, sums and moments (ExactSum), the value counts while there are at most
// kExactDistinct different ones. Beyond that: quantiles by a log-linear histogram (DDSketch; Masson, Rim, Lee 2019) within
// 0.5 % of the value; distinct by HyperLogLog (2^12 registers, about 1.6 %); the most frequent values by a linear sketch
// from which they are decoded: of n values, those that came more than about 0.4 sqrt(n) times, with counts within about
// sqrt(n) / 100; texts longer than 23 bytes are cut. Moments are of the finite values; extremes and quantiles are of all.
// Docs: docs/formats/profile.md.
class ColumnProfile {
 public:
  explicit ColumnProfile(Field field = {});
  ~ColumnProfile();
  ColumnProfile(const ColumnProfile&);
  ColumnProfile(ColumnProfile&&) noexcept;
  ColumnProfile& operator=(ColumnProfile&&) noexcept;

  const Field& field() const;
  void Add(const Column& values);
  void AddNumber(double value);          // one value, NaN: missing; from the serving path; rounded in whole columns
  void AddText(std::string_view value);  // one value
  void AddMissing(std::int64_t count = 1);
  Result<void> Merge(const ColumnProfile& other);  // of the same field type

  std::int64_t count() const;            // rows seen, missing included
  std::int64_t missing() const;          // nulls and NaN
  bool numeric() const;                  // has the statistics of numbers (bool, int64, float64, timestamp)
  double min() const;                    // NaN when there is no value
  double max() const;
  double mean() const;
  double stddev() const;                 // sample (n - 1)
  double skewness() const;
  std::int64_t zeros() const;
  std::int64_t negatives() const;
  std::int64_t infinities() const;
  double Quantile(double q) const;       // q in 0..1; NaN when empty
  double distinct() const;               // exact while distinct_is_exact()
  bool distinct_is_exact() const;
  // The most frequent values, most frequent first, ties by value. Texts of numbers are their shortest decimals, of bools
  // "true" and "false", of timestamps ISO 8601.
  std::vector<Frequency> Top(int most) const;
  // Equal-width bins between the finite extremes, one when these are equal; of numbers.
  std::vector<Bin> Histogram(int bins) const;
  // How many values (not missing) are <= x, within the sketch's error; of numbers.
  double CountAtMost(double x) const;
  // Lengths of texts in bytes; 0 when there is none.
  std::int64_t shortest() const;
  std::int64_t longest() const;
  double mean_length() const;

  // Of timestamps: values by weekday and hour in UTC, 24 a day, Monday first; empty for other types.
  std::vector<std::int64_t> Weekly() const;
  // Of embeddings: the profile of their Euclidean norms; null for other types.
  const ColumnProfile* norms() const;

  Json ToJson() const;                   // the summary for people and pages, not all of the state
  std::string Save() const;              // all of the state; equal states give equal bytes
  static Result<ColumnProfile> Load(std::string_view bytes);

  static constexpr int kExactDistinct = 4096;

 private:
  struct State;
  Result<void> LoadValues(ByteReader* in);
  std::unique_ptr<State> state_;
};

// The summaries of a table's columns.
class Profile {
 public:
  Profile() = default;
  explicit Profile(const Schema& schema);
  void Add(const Batch& batch);          // of that schema
  Result<void> Merge(const Profile& other);
  std::int64_t rows() const { return rows_; }
  const std::vector<ColumnProfile>& columns() const { return columns_; }
  ColumnProfile& column(int i) { return columns_[static_cast<std::size_t>(i)]; }
  const ColumnProfile* Find(std::string_view name) const;  // null when there is none
  Json ToJson() const;
  std::string Save() const;
  static Result<Profile> Load(std::string_view bytes);

 private:
  std::int64_t rows_ = 0;
  std::vector<ColumnProfile> columns_;
};

// Profiles all batches, on call.threads threads.
Result<Profile> ProfileOf(const Call& call, const Schema& schema, const std::vector<Batch>& batches);

}  // namespace tenon::table
