#include "evaluate/svg.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"

namespace tenon::evaluate {
namespace {

constexpr double kWidth = 460, kHeight = 330;
constexpr double kLeft = 74, kRight = 28, kTop = 12, kBottom = 46;
constexpr double kRowLeft = 174, kRowRight = 64;
constexpr std::size_t kLongestLabel = 21;

// A coordinate: a tenth of a pixel is finer than anybody sees.
std::string At(double value) {
  const double rounded = std::round(value * 10) / 10;
  return FormatDouble(rounded == 0 ? 0 : rounded);
}

std::string InkClass(Ink ink) { return Str("i", static_cast<int>(ink)); }

// Cut in the middle of no character.
std::string Short(const std::string& text) {
  std::size_t characters = 0, at = 0;
  for (; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xc0) != 0x80 && characters++ == kLongestLabel) break;
  }
  return at == text.size() ? text : text.substr(0, at) + "…";
}

std::string Words(double x, double y, std::string_view anchor, std::string_view text, std::string_view kind = "") {
  return Str("<text x=\"", At(x), "\" y=\"", At(y), "\" text-anchor=\"", anchor, "\"",
             kind.empty() ? "" : Str(" class=\"", kind, "\""), ">", EscapeHtml(text), "</text>");
}

std::string Straight(double x1, double y1, double x2, double y2, std::string_view kind) {
  return Str("<line x1=\"", At(x1), "\" y1=\"", At(y1), "\" x2=\"", At(x2), "\" y2=\"", At(y2), "\" class=\"", kind, "\"/>");
}

std::string Figure(const std::string& title, const std::string& note, const std::string& legend, double width, double height,
                   const std::string& content) {
  std::string out = Str("<figure><figcaption><b>", EscapeHtml(title), "</b>");
  if (!note.empty()) out += Str("<span>", EscapeHtml(note), "</span>");
  out += "</figcaption>";
  if (!legend.empty()) out += Str("<div class=\"legend\">", legend, "</div>");
  return out + Str("<svg viewBox=\"0 0 ", At(width), " ", At(height), "\" role=\"img\" aria-label=\"", EscapeHtml(title),
                   "\">", content, "</svg></figure>\n");
}

double StepOf(const std::vector<double>& ticks) { return ticks.size() > 1 ? ticks[1] - ticks[0] : 1; }

}  // namespace

std::vector<double> TicksOf(double low, double high, int count) {
  if (!(high > low) || !std::isfinite(high - low)) return {low};
  const double rough = (high - low) / count;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double nice : {1.0, 2.0, 2.5, 5.0}) {
    if (nice * power >= rough * 0.999) {
      step = nice * power;
      break;
    }
  }
  std::vector<double> ticks;
  const double first = std::ceil(low / step - 1e-9);
  for (int i = 0; (first + i) * step <= high + 1e-9 * step && i < 50; ++i) ticks.push_back((first + i) * step);
  return ticks;
}

std::pair<double, double> Widened(double low, double high) {
  if (!(high > low)) {
    const double around = low == 0 ? 1 : std::abs(low) * 0.1;
    return {low - around, low + around};
  }
  return {low - 0.04 * (high - low), high + 0.04 * (high - low)};
}

std::string TickLabel(const Axis& axis, double value, double step) {
  if (axis.time) return TimeTickLabel(value, step);
  if (axis.percent) return Str(FormatShort(value * 100, 4), "%");
  if (std::abs(value) < step * 1e-6) return "0";
  const double size = std::abs(value);
  if (size >= 1e9) return FormatShort(value / 1e9, 4) + " bn";
  if (size >= 1e6) return FormatShort(value / 1e6, 4) + " m";
  if (size >= 1e4 && step >= 1) return FormatCount(std::llround(value));
  return FormatShort(value, 6);
}

Plot::Plot(std::string title, std::string note, Axis x, Axis y)
    : title_(std::move(title)), note_(std::move(note)), x_(std::move(x)), y_(std::move(y)) {}

double Plot::X(double value) const { return kLeft + (value - x_.low) / (x_.high - x_.low) * (kWidth - kLeft - kRight); }
double Plot::Y(double value) const { return kHeight - kBottom - (value - y_.low) / (y_.high - y_.low) * (kHeight - kTop - kBottom); }

std::string Plot::Path(const std::vector<std::pair<double, double>>& points) const {
  std::string path;
  for (const auto& [x, y] : points) path += Str(path.empty() ? "M" : "L", At(X(x)), " ", At(Y(y)));
  return path;
}

void Plot::Legend(Ink ink, std::string legend, std::string_view shape) {
  if (legend.empty()) return;
  legend_ += Str("<span><i class=\"", shape, " ", InkClass(ink), "\"></i>", EscapeHtml(legend), "</span>");
}

void Plot::Line(const std::vector<std::pair<double, double>>& points, Ink ink, std::string legend, bool dashed) {
  body_ += Str("<path d=\"", Path(points), "\" class=\"line ", InkClass(ink), dashed ? " dashed" : "", "\"/>");
  Legend(ink, std::move(legend), dashed ? "dash" : "rule");
}

void Plot::Area(const std::vector<std::pair<double, double>>& points, Ink ink, std::string legend) {
  if (points.empty()) return;
  const std::string path = Path(points);
  body_ += Str("<path d=\"", path, "L", At(X(points.back().first)), " ", At(Y(y_.low)), "L", At(X(points.front().first)), " ",
               At(Y(y_.low)), "Z\" class=\"area ", InkClass(ink), "\"/><path d=\"", path, "\" class=\"line ", InkClass(ink), "\"/>");
  Legend(ink, std::move(legend), "box");
}

void Plot::Dots(const std::vector<std::pair<double, double>>& points, Ink ink, std::string legend, double radius) {
  // One path of round-capped points of no length is a fraction of the bytes of as many circles.
  std::string path;
  for (const auto& [x, y] : points) path += Str("M", At(X(x)), " ", At(Y(y)), "h0");
  body_ += Str("<path d=\"", path, "\" class=\"dots ", InkClass(ink), "\" stroke-width=\"", At(2 * radius), "\"/>");
  Legend(ink, std::move(legend), "dot");
}

void Plot::Mark(double x, double y, Ink ink, std::string_view text) {
  body_ += Str("<circle cx=\"", At(X(x)), "\" cy=\"", At(Y(y)), "\" r=\"5\" class=\"ring ", InkClass(ink), "\"/>");
  const bool left = X(x) > kWidth * 0.6;
  const bool up = Y(y) > kHeight * 0.75;
  body_ += Words(X(x) + (left ? -10 : 10), Y(y) + (up ? -8 : 16), left ? "end" : "start", text, "halo");
}

void Plot::VerticalLine(double x, std::string_view text) {
  body_ += Straight(X(x), kTop, X(x), kHeight - kBottom, "mark");
  const bool left = X(x) > kWidth * 0.6;
  body_ += Words(X(x) + (left ? -6 : 6), kTop + 11, left ? "end" : "start", text, "halo");
}

std::string Plot::Html() const {
  std::string grid;
  const auto xs = x_.time ? TimeTicksOf(x_.low, x_.high, 5) : TicksOf(x_.low, x_.high, 6), ys = TicksOf(y_.low, y_.high, 5);
  for (const double tick : ys) {
    grid += Straight(kLeft, Y(tick), kWidth - kRight, Y(tick), "grid");
    grid += Words(kLeft - 8, Y(tick) + 4, "end", TickLabel(y_, tick, StepOf(ys)));
  }
  for (const double tick : xs) {
    grid += Straight(X(tick), kHeight - kBottom, X(tick), kHeight - kBottom + 4, "axis");
    grid += Words(X(tick), kHeight - kBottom + 18, "middle", TickLabel(x_, tick, StepOf(xs)));
  }
  grid += Straight(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, "axis");
  grid += Straight(kLeft, kTop, kLeft, kHeight - kBottom, "axis");
  grid += Words((kLeft + kWidth - kRight) / 2, kHeight - 8, "middle", x_.label, "name");
  const double middle = (kTop + kHeight - kBottom) / 2;
  grid += Str("<text transform=\"translate(12 ", At(middle), ") rotate(-90)\" text-anchor=\"middle\" class=\"name\">",
              EscapeHtml(y_.label), "</text>");
  return Figure(title_, note_, legend_, kWidth, kHeight, grid + body_);
}

RowPlot::RowPlot(std::string title, std::string note, Axis x, std::vector<std::string> rows, int row_height)
    : title_(std::move(title)), note_(std::move(note)), x_(std::move(x)), rows_(std::move(rows)), row_height_(row_height) {}

double RowPlot::X(double value) const { return kRowLeft + (value - x_.low) / (x_.high - x_.low) * (kWidth - kRowLeft - kRowRight); }
double RowPlot::Middle(std::size_t row) const { return kTop + 6 + (static_cast<double>(row) + 0.5) * row_height_; }
double RowPlot::Bottom() const { return kTop + 12 + static_cast<double>(rows_.size()) * row_height_; }

void RowPlot::Bar(std::size_t row, double value, Ink ink, std::size_t part, std::size_t parts) {
  const double thick = (row_height_ - 8) / static_cast<double>(parts);
  const double top = Middle(row) - (row_height_ - 8) / 2.0 + static_cast<double>(part) * thick;
  const double from = X(std::clamp(0.0, x_.low, x_.high)), to = X(value);
  body_ += Str("<rect x=\"", At(std::min(from, to)), "\" y=\"", At(top), "\" width=\"", At(std::abs(to - from)), "\" height=\"",
               At(std::max(thick - 1, 1.0)), "\" rx=\"1.5\" class=\"fill ", InkClass(ink), "\"/>");
}

void RowPlot::Dot(std::size_t row, double value, Ink ink, double radius) {
  body_ += Str("<circle cx=\"", At(X(value)), "\" cy=\"", At(Middle(row)), "\" r=\"", At(radius), "\" class=\"fill ", InkClass(ink), "\"/>");
}

void RowPlot::Range(std::size_t row, double low, double high, Ink ink) {
  body_ += Str("<path d=\"M", At(X(low)), " ", At(Middle(row)), "H", At(X(high)), "\" class=\"range ", InkClass(ink), "\"/>");
}

void RowPlot::Note(std::size_t row, double value, std::string_view text) {
  body_ += Words(X(value) + 8, Middle(row) + 4, "start", text);
}

void RowPlot::Band(double low, double high) {
  behind_ += Str("<rect x=\"", At(X(low)), "\" y=\"", At(kTop), "\" width=\"", At(X(high) - X(low)), "\" height=\"",
                 At(Bottom() - kTop), "\" class=\"band\"/>");
}

void RowPlot::VerticalLine(double x, std::string_view text) {
  behind_ += Straight(X(x), kTop, X(x), Bottom(), "mark");
  if (!text.empty()) behind_ += Words(X(x), kTop - 2, "middle", text);
}

void RowPlot::Specks(std::size_t row, const std::vector<Speck>& specks) {
  std::array<std::string, 8> paths;
  for (const Speck& speck : specks) {
    const double y = Middle(row) + speck.offset * (row_height_ / 2.0 - 2);
    paths[static_cast<std::size_t>(std::clamp(speck.shade, -1, 6) + 1)] += Str("M", At(X(speck.value)), " ", At(y), "h0");
  }
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (!paths[i].empty()) body_ += Str("<path d=\"", paths[i], "\" class=\"speck v", i, "\"/>");
  }
}

void RowPlot::Legend(Ink ink, std::string_view legend) {
  legend_ += Str("<span><i class=\"box ", InkClass(ink), "\"></i>", EscapeHtml(legend), "</span>");
}

void RowPlot::ShadeLegend(std::string_view low, std::string_view high) {
  legend_ += Str("<span>", EscapeHtml(low), " <i class=\"shade\"></i> ", EscapeHtml(high), "</span><span><i class=\"dot i0\"></i>text or missing</span>");
}

std::string RowPlot::Html() const {
  const double bottom = Bottom();
  std::string grid;
  const auto ticks = TicksOf(x_.low, x_.high, 4);
  for (const double tick : ticks) {
    grid += Straight(X(tick), kTop, X(tick), bottom, "grid");
    grid += Words(X(tick), bottom + 16, "middle", TickLabel(x_, tick, StepOf(ticks)));
  }
  grid += Straight(kRowLeft, bottom, kWidth - kRowRight, bottom, "axis");
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    grid += Str("<text x=\"", At(kRowLeft - 10), "\" y=\"", At(Middle(row) + 4), "\" text-anchor=\"end\" class=\"row\"><title>",
                EscapeHtml(rows_[row]), "</title>", EscapeHtml(Short(rows_[row])), "</text>");
  }
  grid += Words((kRowLeft + kWidth - kRowRight) / 2, bottom + 36, "middle", x_.label, "name");
  return Figure(title_, note_, legend_, kWidth, bottom + 44, grid + behind_ + body_);
}

}  // namespace tenon::evaluate
