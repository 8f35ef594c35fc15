// A file of separated values, read in pieces by several threads.

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "base/text.h"
#include "ingest/csv_internal.h"
#include "ingest/looked.h"
#include "ingest/text_internal.h"

namespace tenon::ingest {
namespace {

using table::Batch;
using table::Column;
using table::ColumnBuilder;
using table::Schema;
using table::Type;

constexpr std::uint64_t kLearnBytes = 4 << 20;
constexpr std::int64_t kRowsBetweenChecks = 4096;
constexpr std::size_t kMostBadBytes = 1 << 16;  // of one, that are kept

bool IsText(std::string_view text) { return std::memchr(text.data(), 0, text.size()) == nullptr && IsUtf8(text); }

std::string_view WithoutLineEnd(std::string_view row) {
  while (!row.empty() && (row.back() == '\n' || row.back() == '\r')) row.remove_suffix(1);
  return row;
}

std::string CountProblem(const std::vector<Cell>& cells, std::size_t columns) {
  const std::string counts = Str(cells.size(), cells.size() == 1 ? " value, but " : " values, but ", columns, columns == 1 ? " column" : " columns");
  if (cells.size() < columns) return Str(counts, "; the last value is ", Quoted(cells.back().text));
  return Str(counts, "; the first too many is ", Quoted(cells[columns].text), ". A value with the separator in it stands in quotes");
}

class CsvPieces final : public PiecesOfMany {
 public:
  CsvPieces(CsvFile file, std::vector<std::string> missing) : file_(std::move(file)), missing_(std::move(missing)) {}

  Result<void> Start(const SourceSpec& spec) {
    std::vector<table::Field> fields;
    for (const std::string& name : file_.names) fields.push_back({name, Type::kString});
    given_.assign(fields.size(), false);
    for (const auto& [column, name] : spec.types) {
      const auto at = std::ranges::find(fields, column, &table::Field::name);
      if (at == fields.end()) return Error(Code::kInvalidArgument, Str(spec.Where(), ".types.", column, ": no column '", column, "'", DidYouMean(column, file_.names)));
      TENON_ASSIGN(at->type, table::TypeNamed(name), Str(spec.Where(), ".types.", column));
      if (at->type == Type::kEmbedding) return Error(Code::kInvalidArgument, Str(spec.Where(), ".types.", column, ": text files cannot give embeddings"));
      given_[static_cast<std::size_t>(at - fields.begin())] = true;
    }
    schema_ = std::make_shared<const Schema>(std::move(fields));
    return {};
  }

  const std::shared_ptr<const Schema>& schema() const override { return schema_; }
  const std::string& path() const override { return file_.path; }
  std::uint64_t begin() const override { return file_.begin; }
  std::uint64_t end() const override { return View().size(); }
  std::int64_t lines_before() const override { return file_.lines_before; }
  bool plain() const override {
    return file_.format.separator == ',' && file_.format.quote == '"' && !file_.format.blanks && file_.format.comment.empty() && file_.format.escape == '\0';
  }
  void Forget(std::uint64_t from, std::uint64_t to) const override {
    file_.bytes->Forget(View().substr(from, to - from));
  }

  std::uint64_t Start(std::uint64_t from) const override {
    if (from <= file_.begin) return file_.begin;
    const std::size_t end = View().find('\n', from - 1);
    return end == std::string_view::npos ? View().size() : end + 1;
  }

  Result<Piece> Read(const Call& call, std::uint64_t from, std::uint64_t to, const std::vector<int>& columns) const override {
    TENON_ASSIGN(auto schema, SchemaOf(columns));
    std::vector<ColumnBuilder> builders;
    for (const table::Field& field : schema->fields()) builders.emplace_back(field.type);
    Piece piece;
    std::vector<std::int64_t> good;
    std::int64_t rows = 0;
    TENON_TRY(Scan(call, from, to, &piece, [&](const std::vector<Cell>& cells, std::string_view text) {
      std::string problem;
      for (std::size_t i = 0; i < builders.size(); ++i) {
        const std::size_t column = columns.empty() ? i : static_cast<std::size_t>(columns[i]);
        // A bad row's columns are kept equally long; the row is taken out below.
        if (!problem.empty()) {
          builders[i].AddNull();
        } else if (!AddCell(cells[column], (*schema)[static_cast<int>(i)].type, missing_, &builders[i], file_.format.numbers)) {
          problem = Str("column '", file_.names[column], "': ", Quoted(cells[column].text), " is no ", table::NameOf((*schema)[static_cast<int>(i)].type),
                        OtherForm(file_.format.numbers, cells[column].text) ? Str("; it would be a number with ", WayOut(file_.format.numbers)) : std::string());
          builders[i].AddNull();
        }
      }
      if (problem.empty()) {
        good.push_back(rows);
        piece.texts.push_back(text);
      }
      ++rows;
      return problem;
    }));
    std::vector<Column> out;
    for (ColumnBuilder& builder : builders) out.push_back(builder.Finish());
    piece.rows = Batch(std::move(schema), std::move(out));
    if (static_cast<std::int64_t>(good.size()) != rows) piece.rows = piece.rows.Take(good);
    return piece;
  }

  Result<void> LearnToo(const Call& call, Looked* looked) override {
    std::vector<std::uint64_t> starts;
    for (std::uint64_t at = file_.begin; at < end(); at += kLearnBytes) starts.push_back(at);
    struct Found {
      std::uint64_t begin = 0, end = 0;
      std::vector<Looks> looks;
      std::vector<Others> others;
    };
    std::vector<Found> found(starts.size());
    std::atomic<std::size_t> next = 0, done = 0;
    std::mutex mutex;
    std::optional<Error> failed;  // under `mutex`, as what is reported
    const auto look = [&](std::size_t i, std::uint64_t from) -> Result<void> {
      Piece piece;
      found[i].looks.assign(file_.names.size(), {});
      found[i].others.assign(file_.names.size(), {});
      found[i].begin = from;
      TENON_TRY(Scan(call, from, std::min(starts[i] + kLearnBytes, end()), &piece, [&](const std::vector<Cell>& cells, std::string_view text) {
        for (std::size_t c = 0; c < cells.size(); ++c) {
          if (given_[c]) continue;
          const Look is = LookOf(cells[c], missing_, file_.format.numbers);
          ++found[i].looks[c].seen[static_cast<std::size_t>(is)];
          if (is == Look::kText && OtherForm(file_.format.numbers, Trim(cells[c].text)) && found[i].others[c].count++ == 0) {
            found[i].others[c].first = std::string(cells[c].text);
            found[i].others[c].row = static_cast<std::uint64_t>(text.data() - View().data());
          }
        }
        return std::string();
      }));
      found[i].end = piece.end;
      Forget(from, piece.end);
      return {};
    };
    const auto work = [&] {
      for (std::size_t i = next++; i < starts.size(); i = next++) {
        auto outcome = look(i, Start(starts[i]));
        const std::scoped_lock lock(mutex);
        if (!outcome && !failed) failed = std::move(outcome).error();
        if (failed) next = starts.size();
        ++done;
        call.Report("looking at the values", static_cast<double>(done) / static_cast<double>(starts.size()));
      }
    };
    {
      std::vector<std::jthread> helpers;
      for (int i = 1; i < std::min<int>(call.threads, static_cast<int>(starts.size())); ++i) helpers.emplace_back(work);
      work();
    }
    if (failed) return std::move(*failed);
    std::vector<Looks> all(file_.names.size());
    looked->resize(all.size());
    for (std::size_t c = 0; c < all.size(); ++c) all[c].seen = (*looked)[c];
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (i > 0 && found[i].begin != found[i - 1].end) TENON_TRY(look(i, found[i - 1].end));
      for (std::size_t c = 0; c < all.size(); ++c) {
        for (std::size_t k = 0; k < all[c].seen.size(); ++k) all[c].seen[k] += found[i].looks[c].seen[k];
      }
    }
    for (std::size_t c = 0; c < all.size(); ++c) {
      (*looked)[c] = all[c].seen;
      Others others;
      for (const Found& part : found) {
        if (others.count == 0) others = part.others[c];
        else others.count += part.others[c].count;
      }
      if (others.count > 0 && all[c].Values() == others.count + all[c].Numbers()) return InAnotherForm(c, others);
    }
    std::vector<table::Field> fields = schema_->fields();
    for (std::size_t c = 0; c < fields.size(); ++c) {
      if (!given_[c]) fields[c].type = all[c].Inferred();
    }
    schema_ = std::make_shared<const Schema>(std::move(fields));
    return {};
  }

 private:
  // Texts of a column that are numbers in another form than was found, and the first of them.
  struct Others {
    std::int64_t count = 0;
    std::string first;
    std::uint64_t row = 0;  // where its row begins in the file
  };

  Error InAnotherForm(std::size_t column, const Others& others) const {
    const std::string_view before = View().substr(0, others.row);
    return Error(Code::kInvalidArgument, Str(file_.path, ":", 1 + std::count(before.begin(), before.end(), '\n'), ": column '", file_.names[column], "': ", Quoted(others.first),
                                             " is a number in another form than the file's first rows said. Write ", WayOut(file_.format.numbers),
                                             " when all numbers of the file are written so, or `types: {", file_.names[column], ": string}` when these are texts"));
  }

  std::string_view View() const { return file_.bytes->view(); }

  Result<std::shared_ptr<const Schema>> SchemaOf(const std::vector<int>& columns) const {
    if (columns.empty()) return schema_;
    std::vector<table::Field> fields;
    for (const int column : columns) fields.push_back((*schema_)[column]);
    return std::make_shared<const Schema>(std::move(fields));
  }

  // Calls take(cells, text) -> problem for each row that begins in [from, to), and fills in the piece's extent and bad rows.
  template <typename Take>
  Result<void> Scan(const Call& call, std::uint64_t from, std::uint64_t to, Piece* piece, const Take& take) const {
    CsvScanner scanner(View().substr(from), file_.format, "");
    const bool text = IsText(View().substr(from, to > from ? to - from : 0));
    std::vector<Cell> cells;
    for (std::int64_t row = 0; from + scanner.at() < to; ++row) {
      if (row % kRowsBetweenChecks == 0) TENON_TRY(call.Check());
      auto more = scanner.Next(&cells);
      if (more.ok() && !*more) break;
      const std::string_view whole = WithoutLineEnd(View().substr(from + scanner.row_at(), scanner.at() - scanner.row_at()));
      // What lies behind `to` was not looked at above.
      const bool proper = (text && from + scanner.at() <= to) || IsText(whole);
      std::string problem = !more.ok()                            ? std::string(more.error().message())
                            : !proper                             ? std::string("not UTF-8; write `encoding: latin-1`, `windows-1252` or `utf-16`")
                            : cells.size() != file_.names.size() ? CountProblem(cells, file_.names.size())
                                                                 : take(cells, whole);
      if (!problem.empty()) piece->bad.push_back({scanner.line(), std::move(problem), std::string(whole.substr(0, kMostBadBytes))});
    }
    piece->begin = from;
    piece->end = from + scanner.at();
    piece->lines = scanner.lines();
    return {};
  }

  CsvFile file_;
  std::vector<std::string> missing_;
  std::vector<bool> given_;  // whether the column's type is
  std::shared_ptr<const Schema> schema_;
};

}  // namespace

Result<std::unique_ptr<Pieces>> MakeCsvPieces(CsvFile file, const SourceSpec& spec) {
  auto out = std::make_unique<CsvPieces>(std::move(file), spec.missing);
  TENON_TRY(out->Start(spec));
  return std::unique_ptr<Pieces>(std::move(out));
}

}  // namespace tenon::ingest
