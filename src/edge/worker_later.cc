// Requests whose rows a batcher predicts together with those of others: they are left when their rows are handed over, and handled from the
// beginning again, with the answers at hand, when all of them are there. So no route knows of it.

#include <algorithm>
#include <limits>

#include "edge/oip_internal.h"
#include "edge/worker_later_internal.h"

namespace tenon::edge {

bool Worker::AskBatcher(Lane& lane) {
  if (resumed_) {
    batched_ = pending_->next < pending_->asks.size() ? pending_->asks[pending_->next++].get() : nullptr;
    return true;  // without one the rows are others than before, which cannot be: they are asked for here
  }
  if (peer_ == nullptr) return true;
  // A model that keeps failing is not asked: the ladder's lower rungs answer now.
  if (lane.breaker != nullptr && lane.route->ladder != nullptr && lane.breaker->open()) return true;
  if (pending_ == nullptr) {
    pending_ = std::make_unique<Pending>(*peer_, lane.shared_from_this(), shared_->metrics.thread(thread_).in_flight);
    pending_->began = began_;
    pending_->queued = queued_;
    pending_->asker_name = asker_.name;
    pending_->asker = asker_;
    pending_->asker.name = pending_->asker_name;
  }
  auto by = deadline_;
  if (lane.route->ladder != nullptr && lane.route->ladder->spec().deadline.count() > 0) {
    const auto of_ladder = began_ + lane.route->ladder->spec().deadline;
    by = by == std::chrono::steady_clock::time_point{} ? of_ladder : std::min(by, of_ladder);
  }
  pending_->left->fetch_add(1);
  pending_->asks.push_back(lane.batcher->Ask(lane.session.rows(), by, [left = pending_->left, wake = pending_->wake()] { Pending::Ready(*left, wake); }));
  suspended_ = true;
  return false;
}

void Worker::WaitAtMost(std::chrono::microseconds time) {
  constexpr auto kLongest = std::chrono::hours(24);  // longer is as good as none, and must not overflow
  if (time >= kLongest) return;
  const auto by = began_ + time;
  deadline_ = deadline_ == std::chrono::steady_clock::time_point{} ? by : std::min(deadline_, by);
}

std::span<const float> Worker::TakeBatched(Lane& lane) {
  const serve::BatchAsk& ask = *batched_;
  const serve::Rows& rows = lane.session.rows();
  const std::size_t outputs = static_cast<std::size_t>(lane.served().predictor->outputs()), wanted = rows.size() * outputs;
  waited_ += ask.waited();
  predicting_ += ask.ran();
  if (ask.leads()) ++executions_;
  if (ask.refusal() != nullptr || ask.values().size() != wanted) {
    answers_of_rungs_.assign(wanted, std::numeric_limits<float>::quiet_NaN());
    refusal_of_batch_ = ask.refusal();
    if (lane.route->ladder != nullptr) return answers_of_rungs_;
    rungs_.assign(rows.size(), serve::Rung::kNone);
    furthest_ = serve::Rung::kNone;
    return answers_of_rungs_;
  }
  answers_of_rungs_.assign(ask.values().begin(), ask.values().end());
  for (const auto& [row, problem] : ask.problems()) lane.session.reader().ProblemBefore(rows.size() - 1 - row, problem);
  return answers_of_rungs_;
}

Lane* Worker::LaneThatWaited() { return pending_->lane.get(); }

Error Worker::WhyUnanswered() const {
  if (refusal_of_batch_ != nullptr) return refusal_of_batch_->Clone();
  return Error(Code::kUnavailable, "the model failed and no rung of the endpoint's fallback has an answer");
}

void Worker::DropWait() {
  if (!suspended_) return;
  pending_.reset();
  suspended_ = false;
}

void Worker::TakeUp(const HttpPeer& peer, std::unique_ptr<HttpLater> what) {
  pending_.reset(static_cast<Pending*>(what.release()));
  pending_->next = 0;
  Refresh();
  began_ = pending_->began;
  queued_ = pending_->queued;
  asker_ = pending_->asker;
  predicting_ = waited_ = {};
  rows_ = executions_ = 0;
  deadline_ = {};
  DropKept();
  completed_by_ = Completed::kNone;
  resumed_ = true;
  peer_ = &peer;
}

void Worker::LeaveOff(std::unique_ptr<HttpLater>* later) {
  peer_ = nullptr;
  resumed_ = false;
  batched_ = nullptr;
  refusal_of_batch_ = nullptr;
  if (!suspended_) {
    pending_.reset();
    return;
  }
  suspended_ = false;
  pending_->by = completed_by_;
  if (completed_by_ == Completed::kBody) pending_->body = completed_;
  if (completed_by_ == Completed::kRows) pending_->rows = std::move(oip_->completed);
  // From here on it may be resumed, on this thread: that is, after this call.
  Pending::Ready(*pending_->left, pending_->wake());
  *later = std::move(pending_);
}

void Worker::Resume(const HttpRequest& request, const HttpPeer& peer, std::unique_ptr<HttpLater> what, HttpResponse& response) {
  TakeUp(peer, std::move(what));
  AnswerRequest(request, peer, response);
}

}  // namespace tenon::edge
