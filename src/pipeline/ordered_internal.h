#pragma once

#include <functional>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"

namespace tenon::pipeline {

// Works on items with several threads and gives the outcomes out in the items' order.
//   pull() -> Result<std::optional<Item>>: the next item, nothing at the end; by one thread at a time
//   work(thread, Item&) -> Result<Done>: by any thread, 0 to threads - 1
//   take(Item&, Done) -> Result<void>: by the calling thread, in order
// At most 2 * threads + 1 items are held. The first error, in order, ends all and is returned.
template <typename Item, typename Done>
class Ordered {
 public:
  using Pull = std::function<Result<std::optional<Item>>()>;
  using Work = std::function<Result<Done>(int, Item&)>;
  using Take = std::function<Result<void>(Item&, Done)>;

  static Result<void> Run(int threads, const Pull& pull, const Work& work, const Take& take) {
    if (threads > 1) return Ordered(threads, pull, work).Take_(take);
    while (true) {
      TENON_ASSIGN(std::optional<Item> item, pull());
      if (!item) return {};
      TENON_ASSIGN(Done done, work(0, *item));
      TENON_TRY(take(*item, std::move(done)));
    }
  }

 private:
  struct Slot {
    std::optional<Item> item;  // nothing when filled: the end
    std::optional<Result<Done>> done;
    bool filled = false;
  };

  Ordered(int threads, const Pull& pull, const Work& work)
      : pull_(pull), work_(work), slots_(2 * static_cast<std::size_t>(threads) + 1) {
    for (int i = 0; i < threads; ++i) helpers_.emplace_back([this, i] { Help(i); });
  }

  Result<void> Take_(const Take& take) {
    Result<void> outcome;
    while (outcome.ok()) {
      Slot slot;
      {
        const MutexLock lock(mutex_);
        Slot& next = slots_[taken_ % slots_.size()];
        while (!next.filled) changed_.Wait(mutex_);
        slot = std::exchange(next, Slot{});
        ++taken_;
        changed_.NotifyAll();
      }
      if (!slot.done) break;
      outcome = slot.done->ok() ? take(*slot.item, std::move(**slot.done)) : Result<void>(std::move(*slot.done).error());
    }
    {
      const MutexLock lock(mutex_);
      stop_ = true;
      changed_.NotifyAll();
    }
    helpers_.clear();
    return outcome;
  }

  void Help(int thread) {
    while (true) {
      Slot slot;
      std::size_t index = 0;
      {
        const MutexLock turn(turn_);
        {
          const MutexLock lock(mutex_);
          while (!stop_ && pulled_ >= taken_ + slots_.size()) changed_.Wait(mutex_);
          if (stop_) return;
          index = pulled_++;
        }
        auto pulled = pull_();
        if (!pulled.ok()) slot.done.emplace(std::move(pulled).error());
        if (pulled.ok() && *pulled) slot.item = std::move(**pulled);
      }
      const bool last = !slot.item;
      if (!last) slot.done.emplace(work_(thread, *slot.item));
      const MutexLock lock(mutex_);
      stop_ = stop_ || last;
      slot.filled = true;
      slots_[index % slots_.size()] = std::move(slot);
      changed_.NotifyAll();
      if (last) return;
    }
  }

  const Pull& pull_;
  const Work& work_;
  Mutex turn_;  // whose it is to pull; taken before mutex_
  Mutex mutex_;
  Condition changed_;
  std::vector<Slot> slots_ TENON_GUARDED_BY(mutex_);
  std::size_t pulled_ TENON_GUARDED_BY(mutex_) = 0;
  std::size_t taken_ TENON_GUARDED_BY(mutex_) = 0;
  bool stop_ TENON_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> helpers_;
};

}  // namespace tenon::pipeline
