// Payloads of the model formats, chosen by their first letters: what loads answers any row and is saved as the same.

#include "base/hash.h"
#include "fuzz/models.h"
#include "model/forest.h"
#include "model/linear.h"
#include "model/packed_forest.h"

namespace tenon::fuzz {
namespace {

void Check(std::string_view format, std::string_view payload) {
  auto model = LoadModel(format, payload);
  if (!model.ok()) return CheckError(model.error());
  CheckModel(**model);
  const std::string saved = (*model)->Save();
  Same(Must(LoadModel(format, saved), "a model that was saved")->Save(), saved, "a model, saved and loaded");
}

// What is unpacked is a forest, and saves as one.
void CheckPacked(std::string_view payload) {
  auto model = LoadModel("packed_forest", payload);
  if (!model.ok()) return CheckError(model.error());
  CheckModel(**model);
}

void RunModelPayload(std::string_view input) {
  std::string repaired(input);
  if (repaired.size() >= 8) PutAt(&repaired, repaired.size() - 8, Hash64(std::string_view(repaired).substr(0, repaired.size() - 8)));
  for (const std::string_view format : {"forest", "linear", "constant"}) {
    Check(format, input);
    Check(format, repaired);
  }
  CheckPacked(input);
  CheckPacked(repaired);
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  model::ForestSpec forest;
  forest.task = model::Task::kMulticlass;
  forest.features = 3;
  forest.outputs = 3;
  forest.base = {0.5F, 0.0F, -1.0F};
  for (int t = 0; t < 3; ++t) {
    model::Tree tree;
    tree.output = t;
    tree.nodes.resize(5);
    tree.nodes[0] = {.left = 1, .right = 2, .feature = t, .value = 0.5, .missing_left = true, .cover = 10};
    tree.nodes[1] = {.left = 3, .right = 4, .feature = (t + 1) % 3, .split = model::Comparison::kCategory, .categories = {1, 31, 3}, .cover = 6};
    tree.nodes[2] = {.value = 0.25, .cover = 4};
    tree.nodes[3] = {.value = -0.25, .cover = 3};
    tree.nodes[4] = {.value = 1, .cover = 3};
    forest.trees.push_back(tree);
  }
  seeds.push_back(Must(model::MakeForest(forest), "a forest")->Save());
  forest.sum = model::Sum::kDouble;
  forest.divisor = 3;
  forest.base_last = true;
  forest.trees[1].output = model::Tree::kEveryOutput;  // leaves are vectors
  forest.trees[1].vectors = {1, 2, 3, 0.1, 0.2, 0.3};
  for (const std::size_t leaf : {2U, 3U, 4U}) forest.trees[1].nodes[leaf].vector = static_cast<std::int32_t>(leaf % 2);
  forest.trees[2].nodes[1] = {.left = 3, .right = 4, .value = 0.1, .split = model::Comparison::kAtMost, .zero_missing = true, .cover = 6};
  seeds.push_back(Must(model::MakeForest(forest), "a forest of vectors")->Save());
  for (const auto leaves : {model::LeafBits::kWhole, model::LeafBits::kHalf, model::LeafBits::kByte}) {
    seeds.push_back(Must(model::PackForest(forest, leaves), "a packed forest"));
  }
  model::LinearSpec linear;
  linear.task = model::Task::kBinary;
  linear.features = 2;
  linear.weights = {0.5, -1};
  linear.intercept = {0.1};
  linear.center = {0, 3};
  seeds.push_back(Must(model::MakeLinear(linear), "a linear model")->Save());
  seeds.push_back(Must(model::MakeConstant(model::Task::kRegression, 4, {2.5}), "a constant")->Save());
  return seeds;
}

}  // namespace

Target MakeModelPayload() { return {RunModelPayload, Seeds}; }

}  // namespace tenon::fuzz
