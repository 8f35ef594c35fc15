#include "pipeline/release.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace tenon::pipeline {
namespace {

constexpr std::int64_t kGoldenRows = 64;
constexpr int kMostDomain = 200;

}  // namespace

Result<Json> InputsOf(const transform::FittedGraph& graph, const table::Profile& profile) {
  Json out = Json::MakeArray();
  for (const table::Field& field : graph.inputs()) {
    const table::ColumnProfile* seen = profile.Find(field.name);
    if (seen == nullptr) return Error(Code::kInternal, Str("the profile lacks the input '", field.name, "'"));
    Json input;
    input["name"] = field.name;
    input["type"] = NameOf(field.type);
    input["required"] = seen->missing() == 0;
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

Result<Json> GoldenOf(const Call& call, const model::Predictor& predictor, const table::Batch& test) {
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
