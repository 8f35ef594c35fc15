#include "model/forest.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "model/forest_internal.h"
#include "model/payload_internal.h"
#include "model/tree_shap_internal.h"

namespace tenon::model {
namespace {

class Forest final : public Model {
 public:
  // `kernel`: null, or the one to use.
  Forest(ForestSpec spec, std::unique_ptr<Kernel> (*kernel)(const Compiled&))
      : spec_(std::move(spec)), compiled_(Compile(spec_)) {
    if (kernel == nullptr) {
      chosen_ = std::make_unique<Chosen>(compiled_);
    } else {
      only_ = kernel(compiled_);
    }
  }
  bool CanCompute() const { return chosen_ != nullptr || only_ != nullptr; }

  const ForestSpec& spec() const { return spec_; }
  std::string_view format() const override { return "forest"; }
  Task task() const override { return spec_.task; }
  int features() const override { return spec_.features; }
  int outputs() const override { return spec_.outputs; }

  void Margin(const float* rows, std::int64_t n, std::int64_t stride, float* out) const override {
    if (only_ != nullptr) return only_->Margin(rows, n, stride, out);
    chosen_->Margin(rows, n, stride, out);
  }

  void Predict(const float* rows, std::int64_t n, std::int64_t stride, float* out) const override {
    Margin(rows, n, stride, out);
    ApplyLink(spec_.task, spec_.outputs, out, n, spec_.link);
  }

  void Contributions(const float* row, double* out) const override { Shap().Contributions(row, 1, 0, out); }
  void ContributionsOfRows(const float* rows, std::int64_t n, std::int64_t stride, double* out) const override {
    Shap().Contributions(rows, n, stride, out);
  }

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

  const TreeShap& Shap() const {
    std::call_once(shap_made_, [this] { shap_ = std::make_unique<const TreeShap>(spec_, compiled_); });
    return *shap_;
  }

  ForestSpec spec_;
  Compiled compiled_;
  mutable std::once_flag shap_made_;
  mutable std::unique_ptr<const TreeShap> shap_;  // made when it is first asked for: most models never are
  std::unique_ptr<Chosen> chosen_;
  std::unique_ptr<Kernel> only_;
};

std::string Forest::Save() const {
  PayloadWriter writer("TNFOREST", 2);
  const auto put_sum = [&](double value) {
    if (spec_.sum == Sum::kFloat) {
      writer.Put(static_cast<float>(value));
    } else {
      writer.Put(value);
    }
  };
  writer.Put(static_cast<std::uint8_t>(spec_.task));
  writer.Put(static_cast<std::uint8_t>(spec_.sum));
  writer.Put(static_cast<std::uint8_t>(spec_.link));
  writer.Put(static_cast<std::uint8_t>(spec_.base_last ? 1 : 0));
  put_sum(spec_.divisor);
  writer.Put(static_cast<std::int32_t>(spec_.features));
  writer.Put(static_cast<std::uint64_t>(spec_.base.size()));
  for (double base : spec_.base) put_sum(base);
  writer.Put(static_cast<std::uint64_t>(spec_.trees.size()));
  for (const Tree& tree : spec_.trees) {
    writer.Put(static_cast<std::int32_t>(tree.output));
    writer.Put(static_cast<std::uint64_t>(tree.vectors.size()));
    for (double value : tree.vectors) put_sum(value);
    writer.Put(static_cast<std::uint64_t>(tree.nodes.size()));
    for (const Tree::Node& node : tree.nodes) {
      writer.Put(node.left);
      writer.Put(node.cover);
      if (node.left < 0) {
        if (tree.output == Tree::kEveryOutput) {
          writer.Put(node.vector);
        } else {
          put_sum(node.value);
        }
        continue;
      }
      writer.Put(node.right);
      writer.Put(node.feature);
      const unsigned flags = (node.missing_left ? 1U : 0U) | (node.zero_missing ? 2U : 0U) | static_cast<unsigned>(node.split) << 2;
      writer.Put(static_cast<std::uint8_t>(flags));
      if (node.split == Comparison::kBelow || node.split == Comparison::kEqual) {
        writer.Put(static_cast<float>(node.value));
        continue;
      }
      writer.Put(static_cast<std::uint64_t>(node.categories.size()));
      for (std::uint32_t category : node.categories) writer.Put(category);
    }
  }
  return std::move(writer).Finish();
}

}  // namespace

Result<std::unique_ptr<Model>> MakeForest(ForestSpec spec) {
  TENON_TRY(CheckForest(spec), "checking the trees");
  Normalise(&spec);
  return std::make_unique<Forest>(std::move(spec), nullptr);
}

Result<std::unique_ptr<Model>> MakeForestWith(ForestSpec spec, std::string_view kernel) {
  TENON_TRY(CheckForest(spec), "checking the trees");
  Normalise(&spec);
  for (const KernelKind& kind : KernelKinds()) {
    if (kind.name != kernel) continue;
    auto made = std::make_unique<Forest>(std::move(spec), kind.make);
    if (!made->CanCompute()) return Error(Code::kFailedPrecondition, Str("the kernel ", kernel, " cannot compute this forest here"));
    return made;
  }
  return Error(Code::kInvalidArgument, Str("there is no kernel '", kernel, "'"));
}

std::vector<std::int32_t> Leaves(ForestSpec spec, const float* rows, std::int64_t n, std::int64_t stride) {
  Normalise(&spec);
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

const ForestSpec* TreesOf(const Model& model) {
  const auto* forest = dynamic_cast<const Forest*>(&model);
  return forest == nullptr ? nullptr : &forest->spec();
}

}  // namespace tenon::model
