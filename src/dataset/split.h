#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataset/snapshot.h"

namespace tenon::dataset {

// How rows are parted for learning, choosing and judging. What the user wrote under `split:`.
struct SplitSpec {
  std::string by = "auto";      // auto | key | stratified | group | time | column | folds; auto: time when durations,
                                // dates or a gap are written, group when the source has one, else stratified or key
  double train = 0.7, validation = 0.15, test = 0.15;  // shares (not of `time` with durations)
  std::string column;           // by column: holds "train", "validation", "test"; by group/time: the column
  std::string train_span, gap, validation_span, test_span;  // by time: durations counted back from the last row
  std::string train_from, train_until, test_from, test_until;  // by time: or dates; each half-open
  std::string known_after;      // problem.label.known_after: how long after a row its label is known. Not written here
  int folds = 5;                // folds of out-of-fold encodings and cross-validation
  std::uint64_t seed = 1;

  static Result<SplitSpec> Parse(const Json& json, std::string_view file);
  Json ToJson() const;
};

enum class Part : std::uint8_t { kTrain = 0, kValidation = 1, kTest = 2, kUnused = 3 };

// The part and the fold of each row, in snapshot order.
struct Split {
  std::vector<Part> part;
  std::vector<std::uint8_t> fold;
  std::int64_t count[4] = {0, 0, 0, 0};  // rows a part
  std::string how;                       // for people: "stratified by deny, 70/15/15 by hash of row"

  std::vector<std::int64_t> RowsOf(Part which) const;
  std::string Save() const;
  static Result<Split> Load(std::string_view bytes);
};

// The same row (same key, or same values when there is no key; same group) is in the same part whatever other rows come
// and go, and equal rows never stand on two sides. Stratified: within each class, by hash. Time: everything in a later
// part is later than everything in an earlier one. Errors: invalid_argument (a part would be empty, a column is
// missing), each saying what to write instead. `label` may be empty. With known_after, the last row of the snapshot's time
// column says when the data ends: rows later than known_after before it are unused, as their labels are not known yet, and
// durations count back from that moment.
Result<Split> MakeSplit(const Call& call, const DatasetSnapshot& snapshot, const SplitSpec& spec, std::string_view label);

}  // namespace tenon::dataset
