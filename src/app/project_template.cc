#include "app/project_template.h"

#include <algorithm>

#include "base/text.h"

namespace tenon::app {
namespace {

// A YAML scalar that reads back as this text.
std::string Quoted(std::string_view text) {
  std::string out;
  AppendJsonString(text, &out);
  return out;
}

std::string Plain(std::string_view text) {
  const bool safe = !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/' || c == '.';
  }) && text != "true" && text != "false" && text != "null" && text[0] != '.';
  return safe ? std::string(text) : Quoted(text);
}

std::string ProblemText(const NewProject& project) {
  const frame::ProblemCard& card = project.card;
  const std::string question =
      !project.question.empty() ? project.question
      : card.task == "regression" ? Str("What will ", project.label, " be?")
                                  : Str("Which ", project.label, " will a row have?");
  std::string out = "problem:\n  question: " + Quoted(question) + "\n";
  out += Str("  task: ", card.task, "                     # binary | multiclass | regression | auto\n");
  if (card.task == "binary") {
    out += Str("  label: {column: ", Plain(project.label), ", positive: ", Quoted(card.classes[1]), "}\n");
  } else {
    out += Str("  label: ", Plain(project.label), "\n");
  }
  out += Str("  metric: ", card.metric, "                   # what models are chosen by\n");
  for (const std::string& reason : card.reasons) out += Str("  # ", reason, "\n");
  for (const std::string& concern : card.concerns) out += Str("  # take care: ", concern, "\n");
  if (card.task == "binary") {
    out += "  # What mistakes cost, as numbers or expressions over a row, with a unit. The threshold follows from them.\n"
           "  # costs: {false_positive: 1 EUR, false_negative: 5 EUR}\n"
           "  # What is done today, to compare with; the prior when nothing is written.\n"
           "  # baseline: {rule: \"amount > 220\"}\n";
  }
  return out;
}

std::string ColumnsText(const NewProject& project) {
  std::string out = "# The columns, as they were read:\n";
  for (const table::Field& field : project.schema.fields()) {
    out += Str("#   ", field.name, ": ", NameOf(field.type), field.name == project.label ? "  <- the label" : "", "\n");
  }
  return out;
}

}  // namespace

std::string ProjectFileText(const NewProject& project) {
  const bool binary = project.card.task == "binary";
  std::string out = Str("# A Tenon project. `tenon run` goes through it from top to bottom; what is commented out shows the default.\n\n"
                        "project: ", project.name, "\nowner: \"\"                         # the team that answers for the model\n\n");
  out += ProblemText(project);
  out += Str("\ndata:\n  read: ", Quoted(project.data), "         # files and globs: CSV, JSON lines, Parquet, Arrow, ARFF, each also .gz\n");
  for (const std::string& line : project.data_settings) out += Str("  ", line, "\n");
  const auto suggested = [](const char* role, const std::string& column, const char* otherwise) {
    std::string line = Str("  # ", role, ": ", column.empty() ? otherwise : column);
    line.resize(std::max<std::size_t>(line.size() + 1, 36), ' ');
    return line;
  };
  out += suggested("key", project.key, "id") + "# the column that identifies a row: never a feature, keeps splits stable\n";
  out += suggested("time", project.time, "at") + "# when a row happened; needed for splits by time\n";
  out += ""
         "  # group: customer                 # rows of one group never stand on two sides of a split\n"
         "  # missing: [\"\", \"NA\", \"?\"]        # values read as missing\n"
         "  # types: {code: string}           # where the type read is not the one meant\n";
  out += ColumnsText(project);
  out += "\nvalidate:\n  fail_on: error                    # warning | error: findings at or above it stop the run\n"
         "  # columns: {age: {min: 0, max: 120, missing: 0.05}}\n"
         "  # expectations: [\"begin <= until\"]\n\n";
  if (project.split.empty()) {
    out += "split:\n  by: auto                          # auto | key | stratified | group | time | column\n"
           "  train: 0.7\n  validation: 0.15\n  test: 0.15\n\n";
  } else {
    out += project.split + "\n";
  }
  out += "transform:\n  style: auto                       # how columns become features follows their type and distribution\n"
         "  # drop: [column]                  # left out\n\n"
         "train:\n  learners: [linear, boosted_trees]  # the better one on the validation rows is taken\n"
         "  seed: 1\n"
         "  # boosted_trees: {learning_rate: 0.05, max_depth: 6}\n";
  if (project.card.task != "regression") out += "  # imbalance: class_weight         # weigh rare classes up\n";
  out += "\nevaluate:\n  bootstrap: 1000                   # resamples of the confidence intervals\n"
         "  # slices: [region, \"amount > 500\"]\n";
  if (binary) out += "  # fairness: {groups: [sex]}        # columns whose groups are compared\n";
  out += Str("\ngates:                              # all must hold, or nothing is deployed\n"
             "  - lift(", project.card.metric, ", over: baseline).low > 0\n  - leakage == 0\n"
             "  # - latency_p99 < 5ms\n\n"
             "serve:\n  strict: false                     # true: refuse values outside what training saw\n"
             "  # rate: 100                       # requests a second and client address\n\n"
             "card:\n  intended_use: \"\"\n  limitations: \"\"\n");
  out += project.extra;
  return out;
}

}  // namespace tenon::app
