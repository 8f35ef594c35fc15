#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/call.h"
#include "evaluate/evaluate.h"

namespace tenon::evaluate {

// Resamples worth making of so many rows: all that are asked up to 50,000 rows; beyond, as many as keep rows x resamples
// near 50 million, and at least 100 (or what was asked, when that is less), for intervals narrow as rows grow.
int ResamplesFor(std::int64_t rows, int asked);

// The bootstrap (Efron, Tibshirani 1993) by counts: each resample is a weighting of the same rows, under which every
// statistic is asked once, so that differences of statistics are paired. Up to 20,000 rows the counts are multinomial (n
// draws with replacement); beyond, independent Poisson(1) counts (Hanley, MacGibbon 2006), which need no random access.
// Gives the draws of each statistic. Resample r depends on call.seed and r alone, so the number of threads
// (call.threads) changes nothing. Errors: cancelled, deadline_exceeded.
Result<std::vector<std::vector<double>>> Resample(const Call& call, std::span<const double> weight, int resamples,
                                                  const std::vector<Metric::OfWeights>& statistics);

// The percentile interval of the draws that are numbers; low and high are NaN when `value` is or none is.
Estimate Interval(double value, std::vector<double> draws, double confidence);

// The q-quantile of sorted values, joined by lines; NaN of none.
double QuantileOf(std::span<const double> sorted, double q);

}  // namespace tenon::evaluate
