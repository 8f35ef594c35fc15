#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "serve/endpoint.h"

namespace tenon::serve {

// Asks a model that may take long on a thread of its own, so that the caller waits no longer than its deadline. One
// caller. A prediction that is late goes on by itself and is thrown away; until it has ended, every further one fails at
// once. Destroying never waits: the thread ends after the prediction it is at.
class Apart {
 public:
  explicit Apart(std::shared_ptr<const Served> served);
  ~Apart();
  Apart(const Apart&) = delete;
  Apart& operator=(const Apart&) = delete;

  // False when there is no answer by then. The values live until the next call.
  bool Predict(const Row& row, std::chrono::steady_clock::time_point by, model::Prediction* out);

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::vector<float> values_;
};

}  // namespace tenon::serve
