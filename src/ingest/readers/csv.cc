// Separated values: commas, semicolons, tabs, bars or blanks; quoted or not; with a header or without.

#include <algorithm>
#include <map>
#include <utility>

#include "base/text.h"
#include "ingest/csv_internal.h"
#include "ingest/text_internal.h"
#include "platform/files.h"

namespace tenon::ingest {
namespace {

constexpr std::size_t kHeadBytes = 4 << 20;  // what format and names are found by where the file is read in pieces

constexpr std::size_t kForgetBytes = 4 << 20;

enum class Header { kAuto, kYes, kNo };

struct CsvOptions {
  bool guess_separator = true;
  bool guess_escape = true;
  bool guess_numbers = true;
  CsvFormat format;
  Header header = Header::kAuto;
  bool numbered = false;  // without a header: names are c1, c2, ...
  std::string encoding = "auto";
  std::int64_t skip = 0;
};

class CsvRecords final : public Records {
 public:
  CsvRecords(const Call& call, std::vector<std::string> paths, CsvOptions options, const SourceSpec& spec)
      : call_(call), paths_(std::move(paths)), options_(std::move(options)), columns_(spec.columns), missing_(spec.missing), where_(spec.Where()) {}

  // Settles format and names by the first file.
  Result<void> Start() {
    TENON_TRY(Load(0));
    return Settle();
  }

  // The same by the beginning of the one file: then only names, format and `behind` are to be asked for.
  Result<void> StartOn(Text head) {
    text_ = std::move(head);
    if (Trim(text_.view).empty()) return Error(Code::kInvalidArgument, Str(paths_[0], ": the file is empty"));
    return Settle();
  }
  const CsvFormat& format() const { return options_.format; }
  const CsvScanner& behind() const { return *scanner_; }  // the header

  Result<void> Settle() {
    if (options_.guess_separator) options_.format = GuessFormat(Body(), options_.format, Named(".tsv"), !Named(".csv") && !Named(".tsv"));
    if (options_.guess_escape && GuessEscape(Body(), options_.format)) options_.format.escape = '\\';
    if (options_.guess_numbers) options_.format.numbers = GuessNumbers(Body(), options_.format);
    if (options_.header == Header::kAuto) {
      options_.header = GuessHeader(Body(), options_.format, columns_, missing_) ? Header::kYes : Header::kNo;
    }
    TENON_TRY(Enter());
    return {};
  }

  Result<bool> Next(std::vector<Cell>* cells) override {
    while (true) {
      TENON_ASSIGN(const bool more, scanner_->Next(cells));
      if (scanner_->at() - forgotten_ >= kForgetBytes) {
        const std::size_t to = scanner_->row_at();  // the row's cells point into it
        text_.owner->Forget(text_.view.substr(forgotten_, to - forgotten_));
        forgotten_ = to;
      }
      if (more) break;
      if (file_ + 1 == paths_.size()) return false;
      TENON_TRY(Load(file_ + 1));
      TENON_TRY(Enter());
    }
    if (cells->size() != names_.size()) return Ragged(*cells);
    return true;
  }

  Result<void> Rewind() override {
    if (file_ != 0) TENON_TRY(Load(0));
    return Enter();
  }

  const std::vector<std::string>& names() const override { return names_; }
  const std::vector<Declared>& declared() const override { return declared_; }
  NumberForm numbers() const override { return options_.format.numbers; }
  std::string Where() const override { return Str(paths_[file_], ":", scanner_->line()); }

 private:
  std::string_view Body() const {
    std::string_view body = text_.view;
    for (std::int64_t i = 0; i < options_.skip && !body.empty(); ++i) {
      const std::size_t end = body.find('\n');
      body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
    }
    return body;
  }
  bool Named(std::string_view ending) const {
    std::string name = ToLower(paths_[0]);
    if (name.ends_with(".gz")) name.resize(name.size() - 3);
    if (name.ends_with(".zst")) name.resize(name.size() - 4);
    return name.ends_with(ending);
  }

  Result<void> Load(std::size_t file) {
    file_ = file;
    TENON_ASSIGN(text_, LoadText(call_, paths_[file], options_.encoding));
    if (Trim(text_.view.substr(0, 4096)).empty() && Trim(text_.view).empty()) {
      return Error(Code::kInvalidArgument, Str(paths_[file], ": the file is empty"));
    }
    return {};
  }

  // Begins the loaded file, and reads its names.
  Result<void> Enter() {
    forgotten_ = 0;
    scanner_ = std::make_unique<CsvScanner>(text_.view, options_.format, paths_[file_]);
    scanner_->SkipLines(options_.skip);
    if (options_.header == Header::kNo) return names_.empty() ? NameWithoutHeader() : Result<void>();
    std::vector<Cell> cells;
    TENON_ASSIGN(const bool any, scanner_->Next(&cells));
    if (!any) return Error(Code::kInvalidArgument, Str(paths_[file_], ": there are only comments in it"));
    std::vector<std::string> names;
    for (const Cell& cell : cells) names.emplace_back(Trim(cell.text));
    if (header_.empty()) {
      header_ = std::move(names);
      names_ = columns_.empty() ? header_ : columns_;
      return columns_.empty() ? CheckNames() : CheckCount(header_.size());
    }
    if (names == header_) return {};
    return Error(Code::kInvalidArgument, Str(Where(), ": other columns (", Join(names, ", "), ") than in ", paths_[0], " (",
                                             Join(header_, ", "), "); read the files as two sources"));
  }

  Result<void> NameWithoutHeader() {
    std::vector<Cell> cells;
    TENON_ASSIGN(const bool any, scanner_->Next(&cells));
    if (!any) return Error(Code::kInvalidArgument, Str(paths_[file_], ": there are only comments in it"));
    if (columns_.empty() && options_.numbered) {
      for (std::size_t i = 1; i <= cells.size(); ++i) columns_.push_back(Str("c", i));
    }
    if (columns_.empty()) {
      std::string shown;
      for (std::size_t i = 0; i < std::min<std::size_t>(3, cells.size()); ++i) shown += Str(i > 0 ? ", " : "", Trim(cells[i].text));
      return Error(Code::kInvalidArgument,
                   Str(Where(), ": no names: the first row (", shown, cells.size() > 3 ? ", ..." : "", ") looks like values. Name the ",
                       cells.size(), " columns with `columns: [...]`, or write `header: numbered` for the names c1, c2, ..., `header: true` if that row holds the names"));
    }
    names_ = columns_;
    TENON_TRY(CheckCount(cells.size()));
    scanner_ = std::make_unique<CsvScanner>(text_.view, options_.format, paths_[file_]);
    scanner_->SkipLines(options_.skip);
    return {};
  }

  Result<void> CheckCount(std::size_t found) const {
    if (columns_.size() == found) return {};
    return Error(Code::kInvalidArgument, Str(Where(), ": ", where_, ".columns: `columns` names ", columns_.size(), " columns, but a row has ", found, " values",
                                             found == 1 ? "; is `separator` right?" : ""));
  }

  Result<void> CheckNames() const {
    std::map<std::string_view, std::size_t> seen;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (names_[i].empty()) {
        return Error(Code::kInvalidArgument, Str(Where(), ": column ", i + 1, " of ", names_.size(),
                                                 " has no name in the header; name them all with `columns: [...]`"));
      }
      if (auto [it, fresh] = seen.try_emplace(names_[i], i); !fresh) {
        return Error(Code::kInvalidArgument, Str(Where(), ": columns ", it->second + 1, " and ", i + 1, " are both named '", names_[i],
                                                 "'; name them all with `columns: [...]`"));
      }
    }
    return {};
  }

  Error Ragged(const std::vector<Cell>& cells) const {
    const std::string counts = Str(Where(), ": ", cells.size(), cells.size() == 1 ? " value, but " : " values, but ", names_.size(),
                                   names_.size() == 1 ? " column" : " columns");
    if (cells.size() > names_.size()) {
      return Error(Code::kInvalidArgument, Str(counts, "; the first too many is ", Quoted(cells[names_.size()].text),
                                               ". A value with the separator in it stands in quotes"));
    }
    return Error(Code::kInvalidArgument, Str(counts, "; the last value is ", Quoted(cells.back().text)));
  }

  Call call_;
  std::vector<std::string> paths_;
  CsvOptions options_;
  std::vector<std::string> columns_;
  std::vector<std::string> missing_;
  std::string where_;  // what the source is called in the project file
  Text text_;
  std::unique_ptr<CsvScanner> scanner_;
  std::size_t file_ = 0;
  std::size_t forgotten_ = 0;        // of the text: its pages are given back
  std::vector<std::string> header_;  // of the first file
  std::vector<std::string> names_;
  std::vector<Declared> declared_;
};

class Csv final : public Reader {
 public:
  explicit Csv(CsvOptions options) : options_(std::move(options)) {}

  Result<std::unique_ptr<table::BatchReader>> Open(const Call& call, const std::vector<std::string>& paths,
                                                   const SourceSpec& spec) override {
    auto records = std::make_unique<CsvRecords>(call, paths, options_, spec);
    TENON_TRY(records->Start());
    return ReadRecords(call, std::move(records), spec);
  }

  Result<std::unique_ptr<Pieces>> OpenPieces(const Call& call, const std::string& path, const SourceSpec& spec) override {
    TENON_ASSIGN(const Text text, OpenText(call, path, options_.encoding));
    const auto mark = static_cast<std::size_t>(text.view.data() - text.owner->view().data());
    CsvRecords records(call, {path}, options_, spec);
    TENON_TRY(records.StartOn({text.view.substr(0, kHeadBytes), text.owner}));
    return MakeCsvPieces({.path = path, .bytes = text.owner, .format = records.format(), .names = records.names(),
                          .begin = mark + records.behind().at(), .lines_before = records.behind().lines()}, spec);
  }

 private:
  CsvOptions options_;
};

Result<std::unique_ptr<Reader>> MakeCsv(const Options& options) {
  CsvOptions out;
  const std::string separator = options.Text("separator");
  out.guess_separator = separator == "auto";
  if (separator == "tab" || separator == "\\t") {
    out.format.separator = '\t';
  } else if (separator == "blanks" || separator == " ") {
    out.format.blanks = true;
  } else if (!out.guess_separator) {
    if (separator.size() != 1 || separator == "\n" || separator == "\r") {
      return Error(Code::kInvalidArgument, Str("separator: one character, `tab`, `blanks` or `auto`, not ", Quoted(separator)));
    }
    out.format.separator = separator[0];
  }
  const std::string quote = options.Text("quote");
  if (quote.size() > 1) return Error(Code::kInvalidArgument, Str("quote: one character, or \"\" for none, not ", Quoted(quote)));
  out.format.quote = quote.empty() ? '\0' : quote[0];
  out.format.comment = options.Text("comment");
  const std::string escape = options.Text("escape"), decimal = options.Text("decimal"), thousands = options.Text("thousands");
  out.guess_escape = escape == "auto";
  if (!out.guess_escape && escape.size() > 1) return Error(Code::kInvalidArgument, Str("escape: one character, \"\" for none, or auto, not ", Quoted(escape)));
  if (!out.guess_escape && !escape.empty()) out.format.escape = escape[0];
  out.guess_numbers = decimal == "auto" && thousands == "auto";
  TENON_ASSIGN(out.format.numbers, MadeNumberForm(decimal, thousands));
  const Json& header = options.Any("header");
  if (header.is_bool()) {
    out.header = header.Bool() ? Header::kYes : Header::kNo;
  } else if (header.is_string() && header.String() == "numbered") {
    out.header = Header::kNo;
    out.numbered = true;
  } else if (!header.is_string() || header.String() != "auto") {
    return Error(Code::kInvalidArgument, Str("header: true, false, numbered or auto, not ", header.Dump()));
  }
  out.encoding = options.Text("encoding");
  out.skip = options.Int("skip");
  return std::make_unique<Csv>(std::move(out));
}

}  // namespace

Result<void> AddCsv(Kinds<Reader>& kinds) {
  using Type = Option::Type;
  return kinds.Add(
      "csv",
      {.summary = "Read separated values",
       .when = "Files of lines: .csv, .tsv, .txt, .data, also packed with gzip or zstd. Separator, header, types, decimal commas and encoding are found by "
               "looking at the rows; say what is found wrongly.",
       .example = R"({"separator": ";", "header": true})",
       .options = {{.name = "separator", .type = Type::kText, .fallback = "auto", .help = "One character, `tab`, `blanks` (runs of them) or `auto`"},
                   {.name = "header", .type = Type::kAny, .fallback = "auto", .help = "Whether the first row holds names: true, false or auto; `numbered`: it does not, and they are c1, c2, ..."},
                   {.name = "quote", .type = Type::kText, .fallback = "\"", .help = "What surrounds values with separators or lines in them; \"\" for none"},
                   {.name = "escape", .type = Type::kText, .fallback = "auto", .help = "What makes the character behind it an ordinary one, mostly \\; \"\" for none"},
                   {.name = "decimal", .type = Type::kText, .fallback = "auto", .help = "What stands before the fraction of a number: `.`, `,` or auto"},
                   {.name = "thousands", .type = Type::kText, .fallback = "auto", .help = "What stands between the thousands: `,`, `.`, `'`, a blank, `_`, \"\" for none, or auto"},
                   {.name = "comment", .type = Type::kText, .fallback = "", .help = "Lines that begin so are no rows"},
                   {.name = "encoding", .type = Type::kText, .fallback = "auto", .help = "The characters' code",
                    .choices = {"auto", "utf-8", "utf-16", "latin-1", "windows-1252"}},
                   {.name = "skip", .type = Type::kInt, .fallback = 0, .help = "Lines before the header or the first row that are left out", .least = 0}}},
      MakeCsv);
}

}  // namespace tenon::ingest
