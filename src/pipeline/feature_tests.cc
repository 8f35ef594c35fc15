// Tests of feature views: events as the project file gives them, and what they must lead to.

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.h"
#include "base/time.h"
#include "pipeline/features.h"
#include "table/expression.h"

namespace tenon::pipeline {
namespace {

using feature::FeatureTest;
using feature::FeatureView;
using table::Batch;
using table::Type;

// The type that all values of a column have: what a reader would make of them.
Type TypeOf(const std::vector<const Json*>& values) {
  bool any = false, ints = true, numbers = true, bools = true, times = true;
  for (const Json* value : values) {
    if (value == nullptr || value->is_null()) continue;
    any = true;
    Micros at = 0;
    ints = ints && value->is_int();
    numbers = numbers && value->is_number();
    bools = bools && value->is_bool();
    times = times && value->is_string() && ParseTimestamp(value->String(), &at);
  }
  return !any || (numbers && !ints) ? Type::kFloat64 : ints ? Type::kInt64 : bools ? Type::kBool : times ? Type::kTimestamp : Type::kString;
}

Result<table::Column> ColumnFrom(const std::vector<const Json*>& values, Type type) {
  table::ColumnBuilder builder(type);
  for (const Json* value : values) {
    if (value == nullptr || value->is_null()) {
      builder.AddNull();
    } else if (type == Type::kString) {
      builder.AddText(value->is_string() ? value->String() : value->Dump());
    } else if (type == Type::kTimestamp) {
      Micros at = 0;
      if (!value->is_string() || !ParseTimestamp(value->String(), &at)) return Error(Code::kInvalidArgument, Str(value->Dump(), " is no time, such as 2024-02-29 12:30:00"));
      builder.AddInt(at);
    } else if (type == Type::kBool) {
      builder.AddInt(value->Bool());
    } else if (type == Type::kInt64) {
      builder.AddInt(value->Int());
    } else {
      builder.Add(value->Number());
    }
  }
  return builder.Finish();
}

// Rows of JSON as a batch; `times` are columns that are timestamps whatever is in them, `also` are there even when no row has them.
Result<Batch> RowsFrom(const Json::Array& rows, const std::set<std::string>& times, const std::vector<std::string>& also) {
  std::vector<std::string> names;
  for (const Json& row : rows) {
    if (!row.is_object()) return Error(Code::kInvalidArgument, Str("a row is an object of column: value, got ", row.KindName()));
    for (const auto& [name, value] : row.object()) {
      if (name != "expect" && std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
  }
  for (const std::string& name : also) {
    if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  std::vector<table::Field> fields;
  std::vector<table::Column> columns;
  for (const std::string& name : names) {
    std::vector<const Json*> values;
    for (const Json& row : rows) values.push_back(row.Find(name));
    const Type type = times.contains(name) ? Type::kTimestamp : TypeOf(values);
    TENON_ASSIGN(table::Column column, ColumnFrom(values, type), Str("column ", name));
    fields.push_back({name, type, 0});
    columns.push_back(std::move(column));
  }
  return Batch(std::make_shared<const table::Schema>(std::move(fields)), std::move(columns));
}

bool Same(const Json& got, const Json& expected) {
  if (got.is_number() && expected.is_number()) {
    const double a = got.Number(), b = expected.Number();
    return a == b || std::abs(a - b) <= 1e-9 * std::max(std::abs(a), std::abs(b));
  }
  Micros a = 0, b = 0;
  if (got.is_string() && expected.is_string() && ParseTimestamp(got.String(), &a) && ParseTimestamp(expected.String(), &b)) return a == b;
  return got == expected;
}

// Compares one row; `prefix` stands before the features' names in the batch.
Result<void> Compare(const Batch& got, std::int64_t row, const Json& expected, const std::string& prefix, FeatureTestResult* out) {
  for (const auto& [name, value] : expected.object()) {
    TENON_ASSIGN(const table::Column column, got.Named(prefix + name));
    ++out->checked;
    const Json is = column.ValueAt(row);
    if (!Same(is, value)) out->failures.push_back(Str("row ", row + 1, ": ", name, " is ", is.Dump(), ", expected ", value.Dump()));
  }
  return {};
}

Result<FeatureTestResult> RunOne(const Call& call, const FeatureView& view, const FeatureTest& test) {
  FeatureTestResult out{view.name, test.name, 0, {}};
  std::set<std::string> times = {view.time};
  if (!view.known.empty()) times.insert(view.known);
  std::vector<std::string> also = view.entity;
  also.insert(also.end(), {view.time, view.known, view.event, view.deleted});
  TENON_ASSIGN(const Batch events, RowsFrom(test.events.array(), times, also), "events");
  TENON_ASSIGN(const Batch asking, RowsFrom(test.rows.array(), {"at"}, {"at"}), "rows");
  TENON_ASSIGN(auto plan, feature::ViewPlan::Make(view, events.schema()));
  const std::vector<Batch> rows = {events};
  const feature::ViewRows of{plan, &rows};
  TENON_ASSIGN(const Batch joined, feature::JoinAsOf(call, asking, "at", {&of, 1}));
  for (std::int64_t row = 0; row < asking.rows(); ++row) {
    const Json* expected = test.rows.array()[static_cast<std::size_t>(row)].Find("expect");
    for (const auto& [name, value] : expected->object()) TENON_TRY(view.At(name));
    TENON_TRY(Compare(joined, row, *expected, view.name + ".", &out));
  }
  return out;
}

// The rows with every feature on demand that their columns allow beside them: one may read those before it.
Result<Batch> WithOnDemand(const feature::FeaturesSpec& features, const Batch& rows, const std::set<std::string>& wanted) {
  std::vector<table::Field> fields = rows.schema().fields();
  std::vector<table::Column> columns;
  for (int i = 0; i < rows.columns(); ++i) columns.push_back(rows.column(i));
  const auto batch = [&] { return Batch(std::make_shared<const table::Schema>(fields), columns); };
  for (const feature::OnDemandSpec& spec : features.on_demand) {
    if (rows.schema().Find(spec.name) >= 0) continue;  // the row says it itself
    const auto expression = table::Expression::Parse(spec.expression, table::Schema(fields));
    if (!expression.ok() && !wanted.contains(spec.name)) continue;
    if (!expression.ok()) return Error(Code::kInvalidArgument, Str("features.on_demand.", spec.name, ": ", expression.error().message()));
    columns.push_back(expression->Evaluate(batch()));
    fields.push_back({spec.name, expression->type(), 0});
  }
  return batch();
}

Result<FeatureTestResult> RunOnDemand(const feature::FeaturesSpec& features, const FeatureTest& test) {
  FeatureTestResult out{"", test.name, 0, {}};
  TENON_ASSIGN(const Batch rows, RowsFrom(test.rows.array(), {}, {}), "rows");
  std::vector<std::string> known;
  for (const auto& one : features.on_demand) known.push_back(one.name);
  std::set<std::string> wanted;
  for (const Json& row : test.rows.array()) {
    for (const auto& [name, value] : row.Find("expect")->object()) {
      if (std::ranges::find(known, name) == known.end()) return Error(Code::kInvalidArgument, Str("no feature on demand '", name, "'", DidYouMean(name, known)));
      wanted.insert(name);
    }
  }
  TENON_ASSIGN(const Batch all, WithOnDemand(features, rows, wanted));
  for (std::int64_t row = 0; row < rows.rows(); ++row) TENON_TRY(Compare(all, row, *test.rows.array()[static_cast<std::size_t>(row)].Find("expect"), "", &out));
  return out;
}

}  // namespace

Result<std::vector<FeatureTestResult>> RunFeatureTests(const Call& call, const feature::FeaturesSpec& features) {
  std::vector<FeatureTestResult> out;
  for (const FeatureView& view : features.views) {
    for (const FeatureTest& test : view.tests) {
      TENON_ASSIGN(FeatureTestResult result, RunOne(call, view, test), Str("features.", view.name, ", ", test.name));
      out.push_back(std::move(result));
    }
  }
  for (const FeatureTest& test : features.tests) {
    TENON_ASSIGN(FeatureTestResult result, RunOnDemand(features, test), Str("features.tests, ", test.name));
    out.push_back(std::move(result));
  }
  return out;
}

}  // namespace tenon::pipeline
