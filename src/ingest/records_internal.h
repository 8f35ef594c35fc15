#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/number_form_internal.h"
#include "ingest/read.h"

namespace tenon::ingest {

// One value of a row of text, a view that lasts until the next row.
struct Cell {
  std::string_view text;
  bool missing = false;  // not there at all, or a null of the format
  bool words = false;    // may become a timestamp or a text, never a number: a string of JSON
  bool exact = false;    // stood in quotes: blanks around it belong to it when it is a text
};

// A type that the file itself declares, which then is not inferred.
struct Declared {
  std::string column;
  table::Type type;
  std::shared_ptr<const table::Dictionary> levels;  // of strings: the values there are, in their order; may be null
};

// Rows of text files, one after another, readable twice. One thread.
class Records {
 public:
  virtual ~Records() = default;
  // The next row; false at the end. May be shorter than names(): what is not there is missing.
  virtual Result<bool> Next(std::vector<Cell>* cells) = 0;
  virtual Result<void> Rewind() = 0;
  // Complete once the rows have been read to the end; only grows.
  virtual const std::vector<std::string>& names() const = 0;
  // "file.csv:12": where the last row begins.
  virtual std::string Where() const = 0;
  virtual const std::vector<Declared>& declared() const = 0;
  virtual NumberForm numbers() const { return {}; }
};

// Batches of `records`: reads them once to find the types and the distinct texts, and again, batch by batch, as they are
// asked for. Text columns with at most 64k distinct values, and at most half as many as rows, share one dictionary.
// Errors: invalid_argument for a value that does not fit a type of spec.types or a declared one.
Result<std::unique_ptr<table::BatchReader>> ReadRecords(const Call& call, std::unique_ptr<Records> records,
                                                        const SourceSpec& spec);

// What a value looks like on its own.
enum class Look { kMissing, kBool, kInt, kFloat, kTime, kText };
Look LookOf(const Cell& cell, const std::vector<std::string>& missing, const NumberForm& numbers = {});

// How often the values of one column had each look. Counts of parts add up.
struct Looks {
  std::array<std::int64_t, 6> seen{};  // by Look
  std::int64_t Numbers() const { return seen[2] + seen[3]; }
  std::int64_t Values() const { return seen[1] + seen[2] + seen[3] + seen[4] + seen[5]; }
  table::Type Inferred() const;
};

// Text as it is kept: what stood in quotes is exact, blanks around the rest mean nothing.
std::string_view KeptText(const Cell& cell);
bool IsMissing(const Cell& cell, const std::vector<std::string>& missing);
// Adds a value or a null; false, and nothing added, when the cell holds none of that type.
bool AddCell(const Cell& cell, table::Type type, const std::vector<std::string>& missing, table::ColumnBuilder* builder, const NumberForm& numbers = {});

// "abc..." in quotes, cut to what a message can bear.
std::string Quoted(std::string_view text);

}  // namespace tenon::ingest
