#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/call.h"
#include "base/json.h"
#include "store/store.h"

namespace tenon::pipeline {

// What happens to a step, for the live display and --json.
struct StepEvent {
  enum class State { kStarted, kProgress, kDone, kCached, kFailed };
  std::string step;          // "train:boosted_trees"
  State state = State::kStarted;
  double seconds = 0;        // of kDone
  double fraction = -1;      // of kProgress; negative: unknown
  std::string text;          // for people: what came out, or what is being done
  Json outputs;              // of kDone and kCached
};
using Observer = std::function<void(const StepEvent&)>;

// The one door of all steps of a run: asks whether to go on, finds what was made before from the same things, times,
// records, reports. A step is named by the hash of what it is made from, so nothing is done twice and a run that was
// killed goes on after its last finished step. One thread.
class Steps {
 public:
  // Raised when the meaning of a stored output changes, so that older ones are not found any more.
  static constexpr int kCodeVersion = 2;

  Steps(const Call& call, store::Store& store, std::string run, Observer observer, bool force)
      : call_(call), store_(store), run_(std::move(run)), observer_(std::move(observer)), force_(force) {}

  // `made_from`: everything the outputs depend on (hashes, settings, seed). `work` returns the outputs: small values,
  // "text" for people, and under "artifacts" an object of names and hashes, which all must be in the store for the
  // outputs to be found again.
  Result<Json> Do(std::string_view step, const Json& made_from, const std::function<Result<Json>(const Call&)>& work);

  int done() const { return done_; }
  int cached() const { return cached_; }
  const std::string& run() const { return run_; }

 private:
  const Call& call_;
  store::Store& store_;
  std::string run_;
  Observer observer_;
  bool force_;
  int done_ = 0;
  int cached_ = 0;
};

}  // namespace tenon::pipeline
