#include "edge/together_internal.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace tenon::edge {

Together::~Together() {
  if (bell_ != nullptr) bell_->Close();
  if (wake_ >= 0) ::close(wake_);
}

bool Together::Pays(Worker& worker, std::string_view endpoint) {
  const Lane* lane = worker.Find(endpoint);
  return lane != nullptr && lane->batcher != nullptr;
}

bool Together::HasBell() {
  if (bell_ != nullptr) return true;
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_ < 0) return false;  // no descriptors are left: they are asked one by one
  bell_ = std::make_shared<HttpBell>(wake_);
  return true;
}

void Together::WaitFor(std::uint64_t number) {
  while (true) {
    if (const auto at = std::ranges::find(ready_, number); at != ready_.end()) {
      ready_.erase(at);
      return;
    }
    pollfd one{wake_, POLLIN, 0};
    (void)::poll(&one, 1, -1);  // whoever asked a batcher is answered or refused
    std::uint64_t times = 0;
    (void)!::read(wake_, &times, sizeof times);
    bell_->Take(&rung_);
    for (const HttpBell::Call& call : rung_) ready_.push_back(call.number);
  }
}

void Together::Answer(std::span<const HttpRequest> requests, const HttpPeer& peer, const std::function<void(std::size_t, HttpResponse&)>& take) {
  HttpPeer mine = peer;
  mine.bell = HasBell() ? &bell_ : nullptr;
  mine.connection = nullptr;
  if (responses_.size() < requests.size()) responses_.resize(requests.size());
  std::size_t taken = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    responses_[i].Clear();
    worker_.Handle(requests[i], mine, responses_[i]);
    if (taken == i && responses_[i].later == nullptr) take(taken++, responses_[i]);
  }
  for (; taken < requests.size(); ++taken) {
    HttpResponse& response = responses_[taken];
    while (response.later != nullptr) {
      WaitFor(response.later->number());
      std::unique_ptr<HttpLater> what = std::move(response.later);
      response.Clear();
      worker_.Resume(requests[taken], mine, std::move(what), response);
    }
    take(taken, response);
  }
  ready_.clear();
}

}  // namespace tenon::edge
