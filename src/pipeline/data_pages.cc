#include "pipeline/data_pages.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/text.h"
#include "base/time.h"
#include "pipeline/data_pages_internal.h"

namespace tenon::pipeline {
namespace {

using evaluate::Ink;
using Points = std::vector<std::pair<double, double>>;
constexpr int kMostBars = 12;

std::string MissingShare(const table::ColumnProfile& column) {
  return Share(static_cast<double>(column.missing()) / static_cast<double>(std::max<std::int64_t>(1, column.count())));
}

// A column without a picture.
std::string Bare(const table::ColumnProfile& column, std::string_view why) {
  return Str("<figure><figcaption><b>", EscapeHtml(column.field().name), "</b><span>", why, "</span></figcaption></figure>");
}

// Stairs over the bins: their share of the values, per bin.
Points Stairs(const std::vector<table::Bin>& bins, double total) {
  Points out;
  for (const table::Bin& bin : bins) {
    const double share = total > 0 ? bin.count / total : 0;
    out.emplace_back(bin.low, share);
    out.emplace_back(bin.high, share);
  }
  return out;
}

// The values of another profile counted into the same bins.
std::vector<table::Bin> SameBins(const table::ColumnProfile& column, std::vector<table::Bin> bins) {
  for (std::size_t i = 0; i < bins.size(); ++i) {
    const double below = i == 0 ? column.CountAtMost(std::nextafter(bins[0].low, -INFINITY)) : column.CountAtMost(bins[i].low);
    bins[i].count = std::max(0.0, column.CountAtMost(bins[i].high) - below);
  }
  return bins;
}

// "2,000 values; 0 % missing", of long texts also how long.
std::string NoteOf(const table::ColumnProfile& column) {
  std::string out = Str(Shown(column.distinct()), column.distinct() == 1 ? " value" : " values", column.distinct_is_exact() ? "" : ", about", "; ", MissingShare(column), " missing");
  if (column.field().type == table::Type::kString && column.longest() > 40) out += Str("; ", FormatCount(column.shortest()), " to ", FormatCount(column.longest()), " bytes long, ", Shown(std::round(column.mean_length())), " on average");
  return out;
}

// Numbers of few values stand in their order, all else by how often it comes.
std::vector<table::Frequency> BarsOf(const table::ColumnProfile& column) {
  auto out = column.Top(kMostBars);
  const auto number = [](const table::Frequency& one) {
    double value = 0;
    ParseDouble(one.value, &value);
    return value;
  };
  if (column.field().type != table::Type::kString && column.field().type != table::Type::kBool) std::ranges::stable_sort(out, {}, number);
  return out;
}

std::string TextPlot(const table::ColumnProfile& column, const table::ColumnProfile* before) {
  const auto top = BarsOf(column);
  if (top.empty()) return Bare(column, Str(NoteOf(column), "; none comes often"));
  const double present = static_cast<double>(column.count() - column.missing());
  std::vector<std::string> names;
  double most = 0.01;
  std::vector<table::Frequency> old = before != nullptr ? before->Top(1000) : std::vector<table::Frequency>();
  const double old_present = before != nullptr ? static_cast<double>(before->count() - before->missing()) : 0;
  const auto share_before = [&](const std::string& value) {
    for (const table::Frequency& one : old) {
      if (one.value == value) return one.count / std::max(1.0, old_present);
    }
    return 0.0;
  };
  for (const table::Frequency& value : top) {
    names.push_back(value.value.empty() ? "(empty)" : value.value);
    most = std::max({most, value.count / present, share_before(value.value)});
  }
  evaluate::RowPlot plot(column.field().name, NoteOf(column),
                         {"share of values", 0, most * 1.15, true}, names, before != nullptr ? 30 : 24);
  for (std::size_t i = 0; i < top.size(); ++i) {
    plot.Bar(i, top[i].count / present, Ink::kFirst, 0, before != nullptr ? 2 : 1);
    if (before != nullptr) plot.Bar(i, share_before(top[i].value), Ink::kQuiet, 1, 2);
    plot.Note(i, std::max(top[i].count / present, before != nullptr ? share_before(top[i].value) : 0), Share(top[i].count / present));
  }
  if (before != nullptr) {
    plot.Legend(Ink::kFirst, "now");
    plot.Legend(Ink::kQuiet, "before");
  }
  return plot.Html();
}

std::string NumberPlot(const table::ColumnProfile& column, const table::ColumnProfile* before) {
  constexpr int kBins = 40;
  const auto bins = column.Histogram(column.distinct_is_exact() && column.distinct() < kBins ? std::max(2, static_cast<int>(column.distinct())) : kBins);
  const double finite = static_cast<double>(column.count() - column.missing() - column.infinities());
  Points now = Stairs(bins, finite);
  Points then;
  if (before != nullptr && before->numeric()) then = Stairs(SameBins(*before, bins), static_cast<double>(before->count() - before->missing()));
  double high = 0;
  for (const Points* points : {&now, &then}) {
    for (const auto& point : *points) high = std::max(high, point.second);
  }
  const auto [low, most] = evaluate::Widened(column.min(), column.max());
  const bool time = column.field().type == table::Type::kTimestamp;
  const std::string range = time ? Str(FormatTimestamp(static_cast<Micros>(column.min())).substr(0, 10), " to ", FormatTimestamp(static_cast<Micros>(column.max())).substr(0, 10))
                                 : Str("median ", Shown(column.Quantile(0.5)), ", mean ", Shown(column.mean()), ", deviation ", Shown(column.stddev()));
  evaluate::Plot plot(column.field().name, Str(range, "; ", MissingShare(column), " missing"),
                      {column.field().name, low, most, false, time}, {"share of values", 0, std::max(high * 1.08, 1e-6), true});
  plot.Area(now, Ink::kFirst, before != nullptr ? "now" : "");
  if (!then.empty()) plot.Line(then, Ink::kSecond, "before");
  return plot.Html();
}

std::string Examples(const validate::Anomaly& one) {
  std::string out;
  for (const Json& row : one.rows) out += Str("<small><code>", EscapeHtml(row.Dump()), "</code></small>");
  return out;
}

std::string Findings(const validate::ValidationReport& report) {
  if (report.anomalies.empty()) return "<p class=\"lead\">Nothing to find fault with.</p>";
  std::string out = "<div class=\"scroll\"><table class=\"stack\"><tr><th>Severity</th><th>Column</th><th>Finding</th><th>What to do</th></tr>";
  for (const validate::Anomaly& one : report.anomalies) {
    const std::string severity = one.severity == validate::Severity::kInfo ? std::string(NameOf(one.severity)) : Str("<span class=\"", one.severity == validate::Severity::kError ? "fail" : "warn", "\">", NameOf(one.severity), "</span>");
    out += Str("<tr><td>", severity, "</td><td>", EscapeHtml(one.column), "<small>", EscapeHtml(one.check), "</small></td><td>", EscapeHtml(one.short_text), "<small>", EscapeHtml(one.long_text), "</small>", Examples(one),
               "</td><td>", EscapeHtml(one.fix), one.accept.empty() ? "" : Str("<small>accept with --accept ", EscapeHtml(one.check), ":", EscapeHtml(one.column), "</small>"), "</td></tr>");
  }
  return out + "</table></div>";
}

std::string Tile(std::string_view name, const std::string& value, std::string_view below) {
  return Str("<div class=\"tile\"><small>", name, "</small><b>", value, "</b><small>", EscapeHtml(below), "</small></div>");
}

}  // namespace

std::string Document(const std::string& title, const std::string& lead, const std::string& body) {
  return Str("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>", EscapeHtml(title), "</title><style>",
             evaluate::ReportStyle(), "</style></head><body><main><header><h1>", EscapeHtml(title), "</h1><p>", EscapeHtml(lead), "</p></header>", body, "</main></body></html>\n");
}

std::string Shown(double value) {
  if (std::isnan(value)) return "–";
  const bool whole = value == std::floor(value) || std::abs(value) >= 1000;  // of four digits, none is behind the point there
  return whole && std::abs(value) < 1e15 ? FormatCount(std::llround(value)) : FormatShort(value, 4);
}

std::string Share(double share) { return Str(FormatShort(100 * share, 3), " %"); }

std::string OfHowMany(std::size_t columns) {
  if (columns <= kMostPlots) return "";
  return Str("The first ", kMostPlots, " of ", FormatCount(static_cast<std::int64_t>(columns)), " columns.");
}

std::string DistributionPlot(const table::ColumnProfile& column, const table::ColumnProfile* before, bool masked) {
  const bool same = before != nullptr && before->field().type == column.field().type;
  if (masked || column.count() == column.missing() || column.field().type == table::Type::kEmbedding) {
    const std::string_view why = masked ? "sensitive: its values are not shown" : column.field().type == table::Type::kEmbedding ? "an embedding" : "no value at all";
    return Bare(column, Str(why, "; ", Shown(column.distinct()), " values, ", MissingShare(column), " missing"));
  }
  const bool numbers = column.numeric() && column.field().type != table::Type::kBool && std::isfinite(column.min()) && std::isfinite(column.max());
  const bool few = column.distinct_is_exact() && column.distinct() <= kMostBars && column.field().type != table::Type::kTimestamp;
  return numbers && !few ? NumberPlot(column, same ? before : nullptr) : TextPlot(column, same ? before : nullptr);
}

std::string ValidationPage(const DataPage& page, const validate::ValidationReport& report, const table::Profile* previous) {
  int errors = 0;
  int warnings = 0;
  for (const validate::Anomaly& one : report.anomalies) {
    errors += one.severity == validate::Severity::kError ? 1 : 0;
    warnings += one.severity == validate::Severity::kWarning ? 1 : 0;
  }
  const auto rest = static_cast<int>(report.anomalies.size()) - errors - warnings;
  std::string body = Str("<div class=\"verdict ", report.passed ? "good" : "bad", "\"><p class=\"asked\">Can this data be learnt from?</p><p class=\"answer\">",
                         report.passed ? "Yes: nothing was found that would stop a run." : Str("Not yet: ", errors, errors == 1 ? " finding stops" : " findings stop", " a run."), "</p><div class=\"tiles\">",
                         Tile("Rows", FormatCount(report.profile.rows()), Str(report.profile.columns().size(), " columns")), Tile("Errors", Str(errors), "stop a run"),
                         Tile("Warnings", Str(warnings), "people should look"), Tile("Notes", Str(rest), "worth knowing"), "</div></div>");
  body += Str("<section><h2>Findings</h2>", Findings(report), "</section><section><h2>Columns</h2><p class=\"lead\">", previous != nullptr ? "Beside the rows that were there before." : "How the values of each are distributed.", " ", OfHowMany(report.profile.columns().size()), "</p><div class=\"grid\">");
  const std::span<const table::ColumnProfile> columns(report.profile.columns());
  for (const table::ColumnProfile& column : columns.first(std::min(columns.size(), kMostPlots))) {
    const bool masked = std::ranges::find(report.masked, column.field().name) != report.masked.end();
    body += DistributionPlot(column, previous != nullptr ? previous->Find(column.field().name) : nullptr, masked);
  }
  body += Str("</div></section><section><h2>Expected of the next rows</h2><div class=\"scroll\"><table><tr><th>Column</th><th>Type</th><th class=\"n\">At most missing</th><th>Values</th></tr>");
  for (const validate::ColumnExpectation& one : report.schema) {
    const bool masked = std::ranges::find(report.masked, one.name) != report.masked.end();
    std::string values;
    if (!masked && one.has_range) values = Str(Shown(one.least), " to ", Shown(one.most));
    if (!masked && one.has_domain) values = Join(std::span(one.domain).first(std::min<std::size_t>(one.domain.size(), 12)), ", ") + (one.domain.size() > 12 ? Str(" and ", one.domain.size() - 12, " more") : "");
    body += Str("<tr><td>", EscapeHtml(one.name), one.unique ? "<small>unique</small>" : "", "</td><td>", table::NameOf(one.type), one.required ? "" : "<small>may be absent</small>", "</td><td class=\"n\">", Share(one.most_missing), "</td><td>", EscapeHtml(values), "</td></tr>");
  }
  body += Str("</table></div></section><section><h2>Lineage</h2><p>Source ", EscapeHtml(page.source), ", snapshot ", EscapeHtml(page.snapshot), ". Made by <code>", EscapeHtml(page.command), "</code>.</p></section>");
  return Document(Str("Data of ", page.project), Str("Validation of ", FormatCount(report.profile.rows()), " rows of ", page.source), body);
}

}  // namespace tenon::pipeline
