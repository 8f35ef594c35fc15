// The plots of predictions against truths.

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "evaluate/report_internal.h"
#include "evaluate/svg.h"

namespace tenon::evaluate {
namespace {

using Points = std::vector<std::pair<double, double>>;
constexpr std::size_t kMostShownClasses = 20;

Points PointsOf(const std::vector<EvaluationReport::Point>& points) {
  Points out;
  for (const auto& point : points) out.emplace_back(point.x, point.y);
  return out;
}

// The point of a curve that the report's threshold chooses: the last one whose threshold is not below it.
const EvaluationReport::Point* AtThreshold(const std::vector<EvaluationReport::Point>& points, double threshold) {
  const EvaluationReport::Point* at = nullptr;
  for (const auto& point : points) {
    if (point.threshold >= threshold) at = &point;
  }
  return at;
}

std::string WithInterval(const EvaluationReport& report, std::string_view metric) {
  const Estimate* found = report.Find(metric);
  if (found == nullptr) return "";
  return Str(TitleOf(metric), " ", Shown(found->value),
             std::isnan(found->low) ? "" : Str(" (", Shown(found->low), " to ", Shown(found->high), ")"));
}

std::string RocPlot(const EvaluationReport& report) {
  if (report.roc.empty()) return "";
  Plot plot("ROC curve", "How many of the positives are found for how many false alarms, as the threshold falls.",
            {"False positive rate", 0, 1, true}, {"True positive rate", 0, 1, true});
  plot.Line({{0, 0}, {1, 1}}, Ink::kQuiet, "Guessing", true);
  plot.Line(PointsOf(report.roc), Ink::kFirst, WithInterval(report, "roc_auc"));
  if (const auto* at = AtThreshold(report.roc, report.threshold)) {
    plot.Mark(at->x, at->y, Ink::kSecond, Str("threshold ", Shown(report.threshold)));
  }
  return plot.Html();
}

std::string PrecisionRecallPlot(const EvaluationReport& report) {
  if (report.precision_recall.empty()) return "";
  Plot plot("Precision and recall", "How pure the positives are for how many of them are found.", {"Recall", 0, 1, true},
            {"Precision", 0, 1, true});
  if (report.class_counts.size() == 2 && report.rows > 0) {
    const double share = report.class_counts[1] / static_cast<double>(report.rows);
    plot.Line({{0, share}, {1, share}}, Ink::kQuiet, Str("Guessing (", FormatShort(100 * share, 3), "% are positive)"), true);
  }
  plot.Line(PointsOf(report.precision_recall), Ink::kFirst, WithInterval(report, "average_precision"));
  if (const auto* at = AtThreshold(report.precision_recall, report.threshold)) {
    plot.Mark(at->x, at->y, Ink::kSecond, Str("threshold ", Shown(report.threshold)));
  }
  return plot.Html();
}

std::string CalibrationPlot(const EvaluationReport& report) {
  if (report.calibration.empty()) return "";
  Points points;
  double most = 0;
  for (const auto& bin : report.calibration) {
    points.emplace_back(bin.predicted, bin.observed);
    most = std::max({most, bin.predicted, bin.observed});
  }
  const double end = most < 0.4 ? std::ceil(most * 22) / 20 : 1;  // rare classes fill a corner only
  Plot plot("Calibration", "When the model says 30%, does it happen in 30 of 100 cases? Each dot is a tenth of the rows.",
            {"Predicted probability", 0, end, true}, {"Observed share", 0, end, true});
  plot.Line({{0, 0}, {end, end}}, Ink::kQuiet, "Perfect", true);
  plot.Line(points, Ink::kFirst, "");
  plot.Dots(points, Ink::kFirst, WithInterval(report, "calibration_error"), 4);
  return plot.Html();
}

std::string ScorePlot(const EvaluationReport& report) {
  if (report.score_histogram.size() != 2) return "";
  double most = 0;
  Points outlines[2];
  for (std::size_t k = 0; k < 2; ++k) {
    const auto& counts = report.score_histogram[k];
    double total = 0;
    for (const double count : counts) total += count;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const double share = total > 0 ? counts[i] / total : 0, bins = static_cast<double>(counts.size());
      outlines[k].emplace_back(static_cast<double>(i) / bins, share);
      outlines[k].emplace_back(static_cast<double>(i + 1) / bins, share);
      most = std::max(most, share);
    }
  }
  Plot plot("Scores by class", "How the predictions of each actual class are spread. Classes apart are classes told apart.",
            {"Predicted probability", 0, 1, true}, {"Share of the class", 0, most > 0 ? most * 1.08 : 1, true});
  for (std::size_t k = 0; k < 2; ++k) {
    plot.Area(outlines[k], k == 0 ? Ink::kFirst : Ink::kSecond,
              Str("Actually ", k < report.classes.size() ? report.classes[k] : std::to_string(k)));
  }
  plot.VerticalLine(std::min(report.threshold, 1.0), Str("threshold ", Shown(report.threshold)));
  return plot.Html();
}

std::string PredictedActualPlot(const EvaluationReport& report) {
  if (report.predicted_actual.empty()) return "";
  double low = INFINITY, high = -INFINITY;
  for (const auto& point : report.predicted_actual) {
    low = std::min({low, point.x, point.y});
    high = std::max({high, point.x, point.y});
  }
  const auto [from, to] = Widened(low, high);
  Plot plot("Predicted and actual", Str("A sample of ", report.predicted_actual.size(), " rows; on the line is right."),
            {"Predicted", from, to}, {"Actual", from, to});
  plot.Dots(PointsOf(report.predicted_actual), Ink::kFirst, "A row", 2.2);
  plot.Line({{from, from}, {to, to}}, Ink::kQuiet, "Perfect", true);
  return plot.Html();
}

std::string ResidualPlot(const EvaluationReport& report) {
  if (report.predicted_actual.empty()) return "";
  Points points;
  double low = INFINITY, high = -INFINITY, least = 0, most = 0;
  for (const auto& point : report.predicted_actual) {
    points.emplace_back(point.x, point.y - point.x);
    low = std::min(low, point.x);
    high = std::max(high, point.x);
    least = std::min(least, point.y - point.x);
    most = std::max(most, point.y - point.x);
  }
  const auto [from, to] = Widened(low, high);
  const auto [bottom, top] = Widened(least, most);
  Plot plot("Residuals", "Actual minus predicted. A funnel or a bend is structure that the model missed.",
            {"Predicted", from, to}, {"Actual − predicted", bottom, top});
  plot.Dots(points, Ink::kFirst, "A row", 2.2);
  plot.Line({{from, 0}, {to, 0}}, Ink::kQuiet, "No error", true);
  return plot.Html();
}

std::string ResidualTable(const EvaluationReport& report) {
  if (report.residual_quantiles.size() != 9) return "";
  static constexpr const char* kNames[] = {"least", "1%", "5%", "25%", "median", "75%", "95%", "99%", "most"};
  std::string head, cells;
  for (std::size_t i = 0; i < 9; ++i) {
    head += Str("<th class=\"n\">", kNames[i], "</th>");
    cells += Str("<td class=\"n\">", Shown(report.residual_quantiles[i]), "</td>");
  }
  return Str("<h3>Quantiles of actual minus predicted</h3><div class=\"scroll\"><table><tr>", head, "</tr><tr>", cells,
             "</tr></table></div>\n");
}

}  // namespace

std::string ConfusionTable(const EvaluationReport& report) {
  const std::size_t classes = report.confusion.size();
  if (classes == 0 || report.classes.size() != classes) return "";
  if (classes > kMostShownClasses) {
    return Str("<p class=\"lead\">The confusion matrix of ", classes, " classes is too large to show; it is in the report's JSON.</p>");
  }
  std::string out =
      "<figure><figcaption><b>Confusion matrix</b><span>Rows of each actual class by what was decided; shares are of the "
      "row.</span></figcaption><div class=\"scroll\">";
  out += Str("<table class=\"heat", classes > 5 ? " few" : "", "\"><tr><th></th><th colspan=\"", classes, "\">Decided</th></tr><tr><th class=\"side\">Actual</th>");
  for (const std::string& name : report.classes) out += Str("<th>", EscapeHtml(name), "</th>");
  out += "</tr>";
  for (std::size_t k = 0; k < classes; ++k) {
    double total = 0;
    for (const double count : report.confusion[k]) total += count;
    out += Str("<tr><th class=\"side\">", EscapeHtml(report.classes[k]), "</th>");
    for (const double count : report.confusion[k]) {
      const double share = total > 0 ? count / total : 0;
      out += Str("<td style=\"--a:", FormatShort(0.06 + 0.86 * share, 3), "\"", share > 0.55 ? " class=\"dark\"" : "", ">",
                 Shown(count), classes > 10 ? "" : Str("<small>", FormatShort(100 * share, 3), "%</small>"), "</td>");
    }
    out += "</tr>";
  }
  return out + "</table></div></figure>\n";
}

std::string PerClassPlot(const EvaluationReport& report) {
  const std::size_t classes = report.confusion.size();
  if (report.task != model::Task::kMulticlass || report.classes.size() != classes || classes > 2 * kMostShownClasses) return "";
  RowPlot plot("Precision and recall by class", "Of what was called a class, the share that is; of what is, the share found.",
               {"Share", 0, 1, true}, report.classes, 32);
  plot.Legend(Ink::kFirst, "Precision");
  plot.Legend(Ink::kSecond, "Recall");
  for (std::size_t k = 0; k < classes; ++k) {
    double actual = 0, decided = 0;
    for (std::size_t j = 0; j < classes; ++j) {
      actual += report.confusion[k][j];
      decided += report.confusion[j].size() > k ? report.confusion[j][k] : 0;
    }
    const double right = report.confusion[k].size() > k ? report.confusion[k][k] : 0;
    plot.Bar(k, decided > 0 ? right / decided : 0, Ink::kFirst, 0, 2);
    plot.Bar(k, actual > 0 ? right / actual : 0, Ink::kSecond, 1, 2);
    plot.Note(k, std::max(decided > 0 ? right / decided : 0, actual > 0 ? right / actual : 0), Str("n ", Shown(actual)));
  }
  return plot.Html();
}

std::string PerformancePlots(const EvaluationReport& report) {
  const std::string plots = RocPlot(report) + PrecisionRecallPlot(report) + CalibrationPlot(report) + ScorePlot(report) +
                            PredictedActualPlot(report) + ResidualPlot(report) + ConfusionTable(report) + PerClassPlot(report);
  return (plots.empty() ? "" : Str("<div class=\"grid\">", plots, "</div>\n")) + ResidualTable(report);
}

}  // namespace tenon::evaluate
