#include "pipeline/project.h"

#include <algorithm>
#include <filesystem>

#include "base/text.h"
#include "base/time.h"
#include "pipeline/features.h"

namespace tenon::pipeline {
namespace {

const Json& Nothing() {
  static const Json empty = Json::MakeObject();
  return empty;
}

const Json& ChapterOf(Fields& fields, std::string_view key) {
  const Json* at = fields.Find(key);
  return at != nullptr ? *at : Nothing();
}

// Folder names become endpoint names and URLs.
std::string Slug(std::string_view text) {
  std::string out;
  for (const char c : ToLower(text)) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      out += c;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out.empty() ? "project" : out;
}

Result<void> ReadGates(Fields& fields, std::vector<registry::Gate>* gates) {
  const Json* chapter = fields.Find("gates");
  if (chapter == nullptr) return {};
  if (!chapter->is_array()) return fields.Wrong("gates", "expected a list of rules such as 'roc_auc > 0.8'");
  for (const Json& item : chapter->array()) {
    std::string text;
    if (item.is_string()) {
      text = item.String();
    } else if (item.is_object() && item.object().size() == 1 && item.object()[0].second.is_string()) {
      // YAML takes `lift(roc_auc, over: baseline) > 0` for a key and a value.
      text = Str(item.object()[0].first, ": ", item.object()[0].second.String());
    } else {
      return fields.Wrong("gates", Str("expected a rule such as 'roc_auc > 0.8', got ", item.Dump()));
    }
    auto gate = registry::Gate::Parse(text);
    if (!gate) return fields.Wrong("gates", gate.error().message());
    gates->push_back(*std::move(gate));
  }
  return {};
}

// A label that is known late: the split leaves out what is not known yet, and its gap keeps training from knowing more than
// could be known when the test begins.
Result<void> MindLateLabels(const Fields& fields, Project* project) {
  const std::string& late = project->problem.known_after;
  if (late.empty()) return {};
  if (project->source.time.empty()) {
    return fields.Wrong("problem", Str("label.known_after: ", late, " counts from the time of a row; name its column under data: {time: column}"));
  }
  dataset::SplitSpec& split = project->split;
  split.known_after = late;
  if (split.by != "time" && split.by != "auto") return {};
  if (split.gap.empty()) {
    split.gap = late;
    return {};
  }
  TENON_ASSIGN(const auto gap, ParseDuration(split.gap));
  TENON_ASSIGN(const auto least, ParseDuration(late));
  if (gap >= least) return {};
  return fields.Wrong("split", Str("a gap of ", split.gap, " is shorter than problem.label.known_after: ", late,
                                   ": the last training rows would have labels that were not known when the test begins"));
}

}  // namespace

Result<TrainSpec> TrainSpec::Parse(const Json& json, std::string_view file) {
  TrainSpec spec;
  TENON_ASSIGN(Fields fields, Fields::Of(json, "train", file));
  TENON_TRY(fields.Read("learners", &spec.learners));
  TENON_TRY(fields.Read("imbalance", &spec.imbalance));
  std::int64_t seed = 1;
  TENON_TRY(fields.Read("seed", &seed));
  spec.seed = static_cast<std::uint64_t>(seed);
  if (spec.imbalance != "none" && spec.imbalance != "class_weight") {
    return fields.Wrong("imbalance", Str("expected none or class_weight, got '", spec.imbalance, "'"));
  }
  if (spec.learners.empty()) return fields.Wrong("learners", "name at least one learner");
  std::vector<std::string> known = spec.learners;
  known.emplace_back("baseline");
  for (const std::string& learner : known) {
    if (const Json* settings = fields.Find(learner); settings != nullptr) spec.settings.emplace_back(learner, *settings);
  }
  TENON_TRY(fields.Done());
  return spec;
}

Json TrainSpec::SettingsOf(std::string_view learner) const {
  for (const auto& [name, given] : settings) {
    if (name == learner) return given;
  }
  return Json::MakeObject();
}

Result<ServeSpec> ServeSpec::Parse(const Json& json, std::string_view folder, std::string_view file) {
  ServeSpec spec;
  TENON_ASSIGN(Fields fields, Fields::Of(json, "serve", file));
  TENON_TRY(fields.Read("endpoint", &spec.endpoint));
  TENON_TRY(fields.Read("strict", &spec.strict));
  TENON_TRY(fields.Read("rate", &spec.rate));
  TENON_TRY(fields.Read("most_body", &spec.most_body));
  TENON_TRY(fields.Read("grpc_port", &spec.grpc_port));
  TENON_TRY(fields.Read("repository", &spec.repository));
  if (spec.grpc_port < -1 || spec.grpc_port > 65535) return fields.Wrong("grpc_port", "expected a port, 0 for a free one, -1 for none of its own");
  std::string core_hour;
  TENON_TRY(fields.ReadScalar("core_hour", &core_hour));
  if (!core_hour.empty()) {
    auto price = serve::CorePrice::Parse(core_hour);
    if (!price) return fields.Wrong("core_hour", price.error().message());
    spec.core_hour = std::move(*price);
  }
  TENON_ASSIGN(spec.tls, TlsSpec::Parse(fields.Find("tls"), folder, file));
  TENON_ASSIGN(spec.limits, LimitsSpec::Parse(fields.Find("limits"), file));
  if (const Json* fallback = fields.Find("fallback"); fallback != nullptr && !fallback->is_null()) {
    TENON_ASSIGN(spec.fallback, serve::LadderSpec::Parse(*fallback, file));
  }
  if (const Json* batching = fields.Find("batching"); batching != nullptr && !batching->is_null()) {
    TENON_ASSIGN(spec.batching, serve::BatchSpec::Parse(*batching, file));
  }
  if (const Json* rollout = fields.Find("rollout"); rollout != nullptr && !rollout->is_null()) {
    TENON_ASSIGN(spec.rollout, serve::RolloutSpec::Parse(*rollout, file));
  }
  if (const Json* cascade = fields.Find("cascade"); cascade != nullptr && !cascade->is_null()) {
    TENON_ASSIGN(spec.cascade, CascadeSpec::Parse(*cascade, file));
  }
  TENON_ASSIGN(spec.streams, AnswerStreamSpec::Parse(fields.Find("streams"), file));
  TENON_ASSIGN(spec.outputs, OutputsSpec::Parse(fields.Find("outputs"), file));
  TENON_ASSIGN(spec.trace, TraceSpec::Parse(fields.Find("trace"), folder, file));
  TENON_ASSIGN(spec.access_log, AccessLogSpec::Parse(fields.Find("access_log"), folder, file));
  TENON_ASSIGN(spec.events, EventsSpec::Parse(fields.Find("events"), folder, file));
  TENON_ASSIGN(spec.log, LogSpec::Parse(fields.Find("log"), file));
  if (spec.rate < 0) return fields.Wrong("rate", "expected requests a second, 0 for no limit");
  if (spec.most_body < 1024) return fields.Wrong("most_body", "expected at least 1024 bytes");
  TENON_TRY(fields.Done());
  return spec;
}

std::string Project::data_folder() const { return platform::JoinPath(folder, ".tenon"); }

Result<Project> ParseProject(std::string_view text, const std::string& folder, const std::string& file) {
  TENON_ASSIGN(Json json, Json::ParseYaml(text, file));
  if (json.is_null()) return Error(Code::kInvalidArgument, Str(file, ": is empty; the least is 'data: file.csv' and 'problem: {label: column}'"));
  Project project;
  project.folder = folder;
  project.file = file;
  TENON_ASSIGN(Fields fields, Fields::Of(json, "", file));
  std::error_code ignored;
  project.name = std::string(platform::NameOf(std::filesystem::weakly_canonical(folder, ignored).string()));
  if (project.name.empty()) project.name = "project";
  TENON_TRY(fields.Read("project", &project.name));
  project.name = Slug(project.name);
  TENON_TRY(fields.Read("owner", &project.owner));
  if (fields.Find("problem") == nullptr) return fields.Wrong("", "'problem' must be set, such as problem: {label: approved}");
  TENON_ASSIGN(project.problem, frame::ProblemSpec::Parse(ChapterOf(fields, "problem"), file));
  const Json* data = fields.Find("data");
  if (data == nullptr) return fields.Wrong("", "'data' must be set, such as data: applications.csv");
  TENON_ASSIGN(std::vector<ingest::SourceSpec> sources, ingest::SourceSpec::ParseAll(*data, folder, file));
  project.source = std::move(sources.front());
  project.other_sources.assign(std::make_move_iterator(sources.begin() + 1), std::make_move_iterator(sources.end()));
  TENON_ASSIGN(project.features, feature::FeaturesSpec::Parse(ChapterOf(fields, "features"), file));
  TENON_TRY(BindViews(&project));
  TENON_ASSIGN(project.online, OnlineSpec::Parse(fields.Find("online"), file));
  TENON_ASSIGN(project.stream, StreamSpec::Parse(fields.Find("stream"), file));
  TENON_ASSIGN(project.validate, validate::ValidateSpec::Parse(ChapterOf(fields, "validate"), file));
  TENON_ASSIGN(project.split, dataset::SplitSpec::Parse(ChapterOf(fields, "split"), file));
  TENON_ASSIGN(project.transform, transform::TransformSpec::Parse(ChapterOf(fields, "transform"), file));
  TENON_ASSIGN(project.train, TrainSpec::Parse(ChapterOf(fields, "train"), file));
  TENON_ASSIGN(project.evaluate, evaluate::EvaluateSpec::Parse(ChapterOf(fields, "evaluate"), file));
  TENON_TRY(ReadGates(fields, &project.gates));
  TENON_ASSIGN(project.serve, ServeSpec::Parse(ChapterOf(fields, "serve"), folder, file));
  TENON_ASSIGN(project.monitor, monitor::MonitorSpec::Parse(ChapterOf(fields, "monitor"), file));
  if (const Json* card = fields.Find("card"); card != nullptr) {
    TENON_ASSIGN(Fields of_card, Fields::Of(*card, "card", file));
    for (const char* key : {"intended_use", "limitations", "contact"}) {
      std::string value;
      TENON_TRY(of_card.Read(key, &value));
      if (!value.empty()) project.card[key] = value;
    }
    TENON_TRY(of_card.Done());
  }
  TENON_TRY(fields.Done());
  for (const feature::FeatureView& view : project.features.views) {
    for (const feature::FeatureSpec& one : view.features) project.validate.as_known.push_back(feature::ColumnOf(view, one));
  }
  project.validate.left_out = project.transform.drop;
  for (const std::string& column : {project.source.key, project.source.group, project.split.column}) {
    if (!column.empty()) project.validate.left_out.push_back(column);
  }
  for (const auto& [column, treatment] : project.source.sensitive) {
    if (treatment == ingest::Treatment::kPseudonymise) project.validate.left_out.push_back(column);
  }
  TENON_TRY(MindLateLabels(fields, &project));
  if (project.serve.endpoint.empty()) project.serve.endpoint = project.name;
  for (AnswerStreamSpec& stream : project.serve.streams) stream.Settle(project.name, project.source.key, project.source.time);
  if (const auto& cascade = project.serve.cascade; cascade && std::ranges::find(project.train.learners, cascade->cheap) == project.train.learners.end()) {
    return fields.Wrong("serve", Str("cascade.cheap: '", cascade->cheap, "' is not among train.learners", DidYouMean(cascade->cheap, project.train.learners)));
  }
  if (project.serve.rollout) {  // costs that are numbers; those that differ by row cannot be told from labels alone
    double cost = 0;
    if (ParseDouble(project.problem.false_positive, &cost)) project.serve.rollout->false_positive_cost = cost;
    if (ParseDouble(project.problem.false_negative, &cost)) project.serve.rollout->false_negative_cost = cost;
  }
  return project;
}

Result<Project> LoadProject(const platform::Files& files, const std::string& folder) {
  const std::string file = platform::JoinPath(folder, "tenon.yaml");
  if (!files.Exists(file)) {
    return Error(Code::kNotFound, Str("there is no ", file, "; `tenon init ", folder, " --from data.csv --label column` writes one"));
  }
  TENON_ASSIGN(std::string text, files.Read(file));
  return ParseProject(text, folder, file);
}

}  // namespace tenon::pipeline
