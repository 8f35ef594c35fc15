#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "evaluate/evaluate.h"
#include "model/bundle.h"
#include "store/store.h"

namespace tenon::registry {

// One version of a model. Immutable once added.
struct ModelVersion {
  std::string name;
  int version = 0;         // from 1, no gaps
  std::string bundle;      // artifact hash
  std::string report;      // artifact hash of the HTML report
  Json metrics;            // {"test":{"roc_auc":0.83,...}}
  Json gates;              // [{"name","value","limit","passed"}]
  Json lineage;            // {"snapshot","split","graph","spec","code","environment","seed","run","parents"}
  bool gates_passed = false;
  Micros created = 0;
  std::string author;
  std::string id() const;  // "fraud@7"
  Json ToJson() const;
  static Result<ModelVersion> FromJson(const Json& json);
};

// Versions and aliases of models in a store. Safe from any thread and, through the store's transactions, from several
// processes.
class Registry {
 public:
  explicit Registry(store::Store& store) : store_(store) {}
  // Gives it the next number. The same bundle with the same verdict of its gates is the version that has it already; judged
  // otherwise, by other gates, it is a new one.
  Result<ModelVersion> Add(const Call& call, ModelVersion version);
  Result<ModelVersion> Find(std::string_view name, int version) const;    // not_found
  // "name", "name@7", "name@champion" or "name@latest"; "name" is the champion, or the latest when there is none.
  Result<ModelVersion> Resolve(std::string_view reference) const;
  Result<std::vector<ModelVersion>> List(std::string_view name = "") const;  // newest first; "": all models
  // alias -> version of a model.
  Result<std::vector<std::pair<std::string, int>>> Aliases(std::string_view name) const;

  // Points `alias` ("champion", "challenger", or any word) at a version, atomically, remembering what it pointed at, with
  // the event model_promoted. failed_precondition when the version's gates failed, unless `force`, which is recorded.
  Result<void> Promote(const Call& call, std::string_view name, int version, std::string_view alias, bool force);
  // Points `alias` back at what it pointed at before; failed_precondition when there is nothing before.
  Result<ModelVersion> Rollback(const Call& call, std::string_view name, std::string_view alias);
  // What `alias` pointed at over time, newest first: [{"version","at","actor","why"}].
  Result<Json> History(std::string_view name, std::string_view alias) const;
  // Grows with every change: a running service asks this to see whether it must look again. Cheap.
  Result<std::int64_t> Revision() const;

 private:
  store::Store& store_;
};

// A rule that a model must pass, as written under `gates:`: `metric op number`, where metric is a metric name,
// lift(metric, over: baseline|champion)[.low|.high], cost_per_1000, cost_saving_per_1000[.low], worst_slice(metric),
// gap(fairness metric), calibration_error, anomalies, leakage, latency_p99, size_bytes, unexplained, each also as champion.<metric>
// on the right-hand side. Numbers may have units: 5ms, 25MB, 3 %.
struct Gate {
  std::string text;
  std::string subject, op;         // op: > >= < <= ==
  std::string limit_text;
  static Result<Gate> Parse(std::string_view text);  // invalid_argument with a caret
};
struct GateResult {
  std::string name;                // the text as written
  double value = 0;
  double limit = 0;
  bool passed = false;
  std::string why;                 // for people: "0.031 is not above 0.05"
  Json ToJson() const;
};
// `facts`: what is known beside the report: {"anomalies": n, "leakage": n, "latency_p99": seconds, "size_bytes": n,
// "unexplained": share of a margin}.
// `champion` may be null: comparisons with it pass then, saying so. A subject that cannot be had (an unknown metric, no
// such slice) is an invalid_argument, not a pass.
Result<std::vector<GateResult>> CheckGates(const std::vector<Gate>& gates, const evaluate::EvaluationReport& report,
                                           const evaluate::EvaluationReport* champion, const Json& facts);

}  // namespace tenon::registry
