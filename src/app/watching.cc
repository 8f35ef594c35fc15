#include "app/watching.h"

#include <algorithm>

#include "base/text.h"
#include "model/predictor.h"

namespace tenon::app {
namespace {

struct Reference {
  registry::ModelVersion version;
  std::shared_ptr<const model::Predictor> predictor;
  table::Profile columns;
  table::ColumnProfile predictions;
};

Result<Reference> ReferenceOf(const pipeline::Project& project, const store::Store& store, const registry::Registry& versions,
                              const pipeline::Kits& kits) {
  Reference out;
  TENON_ASSIGN(out.version, versions.Resolve(project.name));
  TENON_ASSIGN(auto bytes, store.Get(out.version.bundle));
  TENON_ASSIGN(auto bundle, model::Bundle::Open(bytes), out.version.id());
  TENON_ASSIGN(out.predictor, model::Predictor::Load(bundle, kits.ops, kits.formats), out.version.id());
  if (bundle->section("profile").empty()) {
    return Error(Code::kFailedPrecondition, Str(out.version.id(), " was imported without sample rows, so there is nothing to compare with; "
                                                "`tenon models import` it again with --samples"));
  }
  TENON_ASSIGN(table::Profile all, table::Profile::Load(bundle->section("profile")), out.version.id());
  TENON_ASSIGN(out.predictions, table::ColumnProfile::Load(bundle->section("predictions")), out.version.id());
  // Only what the model reads is logged, so only that is compared.
  std::vector<std::string> unused;
  for (const table::ColumnProfile& column : all.columns()) {
    const auto& inputs = out.predictor->graph().inputs();
    if (std::ranges::find(inputs, column.field().name, &table::Field::name) == inputs.end()) unused.push_back(column.field().name);
  }
  out.columns = std::move(all);
  for (std::string& name : unused) out.version.metrics["unused"].Push(std::move(name));
  return out;
}

monitor::MonitorSpec WithoutUnused(const pipeline::Project& project, const Reference& reference) {
  monitor::MonitorSpec spec = project.monitor;
  if (const Json* unused = reference.version.metrics.Find("unused"); unused != nullptr) {
    for (const Json& name : unused->array()) spec.drift.ignore.push_back(name.String());
  }
  return spec;
}

void HideSensitive(const pipeline::Project& project, monitor::WatchReport* report) {
  std::vector<std::string> masked;
  for (const auto& [column, treatment] : project.source.sensitive) masked.push_back(column);
  monitor::HideValues(masked, report);
}

Result<void> WritePage(store::Store& store, const monitor::WatchReport& report, std::string* page) {
  const std::string folder = platform::JoinPath(store.folder(), "reports");
  TENON_TRY(store.files().MakeFolders(folder));
  *page = platform::JoinPath(folder, "drift.html");
  return store.files().Write(*page, report.Html());
}

}  // namespace

Result<monitor::WatchReport> LookForDrift(const Call& call, const pipeline::Project& project, store::Store& store,
                                          const pipeline::Kits& kits, std::chrono::microseconds reach, std::string* page) {
  const registry::Registry versions(store);
  TENON_ASSIGN(Reference reference, ReferenceOf(project, store, versions, kits));
  const Micros now = call.Now();
  const Micros from = now - (reach.count() > 0 ? reach.count() : project.monitor.reach().count());
  TENON_ASSIGN(monitor::Window window, monitor::ReadWindow(call, store.files(), platform::JoinPath(store.folder(), "inference"),
                                                           project.serve.endpoint, "", from, now + 1));
  // What the log does not tell, or not as it was asked, cannot be compared.
  monitor::MonitorSpec spec = WithoutUnused(project, reference);
  for (const auto* names : {&project.serve.log.drop, &project.serve.log.hash}) spec.drift.ignore.insert(spec.drift.ignore.end(), names->begin(), names->end());
  TENON_ASSIGN(auto report, monitor::Watch(call, reference.columns, reference.predictions, window, spec, kits.drift_tests));
  HideSensitive(project, &report);
  TENON_TRY(WritePage(store, report, page));
  return report;
}

Result<monitor::WatchReport> LookForDriftInFile(const Call& call, const pipeline::Project& project, store::Store& store,
                                                const pipeline::Kits& kits, const std::string& file, std::string* page) {
  const registry::Registry versions(store);
  TENON_ASSIGN(Reference reference, ReferenceOf(project, store, versions, kits));
  ingest::SourceSpec source = project.source;
  source.paths = {file};
  source.folder = ".";
  TENON_ASSIGN(auto reader, ingest::Read(call, source, kits.readers), file);
  monitor::Window window;
  window.until = call.Now();
  window.columns = table::Profile(*reader->schema());
  window.predictions = table::ColumnProfile({.name = "prediction", .type = table::Type::kFloat64});
  model::Predictor::Scratch scratch;
  const auto outputs = static_cast<std::size_t>(reference.predictor->outputs());
  while (true) {
    TENON_ASSIGN(std::optional<table::Batch> batch, reader->Next(call), file);
    if (!batch) break;
    window.columns.Add(*batch);
    window.rows += batch->rows();
    TENON_ASSIGN(std::vector<float> predicted, reference.predictor->PredictBatch(call, *batch, scratch), file);
    for (std::size_t i = 0; i < predicted.size(); i += outputs) {
      window.predictions.AddNumber(static_cast<double>(*std::max_element(predicted.begin() + static_cast<std::ptrdiff_t>(i),
                                                                         predicted.begin() + static_cast<std::ptrdiff_t>(i + outputs))));
    }
  }
  window.models[reference.version.id()] = window.rows;
  TENON_ASSIGN(auto report, monitor::Watch(call, reference.columns, reference.predictions, window, WithoutUnused(project, reference), kits.drift_tests));
  HideSensitive(project, &report);
  TENON_TRY(WritePage(store, report, page));
  return report;
}

}  // namespace tenon::app
