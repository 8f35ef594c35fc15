#include "validate/column_rules_internal.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"

namespace tenon::validate {
namespace {

constexpr std::array<std::string_view, 6> kStatistics = {"mean", "median", "std", "sum", "distinct", "distinct_share"};

Result<Bounds> BoundsOf(const Json& json, const std::string& path, std::string_view file) {
  TENON_ASSIGN(Fields of, Fields::Of(json, path, file));
  Bounds out;
  TENON_TRY(of.Read("min", &out.least));
  TENON_TRY(of.Read("max", &out.most));
  TENON_TRY(of.Done());
  if (std::isinf(out.least) && std::isinf(out.most)) return of.Wrong("", "bounds nothing; write min, max or both, such as {min: 3, max: 10}");
  if (!(out.least <= out.most)) return of.Wrong("min", Str(out.least, " is above max ", out.most));
  return out;
}

// increasing: true or strictly.
Result<Order> OrderOf(const Fields& fields, std::string_view key, const Json& json, Order plain, Order strict) {
  if (json.is_bool()) return json.Bool() ? plain : Order::kAny;
  if (json.is_string() && json.String() == "strictly") return strict;
  return fields.Wrong(key, Str("expected true, or strictly when no two may be equal, not ", json.is_string() ? Str("'", json.String(), "'") : json.Dump()));
}

Result<void> ReadOrder(Fields* fields, ColumnRules* out) {
  if (const Json* rising = fields->Find("increasing"); rising != nullptr && !rising->is_null()) {
    TENON_ASSIGN(out->order, OrderOf(*fields, "increasing", *rising, Order::kRising, Order::kStrictlyRising));
  }
  if (const Json* falling = fields->Find("decreasing"); falling != nullptr && !falling->is_null()) {
    if (out->order != Order::kAny) return fields->Wrong("decreasing", "a column cannot rise and fall; write one of increasing and decreasing");
    TENON_ASSIGN(out->order, OrderOf(*fields, "decreasing", *falling, Order::kFalling, Order::kStrictlyFalling));
  }
  TENON_TRY(fields->Read("within", &out->within));
  if (!out->within.empty() && out->order == Order::kAny) return fields->Wrong("within", "says whose rows are in order; write increasing or decreasing beside it");
  return {};
}

Result<void> ReadForm(Fields* fields, std::string_view path, std::string_view file, ColumnRules* out) {
  TENON_TRY(fields->Read("matches", &out->pattern));
  if (!out->pattern.empty()) {
    auto made = table::Pattern::Whole(out->pattern);
    if (!made.ok()) return fields->Wrong("matches", made.error().message());
    out->matches = std::move(*made);
  }
  TENON_TRY(fields->Read("format", &out->format));
  if (!out->format.empty()) {
    const std::vector<std::string> known = Formats();
    if (std::ranges::find(known, out->format) == known.end()) return fields->Wrong("format", Str("no format '", out->format, "'", DidYouMean(out->format, known)));
  }
  if (const Json* length = fields->Find("length"); length != nullptr && !length->is_null()) {
    if (length->is_int()) {
      out->length = Bounds{length->Number(), length->Number()};
    } else {
      TENON_ASSIGN(out->length, BoundsOf(*length, Str(path, ".length"), file));
    }
    if (out->length->most < 0) return fields->Wrong("length", Str("no text has ", FormatShort(out->length->most, 10), " characters; write 0 or more"));
  }
  return {};
}

Result<void> ReadStatistics(Fields* fields, std::string_view path, std::string_view file, ColumnRules* out) {
  for (const std::string_view name : kStatistics) {
    const Json* one = fields->Find(name);
    if (one == nullptr || one->is_null()) continue;
    TENON_ASSIGN(const Bounds bounds, BoundsOf(*one, Str(path, ".", name), file));
    out->statistics.push_back({{std::string(name)}, bounds});
  }
  const Json* quantiles = fields->Find("quantiles");
  if (quantiles == nullptr || quantiles->is_null()) return {};
  if (!quantiles->is_object()) return fields->Wrong("quantiles", "must be an object such as {0.99: {max: 900}}");
  for (const auto& [share, one] : quantiles->object()) {
    double q = 0;
    if (!ParseDouble(share, &q) || !(q >= 0 && q <= 1)) return fields->Wrong("quantiles", Str("'", share, "' is no share; write one from 0 to 1, such as 0.99"));
    TENON_ASSIGN(const Bounds bounds, BoundsOf(one, Str(path, ".quantiles.", share), file));
    out->statistics.push_back({{"quantiles", share}, bounds});
  }
  return {};
}

// Code points.
double LengthOf(std::string_view text) {
  return static_cast<double>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

std::string TextOf(const Bounds& bounds) {
  if (bounds.least == bounds.most) return FormatShort(bounds.least, 10);
  if (std::isinf(bounds.most)) return Str("at least ", FormatShort(bounds.least, 10));
  if (std::isinf(bounds.least)) return Str("at most ", FormatShort(bounds.most, 10));
  return Str(FormatShort(bounds.least, 10), " to ", FormatShort(bounds.most, 10));
}

std::string TextOf(const Json& value) {
  if (value.is_string()) return value.String();
  return value.is_number() && !value.is_int() ? FormatDouble(value.Number()) : value.Dump();
}

Result<ColumnRules> ReadColumnRules(Fields* fields, std::string_view path, std::string_view file) {
  ColumnRules out;
  TENON_TRY(fields->Read("mostly", &out.mostly));
  if (!(out.mostly > 0 && out.mostly <= 1)) return fields->Wrong("mostly", Str(out.mostly, " is no share of the values; write one above 0, at most 1"));
  TENON_TRY(ReadForm(fields, path, file, &out));
  TENON_TRY(ReadOrder(fields, &out));
  TENON_TRY(ReadStatistics(fields, path, file, &out));
  if (const Json* contains = fields->Find("contains"); contains != nullptr && !contains->is_null()) {
    if (!contains->is_array()) return fields->Wrong("contains", "must be a list of values that have to come");
    for (const Json& value : contains->array()) out.contains.push_back(TextOf(value));
  }
  return out;
}

Result<ColumnRules> RulesOf(const Json& settings) {
  TENON_ASSIGN(Fields fields, Fields::Of(settings, "validate.columns"));
  return ReadColumnRules(&fields, "validate.columns", "");
}

Result<ColumnRules> RulesOf(const Evidence& evidence, std::string_view column) {
  if (evidence.spec == nullptr) return ColumnRules();
  for (const auto& [name, settings] : evidence.spec->columns) {
    if (name == column && settings.is_object()) return RulesOf(settings);
  }
  return ColumnRules();
}

double StatisticOf(const table::ColumnProfile& profile, const std::vector<std::string>& name) {
  const double present = static_cast<double>(profile.count() - profile.missing());
  if (name[0] == "mean") return profile.mean();
  if (name[0] == "median") return profile.Quantile(0.5);
  if (name[0] == "std") return profile.stddev();
  if (name[0] == "sum") return present > 0 ? profile.mean() * present : 0;
  if (name[0] == "distinct") return profile.distinct();
  if (name[0] == "distinct_share") return present > 0 ? profile.distinct() / present : std::nan("");
  double q = 0;
  ParseDouble(name.back(), &q);
  return profile.Quantile(q);
}

std::string FormFault(const ColumnRules& rules, std::string_view text) {
  if (rules.matches && !rules.matches->Matches(text)) return Str("does not match '", rules.pattern, "'");
  if (!HasFormat(rules.format, text)) return Str("is no ", rules.format);
  if (rules.length && !rules.length->Hold(LengthOf(text))) return Str("has ", FormatShort(LengthOf(text), 10), " characters, not ", TextOf(*rules.length));
  return "";
}

}  // namespace tenon::validate
