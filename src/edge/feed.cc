#include "edge/feed.h"

#include <chrono>

namespace tenon::edge {

Feed::Feed(int threads, std::uint64_t ring_bytes, std::unique_ptr<FeedSink> sink) : sink_(std::move(sink)) {
  for (int i = 0; i < threads; ++i) rings_.push_back(std::make_unique<platform::ByteRing>(ring_bytes));
  thread_ = std::thread([this] { Run(); });
}

Feed::~Feed() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
  }
  wake_.NotifyAll();
  thread_.join();
}

void Feed::Run() {
  bool ending = false;
  while (!ending) {
    {
      const MutexLock lock(mutex_);
      const auto rested = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
      while (!ending_ && wake_.WaitUntil(mutex_, rested)) continue;
      ending = ending_;
    }
    Drain();
    sink_->Rest(ending);
  }
}

void Feed::Drain() {
  for (auto& ring : rings_) {
    ring->Take([this](std::uint32_t, std::string_view record) { sink_->Take(record); });
  }
}

}  // namespace tenon::edge
