#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tenon::evaluate {

// Plots as inline SVG for a page with the style of report_style.cc: colours are CSS classes, so that they follow the
// reader's light or dark scheme. Nothing here knows what is plotted. All text is escaped.

// The style sheet of every page: what <style> holds.
std::string_view ReportStyle();

// Colours by meaning: series 1..4 of a plot, and the quiet one of references.
enum class Ink { kFirst = 1, kSecond = 2, kThird = 3, kFourth = 4, kQuiet = 0 };

struct Axis {
  std::string label;
  double low = 0;
  double high = 1;
  bool percent = false;
  bool time = false;  // microseconds since 1970; ticks are begins of hours, days, months or years
};

// Round numbers within [low, high], about `count` of them.
std::vector<double> TicksOf(double low, double high, int count);
// [low, high] widened a little; of one value a range around it.
std::pair<double, double> Widened(double low, double high);
// The same of a time; a day as "2 Mar", a month as "Mar 2024". `step`: to the next tick.
std::vector<double> TimeTicksOf(double low, double high, int count);
std::string TimeTickLabel(double value, double step);
std::string TickLabel(const Axis& axis, double value, double step);

// A plot of two number axes. What is added later lies on top. Values beyond the axes are not cut: choose the axes so.
class Plot {
 public:
  Plot(std::string title, std::string note, Axis x, Axis y);
  void Line(const std::vector<std::pair<double, double>>& points, Ink ink, std::string legend, bool dashed = false);
  void Area(const std::vector<std::pair<double, double>>& points, Ink ink, std::string legend);  // down to the x axis
  void Dots(const std::vector<std::pair<double, double>>& points, Ink ink, std::string legend, double radius = 3.5);
  void Mark(double x, double y, Ink ink, std::string_view text);  // a ring with a word beside it
  void VerticalLine(double x, std::string_view text);
  std::string Html() const;  // a <figure>

 private:
  double X(double value) const;
  double Y(double value) const;
  std::string Path(const std::vector<std::pair<double, double>>& points) const;
  void Legend(Ink ink, std::string legend, std::string_view shape);

  std::string title_, note_;
  Axis x_, y_;
  std::string body_, legend_;
};

// A plot of named rows against one number axis: bars, dots and intervals. Rows are numbered from 0, from the top.
class RowPlot {
 public:
  RowPlot(std::string title, std::string note, Axis x, std::vector<std::string> rows, int row_height = 26);
  void Bar(std::size_t row, double value, Ink ink, std::size_t part = 0, std::size_t parts = 1);  // from 0 (or the low end)
  void Dot(std::size_t row, double value, Ink ink, double radius);
  void Range(std::size_t row, double low, double high, Ink ink);    // a whisker, behind what is added later
  void Note(std::size_t row, double value, std::string_view text);  // right of a value
  void Band(double low, double high);
  void VerticalLine(double x, std::string_view text);
  // Many small points of a row: (value, offset in -1..1 of half the row's height, colour class 0..6 from low to high,
  // -1: none).
  struct Speck {
    double value, offset;
    int shade;
  };
  void Specks(std::size_t row, const std::vector<Speck>& specks);
  void Legend(Ink ink, std::string_view legend);
  void ShadeLegend(std::string_view low, std::string_view high);
  std::string Html() const;

 private:
  double X(double value) const;
  double Middle(std::size_t row) const;
  double Bottom() const;

  std::string title_, note_;
  Axis x_;
  std::vector<std::string> rows_;
  int row_height_;
  std::string behind_, body_, legend_;
};

}  // namespace tenon::evaluate
