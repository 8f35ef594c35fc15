#include "pipeline/complete.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "base/text.h"
#include "pipeline/own_events.h"

namespace tenon::pipeline {
namespace {

Json ValueOf(const feature::Records& records, std::size_t row, std::size_t feature, table::Type type) {
  if (records.IsNull(row, feature)) return {};
  if (type == table::Type::kString) return Json(records.Text(row, feature));
  if (type == table::Type::kFloat64) return Json(records.Number(row, feature));
  if (type == table::Type::kBool) return Json(records.Int(row, feature) != 0);
  if (type == table::Type::kTimestamp) return Json(FormatTimestamp(records.Int(row, feature)));
  return Json(records.Int(row, feature));
}

Json ValueOf(const feature::Value& value, table::Type type) {
  if (type == table::Type::kString) return value.text.data() == nullptr ? Json() : Json(value.text);
  if (std::isnan(value.number)) return {};
  return type == table::Type::kFloat64 ? Json(value.number) : Json(static_cast<std::int64_t>(value.number));
}

Result<Micros> TimeOf(const Json* value, Micros now) {
  if (value == nullptr || value->is_null()) return now;
  if (value->is_int()) return value->Int();
  Micros at = 0;
  if (value->is_string() && ParseTimestamp(value->String(), &at)) return at;
  return Error(Code::kInvalidArgument, Str("expected a time such as 2024-05-01T12:00:00Z, got ", value->Dump()));
}

void Append(const Json& value, table::Type type, table::ColumnBuilder& to) {
  if (value.is_null()) return to.AddNull();
  if (type == table::Type::kString) return to.AddText(value.String());
  if (type == table::Type::kFloat64) return to.Add(value.Number());
  if (value.is_bool()) return to.AddInt(value.Bool() ? 1 : 0);
  Micros at = 0;
  if (value.is_string() && ParseTimestamp(value.String(), &at)) return to.AddInt(at);
  value.is_int() ? to.AddInt(value.Int()) : to.AddNull();
}

// The features of one view that are wanted, of some rows.
class Look {
 public:
  struct Wanted {
    std::size_t feature;
    std::string column;
    table::Type type;
  };
  Look(const OnlineView& view, const std::vector<std::string>& fields, std::string_view label) : view_(view) {
    for (std::size_t f = 0; f < spec().features.size(); ++f) {
      const std::string column = feature::ColumnOf(spec(), spec().features[f]);
      if (std::ranges::find(fields, column) != fields.end()) wanted_.push_back({f, column, view_.layout.fields()[static_cast<int>(f)].type});
    }
    std::vector<std::size_t> features;
    for (const Wanted& one : wanted_) features.push_back(one.feature);
    own_.emplace(view_, features, label);
  }
  const feature::FeatureView& spec() const { return view_.plan->view(); }
  const std::vector<Wanted>& wanted() const { return wanted_; }
  const std::string& asked() const { return view_.asked; }  // the column with a row's time
  OwnEvents& own() { return *own_; }

  // `entities`: a list of values for each entity column; `at`: the rows' times.
  Result<void> Find(const std::vector<Json>& entities, const std::vector<Micros>& at) {
    std::vector<const Json*> values;
    for (const Json& list : entities) values.push_back(&list);
    TENON_ASSIGN(const std::vector<std::string> keys, OnlineFeatures::KeysOf(*view_.plan, values));
    const std::vector<std::string_view> asked(keys.begin(), keys.end());
    TENON_TRY(Get(asked, at), Str("looking up the features of ", spec().name));
    const feature::WindowState nothing(view_.plan);
    empty_.resize(spec().features.size());
    nothing.Values(empty_);
    known_.assign(at.size(), false);
    for (std::size_t i = 0; i < at.size(); ++i) {
      const bool there = records_.Found(i) && counted_[i] != Counted::kAlone;
      const bool fresh = spec().ttl.count() == 0 || at[i] - records_.at(i) <= spec().ttl.count();
      // A row that was counted beside an old record makes it known again; what is told of the store is told as without it.
      known_[i] = records_.Found(i) && (fresh || counted_[i] == Counted::kBeside);
      ++(!there ? absent : fresh ? found : stale);
    }
    return {};
  }
  Json Value(std::size_t row, const Wanted& wanted) const {
    return known_[row] ? ValueOf(records_, row, wanted.feature, wanted.type) : ValueOf(empty_[wanted.feature], wanted.type);
  }

  std::int64_t found = 0, absent = 0, stale = 0;

 private:
  using Counted = feature::MovingValues::Counted;

  Result<void> Get(const std::vector<std::string_view>& keys, const std::vector<Micros>& at) {
    counted_.assign(keys.size(), Counted::kNot);
    if (!own_->active()) return view_.values().Get(keys, at, &records_);
    TENON_ASSIGN(const feature::Events events, own_->Finish());
    return view_.values().Get(keys, at, events, &records_, &counted_);
  }

  const OnlineView& view_;
  std::vector<Wanted> wanted_;
  std::optional<OwnEvents> own_;  // always there
  std::vector<Counted> counted_;
  feature::Records records_;
  std::vector<feature::Value> empty_;
  std::vector<bool> known_;
};

// One view's features into the rows of a request.
Result<void> Into(Json::Array& rows, Look& look, Micros now, bool overrides, bool sensitive) {
  const feature::FeatureView& spec = look.spec();
  std::vector<Json> lists(spec.entity.size(), Json::MakeArray());
  std::vector<Micros> at;
  if (look.own().active()) TENON_TRY(look.own().Check());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    bool all_given = true;
    for (const Look::Wanted& one : look.wanted()) {
      const bool given = rows[i].Find(one.column) != nullptr;
      all_given = all_given && given;
      if (given && !overrides) {
        return Error(Code::kInvalidArgument, Str("instance ", i, ", field '", one.column, "': comes from the online store; `online: {overrides: true}` lets requests bring it"));
      }
      const std::string& name = spec.features[one.feature].name;
      if (!given && !sensitive && std::ranges::find(spec.sensitive, name) != spec.sensitive.end()) {
        return Error(Code::kPermissionDenied, Str("the model reads the feature ", spec.name, ":", name, ", which is sensitive: the key needs the scope sensitive"));
      }
    }
    for (std::size_t k = 0; k < spec.entity.size(); ++k) {
      const Json* value = rows[i].Find(spec.entity[k]);
      if (value == nullptr && !all_given) {
        return Error(Code::kInvalidArgument, Str("instance ", i, ", field '", spec.entity[k], "': missing; the features of view ", spec.name, " are looked up by it"));
      }
      lists[k].Push(value == nullptr ? Json() : *value);
    }
    auto time = TimeOf(rows[i].Find(look.asked()), now);
    if (!time.ok()) return Error(Code::kInvalidArgument, Str("instance ", i, ", field '", look.asked(), "': ", time.error().message()));
    at.push_back(*time);
    if (!look.own().active()) continue;
    if (all_given) {
      look.own().AddNone();
    } else if (auto added = look.own().Add(rows[i], *time); !added.ok()) {
      return Error(Code::kInvalidArgument, Str("instance ", i, ", ", added.error().message()));
    }
  }
  TENON_TRY(look.Find(lists, at));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (const Look::Wanted& one : look.wanted()) {
      if (rows[i].Find(one.column) == nullptr) rows[i][one.column] = look.Value(i, one);
    }
  }
  return {};
}

// The rows of a file as events of the view.
Result<void> AddOwn(const table::Batch& rows, const std::vector<Micros>& at, Look& look) {
  TENON_TRY(look.own().Check());
  std::vector<std::pair<std::string, const table::Column*>> columns;
  for (int i = 0; i < rows.columns(); ++i) {
    const std::string& name = rows.schema()[i].name;
    const bool read = name == look.spec().deleted || std::ranges::find(look.spec().entity, name) != look.spec().entity.end() ||
                      std::ranges::find(look.own().columns(), name, &table::Field::name) != look.own().columns().end();
    if (read) columns.emplace_back(name, &rows.column(i));
  }
  for (std::size_t i = 0; i < at.size(); ++i) {
    Json row = Json::MakeObject();
    for (const auto& [name, column] : columns) row[name] = column->ValueAt(static_cast<std::int64_t>(i));
    TENON_TRY(look.own().Add(row, at[i]));
  }
  return {};
}

Result<void> Into(const table::Batch& rows, Look& look, Micros now, std::vector<table::Field>* fields, std::vector<table::Column>* columns) {
  const feature::FeatureView& spec = look.spec();
  const auto n = static_cast<std::size_t>(rows.rows());
  std::vector<Json> lists;
  for (const std::string& entity : spec.entity) {
    const int place = rows.schema().Find(entity);
    if (place < 0) return Error(Code::kInvalidArgument, Str("lacks the column ", entity, " by which the features of view ", spec.name, " are looked up"));
    Json& list = lists.emplace_back(Json::MakeArray());
    for (std::size_t i = 0; i < n; ++i) list.Push(rows.column(place).ValueAt(static_cast<std::int64_t>(i)));
  }
  std::vector<Micros> at(n, now);
  if (const int place = rows.schema().Find(look.asked()); place >= 0) {
    for (std::size_t i = 0; i < n; ++i) {
      const Json value = rows.column(place).ValueAt(static_cast<std::int64_t>(i));
      TENON_ASSIGN(at[i], TimeOf(&value, now), Str("column ", look.asked()));
    }
  }
  if (look.own().active()) TENON_TRY(AddOwn(rows, at, look));
  TENON_TRY(look.Find(lists, at));
  for (const Look::Wanted& one : look.wanted()) {
    table::ColumnBuilder builder(one.type);
    for (std::size_t i = 0; i < n; ++i) Append(look.Value(i, one), one.type, builder);
    fields->push_back({one.column, one.type});
    columns->push_back(builder.Finish());
  }
  return {};
}

}  // namespace

bool IsOfView(const Project& project, std::string_view column) {
  return std::ranges::any_of(project.features.views, [&](const feature::FeatureView& view) {
    return std::ranges::any_of(view.features, [&](const feature::FeatureSpec& spec) { return feature::ColumnOf(view, spec) == column; });
  });
}

Completion::Completion(const OnlineFeatures& features, bool overrides, std::string label)
    : features_(features), overrides_(overrides), label_(std::move(label)), tallies_(features.views().size()) {}

Completion::Columns Completion::ColumnsFor(const std::vector<std::string>& fields) const {
  Columns out;
  for (const OnlineView& view : features_.views()) {
    Look look(view, fields, label_);
    if (look.wanted().empty()) continue;
    for (std::size_t k = 0; k < look.spec().entity.size(); ++k) {
      const std::string& entity = look.spec().entity[k];
      if (std::ranges::find(out.entities, entity) != out.entities.end()) continue;
      out.entities.push_back(entity);
      out.types.push_back(view.plan->entity_types()[k]);
    }
    if (std::ranges::find(out.times, look.asked()) == out.times.end()) out.times.push_back(look.asked());
    for (const table::Field& field : look.own().columns()) {
      if (std::ranges::find(out.events, field.name, &table::Field::name) == out.events.end()) out.events.push_back(field);
    }
  }
  return out;
}

Result<void> Completion::Complete(Json::Array& rows, const std::vector<std::string>& fields, Micros now, bool sensitive) {
  std::set<std::string> names;  // of entities, times and what the rows are as events
  for (std::size_t v = 0; v < features_.views().size(); ++v) {
    Look look(features_.views()[v], fields, label_);
    if (look.wanted().empty()) continue;
    TENON_TRY(Into(rows, look, now, overrides_, sensitive));
    tallies_[v].found += look.found;
    tallies_[v].absent += look.absent;
    tallies_[v].stale += look.stale;
    names.insert(look.spec().entity.begin(), look.spec().entity.end());
    names.insert(look.asked());
    names.insert(look.spec().deleted);
    for (const table::Field& field : look.own().columns()) names.insert(field.name);
  }
  for (const std::string& field : fields) names.erase(field);
  for (Json& row : rows) {
    std::erase_if(row.object(), [&](const auto& member) { return names.contains(member.first); });
  }
  return {};
}

Result<table::Batch> Completion::Complete(const table::Batch& rows, const std::vector<std::string>& fields, Micros now) {
  std::vector<std::string> lacking;
  for (const std::string& field : fields) {
    if (rows.schema().Find(field) < 0) lacking.push_back(field);
  }
  std::vector<table::Field> all = rows.schema().fields();
  std::vector<table::Column> columns;
  for (int i = 0; i < rows.columns(); ++i) columns.push_back(rows.column(i));
  for (std::size_t v = 0; v < features_.views().size(); ++v) {
    Look look(features_.views()[v], lacking, label_);
    if (look.wanted().empty()) continue;
    TENON_TRY(Into(rows, look, now, &all, &columns));
    tallies_[v].found += look.found;
    tallies_[v].absent += look.absent;
    tallies_[v].stale += look.stale;
  }
  return table::Batch(std::make_shared<const table::Schema>(std::move(all)), std::move(columns));
}

Result<std::vector<Completion::Health>> Completion::health() const {
  TENON_ASSIGN(const Json fresh, features_.Freshness());
  std::vector<Health> out;
  for (std::size_t v = 0; v < features_.views().size(); ++v) {
    const OnlineView& view = features_.views()[v];
    TENON_ASSIGN(const feature::OnlineStats stats, view.table->Stats());
    Health one{.view = view.plan->view().name, .found = tallies_[v].found, .absent = tallies_[v].absent, .stale = tallies_[v].stale, .newest_event = stats.newest_event};
    if (const Json* noted = fresh.Find(one.view); noted != nullptr) ParseTimestamp(noted->StringAt("until"), &one.materialized);
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace tenon::pipeline
