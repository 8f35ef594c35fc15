#include "ingest/read.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/text.h"
#include "ingest/place.h"
#include "ingest/query.h"
#include "ingest/spool.h"
#include "ingest/text_internal.h"

namespace tenon::ingest {
namespace {

using table::BatchReader;

constexpr std::size_t kHeadBytes = 4096;  // that a format is found by

// Keeps copies of the input until the rows are read, and gives other names to columns.
class Kept final : public BatchReader {
 public:
  Kept(std::unique_ptr<BatchReader> rows, std::shared_ptr<const table::Schema> schema, std::shared_ptr<const void> keeper)
      : keeper_(std::move(keeper)), rows_(std::move(rows)), schema_(std::move(schema)) {}
  const std::shared_ptr<const table::Schema>& schema() const override { return schema_; }
  Result<std::optional<table::Batch>> Next(const Call& call) override {
    TENON_ASSIGN(std::optional<table::Batch> batch, rows_->Next(call));
    if (!batch) return batch;
    std::vector<table::Column> columns;
    for (int i = 0; i < batch->columns(); ++i) columns.push_back(batch->column(i));
    return std::optional<table::Batch>(table::Batch(schema_, std::move(columns)));
  }
  std::string library() const override { return rows_->library(); }

 private:
  std::shared_ptr<const void> keeper_;  // of the copies; outlives the rows
  std::unique_ptr<BatchReader> rows_;
  std::shared_ptr<const table::Schema> schema_;
};

// Tells beside the rows up to where was read.
class Positioned final : public BatchReader {
 public:
  Positioned(std::unique_ptr<BatchReader> rows, std::string position) : rows_(std::move(rows)), position_(std::move(position)) {}
  const std::shared_ptr<const table::Schema>& schema() const override { return rows_->schema(); }
  Result<std::optional<table::Batch>> Next(const Call& call) override { return rows_->Next(call); }
  std::string library() const override { return rows_->library(); }
  const std::string& position() const { return position_; }

 private:
  std::unique_ptr<BatchReader> rows_;
  std::string position_;
};

std::string FormatByName(std::string_view path) {
  std::string name = ToLower(platform::NameOf(path));
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  if (name.ends_with(".zst")) name.resize(name.size() - 4);
  static const std::array<std::pair<std::string_view, std::string_view>, 11> kEndings = {
      {{".csv", "csv"}, {".tsv", "csv"}, {".txt", "csv"}, {".data", "csv"}, {".json", "json_lines"}, {".jsonl", "json_lines"},
       {".ndjson", "json_lines"}, {".parquet", "parquet"}, {".arrow", "arrow"}, {".feather", "arrow"}, {".arff", "arff"}}};
  for (const auto& [ending, format] : kEndings) {
    if (name.ends_with(ending)) return std::string(format);
  }
  return "";
}

// What a file is that holds no table we could read, by its first bytes; and what to do about it. Empty: nothing known.
std::string Foreign(std::string_view head) {
  const struct {
    std::string_view start, what;
  } kinds[] = {{"PK\x03\x04", "a workbook of Excel or a zip archive; save the sheet as CSV, or unpack it"},
               {"\xD0\xCF\x11\xE0", "a workbook of Excel 97; save the sheet as CSV"},
               {"%PDF-", "a PDF; a table in it has to be saved as CSV first"},
               {"\x89PNG", "a picture (PNG); name pictures in a table, and the table here: `files:` reads them"},
               {"\xFF\xD8\xFF", "a picture (JPEG); name pictures in a table, and the table here: `files:` reads them"},
               {"GIF87a", "a picture (GIF)"},
               {"GIF89a", "a picture (GIF)"},
               {"SQLite format 3", "a database of SQLite; export its table as CSV or Parquet"},
               {"\x93NUMPY", "an array of NumPy; save it as Parquet or CSV"},
               {"\x89HDF", "HDF5; save it as Parquet or CSV"},
               {"\xFD" "7zXZ", "packed with xz; pack it with gzip or zstd, or not at all"},
               {"7z\xBC\xAF", "a 7-Zip archive; unpack it"},
               {"Rar!\x1A\x07", "a RAR archive; unpack it"}};
  for (const auto& one : kinds) {
    if (head.starts_with(one.start)) return std::string(one.what);
  }
  if (head.size() > 10 && head.starts_with("BZh") && head.substr(4).starts_with("1AY&SY")) return "packed with bzip2; pack it with gzip or zstd, or not at all";
  const std::string begin = ToLower(Trim(head).substr(0, 15));
  if (begin.starts_with("<!doctype html") || begin.starts_with("<html")) return "a page of HTML and no table: perhaps a log-in or an error page was saved in its place";
  return "";
}

Result<std::string> FormatByBytes(const Call& call, const std::string& path) {
  TENON_ASSIGN(auto bytes, platform::RealFiles()->Map(path));
  std::string_view head = bytes->view();
  std::string unpacked;
  if (LooksPacked(head)) {
    TENON_TRY(Unpack(call, head, path, [&](std::string_view piece) -> Result<bool> {
      unpacked += piece;
      return unpacked.size() < kHeadBytes;
    }));
    head = unpacked;
  }
  if (head.starts_with("PAR1")) return "parquet";
  if (head.starts_with("ARROW1") || head.starts_with("\xFF\xFF\xFF\xFF")) return "arrow";
  head = head.substr(0, kHeadBytes);
  if (head.starts_with("\xEF\xBB\xBF")) head.remove_prefix(3);
  const std::string_view text = Trim(head);
  if (text.starts_with("{") || text.starts_with("[{") || text.starts_with("[ ") || text.starts_with("[\n")) return "json_lines";
  if (text.starts_with("%") || ToLower(text.substr(0, 9)) == "@relation") return "arff";
  return "csv";
}

Result<std::shared_ptr<const table::Schema>> Named(const table::Schema& schema, const SourceSpec& spec) {
  std::vector<table::Field> fields = schema.fields();
  if (!spec.columns.empty()) {
    if (spec.columns.size() != fields.size()) {
      return Error(Code::kInvalidArgument, Str(spec.Where(), ".columns: `columns` names ", spec.columns.size(), " columns, but there are ", fields.size(), ": ",
                                               Join(schema.Names(), ", ")));
    }
    for (std::size_t i = 0; i < fields.size(); ++i) fields[i].name = spec.columns[i];
  }
  for (const auto& [name, old] : spec.renames) {
    const auto has = [&](const std::string& wanted) { return std::ranges::find(fields, wanted, &table::Field::name); };
    if (has(name) != fields.end()) continue;  // a file that has the new name already
    const auto at = has(old);
    if (at == fields.end()) return Error(Code::kInvalidArgument, Str(spec.Where(), ".rename.", name, ": no column '", old, "'", DidYouMean(old, schema.Names())));
    at->name = name;
  }
  if (fields.empty()) return Error(Code::kInvalidArgument, "there are no columns");
  std::map<std::string_view, std::size_t> seen;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (Trim(fields[i].name).empty()) {
      return Error(Code::kInvalidArgument, Str("column ", i + 1, " has no name; name all ", fields.size(), " with `columns: [...]`"));
    }
    if (auto [it, fresh] = seen.try_emplace(fields[i].name, i); !fresh) {
      return Error(Code::kInvalidArgument, Str("columns ", it->second + 1, " and ", i + 1, " are both named '", fields[i].name,
                                               "'; name all ", fields.size(), " with `columns: [...]`"));
    }
  }
  return std::make_shared<const table::Schema>(std::move(fields));
}

// The kind of readers/ for files of which this is the first.
Result<std::string> FormatOf(const Call& call, const SourceSpec& spec, const std::string& file) {
  if (!spec.format.empty()) return spec.format;
  {
    TENON_ASSIGN(const auto bytes, platform::RealFiles()->Map(file));
    if (const std::string what = Foreign(bytes->view().substr(0, 64)); !what.empty()) return Error(Code::kInvalidArgument, Str(file, ": this is ", what));
  }
  if (std::string format = FormatByName(file); !format.empty()) return format;
  return FormatByBytes(call, file);
}

Result<Brought> FromPlace(const Call& call, const SourceSpec& spec) {
  if (spec.paths.size() > 1) return Error(Code::kInvalidArgument, "an address is read alone");
  TENON_ASSIGN(const std::string kind, PlaceOf(spec.paths[0]));
  Kinds<Place> places;
  TENON_TRY(AddAll(places));
  TENON_ASSIGN(auto place, places.Create(kind, spec.connect, Str(spec.Where(), ".connect")));
  return place->Bring(call, spec.paths[0], spec);
}

// The files in a folder and below it.
Result<void> AddFolder(const std::string& folder, std::vector<std::string>* files) {
  TENON_ASSIGN(const std::vector<std::string> names, platform::RealFiles()->List(folder));
  for (const std::string& name : names) {
    if (name.starts_with('.') || name.starts_with('_')) continue;
    const std::string path = platform::JoinPath(folder, name);
    TENON_ASSIGN(const platform::FileInfo info, platform::RealFiles()->Info(path));
    if (info.folder) {
      TENON_TRY(AddFolder(path, files));
    } else {
      files->push_back(path);
    }
  }
  return {};
}

// A reader names an option by itself; the project file has it under the source.
Result<std::unique_ptr<Reader>> ReaderOf(const SourceSpec& spec, const Kinds<Reader>& kinds, const std::string& format) {
  auto made = kinds.Create(format, spec.options, spec.Where());
  if (made.ok()) return made;
  if (!spec.format.empty() && kinds.Find(format).ok() == false) return std::move(made).error().Context(Str(spec.Where(), ".format"));
  const std::string option(made.error().message().substr(0, made.error().message().find(':')));
  if (spec.options.Find(option) == nullptr) return made;
  return std::move(made).error().Context(Str(spec.Where(), ".", option));
}

Result<void> CheckRoles(const table::Schema& schema, const SourceSpec& spec) {
  const std::pair<std::string_view, const std::string*> roles[] = {{"key", &spec.key}, {"time", &spec.time}, {"group", &spec.group}};
  for (const auto& [role, column] : roles) {
    if (column->empty() || schema.Find(*column) >= 0) continue;
    return Error(Code::kInvalidArgument, Str(spec.Where(), ".", role, ": no column '", *column, "'", DidYouMean(*column, schema.Names())));
  }
  for (const auto& [column, folder] : spec.contents) {
    if (schema.Find(column) < 0) return Error(Code::kInvalidArgument, Str(spec.Where(), ".files.", column, ": no column '", column, "'", DidYouMean(column, schema.Names())));
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> FindFiles(const SourceSpec& spec) {
  if (!spec.files.empty()) return spec.files;
  std::vector<std::string> found;
  for (const std::string& path : spec.paths) {
    const std::string pattern = platform::JoinPath(spec.folder, path);
    std::vector<std::string> some;
    for (std::string& file : platform::Glob(pattern)) {
      const auto info = platform::RealFiles()->Info(file);
      if (!info.ok()) continue;
      if (!info->folder) {
        some.push_back(std::move(file));
        continue;
      }
      TENON_TRY(AddFolder(file, &some));
      if (some.empty() && file == pattern) return Error(Code::kNotFound, Str("the folder ", pattern, " holds no file"));
    }
    if (some.empty()) {
      const bool is_pattern = pattern.find_first_of("*?[") != std::string::npos;
      return Error(Code::kNotFound, is_pattern ? Str("no file matches ", pattern) : Str("no file ", pattern));
    }
    for (std::string& file : some) {
      if (std::ranges::find(found, file) == found.end()) found.push_back(std::move(file));
    }
  }
  return found;
}

Result<Brought> Bring(const Call& call, const SourceSpec& spec) {
  Brought out;
  if (!spec.files.empty()) {
    out.files = spec.files;
  } else if (std::ranges::find(spec.paths, "-") != spec.paths.end()) {
    if (spec.paths.size() > 1) return Error(Code::kInvalidArgument, "`-`, standard input, is read alone");
    TENON_ASSIGN(auto spool, SpoolStandardInput(call), "reading standard input");
    out.files = {spool->path()};
    out.keeper = std::shared_ptr<const Spool>(std::move(spool));
  } else if (spec.remote()) {
    TENON_ASSIGN(out, FromPlace(call, spec), Str("source ", spec.name));
  } else {
    TENON_ASSIGN(out.files, FindFiles(spec), Str("source ", spec.name));
  }
  return out;
}

bool SendsRows(const SourceSpec& spec) {
  if (!spec.files.empty() || !spec.remote()) return false;
  const auto place = PlaceOf(spec.paths[0]);
  return place.ok() && (*place == "postgresql" || *place == "kafka");
}

Result<std::unique_ptr<BatchReader>> Read(const Call& call, const SourceSpec& spec, const Kinds<Reader>& kinds) {
  TENON_TRY(call.Check());
  TENON_ASSIGN(Brought brought, Bring(call, spec));
  std::unique_ptr<BatchReader> rows = std::move(brought.rows);
  if (rows == nullptr) {
    TENON_ASSIGN(const std::string format, FormatOf(call, spec, brought.files[0]));
    TENON_ASSIGN(auto reader, ReaderOf(spec, kinds, format), Str("source ", spec.name));
    TENON_ASSIGN(rows, reader->Open(call, brought.files, spec), Str("source ", spec.name));
  }
  TENON_ASSIGN(auto schema, Named(*rows->schema(), spec), Str("source ", spec.name));
  rows = std::make_unique<Kept>(std::move(rows), std::move(schema), std::move(brought.keeper));
  if (!spec.sql.empty()) {
    TENON_ASSIGN(rows, QueryOver(call, std::move(rows), spec.sql), Str("source ", spec.name, ": ", spec.Where(), ".sql"));
    SourceSpec plain;
    TENON_TRY(Named(*rows->schema(), plain), Str("source ", spec.name, ": sql"));
  }
  TENON_TRY(CheckRoles(*rows->schema(), spec), Str("source ", spec.name));
  if (!spec.contents.empty()) rows = WithContents(std::move(rows), Contents(spec.contents, spec.contents_folder));
  if (!brought.position.empty()) rows = std::make_unique<Positioned>(std::move(rows), std::move(brought.position));
  return rows;
}

std::string PositionOf(const BatchReader& rows) {
  const auto* told = dynamic_cast<const Positioned*>(&rows);
  return told == nullptr ? std::string() : told->position();
}

Result<std::unique_ptr<Pieces>> ReadPieces(const Call& call, const SourceSpec& spec, const Kinds<Reader>& kinds) {
  TENON_TRY(call.Check());
  const bool piped = spec.files.empty() && std::ranges::find(spec.paths, "-") != spec.paths.end();
  if (piped || (spec.files.empty() && spec.remote()) || !spec.sql.empty() || !spec.renames.empty() || !spec.contents.empty()) return std::unique_ptr<Pieces>();
  TENON_ASSIGN(const std::vector<std::string> files, FindFiles(spec), Str("source ", spec.name));
  if (files.size() != 1) return std::unique_ptr<Pieces>();
  TENON_ASSIGN(const std::string format, FormatOf(call, spec, files[0]));
  TENON_ASSIGN(auto reader, ReaderOf(spec, kinds, format), Str("source ", spec.name));
  TENON_ASSIGN(auto pieces, reader->OpenPieces(call, files[0], spec), Str("source ", spec.name));
  if (pieces != nullptr) TENON_TRY(CheckRoles(*pieces->schema(), spec), Str("source ", spec.name));
  return pieces;
}

}  // namespace tenon::ingest
