// The stage between reading and framing: feature views beside the rows that are learnt from, as known at each row's time.

#include <set>

#include "base/text.h"
#include "pipeline/features.h"
#include "pipeline/own_events.h"
#include "pipeline/run_internal.h"

namespace tenon::pipeline {

Result<void> RunState::Features() {
  if (project.features.empty()) return {};
  Json from;
  from["snapshot"] = snapshot;
  from["time"] = project.source.time;
  if (!project.source.governance.is_null()) from["governance"] = project.source.governance;  // kept with what comes out
  std::vector<std::pair<std::string, std::string>> snapshots = {{project.source.name, snapshot}};
  for (const ingest::SourceSpec& source : project.other_sources) {
    if (const auto forbidden = validate::ForbiddenUse(source.governance, project.validate)) {
      return Error(Code::kFailedPrecondition, Str("source ", source.name, ": ", forbidden->long_text, "; ", forbidden->fix));
    }
    TENON_ASSIGN(const std::string hash, IngestSource(source, "ingest:" + source.name));
    snapshots.emplace_back(source.name, hash);
    from["sources"][source.name] = hash;
  }
  for (const feature::FeatureView& view : project.features.views) from["views"][view.name] = view.Hash();
  if (!project.features.views.empty()) {
    TENON_ASSIGN(Json outputs, steps.Do("features", from, [&](const Call& step) { return FeaturesStep(step, snapshots); }));
    snapshot = outputs.StringAt("snapshot");
    loaded_snapshot_ = nullptr;
  }
  if (project.features.on_demand.empty()) return {};
  TENON_ASSIGN(dataset::SnapshotPtr joined, LoadedSnapshot());
  TENON_ASSIGN(std::vector<transform::NodeSpec> nodes, OnDemandNodes(project.features, joined->schema()));
  transform.nodes.insert(transform.nodes.begin(), std::make_move_iterator(nodes.begin()), std::make_move_iterator(nodes.end()));
  return {};
}

Result<Json> RunState::FeaturesStep(const Call& step, const std::vector<std::pair<std::string, std::string>>& snapshots) {
  step.Report("reading the events", 0);
  std::vector<SourceRows> sources;
  for (const auto& [name, hash] : snapshots) {
    TENON_ASSIGN(dataset::SnapshotPtr rows, dataset::LoadSnapshot(step, store, hash), Str("source ", name));
    sources.push_back({name, rows->batches()});
  }
  TENON_TRY(CheckNoLabelLeaks(project, sources[0].batches[0].schema()));
  TENON_TRY(CheckOwnEventsServed(project, sources[0].batches[0].schema()));
  step.Report("joining as known at each row's time", 0.1);
  TENON_ASSIGN(table::Batch joined, WithFeatures(step, project, table::Batch::Concat(sources[0].batches), project.source.time, sources));
  const auto schema = joined.shared_schema();
  const std::int64_t rows = joined.rows();
  auto reader = table::ReaderOver(schema, {std::move(joined)});
  TENON_ASSIGN(dataset::SnapshotPtr made, dataset::Snapshot(step, *reader, project.source, store, true));
  std::int64_t features = 0;
  for (const feature::FeatureView& view : project.features.views) features += static_cast<std::int64_t>(view.features.size());
  Json out;
  out["snapshot"] = made->hash();
  TENON_ASSIGN(out["artifacts"], dataset::ArtifactsOf(store, made->hash()));
  out["features"] = features;
  out["text"] = Str(features, " features of ", project.features.views.size(), project.features.views.size() == 1 ? " view" : " views",
                    ", as known at the time of each of ", FormatCount(rows), " rows");
  return out;
}

}  // namespace tenon::pipeline
