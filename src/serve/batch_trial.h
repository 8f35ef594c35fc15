#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "serve/endpoint.h"

namespace tenon::serve {

// The chapter serve.batching: {delay: 2ms, sizes: [8, 16, 32], queue: {rows: 1024, timeout: 1s}, instances: 1}; all of it may be left out.
struct BatchSpec {
  std::chrono::microseconds delay{0};                 // that the first row of a batch waits for others, at most
  std::vector<int> sizes = {1, 2, 4, 8, 16, 32};      // rows a run, ascending; a run of fewer is filled up
  std::int64_t queue_rows = 1024;                     // a request that finds so many waiting is refused
  std::chrono::microseconds timeout = std::chrono::seconds(1);  // in the queue; 0: none
  int instances = 1;                                  // runs at a time
  static Result<BatchSpec> Parse(const Json& json, std::string_view file);
};

// Whether a version gains from its rows being asked together, tried out with its golden rows when it is loaded.
struct BatchTrial {
  struct Size {
    int rows = 0;
    double micros = 0;        // of a run
    bool exact = false;       // each golden row got the bits that it gets alone, at several places among others
    double difference = 0;    // the largest part of its size by which a number differs
    bool used = false;
  };
  bool on = false;
  bool apart = false;         // a row alone takes so long that it is asked on another thread, each request by itself
  std::string why;            // in words, with the figures
  bool exact = true;          // of the sizes used
  double tolerance = 0;       // that the package allows its golden rows
  double alone_micros = 0;    // of a row alone
  double hand_off_micros = 0; // to another thread and back
  std::vector<Size> sizes;
  Json Describe() const;
};

// Takes about as long as a hundred rows, at most a few seconds. Off for what costs less than the hand-off, for what is not cheaper
// together, for what takes one row a run, and for answers that would differ by more than the package's golden_tolerance.
BatchTrial TryBatching(const std::shared_ptr<const Served>& served, const BatchSpec& spec);

// How long a row alone takes, by some golden rows, and with that whether it would hold up a thread that has others to answer (`apart`).
// Takes some microseconds for a small model, a few times as long as a row for a large one.
BatchTrial TryAlone(const std::shared_ptr<const Served>& served);

}  // namespace tenon::serve
