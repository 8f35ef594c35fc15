#include "app/rollout_page.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "evaluate/svg.h"

namespace tenon::app {
namespace {

using serve::Criterion;
using serve::Rollout;
using Kind = serve::RolloutStage::Kind;

std::string Percent(double part) { return Str(FormatShort(part * 100, 3), " %"); }
std::string NameOf(const Rollout& rollout, int version) { return Str(rollout.model, "@", version); }

bool IsShare(const Criterion& c) { return c.name == "errors" || c.name == "quality" || c.name == "prediction_difference"; }

std::string Value(const Criterion& c, double value) {
  if (c.name == "latency") return Str(FormatShort(value * 1e3, 3), " ms");
  if (IsShare(c)) return Percent(value);
  return std::abs(value) < 1000 ? FormatShort(value, 4) : FormatCount(std::llround(value));
}

std::string Title(std::string_view name) {
  if (name == "errors") return "Errors";
  if (name == "latency") return "Latency";
  if (name == "prediction_difference") return "Difference of the predictions";
  if (name == "quality") return "Wrong answers, by the labels that came";
  return "Cost of 1,000 answers";
}

std::string_view Method(std::string_view name) {
  if (name == "latency") return "Difference of the quantiles; each one's confidence sequence by counts below it (Howard and Ramdas 2022)";
  if (name == "prediction_difference") return "Greatest gap between the distributions of the answers, each of its edges a confidence sequence of its own";
  return "Difference of the rates; confidence sequence by the mixture of the binomial likelihood (Robbins 1970; Howard et al. 2021)";
}

std::string HeadlineOf(const Rollout& rollout) {
  const std::string challenger = NameOf(rollout, rollout.challenger), champion = NameOf(rollout, rollout.champion);
  if (rollout.status == "promoted") return Str(challenger, " was promoted: ", rollout.why);
  if (rollout.status == "rolled_back") return Str(challenger, " was rolled back, ", champion, " answers everything: ", rollout.why);
  if (rollout.status == "aborted") return Str("The rollout of ", challenger, " was ended by hand: ", rollout.why);
  return Str(challenger, " is being let in beside ", champion, ": ", rollout.why);
}

// The interval of one criterion over the answers so far, with the line that it must not lie above.
std::string PlotOf(const Rollout::Passed& stage, std::size_t which) {
  const Criterion& c = stage.criteria[which];
  const double unit = c.name == "latency" ? 1e3 : 1;
  std::vector<std::pair<double, double>> low, high;
  double least = std::min(0.0, c.low) * unit, most = std::max({0.0, c.high, c.limit}) * unit, answers = 1;
  for (const auto& look : stage.looks) {
    if (which >= look.intervals.size()) continue;
    const double x = static_cast<double>(look.champion + look.challenger);
    low.emplace_back(x, look.intervals[which].low * unit);
    high.emplace_back(x, look.intervals[which].high * unit);
    answers = std::max(answers, x);
  }
  if (low.empty()) return "";
  if (low.size() == 1) {  // decided at the first look: its interval as level lines
    low.insert(low.begin(), {0.0, low.front().second});
    high.insert(high.begin(), {0.0, high.front().second});
  }
  // The first looks know nothing and would squeeze what follows: the axis shows what the later half spans, doubled.
  const std::size_t half = low.size() / 2;
  for (std::size_t i = half; i < low.size(); ++i) {
    least = std::min(least, low[i].second);
    most = std::max(most, high[i].second);
  }
  const double room = (most - least) * 0.5;
  const auto clip = [&](std::vector<std::pair<double, double>>& points) {
    for (auto& [x, y] : points) y = std::clamp(y, least - room, most + room);
  };
  clip(low);
  clip(high);
  const auto [bottom, top] = evaluate::Widened(least - room, most + room);
  evaluate::Plot plot(Title(c.name), std::string(Method(c.name)), {.label = "answers of both", .low = 0, .high = answers},
                      {.label = c.name == "latency" ? "challenger minus champion, ms" : "challenger minus champion", .low = bottom, .high = top, .percent = IsShare(c)});
  plot.Line({{0, c.limit * unit}, {answers, c.limit * unit}}, evaluate::Ink::kSecond, c.rolls_back ? "worse above: rolled back" : "worse above", true);
  plot.Line({{0, 0}, {answers, 0}}, evaluate::Ink::kQuiet, "no difference", true);
  plot.Line(high, evaluate::Ink::kFirst, "holds at all times");
  plot.Line(low, evaluate::Ink::kFirst, "");
  return plot.Html();
}

std::string TableOf(const Rollout::Passed& stage) {
  std::string out = "<div class=\"scroll\"><table><tr><th>Criterion</th><th class=\"n\">Champion</th><th class=\"n\">Challenger</th>"
                    "<th class=\"n\">Difference, always valid</th><th class=\"n\">Worse above</th><th>Verdict</th></tr>";
  for (const Criterion& c : stage.criteria) {
    const bool worse = c.verdict == "worse";
    out += Str("<tr><td>", EscapeHtml(Title(c.name)), "<small>", EscapeHtml(c.why), c.rolls_back ? "" : " (shown only)", "</small></td><td class=\"n\">",
               Value(c, c.champion), "</td><td class=\"n\"><b>", Value(c, c.challenger), "</b></td><td class=\"n\">", Value(c, c.low), " to ",
               Value(c, c.high), "</td><td class=\"n\">", Value(c, c.limit), "</td><td><span class=\"", worse ? "fail\">✗ " : c.verdict == "undecided" ? "\">" : "pass\">✓ ",
               EscapeHtml(c.verdict), "</span></td></tr>");
  }
  return out + "</table></div>";
}

std::string StageSection(const Rollout& rollout, std::size_t i) {
  const Rollout::Passed& stage = rollout.stages[i];
  const auto& champion = stage.evidence.champion;
  const auto& challenger = stage.evidence.challenger;
  std::string out = Str("<section><h2>", EscapeHtml(StageText(rollout, i)), "</h2><p class=\"lead\">Since ", FormatTimestamp(stage.since), ": ",
                        FormatCount(champion.requests), " answers of the champion, ", FormatCount(challenger.requests), " of the challenger");
  if (challenger.paired > 0) out += Str(", ", FormatCount(challenger.paired), " rows predicted by both");
  if (challenger.dropped > 0) out += Str(", ", FormatCount(challenger.dropped), " rows the shadow had no room for");
  if (challenger.labelled + champion.labelled > 0) out += Str("; labels of ", FormatCount(champion.labelled), " and ", FormatCount(challenger.labelled));
  out += ".";
  const serve::RolloutStage& at = rollout.spec.stages[i];
  if (i > 0 && at.kind == Kind::kLive && at.share >= 1 && !stage.criteria.empty()) out += " With nothing left to the champion, its answers of the stage before are compared with.";
  out += "</p>";
  if (stage.criteria.empty()) return out + "</section>\n";
  out += TableOf(stage);
  std::string plots;
  for (std::size_t c = 0; c < stage.criteria.size(); ++c) plots += PlotOf(stage, c);
  if (!plots.empty()) out += Str("<div class=\"grid\" style=\"margin-top:16px\">", plots, "</div>");
  return out + "</section>\n";
}

}  // namespace

std::string StageText(const Rollout& rollout, std::size_t stage) {
  const serve::RolloutStage& at = rollout.spec.stages[stage];
  const std::string of = rollout.spec.stages.size() == 1 ? "" : Str(", stage ", stage + 1, " of ", rollout.spec.stages.size());
  if (at.kind == Kind::kDark) return Str("Dark: answers only when asked for by version", of);
  return Str(at.kind == Kind::kShadow ? "Shadow of " : "Answers ", Percent(at.share), at.kind == Kind::kShadow ? " of the requests" : "", of);
}

std::string RolloutText(const Rollout& rollout) {
  std::string out = Str(HeadlineOf(rollout), "\n", rollout.id, "  ", StageText(rollout, rollout.stage));
  const Rollout::Passed& stage = rollout.stages[rollout.stage];
  out += Str("\nchampion ", NameOf(rollout, rollout.champion), ": ", stage.evidence.champion.requests, " answers   challenger ",
             NameOf(rollout, rollout.challenger), ": ", stage.evidence.challenger.requests, " answers");
  for (const Criterion& c : stage.criteria) {
    out += Str("\n  ", c.name, ": ", c.verdict, c.rolls_back ? "" : " (shown only)", ": ", c.why, "; difference ", Value(c, c.low), " to ",
               Value(c, c.high), ", worse above ", Value(c, c.limit));
  }
  return out;
}

std::string RolloutPage(const Rollout& rollout) {
  const bool bad = rollout.status == "rolled_back";
  std::string out = Str("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                        "<title>", EscapeHtml(rollout.id), "</title><style>", evaluate::ReportStyle(), "</style></head><body><main>\n");
  out += Str("<header><h1>", EscapeHtml(NameOf(rollout, rollout.challenger)), " at ", EscapeHtml(rollout.endpoint), "</h1><p>rollout ",
             EscapeHtml(rollout.id), " · started ", FormatTimestamp(rollout.started), " by ", EscapeHtml(rollout.actor),
             rollout.ended == 0 ? "" : Str(" · ended ", FormatTimestamp(rollout.ended)), "</p></header>\n");
  out += Str("<div class=\"verdict", rollout.running() || rollout.status == "aborted" ? "" : bad ? " bad" : " good", "\"><p class=\"answer\">",
             EscapeHtml(HeadlineOf(rollout)), "</p>");
  out += Str("<p>Rolled back on: ", EscapeHtml(Join(rollout.spec.roll_back_on, ", ")), ". The chance that a challenger no worse than the champion is rolled back is at most ",
             Percent(rollout.spec.alpha), " over all looks, stages and criteria (", FormatShort(rollout.spec.AlphaOf(), 3), " for each).</p></div>\n");
  for (std::size_t i = rollout.stages.size(); i-- > 0;) out += StageSection(rollout, i);
  return out + "</main></body></html>\n";
}

}  // namespace tenon::app
