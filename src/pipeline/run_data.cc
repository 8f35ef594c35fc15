// The stages that settle what is learnt from: ingest, frame, split, validate.

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "base/text.h"
#include "dataset/acquire.h"
#include "dataset/history.h"
#include "pipeline/before.h"
#include "pipeline/references.h"
#include "pipeline/run_internal.h"

namespace tenon::pipeline {
namespace {

// Names, sizes and times of the files below a folder, of which there may be many large ones: enough to see that one changed.
Result<void> AddListing(const platform::Files& files, const std::string& folder, std::string* out) {
  TENON_ASSIGN(const std::vector<std::string> names, files.List(folder), "data.files");
  for (const std::string& name : names) {
    if (name.starts_with('.')) continue;  // the data folder, say
    const std::string path = platform::JoinPath(folder, name);
    TENON_ASSIGN(const platform::FileInfo info, files.Info(path));
    if (info.folder) {
      TENON_TRY(AddListing(files, path, out));
    } else {
      *out += Str(path, "\n", info.bytes, " ", info.modified, "\n");
    }
  }
  return {};
}

// Names and content hashes of the files of a source: a snapshot is made again only when a byte of them changed.
Result<Json> FilesOf(const platform::Files& files, const ingest::SourceSpec& source) {
  Json out = Json::MakeArray();
  for (const std::string& path : source.paths) {
    if (path == "-") return Error(Code::kInvalidArgument, "standard input cannot be read again: save it to a file first");
    const std::string full = platform::JoinPath(source.folder, path);
    const std::vector<std::string> matches = platform::Glob(full);
    if (matches.empty()) return Error(Code::kNotFound, Str("data.read: no file matches ", full));
    for (const std::string& match : matches) {
      if (!files.Exists(match)) return Error(Code::kNotFound, Str("data.read: there is no file ", match));
      TENON_ASSIGN(const platform::FileInfo info, files.Info(match));
      if (info.folder) return Error(Code::kInvalidArgument, Str("data.read: ", match, " is a folder; write a pattern such as ", match, "/*.csv"));
      TENON_ASSIGN(auto bytes, files.Map(match));
      Json file;
      file["name"] = platform::NameOf(match);
      file["hash"] = HashOf(bytes->view());
      out.Push(std::move(file));
    }
  }
  for (const auto& [column, folder] : source.contents) {
    std::string listing;
    TENON_TRY(AddListing(files, folder.empty() ? source.contents_folder : platform::JoinPath(source.contents_folder, folder), &listing));
    Json named;
    named["name"] = column;
    named["hash"] = HashOf(listing);
    out.Push(std::move(named));
  }
  return out;
}

}  // namespace

Result<std::string> RunState::IngestSource(const ingest::SourceSpec& source, const std::string& step_name) {
  Json from;
  from["source"] = source.ToJson();
  // What is outside is named by what came of it; files are looked at first, and read when a byte of them changed.
  dataset::Acquired got;
  const bool acquired = source.remote() || source.incremental();
  if (acquired) {
    TENON_ASSIGN(got, dataset::Acquire(call, source, kits.readers, store), step_name);
    for (const std::string& line : got.said) call.Say(Level::kWarning, line);
    from["snapshot"] = got.snapshot->hash();
    if (&source == &project.source) loaded_snapshot_ = got.snapshot;
  } else {
    TENON_ASSIGN(from["files"], FilesOf(store.files(), source), step_name);
  }
  TENON_ASSIGN(Json outputs, steps.Do(step_name, from, [&](const Call& step) -> Result<Json> {
    step.Report("reading");
    dataset::SnapshotPtr made = got.snapshot;
    if (!acquired) {
      TENON_ASSIGN(auto reader, ingest::Read(step, source, kits.readers));
      TENON_ASSIGN(made, dataset::Snapshot(step, *reader, source, store));
      got.library = reader->library();
    }
    Json out;
    out["library"] = got.library;
    out["snapshot"] = made->hash();
    TENON_ASSIGN(out["artifacts"], dataset::ArtifactsOf(store, made->hash()));
    out["rows"] = made->rows();
    out["columns"] = made->schema().size();
    out["text"] = Str(FormatCount(made->rows()), " rows x ", made->schema().size(), " columns, snapshot ", made->hash().substr(0, 12));
    if (&source == &project.source) loaded_snapshot_ = std::move(made);
    return out;
  }));
  TENON_TRY(dataset::NoteVersion(call, store, source.name, outputs.StringAt("snapshot")), step_name);
  if (&source == &project.source) reading_library = outputs.StringAt("library");
  return outputs.StringAt("snapshot");
}

Result<void> RunState::Ingest() {
  TENON_ASSIGN(snapshot, IngestSource(project.source, "ingest"));
  return {};
}

Result<dataset::SnapshotPtr> RunState::LoadedSnapshot() {
  if (loaded_snapshot_ == nullptr) {
    TENON_ASSIGN(loaded_snapshot_, dataset::LoadSnapshot(call, store, snapshot));
  }
  return loaded_snapshot_;
}

Result<void> RunState::Frame() {
  Json from;
  from["snapshot"] = snapshot;
  from["problem"] = project.problem.ToJson();
  TENON_ASSIGN(Json outputs, steps.Do("frame", from, [&](const Call& step) -> Result<Json> {
    TENON_ASSIGN(dataset::SnapshotPtr data, LoadedSnapshot());
    if (auto at = data->schema().At(project.problem.label); !at) {
      return std::move(at).error().Context("problem.label");
    }
    TENON_ASSIGN(table::Column label, data->Column(project.problem.label));
    TENON_ASSIGN(frame::ProblemCard framed, frame::Frame(step, project.problem, data->schema(), label));
    Json out;
    out["card"] = framed.ToJson();
    std::string classes;
    for (std::size_t i = 0; i < framed.classes.size() && i < 4; ++i) {
      classes += Str(i == 0 ? ", " : " / ", framed.classes[i], " ", FormatCount(framed.class_rows[i]));
    }
    out["text"] = Str(framed.task, " on '", framed.label, "'", classes, framed.classes.size() > 4 ? " ..." : "", ", judged by ", framed.metric);
    return out;
  }));
  TENON_ASSIGN(card, frame::ProblemCard::FromJson(*outputs.Find("card")));
  if (!kits.metrics.Find(card.metric)) {
    return Error(Code::kInvalidArgument, Str("problem.metric: no metric '", card.metric, "'",
                                             DidYouMean(card.metric, kits.metrics.Names())));
  }
  if (!card.suitable) {
    return Error(Code::kFailedPrecondition, Str("machine learning is not the right tool here: ", Join(card.concerns, "; ")));
  }
  return {};
}

Result<void> RunState::Split() {
  Json from;
  from["snapshot"] = snapshot;
  from["split"] = project.split.ToJson();
  from["card"] = card.ToJson();
  from["key"] = project.source.key;
  from["time"] = project.source.time;
  from["group"] = project.source.group;
  TENON_ASSIGN(Json outputs, steps.Do("split", from, [&](const Call& step) -> Result<Json> {
    TENON_ASSIGN(dataset::SnapshotPtr data, LoadedSnapshot());
    const std::string stratify = card.task == "regression" ? "" : card.label;
    TENON_ASSIGN(dataset::Split made, dataset::MakeSplit(step, *data, project.split, stratify));
    TENON_ASSIGN(table::Column label, data->Column(card.label));
    const std::vector<double> encoded = frame::EncodeLabel(card, label);
    for (std::size_t i = 0; i < encoded.size(); ++i) {
      if (!std::isnan(encoded[i]) || made.part[i] == dataset::Part::kUnused) continue;
      --made.count[static_cast<std::size_t>(made.part[i])];
      ++made.count[static_cast<std::size_t>(dataset::Part::kUnused)];
      made.part[i] = dataset::Part::kUnused;
    }
    for (const dataset::Part part : {dataset::Part::kTrain, dataset::Part::kTest}) {
      if (made.count[static_cast<std::size_t>(part)] == 0) {
        return Error(Code::kInvalidArgument, Str("no labelled rows are left for ", part == dataset::Part::kTrain ? "training" : "testing",
                                                 " (", made.how, "); change the shares under split:"));
      }
    }
    Json out;
    TENON_ASSIGN(out["artifacts"]["split"], store.Put(made.Save()));
    out["how"] = made.how;
    out["train"] = made.count[0];
    out["validation"] = made.count[1];
    out["test"] = made.count[2];
    out["unused"] = made.count[3];
    out["text"] = Str("train ", FormatCount(made.count[0]), ", validation ", FormatCount(made.count[1]), ", test ",
                      FormatCount(made.count[2]), made.count[3] > 0 ? Str(", unused ", FormatCount(made.count[3])) : "", "; ", made.how);
    loaded_split_ = std::move(made);
    return out;
  }));
  split = outputs.Find("artifacts")->StringAt("split");
  split_how = outputs.StringAt("how");
  return {};
}

Result<const dataset::Split*> RunState::LoadedSplit() {
  if (!loaded_split_) {
    TENON_ASSIGN(auto bytes, store.Get(split));
    TENON_ASSIGN(loaded_split_, dataset::Split::Load(bytes->view()), "the split");
  }
  return &*loaded_split_;
}

Result<const PartRows*> RunState::RowsOf(dataset::Part part) {
  const int at = static_cast<int>(part);
  if (const auto it = parts_.find(at); it != parts_.end()) return &it->second;
  TENON_ASSIGN(dataset::SnapshotPtr data, LoadedSnapshot());
  TENON_ASSIGN(const dataset::Split* parted, LoadedSplit());
  std::vector<table::Batch> taken;
  PartRows out;
  std::int64_t offset = 0;
  for (const table::Batch& batch : data->batches()) {
    std::vector<std::int64_t> rows;
    for (std::int64_t i = 0; i < batch.rows(); ++i) {
      const auto row = static_cast<std::size_t>(offset + i);
      if (parted->part[row] != part) continue;
      rows.push_back(i);
      out.fold.push_back(parted->fold[row]);
    }
    offset += batch.rows();
    taken.push_back(batch.Take(rows));
  }
  out.batch = table::Batch::Concat(taken);
  TENON_ASSIGN(table::Column label, out.batch.Named(card.label));
  out.label = frame::EncodeLabel(card, label);
  return &parts_.emplace(at, std::move(out)).first->second;
}

Result<void> RunState::Validate() {
  // The snapshot before this one, however often this one was run.
  TENON_ASSIGN(auto last, store.FindRecord("validated", project.source.name));
  Json previous = Json::MakeObject();
  if (last) {
    const bool same = last->body.StringAt("snapshot") == snapshot;
    if (const Json* before = last->body.Find("previous"); same && before != nullptr) previous = *before;
    if (!same) {
      for (const char* key : {"snapshot", "profile", "schema"}) previous[key] = last->body.StringAt(key);
    }
  }
  Json from;
  from["snapshot"] = snapshot;
  from["split"] = split;
  from["label"] = card.label;
  from["spec"] = project.validate.ToJson();
  if (!project.source.governance.is_null()) from["governance"] = project.source.governance;
  from["previous"] = previous;
  validate::ValidateSpec spec = project.validate;
  TENON_ASSIGN(const std::string references, ReadReferences(call, kits.readers, project.source.folder, &spec), "validate");
  if (!references.empty()) from["references"] = references;
  if (!project.source.governance.StringAt("freshness").empty()) from["hour"] = call.Now() / 3'600'000'000;  // what was fresh does not stay so
  TENON_ASSIGN(validation, steps.Do("validate", from, [&](const Call& step) -> Result<Json> {
    TENON_ASSIGN(dataset::SnapshotPtr data, LoadedSnapshot());
    TENON_ASSIGN(const dataset::Split* parted, LoadedSplit());
    TENON_ASSIGN(const validate::Before before, ReadBefore(step, store, previous, spec));
    TENON_ASSIGN(const validate::ValidationReport report, validate::Validate(step, *data, parted, before, card.label, spec, kits.checks));
    Json out;
    Json schema = Json::MakeArray();
    for (const auto& expected : report.schema) schema.Push(expected.ToJson());
    TENON_ASSIGN(out["artifacts"]["profile"], store.Put(report.profile.Save()));
    TENON_ASSIGN(out["artifacts"]["schema"], store.Put(schema.Canonical()));
    TENON_ASSIGN(out["artifacts"]["report"], store.Put(report.ToJson().Canonical()));
    int errors = 0;
    int warnings = 0;
    int leaks = 0;
    Json anomalies = Json::MakeArray();
    for (const validate::Anomaly& anomaly : report.anomalies) {
      errors += anomaly.severity == validate::Severity::kError ? 1 : 0;
      warnings += anomaly.severity == validate::Severity::kWarning ? 1 : 0;
      leaks += (anomaly.check == "leakage" || anomaly.check == "target_statistics") && anomaly.severity != validate::Severity::kInfo ? 1 : 0;
      anomalies.Push(anomaly.ToJson());
    }
    out["passed"] = report.passed;
    out["errors"] = errors;
    out["warnings"] = warnings;
    out["leakage"] = leaks;
    out["anomalies"] = std::move(anomalies);
    out["text"] = Str(errors, " errors, ", warnings, " warnings", report.passed ? "" : ": not fit to learn from");
    return out;
  }));
  Json body = Json::MakeObject();
  body["snapshot"] = snapshot;
  body["profile"] = validation.Find("artifacts")->StringAt("profile");
  body["schema"] = validation.Find("artifacts")->StringAt("schema");
  body["previous"] = previous;
  // Rows that are not fit are no measure: what comes next is held against those before them.
  const bool measure = validation.BoolAt("passed", true) || previous.object().empty();
  if (measure && (!last || last->body.Canonical() != body.Canonical())) {
    TENON_TRY(store.PutRecord("validated", project.source.name, body));
  }
  if (!validation.BoolAt("passed", true)) {
    std::string first;
    for (const Json& anomaly : validation.Find("anomalies")->array()) {
      if (anomaly.StringAt("severity") == "info") continue;
      first = Str(anomaly.StringAt("column"), ": ", anomaly.StringAt("long_text"), "; ", anomaly.StringAt("fix"));
      break;
    }
    return Error(Code::kFailedPrecondition, Str("the data did not pass validation (", validation.IntAt("errors"), " errors): ", first,
                                                "; `tenon validate` shows all of them"));
  }
  return {};
}

std::vector<std::string> RunState::LeftOut() const {
  std::vector<std::string> out = {card.label};
  for (const std::string& column : {project.source.key, project.source.group, project.split.column}) {
    if (!column.empty()) out.push_back(column);
  }
  for (const auto& [column, treatment] : project.source.sensitive) {  // requests bring no pseudonyms
    if (treatment == ingest::Treatment::kPseudonymise && column != card.label) out.push_back(column);
  }
  return out;
}

}  // namespace tenon::pipeline
