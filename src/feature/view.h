#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "table/schema.h"

namespace tenon::feature {

// What is made of the values in a window. Missing, NaN and infinite values, and numbers of 2^500 and more, are left out
// by all but kLatest.
enum class Function : std::uint8_t {
  kCount,
  kSum,           // missing when there is none, like those below
  kMean,
  kStd,           // of a sample; missing below two values
  kMin,
  kMax,
  kLast,          // of the latest event that has a value
  kDistinct,      // how many different ones, exactly
  kQuantile,      // interpolated between neighbours, as numpy and DuckDB's quantile_cont do
  kDecayedCount,  // sums of 2^(-age / half-life); the window's length is the half-life
  kDecayedSum,
  kDecayedMean,
  kLatest,        // the value in the latest event, missing or not
  kLag,           // kLast as it was the window's length ago
};

// Which events count at time t, after r = t - delay.
struct Window {
  enum class Kind : std::uint8_t {
    kSliding,   // (r - length, r]
    kTumbling,  // the last whole [k * length, (k + 1) * length) that was over at r, counted from 1970-01-01 UTC
    kSession,   // back from the latest event while gaps are at most `length`, within (r - most, r]; none once r is
                // further than `length` from it
    kAll,       // everything until r
  };
  Kind kind = Kind::kAll;
  std::chrono::microseconds length{0};
  std::chrono::microseconds most{0};  // of sessions
  std::string text;                   // as it stands in feature names: "7d", "tumbling_1d", "session_30m", "all"
  friend bool operator==(const Window&, const Window&) = default;
};

// What is aggregated: a column or an expression over a row of the source, where `where` holds.
struct InputSpec {
  std::string name;                     // as feature names begin: "amount"
  std::string of;                       // expression; "": the column `name`
  std::string where;                    // expression; "": every row. Where it does not hold the value is missing
  std::chrono::microseconds delay{0};   // an event counts only that long after its time
  std::optional<double> fill;           // stands for a missing number in the features of this input
  friend bool operator==(const InputSpec&, const InputSpec&) = default;
};

struct FeatureSpec {
  std::string name;    // "amount_mean_7d"
  int input = 0;       // position in FeatureView::inputs
  Function function = Function::kCount;
  Window window;
  double share = 0.5;  // of quantiles
  friend bool operator==(const FeatureSpec&, const FeatureSpec&) = default;
};

// Given events and the values they must lead to: what `tenon features test` runs.
struct FeatureTest {
  std::string name;
  Json events;  // list of rows of the source
  Json rows;    // list of {entity columns, "at": time, "expect": {feature: value}}
  friend bool operator==(const FeatureTest&, const FeatureTest&) = default;
};

// Features of an entity, made from the events of one source. What the user wrote under `features: {name: ...}`. A value
// type; says nothing of the source's columns until it is bound (ViewPlan::Make in feature/aggregate.h).
//
// Time: an event is known at time t when its event time plus delay is <= t and its knowledge time is <= t. Nothing else
// is ever looked at, so what is asked for t cannot depend on what came later, and a backfill changes no older answer.
// Corrections: of the records with one `event` id, the one with the latest knowledge time <= t stands; if its `deleted`
// is true, none does. Of events with one time the one known later is the later, then the one with the greater values: the
// order in which rows are stored or arrive never matters.
struct FeatureView {
  static constexpr std::string_view kAlways = "always";
  std::string name;                    // letters, digits, _
  std::vector<std::string> entity;     // columns, in the source and in the rows that ask
  std::string from;                    // the source's name; "": the only one
  std::string time;                    // event time column; "": the source's; kAlways: the source is a table that does not change
  std::string known;                   // knowledge time column; "": known as it happens
  std::string event;                   // column with an event's id, for corrections; "": records are not corrected
  std::string deleted;                 // bool column: this record takes its event back
  std::vector<InputSpec> inputs;
  std::vector<FeatureSpec> features;   // first the latest values, then aggregates, in the order written
  std::chrono::microseconds ttl{0};    // older than that and nothing is known; 0: never too old
  std::string where;                   // expression over a row: other events do not count
  bool same_instant = true;            // whether an event at the very time t counts
  std::string owner, description;
  std::vector<std::string> tags;
  std::vector<std::string> sensitive;  // features that need the right to read them
  std::int64_t version = 1;
  std::vector<FeatureTest> tests;

  // Errors: invalid_argument with place; unknown settings name the nearest known.
  static Result<FeatureView> Parse(std::string_view name, const Json& json, std::string_view file);
  // What Parse takes, complete and canonical: Parse(name, ToJson()) is equal.
  Json ToJson() const;
  // SHA-256 of all that its values depend on: not owner, description, tags, tests.
  std::string Hash() const;
  // Its source has one row an entity, which holds at any time: the shops of a chain, the currencies of countries.
  bool always() const { return time == kAlways; }
  // Position in features; not_found with near names.
  Result<int> At(std::string_view feature) const;
  friend bool operator==(const FeatureView&, const FeatureView&) = default;
};

// A feature computed from a row and its features when asked for: "amount / nullif(customer.amount_mean_30d, 0)".
struct OnDemandSpec {
  std::string name;
  std::string expression;
  std::string description;
  friend bool operator==(const OnDemandSpec&, const OnDemandSpec&) = default;
};

// What the user wrote under `features:`.
struct FeaturesSpec {
  std::vector<FeatureView> views;
  std::vector<OnDemandSpec> on_demand;
  std::vector<FeatureTest> tests;  // of on-demand features: rows only

  static Result<FeaturesSpec> Parse(const Json& json, std::string_view file);
  Json ToJson() const;
  bool empty() const { return views.empty() && on_demand.empty(); }
  // not_found with near names.
  Result<const FeatureView*> View(std::string_view name) const;
};

// "customer.amount_mean_7d": the column of a view's feature beside the columns of the row that asked.
std::string ColumnOf(const FeatureView& view, const FeatureSpec& feature);
std::string_view NameOf(Function function);

}  // namespace tenon::feature
