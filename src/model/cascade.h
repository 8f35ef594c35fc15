#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/model.h"

namespace tenon::model {

class Predictor;

// When the cheap model of a cascade is sure enough to answer alone.
struct Sureness {
  double low = -1, high = 2;  // of a probability: sure at most at `low` and at least at `high`; these: never
  double margin = 2;          // of several classes: sure when the first leads the second by so much; 2: never
  bool Is(Task task, const float* values, int outputs) const;
  // How sure an answer is, for a decision at `threshold`: the distance of the log-odds, or the lead of the first class.
  static double Of(Task task, const float* values, int outputs, double threshold);
  // Sure is whoever has at least this much of it.
  static Sureness AtLeast(Task task, double sureness, double threshold);
  Json ToJson(Task task) const;
  static Result<Sureness> FromJson(const Json& json, Task task);
};

// Two models for one question: the cheap one is asked first and answers where it is sure, the other one else. Both
// decide at the costly one's threshold. Immutable.
struct Cascade {
  std::shared_ptr<const Predictor> cheap;
  Sureness sure;
  std::string cheap_name, costly_name;  // "linear", "boosted_trees"
  std::vector<int> slots;               // of each input of the cheap one: where it stands among the costly one's
  bool in_order = true;                 // slots are 0, 1, 2, ...
};

}  // namespace tenon::model
