#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "base/time.h"
#include "pipeline/data_pages.h"
#include "pipeline/data_pages_internal.h"

namespace tenon::pipeline {
namespace {

constexpr double kMuch = 0.2;  // of the index, as docs/03-data.md says

std::string Tile(std::string_view name, std::int64_t value, const std::string& below) {
  return Str("<div class=\"tile\"><small>", name, "</small><b>", FormatCount(value), "</b><small>", EscapeHtml(below), "</small></div>");
}

std::string Names(const Json& list) {
  std::vector<std::string> out;
  for (const Json& name : list.array()) out.push_back(name.String());
  return EscapeHtml(Join(out, ", "));
}

std::string SchemaPart(const Json& schema) {
  std::string out;
  const auto line = [&](std::string_view what, const std::string& text) { out += Str("<tr><td>", what, "</td><td>", text, "</td></tr>"); };
  if (!schema.Find("added")->array().empty()) line("came", Names(*schema.Find("added")));
  if (!schema.Find("removed")->array().empty()) line("are gone", Names(*schema.Find("removed")));
  for (const Json& one : schema.Find("renamed")->array()) line("renamed", Str(EscapeHtml(one.StringAt("before")), " is ", EscapeHtml(one.StringAt("after")), " now"));
  for (const Json& one : schema.Find("changed")->array()) {
    line(one.BoolAt("widened") ? "widened" : "of another type", Str(EscapeHtml(one.StringAt("name")), " was ", one.StringAt("before"), ", is ", one.StringAt("after")));
  }
  return out.empty() ? "<p class=\"lead\">Both have the same columns.</p>" : Str("<div class=\"scroll\"><table><tr><th>Columns</th><th></th></tr>", out, "</table></div>");
}

std::string Cell(const Json* value, bool time) {
  if (value == nullptr || !value->is_number()) return "–";
  return time ? FormatTimestamp(static_cast<Micros>(value->Number())).substr(0, 19) : Shown(value->Number());
}

std::string ColumnsPart(const Json& columns, std::int64_t changed, const std::vector<std::string>& hidden) {
  std::string out = "<div class=\"scroll\"><table><tr><th>Column</th><th class=\"n\">Rows changed</th><th class=\"n\">Stability index</th><th class=\"n\">Missing</th><th class=\"n\">Mean or distinct</th></tr>";
  for (const Json& one : columns.array()) {
    const std::string name = one.StringAt("name");
    const bool masked = std::ranges::find(hidden, name) != hidden.end();
    const bool time = one.StringAt("type") == NameOf(table::Type::kTimestamp);
    const std::string what = one.Find("distinct_before") != nullptr ? "distinct" : "mean";
    const double psi = one.Find("psi")->is_number() ? one.NumberAt("psi") : 0;
    const bool numbers = !masked || what == "distinct";
    out += Str("<tr><td>", EscapeHtml(name), "<small>", one.StringAt("type"), masked ? ", sensitive" : "", "</small></td><td class=\"n\">", FormatCount(one.IntAt("rows_changed")),
               changed > 0 && one.IntAt("rows_changed") > 0 ? Str("<small>", Share(static_cast<double>(one.IntAt("rows_changed")) / static_cast<double>(changed)), " of the changed</small>") : "",
               "</td><td class=\"n\">", psi >= kMuch ? Str("<span class=\"fail\">", FormatShort(psi, 3), "</span>") : one.Find("psi")->is_number() ? FormatShort(psi < 5e-4 ? 0 : psi, 3) : "–", "</td><td class=\"n\">",
               Share(one.NumberAt("missing_before")), " → ", Share(one.NumberAt("missing_after")), "</td><td class=\"n\">",
               numbers ? Str(Cell(one.Find(what + "_before"), time), " → ", Cell(one.Find(what + "_after"), time)) : "–", "</td></tr>");
  }
  return out + "</table></div>";
}

std::string Value(const Json& value) { return EscapeHtml(value.is_string() ? value.String() : value.Dump()); }

// Rows that came or are gone, a column each.
std::string RowsPart(std::string_view title, const Json& rows) {
  if (rows.array().empty()) return "";
  std::string out = Str("<h3>", title, "</h3><div class=\"scroll\"><table><tr>");
  for (const auto& [name, value] : rows.array()[0].object()) out += Str("<th>", EscapeHtml(name), "</th>");
  out += "</tr>";
  for (const Json& row : rows.array()) {
    out += "<tr>";
    for (const auto& [name, value] : row.object()) out += Str("<td>", value.is_null() ? "<small>missing</small>" : Value(value), "</td>");
    out += "</tr>";
  }
  return out + "</table></div>";
}

std::string ChangedPart(const Json& rows) {
  if (rows.array().empty()) return "";
  std::string out = "<h3>Changed</h3><div class=\"scroll\"><table><tr><th>Key</th><th>Column</th><th>Before</th><th>After</th></tr>";
  for (const Json& row : rows.array()) {
    bool first = true;
    for (const auto& [name, pair] : row.Find("columns")->object()) {
      out += Str("<tr><td>", first ? Value(*row.Find("key")) : "", "</td><td>", EscapeHtml(name), "</td><td>", Value(pair.array()[0]), "</td><td>", Value(pair.array()[1]), "</td></tr>");
      first = false;
    }
  }
  return out + "</table></div>";
}

// The columns, those that moved most first.
std::vector<std::string> ByMovement(const Json& columns) {
  std::vector<std::pair<double, std::string>> order;
  for (const Json& one : columns.array()) order.emplace_back(one.Find("psi")->is_number() ? -one.NumberAt("psi") : 0, one.StringAt("name"));
  std::ranges::stable_sort(order, {}, &std::pair<double, std::string>::first);
  std::vector<std::string> out;
  for (auto& [psi, name] : order) out.push_back(std::move(name));
  return out;
}

}  // namespace

std::string DiffPage(const DataPage& page, const std::string& before, const dataset::Difference& difference) {
  const Json& summary = difference.summary;
  const Json& rows = *summary.Find("rows");
  const Json& columns = *summary.Find("columns");
  int much = 0;
  for (const Json& one : columns.array()) much += one.Find("psi")->is_number() && one.NumberAt("psi") >= kMuch ? 1 : 0;
  const std::string key = summary.StringAt("key");
  const std::int64_t touched = rows.IntAt("added") + rows.IntAt("removed") + rows.IntAt("changed");
  std::string body = Str("<div class=\"verdict ", much == 0 ? "good" : "bad", "\"><p class=\"asked\">What changed?</p><p class=\"answer\">",
                         touched == 0 ? "No row did." : much == 0 ? "Rows did, and no column moved much." : Str(much, much == 1 ? " column" : " columns", " moved much."), "</p><div class=\"tiles\">",
                         Tile("Before", rows.IntAt("before"), "rows"), Tile("After", rows.IntAt("after"), "rows"), Tile("Added", rows.IntAt("added"), key.empty() ? "whole rows compared" : Str("by ", key)),
                         Tile("Removed", rows.IntAt("removed"), ""), Tile("Changed", rows.IntAt("changed"), ""), "</div></div>");
  body += Str("<section><h2>Columns</h2>", SchemaPart(*summary.Find("schema")), ColumnsPart(columns, rows.IntAt("changed"), difference.hidden), "</section>");
  const Json& examples = *summary.Find("examples");
  const std::string shown = ChangedPart(*examples.Find("changed")) + RowsPart("Added", *examples.Find("added")) + RowsPart("Removed", *examples.Find("removed"));
  if (!shown.empty()) body += Str("<section><h2>Rows</h2><p class=\"lead\">The first of each sort.</p>", shown, "</section>");
  body += "<section><h2>Distributions</h2><p class=\"lead\">Those that moved most first, beside what they were.</p><div class=\"grid\">";
  std::vector<std::string> order = ByMovement(columns);
  order.resize(std::min(order.size(), kMostPlots));
  for (const std::string& name : order) {
    const bool masked = std::ranges::find(difference.hidden, name) != difference.hidden.end();
    body += DistributionPlot(*difference.after.Find(name), difference.before.Find(name), masked);
  }
  body += Str("</div></section><section><h2>Lineage</h2><p>Source ", EscapeHtml(page.source), ", snapshots ", EscapeHtml(before), " and ", EscapeHtml(page.snapshot), ". Made by <code>", EscapeHtml(page.command), "</code>.</p></section>");
  return Document(Str("Changes of ", page.source), Str("Snapshot ", page.snapshot, " beside ", before), body);
}

}  // namespace tenon::pipeline
