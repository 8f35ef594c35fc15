#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"

namespace tenon::model {

// How a node tells left from right. NaN always goes where `missing_left` says.
enum class Comparison : std::uint8_t {
  kBelow,        // x < value goes left
  kAtMost,       // x <= value goes left
  kEqual,        // x == value goes left
  kCategory,     // x cut to a whole number is in `categories`: right; else, and when x < 0 or x >= 2^24: left
  kCategoryCut,  // the same, but -1 < x < 0 is category 0
};

// One tree as arrays over its nodes, node 0 the root.
struct Tree {
  struct Node {
    std::int32_t left = -1;    // -1: a leaf
    std::int32_t right = -1;
    std::int32_t feature = 0;
    double value = 0;          // what x is compared with, in doubles; of a leaf, what it adds
    Comparison split = Comparison::kBelow;
    bool missing_left = false;
    bool zero_missing = false; // |x| <= 1e-35F is missing as well
    std::int32_t vector = -1;  // of a leaf of a tree with vectors: which of them it adds
    std::vector<std::uint32_t> categories = {};
    float cover = 0;           // sum of hessians (weights) of the training rows that came here, for attributions
  };
  std::vector<Node> nodes;
  int output = 0;              // the margin it adds to; kEveryOutput: leaves are vectors
  std::vector<double> vectors = {};  // of `outputs` numbers each

  static constexpr int kEveryOutput = -1;
};

// The type in which leaves are added up. With kFloat all leaves and bases must be floats.
enum class Sum : std::uint8_t { kFloat, kDouble };

// Trees whose leaves add up to margins. What learners make and importers produce. In the type of `sum`, tree by tree:
//   margin = (base + leaf + leaf + ...) / divisor, or (0 + leaf + leaf + ...) / divisor + base with base_last,
// rounded to float at the end.
struct ForestSpec {
  Task task = Task::kRegression;
  int features = 0;
  int outputs = 1;
  std::vector<double> base;  // one an output
  std::vector<Tree> trees;
  Sum sum = Sum::kFloat;
  double divisor = 1;        // the number of trees makes a mean
  bool base_last = false;
  Link link = Link::kOfTask; // margins to predictions; kIdentity when the leaves hold probabilities
};

// Checks the trees (indices, no cycles, finite leaves) and compiles them. Equal specs give equal models. Every test is made
// `x < a float` with the same outcome for every float x first, so that a double threshold costs nothing.
Result<std::unique_ptr<Model>> MakeForest(ForestSpec spec);

// The specification in a payload that Save of a forest wrote, unchecked but for its bounds. data_loss.
Result<ForestSpec> ReadForest(std::string_view payload);

// Reads XGBoost's JSON model (1.7 to 3.x: base_score a number or a list; categorical splits; multi-class; early-stopped
// models keep their best iteration). The margins equal XGBoost's own, leaf by leaf in its order of addition.
Result<ForestSpec> ReadXgboost(std::string_view json);
Result<ForestSpec> ReadXgboostParsed(const Json& json);

// The trees of a forest that MakeForest made; null when the model is none. They live as long as the model.
const ForestSpec* TreesOf(const Model& model);

// The leaf (node number) each row reaches in each tree: rows x trees, for parity tests.
std::vector<std::int32_t> Leaves(ForestSpec spec, const float* rows, std::int64_t n, std::int64_t stride);

}  // namespace tenon::model
