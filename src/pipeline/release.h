#pragma once

#include <span>

#include "model/predictor.h"
#include "table/profile.h"

// What every bundle carries beside graph and model, whoever made them.
namespace tenon::pipeline {

// What a request may bring for each input, from rows seen.
// `masked`: columns whose values are shown nowhere; their inputs say so.
Result<Json> InputsOf(const transform::FittedGraph& graph, const table::Profile& profile, const std::vector<std::string>& masked = {});
// Up to 64 rows with the exact answers they must give, and, where labels are given (class index or value, one a row), how well
// those answers do: what every deployment replays.
Result<Json> GoldenOf(const Call& call, const model::Predictor& predictor, const table::Batch& rows, std::span<const double> labels = {});
// The profile of the predictions, the reference of drift: table::ColumnProfile::Save.
Result<std::string> PredictionsProfile(const Call& call, const model::Predictor& predictor, const table::Batch& rows);

}  // namespace tenon::pipeline
