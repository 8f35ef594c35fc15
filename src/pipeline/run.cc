#include "pipeline/run.h"

#include <array>
#include <cstdio>

#include "base/hash.h"
#include "base/text.h"
#include "pipeline/run_internal.h"
#include "pipeline/transform_files.h"

namespace tenon::pipeline {
namespace {

// Sortable by time, and different for two runs of the same second.
std::string NewRunId(const Call& call) {
  const Micros now = call.Now();
  const DateParts at = PartsOf(now);
  std::array<char, 64> buffer;
  std::snprintf(buffer.data(), buffer.size(), "run-%04d%02d%02d-%02d%02d%02d-%04x", at.year, at.month, at.day, at.hour, at.minute, at.second,
                static_cast<unsigned>(Hash64(static_cast<std::uint64_t>(now)) & 0xFFFF));
  return buffer.data();
}

// What the project file can name wrongly, before any work is done.
Result<void> CheckNames(const Project& project, const Kits& kits) {
  for (const std::string& learner : project.train.learners) {
    if (kits.learners.Find(learner)) continue;
    return Error(Code::kInvalidArgument, Str("train.learners: no learner '", learner, "'", DidYouMean(learner, kits.learners.Names())));
  }
  return {};
}

Result<void> GoThrough(RunState& state, const RunOptions& options, RunResult* result) {
  TENON_TRY(CheckNames(state.project, state.kits));
  TENON_TRY(AttachFiles(state.store.files(), state.project.folder, state.kits.ops, &state.transform));
  TENON_TRY(state.Ingest());
  TENON_TRY(state.Features());
  TENON_TRY(state.Frame());
  TENON_TRY(state.Split());
  TENON_TRY(state.Validate());
  TENON_TRY(state.Rehearse());
  TENON_TRY(state.Train());
  TENON_TRY(state.Judge());
  TENON_TRY(state.Release(options.deploy, result));
  return {};
}

Json SummaryOf(const RunState& state, const RunResult& result) {
  Json out;
  out["run"] = result.run;
  out["model"] = result.model;
  out["task"] = state.card.task;
  out["metric"] = state.card.metric;
  out["learner"] = state.candidates[state.chosen].learner;
  out["metrics"]["test"] = *state.judged.Find("metrics");
  out["baseline"] = *state.judged.Find("baseline");
  out["gates"] = *state.judged.Find("gates");
  out["gates_passed"] = result.gates_passed;
  out["deployed"] = result.deployed;
  out["champion_before"] = state.champion;
  out["snapshot"] = state.snapshot;
  out["threshold"] = state.judged.NumberAt("threshold");
  out["report"] = result.report;
  out["steps"]["done"] = result.steps_done;
  out["steps"]["cached"] = result.steps_cached;
  return out;
}

}  // namespace

Json Environment() {
  Json out;
  out["program"] = Str("tenon ", TENON_VERSION);
#if defined(__clang__)
  out["compiler"] = Str("clang ", __clang_major__, ".", __clang_minor__);
#else
  out["compiler"] = Str("g++ ", __GNUC__, ".", __GNUC_MINOR__);
#endif
#if defined(__x86_64__)
  out["machine"] = "x86_64-linux";
#elif defined(__aarch64__)
  out["machine"] = "aarch64-linux";
#else
  out["machine"] = "other";
#endif
  return out;
}

Result<RunResult> Run(const Call& call, const Project& project, store::Store& store, const Kits& kits,
                      const RunOptions& options, const Observer& observer) {
  RunResult result;
  result.run = NewRunId(call);
  store::RunRecord record{.id = result.run, .project = project.name, .status = "running", .summary = {}, .started = call.Now()};
  TENON_TRY(store.PutRun(record));
  Steps steps(call, store, result.run, observer, options.force);
  RunState state(call, project, store, kits, steps);
  Result<void> went = GoThrough(state, options, &result);
  result.steps_done = steps.done();
  result.steps_cached = steps.cached();
  record.finished = call.Now();
  if (!went) {
    record.status = "failed";
    record.summary["error"] = went.error().ToString();
    TENON_TRY(store.PutRun(record));
    return std::move(went).error();
  }
  result.summary = SummaryOf(state, result);
  record.status = result.gates_passed ? "succeeded" : "gates_failed";
  record.summary = result.summary;
  TENON_TRY(store.PutRun(record));
  return result;
}

}  // namespace tenon::pipeline
