#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "serve/evidence.h"
#include "serve/sequential.h"

namespace tenon::serve {

// One stage of a rollout: how the challenger takes part, and for how long at least.
struct RolloutStage {
  enum class Kind : std::uint8_t {
    kDark,    // loaded; answers only when it is asked for by version
    kShadow,  // predicts a share of the requests behind the scenes
    kLive,    // answers a share of the keys
  };
  Kind kind = Kind::kLive;
  double share = 1;
  std::chrono::microseconds time{0};
};
std::string_view NameOf(RolloutStage::Kind kind);

// How a challenger is let in, and what sends it back: the chapter serve.rollout.
struct RolloutSpec {
  std::vector<RolloutStage> stages;
  std::string sticky;                                          // field of the entity; "": each request for itself
  std::vector<std::string> roll_back_on = {"errors", "latency"};  // of kCriteria
  std::string promote = "auto";   // auto: when all stages are through | better: when it is shown better | manual
  double alpha = 0.05;            // of rolling back a challenger that is no worse, over all looks, stages and criteria
  std::int64_t least = 500;       // answers of the challenger before a stage may end
  double error_tolerance = 0;     // part of the answers
  double latency_quantile = 0.95, latency_tolerance = 0.25;  // part of the champion's
  std::chrono::microseconds latency_floor{1000};             // slower by less than this is not worse
  double difference_tolerance = 0.2;  // distance of Kolmogorov and Smirnov between the answers; of a shadow also the
                                      // part of the rows decided otherwise
  double quality_tolerance = 0;   // part of the labelled answers that are wrong
  double false_positive_cost = 0, false_negative_cost = 0;   // 0: not known
  double cost_tolerance = 0;      // per 1,000 answers

  // {shadow: 1d, canary: [5 %, 25 %, 100 %], step: 2h, roll_back_on: [...], ...}; also {ab: 50 %}, {blue_green: 1h},
  // {dark: true}, {shadow: {share: 20 %, time: 1d}}. Errors name the place.
  static Result<RolloutSpec> Parse(const Json& json, std::string_view file);
  Json ToJson() const;            // reads back by FromJson
  static Result<RolloutSpec> FromJson(const Json& json);
  // Of one criterion in one stage: alpha shared among all of them.
  double AlphaOf() const;
};
// errors, latency, prediction_difference, quality, cost
const std::vector<std::string>& RolloutCriteria();

// Both versions in one stage.
struct StageEvidence {
  ArmEvidence champion, challenger;
};

// What one criterion says now. `low` and `high` bound the challenger minus the champion, always valid.
struct Criterion {
  std::string name;
  double champion = 0, challenger = 0;  // what was seen of each: a rate, seconds, a distance, a cost
  double low = 0, high = 0;
  double limit = 0;                     // worse when low is above it
  std::string verdict;                  // "worse", "better", "no worse", "undecided"
  std::string why;                      // for people
  bool rolls_back = false;              // it is among roll_back_on
  Json ToJson() const;
};

enum class Step : std::uint8_t { kStay, kAdvance, kPromote, kRollBack };
std::string_view NameOf(Step step);  // "stay", "advance", "promote", "roll_back"

struct Decision {
  Step step = Step::kStay;
  std::string why;
  std::vector<Criterion> criteria;
};

// What to do in stage `stage` that began at `since`, by what was seen in it. Pure: the same input gives the same answer.
// Rolling back needs one of roll_back_on to be shown worse; the chance that this ever happens to a challenger that is no
// worse is alpha at most, however often one looks. Advancing needs the stage's time and `least` answers.
Decision Decide(const RolloutSpec& spec, std::size_t stage, Micros since, Micros now, const StageEvidence& seen);

// The rollout of an endpoint: a record in the store, so that every process and every restart finds the same one.
struct Rollout {
  std::string id;                    // "fraud-8-20240229T235959"
  std::string endpoint, model;       // model: name without version
  int champion = 0, challenger = 0;  // versions
  RolloutSpec spec;
  std::string status = "running";    // running | promoted | rolled_back | aborted
  std::size_t stage = 0;
  Micros started = 0, since = 0, ended = 0;
  std::string why;                   // of the last change
  std::string actor;
  struct Passed {                    // a stage that is or was under way
    Micros since = 0, until = 0;
    StageEvidence evidence;
    std::vector<Criterion> criteria; // at the last look
    struct Look {                    // for the picture: thinned to kMostLooks
      Micros at = 0;
      std::int64_t champion = 0, challenger = 0;
      std::vector<Interval> intervals;  // as criteria
    };
    std::vector<Look> looks;
  };
  static constexpr std::size_t kMostLooks = 120;
  std::vector<Passed> stages;        // as far as it has come

  bool running() const { return status == "running"; }
  std::uint64_t salt() const;
  // What the current stage is judged by: its own evidence, and the champion's of the last stage in which it answered when
  // the challenger now has all requests.
  StageEvidence Compared() const;
  // Takes a decision: notes the look, moves on or ends.
  void Take(const Decision& decision, Micros now);
  Json ToJson() const;
  static Result<Rollout> FromJson(const Json& json);
};

// The route while it is under way: null `challenger` when that could not be loaded.
std::shared_ptr<const Route> RouteOf(const Rollout& rollout, std::shared_ptr<const Served> champion,
                                     std::shared_ptr<const Served> challenger);

}  // namespace tenon::serve
