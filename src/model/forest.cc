#include "model/forest.h"

#include <algorithm>
#include <cmath>

#include "model/forest_internal.h"
#include "model/payload_internal.h"
#include "model/tree_shap_internal.h"

namespace tenon::model {
namespace {

constexpr std::int64_t kFewRows = 16;          // from here on a block of the batch kernel costs less than rows alone
constexpr std::uint32_t kMostCategory = 1U << 24;

// Attributions cost memory and time with the length of the paths.
constexpr int kMostDepth = 2000;

Error Wrong(std::size_t tree, std::int32_t node, std::string_view what) {
  return Error(Code::kInvalidArgument, Str("node ", node, " of tree ", tree, " ", what));
}

Result<void> CheckNode(const ForestSpec& spec, std::size_t t, std::int32_t at) {
  const Tree& tree = spec.trees[t];
  const auto count = static_cast<std::int32_t>(tree.nodes.size());
  const Tree::Node& node = tree.nodes[static_cast<std::size_t>(at)];
  if (!(node.cover >= 0) || std::isinf(node.cover)) return Wrong(t, at, "has a cover that is negative or not finite");
  if (node.left < 0) {
    if (!std::isfinite(node.value)) return Wrong(t, at, "is a leaf whose value is not finite");
    return {};
  }
  if (node.left >= count || node.right < 0 || node.right >= count) {
    return Wrong(t, at, Str("has children ", node.left, " and ", node.right, "; the tree has ", count, " nodes"));
  }
  if (node.feature < 0 || node.feature >= spec.features) {
    return Wrong(t, at, Str("tests feature ", node.feature, "; there are ", spec.features));
  }
  if (!node.categorical && std::isnan(node.value)) return Wrong(t, at, "has the threshold NaN");
  for (std::uint32_t category : node.categories) {
    if (category >= kMostCategory) return Wrong(t, at, Str("has category ", category, "; the largest is ", kMostCategory - 1));
  }
  return {};
}

Result<void> CheckTree(const ForestSpec& spec, std::size_t t) {
  const Tree& tree = spec.trees[t];
  if (tree.nodes.empty()) return Error(Code::kInvalidArgument, Str("tree ", t, " has no nodes; a constant is a tree of one leaf"));
  if (tree.output < 0 || tree.output >= spec.outputs) {
    return Error(Code::kInvalidArgument, Str("tree ", t, " adds to output ", tree.output, "; there are ", spec.outputs));
  }
  std::vector<int> depth(tree.nodes.size(), -1);
  std::vector<std::int32_t> open = {0};
  depth[0] = 0;
  while (!open.empty()) {
    const std::int32_t at = open.back();
    open.pop_back();
    TENON_TRY(CheckNode(spec, t, at));
    const Tree::Node& node = tree.nodes[static_cast<std::size_t>(at)];
    if (node.left < 0) continue;
    for (const std::int32_t child : {node.left, node.right}) {
      int& reached = depth[static_cast<std::size_t>(child)];
      if (reached >= 0) return Wrong(t, child, "has two parents or is its own ancestor");
      reached = depth[static_cast<std::size_t>(at)] + 1;
      if (reached > kMostDepth) return Wrong(t, child, Str("is deeper than ", kMostDepth, " tests"));
      open.push_back(child);
    }
  }
  return {};
}

Result<void> Check(const ForestSpec& spec) {
  const bool many = spec.task == Task::kMulticlass;
  if (spec.features < 0 || spec.outputs < 1 || many != (spec.outputs > 1)) {
    return Error(Code::kInvalidArgument, Str("a ", NameOf(spec.task), " forest with ", spec.features, " features and ",
                                             spec.outputs, " outputs cannot be; multiclass has 2 or more outputs, others 1"));
  }
  if (spec.base.size() != static_cast<std::size_t>(spec.outputs)) {
    return Error(Code::kInvalidArgument, Str("a forest of ", spec.outputs, " outputs needs as many base margins; it has ",
                                             spec.base.size()));
  }
  for (float base : spec.base) {
    if (!std::isfinite(base)) return Error(Code::kInvalidArgument, "a base margin of the forest is not finite");
  }
  for (std::size_t t = 0; t < spec.trees.size(); ++t) TENON_TRY(CheckTree(spec, t));
  return {};
}

class Forest final : public Model {
 public:
  explicit Forest(ForestSpec spec) : spec_(std::move(spec)), compiled_(Compile(spec_)), shap_(spec_, compiled_) {
    fast_ = compiled_.ranks && HasAvx2();
  }

  std::string_view format() const override { return "forest"; }
  Task task() const override { return spec_.task; }
  int features() const override { return spec_.features; }
  int outputs() const override { return spec_.outputs; }

  void Margin(const float* rows, std::int64_t n, std::int64_t stride, float* out) const override {
    if (fast_ && n >= kFewRows) return Avx2Rows(compiled_, rows, n, stride, out);
    if (!compiled_.rank_single) return WalkRows(compiled_, rows, n, stride, out);
    for (std::int64_t i = 0; i < n; ++i) RankedRow(compiled_, rows + i * stride, out + i * spec_.outputs);
  }

  void Predict(const float* rows, std::int64_t n, std::int64_t stride, float* out) const override {
    Margin(rows, n, stride, out);
    ApplyLink(spec_.task, spec_.outputs, out, n);
  }

  void Contributions(const float* row, double* out) const override { shap_.Contributions(row, out); }

  Json Describe() const override {
    std::int64_t leaves = 0, nodes = 0;
    for (const Tree& tree : spec_.trees) {
      nodes += static_cast<std::int64_t>(tree.nodes.size());
      for (const Tree::Node& node : tree.nodes) leaves += node.left < 0 ? 1 : 0;
    }
    Json json;
    json["format"] = format();
    json["features"] = spec_.features;
    json["outputs"] = spec_.outputs;
    json["trees"] = static_cast<std::int64_t>(spec_.trees.size());
    json["depth"] = Deepest();
    json["nodes"] = nodes;
    json["leaves"] = leaves;
    json["features_used"] = FeaturesUsed();
    json["bytes"] = static_cast<std::int64_t>(Save().size());
    return json;
  }

  std::string Save() const override;

 private:
  int Deepest() const {
    int most = 0;
    for (const Tree& tree : spec_.trees) {
      std::vector<std::pair<std::int32_t, int>> open = {{0, 0}};
      while (!open.empty()) {
        const auto [at, depth] = open.back();
        open.pop_back();
        most = std::max(most, depth);
        const Tree::Node& node = tree.nodes[static_cast<std::size_t>(at)];
        if (node.left < 0) continue;
        open.emplace_back(node.left, depth + 1);
        open.emplace_back(node.right, depth + 1);
      }
    }
    return most;
  }

  std::int64_t FeaturesUsed() const {
    std::vector<bool> used(static_cast<std::size_t>(spec_.features));
    for (const Tree& tree : spec_.trees) {
      for (const Tree::Node& node : tree.nodes) {
        if (node.left >= 0) used[static_cast<std::size_t>(node.feature)] = true;
      }
    }
    return std::ranges::count(used, true);
  }

  ForestSpec spec_;
  Compiled compiled_;
  TreeShap shap_;
  bool fast_ = false;
};

std::string Forest::Save() const {
  PayloadWriter writer("TNFOREST", 1);
  writer.Put(static_cast<std::uint8_t>(spec_.task));
  writer.Put(static_cast<std::int32_t>(spec_.features));
  writer.Put(static_cast<std::uint64_t>(spec_.base.size()));
  for (float base : spec_.base) writer.Put(base);
  writer.Put(static_cast<std::uint64_t>(spec_.trees.size()));
  for (const Tree& tree : spec_.trees) {
    writer.Put(static_cast<std::int32_t>(tree.output));
    writer.Put(static_cast<std::uint64_t>(tree.nodes.size()));
    for (const Tree::Node& node : tree.nodes) {
      const unsigned flags = (node.missing_left ? 1U : 0U) | (node.categorical ? 2U : 0U);
      writer.Put(node.left);
      writer.Put(node.right);
      writer.Put(node.feature);
      writer.Put(node.value);
      writer.Put(node.cover);
      writer.Put(static_cast<std::uint8_t>(flags));
      if (!node.categorical) continue;
      writer.Put(static_cast<std::uint64_t>(node.categories.size()));
      for (std::uint32_t category : node.categories) writer.Put(category);
    }
  }
  return std::move(writer).Finish();
}

}  // namespace

Result<std::unique_ptr<Model>> MakeForest(ForestSpec spec) {
  TENON_TRY(Check(spec), "checking the trees");
  for (Tree& tree : spec.trees) {
    for (Tree::Node& node : tree.nodes) {  // equal sets are to give equal bytes
      std::ranges::sort(node.categories);
      node.categories.erase(std::unique(node.categories.begin(), node.categories.end()), node.categories.end());
    }
  }
  return std::make_unique<Forest>(std::move(spec));
}

std::vector<std::int32_t> Leaves(const ForestSpec& spec, const float* rows, std::int64_t n, std::int64_t stride) {
  const Compiled compiled = Compile(spec);
  std::vector<std::int32_t> leaves;
  leaves.reserve(static_cast<std::size_t>(n) * spec.trees.size());
  for (std::int64_t i = 0; i < n; ++i) {
    for (const std::int32_t root : compiled.roots) {
      const WalkNode& leaf = WalkFrom(compiled, root, rows + i * stride);
      leaves.push_back(static_cast<std::int32_t>(&leaf - compiled.walk.data()) - root);
    }
  }
  return leaves;
}

}  // namespace tenon::model
