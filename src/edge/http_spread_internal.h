#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <vector>

#include "base/mutex.h"

namespace tenon::edge {

// Spreads connections over the loops of a server: each belongs to the one loop that has the fewest when it comes, whichever accepted it. (The kernel
// spreads them by a hash: of 16 over two loops often 11 and 5, and the answers of the eleven are the slow ones.) Thread-safe; taken
// once for a connection that comes and once for one that goes, never for a request.
class HttpSpread {
 public:
  // A connection that was accepted and of which nothing was read. Whoever has it closes it.
  struct Newcomer {
    int fd = -1;
    sockaddr_storage address{};
  };

  // `wakes`: for each loop an eventfd that it waits on; they outlive this.
  explicit HttpSpread(const std::vector<int>& wakes);
  // Where a connection goes that `loop` accepted. True: it stays, and is counted. False: a loop with fewer has it now and was woken.
  bool Keep(std::size_t loop, const Newcomer& newcomer);
  // What others gave to `loop` since the last time; counted already.
  void Take(std::size_t loop, std::vector<Newcomer>* out);
  // One that was counted for `loop` is gone.
  void Left(std::size_t loop);
  // Nobody gives `loop` any more, and what it was given is in `out`: it is stopping.
  void Close(std::size_t loop, std::vector<Newcomer>* out);

 private:
  struct Seat {
    int wake = -1;
    std::size_t count = 0;
    bool closed = false;
    std::vector<Newcomer> given;
  };
  Mutex mutex_;
  std::vector<Seat> seats_ TENON_GUARDED_BY(mutex_);
};

}  // namespace tenon::edge
