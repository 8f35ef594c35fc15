#include "pipeline/complete.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.h"

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

Micros TimeOf(const Json& instance, const std::string& column, Micros now) {
  const Json* value = instance.Find(column);
  Micros at = now;
  if (value != nullptr && value->is_int()) return value->Int();
  if (value != nullptr && value->is_string()) ParseTimestamp(value->String(), &at);
  return at;
}

// One view's features that the model reads, into every instance.
class ViewInto {
 public:
  ViewInto(const OnlineView& view, const std::vector<std::string>& fields) : view_(view) {
    const feature::FeatureView& spec = view.plan->view();
    for (std::size_t f = 0; f < spec.features.size(); ++f) {
      const std::string column = feature::ColumnOf(spec, spec.features[f]);
      if (std::ranges::find(fields, column) != fields.end()) wanted_.emplace_back(f, column);
    }
  }
  bool any() const { return !wanted_.empty(); }

  Result<void> Add(Json::Array& instances, Micros now, bool overrides) {
    const feature::FeatureView& spec = view_.plan->view();
    std::vector<Json> lists(spec.entity.size(), Json::MakeArray());
    for (std::size_t i = 0; i < instances.size(); ++i) {
      for (std::size_t k = 0; k < spec.entity.size(); ++k) {
        const Json* value = instances[i].Find(spec.entity[k]);
        const bool all_given = std::ranges::all_of(wanted_, [&](const auto& one) { return instances[i].Find(one.second) != nullptr; });
        if (value == nullptr && !all_given) {
          return Error(Code::kInvalidArgument, Str("instance ", i, ", field '", spec.entity[k], "': missing; the features of view ", spec.name, " are looked up by it"));
        }
        lists[k].Push(value == nullptr ? Json() : *value);
      }
    }
    std::vector<const Json*> values;
    for (const Json& list : lists) values.push_back(&list);
    TENON_ASSIGN(const std::vector<std::string> keys, OnlineFeatures::KeysOf(*view_.plan, values));
    const std::vector<std::string_view> asked(keys.begin(), keys.end());
    feature::Records records;
    TENON_TRY(view_.table->Get(asked, &records), Str("looking up the features of ", spec.name));
    const feature::WindowState nothing(view_.plan);
    std::vector<feature::Value> empty(spec.features.size());
    nothing.Values(empty);
    for (std::size_t i = 0; i < instances.size(); ++i) {
      const bool known = records.Found(i) && (spec.ttl.count() == 0 || TimeOf(instances[i], spec.time, now) - records.at(i) <= spec.ttl.count());
      for (const auto& [feature, column] : wanted_) {
        if (instances[i].Find(column) != nullptr) {
          if (overrides) continue;
          return Error(Code::kInvalidArgument, Str("instance ", i, ", field '", column, "': comes from the online store; `online: {overrides: true}` lets requests bring it"));
        }
        const table::Type type = view_.layout.fields()[static_cast<int>(feature)].type;
        instances[i][column] = known ? ValueOf(records, i, feature, type) : ValueOf(empty[feature], type);
      }
    }
    return {};
  }

 private:
  const OnlineView& view_;
  std::vector<std::pair<std::size_t, std::string>> wanted_;
};

}  // namespace

Result<std::string> CompleteInstances(const OnlineFeatures& features, Micros now, bool overrides, std::string_view body, const std::vector<std::string>& fields) {
  std::vector<ViewInto> views;
  std::set<std::string> names;  // of entities and times
  for (const OnlineView& view : features.views()) {
    ViewInto into(view, fields);
    if (!into.any()) continue;
    views.push_back(std::move(into));
    for (const std::string& entity : view.plan->view().entity) names.insert(entity);
    names.insert(view.plan->view().time);
  }
  if (views.empty()) return std::string(body);
  for (const std::string& field : fields) names.erase(field);
  auto request = Json::Parse(body, "body");
  if (!request.ok()) return std::string(body);  // whoever reads it next says what is wrong
  const Json* list = request->Find("instances");
  if (list == nullptr || !list->is_array()) return std::string(body);
  Json::Array& instances = (*request)["instances"].array();
  if (!std::ranges::all_of(instances, [](const Json& one) { return one.is_object(); })) return std::string(body);
  for (ViewInto& view : views) TENON_TRY(view.Add(instances, now, overrides));
  for (Json& instance : instances) {
    std::erase_if(instance.object(), [&](const auto& member) { return names.contains(member.first); });
  }
  return request->Dump();
}

}  // namespace tenon::pipeline
