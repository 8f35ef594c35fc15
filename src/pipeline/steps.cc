#include "pipeline/steps.h"

#include <optional>

#include "base/hash.h"
#include "base/text.h"

namespace tenon::pipeline {
namespace {

// Damaged is as good as gone: the step is done again, and what it keeps replaces the damaged bytes.
bool AllThere(const store::Store& store, const Json& outputs) {
  const Json* artifacts = outputs.Find("artifacts");
  if (artifacts == nullptr || !artifacts->is_object()) return true;
  for (const auto& [name, hash] : artifacts->object()) {
    if (!hash.is_string() || !store.Get(hash.String())) return false;
  }
  return true;
}

}  // namespace

Result<Json> Steps::Do(std::string_view step, const Json& made_from,
                       const std::function<Result<Json>(const Call&)>& work) {
  TENON_TRY(call_.Check(), std::string(step));
  Json named;
  named["step"] = step;
  named["code"] = kCodeVersion;
  named["from"] = made_from;
  const std::string key = HashOf(named.Canonical());
  const std::string name(step);
  if (!force_) {
    TENON_ASSIGN(std::optional<store::StepRecord> found, store_.FindStep(key), name);
    if (found && AllThere(store_, found->outputs)) {
      ++cached_;
      if (observer_) observer_({.step = name, .state = StepEvent::State::kCached, .text = found->outputs.StringAt("text"), .outputs = found->outputs});
      return std::move(found->outputs);
    }
  }
  if (observer_) observer_({.step = name, .state = StepEvent::State::kStarted});
  const auto started = std::chrono::steady_clock::now();
  store::StepRecord record{.key = key, .step = name, .run = run_, .outputs = {}, .started = call_.Now()};
  Call inner = call_;
  if (observer_) {
    inner.progress = [this, &name](const Progress& progress) {
      observer_({.step = name, .state = StepEvent::State::kProgress, .fraction = progress.fraction, .text = std::string(progress.what)});
    };
  }
  Result<Json> outputs = work(inner);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  if (!outputs) {
    if (observer_) observer_({.step = name, .state = StepEvent::State::kFailed, .seconds = seconds, .text = outputs.error().ForPeople()});
    return std::move(outputs).error().Context(name);
  }
  record.outputs = *outputs;
  record.finished = call_.Now();
  TENON_TRY(store_.PutStep(record), name);
  ++done_;
  if (observer_) observer_({.step = name, .state = StepEvent::State::kDone, .seconds = seconds, .text = outputs->StringAt("text"), .outputs = *outputs});
  return outputs;
}

}  // namespace tenon::pipeline
