// Records of the store: versions, reports, cards, graphs, schemas, expectations, calibrations. Any JSON gives a record or
// an error, and a record written again is the same.

#include "evaluate/evaluate.h"
#include "frame/problem.h"
#include "fuzz/target.h"
#include "model/calibration.h"
#include "registry/registry.h"
#include "transform/graph.h"
#include "validate/check.h"

namespace tenon::fuzz {
namespace {

template <typename Record>
void Check(const Json& json, std::string_view what) {
  const auto record = Record::FromJson(json);
  if (!record.ok()) return CheckError(record.error());
  const Json written = record->ToJson();
  const auto again = Must(Record::FromJson(Must(Json::Parse(written.Dump()), what)), Str(what, ", written: ", written.Dump()));
  Same(again.ToJson().Dump(), written.Dump(), what);
}

void RunRecords(std::string_view input) {
  const auto json = Json::Parse(input);
  if (!json.ok()) return;
  Check<registry::ModelVersion>(*json, "a model version");
  Check<evaluate::EvaluationReport>(*json, "a report");
  Check<frame::ProblemCard>(*json, "a problem card");
  Check<transform::GraphSpec>(*json, "a graph");
  Check<table::Schema>(*json, "a schema");
  Check<validate::ColumnExpectation>(*json, "an expectation");
  Check<model::Calibration>(*json, "a calibration");
  if (const auto calibration = model::Calibration::FromJson(*json); calibration.ok()) {
    float before = -1;
    for (const float p : {0.0F, 1e-30F, 0.1F, 0.5F, 0.75F, 1.0F}) {
      const float after = calibration->Apply(p);
      Hold(!(after < before) || calibration->method() == "platt", "a calibration never turns an order round");
      before = after;
    }
  }
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  registry::ModelVersion version;
  version.name = "loan";
  version.version = 3;
  version.bundle = std::string(64, 'a');
  version.report = std::string(64, 'b');
  version.metrics = Must(Json::Parse(R"({"test":{"roc_auc":0.83}})"), "metrics");
  version.gates = Json::MakeArray();
  version.lineage = Json::MakeObject();
  version.created = 1700000000000000;
  version.author = "local";
  seeds.push_back(version.ToJson().Dump());
  evaluate::EvaluationReport report;
  report.subject = "linear on test";
  report.rows = 10;
  report.classes = {"no", "yes"};
  report.class_counts = {6, 4};
  report.metrics = {{"roc_auc", {0.8, 0.7, 0.9}}};
  report.confusion = {{5, 1}, {1, 3}};
  report.roc = {{0, 0, 1}, {1, 1, 0}};
  report.calibration = {{0.1, 0.2, 5}};
  report.score_histogram = {{1, 2}, {3, 4}};
  report.cost_per_1000 = evaluate::Estimate{5, 4, 6};
  report.lifts = {{"roc_auc", "baseline", {0.1, 0.05, 0.2}}};
  report.slices = {{"sex=f", 10, {{"roc_auc", {0.6, 0.5, 0.7}}}}};
  report.groups = {{"race", "x", 5, 0.5, 0.5, 0.1}};
  report.gaps = {{"demographic_parity:race", 0.1}};
  report.importances = {{"age", 0.5, {1, 2}, {0.1, 0.2}}};
  seeds.push_back(report.ToJson().Dump());
  frame::ProblemCard card;
  card.task = "binary";
  card.label = "y";
  card.classes = {"no", "yes"};
  card.class_rows = {6, 4};
  card.rows = 10;
  seeds.push_back(card.ToJson().Dump());
  transform::GraphSpec graph;
  graph.inputs = {{"age", table::Type::kInt64}, {"v", table::Type::kEmbedding, 3}};
  graph.nodes = {{"clip", {"age"}, {"age_c"}, Must(Json::Parse(R"({"low":0})"), "settings")}};
  graph.features = {"age_c"};
  seeds.push_back(graph.ToJson().Dump());
  seeds.push_back(table::Schema(graph.inputs).ToJson().Dump());
  validate::ColumnExpectation expectation;
  expectation.name = "job";
  expectation.type = table::Type::kString;
  expectation.domain = {"a", "b"};
  expectation.has_domain = true;
  seeds.push_back(expectation.ToJson().Dump());
  seeds.push_back(model::Calibration::Platt(1.5, -0.25).ToJson().Dump());
  seeds.push_back(Must(model::Calibration::Isotonic({0.1, 0.5, 0.9}, {0, 0.4, 1}), "a calibration").ToJson().Dump());
  return seeds;
}

}  // namespace

Target MakeRecords() { return {RunRecords, Seeds}; }

}  // namespace tenon::fuzz
