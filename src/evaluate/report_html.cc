// The page of an evaluation: what was asked and the answer first, evidence below, lineage last.
//
// `context` may hold, all optional: title, project, question, task, label, owner, verdict (a sentence, or passed or failed,
// which the page words itself), model ("loan-approval@1"), metric (the one that decides), baseline (a name among the
// lifts), cost_unit; reasons and concerns [lines]; gates [{name, value, limit, passed, why}];
// candidates [{name, metric, value, seconds}]; rounds [{round, training_loss, validation_loss}];
// data {source, rows, columns, snapshot, split}; anomalies [{severity, column, short_text, long_text, fix}];
// transforms [lines]; lineage {key: value}; card {intended_use, limitations}.

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"
#include "evaluate/report_internal.h"

namespace tenon::evaluate {
namespace {

struct Known {
  std::string_view name, title, meaning;
};
constexpr std::array<Known, 19> kKnown = {{
    {"roc_auc", "ROC AUC", "Chance that a positive scores above a negative; 0.5 is guessing"},
    {"average_precision", "Average precision", "Purity of the top of the ranking; guessing gives the share of positives"},
    {"log_loss", "Log loss", "Surprise at what came true; lower is better"},
    {"brier", "Brier score", "Squared error of the probabilities; lower is better"},
    {"accuracy", "Accuracy", "Share of right decisions"},
    {"balanced_accuracy", "Balanced accuracy", "Share found of each class, averaged"},
    {"precision", "Precision", "Of those called positive, the share that are"},
    {"recall", "Recall", "Of the positives, the share that is found"},
    {"f1", "F1", "Precision and recall in one number"},
    {"mcc", "Matthews correlation", "Correlation of decision and truth; 0 is guessing"},
    {"calibration_error", "Calibration error", "Mean distance of predicted and observed shares; lower is better"},
    {"rmse", "RMSE", "Typical error, large ones weighing more; lower is better"},
    {"mae", "Mean absolute error", "Mean size of the error; lower is better"},
    {"median_absolute_error", "Median absolute error", "Half of the errors are smaller; lower is better"},
    {"r2", "R²", "Share of the variance explained; 0 is predicting the mean"},
    {"mape", "Mean percentage error", "Mean error as a share of the value; lower is better"},
    {"demographic_parity", "demographic parity", ""},
    {"equal_opportunity", "equal opportunity", ""},
    {"equalised_odds", "equalised odds", ""},
}};

// Any scalar for people, escaped.
std::string Scalar(const Json* value) {
  if (value == nullptr || value->is_null()) return "–";
  if (value->is_string()) return EscapeHtml(value->String());
  if (value->is_bool()) return value->Bool() ? "yes" : "no";
  if (value->is_int()) return FormatCount(value->Int());
  if (value->is_number()) return Shown(value->Number());
  return EscapeHtml(value->Dump());
}

const Json::Array& ListAt(const Json& context, std::string_view key) {
  static const Json::Array kNone;
  const Json* at = context.Find(key);
  return at != nullptr && at->is_array() ? at->array() : kNone;
}

std::string IntervalText(const Estimate& estimate) {
  if (std::isnan(estimate.low)) return "";
  return Str(Shown(estimate.low), " to ", Shown(estimate.high));
}

std::string Signed(double value) { return Str(value > 0 ? "+" : "", Shown(value)); }

std::string Money(double value, const Json& context) {
  const std::string unit = context.StringAt("cost_unit");
  return unit.empty() ? Shown(value) : Str(Shown(value), " ", EscapeHtml(unit));
}

// The metric that decides: as said, else that of the candidates, else the first of the report.
std::string DecidingMetric(const EvaluationReport& report, const Json& context) {
  std::string metric = context.StringAt("metric");
  if (metric.empty() && !ListAt(context, "candidates").empty()) metric = ListAt(context, "candidates")[0].StringAt("metric");
  if (report.Find(metric) != nullptr) return metric;
  return report.metrics.empty() ? "" : report.metrics.front().first;
}

const EvaluationReport::Lift* LiftOf(const EvaluationReport& report, const std::string& metric, const std::string& over) {
  for (const auto& lift : report.lifts) {
    if (lift.metric == metric && (over.empty() || lift.over == over)) return &lift;
  }
  return nullptr;
}

struct GateCount {
  std::size_t passed = 0, all = 0;
};
GateCount CountGates(const Json& context) {
  GateCount count;
  for (const Json& gate : ListAt(context, "gates")) {
    ++count.all;
    if (gate.BoolAt("passed")) ++count.passed;
  }
  return count;
}

std::string AnswerOf(const EvaluationReport& report, const Json& context, const EvaluationReport::Lift* lift) {
  const std::string said = context.StringAt("verdict");
  if (!said.empty() && said != "passed" && said != "failed") return EscapeHtml(said);
  const GateCount gates = CountGates(context);
  if (gates.all > 0 && gates.passed == gates.all) return Str("Yes: all ", gates.all, " gates are passed.");
  if (gates.all > 0) return Str("Not yet: ", gates.all - gates.passed, " of ", gates.all, " gates ", gates.all - gates.passed == 1 ? "is" : "are", " not passed.");
  if (lift != nullptr && lift->gain.low > 0) return Str("The model is better than ", EscapeHtml(lift->over), ", beyond chance.");
  if (lift != nullptr) return Str("The model is not shown to be better than ", EscapeHtml(lift->over), ".");
  if (!said.empty()) return said == "passed" ? "Yes: it passed." : "Not yet: it failed.";
  return Str("Evaluated on ", FormatCount(report.rows), " rows; there is nothing to compare with.");
}

std::string Tile(std::string_view name, const std::string& value, const std::string& below) {
  return Str("<div class=\"tile\"><small>", name, "</small><b>", value, "</b><small>", below, "</small></div>");
}

std::string GatesTable(const Json& context) {
  if (ListAt(context, "gates").empty()) return "";
  std::string out = "<h3>Gates</h3><div class=\"scroll\"><table><tr><th>Gate</th><th class=\"n\">Measured</th><th class=\"n\">Limit</th><th>Result</th></tr>";
  for (const Json& gate : ListAt(context, "gates")) {
    const bool passed = gate.BoolAt("passed");
    const std::string why = gate.StringAt("why");
    out += Str("<tr><td>", Scalar(gate.Find("name")), why.empty() ? "" : Str("<small>", EscapeHtml(why), "</small>"),
               "</td><td class=\"n\">", Scalar(gate.Find("value")), "</td><td class=\"n\">", Scalar(gate.Find("limit")),
               "</td><td><span class=\"", passed ? "pass\">✓ passed" : "fail\">✗ failed", "</span></td></tr>");
  }
  return out + "</table></div>";
}

// A text, or a list of texts.
std::string Prose(const Json* value) {
  if (value == nullptr || value->is_null() || (value->is_array() && value->array().empty())) return "";
  if (!value->is_array()) return Str("<p>", Scalar(value), "</p>");
  std::string out = "<ul class=\"plain\">";
  for (const Json& line : value->array()) out += Str("<li>", Scalar(&line), "</li>");
  return out + "</ul>";
}

std::string VerdictBox(const EvaluationReport& report, const Json& context, const std::string& metric) {
  const auto* lift = LiftOf(report, metric, context.StringAt("baseline"));
  const GateCount gates = CountGates(context);
  const bool decided = gates.all > 0 || lift != nullptr;
  const bool good = context.StringAt("verdict") != "failed" &&
                    (gates.all > 0 ? gates.passed == gates.all : lift != nullptr && lift->gain.low > 0);
  std::string out = Str("<div class=\"verdict", !decided ? "" : good ? " good" : " bad", "\">");
  if (const std::string asked = context.StringAt("question"); !asked.empty()) {
    out += Str("<p class=\"asked\">", EscapeHtml(asked), "</p>");
  }
  out += Str("<p class=\"answer\">", AnswerOf(report, context, lift), "</p><div class=\"tiles\">");
  if (const Estimate* value = report.Find(metric)) {
    const std::string range = IntervalText(*value);
    out += Tile(EscapeHtml(TitleOf(metric)), Shown(value->value),
                range.empty() ? std::string(MeaningOf(metric)) : Str("likely ", range, ". ", MeaningOf(metric)));
    if (lift != nullptr) {
      out += Tile(Str("Gain over ", EscapeHtml(lift->over)), Signed(lift->gain.value),
                  Str(range.empty() ? "" : Str("likely ", IntervalText(lift->gain), ". "),
                      lift->gain.low > 0 ? "Better beyond chance" : "May be chance"));
    }
  }
  if (report.cost_saving_per_1000) {
    out += Tile("Saved per 1,000 decisions", Money(report.cost_saving_per_1000->value, context),
                Str("likely ", IntervalText(*report.cost_saving_per_1000), ", against deciding the same for everyone (",
                    Money(report.constant_cost_per_1000, context), ")"));
  }
  if (gates.all > 0) out += Tile("Gates passed", Str(gates.passed, " of ", gates.all), "needed before it may go live");
  out += "</div>" + GatesTable(context);
  if (!ListAt(context, "concerns").empty()) out += Str("<h3>Concerns</h3>", Prose(context.Find("concerns")));
  return out + "</div>\n";
}

std::string MetricsTable(const EvaluationReport& report) {
  std::vector<std::string> others;
  for (const auto& lift : report.lifts) {
    if (std::ranges::find(others, lift.over) == others.end()) others.push_back(lift.over);
  }
  std::string out = "<div class=\"scroll\"><table><tr><th>Metric</th><th class=\"n\">Value</th><th class=\"n\">Likely range</th>";
  for (const std::string& other : others) out += Str("<th class=\"n\">Gain over ", EscapeHtml(other), "</th>");
  out += "</tr>";
  for (const auto& [name, estimate] : report.metrics) {
    out += Str("<tr><td>", EscapeHtml(TitleOf(name)), "<small>", MeaningOf(name), "</small></td><td class=\"n\"><b>",
               Shown(estimate.value), "</b></td><td class=\"n\">", IntervalText(estimate), "</td>");
    for (const std::string& other : others) {
      const auto* lift = LiftOf(report, name, other);
      if (lift == nullptr || std::isnan(lift->gain.value)) {
        out += "<td class=\"n\">–</td>";
        continue;
      }
      const char* kind = lift->gain.low > 0 ? "up" : lift->gain.high < 0 ? "down" : "";
      out += Str("<td class=\"n\"><b class=\"", kind, "\">", Signed(lift->gain.value), "</b><small>", IntervalText(lift->gain), "</small></td>");
    }
    out += "</tr>";
  }
  return out + "</table></div>\n";
}

std::string Section(std::string_view title, std::string_view lead, const std::string& content) {
  if (content.empty()) return "";
  return Str("<section><h2>", title, "</h2>", lead.empty() ? "" : Str("<p class=\"lead\">", lead, "</p>"), content, "</section>\n");
}

std::string CostsText(const EvaluationReport& report, const Json& context) {
  if (!report.cost_per_1000 || !report.cost_saving_per_1000) return "";
  return Str("<div class=\"scroll\"><table><tr><th>Per 1,000 decisions</th><th class=\"n\">Cost</th><th class=\"n\">Likely range</th></tr>"
             "<tr><td>This model, at threshold ", Shown(report.threshold), "</td><td class=\"n\"><b>",
             Money(report.cost_per_1000->value, context), "</b></td><td class=\"n\">", IntervalText(*report.cost_per_1000),
             "</td></tr><tr><td>Deciding the same for everyone<small>Always yes or always no, whichever is cheaper</small></td><td class=\"n\">",
             Money(report.constant_cost_per_1000, context), "</td><td></td></tr><tr><td>Saved</td><td class=\"n\"><b class=\"",
             report.cost_saving_per_1000->low > 0 ? "up" : report.cost_saving_per_1000->high < 0 ? "down" : "", "\">",
             Money(report.cost_saving_per_1000->value, context), "</b></td><td class=\"n\">",
             IntervalText(*report.cost_saving_per_1000), "</td></tr></table></div>\n");
}

std::string CandidatesTable(const Json& context) {
  if (ListAt(context, "candidates").empty()) return "";
  std::string out = "<div class=\"scroll\"><table><tr><th>Candidate</th><th>Metric</th><th class=\"n\">Value</th><th class=\"n\">Seconds</th></tr>";
  for (const Json& candidate : ListAt(context, "candidates")) {
    out += Str("<tr><td>", Scalar(candidate.Find("name")), "</td><td>", EscapeHtml(TitleOf(candidate.StringAt("metric"))),
               "</td><td class=\"n\">", Scalar(candidate.Find("value")), "</td><td class=\"n\">", Scalar(candidate.Find("seconds")), "</td></tr>");
  }
  return out + "</table></div>\n";
}

std::string Pairs(const Json* object) {
  if (object == nullptr || !object->is_object() || object->object().empty()) return "";
  std::string out = "<dl>";
  for (const auto& [key, value] : object->object()) out += Str("<dt>", EscapeHtml(TitleOf(key)), "</dt><dd>", Scalar(&value), "</dd>");
  return out + "</dl>\n";
}

std::string DataPart(const Json& context) {
  std::string out = Pairs(context.Find("data"));
  if (!ListAt(context, "anomalies").empty()) {
    out += "<h3>Findings about the data</h3><div class=\"scroll\"><table><tr><th>Severity</th><th>Column</th><th>Finding</th><th>What to do</th></tr>";
    for (const Json& anomaly : ListAt(context, "anomalies")) {
      const std::string severity = EscapeHtml(anomaly.StringAt("severity"));
      out += Str("<tr><td><span class=\"severity ", severity, "\">", severity, "</span></td><td>", Scalar(anomaly.Find("column")),
                 "</td><td>", Scalar(anomaly.Find("short_text")), "<small>", EscapeHtml(anomaly.StringAt("long_text")),
                 "</small></td><td>", EscapeHtml(anomaly.StringAt("fix")), "</td></tr>");
    }
    out += "</table></div>\n";
  }
  if (!ListAt(context, "transforms").empty()) {
    out += "<h3>How columns become features</h3><ul class=\"plain\">";
    for (const Json& line : ListAt(context, "transforms")) out += Str("<li>", Scalar(&line), "</li>");
    out += "</ul>\n";
  }
  return out;
}

std::string ModelCard(const EvaluationReport& report, const Json& context, const std::string& metric) {
  static const Json kNone;
  const Json& card = context.Find("card") != nullptr ? *context.Find("card") : kNone;
  std::string out;
  if (const std::string use = Prose(card.Find("intended_use")); !use.empty()) out += Str("<h3>Intended use</h3>", use);
  out += "<h3>What it was judged on</h3><p>";
  const Json* data = context.Find("data");
  if (data != nullptr && !data->StringAt("source").empty()) out += Str(EscapeHtml(data->StringAt("source")), ", ");
  out += Str(FormatCount(report.rows), " rows that took no part in training");
  if (const Estimate* value = report.Find(metric)) {
    out += Str("; ", EscapeHtml(TitleOf(metric)), " ", Shown(value->value));
    if (const std::string range = IntervalText(*value); !range.empty()) out += Str(" (", range, ")");
  }
  out += ".</p>";
  std::string limits = Prose(card.Find("limitations"));
  if (report.slices.empty()) limits += "<p>No slices were judged: how it does on parts of the population is not known.</p>";
  if (report.groups.empty() && report.task == model::Task::kBinary) limits += "<p>No groups were compared for fairness.</p>";
  if (!limits.empty()) out += Str("<h3>Limits</h3>", limits);
  if (const std::string owner = context.StringAt("owner"); !owner.empty()) out += Str("<h3>Owner</h3><p>", EscapeHtml(owner), "</p>");
  return out;
}

std::string Header(const EvaluationReport& report, const Json& context, const std::string& title) {
  std::vector<std::string> parts;
  for (const std::string_view key : {"project", "model"}) {
    if (const std::string text = context.StringAt(key); !text.empty() && text != title) parts.push_back(EscapeHtml(text));
  }
  if (!report.subject.empty()) parts.push_back(EscapeHtml(report.subject));
  if (const std::string label = context.StringAt("label"); !label.empty()) parts.push_back(Str("predicts ", EscapeHtml(label)));
  parts.push_back(Str(FormatCount(report.rows), " rows held out"));
  return Str("<header><h1>", EscapeHtml(title), "</h1><p>", Join(parts, " · "), "</p></header>\n");
}

}  // namespace

std::string TitleOf(std::string_view metric) {
  for (const Known& known : kKnown) {
    if (known.name == metric) return std::string(known.title);
  }
  std::string out(metric);
  std::ranges::replace(out, '_', ' ');
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out;
}

std::string_view MeaningOf(std::string_view metric) {
  for (const Known& known : kKnown) {
    if (known.name == metric) return known.meaning;
  }
  return "";
}

std::string Shown(double value) {
  if (std::isnan(value)) return "–";
  if (std::abs(value) >= 1000 && std::abs(value) < 1e15) return FormatCount(std::llround(value));
  return FormatShort(value, 3);
}

std::string ReportHtml(const EvaluationReport& report, const Json& context) {
  std::string title = context.StringAt("title");
  for (const std::string& next : {context.StringAt("model"), context.StringAt("project"), report.subject, std::string("Evaluation")}) {
    if (title.empty()) title = next;
  }
  const std::string metric = DecidingMetric(report, context);
  const Json* rounds = context.Find("rounds");
  const std::string curve = rounds == nullptr ? "" : LearningCurve(*rounds);
  std::string out = Str("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">"
                        "<title>", EscapeHtml(title), "</title><style>", ReportStyle(), "</style></head><body><main>\n");
  out += Header(report, context, title);
  out += VerdictBox(report, context, metric);
  out += Section("How good it is", "Ranges hold the true value in 95 of 100 such evaluations, unless set otherwise (bootstrap). A gain above 0 is better.",
                 MetricsTable(report) + (report.task != model::Task::kMulticlass ? ""
                     : "<p class=\"lead\">Precision, recall, F1 and ROC AUC are averages over the classes, each against the rest.</p>"));
  out += Section("What decisions cost", "", CostsText(report, context));
  out += Section("Predictions against the truth", "", PerformancePlots(report));
  out += Section("Why it predicts what it predicts", "", ImportancePlots(report));
  out += Section("Parts of the population", "An average can hide a part that is served badly.",
                 SlicePlots(report, metric));
  out += Section("Fairness", "The same rates should not differ much between groups; which of them matters depends on what a mistake does to people.",
                 FairnessPlots(report));
  out += Section("How it was trained", "", Prose(context.Find("reasons")) + CandidatesTable(context) + (curve.empty() ? "" : Str("<div class=\"grid\" style=\"margin-top:16px\">", curve, "</div>\n")));
  out += Section("Data", "", DataPart(context));
  out += Section("Model card", "", ModelCard(report, context, metric));
  out += Section("Lineage", "Everything it was made from, by content hash.", Pairs(context.Find("lineage")));
  return out + "</main></body></html>\n";
}

}  // namespace tenon::evaluate
