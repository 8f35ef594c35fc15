#include "model/packed_forest.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <utility>

#include "model/forest_internal.h"
#include "model/payload_internal.h"

namespace tenon::model {
namespace {

constexpr std::string_view kMagic = "TNPACKED";
constexpr unsigned kLeaf = 0x80;
constexpr double kMostHalf = 65504;

// To the nearest half, ties to even; |value| <= kMostHalf.
std::uint16_t ToHalf(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000U);
  const float size = std::abs(value);
  if (size < 6.103515625e-05F) {  // below the least normal half: a multiple of 2^-24
    return static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(std::nearbyint(size * 16777216.0F)));
  }
  const std::uint32_t rounded = (bits & 0x7fffffffU) + 0xfffU + (bits >> 13 & 1U);
  return static_cast<std::uint16_t>(sign | ((rounded >> 13) - (112U << 10)));
}

float FromHalf(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t exponent = half >> 10 & 31U, fraction = half & 1023U;
  if (exponent == 0) {
    const float size = static_cast<float>(fraction) / 16777216.0F;
    return sign != 0 ? -size : size;
  }
  return std::bit_cast<float>(sign | (exponent + 112U) << 23 | fraction << 13);
}

// The upper half of a float, rounded to nearest: 8 bits of precision. Only of numbers >= 0.
std::uint16_t ToShort(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}
float FromShort(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

// The 256 values a tree's leaves may have.
struct Steps {
  float least = 0, step = 0;
  float Value(std::uint8_t count) const { return least + static_cast<float>(count) * step; }
  std::uint8_t Nearest(double value) const {
    if (step <= 0) return 0;
    return static_cast<std::uint8_t>(std::clamp(std::nearbyint((value - static_cast<double>(least)) / static_cast<double>(step)), 0.0, 255.0));
  }
};

// All that the leaves of a tree add which a row can reach.
std::vector<double> LeafValues(const Tree& tree) {
  if (tree.output == Tree::kEveryOutput) return tree.vectors;
  std::vector<double> values;
  std::vector<std::int32_t> open = {0};
  while (!open.empty()) {
    const Tree::Node& node = tree.nodes[static_cast<std::size_t>(open.back())];
    open.pop_back();
    if (node.left < 0) {
      values.push_back(node.value);
    } else {
      open.insert(open.end(), {node.left, node.right});
    }
  }
  return values;
}

Steps StepsOf(const Tree& tree) {
  const std::vector<double> values = LeafValues(tree);
  if (values.empty()) return {};
  const auto [least, most] = std::ranges::minmax(values);
  Steps steps;
  steps.least = static_cast<float>(least);
  steps.step = static_cast<float>((most - least) / 255);
  return steps;
}

bool HasPair(const Tree::Node& node) { return node.split == Comparison::kBelow || node.split == Comparison::kEqual; }

// Feature and threshold of all tests, each once.
using Pairs = std::map<std::pair<std::int32_t, float>, std::uint32_t>;
Pairs PairsOf(const ForestSpec& spec) {
  Pairs pairs;
  for (const Tree& tree : spec.trees) {
    for (const Tree::Node& node : tree.nodes) {
      if (node.left >= 0 && HasPair(node)) pairs[{node.feature, static_cast<float>(node.value)}] = 0;
    }
  }
  std::uint32_t next = 0;
  for (auto& [pair, number] : pairs) number = next++;
  return pairs;
}

class Packer {
 public:
  Packer(const ForestSpec& spec, LeafBits leaves) : spec_(spec), leaves_(leaves), pairs_(PairsOf(spec)), writer_(kMagic, 1) {}

  std::string Pack() && {
    writer_.Put(static_cast<std::uint8_t>(spec_.task));
    writer_.Put(static_cast<std::uint8_t>(spec_.sum));
    writer_.Put(static_cast<std::uint8_t>(spec_.link));
    writer_.Put(static_cast<std::uint8_t>(spec_.base_last ? 1 : 0));
    writer_.Put(static_cast<std::uint8_t>(leaves_));
    writer_.Put(spec_.divisor);
    writer_.Put(static_cast<std::int32_t>(spec_.features));
    writer_.Put(static_cast<std::uint64_t>(spec_.base.size()));
    for (const double base : spec_.base) writer_.Put(base);
    writer_.Put(static_cast<std::uint64_t>(pairs_.size()));
    for (const auto& [pair, number] : pairs_) {
      writer_.Put(pair.first);
      writer_.Put(pair.second);
    }
    writer_.Put(static_cast<std::uint64_t>(spec_.trees.size()));
    for (const Tree& tree : spec_.trees) PutTree(tree);
    return std::move(writer_).Finish();
  }

 private:
  // Depth first, left before right: no child needs a number.
  void PutTree(const Tree& tree) {
    writer_.Put(static_cast<std::int32_t>(tree.output));
    steps_ = StepsOf(tree);
    if (leaves_ == LeafBits::kByte) {
      writer_.Put(steps_.least);
      writer_.Put(steps_.step);
    }
    std::vector<std::int32_t> open = {0};
    while (!open.empty()) {
      const Tree::Node& node = tree.nodes[static_cast<std::size_t>(open.back())];
      open.pop_back();
      if (node.left < 0) {
        PutLeaf(tree, node);
        continue;
      }
      PutTest(node);
      open.push_back(node.right);
      open.push_back(node.left);
    }
  }

  void PutLeaf(const Tree& tree, const Tree::Node& node) {
    writer_.Put(static_cast<std::uint8_t>(kLeaf));
    writer_.Put(ToShort(std::max(node.cover, 0.0F)));
    if (tree.output != Tree::kEveryOutput) return PutValue(node.value);
    const auto outputs = static_cast<std::size_t>(spec_.outputs);
    for (std::size_t k = 0; k < outputs; ++k) PutValue(tree.vectors[static_cast<std::size_t>(node.vector) * outputs + k]);
  }

  void PutValue(double value) {
    switch (leaves_) {
      case LeafBits::kHalf: return writer_.Put(ToHalf(static_cast<float>(value)));
      case LeafBits::kByte: return writer_.Put(steps_.Nearest(value));
      case LeafBits::kWhole: break;
    }
    spec_.sum == Sum::kFloat ? writer_.Put(static_cast<float>(value)) : writer_.Put(value);
  }

  void PutTest(const Tree::Node& node) {
    const unsigned flags = (node.missing_left ? 1U : 0U) | (node.zero_missing ? 2U : 0U) | static_cast<unsigned>(node.split) << 2;
    writer_.Put(static_cast<std::uint8_t>(flags));
    if (HasPair(node)) {
      const std::uint32_t number = pairs_.at({node.feature, static_cast<float>(node.value)});
      if (pairs_.size() <= 256) return writer_.Put(static_cast<std::uint8_t>(number));
      if (pairs_.size() <= 65536) return writer_.Put(static_cast<std::uint16_t>(number));
      return writer_.Put(number);
    }
    writer_.Put(static_cast<std::int32_t>(node.feature));
    writer_.Put(static_cast<std::uint64_t>(node.categories.size()));
    for (const std::uint32_t category : node.categories) writer_.Put(category);
  }

  const ForestSpec& spec_;
  LeafBits leaves_;
  Pairs pairs_;
  Steps steps_;
  PayloadWriter writer_;
};

class Unpacker {
 public:
  explicit Unpacker(PayloadReader& reader) : reader_(reader) {}

  Result<ForestSpec> Unpack() {
    ForestSpec spec;
    spec.task = static_cast<Task>(reader_.Get<std::uint8_t>());
    spec.sum = static_cast<Sum>(reader_.Get<std::uint8_t>());
    spec.link = static_cast<Link>(reader_.Get<std::uint8_t>());
    spec.base_last = reader_.Get<std::uint8_t>() != 0;
    leaves_ = static_cast<LeafBits>(reader_.Get<std::uint8_t>());
    if (leaves_ > LeafBits::kByte) return Error(Code::kDataLoss, Str("no way to keep leaves has number ", static_cast<int>(leaves_)));
    sum_ = spec.sum;
    spec.divisor = reader_.Get<double>();
    spec.features = reader_.Get<std::int32_t>();
    spec.base.resize(reader_.GetCount(sizeof(double)));
    for (double& base : spec.base) base = reader_.Get<double>();
    spec.outputs = static_cast<int>(spec.base.size());
    pairs_.resize(reader_.GetCount(sizeof(std::int32_t) + sizeof(float)));
    for (auto& [feature, value] : pairs_) {
      feature = reader_.Get<std::int32_t>();
      value = reader_.Get<float>();
    }
    spec.trees.resize(reader_.GetCount(sizeof(std::int32_t) + 1 + sizeof(std::uint16_t)));
    for (Tree& tree : spec.trees) TENON_TRY(ReadTree(spec, &tree));
    TENON_TRY(reader_.Done());
    return spec;
  }

 private:
  Result<void> ReadTree(const ForestSpec& spec, Tree* tree) {
    tree->output = reader_.Get<std::int32_t>();
    if (leaves_ == LeafBits::kByte) {
      steps_.least = reader_.Get<float>();
      steps_.step = reader_.Get<float>();
    }
    // Where the next node belongs: the child of a test, left ones first; -1: the root.
    std::vector<std::pair<std::int32_t, bool>> open = {{-1, false}};
    while (!open.empty()) {
      const auto [parent, right] = open.back();
      open.pop_back();
      const auto at = static_cast<std::int32_t>(tree->nodes.size());
      if (parent >= 0) (right ? tree->nodes[static_cast<std::size_t>(parent)].right : tree->nodes[static_cast<std::size_t>(parent)].left) = at;
      tree->nodes.emplace_back();
      const auto flags = reader_.Get<std::uint8_t>();
      if (!reader_.ok()) return Error(Code::kDataLoss, "the payload ends within a tree");
      if ((flags & kLeaf) != 0) {
        ReadLeaf(spec, tree);
        continue;
      }
      TENON_TRY(ReadTest(flags, &tree->nodes.back()));
      open.emplace_back(at, true);
      open.emplace_back(at, false);
    }
    // Children stand behind their parents.
    for (auto node = tree->nodes.rbegin(); node != tree->nodes.rend(); ++node) {
      if (node->left >= 0) node->cover = tree->nodes[static_cast<std::size_t>(node->left)].cover + tree->nodes[static_cast<std::size_t>(node->right)].cover;
    }
    return {};
  }

  void ReadLeaf(const ForestSpec& spec, Tree* tree) {
    Tree::Node& node = tree->nodes.back();
    node.cover = FromShort(reader_.Get<std::uint16_t>());
    if (tree->output != Tree::kEveryOutput) {
      node.value = ReadValue();
      return;
    }
    node.vector = spec.outputs == 0 ? 0 : static_cast<std::int32_t>(tree->vectors.size() / static_cast<std::size_t>(spec.outputs));
    for (int k = 0; k < spec.outputs; ++k) tree->vectors.push_back(ReadValue());
  }

  double ReadValue() {
    switch (leaves_) {
      case LeafBits::kHalf: return static_cast<double>(FromHalf(reader_.Get<std::uint16_t>()));
      case LeafBits::kByte: return static_cast<double>(steps_.Value(reader_.Get<std::uint8_t>()));
      case LeafBits::kWhole: break;
    }
    return sum_ == Sum::kFloat ? static_cast<double>(reader_.Get<float>()) : reader_.Get<double>();
  }

  Result<void> ReadTest(std::uint8_t flags, Tree::Node* node) {
    node->missing_left = (flags & 1U) != 0;
    node->zero_missing = (flags & 2U) != 0;
    node->split = static_cast<Comparison>(flags >> 2);
    node->left = node->right = 0;  // until they come
    if (HasPair(*node)) {
      const std::uint32_t number = pairs_.size() <= 256     ? reader_.Get<std::uint8_t>()
                                   : pairs_.size() <= 65536 ? reader_.Get<std::uint16_t>()
                                                            : reader_.Get<std::uint32_t>();
      if (number >= pairs_.size()) return Error(Code::kDataLoss, Str("a test has pair ", number, " of ", pairs_.size()));
      node->feature = pairs_[number].first;
      node->value = static_cast<double>(pairs_[number].second);
      return {};
    }
    node->feature = reader_.Get<std::int32_t>();
    node->categories.resize(reader_.GetCount(sizeof(std::uint32_t)));
    for (std::uint32_t& category : node->categories) category = reader_.Get<std::uint32_t>();
    return {};
  }

  PayloadReader& reader_;
  LeafBits leaves_ = LeafBits::kWhole;
  Sum sum_ = Sum::kFloat;
  std::vector<std::pair<std::int32_t, float>> pairs_;
  Steps steps_;
};

}  // namespace

Result<std::string> PackForest(const ForestSpec& spec, LeafBits leaves) {
  TENON_TRY(CheckForest(spec), "checking the trees");
  ForestSpec plain = spec;
  Normalise(&plain);
  if (leaves == LeafBits::kHalf) {
    for (std::size_t t = 0; t < plain.trees.size(); ++t) {
      for (const double value : LeafValues(plain.trees[t])) {
        if (std::abs(value) <= kMostHalf) continue;
        return Error(Code::kInvalidArgument, Str("a leaf of tree ", t, " adds ", value, ", half precision ends at ", kMostHalf, "; keep the leaves whole, or take bytes"));
      }
    }
  }
  return Packer(plain, leaves).Pack();
}

Result<ForestSpec> ReadPackedForest(std::string_view payload) {
  TENON_ASSIGN(PayloadReader reader, PayloadReader::Open(payload, kMagic, 1, 1), "reading a packed forest");
  return Unpacker(reader).Unpack();
}

std::int64_t MergeLeaves(double within, ForestSpec* spec) {
  std::int64_t merged = 0;
  for (Tree& tree : spec->trees) {
    if (tree.output == Tree::kEveryOutput || tree.nodes.empty()) continue;
    // Parents before children, then backwards.
    std::vector<std::int32_t> order = {0};
    for (std::size_t i = 0; i < order.size(); ++i) {
      const Tree::Node& node = tree.nodes[static_cast<std::size_t>(order[i])];
      if (node.left >= 0) order.insert(order.end(), {node.left, node.right});
    }
    for (auto at = order.rbegin(); at != order.rend(); ++at) {
      Tree::Node& node = tree.nodes[static_cast<std::size_t>(*at)];
      if (node.left < 0) continue;
      const Tree::Node& left = tree.nodes[static_cast<std::size_t>(node.left)];
      const Tree::Node& right = tree.nodes[static_cast<std::size_t>(node.right)];
      if (left.left >= 0 || right.left >= 0 || !(std::abs(left.value - right.value) < within)) continue;
      const double here = static_cast<double>(left.cover), there = static_cast<double>(right.cover);
      const double mean = here + there > 0 ? (left.value * here + right.value * there) / (here + there) : (left.value + right.value) / 2;
      Tree::Node leaf;
      leaf.cover = node.cover;
      leaf.value = spec->sum == Sum::kFloat ? static_cast<double>(static_cast<float>(mean)) : mean;
      node = leaf;
      ++merged;
    }
  }
  return merged;
}

ForestSpec FirstTrees(const ForestSpec& spec, std::int64_t trees) {
  ForestSpec fewer = spec;
  const auto keep = static_cast<std::size_t>(std::clamp<std::int64_t>(trees, 0, static_cast<std::int64_t>(spec.trees.size())));
  fewer.trees.resize(keep);
  if (spec.divisor != 1 && !spec.trees.empty()) fewer.divisor = std::max(1.0, spec.divisor * static_cast<double>(keep) / static_cast<double>(spec.trees.size()));
  return fewer;
}

}  // namespace tenon::model
