#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/registry.h"
#include "serve/rollout.h"
#include "store/store.h"

namespace tenon::serve {

// The rollouts of a store: one under way an endpoint, and those that have ended. Every change is one transaction, so
// that several processes agree and a killed one leaves no half. What processes saw lies beside the store, a file a
// process: <data folder>/rollouts/<id>/<process>.json. Safe from any thread.
class Rollouts {
 public:
  explicit Rollouts(store::Store& store) : store_(store) {}

  // Begins: `rollout` with endpoint, model, champion, challenger and spec. The challenger's gates must have passed unless
  // `force`. failed_precondition when one is under way, or the challenger is the champion.
  Result<Rollout> Start(const Call& call, Rollout rollout, bool force);
  // The newest of an endpoint, running or not; none when there was none.
  Result<std::optional<Rollout>> Find(std::string_view endpoint) const;
  Result<std::vector<Rollout>> All() const;  // newest first
  // Grows with every change of that endpoint's.
  Result<std::int64_t> Revision(std::string_view endpoint) const;

  // Adds up what the processes saw; sets the evidence of the stages. What a process refused to load, in `refused`.
  Result<void> Gather(Rollout* rollout, std::string* refused) const;
  // One look of the control loop: gathers, joins labels, decides, and keeps it. A challenger that some process could not
  // load is rolled back. The step taken. `classes`: of the model's answers.
  Result<Step> Look(const Call& call, std::string_view endpoint, const std::vector<std::string>& classes);
  // What Look would do, without writing: whether there is anything to keep.
  Result<Decision> Judge(const Call& call, Rollout* rollout, const std::vector<std::string>& classes) const;

  // Ends it by hand: the challenger becomes champion, or goes. failed_precondition when none is running.
  Result<Rollout> Promote(const Call& call, std::string_view endpoint, std::string_view why);
  Result<Rollout> Abort(const Call& call, std::string_view endpoint, std::string_view why);

  // What this process saw (replaces what it wrote before).
  static Result<void> WriteSeen(platform::Files& files, const std::string& data_folder, const std::string& rollout,
                                const std::string& process, const std::vector<Tallies::Sum>& sums, const std::string& refused);

 private:
  Result<void> Keep(const Call& call, const Rollout& rollout, const char* event);
  Result<Rollout> Running(std::string_view endpoint) const;
  store::Store& store_;
};

}  // namespace tenon::serve
