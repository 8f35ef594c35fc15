#pragma once

#include <string>
#include <string_view>

#include "evaluate/evaluate.h"
#include "evaluate/svg.h"

namespace tenon::evaluate {

// The parts of ReportHtml. Each gives escaped HTML, or nothing when the report has nothing of it.

std::string PerformancePlots(const EvaluationReport&);       // report_plots.cc: curves, calibration, residuals

std::string ImportancePlots(const EvaluationReport&);        // report_parts.cc: what is drawn row by row
std::string SlicePlots(const EvaluationReport&, const std::string& metric);
std::string FairnessPlots(const EvaluationReport&);
std::string LearningCurve(const Json& rounds);

// "ROC AUC" of roc_auc; unknown names with blanks for underscores.
std::string TitleOf(std::string_view metric);
// What a metric says, in one plain sentence; empty when unknown.
std::string_view MeaningOf(std::string_view metric);
// For people: 0.8273, 12,346, "–" for NaN.
std::string Shown(double value);

}  // namespace tenon::evaluate
