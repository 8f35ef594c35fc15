#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tenon::serve {

// What an hour of one core costs, so that /metrics can say what answers cost.
struct CorePrice {
  double hour = 0;   // 0: not said
  std::string unit;  // "EUR"; may be ""

  // "0.04 EUR", "0.04".
  static Result<CorePrice> Parse(std::string_view text);
};

}  // namespace tenon::serve
