#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/json.h"
#include "ingest/read.h"
#include "model/predictor.h"

namespace tenon::pipeline {

// Rows that one thread works on: a stretch of a file whose rows can be found by any thread, or a batch.
struct Stretch {
  std::uint64_t from = 0, to = 0;
  bool exact = false;  // whether a row is known to begin at `from`
  std::optional<table::Batch> rows;
};

// The rows to predict, part by part in their order. Next, Accept and GoOn: one thread at a time; Load: any.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual const std::shared_ptr<const table::Schema>& schema() const = 0;  // of the rows that Load gives
  virtual Result<std::optional<Stretch>> Next(const Call& call) = 0;       // nothing at the end
  virtual Result<ingest::Piece> Load(const Call& call, const Stretch& stretch) const = 0;
  // Whether a part begins where the last one that was accepted ended. If not, Again says what is to be loaded instead.
  virtual bool Follows(const ingest::Piece&) const { return true; }
  virtual Stretch Again(const Stretch& stretch) const { return stretch; }
  virtual void Accept(const ingest::Piece& piece) = 0;
  virtual Json position() const = 0;                       // behind what was accepted
  virtual Result<void> GoOn(const Call& call, const Json& position) = 0;  // before the first Next
  virtual double fraction() const = 0;                     // of what was accepted; negative: nobody knows
  virtual bool texts() const { return false; }             // whether pieces bring the rows as they stand in the file
  // "new.csv:17": where row or line `line` of the piece that is to be accepted next stands.
  virtual std::string Where(std::int64_t line) const = 0;
  virtual Json WhereAsJson(std::int64_t line) const = 0;
};

// Rows of a file whose parts are read by several threads. Of `columns` (empty: all).
std::unique_ptr<RowSource> SourceOver(std::unique_ptr<ingest::Pieces> pieces, std::vector<int> columns);
// Rows that are read by one thread.
std::unique_ptr<RowSource> SourceOver(std::unique_ptr<table::BatchReader> rows, std::string path);

}  // namespace tenon::pipeline
