#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/call.h"
#include "table/batch.h"

namespace tenon::ingest {

// Columns that name files, such as pictures, and the folders these lie in: what the user wrote under `files:`.
using ContentColumns = std::vector<std::pair<std::string, std::string>>;

// Gives columns that name files the files' contents, as base64, in place of the names. Immutable; any thread.
class Contents {
 public:
  // `folder`: what relative folders of `columns` are relative to.
  Contents(ContentColumns columns, std::string folder) : columns_(std::move(columns)), folder_(std::move(folder)) {}
  // A missing name stays missing. `first`: the rows before these, for messages. Columns that the batch lacks are passed over.
  // Errors: not_found for a file that is not there; invalid_argument for a name that leads out of its folder, a column that is no text, and
  // a file above 32 MB; with the row and the column.
  Result<table::Batch> Fill(const Call& call, const table::Batch& rows, std::int64_t first = 0) const;
  const ContentColumns& columns() const { return columns_; }

 private:
  ContentColumns columns_;
  std::string folder_;
};

// The rows with contents in place of names, in batches of at most about 64 MB of them.
std::unique_ptr<table::BatchReader> WithContents(std::unique_ptr<table::BatchReader> rows, Contents contents);

}  // namespace tenon::ingest
