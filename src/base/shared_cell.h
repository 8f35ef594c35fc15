#pragma once

#include <memory>
#include <utility>

#include "base/mutex.h"

namespace tenon {

// A shared pointer that some threads take while others replace it. The lock is held for the copy of a pointer alone. (The
// standard's atomic one is not used: with libstdc++ 12 its load gives its lock back by a relaxed store, which orders what it read
// before nothing that follows; ThreadSanitizer says so.)
template <typename T>
class SharedCell {
 public:
  explicit SharedCell(std::shared_ptr<T> value = nullptr) : value_(std::move(value)) {}
  std::shared_ptr<T> Get() const {
    const MutexLock lock(mutex_);
    return value_;
  }
  void Set(std::shared_ptr<T> value) {
    const MutexLock lock(mutex_);
    value_.swap(value);
  }  // the old value is given up here, outside the lock

 private:
  mutable Mutex mutex_;
  std::shared_ptr<T> value_ TENON_GUARDED_BY(mutex_);
};

}  // namespace tenon
