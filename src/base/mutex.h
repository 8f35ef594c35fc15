#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

// Locks that clang checks (-Wthread-safety): a member says which lock guards it, a function which one its caller holds.
// With other compilers the words mean nothing. Usage:
//   Mutex mutex_;
//   int count_ TENON_GUARDED_BY(mutex_) = 0;
//   void Grow() TENON_REQUIRES(mutex_);        // the caller holds it
//   ... { const MutexLock lock(mutex_); Grow(); }
#if defined(__clang__)
#define TENON_THREADS(attribute) __attribute__((attribute))
#else
#define TENON_THREADS(attribute)
#endif
#define TENON_GUARDED_BY(lock) TENON_THREADS(guarded_by(lock))
#define TENON_REQUIRES(lock) TENON_THREADS(requires_capability(lock))

namespace tenon {

template <typename Native>
class TENON_THREADS(capability("mutex")) BasicMutex {
 public:
  void lock() TENON_THREADS(acquire_capability()) { native_.lock(); }
  void unlock() TENON_THREADS(release_capability()) { native_.unlock(); }

 private:
  friend class Condition;
  Native native_;
};
using Mutex = BasicMutex<std::mutex>;
using RecursiveMutex = BasicMutex<std::recursive_mutex>;  // the thread that holds it may take it again

// Holds a lock as long as it lives.
template <typename Lock>
class TENON_THREADS(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Lock& lock) TENON_THREADS(acquire_capability(lock)) : lock_(lock) { lock_.lock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() TENON_THREADS(release_capability()) { lock_.unlock(); }

 private:
  Lock& lock_;
};

// Waits for what other threads do under a lock. A wait may end for no reason: it stands in a loop that looks.
class Condition {
 public:
  void Wait(Mutex& held) TENON_REQUIRES(held) {
    std::unique_lock lock(held.native_, std::adopt_lock);
    changed_.wait(lock);
    lock.release();
  }
  // At most until `by`; false when it has come.
  bool WaitUntil(Mutex& held, std::chrono::steady_clock::time_point by) TENON_REQUIRES(held) {
    std::unique_lock lock(held.native_, std::adopt_lock);
    const std::cv_status status = changed_.wait_until(lock, by);
    lock.release();
    return status == std::cv_status::no_timeout;
  }
  void NotifyAll() { changed_.notify_all(); }

 private:
  std::condition_variable changed_;
};

}  // namespace tenon
