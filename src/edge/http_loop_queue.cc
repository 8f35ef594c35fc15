// More to do than can be done: which requests are answered, which are turned away and which are not even read.

#include <sys/epoll.h>

#include <algorithm>
#include <ctime>

#include "edge/http_loop_internal.h"

namespace tenon::edge {
namespace {

constexpr std::int64_t kSpareNanos = 1'000'000;
constexpr std::int64_t kTurningAway = 32;  // one part in so many of the time goes into it while a queue stands

std::int64_t NanosNow() { return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Of this thread: others may have the processor most of the time.
std::int64_t NanosWorked() {
  timespec time{};
  (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

// A request that is new in this batch became ready while the batch before was handled, on average in its middle; when the
// loop had to wait for events, just now. As with CoDel, a queue that empties now and then may be long, one that stands
// may not: then only those are answered that can be in time.
void HttpLoop::JudgeQueue(bool idle) {
  constexpr std::int64_t kStandingNanos = 100'000'000, kBurst = 10;
  const std::int64_t now = NanosNow();
  if (idle) last_idle_ = now;
  came_ = idle ? now : now - (now - batch_) / 2;
  standing_ = now - last_idle_ > kStandingNanos;
  turn_away_at_ = came_ + (standing_ ? queue_limit_ : kBurst * queue_limit_);
  batch_ = now;
  const std::int64_t worked = standing_ ? NanosWorked() : 0;
  if (worked_ != 0 && worked != 0) credit_ = std::min(credit_ + (worked - worked_) / kTurningAway, queue_limit_ / 4);
  worked_ = worked;
}

// To read a small request and to send it a 503 costs most of what its answer costs: who turns all away that come too much has no time
// left for answers. So what is too late is left in its socket, unread, and turned away as time allows (TurnAway). Only what may wait,
// by what its connection asked before: a first request is always read, it might be a probe.
bool HttpLoop::TooLate(Connection& c, std::uint32_t events) {
  if (!c.may_wait || c.fd < 0 || c.held_size != 0 || !c.unsent.empty() || c.waiting != nullptr || c.http2 != nullptr || c.stream != nullptr || c.draining) return false;
  if (c.since == 0 && NanosNow() <= turn_away_at_) return false;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    Close(c);  // who hung up is told nothing
  } else if (c.since == 0) {
    c.since = came_;
    late_.push_back({&c, c.serial});
  }
  return true;
}

// The newest first: they hear at once that there is no room, and those that wait longest have most likely given up. Beside the time set
// aside, while nobody else asks anything.
void HttpLoop::TurnAway() {
  std::int64_t now = NanosNow();
  const std::int64_t began = now, until = now + std::max(credit_, last_idle_ == batch_ ? kSpareNanos : 0);
  turn_away_at_ = 1;
  const auto take = [&](std::vector<Late>* from) {
    const Late late = from->back();
    from->pop_back();
    return late.connection->fd >= 0 && late.connection->serial == late.serial && late.connection->since != 0 ? late.connection : nullptr;
  };
  for (; !late_.empty() && now < until; now = NanosNow()) {
    if (Connection* c = take(&late_)) c->since = 0, OnEvent(*c, EPOLLIN);
  }
  // Looking at them again and again would cost more than turning them away.
  for (const Late& late : late_) {
    if (late.connection->fd >= 0) Watch(*late.connection, EPOLLRDHUP);
  }
  unread_.insert(unread_.end(), late_.begin(), late_.end());
  late_.clear();
  for (; !unread_.empty() && now < until; now = NanosNow()) {
    Connection* c = take(&unread_);
    if (c == nullptr) continue;
    c->since = 0;
    Watch(*c, EPOLLIN | EPOLLRDHUP);
    OnEvent(*c, EPOLLIN);
  }
  turn_away_at_ = batch_ + queue_limit_;
  credit_ = std::max<std::int64_t>(0, credit_ - (now - began));
}

}  // namespace tenon::edge
