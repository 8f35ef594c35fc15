#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "edge/worker_internal.h"

namespace tenon::edge {

// Requests of one stream that are there at the same time, handled by one worker: where a batcher predicts their rows, they are all given to
// it before the first answer is waited for, so that they are predicted together. One thread, which waits.
class Together {
 public:
  static constexpr std::size_t kMost = 64;  // that are worth being handled at once
  explicit Together(Worker& worker) : worker_(worker) {}
  ~Together();
  Together(const Together&) = delete;
  Together& operator=(const Together&) = delete;

  // Whether an endpoint's rows gain from it now.
  static bool Pays(Worker& worker, std::string_view endpoint);
  // Gives the answers out in the requests' order, each before the next is taken up. What the requests view lives until then.
  void Answer(std::span<const HttpRequest> requests, const HttpPeer& peer, const std::function<void(std::size_t, HttpResponse&)>& take);

 private:
  bool HasBell();
  void WaitFor(std::uint64_t number);

  Worker& worker_;
  int wake_ = -1;  // an eventfd
  std::shared_ptr<HttpBell> bell_;
  std::vector<HttpResponse> responses_;
  std::vector<HttpBell::Call> rung_;
  std::vector<std::uint64_t> ready_;
};

}  // namespace tenon::edge
