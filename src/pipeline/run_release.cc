// The stage that makes a version of what was judged: bundle, report, registry, replay check, deployment.

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "pipeline/features.h"
#include "pipeline/release.h"
#include "pipeline/run_internal.h"
#include "pipeline/transform_files.h"
#include "serve/rollouts.h"

namespace tenon::pipeline {
namespace {

// Which of a network's kernels run hangs on the processor: as for imported networks.
constexpr double kNetworkTolerance = 1e-5;

}  // namespace

Json RunState::MadeBy() const {
  Json out = Environment();
  for (const std::string& library : {reading_library, candidates[chosen].library}) {
    if (const std::size_t blank = library.find(' '); blank != std::string::npos) out[library.substr(0, blank)] = library.substr(blank + 1);
  }
  return out;
}

Result<void> RunState::Release(bool deploy, RunResult* result) {
  const Candidate& candidate = candidates[chosen];
  Json lineage;
  lineage["snapshot"] = snapshot;
  lineage["split"] = split;
  lineage["graph"] = candidate.graph;
  lineage["model"] = candidate.model;
  lineage["evaluation"] = judged.Find("artifacts")->StringAt("evaluation");
  lineage["learner"] = candidate.learner;
  lineage["settings"] = candidate.settings;
  lineage["seed"] = static_cast<std::int64_t>(project.train.seed);
  lineage["code"] = Steps::kCodeVersion;
  lineage["environment"] = MadeBy();
  Json from;
  from["lineage"] = lineage;
  from["name"] = project.name;
  from["calibration"] = *judged.Find("calibration");
  from["threshold"] = judged.NumberAt("threshold");
  from["card"] = card.ToJson();
  from["about"] = project.card;
  if (const Json* cascade = judged.Find("cascade"); cascade != nullptr) from["cascade"] = *cascade;
  std::vector<std::string> masked;  // columns of which no document of the service tells values
  for (const auto& [column, treatment] : project.source.sensitive) masked.push_back(column);
  if (!masked.empty()) from["masked"] = Json::ListOf(masked);
  TENON_ASSIGN(Json packed, steps.Do("package", from, [&](const Call& step) -> Result<Json> {
    TENON_ASSIGN(auto graph, LoadGraph(candidate.graph));
    TENON_ASSIGN(auto loaded, LoadModel(candidate));
    TENON_ASSIGN(auto calibration, model::Calibration::FromJson(*judged.Find("calibration")));
    auto predictor = model::Predictor::Make(graph, loaded, calibration, judged.NumberAt("threshold"), card.classes);
    const Json* cascade = judged.Find("cascade");
    if (cascade != nullptr) {
      TENON_ASSIGN(predictor, Cascaded(predictor, *cascade));
    }
    TENON_ASSIGN(const PartRows* test, RowsOf(dataset::Part::kTest));
    TENON_ASSIGN(auto profile_bytes, store.Get(candidate.profile));
    TENON_ASSIGN(table::Profile profile, table::Profile::Load(profile_bytes->view()));
    Json manifest;
    manifest["version"] = 1;
    manifest["name"] = project.name;
    manifest["task"] = card.task;
    manifest["label"] = card.label;
    manifest["question"] = card.question;
    manifest["classes"] = Json::ListOf(card.classes);
    manifest["threshold"] = judged.NumberAt("threshold");
    manifest["calibration"] = *judged.Find("calibration");
    manifest["model_format"] = candidate.format;
    TENON_ASSIGN(manifest["inputs"], InputsOf(*graph, profile, masked));
    for (Json& input : manifest["inputs"].array()) {
      if (MayBeMissing(project.features, input.StringAt("name"))) input["required"] = false;
    }
    manifest["features"] = Json::ListOf(graph->feature_names());
    manifest["metrics"] = *judged.Find("metrics");
    manifest["metric"] = card.metric;
    manifest["lineage"] = lineage;
    manifest["card"] = project.card;
    manifest["created_by"] = Str("tenon ", TENON_VERSION);
    if (CarriesFiles(kits.ops, graph->spec())) manifest["golden_tolerance"] = kNetworkTolerance;
    std::map<std::string, std::string> sections;
    sections["graph"] = graph->Save();
    sections["model"] = loaded->Save();
    sections["profile"] = profile.Save();
    if (cascade != nullptr) {
      const model::Predictor& cheap = *predictor->cascade()->cheap;
      manifest["cascade"] = predictor->cascade()->sure.ToJson(predictor->task());
      manifest["cascade"]["cheap"] = cascade->StringAt("cheap");
      manifest["cascade"]["costly"] = cascade->StringAt("costly");
      manifest["cascade"]["format"] = cheap.model().format();
      manifest["cascade"]["calibration"] = *cascade->Find("calibration");
      sections["cheap_graph"] = cheap.graph().Save();
      sections["cheap_model"] = cheap.model().Save();
    }
    TENON_ASSIGN(Json golden, GoldenOf(step, *predictor, test->batch, test->label));
    sections["golden"] = golden.Canonical();
    TENON_ASSIGN(sections["predictions"], PredictionsProfile(step, *predictor, test->batch));
    const std::string bytes = model::Bundle::Write(manifest, sections);
    Json out;
    TENON_ASSIGN(out["artifacts"]["bundle"], store.Put(bytes));
    out["bytes"] = bytes.size();
    out["text"] = Str("bundle ", out.Find("artifacts")->StringAt("bundle").substr(0, 12), ", ", FormatCount(static_cast<std::int64_t>(bytes.size() / 1024)), " kB");
    return out;
  }));
  const std::string bundle_hash = packed.Find("artifacts")->StringAt("bundle");

  registry::Registry versions(store);
  registry::ModelVersion version;
  version.name = project.name;
  version.bundle = bundle_hash;
  version.metrics["test"] = *judged.Find("metrics");
  if (const Json* cascade = judged.Find("cascade"); cascade != nullptr) version.metrics["cascade"] = *cascade;
  version.gates = *judged.Find("gates");
  version.lineage = lineage;
  version.lineage["run"] = steps.run();
  version.gates_passed = judged.BoolAt("passed");
  version.author = call.actor;
  TENON_ASSIGN(version, versions.Add(call, std::move(version)), "register");
  result->model = version.id();
  result->gates_passed = version.gates_passed;

  const std::string reports = platform::JoinPath(store.folder(), "reports");
  result->report = platform::JoinPath(reports, version.id() + ".html");
  if (!store.files().Exists(result->report)) {
    TENON_ASSIGN(auto bytes, store.Get(judged.Find("artifacts")->StringAt("evaluation")));
    TENON_ASSIGN(Json json, Json::Parse(bytes->view()));
    TENON_ASSIGN(auto report, evaluate::EvaluationReport::FromJson(json));
    TENON_ASSIGN(Json context, ReportContext(version.id()));
    TENON_TRY(store.files().MakeFolders(reports));
    TENON_TRY(store.files().Write(result->report, evaluate::ReportHtml(report, context)));
  }
  if (!version.gates_passed || !deploy) return {};

  Json released;
  released["bundle"] = bundle_hash;
  released["model"] = version.id();
  TENON_ASSIGN(Json outputs, steps.Do("deploy", released, [&](const Call& step) -> Result<Json> {
    TENON_ASSIGN(auto bytes, store.Get(bundle_hash));
    TENON_ASSIGN(auto bundle, model::Bundle::Open(bytes));
    // The replay check: nothing is promoted that does not give the recorded bits.
    TENON_ASSIGN(auto served, serve::MakeServed(bundle, project.serve.endpoint, version.id(), version.version, kits.ops, kits.formats));
    TENON_ASSIGN(auto aliases, versions.Aliases(project.name));
    const bool already = std::ranges::any_of(aliases, [&](const auto& alias) { return alias.first == "champion" && alias.second == version.version; });
    const auto current = std::ranges::find(aliases, std::string("champion"), [](const auto& alias) { return alias.first; });
    if (!already && project.serve.rollout && current != aliases.end()) {
      serve::Rollout rollout;
      rollout.endpoint = project.serve.endpoint;
      rollout.model = project.name;
      rollout.champion = current->second;
      rollout.challenger = version.version;
      rollout.spec = *project.serve.rollout;
      serve::Rollouts rollouts(store);
      TENON_ASSIGN(rollout, rollouts.Start(step, std::move(rollout), false));
      Json begun;
      begun["model"] = version.id();
      begun["rollout"] = rollout.id;
      begun["text"] = Str(version.id(), " is let in beside ", project.name, "@", current->second, ": rollout ", rollout.id);
      return begun;
    }
    if (!already) TENON_TRY(versions.Promote(step, project.name, version.version, "champion", false));
    Json out;
    out["model"] = version.id();
    out["text"] = Str(version.id(), " answers as ", project.serve.endpoint, "; replayed rows gave the same bits");
    return out;
  }));
  TENON_ASSIGN(auto aliases, versions.Aliases(project.name));
  result->deployed = std::ranges::any_of(aliases, [&](const auto& alias) { return alias.first == "champion" && alias.second == version.version; });
  return {};
}

Result<Json> RunState::ReportContext(const std::string& model_id) {
  const Candidate& candidate = candidates[chosen];
  Json context;
  context["title"] = Str(project.name, ": ", model_id);
  context["project"] = project.name;
  context["owner"] = project.owner;
  context["question"] = project.problem.question;
  context["task"] = card.task;
  context["label"] = card.label;
  context["model"] = model_id;
  context["metric"] = card.metric;
  context["cost_unit"] = project.problem.cost_unit;
  context["verdict"] = judged.BoolAt("passed") ? "passed" : "failed";
  context["baseline"] = *judged.Find("baseline");
  context["gates"] = *judged.Find("gates");
  context["candidates"] = Json::MakeArray();
  for (const Candidate& other : candidates) {
    Json item;
    item["name"] = other.learner;
    item["metric"] = card.metric;
    item["value"] = other.score;
    item["seconds"] = other.seconds;
    context["candidates"].Push(std::move(item));
  }
  TENON_ASSIGN(auto rounds, store.Get(candidate.rounds));
  TENON_ASSIGN(context["rounds"], Json::Parse(rounds->view()));
  TENON_ASSIGN(dataset::SnapshotPtr data, LoadedSnapshot());
  context["data"]["source"] = data->source();
  context["data"]["rows"] = data->rows();
  context["data"]["columns"] = data->schema().size();
  context["data"]["snapshot"] = snapshot;
  context["data"]["split"] = split_how;
  context["anomalies"] = *validation.Find("anomalies");
  context["reasons"] = Json::ListOf(card.reasons);
  context["concerns"] = Json::ListOf(card.concerns);
  context["lineage"]["snapshot"] = snapshot;
  context["lineage"]["learner"] = candidate.learner;
  context["lineage"]["seed"] = static_cast<std::int64_t>(project.train.seed);
  const Json environment = MadeBy();
  for (const auto& [key, value] : environment.object()) context["lineage"][key] = value;
  context["card"] = project.card;
  return context;
}

}  // namespace tenon::pipeline
