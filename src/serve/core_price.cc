#include "serve/core_price.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace tenon::serve {

Result<CorePrice> CorePrice::Parse(std::string_view text) {
  const std::string_view all = Trim(text);
  const std::size_t blank = all.find(' ');
  CorePrice price;
  price.unit = blank == std::string_view::npos ? "" : Trim(all.substr(blank));
  const bool word = std::ranges::none_of(price.unit, [](char c) { return c == ' ' || (c >= '0' && c <= '9'); });
  if (!ParseDouble(all.substr(0, blank), &price.hour) || !std::isfinite(price.hour) || price.hour <= 0 || !word) {
    return Error(Code::kInvalidArgument, Str("expected what an hour of one core costs, above 0, such as 0.04 EUR; got '", text, "'"));
  }
  return price;
}

}  // namespace tenon::serve
