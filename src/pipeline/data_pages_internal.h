#pragma once

#include <string>

#include "evaluate/svg.h"
#include "table/profile.h"

namespace tenon::pipeline {

// A document with the style sheet and these parts.
std::string Document(const std::string& title, const std::string& lead, const std::string& body);
// For people: 0.8273, 12,346, "–" for NaN.
std::string Shown(double value);
std::string Share(double share);  // 12.3 %
constexpr std::size_t kMostPlots = 300;  // of a page: more no browser draws and nobody looks at
// "The first 300 of 10,001 columns.", or nothing when all are shown.
std::string OfHowMany(std::size_t columns);
// The distribution of a column as a <figure>: a histogram of numbers, bars of the most frequent values of others; beside it,
// when given, that of the rows before.
std::string DistributionPlot(const table::ColumnProfile& column, const table::ColumnProfile* before, bool masked);

}  // namespace tenon::pipeline
