// The page of `tenon data explore`: what there is to know of the rows before a model is thought of.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <span>
#include <unordered_map>

#include "base/text.h"
#include "base/time.h"
#include "pipeline/data_pages.h"
#include "pipeline/data_pages_internal.h"
#include "table/association.h"

namespace tenon::pipeline {
namespace {

using evaluate::Ink;
constexpr std::int64_t kMostRows = 50000;  // for pairs of columns; spread evenly
constexpr std::size_t kMostInMatrix = 20;
constexpr std::size_t kMostColumns = 60;
constexpr int kBins = 10;
constexpr int kValues = 20;
constexpr std::size_t kMoments = 40;

// A column as looked at for pairs: numbers, and bins for all that numbers cannot say. -1: missing.
struct View {
  const table::ColumnProfile* profile = nullptr;
  bool number = false;
  std::vector<double> numbers;
  std::vector<int> bins;
};

bool IsMissing(const table::Column& column, std::int64_t row) {
  return column.IsNull(row) || (column.type() == table::Type::kFloat64 && std::isnan(column.doubles()[static_cast<std::size_t>(row)]));
}

View ViewOf(const table::Column& column, const table::ColumnProfile& profile, const std::vector<std::int64_t>& rows) {
  View out;
  out.profile = &profile;
  out.number = profile.numeric() && profile.field().type != table::Type::kBool;
  std::vector<double> edges;
  const bool few = profile.distinct_is_exact() && profile.distinct() <= kBins;
  for (int i = 1; i < kBins && profile.numeric() && !few; ++i) {
    const double edge = profile.Quantile(static_cast<double>(i) / kBins);
    if (edges.empty() || edge > edges.back()) edges.push_back(edge);
  }
  std::map<double, int> number_bins;
  std::unordered_map<std::string, int> text_bins;
  if (!profile.numeric()) {
    for (const table::Frequency& value : profile.Top(kValues)) text_bins.emplace(value.value, static_cast<int>(text_bins.size()));
  }
  for (const std::int64_t row : rows) {
    if (IsMissing(column, row)) {
      out.numbers.push_back(NAN);
      out.bins.push_back(-1);
    } else if (profile.numeric()) {
      const double value = column.Number(row);
      out.numbers.push_back(value);
      out.bins.push_back(few ? number_bins.try_emplace(value, static_cast<int>(number_bins.size())).first->second
                             : static_cast<int>(std::upper_bound(edges.begin(), edges.end(), value) - edges.begin()));
    } else {
      const auto at = text_bins.find(std::string(column.Text(row)));
      out.bins.push_back(at != text_bins.end() ? at->second : kValues);
    }
  }
  return out;
}

table::PairCounts PairsOf(const View& a, const View& b) {
  table::PairCounts out;
  for (std::size_t i = 0; i < a.bins.size(); ++i) {
    if (a.bins[i] >= 0 && b.bins[i] >= 0) out.Add(a.bins[i], b.bins[i]);
  }
  return out;
}

// -1..1 of two numbers, 0..1 of others.
double AssociationOf(const View& a, const View& b) {
  if (!a.number || !b.number) return PairsOf(a, b).CramersV();
  table::PairMoments moments;
  for (std::size_t i = 0; i < a.numbers.size(); ++i) moments.Add(a.numbers[i], b.numbers[i]);
  return moments.Pearson();
}

std::string Matrix(const std::vector<View>& views) {
  const std::size_t shown = std::min(views.size(), kMostInMatrix);
  if (shown < 2) return "";
  std::string out = Str("<div class=\"scroll\"><table class=\"heat", shown > 8 ? " few" : "", "\"><tr><th></th>");
  for (std::size_t i = 0; i < shown; ++i) out += Str("<th>", i + 1, "</th>");
  out += "</tr>";
  for (std::size_t i = 0; i < shown; ++i) {
    out += Str("<tr><th class=\"side\">", EscapeHtml(views[i].profile->field().name), " ", i + 1, "</th>");
    for (std::size_t j = 0; j < shown; ++j) {
      if (i == j) {
        out += "<td style=\"--a:0\">·</td>";
        continue;
      }
      const double value = AssociationOf(views[std::min(i, j)], views[std::max(i, j)]);
      const double strength = std::abs(value);
      char text[16];
      std::snprintf(text, sizeof text, "%.2f", value);
      out += Str("<td", strength > 0.55 ? " class=\"dark\"" : "", " style=\"--a:", FormatShort(0.9 * strength, 2), "\">", text, "</td>");
    }
    out += "</tr>";
  }
  return out + "</table></div>";
}

std::string LabelPlot(const std::vector<View>& views, const std::string& label) {
  const auto target = std::ranges::find_if(views, [&](const View& view) { return view.profile->field().name == label; });
  if (target == views.end()) return "";
  std::vector<std::pair<double, std::string>> order;
  for (const View& view : views) {
    if (&view != &*target) order.emplace_back(PairsOf(view, *target).MutualInformation(), view.profile->field().name);
  }
  if (order.empty()) return "";
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  order.resize(std::min<std::size_t>(order.size(), 25));
  std::vector<std::string> names;
  for (const auto& [bits, name] : order) names.push_back(name);
  evaluate::RowPlot plot(Str("What each column tells of ", label), "Mutual information in bits: 0 is nothing; each column alone, numbers in ten bins", {"bits", 0, std::max(order[0].first * 1.15, 0.01)}, names);
  for (std::size_t i = 0; i < order.size(); ++i) {
    plot.Bar(i, order[i].first, Ink::kFirst);
    plot.Note(i, order[i].first, FormatShort(order[i].first < 5e-4 ? 0 : order[i].first, 2));
  }
  return Str("<section><h2>The label</h2><div class=\"grid\">", plot.Html(), "</div></section>");
}

std::string MissingSection(const table::Profile& profile, const std::vector<View>& views) {
  std::vector<std::pair<double, std::string>> order;
  for (const table::ColumnProfile& column : profile.columns()) {
    if (column.missing() > 0) order.emplace_back(static_cast<double>(column.missing()) / static_cast<double>(column.count()), column.field().name);
  }
  if (order.empty()) return "<section><h2>What is missing</h2><p class=\"lead\">Nothing: every column has a value in every row.</p></section>";
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  order.resize(std::min<std::size_t>(order.size(), 30));
  std::vector<std::string> names;
  for (const auto& [share, name] : order) names.push_back(name);
  evaluate::RowPlot plot("Missing values", "Share of rows without a value", {"share of rows", 0, std::min(1.0, order[0].first * 1.2 + 0.01), true}, names);
  for (std::size_t i = 0; i < order.size(); ++i) {
    plot.Bar(i, order[i].first, Ink::kSecond);
    plot.Note(i, order[i].first, Share(order[i].first));
  }
  // Columns that are missing together have one cause.
  std::vector<std::pair<double, std::string>> together;
  for (std::size_t i = 0; i < views.size(); ++i) {
    for (std::size_t j = i + 1; j < views.size(); ++j) {
      if (views[i].profile->missing() == 0 || views[j].profile->missing() == 0) continue;
      table::PairMoments moments;
      for (std::size_t row = 0; row < views[i].bins.size(); ++row) moments.Add(views[i].bins[row] < 0 ? 1 : 0, views[j].bins[row] < 0 ? 1 : 0);
      if (moments.Pearson() > 0.3) together.emplace_back(moments.Pearson(), Str(views[i].profile->field().name, "</td><td>", views[j].profile->field().name));
    }
  }
  std::stable_sort(together.begin(), together.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string table;
  for (std::size_t i = 0; i < std::min<std::size_t>(together.size(), 10); ++i) {
    const std::size_t cut = together[i].second.find("</td><td>");
    table += Str("<tr><td>", EscapeHtml(together[i].second.substr(0, cut)), "</td><td>", EscapeHtml(together[i].second.substr(cut + 9)), "</td><td class=\"n\">", FormatShort(together[i].first, 2), "</td></tr>");
  }
  if (!table.empty()) table = Str("<h3>Missing together</h3><div class=\"scroll\"><table><tr><th>Column</th><th>Column</th><th class=\"n\">Correlation</th></tr>", table, "</table></div>");
  return Str("<section><h2>What is missing</h2><div class=\"grid\">", plot.Html(), "</div>", table, "</section>");
}

// How rows, the label and what is missing go with time.
Result<std::string> TimeSection(const dataset::DatasetSnapshot& snapshot, const std::vector<std::int64_t>& rows, const std::vector<View>& views, const std::string& label) {
  const std::string when = snapshot.about().StringAt("time");
  if (when.empty() || snapshot.schema().Find(when) < 0) return std::string();
  TENON_ASSIGN(const table::Column time, snapshot.Column(when));
  if (time.type() != table::Type::kTimestamp) return std::string();
  std::int64_t first = std::numeric_limits<std::int64_t>::max();
  std::int64_t last = std::numeric_limits<std::int64_t>::min();
  for (const std::int64_t row : rows) {
    if (time.IsNull(row)) continue;
    first = std::min(first, time.ints()[static_cast<std::size_t>(row)]);
    last = std::max(last, time.ints()[static_cast<std::size_t>(row)]);
  }
  if (first >= last) return std::string();
  const auto target = std::ranges::find_if(views, [&](const View& view) { return view.profile->field().name == label; });
  std::vector<double> count(kMoments, 0), label_sum(kMoments, 0), label_count(kMoments, 0), missing(kMoments, 0);
  std::vector<double> weekday(7, 0), hour(24, 0);
  bool hours = false;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (time.IsNull(rows[i])) continue;
    const std::int64_t at = time.ints()[static_cast<std::size_t>(rows[i])];
    const auto bin = std::min(kMoments - 1, static_cast<std::size_t>(static_cast<double>(at - first) / static_cast<double>(last - first) * kMoments));
    count[bin] += 1;
    const std::int64_t seconds = at >= 0 ? at / 1'000'000 : (at - 999'999) / 1'000'000;
    const std::int64_t day = seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400;
    weekday[static_cast<std::size_t>(((day + 3) % 7 + 7) % 7)] += 1;  // the epoch was a Thursday
    hour[static_cast<std::size_t>((seconds - day * 86400) / 3600)] += 1;
    hours = hours || seconds != day * 86400;
    for (const View& view : views) missing[bin] += view.bins[i] < 0 ? 1.0 / static_cast<double>(views.size()) : 0;
    if (target == views.end() || target->bins[i] < 0) continue;
    label_count[bin] += 1;
    label_sum[bin] += target->profile->numeric() ? target->numbers[i] : target->bins[i] == 0 ? 1 : 0;
  }
  const auto x = [&](std::size_t bin) { return static_cast<double>(first) + (static_cast<double>(bin) + 0.5) / kMoments * static_cast<double>(last - first); };
  std::vector<std::pair<double, double>> rows_line, label_line, missing_line;
  double most = 1;
  double low = INFINITY;
  double high = -INFINITY;
  double most_missing = 0.01;
  for (std::size_t bin = 0; bin < kMoments; ++bin) {
    rows_line.emplace_back(x(bin), count[bin]);
    most = std::max(most, count[bin]);
    if (count[bin] == 0) continue;
    missing_line.emplace_back(x(bin), missing[bin] / count[bin]);
    most_missing = std::max(most_missing, missing[bin] / count[bin]);
    if (label_count[bin] == 0) continue;
    label_line.emplace_back(x(bin), label_sum[bin] / label_count[bin]);
    low = std::min(low, label_line.back().second);
    high = std::max(high, label_line.back().second);
  }
  const evaluate::Axis axis{when, static_cast<double>(first), static_cast<double>(last), false, true};
  std::string body;
  evaluate::Plot volume("Rows", Str("From ", FormatTimestamp(first).substr(0, 16), " to ", FormatTimestamp(last).substr(0, 16)), axis, {"rows", 0, most * 1.08});
  volume.Area(rows_line, Ink::kFirst, "");
  body += volume.Html();
  if (!label_line.empty()) {
    const bool numeric = target->profile->numeric();
    const std::string what = numeric ? Str("mean of ", label) : Str("share of '", target->profile->Top(1)[0].value, "'");
    const auto [from, until] = evaluate::Widened(low, high);
    evaluate::Plot plot(label, Str("The ", what, " over time: a trend asks for a split by time"), axis, {what, from, until, !numeric});
    plot.Line(label_line, Ink::kSecond, "");
    body += plot.Html();
  }
  evaluate::Plot lack("Missing values", "Share of all values", axis, {"share", 0, most_missing * 1.15, true});
  lack.Line(missing_line, Ink::kFourth, "");
  body += lack.Html();
  evaluate::RowPlot week("Days of the week", "Rows", {"rows", 0, *std::max_element(weekday.begin(), weekday.end()) * 1.15}, {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}, 22);
  for (std::size_t i = 0; i < 7; ++i) week.Bar(i, weekday[i], Ink::kThird);
  body += week.Html();
  if (hours) {
    std::vector<std::pair<double, double>> line;
    for (std::size_t i = 0; i < 24; ++i) {
      line.emplace_back(static_cast<double>(i), hour[i]);
      line.emplace_back(static_cast<double>(i + 1), hour[i]);
    }
    evaluate::Plot day("Hours of the day", "Rows, in UTC", {"hour", 0, 24}, {"rows", 0, *std::max_element(hour.begin(), hour.end()) * 1.08});
    day.Area(line, Ink::kThird, "");
    body += day.Html();
  }
  return Str("<section><h2>Over time</h2><div class=\"grid\">", body, "</div></section>");
}

// What to do with a column, with the setting that does it.
std::pair<std::string, std::string> Suggestion(const table::ColumnProfile& column) {
  const double present = static_cast<double>(column.count() - column.missing());
  if (column.distinct() <= 1) return {"one value only", "leave it out"};
  switch (column.field().type) {
    case table::Type::kEmbedding: return {"an embedding", "as it is"};
    case table::Type::kBool: return {"yes or no", "as it is"};
    case table::Type::kTimestamp: return {"a moment", "date_parts: weekday, month, hour"};
    case table::Type::kString:
      if (column.distinct() > 0.9 * present && column.mean_length() > 40) return {"free text", "text_tfidf, or text_hash"};
      if (column.distinct() > 0.9 * present) return {"names rows", "leave it out, or name it under data.key"};
      if (column.distinct() <= 30) return {"few values", "one_hot"};
      return {Str(Shown(column.distinct()), " values"), "target_encode (within folds), or hash"};
    default: break;
  }
  if (column.field().type == table::Type::kInt64 && column.distinct() > 0.98 * present && column.distinct() > 100) return {"names rows, or nearly so", "leave it out, or name it under data.key"};
  const double skew = column.skewness();
  if (static_cast<double>(column.zeros()) > 0.5 * present) return {Str(Share(static_cast<double>(column.zeros()) / present), " are zero"), "a flag beside it: expression x > 0"};
  if (skew > 2 && column.negatives() == 0) return {Str("a long tail, skewness ", FormatShort(skew, 2)), "log, for linear models"};
  if (std::abs(skew) > 2) return {Str("a long tail, skewness ", FormatShort(skew, 2)), "power_transform (Yeo-Johnson), for linear models"};
  if (column.distinct() <= 15 && column.field().type == table::Type::kInt64) return {"few whole numbers", "as it is; one_hot if they are codes"};
  return {"", "as it is; standard_scale for linear models"};
}

std::string Suggestions(const table::Profile& profile, const std::string& label) {
  std::string out = "<section><h2>What one might do</h2><p class=\"lead\">Suggestions by type and distribution; the default transforms already do most of this.</p><div class=\"scroll\"><table><tr><th>Column</th><th>Seen</th><th>Transform</th></tr>";
  for (const table::ColumnProfile& column : profile.columns()) {
    if (column.field().name == label) continue;
    auto [seen, what] = Suggestion(column);
    const double share = static_cast<double>(column.missing()) / static_cast<double>(std::max<std::int64_t>(1, column.count()));
    if (share > 0) what += Str("; impute", share > 0.05 ? " and missing_flag" : "");
    out += Str("<tr><td>", EscapeHtml(column.field().name), "<small>", NameOf(column.field().type), "</small></td><td>", EscapeHtml(seen), share > 0 ? Str(seen.empty() ? "" : "; ", Share(share), " missing") : "", "</td><td>", EscapeHtml(what), "</td></tr>");
  }
  return out + "</table></div></section>";
}

}  // namespace

Result<std::string> ExplorePage(const Call& call, const DataPage& page, const dataset::DatasetSnapshot& snapshot, const validate::ValidationReport& report,
                                const std::string& label) {
  const table::Profile& profile = report.profile;
  const auto masked = [&](const std::string& name) { return std::ranges::find(report.masked, name) != report.masked.end(); };
  const std::int64_t kept = std::min(snapshot.rows(), kMostRows);
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < kept; ++i) rows.push_back(i * snapshot.rows() / kept);
  std::vector<View> views;
  for (const table::ColumnProfile& column : profile.columns()) {
    TENON_TRY(call.Check(), "exploring");
    if (column.field().type == table::Type::kEmbedding || column.distinct() < 2 || views.size() >= kMostColumns) continue;
    const bool names_rows = column.field().type == table::Type::kString && column.distinct() > 0.5 * static_cast<double>(column.count());
    if (names_rows && column.missing() == 0) continue;
    TENON_ASSIGN(const table::Column values, snapshot.Column(column.field().name));
    views.push_back(ViewOf(values, column, rows));
  }
  double missing = 0;
  for (const table::ColumnProfile& column : profile.columns()) missing += static_cast<double>(column.missing());
  const double cells = static_cast<double>(profile.rows()) * static_cast<double>(std::max<std::size_t>(1, profile.columns().size()));
  const auto tile = [](std::string_view name, const std::string& value) { return Str("<div class=\"tile\"><small>", name, "</small><b>", value, "</b></div>"); };
  std::string body = Str("<div class=\"verdict\"><div class=\"tiles\">", tile("Rows", FormatCount(profile.rows())), tile("Columns", Str(profile.columns().size())), tile("Missing values", Share(missing / cells)),
                         tile("Findings of validation", Str(report.anomalies.size())), "</div></div>");
  const std::string few = OfHowMany(profile.columns().size());
  body += Str("<section><h2>Columns</h2>", few.empty() ? "" : Str("<p class=\"lead\">", few, "</p>"), "<div class=\"grid\">");
  const std::span<const table::ColumnProfile> columns(profile.columns());
  for (const table::ColumnProfile& column : columns.first(std::min(columns.size(), kMostPlots))) body += DistributionPlot(column, nullptr, masked(column.field().name));
  body += "</div></section>";
  body += LabelPlot(views, label);
  if (views.size() > 1) body += Str("<section><h2>How columns go together</h2><p class=\"lead\">Pearson's correlation of two numbers (-1 to 1), Cramér's V of others (0 to 1; numbers in ten bins)",
              static_cast<std::int64_t>(rows.size()) < snapshot.rows() ? Str(", of ", FormatCount(kept), " rows spread evenly") : "", views.size() > kMostInMatrix ? Str("; the first ", kMostInMatrix, " columns") : "", ".</p>",
              Matrix(views), "</section>");
  TENON_ASSIGN(const std::string time, TimeSection(snapshot, rows, views, label));
  body += time;
  body += MissingSection(profile, views);
  body += Suggestions(profile, label);
  body += Str("<section><h2>Lineage</h2><p>Source ", EscapeHtml(page.source), ", snapshot ", EscapeHtml(page.snapshot), ". Made by <code>", EscapeHtml(page.command), "</code>.</p></section>");
  return Document(Str("Exploring the data of ", page.project), Str(FormatCount(profile.rows()), " rows of ", page.source), body);
}

}  // namespace tenon::pipeline
