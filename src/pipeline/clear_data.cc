#include "pipeline/clear_data.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "base/text.h"

namespace tenon::pipeline {
namespace {

using store::Store;

constexpr std::string_view kSnapshot = "snapshot";
constexpr int kMostRuns = 1'000'000;

// Follows names from what stays to what it needs.
class Needs {
 public:
  explicit Needs(const std::vector<Store::Record>& records) {
    for (const Store::Record& record : records) {
      if (record.kind == kSnapshot) snapshots_[record.name] = &record.body;
    }
  }

  // Everything that looks like a hash is taken for one: too much stays rather than too little.
  void Mark(const Json& json, const std::string& why) {
    if (json.is_string()) return MarkName(json.String(), why);
    if (json.is_array()) {
      for (const Json& one : json.array()) Mark(one, why);
    } else if (json.is_object()) {
      for (const auto& [name, one] : json.object()) {
        MarkName(name, why);
        Mark(one, why);
      }
    }
  }
  void MarkName(const std::string& name, const std::string& why) {
    if (!IsHash(name) || !why_.emplace(name, why).second) return;
    if (const auto snapshot = snapshots_.find(name); snapshot != snapshots_.end()) Mark(*snapshot->second, why);
  }
  // "" when nothing needs it.
  std::string Why(const std::string& hash) const {
    const auto found = why_.find(hash);
    return found == why_.end() ? std::string() : found->second;
  }
  bool Needed(const std::string& hash) const { return why_.contains(hash); }

  // Whether a step's outputs name something that nothing else needs.
  bool NamesUnneeded(const Json& json) const {
    if (json.is_string()) return IsHash(json.String()) && !Needed(json.String());
    if (json.is_array()) return std::ranges::any_of(json.array(), [&](const Json& one) { return NamesUnneeded(one); });
    if (json.is_object()) return std::ranges::any_of(json.object(), [&](const auto& one) { return NamesUnneeded(one.second); });
    return false;
  }

 private:
  static bool IsHash(std::string_view text) {
    return text.size() == 64 && std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  }
  std::map<std::string, const Json*> snapshots_;
  std::map<std::string, std::string> why_;
};

std::string WhoNeeds(const Store::Record& record) {
  if (record.kind == "model_version") return Str("model ", record.name);
  return Str(record.kind, " ", record.name);
}

// "fraud@7" of the versions that answer, may soon, or were made last.
std::set<std::string> LiveVersions(const std::vector<Store::Record>& records, int newest) {
  std::set<std::string> live;
  std::map<std::string, int> seen;  // versions of a name, from the newest on
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    const Json& body = record->body;
    if (record->kind == "model_version" && seen[body.StringAt("name")]++ < newest) live.insert(record->name);
    if (record->kind == "alias") live.insert(Str(record->name.substr(0, record->name.rfind('/')), "@", body.IntAt("version")));
    if (record->kind == "rollout" && body.StringAt("status") == "running") {
      for (const char* arm : {"champion", "challenger"}) live.insert(Str(body.StringAt("model"), "@", body.IntAt(arm)));
    }
  }
  return live;
}

}  // namespace

Result<ClearPlan> PlanClearing(const Call& call, const Store& store, const KeepRule& rule) {
  call.Report("looking at what is needed");
  TENON_ASSIGN(const std::vector<Store::Record> records, store.AllRecords());
  Needs needs(records);
  const std::set<std::string> live = LiveVersions(records, rule.newest);
  for (const Store::Record& record : records) {
    // That a source was once so does not keep the rows.
    if (record.kind == kSnapshot || record.kind == "source_history") continue;
    if (record.kind == "model_version" && rule.only_live && !live.contains(record.name)) {
      for (const char* part : {"bundle", "report"}) needs.MarkName(record.body.StringAt(part), WhoNeeds(record));
      continue;
    }
    needs.Mark(record.body, WhoNeeds(record));
  }
  const Micros oldest = rule.younger.count() > 0 ? call.Now() - rule.younger.count() : std::numeric_limits<Micros>::max();
  std::map<std::string, int> seen;  // snapshots of a source, from the newest on
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    if (record->kind != kSnapshot) continue;
    const std::string source = record->body.StringAt("source");
    if (seen[source]++ < rule.newest) needs.MarkName(record->name, seen[source] == 1 ? Str("the newest of ", source) : Str("one of the ", rule.newest, " newest of ", source));
    if (record->at >= oldest) needs.MarkName(record->name, "young");
  }
  // Of the runs that did any work: one that found all done already says nothing of what it found.
  TENON_ASSIGN(const auto steps, store.Steps());
  std::set<std::string> working;
  for (const store::StepRecord& step : steps) working.insert(step.run);
  TENON_ASSIGN(auto runs, store.Runs(kMostRuns));
  std::erase_if(runs, [&](const store::RunRecord& run) { return !working.contains(run.id); });
  std::set<std::string> kept_runs;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (i < static_cast<std::size_t>(rule.newest) || runs[i].started >= oldest) kept_runs.insert(runs[i].id);
  }
  for (const store::StepRecord& step : steps) {
    if (kept_runs.contains(step.run)) needs.Mark(step.outputs, Str("run ", step.run));
  }

  ClearPlan plan;
  for (const store::StepRecord& step : steps) {
    if (needs.NamesUnneeded(step.outputs)) plan.steps.push_back(step.key);
  }
  TENON_ASSIGN(const auto artifacts, store.Artifacts());
  std::map<std::string, std::int64_t> sizes;
  for (const Store::ArtifactInfo& artifact : artifacts) {
    TENON_TRY(call.Check());
    sizes[artifact.hash] = artifact.bytes;
    if (needs.Needed(artifact.hash)) {
      plan.bytes_kept += artifact.bytes;
      continue;
    }
    plan.artifacts.push_back(artifact.hash);
    plan.bytes += artifact.bytes;
  }
  for (const Store::Record& record : records) {
    if (record.kind != kSnapshot) continue;
    const auto size = sizes.find(record.body.StringAt("artifact"));
    const std::int64_t whole = size == sizes.end() ? 0 : size->second;  // of a snapshot that older versions of the program kept in one
    plan.snapshots.push_back({record.name, record.body.StringAt("source"), record.body.IntAt("rows"), record.body.IntAt("bytes", whole), record.at, needs.Why(record.name)});
  }
  return plan;
}

Result<void> ClearData(const Call& call, Store& store, const ClearPlan& plan) {
  auto forgotten = store.Transaction([&]() -> Result<void> {
    std::int64_t snapshots = 0;
    for (const std::string& key : plan.steps) TENON_TRY(store.RemoveStep(key));
    for (const SnapshotFate& snapshot : plan.snapshots) {
      if (!snapshot.why.empty()) continue;
      TENON_TRY(store.RemoveRecord(kSnapshot, snapshot.hash));
      ++snapshots;
    }
    Json body;
    body["snapshots"] = snapshots;
    body["artifacts"] = static_cast<std::int64_t>(plan.artifacts.size());
    body["bytes"] = plan.bytes;
    body["actor"] = call.actor;
    return plan.artifacts.empty() && snapshots == 0 ? Result<void>() : store.AddEvent("data_cleared", body);
  });
  TENON_TRY(std::move(forgotten));
  for (std::size_t i = 0; i < plan.artifacts.size(); ++i) {
    TENON_TRY(call.Check());
    if (i % 100 == 0) call.Report("removing", static_cast<double>(i) / static_cast<double>(plan.artifacts.size()));
    TENON_TRY(store.RemoveArtifact(plan.artifacts[i]));
  }
  return {};
}

}  // namespace tenon::pipeline
