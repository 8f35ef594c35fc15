#include "pipeline/verify_features.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <set>

#include "base/hash.h"
#include "base/text.h"

namespace tenon::pipeline {
namespace {

using feature::Value;
using table::Batch;
using table::Column;

constexpr std::size_t kExamples = 10;
constexpr std::string_view kAsked = "asked at";  // no source has a column of this name by chance
constexpr Micros kAfterwards = Micros{60} * 86400 * 1'000'000;
constexpr int kLater = 4;  // moments after that of a live record

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

// The entities of some rows, each with a moment to ask for.
Result<Batch> Asking(const Batch& rows, const feature::FeatureView& view, std::span<const std::int64_t> which, std::vector<std::int64_t> moments) {
  TENON_ASSIGN(const Batch entities, rows.Select(view.entity));
  const Batch asking = entities.Take(which);
  std::vector<table::Field> fields = asking.schema().fields();
  std::vector<Column> values;
  for (int i = 0; i < asking.columns(); ++i) values.push_back(asking.column(i));
  fields.push_back({std::string(kAsked), table::Type::kTimestamp});
  values.push_back(Column::Of(std::move(moments), table::Type::kTimestamp));
  return Batch(std::make_shared<const table::Schema>(std::move(fields)), std::move(values));
}

class Replay {
 public:
  Replay(const Call& call, const OnlineRows& rows, const OnlineView& view)
      : call_(call), rows_(rows), plan_(view.plan), layout_(view.layout), moves_(view.states != nullptr), own_(moves_ && view.own), nothing_(view.plan), empty_(plan_->view().features.size()) {
    nothing_.Values(empty_);
  }

  Result<void> Run(std::int64_t most, FeatureParity* out) {
    TENON_TRY(Prepare(most));
    out->rows = all_.rows();
    const std::vector<Batch> known = {all_};
    const feature::ViewRows view{plan_, &known};
    TENON_ASSIGN(const Batch joined, feature::JoinAsOf(call_, all_, plan_->view().time, {&view, 1}));
    expected_ = FeaturesOf(joined, *plan_);
    if (moves_) TENON_TRY(ExpectBetween(view));
    TENON_ASSIGN(auto database, platform::OpenSqlite(":memory:"));
    const auto files = platform::RealFiles();
    Kinds<feature::OnlineStoreKind> kinds;
    TENON_TRY(feature::AddAll(kinds));
    Json settings;
    settings["disk"] = false;
    TENON_ASSIGN(auto store, feature::StartOnlineStore(kinds, "embedded", settings, *files, ""));
    TENON_ASSIGN(auto table, store->Open("verify", layout_));
    std::unique_ptr<feature::OnlineTable> states;
    if (moves_) {
      TENON_ASSIGN(const feature::RecordLayout layout, feature::StateLayout());
      TENON_ASSIGN(states, store->Open("verify.states", layout));
    }
    TENON_ASSIGN(auto stream, feature::StreamProcessor::Make(rows_.schema, {{plan_, table.get(), states.get()}}, {}, *database));
    const feature::MovingValues online(plan_, table.get(), states.get());
    // All of one moment at once: what is asked at a time counts what happens at that very time.
    for (std::int64_t begin = 0; begin < all_.rows();) {
      TENON_TRY(call_.Check());
      std::int64_t end = begin + 1;
      while (end < all_.rows() && times_[static_cast<std::size_t>(end)] == times_[static_cast<std::size_t>(begin)]) ++end;
      if (own_) TENON_TRY(Before(begin, end, online, out));
      TENON_TRY(Moment(begin, end, *stream, *table, out));
      if (moves_) TENON_TRY(Between(begin, end, online, out));
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

  // For each row an entity seen by then and a moment before the next event: its windows go on though nothing happens.
  Result<void> ExpectBetween(const feature::ViewRows& view) {
    for (std::int64_t begin = 0; begin < all_.rows();) {
      const Micros now = times_[static_cast<std::size_t>(begin)];
      std::int64_t end = begin + 1;
      while (end < all_.rows() && times_[static_cast<std::size_t>(end)] == now) ++end;
      const Micros next = end < all_.rows() ? times_[static_cast<std::size_t>(end)] : now + kAfterwards;
      for (std::int64_t i = begin; i < end; ++i) {
        const auto row = static_cast<std::uint64_t>(i);
        whose_.push_back(static_cast<std::int64_t>(Hash64(row, 1) % static_cast<std::uint64_t>(end)));
        between_.push_back(now + static_cast<Micros>(Hash64(row, 2) % static_cast<std::uint64_t>(next - now)));
      }
      begin = end;
    }
    TENON_ASSIGN(const Batch asking, Asking(all_, plan_->view(), whose_, between_));
    TENON_ASSIGN(const Batch joined, feature::JoinAsOf(call_, asking, kAsked, {&view, 1}));
    expected_between_ = FeaturesOf(joined, *plan_);
    return {};
  }

  Result<void> Between(std::int64_t begin, std::int64_t end, const feature::MovingValues& online, FeatureParity* out) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::string& key = keys_[static_cast<std::size_t>(whose_[static_cast<std::size_t>(i)])];
      if (key.empty()) continue;
      const std::string_view asked = key;
      const Micros at = between_[static_cast<std::size_t>(i)];
      TENON_TRY(online.Get({&asked, 1}, {&at, 1}, &records_));
      for (std::size_t f = 0; f < expected_between_.size(); ++f) {
        ++out->values;
        const Column& expected = expected_between_[f];
        if (records_.Found(0) ? Same(records_, 0, f, expected, i) : Same(empty_[f], expected, i)) continue;
        ++out->differences;
        if (out->examples.size() < kExamples) {
          out->examples.push_back(Str(plan_->view().name, ".", plan_->view().features[f].name, " of ", key, " at ", FormatTimestamp(at), ", between events: offline ", TextOf(expected, i),
                                      ", online another"));
        }
      }
    }
    return {};
  }

  // The rows of a moment ask as a service's requests do: their own event is not stored yet.
  Result<void> Before(std::int64_t begin, std::int64_t end, const feature::MovingValues& online, FeatureParity* out) {
    std::map<std::string_view, int> times;
    for (std::int64_t i = begin; i < end; ++i) ++times[keys_[static_cast<std::size_t>(i)]];
    for (std::int64_t i = begin; i < end; ++i) {
      const std::string_view key = keys_[static_cast<std::size_t>(i)];
      if (!First(i) || key.empty() || times[key] > 1) continue;
      TENON_ASSIGN(feature::Events own, plan_->EventsOf(all_.Slice(i, 1)));
      if (!own.deleted.empty() && own.deleted[0] != 0) own.used[0] = 0;
      std::vector<feature::MovingValues::Counted> counted;
      const Micros at = times_[static_cast<std::size_t>(i)];
      TENON_TRY(online.Get({&key, 1}, {&at, 1}, own, &records_, &counted));
      ++out->asked;
      for (std::size_t f = 0; f < expected_.size(); ++f) {
        ++out->values;
        if (records_.Found(0) ? Same(records_, 0, f, expected_[f], i) : Same(empty_[f], expected_[f], i)) continue;
        ++out->differences;
        if (out->examples.size() < kExamples) {
          out->examples.push_back(Str(plan_->view().name, ".", plan_->view().features[f].name, " of ", key, " at ", FormatTimestamp(at), ", asked before it was stored: offline ",
                                      TextOf(expected_[f], i), ", online another"));
        }
      }
    }
    return {};
  }

  // Whether the row is the first record of its event.
  bool First(std::int64_t row) {
    const int id = plan_->view().event.empty() ? -1 : all_.schema().Find(plan_->view().event);
    return id < 0 || ids_.insert(TextOf(all_.column(id), row)).second;
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
  const bool moves_, own_;
  const feature::WindowState nothing_;
  std::vector<Value> empty_;  // of nothing_
  Batch all_;
  std::vector<Micros> times_;
  std::vector<std::string> keys_;
  std::set<std::string> ids_;  // of events that asked
  std::vector<Column> expected_, expected_between_;
  std::vector<std::int64_t> whose_;  // row -> another row, whose entity is asked for
  std::vector<Micros> between_;      // at this moment
  feature::Records records_;
};

// An entity whose record is online.
struct Live {
  std::string key;
  std::int64_t row = 0;  // one of its rows
  Micros created = 0;
};

// The rows that are in what is online: none that an entity's record was computed before.
Result<Batch> RowsBefore(const Batch& all, const feature::ViewPlan& plan, const std::vector<std::string>& keys, const std::map<std::string, Live, std::less<>>& live) {
  if (plan.view().always()) return all;
  TENON_ASSIGN(const Column time, all.Named(plan.view().time));
  Column known = time;
  if (!plan.view().known.empty()) {
    TENON_ASSIGN(known, all.Named(plan.view().known));
  }
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < all.rows(); ++i) {
    const auto found = live.find(keys[static_cast<std::size_t>(i)]);
    const auto after = [&](const Column& column) { return !column.IsNull(i) && column.ints()[static_cast<std::size_t>(i)] > found->second.created; };
    if (found == live.end() || (!after(time) && !after(known))) rows.push_back(i);
  }
  return all.Take(rows);
}

Result<std::map<std::string, Live, std::less<>>> LiveOf(const OnlineView& view, const std::vector<std::string>& keys) {
  std::map<std::string, Live, std::less<>> out;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!keys[i].empty()) out.try_emplace(keys[i], Live{keys[i], static_cast<std::int64_t>(i), 0});
  }
  std::vector<std::string_view> asked;
  for (const auto& [key, one] : out) asked.push_back(key);
  feature::Records records;
  TENON_TRY(view.table->Get(asked, &records));
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto at = out.find(asked[i]);
    if (records.Found(i)) at->second.created = records.created(i);
    else out.erase(at);
  }
  return out;
}

// Every record that is online, against offline at the moment it was computed for and at some later ones.
Result<void> VerifyLive(const Call& call, const OnlineRows& rows, const OnlineView& view, FeatureParity* out) {
  if (rows.rows.empty()) return {};
  const feature::ViewPlan& plan = *view.plan;
  const Batch all = Batch::Concat(rows.rows);
  std::vector<int> columns;
  for (const std::string& name : plan.view().entity) columns.push_back(all.schema().Find(name));
  std::vector<std::string> keys(static_cast<std::size_t>(all.rows()));
  for (std::int64_t i = 0; i < all.rows(); ++i) feature::AppendEntityKey(all, columns, plan.entity_types(), i, &keys[static_cast<std::size_t>(i)]);
  TENON_ASSIGN(const auto live, LiveOf(view, keys));
  out->live = static_cast<std::int64_t>(live.size());
  std::vector<std::string_view> asked;
  std::vector<std::int64_t> which;
  std::vector<Micros> moments;
  for (const auto& [key, one] : live) {
    for (int k = 0; k <= (view.states == nullptr ? 0 : kLater); ++k) {
      asked.push_back(key);
      which.push_back(one.row);
      const double share = static_cast<double>(Hash64(Hash64(key), static_cast<std::uint64_t>(k)) % 10000) / 10000;
      moments.push_back(one.created + (k == 0 ? 0 : static_cast<Micros>(std::pow(static_cast<double>(kAfterwards), share))));  // near ones as often as far ones
    }
  }
  feature::Records records;
  TENON_TRY(view.values().Get(asked, moments, &records));
  TENON_ASSIGN(const Batch before, RowsBefore(all, plan, keys, live));
  const std::vector<Batch> known = {before};
  const feature::ViewRows known_rows{view.plan, &known};
  TENON_ASSIGN(const Batch asking, Asking(all, plan.view(), which, moments));
  TENON_ASSIGN(const Batch joined, feature::JoinAsOf(call, asking, kAsked, {&known_rows, 1}));
  const std::vector<Column> expected = FeaturesOf(joined, plan);
  std::set<std::string_view> differ;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    for (std::size_t f = 0; f < expected.size(); ++f) {
      if (records.Found(i) && Same(records, i, f, expected[f], static_cast<std::int64_t>(i))) continue;
      differ.insert(asked[i]);
      if (out->examples.size() < kExamples) {
        out->examples.push_back(Str(plan.view().name, ".", plan.view().features[f].name, " of ", asked[i], " is another online than offline at ", FormatTimestamp(moments[i]), ": ",
                                    TextOf(expected[f], static_cast<std::int64_t>(i))));
      }
    }
  }
  out->live_differences = static_cast<std::int64_t>(differ.size());
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
    // What holds always comes by no stream.
    if (!view.plan->view().always()) TENON_TRY(Replay(call, source->second, view).Run(most, &one), Str("verifying ", one.view));
    TENON_TRY(VerifyLive(call, source->second, view, &one), Str("verifying ", one.view));
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace tenon::pipeline
