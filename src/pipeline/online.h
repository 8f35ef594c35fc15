#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "feature/materialize.h"
#include "feature/moving_values.h"
#include "feature/online_store.h"
#include "feature/stream.h"
#include "pipeline/kits.h"
#include "pipeline/project.h"

namespace tenon::pipeline {

// The rows that a project's feature views are made from, by the name of their source, without those that were erased (`tenon data erase`).
struct OnlineRows {
  std::shared_ptr<const table::Schema> schema;
  std::vector<table::Batch> rows;
};
using FeatureRows = std::map<std::string, OnlineRows, std::less<>>;
using FeatureSchemas = std::map<std::string, std::shared_ptr<const table::Schema>, std::less<>>;
Result<FeatureRows> ReadFeatureRows(const Call& call, platform::Files& files, const Project& project, const Kits& kits);
// Their columns alone: as they were when features were last made online, else from the rows.
FeatureSchemas SchemasOf(const FeatureRows& rows);
Result<FeatureSchemas> ReadFeatureSchemas(const Call& call, platform::Files& files, const Project& project, const Kits& kits);

// One view with its place in the online store.
struct OnlineView {
  std::shared_ptr<const feature::ViewPlan> plan;
  feature::RecordLayout layout;
  std::unique_ptr<feature::OnlineTable> table;
  std::unique_ptr<feature::OnlineTable> states;  // null: its values do not move
  std::string asked;                             // the column with the time of rows that ask
  bool own = false;                              // such a row is an event of the view itself (pipeline/own_events.h)
  // Its values as of a moment; one way for every asker.
  feature::MovingValues values() const { return {plan, table.get(), states.get()}; }
};

// A project's feature views online. Immutable but for what is in the tables; any number of threads.
class OnlineFeatures {
 public:
  // failed_precondition when the project has no feature views. `files` outlives it.
  static Result<std::unique_ptr<OnlineFeatures>> Open(platform::Files& files, const Project& project, FeatureSchemas sources);

  const std::vector<OnlineView>& views() const { return views_; }
  // not_found with near names.
  Result<const OnlineView*> View(std::string_view name) const;
  const FeatureSchemas& sources() const { return sources_; }
  // The keys of entities given as a list of values a join column, in the order of the view's entity columns: one a row.
  // invalid_argument naming column and value.
  static Result<std::vector<std::string>> KeysOf(const feature::ViewPlan& plan, const std::vector<const Json*>& values);
  // Materialises the views (all when none is named) and notes until when.
  Result<std::vector<std::pair<std::string, feature::Materialized>>> Materialize(const Call& call, const FeatureRows& rows, const std::vector<std::string>& names,
                                                                                  Micros until, bool full);
  // View -> until when it was last materialised; 0: never.
  Result<Json> Freshness() const;
  // Values of features for entities, as clients write them: `frame` is column -> list, with the entity columns and the view's time
  // column; features that are not there are missing. How many became their entity's record.
  Result<std::int64_t> Push(const OnlineView& view, const Json& frame, Micros now) const;

 private:
  platform::Files* files_ = nullptr;
  std::string folder_;
  FeatureSchemas sources_;
  std::unique_ptr<feature::OnlineStore> store_;
  std::vector<OnlineView> views_;
};

// The folder of everything online below a project's data folder.
std::string OnlineFolder(const Project& project);

}  // namespace tenon::pipeline
