#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/kinds.h"
#include "ingest/contents.h"
#include "ingest/sensitive.h"
#include "platform/files.h"
#include "table/batch.h"

namespace tenon::ingest {

// Where rows come from and how they are written there. What the user wrote under `data:`.
struct SourceSpec {
  std::string name = "data";
  std::string Where() const;                // how it is called in the project file, for messages: data, data.payments
  std::vector<std::string> paths;           // files, globs, "-" for standard input; relative to `folder`; or one address (place.h)
  std::string folder = ".";
  std::string format;                       // a kind of readers/; "": by the name and the first bytes
  Json options;                             // of that kind: separator, header, columns, encoding, ...
  std::vector<std::string> columns;         // names, of files that bring none (or to rename them all)
  std::vector<std::string> missing = {"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?"};  // read as null
  std::string sql;                          // a SELECT over `data`, the rows as read; "": all
  std::vector<std::pair<std::string, std::string>> types;  // column -> type name, where inference is not wanted
  std::vector<std::pair<std::string, std::string>> renames;  // new name -> the file's
  std::string key, time, group;             // columns that identify, date, and group rows; may be empty
  Json connect;                             // settings of a place
  bool grows = false;                       // `incremental: files`: only files not read before are read
  std::string watermark;                    // `incremental: {by: column}`: only rows at or above the highest read
  std::chrono::microseconds overlap{0};     // of it, read again; of times
  ContentColumns contents;                  // `files:`, columns that name files: their content takes the names' place
  Sensitive sensitive;                      // columns about people, and how they are treated
  Json governance;                          // owner, purpose, residency, freshness, sensitive, consent: kept with the snapshot

  // Set by who reads in parts; not of what the user wrote.
  std::vector<std::string> files;           // read these, found by FindFiles; empty: all
  std::string contents_folder = ".";        // what folders of `contents` are relative to: the project's, also when other rows are read
  std::string since;                        // an SQL literal: rows whose watermark is at or above it

  // Reads `data: path`, `data: {read: path, ...}` or `data: {name: {...}}`.
  static Result<SourceSpec> Parse(const Json& json, const std::string& folder, std::string_view file);
  // The same, and `data: {name: {...}, name: {...}}`: the first is what is learnt from, the others feed feature views.
  static Result<std::vector<SourceSpec>> ParseAll(const Json& json, const std::string& folder, std::string_view file);
  Json ToJson() const;  // what is hashed: no folder
  bool remote() const;                      // what is read is no file of this machine
  bool incremental() const { return grows || !watermark.empty(); }
};

// A row that was left out because it is none, or holds a value that is not of its column's type.
struct BadRow {
  std::int64_t line = 0;  // where it begins, from 1
  std::string problem;
  std::string text;       // the row as it stands in the file
};

// Some rows of a file, one after another in it.
struct Piece {
  std::uint64_t begin = 0, end = 0;    // bytes of the file; the next piece begins at the end
  std::int64_t lines = 0;              // that lie within
  table::Batch rows;                   // may be none
  std::vector<std::string_view> texts; // of the rows as they stand in the file, without line ends; into the file
  std::vector<BadRow> bad;             // `line` counts from the beginning of the piece
};

// The rows of one file, to be read in pieces by any number of threads, each in memory that hangs on the piece alone.
// Where rows begin is known only from the first on; a piece that another thread begins in the midst of the file begins
// at a guess, Start, which is right when the piece before it ended there. Immutable but for Learn.
class Pieces {
 public:
  virtual ~Pieces() = default;
  virtual const std::shared_ptr<const table::Schema>& schema() const = 0;
  virtual const std::string& path() const = 0;
  virtual std::uint64_t begin() const = 0;            // of the first row
  virtual std::uint64_t end() const = 0;              // of the file
  virtual std::int64_t lines_before() const = 0;      // that lie before the first row
  virtual std::uint64_t Start(std::uint64_t from) const = 0;
  // The rows that begin in [from, to); of `columns` (empty: all), by their indices. What is bad is reported and left out.
  // Errors: those of Call, and what concerns more than one row.
  virtual Result<Piece> Read(const Call& call, std::uint64_t from, std::uint64_t to, const std::vector<int>& columns) const = 0;
  // Finds the types of columns that spec.types does not give, by looking at all rows with call.threads threads; before,
  // they are strings.
  virtual Result<void> Learn(const Call& call) = 0;
  // Whether the file's rows are those of a CSV file as we write it: their texts can stand in one.
  virtual bool plain() const = 0;
  virtual void Forget(std::uint64_t from, std::uint64_t to) const = 0;  // of the file: is not needed soon
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
  // The same of one file in pieces; null when the format, or this file, does not allow it.
  virtual Result<std::unique_ptr<Pieces>> OpenPieces(const Call&, const std::string&, const SourceSpec&) {
    return std::unique_ptr<Pieces>();
  }
};

Result<void> AddAll(Kinds<Reader>& kinds);

// The rows of a source. Expands globs (sorted), finds the format, checks names: empty ones, doubles, none at all are
// errors that say how to name columns. Batches have about 64k rows.
// Errors: not_found for a path or glob without a file.
Result<std::unique_ptr<table::BatchReader>> Read(const Call& call, const SourceSpec& spec, const Kinds<Reader>& kinds);

// The files of a source, sorted within each pattern; not of standard input and places. not_found for a path without one.
Result<std::vector<std::string>> FindFiles(const SourceSpec& spec);

// The rows of a source of one file in pieces; null when they cannot be had so: then Read gives them. Errors as Read.
Result<std::unique_ptr<Pieces>> ReadPieces(const Call& call, const SourceSpec& spec, const Kinds<Reader>& kinds);

// How a table is written, by the name's ending. invalid_argument naming the endings there are.
enum class TableForm { kCsv, kJsonLines, kParquet };
Result<TableForm> FormOf(const std::string& path);
// Rows as text, each with its line end; the head is CSV's first line, and nothing of JSON lines. Not of Parquet.
void AppendHead(TableForm form, const table::Schema& schema, std::string* out);
void AppendRows(TableForm form, const table::Batch& batch, std::string* out);

// Writes batches: csv, json_lines or parquet by the name's ending. Whole or not at all.
class TableWriter {
 public:
  virtual ~TableWriter() = default;
  virtual Result<void> Write(const Call& call, const table::Batch& batch) = 0;
  virtual Result<void> Finish() = 0;  // nothing appears under the name before this
};
Result<std::unique_ptr<TableWriter>> OpenWriter(const std::string& path, std::shared_ptr<const table::Schema> schema);
// Parquet files of one schema, one after another, into one file; in bounded memory, whole or not at all.
Result<void> JoinParquet(const Call& call, const std::vector<std::string>& parts, const std::string& path);

}  // namespace tenon::ingest
