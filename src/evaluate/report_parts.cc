// What is drawn row by row: importances, slices, groups; and the learning curve.

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "evaluate/report_internal.h"
#include "evaluate/svg.h"

namespace tenon::evaluate {
namespace {

constexpr std::size_t kMostBars = 20;
constexpr std::size_t kMostSwarms = 10;
constexpr std::size_t kMostSpecks = 200;

// Where each value stands among the others, in 0..6; -1 for NaN.
std::vector<int> ShadesOf(const std::vector<double>& values) {
  std::vector<double> sorted;
  for (const double value : values) {
    if (!std::isnan(value)) sorted.push_back(value);
  }
  std::ranges::sort(sorted);
  std::vector<int> out;
  for (const double value : values) {
    if (std::isnan(value)) {
      out.push_back(-1);
      continue;
    }
    const auto below = std::ranges::lower_bound(sorted, value) - sorted.begin();
    const auto up_to = std::ranges::upper_bound(sorted, value) - sorted.begin();
    const double rank = static_cast<double>(below + up_to) / 2 / static_cast<double>(sorted.size());
    out.push_back(std::min(6, static_cast<int>(rank * 7)));
  }
  return out;
}

// Points that would overlap are moved up and down in turn.
std::vector<RowPlot::Speck> SwarmOf(const EvaluationReport::Importance& importance, double low, double high) {
  const auto shades = ShadesOf(importance.sample_values);
  const std::size_t count = std::min({importance.sample_contributions.size(), shades.size(), kMostSpecks});
  constexpr std::size_t kSlots = 90;
  std::vector<int> taken(kSlots + 1);
  std::vector<RowPlot::Speck> out;
  int fullest = 1;
  for (std::size_t i = 0; i < count; ++i) {
    const double value = importance.sample_contributions[i];
    if (!std::isfinite(value)) continue;
    const auto slot = static_cast<std::size_t>(std::clamp((value - low) / (high - low), 0.0, 1.0) * kSlots);
    const int before = taken[slot]++;
    fullest = std::max(fullest, taken[slot]);
    out.push_back({value, static_cast<double>((before + 1) / 2 * (before % 2 == 0 ? 1 : -1)), shades[i]});
  }
  const double step = std::min(0.35, 2.0 / fullest);
  for (auto& speck : out) speck.offset *= step;
  return out;
}

Estimate MetricOf(const EvaluationReport::Slice& slice, const std::string& metric) {
  for (const auto& [name, value] : slice.metrics) {
    if (name == metric) return value;
  }
  return {std::nan(""), std::nan(""), std::nan("")};
}

}  // namespace

std::string ImportancePlots(const EvaluationReport& report) {
  if (report.importances.empty()) return "";
  std::vector<std::string> names;
  double most = 0;
  for (const auto& importance : report.importances) {
    if (names.size() == kMostBars) break;
    names.push_back(importance.feature);
    most = std::max(most, importance.mean_absolute);
  }
  const std::string unit = report.task == model::Task::kRegression ? "the label's unit" : "log-odds";
  RowPlot bars("What the model looks at", "How far each column moves a prediction, on average over a sample of rows.",
               {Str("Mean size of the contribution (", unit, ")"), 0, most > 0 ? most * 1.02 : 1}, names, 22);
  for (std::size_t i = 0; i < names.size(); ++i) {
    bars.Bar(i, report.importances[i].mean_absolute, Ink::kFirst);
    bars.Note(i, report.importances[i].mean_absolute, Shown(report.importances[i].mean_absolute));
  }
  std::string out = bars.Html();

  names.resize(std::min(names.size(), kMostSwarms));
  double low = 0, high = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (const double value : report.importances[i].sample_contributions) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (high > low) {
    const auto [from, to] = Widened(low, high);
    RowPlot swarm("Which way it moves", "Each point is a row: right of 0 the column raised its prediction. Colour is the column's value.",
                  {Str("Contribution (", unit, ")"), from, to}, names, 36);
    swarm.ShadeLegend("low", "high value");
    swarm.VerticalLine(0, "");
    for (std::size_t i = 0; i < names.size(); ++i) swarm.Specks(i, SwarmOf(report.importances[i], from, to));
    out += swarm.Html();
  }
  return Str("<div class=\"grid\">", out, "</div>\n");
}

std::string SlicePlots(const EvaluationReport& report, const std::string& metric) {
  if (report.slices.empty()) return "";
  const Estimate* overall = report.Find(metric);
  std::vector<const EvaluationReport::Slice*> shown;
  std::string few;
  double low = INFINITY, high = -INFINITY, most_rows = 1;
  const auto reach = [&](double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  };
  for (const auto& slice : report.slices) {
    const Estimate value = MetricOf(slice, metric);
    if (std::isnan(value.value)) {
      few += Str(few.empty() ? "" : ", ", slice.name, " (", FormatCount(slice.rows), " rows)");
      continue;
    }
    shown.push_back(&slice);
    for (const double at : {value.value, value.low, value.high}) reach(at);
    most_rows = std::max(most_rows, static_cast<double>(slice.rows));
  }
  std::string out;
  if (!shown.empty()) {
    if (overall != nullptr) {
      reach(overall->value);
      reach(overall->low);
      reach(overall->high);
    }
    std::vector<std::string> names;
    for (const auto* slice : shown) names.push_back(slice->name);
    const auto [from, to] = Widened(low, high);
    RowPlot plot(Str(TitleOf(metric), " by slice"), "The line is all rows, the band and the whiskers are intervals; larger dots are more rows.",
                 {TitleOf(metric), from, to}, names);
    if (overall != nullptr && std::isfinite(overall->value)) {
      if (std::isfinite(overall->low) && std::isfinite(overall->high)) plot.Band(overall->low, overall->high);
      plot.VerticalLine(overall->value, "");
    }
    for (std::size_t i = 0; i < shown.size(); ++i) {
      const Estimate value = MetricOf(*shown[i], metric);
      if (std::isfinite(value.low) && std::isfinite(value.high)) plot.Range(i, value.low, value.high, Ink::kFirst);
      plot.Dot(i, value.value, Ink::kFirst, 3 + 5 * std::sqrt(static_cast<double>(shown[i]->rows) / most_rows));
      plot.Note(i, to, Str("n ", FormatCount(shown[i]->rows)));
    }
    out += Str("<div class=\"grid\">", plot.Html(), "</div>\n");
  }
  if (!few.empty()) out += Str("<p class=\"lead\">Undefined or with too few rows to judge: ", EscapeHtml(few), ".</p>\n");
  return out;
}

std::string FairnessPlots(const EvaluationReport& report) {
  std::vector<std::string> columns;
  for (const auto& group : report.groups) {
    if (std::ranges::find(columns, group.column) == columns.end()) columns.push_back(group.column);
  }
  std::string out;
  for (const std::string& column : columns) {
    std::vector<const EvaluationReport::Group*> groups;
    std::vector<std::string> names;
    for (const auto& group : report.groups) {
      if (group.column != column) continue;
      groups.push_back(&group);
      names.push_back(Str(group.value, " (", FormatCount(group.rows), ")"));
    }
    std::string gaps;
    for (const auto& [name, gap] : report.gaps) {
      if (!name.ends_with(":" + column)) continue;
      gaps += Str(gaps.empty() ? "Largest gaps: " : "; ", TitleOf(name.substr(0, name.find(':'))), " ", Shown(gap));
    }
    RowPlot plot(Str("Groups of ", column), gaps, {"Rate", 0, 1, true}, names, 44);
    plot.Legend(Ink::kFirst, "Selected");
    plot.Legend(Ink::kThird, "Found, of the positives");
    plot.Legend(Ink::kSecond, "False alarms, of the negatives");
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const double rates[] = {groups[i]->selection_rate, groups[i]->true_positive_rate, groups[i]->false_positive_rate};
      const Ink inks[] = {Ink::kFirst, Ink::kThird, Ink::kSecond};
      for (std::size_t k = 0; k < 3; ++k) {
        if (!std::isnan(rates[k])) plot.Bar(i, rates[k], inks[k], k, 3);
      }
    }
    out += plot.Html();
  }
  return out.empty() ? "" : Str("<div class=\"grid\">", out, "</div>\n");
}

std::string LearningCurve(const Json& rounds) {
  if (!rounds.is_array() || rounds.array().size() < 2) return "";
  std::vector<std::pair<double, double>> training, validation;
  double low = INFINITY, high = -INFINITY, last = 0;
  for (const Json& round : rounds.array()) {
    const double at = round.NumberAt("round", static_cast<double>(training.size()));
    const auto add = [&](std::string_view key, auto* points) {
      const double loss = round.NumberAt(key, std::nan(""));
      if (!std::isfinite(loss)) return;
      points->emplace_back(at, loss);
      low = std::min(low, loss);
      high = std::max(high, loss);
    };
    add("training_loss", &training);
    add("validation_loss", &validation);
    last = std::max(last, at);
  }
  if (training.empty() && validation.empty()) return "";
  const auto [from, to] = Widened(low, high);
  Plot plot("Learning curve", "Loss by round of training. Where the curves part, the model learns rows by heart.",
            {"Round", 0, last > 0 ? last : 1}, {"Loss", from, to});
  if (!training.empty()) plot.Line(training, Ink::kFirst, "Training rows");
  if (!validation.empty()) {
    plot.Line(validation, Ink::kSecond, "Validation rows");
    const auto best = std::ranges::min_element(validation, {}, [](const auto& point) { return point.second; });
    plot.Mark(best->first, best->second, Ink::kSecond, Str("best: round ", best->first));
  }
  return plot.Html();
}

}  // namespace tenon::evaluate
