// How a WatchReport is told: text, JSON, a page.

#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "monitor/statistics_internal.h"
#include "monitor/watch.h"

namespace tenon::monitor {
namespace {

Json JsonOf(const ColumnVerdict& column) {
  Json out;
  out["column"] = column.column;
  out["drifted"] = column.drifted;
  out["strength"] = column.strength;
  out["why"] = column.why;
  out["tests"] = Json::MakeArray();
  for (const TestVerdict& test : column.tests) {
    Json item;
    item["test"] = test.test;
    item["statistic"] = test.verdict.statistic;
    item["threshold"] = test.verdict.threshold;
    item["drifted"] = test.verdict.drifted;
    item["why"] = test.verdict.why;
    out["tests"].Push(std::move(item));
  }
  Json& drawing = out["histogram"];
  drawing["bins"] = Json::MakeArray();
  for (std::size_t i = 0; i < column.reference.size(); ++i) {
    Json bin;
    if (column.numeric) {
      bin["low"] = column.reference[i].low;
      bin["high"] = column.reference[i].high;
    } else {
      bin["value"] = column.values[i];
    }
    bin["reference"] = column.reference[i].count;
    bin["window"] = column.window[i].count;
    drawing["bins"].Push(std::move(bin));
  }
  return out;
}

std::string Rectangle(double x, double y, double width, double height, std::string_view style) {
  return Str("<rect x=\"", FormatShort(x, 6), "\" y=\"", FormatShort(y, 6), "\" width=\"", FormatShort(width, 6),
             "\" height=\"", FormatShort(height, 6), "\" class=\"", style, "\"/>");
}

// Pairs of bars, the reference beside the window, with a title a pair for whoever points at it.
std::string Drawing(const ColumnVerdict& column) {
  constexpr double kWidth = 640, kHeight = 180, kFoot = 24;
  const std::size_t bins = column.reference.size();
  if (bins == 0) return "";
  double most = 1e-12;
  for (std::size_t i = 0; i < bins; ++i) most = std::max({most, column.reference[i].count, column.window[i].count});
  const double step = kWidth / static_cast<double>(bins);
  std::string out = Str("<svg viewBox=\"0 0 ", kWidth, " ", kHeight + kFoot, "\" role=\"img\" aria-label=\"",
                        EscapeHtml(column.column), ": reference and window\">");
  for (std::size_t i = 0; i < bins; ++i) {
    const double x = step * static_cast<double>(i);
    const double before = column.reference[i].count / most * kHeight, after = column.window[i].count / most * kHeight;
    const std::string name =
        column.numeric ? Str(FormatShort(column.reference[i].low), " to ", FormatShort(column.reference[i].high))
                       : column.values[i];
    out += Str("<g><title>", EscapeHtml(name), ": reference ", Percent(column.reference[i].count), ", window ",
               Percent(column.window[i].count), "</title>");
    out += Rectangle(x + step * 0.08, kHeight - before, step * 0.42, before, "reference");
    out += Rectangle(x + step * 0.5, kHeight - after, step * 0.42, after, "window");
    if (!column.numeric && bins <= 13) {
      const std::size_t fits = static_cast<std::size_t>(step / 7);
      std::string label = name;
      if (label.size() > fits) {
        std::size_t cut = fits;  // not in the midst of a character
        while (cut > 0 && (static_cast<unsigned char>(label[cut]) & 0xC0) == 0x80) --cut;
        label = label.substr(0, cut) + "\xE2\x80\xA6";
      }
      out += Str("<text x=\"", FormatShort(x + step / 2, 6), "\" y=\"", kHeight + 16, "\" text-anchor=\"middle\">",
                 EscapeHtml(label), "</text>");
    }
    out += "</g>";
  }
  if (column.numeric) {
    out += Str("<text x=\"0\" y=\"", kHeight + 16, "\">", FormatShort(column.reference.front().low),
               "</text><text x=\"", kWidth, "\" y=\"", kHeight + 16, "\" text-anchor=\"end\">",
               FormatShort(column.reference.back().high), "</text>");
  }
  return out + "</svg>";
}

std::string Section(const ColumnVerdict& column) {
  return Str("<section><h2>", EscapeHtml(column.column), "</h2><p>", EscapeHtml(column.why), "</p>", Drawing(column),
             "</section>");
}

constexpr std::string_view kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;"
    "background:#fff}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-bottom:0}table{border-collapse:collapse;width:100%}"
    "td,th{padding:.3rem .5rem;border-bottom:1px solid #d8dee4;text-align:left;vertical-align:top}"
    "svg{width:100%;height:auto}svg text{font-size:11px;fill:#57606a}.reference{fill:#8c959f}.window{fill:#c2410c}"
    ".key span{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 1em}.yes{color:#c2410c;font-weight:600}"
    "@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}td,th{border-color:#30363d}"
    "svg text{fill:#9198a1}.window{fill:#fb923c}.yes{color:#fb923c}}";

std::string Row(const ColumnVerdict& column) {
  return Str("<tr><td>", EscapeHtml(column.column), "</td><td", column.drifted ? " class=\"yes\">drifted" : ">stable",
             "</td><td>", EscapeHtml(column.why), "</td></tr>");
}

std::string Headline(const WatchReport& report) {
  if (!report.enough) return Str(FormatCount(report.rows), " rows are too few to judge");
  const std::size_t drifted = report.DriftedColumns().size();
  if (!report.drifted()) return Str("No drift in ", report.columns.size(), " columns");
  return Str(drifted, " of ", report.columns.size(), " columns drifted",
             report.prediction.drifted ? ", and so did the predictions" : "; the predictions did not");
}

}  // namespace

void HideValues(const std::vector<std::string>& masked, WatchReport* report) {
  for (ColumnVerdict& column : report->columns) {
    if (std::ranges::find(masked, column.column) == masked.end()) continue;
    const auto why = [](const TestVerdict& test) {
      return Str(test.test, " ", FormatShort(test.verdict.statistic), test.verdict.drifted ? ", above " : ", not above ", FormatShort(test.verdict.threshold), "; its values are sensitive and not shown");
    };
    // The strongest test's reason is the column's.
    std::string strongest = "its values are sensitive and not shown";
    for (TestVerdict& test : column.tests) {
      const bool said = test.verdict.why == column.why;
      test.verdict.why = why(test);
      if (said) strongest = test.verdict.why;
    }
    column.why = std::move(strongest);
    column.reference.clear();
    column.window.clear();
    column.values.clear();
  }
}

bool WatchReport::drifted() const { return prediction.drifted || !DriftedColumns().empty(); }

std::vector<std::string> WatchReport::DriftedColumns() const {
  std::vector<std::string> out;
  for (const ColumnVerdict& column : columns) {
    if (column.drifted) out.push_back(column.column);
  }
  return out;
}

std::string WatchReport::Text() const {
  std::string out = Str(Headline(*this), ".\n");
  if (!enough) return out;
  out += Str(FormatCount(rows), " rows from ", FormatTimestamp(from), " until ", FormatTimestamp(until), " against ",
             FormatCount(reference_rows), " of training.\n");
  if (lost_bytes > 0) out += Str(FormatCount(lost_bytes), " bytes at the ends of the log's segments were cut off by a crash: the answers in them are lost.\n");
  for (const ColumnVerdict& column : columns) {
    if (column.drifted) out += Str("  ", column.column, ": ", column.why, "\n");
  }
  out += Str("  predictions: ", prediction.why, "\n");
  return out;
}

Json WatchReport::ToJson() const {
  Json out;
  out["from"] = FormatTimestamp(from);
  out["until"] = FormatTimestamp(until);
  out["reference_rows"] = reference_rows;
  out["rows"] = rows;
  out["lost_bytes"] = lost_bytes;
  out["models"] = Json::MakeObject();
  for (const auto& [name, answers] : models) out["models"][name] = answers;
  out["enough"] = enough;
  out["drifted"] = drifted();
  out["drifted_columns"] = Json::ListOf(DriftedColumns());
  out["columns"] = Json::MakeArray();
  for (const ColumnVerdict& column : columns) out["columns"].Push(JsonOf(column));
  if (enough) out["prediction"] = JsonOf(prediction);
  return out;
}

std::string WatchReport::Html() const {
  std::string out =
      Str("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=",
          "device-width\"><title>Drift</title><style>", kStyle, "</style><h1>", EscapeHtml(Headline(*this)), "</h1><p>",
          FormatCount(rows), " rows from ", FormatTimestamp(from), " until ", FormatTimestamp(until), ", against ",
          FormatCount(reference_rows), " rows of training.</p>");
  if (!enough) return out + "</html>\n";
  out +=
      "<p class=\"key\"><span style=\"background:#8c959f\"></span>reference"
      "<span style=\"background:#c2410c\"></span>window</p>";
  for (const ColumnVerdict& column : columns) {
    if (column.drifted) out += Section(column);
  }
  if (prediction.drifted) out += Section(prediction);
  out += "<h2>All columns</h2><table><tr><th>column</th><th>verdict</th><th>why</th></tr>";
  for (const ColumnVerdict& column : columns) out += Row(column);
  return out + Row(prediction) + "</table></html>\n";
}

}  // namespace tenon::monitor
