#pragma once

#include <string>

namespace tenon::feature {

// How a quantile is called in feature names: 0.5 "median", 0.95 "p95", 0.999 "p99_9".
std::string QuantileName(double share);

}  // namespace tenon::feature
