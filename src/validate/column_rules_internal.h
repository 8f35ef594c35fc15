#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "table/pattern.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {

struct Bounds {
  double least = -std::numeric_limits<double>::infinity(), most = std::numeric_limits<double>::infinity();
  bool Hold(double value) const { return value >= least && value <= most; }
};
// "3 to 10", "at least 3", "at most 10"
std::string TextOf(const Bounds& bounds);

enum class Order : std::uint8_t { kAny, kRising, kStrictlyRising, kFalling, kStrictlyFalling };

// What the user wrote under validate.columns for the values of one column that cannot be inferred: checks/form.cc, order.cc, statistics.cc and
// domain.cc hold the rows against it, ValidateRow one row.
struct ColumnRules {
  double mostly = 1;                         // the share of values that must be in range, domain and form
  std::string pattern;                       // as written; of the whole text
  std::optional<table::Pattern> matches;
  std::string format;                        // one of Formats(), or empty
  std::optional<Bounds> length;              // in characters
  Order order = Order::kAny;                 // from row to row
  std::string within;                        // a column: the order is that of the rows of each of its values; rows without one are not looked at
  std::vector<std::string> contains;         // values that must come
  std::vector<std::pair<std::vector<std::string>, Bounds>> statistics;  // {"mean"}, {"quantiles", "0.99"}
  bool HasForm() const { return matches.has_value() || !format.empty() || length.has_value(); }
};
// The members of ColumnRules among a column's settings; the others are left alone. Errors name path and place.
Result<ColumnRules> ReadColumnRules(Fields* fields, std::string_view path, std::string_view file);
// Of the settings as ValidateSpec::columns holds them, which Parse has checked.
Result<ColumnRules> RulesOf(const Json& settings);
// Of a column; nothing where none is written.
Result<ColumnRules> RulesOf(const Evidence& evidence, std::string_view column);

// A value of a domain or of `contains` as TextOf has values of columns: 1.0 is 1.
std::string TextOf(const Json& value);

// Statistics that may be bounded: mean, median, std, sum, distinct, distinct_share; quantiles by their share.
double StatisticOf(const table::ColumnProfile& profile, const std::vector<std::string>& name);

// Formats that a text may have: date, timestamp, number, integer, email, uuid, ip, ipv4, ipv6, url, json, hex, base64, iban, card; picture is
// for checks/pictures.cc and holds of any text here.
std::vector<std::string> Formats();
bool HasFormat(std::string_view format, std::string_view text);

// What of the form a text lacks, fit to follow it: "does not match '[A-Z]+'"; "" when nothing.
std::string FormFault(const ColumnRules& rules, std::string_view text);

}  // namespace tenon::validate
