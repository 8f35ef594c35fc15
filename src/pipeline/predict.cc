#include "pipeline/predict.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/text.h"
#include "ingest/place.h"
#include "pipeline/ordered_internal.h"
#include "pipeline/partial_internal.h"
#include "pipeline/predict_open_internal.h"

namespace tenon::pipeline {
namespace {

constexpr auto kReportEvery = std::chrono::milliseconds(200);

// How the answers look as columns.
std::vector<table::Field> AnswerFields(const model::Predictor& predictor) {
  switch (predictor.task()) {
    case model::Task::kBinary: return {{"probability", table::Type::kFloat64}, {"decision", table::Type::kString}};
    case model::Task::kRegression: return {{"value", table::Type::kFloat64}};
    case model::Task::kMulticlass: break;
  }
  std::vector<table::Field> fields;
  for (const std::string& name : predictor.classes()) fields.push_back({"probability_" + name, table::Type::kFloat64});
  fields.push_back({"decision", table::Type::kString});
  return fields;
}

std::vector<table::Column> AnswerColumns(const model::Predictor& predictor, const std::vector<float>& predicted) {
  const auto outputs = static_cast<std::size_t>(predictor.outputs());
  std::vector<table::ColumnBuilder> numbers(outputs, table::ColumnBuilder(table::Type::kFloat64));
  table::ColumnBuilder decisions(table::Type::kString);
  for (std::size_t i = 0; i < predicted.size(); i += outputs) {
    for (std::size_t k = 0; k < outputs; ++k) numbers[k].Add(static_cast<double>(predicted[i + k]));
    if (predictor.task() != model::Task::kRegression) {
      decisions.AddText(predictor.classes()[static_cast<std::size_t>(predictor.Decide(predicted.data() + i))]);
    }
  }
  std::vector<table::Column> columns;
  for (auto& builder : numbers) columns.push_back(builder.Finish());
  if (predictor.task() != model::Task::kRegression) columns.push_back(decisions.Finish());
  return columns;
}

void AppendNumber(double value, std::string* out) {
  char buffer[40];
  if (std::isfinite(value)) {
    out->append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  } else {
    *out += FormatDouble(value);
  }
}

// What came of one stretch.
struct Predicted {
  ingest::Piece piece;     // without its rows
  std::int64_t count = 0;  // rows of the output
  std::string text;        // these, where the form is text
  table::Batch rows;       // the same where it is not
};

class Work {
 public:
  Work(const model::Predictor& predictor, const RowSource& source, const ingest::Contents& contents, const FileViews* views, ingest::TableForm form,
       std::shared_ptr<const table::Schema> out, bool keeps_bad, int threads)
      : predictor_(predictor), source_(source), contents_(contents), views_(views), form_(form), out_(std::move(out)), keeps_bad_(keeps_bad), scratches_(static_cast<std::size_t>(threads)) {
    const std::vector<table::Field>& inputs = predictor.graph().inputs();
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (predictor.graph().TakesBytes(i)) bytes_.push_back(i);
    }
    for (const std::string& name : predictor.classes()) {
      table::Batch one(std::make_shared<const table::Schema>(std::vector<table::Field>{{"", table::Type::kString}}), {table::Column::Of(std::vector<std::string>{name})});
      ingest::AppendRows(ingest::TableForm::kCsv, one, &decisions_.emplace_back());
      decisions_.back().pop_back();  // the line's end
    }
  }

  Result<Predicted> Do(const Call& call, int thread, const Stretch& stretch) {
    Call alone = call;
    alone.threads = 1;
    alone.progress = nullptr;
    Predicted done;
    TENON_ASSIGN(done.piece, source_.Load(alone, stretch));
    if (!keeps_bad_ && !done.piece.bad.empty()) return done;  // nothing is written any more
    TENON_ASSIGN(const std::vector<float> predicted, Predict(alone, scratches_[static_cast<std::size_t>(thread)], &done.piece));
    if (source_.texts()) {
      AppendAnswers(done.piece.texts, predicted, &done.text);
    } else {
      std::vector<table::Column> columns;
      for (int i = 0; i < done.piece.rows.columns(); ++i) columns.push_back(done.piece.rows.column(i));
      for (table::Column& answer : AnswerColumns(predictor_, predicted)) columns.push_back(std::move(answer));
      done.rows = table::Batch(out_, std::move(columns));
      if (form_ != ingest::TableForm::kParquet) {
        ingest::AppendRows(form_, done.rows, &done.text);
        done.rows = {};
      }
    }
    done.count = done.piece.rows.rows();
    done.piece.rows = {};
    done.piece.texts = {};
    return done;
  }

 private:
  // Rows with all that the model reads, predicted.
  Result<std::vector<float>> PredictWhole(const Call& call, model::Predictor::Scratch& scratch, const table::Batch& rows) const {
    TENON_ASSIGN(const table::Batch filled, contents_.Fill(call, rows));
    for (const std::size_t i : bytes_) {
      const std::string& name = predictor_.graph().inputs()[i].name;
      TENON_ASSIGN(const table::Column values, filled.Named(name));
      for (std::int64_t row = 0; row < values.size(); ++row) {
        if (!values.IsNull(row)) TENON_TRY(predictor_.graph().CheckBytes(i, values.Text(row)), Str("column '", name, "'"));
      }
    }
    return predictor_.PredictBatch(call, filled, scratch);
  }

  // Only models that read columns, or files, refuse rows: those are found one by one. The latter at once, since contents are large.
  Result<std::vector<float>> Predict(const Call& call, model::Predictor::Scratch& scratch, ingest::Piece* piece) const {
    if (piece->rows.rows() == 0) return std::vector<float>();
    table::Batch rows = piece->rows;
    if (views_ != nullptr) {
      TENON_ASSIGN(rows, views_->completion->Complete(rows, views_->lacking, views_->now));
    }
    if (contents_.columns().empty() && bytes_.empty()) {
      auto all = predictor_.PredictBatch(call, rows, scratch);
      if (all.ok() || all.error().code() != Code::kInvalidArgument) return all;
    }
    std::vector<float> out;
    std::vector<std::int64_t> good;
    std::vector<std::string_view> texts;
    for (std::int64_t i = 0; i < piece->rows.rows(); ++i) {
      auto one = PredictWhole(call, scratch, rows.Slice(i, 1));
      if (one.ok()) {
        out.insert(out.end(), one->begin(), one->end());
        good.push_back(i);
        if (source_.texts()) texts.push_back(piece->texts[static_cast<std::size_t>(i)]);
        continue;
      }
      const Code code = one.error().code();
      if (code != Code::kInvalidArgument && code != Code::kNotFound) return std::move(one).error();
      piece->bad.push_back({i + 1, one.error().ForPeople(), piece->rows.RowAt(i).Dump()});
    }
    piece->rows = piece->rows.Take(good);
    piece->texts = std::move(texts);
    return out;
  }

  void AppendAnswers(const std::vector<std::string_view>& rows, const std::vector<float>& predicted, std::string* out) const {
    const auto outputs = static_cast<std::size_t>(predictor_.outputs());
    std::size_t bytes = 0;
    for (const std::string_view row : rows) bytes += row.size() + 24 * outputs + 16;
    out->reserve(bytes);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      *out += rows[i];
      for (std::size_t k = 0; k < outputs; ++k) {
        out->push_back(',');
        AppendNumber(static_cast<double>(predicted[i * outputs + k]), out);
      }
      if (predictor_.task() != model::Task::kRegression) {
        out->push_back(',');
        *out += decisions_[static_cast<std::size_t>(predictor_.Decide(predicted.data() + i * outputs))];
      }
      out->push_back('\n');
    }
  }

  const model::Predictor& predictor_;
  const RowSource& source_;
  const ingest::Contents& contents_;
  const FileViews* views_;  // may be null
  ingest::TableForm form_;
  std::shared_ptr<const table::Schema> out_;
  bool keeps_bad_;
  std::vector<model::Predictor::Scratch> scratches_;  // one a thread
  std::vector<std::size_t> bytes_;                    // inputs that are base64 of bytes
  std::vector<std::string> decisions_;                // as CSV
};

// Puts the outcomes together in the rows' order.
class Gathering {
 public:
  Gathering(RowSource& source, Output& partial, Work& work, bool keeps_bad)
      : source_(source), partial_(partial), work_(work), keeps_bad_(keeps_bad), began_(std::chrono::steady_clock::now()), told_(began_) {
    if (!partial.settled().is_null()) {
      done_.rows = done_.resumed = partial.settled().IntAt("rows");
      done_.bad = partial.settled().IntAt("bad");
    }
  }

  Result<void> Take(const Call& call, const Stretch& stretch, Predicted part) {
    source_.Enter(stretch);
    if (!Begins(part)) {
      TENON_ASSIGN(part, work_.Do(call, 0, source_.Again(stretch)));
    }
    TENON_TRY(TakeBad(part));
    source_.Accept(part.piece);
    done_.rows += part.count;
    if (part.text.empty()) {
      partial_.AddBatch(part.rows);
    } else {
      TENON_TRY(partial_.AddText(part.text));
    }
    if (partial_.due()) TENON_TRY(partial_.Settle(call, Position()));
    Report(call);
    return {};
  }

  PredictedFile Done() {
    done_.seconds = Seconds();
    return done_;
  }

 private:
  bool Begins(const Predicted& part) const { return source_.Follows(part.piece); }

  Result<void> TakeBad(const Predicted& part) {
    if (part.piece.bad.empty()) return {};
    const ingest::BadRow& first = part.piece.bad.front();
    if (!keeps_bad_) {
      return Error(Code::kInvalidArgument, Str(source_.Where(first.line), ": ", first.problem,
                                               ". With --bad-rows FILE such rows are left out and kept there"));
    }
    std::string lines;
    for (const ingest::BadRow& row : part.piece.bad) {
      Json line = source_.WhereAsJson(row.line);
      line["problem"] = row.problem;
      line["text"] = row.text;
      lines += line.Dump() + "\n";
    }
    done_.bad += static_cast<std::int64_t>(part.piece.bad.size());
    return partial_.AddBad(lines);
  }

  Json Position() const {
    Json out = source_.position();
    out["rows"] = done_.rows;
    out["bad"] = done_.bad;
    return out;
  }

  double Seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count(); }

  void Report(const Call& call) {
    const auto now = std::chrono::steady_clock::now();
    if (now - told_ < kReportEvery) return;
    told_ = now;
    const double fraction = source_.fraction(), seconds = Seconds();
    if (first_fraction_ < 0) first_fraction_ = fraction;
    std::string text = Str(FormatCount(done_.rows), " rows, ", FormatCount(static_cast<std::int64_t>(static_cast<double>(done_.rows - done_.resumed) / seconds)), " a second");
    if (const double made = fraction - first_fraction_; made > 0 && since_ < seconds) {
      text += Str(", ", FormatCount(static_cast<std::int64_t>(std::ceil((1 - fraction) * (seconds - since_) / made))), " s left");
    } else if (since_ == 0) {
      since_ = seconds;
    }
    call.Report(text, fraction);
  }

  RowSource& source_;
  Output& partial_;
  Work& work_;
  bool keeps_bad_;
  std::chrono::steady_clock::time_point began_, told_;
  double first_fraction_ = -1, since_ = 0;
  PredictedFile done_;
};

}  // namespace

Result<PredictedFile> PredictFile(const Call& call, platform::Files& files, const Project& project,
                                  const model::Predictor& predictor, const Kits& kits, const PredictSpec& spec) {
  const bool piped = spec.out == "-";
  TENON_ASSIGN(const ingest::TableForm form, ingest::FormOf(piped ? Str("-.", spec.form.empty() ? "csv" : spec.form) : spec.out));
  if (piped && form == ingest::TableForm::kParquet) return Error(Code::kInvalidArgument, "Parquet has its beginning at the end, and cannot be written into a pipe; --format csv or jsonl");
  std::shared_ptr<const platform::FileLock> lock;
  if (!piped) {
    TENON_ASSIGN(lock, Partial::LockOf(files, spec.out), spec.out);
  }
  auto found = OpenRows(call, files, project, predictor, kits, spec, form, piped ? "" : Partial::KeptRowsOf(spec.out));
  if (!found.ok()) {
    if (!piped) static_cast<void>(files.Remove(Partial::LockPathOf(spec.out)));
    return std::move(found).error().Context(spec.in == "-" ? "standard input" : ingest::Shown(spec.in));
  }
  Opened& opened = *found;
  const table::Schema before(opened.fields);
  std::vector<table::Field> fields = opened.fields;
  for (table::Field& answer : AnswerFields(predictor)) {
    while (before.Find(answer.name) >= 0) answer.name = "predicted_" + answer.name;
    fields.push_back(std::move(answer));
  }
  auto schema = std::make_shared<const table::Schema>(std::move(fields));

  Json job = opened.work;
  job["model"] = spec.model;
  job["bundle"] = spec.bundle;
  job["source"] = project.source.ToJson();
  job["columns"] = Json::ListOf(schema->Names());
  job["bad_rows"] = spec.bad_rows;
  std::unique_ptr<Output> output;
  if (piped) {
    TENON_ASSIGN(output, OpenStandardOutput(files, form, *schema, spec.bad_rows));
  } else {
    TENON_ASSIGN(output, Partial::Open(call, files, {spec.out, form, spec.bad_rows, lock}, schema, job, spec.fresh || opened.anew), spec.out);
  }
  if (!output->settled().is_null()) TENON_TRY(opened.rows->GoOn(call, output->settled()));

  const int threads = std::max(1, call.threads);
  const bool keeps_bad = !spec.bad_rows.empty();
  const ingest::Contents contents(project.source.contents, project.source.contents_folder);
  Work work(predictor, *opened.rows, contents, opened.views.get(), form, schema, keeps_bad, threads);
  Gathering gathering(*opened.rows, *output, work, keeps_bad);
  TENON_TRY((Ordered<Stretch, Predicted>::Run(
                threads, [&] { return opened.rows->Next(call); },
                [&](int thread, Stretch& stretch) { return work.Do(call, thread, stretch); },
                [&](Stretch& stretch, Predicted part) { return gathering.Take(call, stretch, std::move(part)); })),
            spec.in);
  TENON_TRY(output->Finish(call), spec.out);
  return gathering.Done();
}

}  // namespace tenon::pipeline
