#include "pipeline/verify_features.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <set>

#include "base/text.h"

namespace tenon::pipeline {
namespace {

using feature::Value;
using table::Batch;
using table::Column;

constexpr std::size_t kExamples = 10;

std::string TextOf(const Column& column, std::int64_t row) { return column.ValueAt(row).Dump(); }

// Whether a record's feature is what the column says.
bool Same(const feature::Records& records, std::size_t row, std::size_t feature, const Column& expected, std::int64_t at) {
  const bool null = expected.IsNull(at);
  if (records.IsNull(row, feature) != null || null) return records.IsNull(row, feature) == null;
  if (expected.type() == table::Type::kString) return records.Text(row, feature) == expected.Text(at);
  if (expected.type() == table::Type::kFloat64) {
    return std::bit_cast<std::uint64_t>(records.Number(row, feature)) == std::bit_cast<std::uint64_t>(expected.doubles()[static_cast<std::size_t>(at)]);
  }
  if (expected.type() == table::Type::kBool) return records.Int(row, feature) == expected.bools()[static_cast<std::size_t>(at)];
  return records.Int(row, feature) == expected.ints()[static_cast<std::size_t>(at)];
}

bool Same(const Value& value, const Column& expected, std::int64_t at) {
  if (expected.type() == table::Type::kString) {
    return expected.IsNull(at) ? value.text.data() == nullptr : value.text.data() != nullptr && value.text == expected.Text(at);
  }
  return expected.IsNull(at) ? std::isnan(value.number) : value.number == expected.Number(at);
}

std::vector<Column> FeaturesOf(const Batch& joined, const feature::ViewPlan& plan) {
  std::vector<Column> out;
  for (const feature::FeatureSpec& feature : plan.view().features) {
    out.push_back(joined.column(joined.schema().Find(feature::ColumnOf(plan.view(), feature))));
  }
  return out;
}

class Replay {
 public:
  Replay(const Call& call, const OnlineRows& rows, const OnlineView& view) : call_(call), rows_(rows), plan_(view.plan), layout_(view.layout) {}

  Result<void> Run(std::int64_t most, FeatureParity* out) {
    TENON_TRY(Prepare(most));
    out->rows = all_.rows();
    const std::vector<Batch> known = {all_};
    const feature::ViewRows view{plan_, &known};
    TENON_ASSIGN(const Batch joined, feature::JoinAsOf(call_, all_, plan_->view().time, {&view, 1}));
    expected_ = FeaturesOf(joined, *plan_);
    TENON_ASSIGN(auto database, platform::OpenSqlite(":memory:"));
    const auto files = platform::RealFiles();
    Kinds<feature::OnlineStoreKind> kinds;
    TENON_TRY(feature::AddAll(kinds));
    Json settings;
    settings["disk"] = false;
    TENON_ASSIGN(auto store, feature::StartOnlineStore(kinds, "embedded", settings, *files, ""));
    TENON_ASSIGN(auto table, store->Open("verify", layout_));
    TENON_ASSIGN(auto stream, feature::StreamProcessor::Make(rows_.schema, {{plan_, table.get()}}, {}, *database));
    // All of one moment at once: what is asked at a time counts what happens at that very time.
    for (std::int64_t begin = 0; begin < all_.rows();) {
      TENON_TRY(call_.Check());
      std::int64_t end = begin + 1;
      while (end < all_.rows() && times_[static_cast<std::size_t>(end)] == times_[static_cast<std::size_t>(begin)]) ++end;
      TENON_TRY(Moment(begin, end, *stream, *table, out));
      begin = end;
      if (begin % 1000 < 10) call_.Report(Str("replaying ", plan_->view().name), static_cast<double>(begin) / static_cast<double>(all_.rows()));
    }
    return {};
  }

 private:
  // The rows with a time and an entity, in the order of time.
  Result<void> Prepare(std::int64_t most) {
    const Batch joined = Batch::Concat(rows_.rows);
    TENON_ASSIGN(const Column time, joined.Named(plan_->view().time));
    std::vector<int> columns;
    for (const std::string& name : plan_->view().entity) columns.push_back(joined.schema().Find(name));
    std::vector<std::int64_t> order;
    for (std::int64_t i = 0; i < joined.rows(); ++i) {
      if (!time.IsNull(i)) order.push_back(i);
    }
    std::ranges::stable_sort(order, {}, [&](std::int64_t row) { return time.ints()[static_cast<std::size_t>(row)]; });
    if (most > 0 && static_cast<std::int64_t>(order.size()) > most) order.resize(static_cast<std::size_t>(most));
    all_ = joined.Take(order);
    for (std::int64_t i = 0; i < all_.rows(); ++i) {
      times_.push_back(time.ints()[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])]);
      keys_.emplace_back();
      feature::AppendEntityKey(all_, columns, plan_->entity_types(), i, &keys_.back());
    }
    return {};
  }

  Result<void> Moment(std::int64_t begin, std::int64_t end, feature::StreamProcessor& stream, feature::OnlineTable& table, FeatureParity* out) {
    std::vector<std::string> texts;
    for (std::int64_t i = begin; i < end; ++i) texts.push_back(all_.RowAt(i).Dump());
    std::vector<feature::Message> messages;
    for (std::int64_t i = begin; i < end; ++i) messages.push_back({.offset = i, .value = texts[static_cast<std::size_t>(i - begin)]});
    TENON_TRY(stream.Process(call_, messages));
    for (std::int64_t i = begin; i < end; ++i) {
      const std::string& key = keys_[static_cast<std::size_t>(i)];
      if (key.empty()) continue;
      const std::string_view asked = key;
      TENON_ASSIGN(const std::vector<Value> values, stream.Look(0, key));
      TENON_TRY(table.Get({&asked, 1}, &records_));
      for (std::size_t f = 0; f < expected_.size(); ++f) {
        const bool streamed = Same(values[f], expected_[f], i);
        // An event that the view leaves out writes no record: there is then nothing online that could differ.
        const bool stored = !records_.Found(0) || records_.created(0) != stream.time() || Same(records_, 0, f, expected_[f], i);
        out->values += 2;
        if (streamed && stored) continue;
        ++out->differences;
        if (out->examples.size() < kExamples) {
          out->examples.push_back(Str(plan_->view().name, ".", plan_->view().features[f].name, " of ", key, " at ", FormatTimestamp(times_[static_cast<std::size_t>(i)]), ": offline ",
                                      TextOf(expected_[f], i), ", ", streamed ? "online" : "stream", " another"));
        }
      }
    }
    return {};
  }

  const Call& call_;
  const OnlineRows& rows_;
  std::shared_ptr<const feature::ViewPlan> plan_;
  const feature::RecordLayout& layout_;
  Batch all_;
  std::vector<Micros> times_;
  std::vector<std::string> keys_;
  std::vector<Column> expected_;
  feature::Records records_;
};

// Every record that is online, against offline at the moment it was computed for.
Result<void> VerifyLive(const Call& call, const OnlineRows& rows, const OnlineView& view, FeatureParity* out) {
  if (rows.rows.empty()) return {};
  const feature::ViewPlan& plan = *view.plan;
  const Batch all = Batch::Concat(rows.rows);
  std::vector<int> columns;
  for (const std::string& name : plan.view().entity) columns.push_back(all.schema().Find(name));
  std::set<std::string> seen;
  std::vector<std::string> keys;
  std::vector<std::int64_t> first;
  for (std::int64_t i = 0; i < all.rows(); ++i) {
    std::string key;
    feature::AppendEntityKey(all, columns, plan.entity_types(), i, &key);
    if (key.empty() || !seen.insert(key).second) continue;
    keys.push_back(key);
    first.push_back(i);
  }
  const std::vector<std::string_view> asked(keys.begin(), keys.end());
  feature::Records records;
  TENON_TRY(view.table->Get(asked, &records));
  std::vector<std::int64_t> found;
  std::vector<std::size_t> places;
  std::vector<std::int64_t> moments;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!records.Found(i)) continue;
    found.push_back(first[i]);
    places.push_back(i);
    moments.push_back(records.created(i));
  }
  TENON_ASSIGN(const Batch entities, all.Select(plan.view().entity));
  const Batch asking = entities.Take(found);
  std::vector<table::Field> fields = asking.schema().fields();
  std::vector<Column> values;
  for (int i = 0; i < asking.columns(); ++i) values.push_back(asking.column(i));
  fields.push_back({"asked at", table::Type::kTimestamp});
  values.push_back(Column::Of(moments, table::Type::kTimestamp));
  const feature::ViewRows known{view.plan, &rows.rows};
  TENON_ASSIGN(const Batch joined, feature::JoinAsOf(call, Batch(std::make_shared<const table::Schema>(fields), values), "asked at", {&known, 1}));
  const std::vector<Column> expected = FeaturesOf(joined, plan);
  out->live = static_cast<std::int64_t>(found.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    bool same = true;
    for (std::size_t f = 0; f < expected.size(); ++f) {
      if (Same(records, places[i], f, expected[f], static_cast<std::int64_t>(i))) continue;
      same = false;
      if (out->examples.size() < kExamples) {
        out->examples.push_back(Str(plan.view().name, ".", plan.view().features[f].name, " of ", keys[places[i]], " is another online than offline at ", FormatTimestamp(moments[i]), ": ",
                                    TextOf(expected[f], static_cast<std::int64_t>(i))));
      }
    }
    if (!same) ++out->live_differences;
  }
  return {};
}

}  // namespace

Result<std::vector<FeatureParity>> VerifyFeatures(const Call& call, const FeatureRows& rows, const OnlineFeatures& online, std::int64_t most) {
  std::vector<FeatureParity> out;
  for (const OnlineView& view : online.views()) {
    FeatureParity one;
    one.view = view.plan->view().name;
    const auto source = rows.find(view.plan->view().from);
    if (source == rows.end()) return Error(Code::kNotFound, Str("no rows of the source '", view.plan->view().from, "' were read"));
    TENON_TRY(Replay(call, source->second, view).Run(most, &one), Str("verifying ", one.view));
    TENON_TRY(VerifyLive(call, source->second, view, &one), Str("verifying ", one.view));
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace tenon::pipeline
