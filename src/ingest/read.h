#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/kinds.h"
#include "ingest/sensitive.h"
#include "platform/files.h"
#include "table/batch.h"

namespace tenon::ingest {

// Where rows come from and how they are written there. What the user wrote under `data:`.
struct SourceSpec {
  std::string name = "data";
  std::vector<std::string> paths;           // files, globs, "-" for standard input; relative to `folder`
  std::string folder = ".";
  std::string format;                       // a kind of readers/; "": by the name and the first bytes
  Json options;                             // of that kind: separator, header, columns, encoding, ...
  std::vector<std::string> columns;         // names, of files that bring none (or to rename them all)
  std::vector<std::string> missing = {"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?"};  // read as null
  std::string sql;                          // a SELECT over `data`, the rows as read; "": all
  std::vector<std::pair<std::string, std::string>> types;  // column -> type name, where inference is not wanted
  std::string key, time, group;             // columns that identify, date, and group rows; may be empty
  Sensitive sensitive;                      // columns about people, and how they are treated
  Json governance;                          // owner, purpose, sensitive, consent: kept with the snapshot

  // Reads `data: path`, `data: {read: path, ...}` or `data: {name: {...}}`.
  static Result<SourceSpec> Parse(const Json& json, const std::string& folder, std::string_view file);
  Json ToJson() const;  // what is hashed: no folder
};

// Makes batches of one format's files. Kinds: csv, json_lines, parquet, arrow, arff.
class Reader {
 public:
  virtual ~Reader() = default;
  // Rows of the files, one after another, as one schema. Types are inferred over all rows: bool, int64, float64,
  // timestamp, else string; blanks around values and values among `missing` do not hide a type.
  // Errors: not_found, invalid_argument with file, line, column and the offending text.
  virtual Result<std::unique_ptr<table::BatchReader>> Open(const Call& call, const std::vector<std::string>& paths,
                                                           const SourceSpec& spec) = 0;
};

Result<void> AddAll(Kinds<Reader>& kinds);

// The rows of a source. Expands globs (sorted), finds the format, checks names: empty ones, doubles, none at all are
// errors that say how to name columns. Batches have about 64k rows.
// Errors: not_found for a path or glob without a file.
Result<std::unique_ptr<table::BatchReader>> Read(const Call& call, const SourceSpec& spec, const Kinds<Reader>& kinds);

// Writes batches: csv, json_lines or parquet by the name's ending. Whole or not at all.
class TableWriter {
 public:
  virtual ~TableWriter() = default;
  virtual Result<void> Write(const Call& call, const table::Batch& batch) = 0;
  virtual Result<void> Finish() = 0;  // nothing appears under the name before this
};
Result<std::unique_ptr<TableWriter>> OpenWriter(const std::string& path, std::shared_ptr<const table::Schema> schema);

}  // namespace tenon::ingest
