#include "pipeline/predict.h"

#include <algorithm>

#include "base/text.h"

namespace tenon::pipeline {
namespace {

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

std::vector<table::Column> Answers(const model::Predictor& predictor, const std::vector<float>& predicted) {
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

std::vector<std::string> MissingInputs(const model::Predictor& predictor, const table::Schema& schema) {
  std::vector<std::string> missing;
  for (const table::Field& field : predictor.graph().inputs()) {
    if (schema.Find(field.name) < 0) missing.push_back(field.name);
  }
  return missing;
}

// The reader over the rows to predict, put through the project's sql only when they lack what that makes.
Result<std::unique_ptr<table::BatchReader>> OpenRows(const Call& call, const Project& project, const model::Predictor& predictor,
                                                     const Kits& kits, const std::string& in) {
  ingest::SourceSpec source = project.source;
  source.paths = {in};
  source.folder = ".";
  source.sql.clear();
  // What names, dates and groups the rows of training is not asked of others, unless the model reads it.
  source.key.clear();
  source.time.clear();
  source.group.clear();
  // The project's format holds for files that look like its own; another ending speaks for itself.
  const auto ending = [](std::string_view path) { return path.substr(std::min(path.rfind('.'), path.size())); };
  if (ending(in) != ending(project.source.paths.front())) {
    source.format.clear();
    source.options = {};
  }
  std::vector<std::string> known;
  {
    TENON_ASSIGN(auto look, ingest::Read(call, source, kits.readers));
    known = look->schema()->Names();
  }
  const bool by_sql = !project.source.sql.empty() && std::ranges::any_of(predictor.graph().inputs(), [&](const table::Field& field) {
    return std::ranges::find(known, field.name) == known.end();
  });
  if (by_sql) source.sql = project.source.sql;
  for (const table::Field& field : predictor.graph().inputs()) {
    const bool there = std::ranges::find(known, field.name) != known.end();
    const bool typed = std::ranges::any_of(source.types, [&](const auto& type) { return type.first == field.name; });
    if (there && !typed && !by_sql) source.types.emplace_back(field.name, std::string(NameOf(field.type)));
  }
  return ingest::Read(call, source, kits.readers);
}

}  // namespace

Result<PredictedFile> PredictFile(const Call& call, const Project& project, const model::Predictor& predictor,
                                  const Kits& kits, const std::string& in, const std::string& out) {
  TENON_ASSIGN(auto reader, OpenRows(call, project, predictor, kits, in), in);
  const table::Schema& schema = *reader->schema();
  if (const auto missing = MissingInputs(predictor, schema); !missing.empty()) {
    return Error(Code::kInvalidArgument, Str(in, ": lacks the column", missing.size() > 1 ? "s " : " ", Join(missing, ", "),
                                             " that the model reads; it has: ", Join(schema.Names(), ", ")));
  }
  std::vector<table::Field> fields = schema.fields();
  for (table::Field& answer : AnswerFields(predictor)) {
    while (schema.Find(answer.name) >= 0) answer.name = "predicted_" + answer.name;
    fields.push_back(std::move(answer));
  }
  auto out_schema = std::make_shared<const table::Schema>(std::move(fields));
  TENON_ASSIGN(auto writer, ingest::OpenWriter(out, out_schema), out);
  PredictedFile done;
  model::Predictor::Scratch scratch;
  while (true) {
    TENON_ASSIGN(std::optional<table::Batch> batch, reader->Next(call), in);
    if (!batch) break;
    TENON_ASSIGN(std::vector<float> predicted, predictor.PredictBatch(call, *batch, scratch), in);
    std::vector<table::Column> columns;
    for (int i = 0; i < batch->columns(); ++i) columns.push_back(batch->column(i));
    for (table::Column& answer : Answers(predictor, predicted)) columns.push_back(std::move(answer));
    TENON_TRY(writer->Write(call, table::Batch(out_schema, std::move(columns))), out);
    done.rows += batch->rows();
    call.Report(Str(done.rows, " rows"));
  }
  TENON_TRY(writer->Finish(), out);
  return done;
}

}  // namespace tenon::pipeline
