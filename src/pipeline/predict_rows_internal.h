#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "ingest/read.h"
#include "model/predictor.h"

namespace tenon::pipeline {

// Rows that one thread works on: a stretch of a file whose rows can be found by any thread, or a batch.
struct Stretch {
  std::uint64_t from = 0, to = 0;
  bool exact = false;  // whether a row is known to begin at `from`
  std::size_t file = 0;
  std::shared_ptr<const ingest::Pieces> pieces;  // of that file
  std::optional<table::Batch> rows;
};

// The rows to predict, part by part in their order. Next and GoOn: one thread at a time; Load: any; Enter, Follows, Again, Accept and
// the places: the thread that puts the outcomes together.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual const std::shared_ptr<const table::Schema>& schema() const = 0;  // of the rows that Load gives
  virtual Result<std::optional<Stretch>> Next(const Call& call) = 0;       // nothing at the end
  virtual Result<ingest::Piece> Load(const Call& call, const Stretch& stretch) const = 0;
  // The outcome of `stretch` comes next.
  virtual void Enter(const Stretch&) {}
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

// Files whose parts are read by several threads, one file after another. They are opened when they are come to, and closed when no
// part of them is held any more.
struct RowFiles {
  std::vector<std::string> names;      // as they are shown
  std::vector<std::uint64_t> bytes;    // as they lie there: how far the work is
  std::function<Result<std::shared_ptr<const ingest::Pieces>>(const Call&, std::size_t)> open;  // by one thread at a time
};
// Of `columns` (empty: all); `first` is the first of them, opened.
std::unique_ptr<RowSource> SourceOver(RowFiles files, std::shared_ptr<const ingest::Pieces> first, std::vector<int> columns);
// Rows that are read by one thread.
std::unique_ptr<RowSource> SourceOver(std::unique_ptr<table::BatchReader> rows, std::string path);

}  // namespace tenon::pipeline
