#pragma once

#include <chrono>
#include <string>

#include "base/json.h"

namespace tenon::pipeline {

// What the user wrote under `serve.cascade`: which learner is asked first, and how often it may answer alone.
struct CascadeSpec {
  std::string cheap;                      // a learner of train.learners
  double most_loss = -1;                  // of the project's metric, beyond doubt; negative: another target
  std::chrono::nanoseconds latency{0};    // of one row on average; 0: another target
  double cost = 0;                        // part of the costly model's time; 0: another target
  static Result<CascadeSpec> Parse(const Json& json, std::string_view file);
  Json ToJson() const;
  std::string Target() const;             // "loses at most 0.002": for people
};

}  // namespace tenon::pipeline
