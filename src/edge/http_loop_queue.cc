// More to do than can be done: which requests are answered, which are turned away and which are not even read.

#include <sys/epoll.h>

#include <algorithm>
#include <ctime>

#include "edge/http_loop_internal.h"

namespace tenon::edge {
namespace {

constexpr std::int64_t kSpareNanos = 1'000'000;
constexpr std::int64_t kTurningAway = 20;  // one part in so many of the time goes into it while a queue stands

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
  constexpr std::int64_t kStandingNanos = 50'000'000, kBurst = 5;
  const std::int64_t now = NanosNow();
  if (idle) last_idle_ = now;
  came_ = idle ? now : now - (now - batch_) / 2;
  standing_ = now - last_idle_ > kStandingNanos;
  turn_away_at_ = came_ + (standing_ ? queue_limit_ : kBurst * queue_limit_);
  batch_ = now;
  put_off_ = 0;
  const std::int64_t worked = standing_ ? NanosWorked() : 0;
  if (worked_ != 0 && worked != 0) {
    // Up to twice as much when some have waited for their refusal longer than others for their answers.
    const std::int64_t overdue = unread_.empty() ? 0 : std::clamp<std::int64_t>(now - unread_.front().came - queue_limit_, 0, 3 * queue_limit_);
    const std::int64_t part = (worked - worked_) / kTurningAway;
    credit_ = std::min(credit_ + part + part * overdue / (3 * queue_limit_), queue_limit_ / 4);
  }
  worked_ = worked;
}

// A request that is read now has waited too long.
bool HttpLoop::TooLateNow() const { return turn_away_at_ == 1 || NanosNow() > turn_away_at_; }

// To turn a request away costs a receive and a send, and of small requests that is most of what an answer costs: who turns all away that
// come too much has no time left for answers. So what is too late is put off, and turned away in a part of the time (TurnAway). Only what may
// wait, by what its connection asked before: a first request is always read, it might be a probe. Of HTTP/2 only while nothing is under way on
// the connection. `handled`: when it would be.
bool HttpLoop::TooLate(Connection& c, std::uint32_t events, std::int64_t handled) {
  if (handled <= turn_away_at_ || !c.may_wait || c.fd < 0) return false;
  if (!c.unsent.empty() || c.waiting != nullptr || (c.http2 != nullptr && !c.http2->may_wait()) || c.stream != nullptr || c.draining) return false;
  c.since = came_;
  if (LeftUnread(c, events) && c.fd >= 0) late_.push_back({&c, c.serial, came_});
  return true;
}

// Who hung up meanwhile is told nothing.
bool HttpLoop::LeftUnread(Connection& c, std::uint32_t events) {
  if (c.since == 0) return false;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) Close(c);
  return true;
}

// Those hear soonest that there is no room who are told before others are answered: whose turn would come too late, as events go.
void HttpLoop::PutOff(std::span<epoll_event> events) {
  const std::int64_t now = NanosNow();
  std::int64_t turn = 0;
  put_off_ = 0;
  for (epoll_event& event : events) {
    if (event.data.ptr == &listeners_[0] || event.data.ptr == &listeners_[1] || event.data.ptr == &wake_) continue;
    Connection& c = *static_cast<Connection*>(event.data.ptr);
    if (!LeftUnread(c, event.events) && !TooLate(c, event.events, now + turn)) {
      turn += each_;
      continue;
    }
    event.data.ptr = nullptr;
    ++put_off_;
  }
}

void HttpLoop::LearnCost(std::size_t events) {
  if (events <= put_off_) return;
  const std::int64_t each = (ended_ - begun_) / static_cast<std::int64_t>(events - put_off_);
  each_ += (each - each_) / 8;
}

// In the order they came: everybody hears it as soon as there is time, and while that is enough for all, at once. Beside the time set aside,
// while nobody else asks anything.
void HttpLoop::TurnAway() {
  std::int64_t now = NanosNow();
  const std::int64_t began = now, until = now + std::max(credit_, last_idle_ == batch_ ? kSpareNanos : 0), answer_until = turn_away_at_;
  turn_away_at_ = 1;
  const auto there = [](const Late& late) { return late.connection->fd >= 0 && late.connection->serial == late.serial && late.connection->since != 0; };
  for (; !unread_.empty() && now < until; now = NanosNow()) {
    const Late late = unread_.front();
    unread_.pop_front();
    if (!there(late)) continue;
    late.connection->since = 0;
    Watch(*late.connection, EPOLLIN | EPOLLRDHUP);
    OnEvent(*late.connection, EPOLLIN);
  }
  std::size_t next = 0;
  for (; next < late_.size() && now < until; now = NanosNow()) {
    const Late late = late_[next++];
    if (!there(late)) continue;
    late.connection->since = 0;
    OnEvent(*late.connection, EPOLLIN);
  }
  // Looking at the rest again and again would cost more than turning them away.
  for (; next < late_.size(); ++next) {
    if (!there(late_[next])) continue;
    Watch(*late_[next].connection, EPOLLRDHUP);
    unread_.push_back(late_[next]);
  }
  late_.clear();
  turn_away_at_ = answer_until;
  credit_ = std::max<std::int64_t>(0, credit_ - (now - began));
}

}  // namespace tenon::edge
