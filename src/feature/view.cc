#include "feature/view.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/hash.h"
#include "base/text.h"
#include "feature/view_internal.h"

namespace tenon::feature {
namespace {

constexpr std::array<std::pair<Function, std::string_view>, 14> kFunctions = {{{Function::kCount, "count"},
                                                                              {Function::kSum, "sum"},
                                                                              {Function::kMean, "mean"},
                                                                              {Function::kStd, "std"},
                                                                              {Function::kMin, "min"},
                                                                              {Function::kMax, "max"},
                                                                              {Function::kLast, "last"},
                                                                              {Function::kDistinct, "distinct"},
                                                                              {Function::kQuantile, "quantile"},
                                                                              {Function::kDecayedCount, "decayed_count"},
                                                                              {Function::kDecayedSum, "decayed_sum"},
                                                                              {Function::kDecayedMean, "decayed_mean"},
                                                                              {Function::kLatest, "latest"},
                                                                              {Function::kLag, "lag"}}};

// The shortest that ParseDuration reads back.
std::string DurationText(std::chrono::microseconds duration) {
  const std::int64_t micros = duration.count();
  constexpr std::array<std::pair<std::int64_t, const char*>, 4> kUnits = {
      {{86'400'000'000, "d"}, {3'600'000'000, "h"}, {60'000'000, "m"}, {1'000'000, "s"}}};
  for (const auto& [size, unit] : kUnits) {
    if (micros % size == 0) return Str(micros / size, unit);
  }
  return Str(FormatDouble(static_cast<double>(micros) / 1000), "ms");
}

Json WindowJson(const Window& window) {
  switch (window.kind) {
    case Window::Kind::kTumbling: {
      Json out;
      out["tumbling"] = window.text.substr(window.text.find('_') + 1);
      return out;
    }
    case Window::Kind::kSession: {
      Json out;
      out["session"] = window.text.substr(window.text.find('_') + 1);
      out["most"] = DurationText(window.most);
      return out;
    }
    default: return Json(window.text);
  }
}

Json AggregateJson(const FeatureView& view, int input) {
  const InputSpec& spec = view.inputs[static_cast<std::size_t>(input)];
  Json out = Json::MakeObject();
  if (!spec.of.empty()) out["of"] = spec.of;
  if (!spec.where.empty()) out["where"] = spec.where;
  out["delay"] = DurationText(spec.delay);
  if (spec.fill) out["fill"] = *spec.fill;
  for (const FeatureSpec& feature : view.features) {
    if (feature.input != input) continue;
    if (feature.function != Function::kQuantile) {
      out[NameOf(feature.function)].Push(WindowJson(feature.window));
      continue;
    }
    Json& list = out["quantile"];
    Json* of_share = nullptr;
    if (!list.is_array()) list = Json::MakeArray();
    for (Json& item : list.array()) {
      if (item.NumberAt("share") == feature.share) of_share = &item;
    }
    if (of_share == nullptr) {
      Json item;
      item["share"] = feature.share;
      list.Push(std::move(item));
      of_share = &list.array().back();
    }
    (*of_share)["over"].Push(WindowJson(feature.window));
  }
  return out;
}

Json TestsJson(const std::vector<FeatureTest>& tests) {
  Json out = Json::MakeArray();
  for (const FeatureTest& test : tests) {
    Json item;
    item["name"] = test.name;
    if (!test.events.is_null()) item["events"] = test.events;
    item["rows"] = test.rows;
    out.Push(std::move(item));
  }
  return out;
}

}  // namespace

std::string_view NameOf(Function function) {
  const auto at = std::ranges::find(kFunctions, function, &std::pair<Function, std::string_view>::first);
  return at == kFunctions.end() ? "" : at->second;
}

std::string ColumnOf(const FeatureView& view, const FeatureSpec& feature) { return Str(view.name, ".", feature.name); }

Json FeatureView::ToJson() const {
  Json out;
  out["entity"] = Json::ListOf(entity);
  if (!from.empty()) out["from"] = from;
  if (!time.empty()) out["time"] = time;
  if (!known.empty()) out["known"] = known;
  if (!event.empty()) out["event"] = event;
  if (!deleted.empty()) out["deleted"] = deleted;
  if (!where.empty()) out["where"] = where;
  if (ttl.count() != 0) out["ttl"] = DurationText(ttl);
  if (!same_instant) out["same_instant"] = false;
  for (const FeatureSpec& feature : features) {
    if (feature.function != Function::kLatest) continue;
    out["latest"].Push(Json(feature.name));
    out["delay"] = DurationText(inputs[static_cast<std::size_t>(feature.input)].delay);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const bool latest = std::ranges::any_of(features, [&](const FeatureSpec& feature) {
      return feature.input == static_cast<int>(i) && feature.function == Function::kLatest;
    });
    if (!latest) out["aggregate"][inputs[i].name] = AggregateJson(*this, static_cast<int>(i));
  }
  if (!owner.empty()) out["owner"] = owner;
  if (!description.empty()) out["description"] = description;
  if (!tags.empty()) out["tags"] = Json::ListOf(tags);
  if (!sensitive.empty()) out["sensitive"] = Json::ListOf(sensitive);
  out["version"] = version;
  if (!tests.empty()) out["tests"] = TestsJson(tests);
  return out;
}

std::string FeatureView::Hash() const {
  FeatureView bare = *this;
  bare.owner.clear();
  bare.description.clear();
  bare.tags.clear();
  bare.sensitive.clear();
  bare.tests.clear();
  Json json = bare.ToJson();
  json["name"] = name;
  return HashOf(json.Canonical());
}

Result<int> FeatureView::At(std::string_view feature) const {
  std::vector<std::string> known_names;
  for (std::size_t i = 0; i < features.size(); ++i) {
    if (features[i].name == feature) return static_cast<int>(i);
    known_names.push_back(features[i].name);
  }
  return Error(Code::kNotFound, Str("view ", name, " has no feature '", feature, "'", DidYouMean(feature, known_names)));
}

Json FeaturesSpec::ToJson() const {
  Json out = Json::MakeObject();
  for (const FeatureView& view : views) out[view.name] = view.ToJson();
  for (const OnDemandSpec& spec : on_demand) {
    Json item = Json(spec.expression);
    if (!spec.description.empty()) {
      item = Json::MakeObject();
      item["expression"] = spec.expression;
      item["description"] = spec.description;
    }
    out["on_demand"][spec.name] = std::move(item);
  }
  if (!tests.empty()) out["tests"] = TestsJson(tests);
  return out;
}

Result<const FeatureView*> FeaturesSpec::View(std::string_view name) const {
  std::vector<std::string> known_names;
  for (const FeatureView& view : views) {
    if (view.name == name) return &view;
    known_names.push_back(view.name);
  }
  return Error(Code::kNotFound, Str("no feature view '", name, "'", DidYouMean(name, known_names)));
}

std::string QuantileName(double share) {
  if (share == 0.5) return "median";
  std::string text = FormatShort(share * 100, 10);
  std::replace(text.begin(), text.end(), '.', '_');
  return "p" + text;
}

}  // namespace tenon::feature
