#include "platform/priority.h"

#include <linux/sched/types.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tenon::platform {

// Linux keeps the nice value of each thread by itself.
void YieldToOthers() { (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 19); }

// The scheduler (EEVDF) runs whose deadline is first, which is its turn's length away: the shorter the turn, the sooner.
void TakeShortTurns() {
  constexpr unsigned kLeastTurnNanos = 100'000;  // that Linux takes
  sched_attr attributes{};
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  if (attributes.sched_policy != 0) return;  // somebody chose another than the ordinary one, and knows why
  attributes.sched_runtime = kLeastTurnNanos;
  (void)::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace tenon::platform
