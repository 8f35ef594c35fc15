#include "pipeline/release.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace tenon::pipeline {
namespace {

constexpr std::int64_t kGoldenRows = 64;
constexpr int kMostDomain = 200;
constexpr double kMostWorse = 1.001;  // the golden rows' error in a deployment, against here

// The labels of the golden rows, how well they are met, and what a deployment must at least do.
void AddLabels(const model::Predictor& predictor, std::span<const std::int64_t> rows, std::span<const float> predicted,
               std::span<const double> labels, Json* out) {
  const auto outputs = static_cast<std::size_t>(predictor.outputs());
  const auto n = static_cast<double>(rows.size());
  std::int64_t right = 0;
  double error = 0;
  (*out)["labels"] = Json::MakeArray();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double label = labels[static_cast<std::size_t>(rows[i])];
    if (predictor.classes().empty()) {
      (*out)["labels"].Push(label);
      error += std::abs(static_cast<double>(predicted[i]) - label) / n;
      continue;
    }
    const auto index = static_cast<std::size_t>(label);
    (*out)["labels"].Push(predictor.classes()[index]);
    right += predictor.Decide(&predicted[i * outputs]) == static_cast<int>(index) ? 1 : 0;
  }
  Json score;
  if (predictor.classes().empty()) {
    score["name"] = "mean_absolute_error";
    score["value"] = error;
    score["most"] = error * kMostWorse;
  } else {
    score["name"] = "right";
    score["value"] = right;
    score["least"] = std::max<std::int64_t>(0, right - 1);  // a decision at the threshold may fall otherwise elsewhere
  }
  (*out)["score"] = std::move(score);
}

}  // namespace

Result<Json> InputsOf(const transform::FittedGraph& graph, const table::Profile& profile, const std::vector<std::string>& masked) {
  Json out = Json::MakeArray();
  for (const table::Field& field : graph.inputs()) {
    const table::ColumnProfile* seen = profile.Find(field.name);
    if (seen == nullptr) return Error(Code::kInternal, Str("the profile lacks the input '", field.name, "'"));
    Json input;
    input["name"] = field.name;
    input["type"] = NameOf(field.type);
    input["required"] = seen->missing() == 0;
    if (std::ranges::find(masked, field.name) != masked.end()) input["masked"] = true;
    if (field.type == table::Type::kString) {
      input["domain"] = Json::MakeArray();
      if (seen->distinct_is_exact() && seen->distinct() <= kMostDomain) {
        for (const table::Frequency& value : seen->Top(kMostDomain)) input["domain"].Push(value.value);
      }
    } else if (std::isfinite(seen->min()) && std::isfinite(seen->max())) {
      const double room = 0.5 * (seen->max() - seen->min());
      input["least"] = seen->min() >= 0 ? std::max(0.0, seen->min() - room) : seen->min() - room;
      input["most"] = seen->max() + room;
    }
    out.Push(std::move(input));
  }
  return out;
}

Result<Json> GoldenOf(const Call& call, const model::Predictor& predictor, const table::Batch& test, std::span<const double> labels) {
  std::vector<std::int64_t> rows;
  const std::int64_t n = std::min(kGoldenRows, test.rows());
  for (std::int64_t i = 0; i < n; ++i) rows.push_back(i * test.rows() / n);
  std::vector<std::string> names;
  for (const table::Field& field : predictor.graph().inputs()) names.push_back(field.name);
  TENON_ASSIGN(table::Batch batch, test.Take(rows).Select(names));
  model::Predictor::Scratch scratch;
  TENON_ASSIGN(std::vector<float> predicted, predictor.PredictBatch(call, batch, scratch));
  Json out;
  out["rows"] = Json::MakeArray();
  out["predictions"] = Json::MakeArray();
  const auto outputs = static_cast<std::size_t>(predictor.outputs());
  for (std::int64_t i = 0; i < n; ++i) {
    out["rows"].Push(batch.RowAt(i));
    Json values = Json::MakeArray();
    for (std::size_t k = 0; k < outputs; ++k) {
      values.Push(Json(static_cast<double>(predicted[static_cast<std::size_t>(i) * outputs + k])));
    }
    out["predictions"].Push(std::move(values));
  }
  if (!labels.empty() && n > 0) AddLabels(predictor, rows, predicted, labels, &out);
  return out;
}

Result<std::string> PredictionsProfile(const Call& call, const model::Predictor& predictor, const table::Batch& test) {
  model::Predictor::Scratch scratch;
  TENON_ASSIGN(std::vector<float> predicted, predictor.PredictBatch(call, test, scratch));
  table::ColumnProfile profile({.name = "prediction", .type = table::Type::kFloat64});
  const auto outputs = static_cast<std::size_t>(predictor.outputs());
  for (std::size_t i = 0; i < predicted.size(); i += outputs) {
    profile.AddNumber(static_cast<double>(*std::max_element(predicted.begin() + static_cast<std::ptrdiff_t>(i),
                                                            predicted.begin() + static_cast<std::ptrdiff_t>(i + outputs))));
  }
  return profile.Save();
}

}  // namespace tenon::pipeline
