#include "serve/batcher.h"

#include <algorithm>
#include <deque>
#include <thread>

#include "base/mutex.h"
#include "base/text.h"
#include "serve/batch_sizes.h"

namespace tenon::serve {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

template <typename Bounds>
std::size_t BucketOf(const Bounds& bounds, double value) {
  return static_cast<std::size_t>(std::ranges::lower_bound(bounds, value, {}, [](auto bound) { return static_cast<double>(bound); }) - bounds.begin());
}

}  // namespace

struct Batcher::State {
  using Asks = std::vector<std::shared_ptr<BatchAsk>>;

  State(std::shared_ptr<const Served> its, const BatchSpec& its_spec, const BatchTrial& its_trial) : served(std::move(its)), spec(its_spec), trial(its_trial), sizes(its_trial), largest(sizes.largest()) {}

  const std::shared_ptr<const Served> served;
  const BatchSpec spec;
  const BatchTrial trial;
  const BatchSizes sizes;
  const std::size_t largest;

  mutable Mutex mutex;
  Condition work, clock;  // there is something to run; something is due sooner than was thought
  std::deque<std::shared_ptr<BatchAsk>> queue TENON_GUARDED_BY(mutex);
  std::size_t waiting TENON_GUARDED_BY(mutex) = 0;  // rows of the queue
  bool ending TENON_GUARDED_BY(mutex) = false;
  Clock::time_point next_due TENON_GUARDED_BY(mutex) = Clock::time_point::max();
  BatchStats stats TENON_GUARDED_BY(mutex);

  void Instance();
  void Watch();
  Asks Take() TENON_REQUIRES(mutex);
  void LeaveOutDropped() TENON_REQUIRES(mutex);
  void Refuse(BatchAsk& ask, BatchRefusal why) TENON_REQUIRES(mutex);
  void Run(const Asks& asks, Session& session);
  std::size_t RunPart(const Asks& asks, Session& session, std::size_t from, std::size_t rows, std::vector<float>* values);
};

void Batcher::State::Refuse(BatchAsk& ask, BatchRefusal why) {
  ++stats.refused[static_cast<std::size_t>(why)];
  const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - ask.entered_).count();
  switch (why) {
    case BatchRefusal::kFull:
      ask.refusal_ = Error(Code::kUnavailable, Str(waiting, " rows wait for the model and ", trial.apart ? "at most" : "serve.batching.queue.rows is", " ", spec.queue_rows,
                                                   trial.apart ? " may" : "", "; try again later"));
      break;
    case BatchRefusal::kTimeout:
      ask.refusal_ = Error(Code::kUnavailable, Str("waited ", waited, " ms for the model, longer than serve.batching.queue.timeout; try again later"));
      break;
    case BatchRefusal::kDeadline: ask.refusal_ = Error(Code::kDeadlineExceeded, Str("the deadline passed while it waited for the model, after ", waited, " ms")); break;
    case BatchRefusal::kGone: ask.refusal_ = Error(Code::kCancelled, "nobody waits for it"); break;
  }
}

void Batcher::State::LeaveOutDropped() {
  for (auto at = queue.begin(); at != queue.end();) {
    if (!(*at)->dropped_.load(std::memory_order_relaxed)) {
      ++at;
      continue;
    }
    waiting -= (*at)->rows_;
    Refuse(**at, BatchRefusal::kGone);
    at = queue.erase(at);
  }
}

// Whole requests from the front, as many as a run takes; one that is larger than a run is taken alone.
Batcher::State::Asks Batcher::State::Take() {
  Asks taken;
  std::size_t rows = 0;
  while (!queue.empty()) {
    BatchAsk& first = *queue.front();
    if (first.dropped_.load(std::memory_order_relaxed)) {
      Refuse(first, BatchRefusal::kGone);  // destroyed with its request: there is nobody to tell
    } else if (!taken.empty() && (trial.apart || rows + first.rows_ > largest)) {
      break;
    } else {
      rows += first.rows_;
      taken.push_back(queue.front());
    }
    waiting -= first.rows_;
    queue.pop_front();
  }
  const Clock::time_point now = Clock::now();
  for (const auto& ask : taken) {
    ask->waited_ = now - ask->entered_;
    ++stats.waits[BucketOf(kBatchWaitBounds, Seconds(ask->waited_))];
    stats.waited += Seconds(ask->waited_);
  }
  return taken;
}

void Batcher::State::Instance() {
  Session session(served);
  while (true) {
    Asks asks;
    {
      const MutexLock lock(mutex);
      while (true) {
        if (ending) return;
        if (queue.empty()) {
          work.Wait(mutex);
          continue;
        }
        const Clock::time_point go = queue.front()->entered_ + spec.delay;
        if (waiting >= largest || Clock::now() >= go) break;
        (void)work.WaitUntil(mutex, go);
      }
      asks = Take();
      if (!queue.empty()) work.NotifyAll();  // for the next instance
    }
    if (!asks.empty()) Run(asks, session);
  }
}

// `rows` rows of the asks from row `from` on, as one run; gives how many rows it was filled up to.
std::size_t Batcher::State::RunPart(const Asks& asks, Session& session, std::size_t from, std::size_t rows, std::vector<float>* values) {
  constexpr std::size_t kMostApart = 4096;  // as a route that asks by itself cuts them
  const std::size_t width = served->fields.size(), size = trial.apart ? std::min(rows, kMostApart) : sizes.For(rows), end = from + std::min(rows, size);
  Row row;
  session.rows().Clear();
  session.reader().errors().clear();
  std::size_t at = 0;
  for (const auto& ask : asks) {
    for (std::size_t i = 0; i < ask->rows_; ++i, ++at) {
      if (at < from || at >= end) continue;
      row.numbers.assign(ask->numbers_.begin() + static_cast<std::ptrdiff_t>(i * width), ask->numbers_.begin() + static_cast<std::ptrdiff_t>((i + 1) * width));
      row.texts.assign(ask->texts_.begin() + static_cast<std::ptrdiff_t>(i * width), ask->texts_.begin() + static_cast<std::ptrdiff_t>((i + 1) * width));
      session.rows().Add(row);
    }
  }
  session.reader().Begin(static_cast<int>(end) - 1);
  const std::span<const float> got = trial.apart ? session.PredictRows() : session.PredictTogether(size);
  values->insert(values->end(), got.begin(), got.end());
  for (std::size_t i = 0; trial.apart && served->predictor->cascade() != nullptr && i < end - from; ++i) asks.front()->by_cheap_.push_back(session.by_cheap(i) ? 1 : 0);
  for (const FieldError& error : session.reader().errors()) {
    std::size_t index = static_cast<std::size_t>(error.instance);
    for (const auto& ask : asks) {
      if (index < ask->rows_) {
        ask->problems_.emplace_back(index, error.problem);
        break;
      }
      index -= ask->rows_;
    }
  }
  const MutexLock lock(mutex);
  ++stats.runs;
  ++stats.sizes[BucketOf(kBatchSizeBounds, static_cast<double>(end - from))];
  stats.rows += static_cast<std::int64_t>(end - from);
  stats.padding += static_cast<std::int64_t>(size - (end - from));
  return end;
}

void Batcher::State::Run(const Asks& asks, Session& session) {
  const Clock::time_point before = Clock::now();
  std::size_t rows = 0;
  for (const auto& ask : asks) rows += ask->rows_;
  std::vector<float> values;
  for (std::size_t from = 0; from < rows;) from = RunPart(asks, session, from, rows - from, &values);
  const Clock::duration ran = Clock::now() - before;
  {
    const MutexLock lock(mutex);
    stats.ran += Seconds(ran);
  }
  const auto outputs = static_cast<std::size_t>(served->predictor->outputs());
  std::size_t at = 0;
  for (const auto& ask : asks) {
    ask->values_.assign(values.begin() + static_cast<std::ptrdiff_t>(at * outputs), values.begin() + static_cast<std::ptrdiff_t>((at + ask->rows_) * outputs));
    ask->ran_ = ran;
    ask->leads_ = at == 0;
    at += ask->rows_;
    ask->ready_();
  }
}

// Refuses what waited too long as soon as it did, also while all instances are at work.
void Batcher::State::Watch() {
  while (true) {
    Asks late;
    {
      const MutexLock lock(mutex);
      if (ending) return;
      const Clock::time_point now = Clock::now();
      next_due = Clock::time_point::max();
      for (auto at = queue.begin(); at != queue.end();) {
        BatchAsk& ask = **at;
        if (ask.by_ == Clock::time_point{} || ask.by_ > now) {
          if (ask.by_ != Clock::time_point{}) next_due = std::min(next_due, ask.by_);
          ++at;
          continue;
        }
        Refuse(ask, ask.by_request_ ? BatchRefusal::kDeadline : BatchRefusal::kTimeout);
        ask.waited_ = now - ask.entered_;
        waiting -= ask.rows_;
        late.push_back(*at);
        at = queue.erase(at);
      }
      if (late.empty()) {
        next_due == Clock::time_point::max() ? clock.Wait(mutex) : static_cast<void>(clock.WaitUntil(mutex, next_due));
      }
    }
    for (const auto& ask : late) ask->ready_();
  }
}

Batcher::Batcher(std::shared_ptr<const Served> served, const BatchSpec& spec, const BatchTrial& trial)
    : state_(std::make_shared<State>(std::move(served), spec, trial)) {
  for (int i = 0; i < spec.instances; ++i) std::thread([state = state_] { state->Instance(); }).detach();
  std::thread([state = state_] { state->Watch(); }).detach();
}

Batcher::~Batcher() {
  const MutexLock lock(state_->mutex);
  state_->ending = true;
  state_->queue.clear();
  state_->work.NotifyAll();
  state_->clock.NotifyAll();
}

std::shared_ptr<BatchAsk> Batcher::Ask(const Rows& rows, Clock::time_point by, std::function<void()> ready) {
  State& state = *state_;
  auto ask = std::make_shared<BatchAsk>();
  ask->rows_ = rows.size();
  ask->ready_ = std::move(ready);
  Row row;
  const std::size_t width = state.served->fields.size();
  std::vector<bool> has;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows.Get(i, &row);
    ask->numbers_.insert(ask->numbers_.end(), row.numbers.begin(), row.numbers.end());
    for (const std::string_view text : row.texts) {
      has.push_back(text.data() != nullptr);
      if (has.back()) ask->held_.emplace_back(text);
    }
  }
  ask->texts_.resize(rows.size() * width);
  for (std::size_t i = 0, k = 0; i < has.size(); ++i) {
    if (has[i]) ask->texts_[i] = ask->held_[k++];
  }
  ask->entered_ = Clock::now();
  ask->by_ = by;
  ask->by_request_ = by != Clock::time_point{};
  if (const auto timeout = ask->entered_ + state.spec.timeout; state.spec.timeout.count() > 0 && (!ask->by_request_ || timeout < by)) {
    ask->by_ = timeout;
    ask->by_request_ = false;
  }
  bool refused = true;
  {
    const MutexLock lock(state.mutex);
    const auto most = static_cast<std::size_t>(state.spec.queue_rows);
    if (state.waiting >= most) state.LeaveOutDropped();
    if (ask->by_request_ && by <= ask->entered_) {
      state.Refuse(*ask, BatchRefusal::kDeadline);
    } else if (state.waiting >= most) {
      state.Refuse(*ask, BatchRefusal::kFull);
    } else {
      refused = false;
      const std::size_t before = state.waiting;
      state.queue.push_back(ask);
      state.waiting += ask->rows_;
      // Who waits for more rows is woken when they are enough, not for each.
      if (before == 0 || (before < state.largest && state.waiting >= state.largest)) state.work.NotifyAll();
      if (ask->by_ != Clock::time_point{} && ask->by_ < state.next_due) {
        state.next_due = ask->by_;
        state.clock.NotifyAll();
      }
    }
  }
  if (refused) ask->ready_();
  return ask;
}

BatchStats Batcher::Stats() const {
  const MutexLock lock(state_->mutex);
  BatchStats stats = state_->stats;
  stats.waiting = static_cast<std::int64_t>(state_->waiting);
  return stats;
}

const BatchTrial& Batcher::trial() const { return state_->trial; }
const BatchSpec& Batcher::spec() const { return state_->spec; }

}  // namespace tenon::serve
