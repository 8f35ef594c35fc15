#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "dataset/evolve.h"
#include "dataset/snapshot.h"
#include "ingest/sensitive.h"

namespace tenon::dataset {

// A snapshot in the columns that both have, under their newer names and in the wider type.
struct Side {
  const DatasetSnapshot& snapshot;
  std::vector<table::Batch> batches;
  std::vector<std::int64_t> begins;

  Side(const DatasetSnapshot& from, const std::shared_ptr<const table::Schema>& common, const ingest::SourceSpec& names) : snapshot(from) {
    std::int64_t rows = 0;
    for (const table::Batch& batch : from.batches()) {
      batches.push_back(InSchema(batch, common, names));
      begins.push_back(rows);
      rows += batch.rows();
    }
  }
  // The batch of a row, and the row's place in it.
  std::pair<std::size_t, std::int64_t> At(std::int64_t row) const {
    const auto batch = static_cast<std::size_t>(std::ranges::upper_bound(begins, row) - begins.begin() - 1);
    return {batch, row - begins[batch]};
  }
};

// What became of rows, with the first of each sort.
class RowChanges {
 public:
  RowChanges(const Side& before, const Side& after, int key)
      : before_(before), after_(after), key_(key), columns_(before.batches.empty() ? 0 : static_cast<std::size_t>(before.batches[0].columns())) {}

  void Added(std::int64_t row);
  void Removed(std::int64_t row);
  void Changed(std::int64_t was, std::int64_t is);

  Json Counts() const;
  std::int64_t ChangedIn(int column) const { return columns_[static_cast<std::size_t>(column)]; }
  Json Examples(const ingest::Sensitive& hidden) const;

 private:
  std::vector<int> Different(std::int64_t was, std::int64_t is) const;
  Json Change(std::int64_t was, std::int64_t is, const ingest::Sensitive& hidden) const;

  const Side& before_;
  const Side& after_;
  int key_;
  std::int64_t added_count_ = 0, removed_count_ = 0, changed_count_ = 0;
  std::vector<std::int64_t> columns_;
  std::vector<std::pair<std::int64_t, std::int64_t>> added_, removed_, changed_;  // by row number
};

// Compares rows by a column, or whole when `key` is -1, into `out`. Equal batches of both sides, as versions of a source share them, are
// set aside by their hash; of the rest at most `most` rows a side are held at a time, 24 bytes each, by the hash of their key.
// Hashes on call.threads threads.
Result<void> CompareRows(const Call& call, const Side& before, const Side& after, int key, RowChanges* out, std::int64_t most = 4'000'000);

}  // namespace tenon::dataset
