#pragma once

#include <vector>

#include "evaluate/evaluate.h"
#include "evaluate/rows_internal.h"

namespace tenon::evaluate {

constexpr std::size_t kCurvePoints = 200;

// False against true positive rate as the threshold falls, from (0, 0); the first point's threshold is infinity. Empty
// when a class has no weight.
std::vector<EvaluationReport::Point> RocCurve(const Scored& scored, const Ranking& ranking, std::span<const double> weight);
// Recall against precision as the threshold falls. Empty when there is no positive weight.
std::vector<EvaluationReport::Point> PrecisionRecallCurve(const Scored& scored, const Ranking& ranking,
                                                          std::span<const double> weight);
// At most `most` (>= 2) of the points, both ends among them, those first that are farthest from the line drawn without
// them (Ramer 1972; Douglas, Peucker 1973), so that corners stay.
std::vector<EvaluationReport::Point> Thin(const std::vector<EvaluationReport::Point>& points, std::size_t most);

}  // namespace tenon::evaluate
