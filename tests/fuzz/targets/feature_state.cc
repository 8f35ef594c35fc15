// The state of an entity of a feature view: what loads can be asked, goes on, and saved again loads as the same.

#include "feature/aggregate.h"
#include "fuzz/target.h"

namespace tenon::fuzz {
namespace {

std::shared_ptr<const feature::ViewPlan> Plan() {
  const Json json = Must(Json::ParseYaml(
      "{entity: a, time: t, latest: [x, s], ttl: 900s, aggregate: {x: {count: [100s, all], sum: [100s, {tumbling: 60s}, {session: 40s}], "
      "std: all, min: all, max: 100s, last: [100s, all], median: all, decayed_mean: 5s, delay: 3s}, s: {distinct: [100s, all], last: all}}}",
      "view"), "the view");
  auto view = Must(feature::FeatureView::Parse("v", json, "view"), "the view");
  const table::Schema source({{"a", table::Type::kInt64, 0}, {"t", table::Type::kTimestamp, 0}, {"x", table::Type::kFloat64, 0}, {"s", table::Type::kString, 0}});
  return Must(feature::ViewPlan::Make(std::move(view), source), "the plan");
}

feature::WindowState SomeState(const std::shared_ptr<const feature::ViewPlan>& plan, int events) {
  feature::WindowState state(plan);
  for (int i = 0; i < events; ++i) {
    feature::Value number, text;
    number.number = i * 0.5;
    text.text = i % 2 == 0 ? "even" : "odd";
    const feature::Value values[] = {number, text, number, text};
    state.Add({i * 30'000'000LL, i * 31'000'000LL, feature::kNever, values});
    if (i % 3 == 0) state.Advance(i * 20'000'000LL);
  }
  return state;
}

std::string Shown(const feature::WindowState& state, std::size_t features) {
  std::vector<feature::Value> values(features);
  state.Values(values);
  std::string out;
  for (const feature::Value& value : values) out += Str(value.number, "|", value.text, " ");
  return out;
}

void RunFeatureState(std::string_view input) {
  const auto plan = Plan();
  // The hash of the definition is made right, so that the rest is looked at.
  std::string bytes(input);
  const std::string head = feature::WindowState(plan).Save().substr(0, 1 + 8 + 64);
  if (bytes.size() > head.size()) bytes.replace(0, head.size(), head);
  auto state = feature::WindowState::Load(plan, bytes);
  if (!state.ok()) return CheckError(state.error());
  const std::size_t features = plan->view().features.size();
  const std::string shown = Shown(*state, features);
  auto again = Must(feature::WindowState::Load(plan, state->Save()), "what was saved again");
  Same(Shown(again, features), shown, "the values of a state saved again");
  state->Merge(SomeState(plan, 5));
  state->Advance(state->now() + 50'000'000);
  Shown(*state, features);
}

std::vector<std::string> Seeds() {
  const auto plan = Plan();
  return {SomeState(plan, 0).Save(), SomeState(plan, 1).Save(), SomeState(plan, 12).Save()};
}

}  // namespace

Target MakeFeatureState() { return {RunFeatureState, Seeds}; }

}  // namespace tenon::fuzz
