#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"

namespace tenon::model {

// One tree as arrays over its nodes, node 0 the root.
struct Tree {
  struct Node {
    std::int32_t left = -1;    // -1: a leaf
    std::int32_t right = -1;
    std::int32_t feature = 0;
    float value = 0;           // threshold: x < value goes left; of a leaf, what it adds
    bool missing_left = false; // where NaN goes
    bool categorical = false;  // x (a whole number) in `categories` goes right, as XGBoost does; else left
    std::vector<std::uint32_t> categories = {};
    float cover = 0;           // sum of hessians (weights) of the training rows that came here, for attributions
  };
  std::vector<Node> nodes;
  int output = 0;              // the margin it adds to
};

// Trees whose leaves add up to margins. What learners make and importers produce.
struct ForestSpec {
  Task task = Task::kRegression;
  int features = 0;
  int outputs = 1;
  std::vector<float> base;  // margin before the first tree, one an output
  std::vector<Tree> trees;
};

// Checks the trees (indices, no cycles, finite leaves) and compiles them. Equal specs give equal models.
Result<std::unique_ptr<Model>> MakeForest(ForestSpec spec);

// Reads XGBoost's JSON model (1.7 to 3.x: base_score a number or a list; categorical splits; multi-class; early-stopped
// models keep their best iteration). The margins equal XGBoost's own, leaf by leaf in its order of addition.
Result<ForestSpec> ReadXgboost(std::string_view json);

// The leaf (node number) each row reaches in each tree: rows x trees, for parity tests.
std::vector<std::int32_t> Leaves(const ForestSpec& spec, const float* rows, std::int64_t n, std::int64_t stride);

}  // namespace tenon::model
