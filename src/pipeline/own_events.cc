#include "pipeline/own_events.h"

#include <algorithm>
#include <numeric>

#include "base/text.h"

namespace tenon::pipeline {

using table::Type;

namespace {

Error Unserved(std::string_view view) {
  return Error(Code::kFailedPrecondition,
               Str("view ", view, " counts the row that asks (same_instant: true), which `online: {as_of: record}` cannot: nothing is counted beside records that stay as "
                   "they were stored. Set `same_instant: false` in the view, which leaves the row out in training as well, or `online: {as_of: request}`"));
}

}  // namespace

OwnEvents::OwnEvents(const OnlineView& view, std::span<const std::size_t> features, std::string_view label) : view_(view), label_(label) {
  if (!view.own || features.empty()) return;
  const feature::ViewPlan& plan = *view.plan;
  columns_ = plan.ReadAtOnce(features);
  if (!columns_) return;
  std::vector<table::Field> all = plan.reads();
  // Numbers of either kind, as models take them.
  for (table::Field& field : all) {
    if (field.type == Type::kInt64) field.type = Type::kFloat64;
  }
  for (const std::string& name : *columns_) {
    const auto field = std::ranges::find(all, name, &table::Field::name);
    if (name != view.asked && name != label) fields_.push_back(*field);
  }
  rows_ = std::make_unique<feature::RowsFromJson>(std::make_shared<const table::Schema>(std::move(all)));
}

Result<void> OwnEvents::Check() const {
  if (view_.states != nullptr) return {};
  return Unserved(view_.plan->view().name);
}

Result<void> OwnEvents::Add(const Json& row, Micros at) {
  const feature::FeatureView& spec = view_.plan->view();
  Json event = Json::MakeObject();
  for (const table::Field& field : view_.plan->reads()) {
    const Json* value = row.Find(field.name);
    const bool asked = field.name == view_.asked;
    const bool needed = std::ranges::find(fields_, field.name, &table::Field::name) != fields_.end();
    if (asked) event[field.name] = at;
    if (asked || field.name == label_) continue;
    if (value == nullptr && needed) {
      const std::string_view why = field.name == spec.known  ? "; when the row is known from, null for as it happens"
                                   : field.name == spec.time ? "; when the row counts from, null for not at all"
                                                             : ", null where there is none";
      return Error(Code::kInvalidArgument, Str("field '", field.name, "': missing; view ", spec.name, " counts the row itself (same_instant: true) and reads it", why));
    }
    // Of the others only what names the entity, and whether the row is taken back, has a meaning.
    const bool names = field.name == spec.deleted || std::ranges::find(spec.entity, field.name) != spec.entity.end();
    // A name of another type is said of the look-up.
    const bool wrong = !needed && value != nullptr && !feature::WhyNotOfType(*value, rows_->schema()[rows_->schema().Find(field.name)].type).empty();
    if (value != nullptr && (needed || names) && !wrong) event[field.name] = *value;
  }
  TENON_TRY(rows_->Add(event));
  none_.push_back(false);
  return {};
}

void OwnEvents::AddNone() {
  const auto added = rows_->Add(Json::MakeObject());
  none_.push_back(added.ok());
}

Result<feature::Events> OwnEvents::Finish() {
  TENON_ASSIGN(feature::Events out, view_.plan->EventsOf(rows_->Finish()));
  for (std::size_t i = 0; i < out.used.size(); ++i) {
    if (none_[i] || (!out.deleted.empty() && out.deleted[i] != 0)) out.used[i] = 0;
  }
  none_.clear();
  return out;
}

bool CountsOwnEvents(const Project& project, const feature::ViewPlan& plan) {
  if (plan.view().from != project.source.name) return false;
  std::vector<std::size_t> all(plan.view().features.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return plan.ReadAtOnce(all).has_value();
}

Result<void> CheckOwnEventsServed(const Project& project, const table::Schema& main_source) {
  if (project.online.moving) return {};
  for (const feature::FeatureView& view : project.features.views) {
    if (view.from != project.source.name) continue;
    TENON_ASSIGN(const auto plan, feature::ViewPlan::Make(view, main_source), project.file);
    if (CountsOwnEvents(project, *plan)) return Unserved(view.name);
  }
  return {};
}

}  // namespace tenon::pipeline
