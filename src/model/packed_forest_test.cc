#include "model/packed_forest.h"

#include <cmath>
#include <cstring>

#include "base/hash.h"
#include "base/testing.h"

namespace tenon::model {
namespace {

double Unit(std::uint64_t* draw) {
  *draw = Hash64(*draw);
  return static_cast<double>(*draw >> 11) / static_cast<double>(1ULL << 53);
}

// Full trees of that depth with thresholds of a coarse grid, as binned training gives.
ForestSpec Some(int trees, int depth, int outputs = 1, Sum sum = Sum::kFloat) {
  ForestSpec spec;
  spec.task = outputs == 1 ? Task::kBinary : Task::kMulticlass;
  spec.features = 7;
  spec.outputs = outputs;
  spec.sum = sum;
  for (int k = 0; k < outputs; ++k) spec.base.push_back(static_cast<double>(0.25F * static_cast<float>(k)));
  std::uint64_t draw = 11;
  const int inner = (1 << depth) - 1;
  for (int t = 0; t < trees; ++t) {
    Tree tree;
    tree.output = t % outputs;
    for (int n = 0; n < 2 * inner + 1; ++n) {
      Tree::Node node;
      if (n < inner) {
        node.left = 2 * n + 1;
        node.right = 2 * n + 2;
        node.feature = static_cast<int>(Unit(&draw) * 7);
        node.value = std::floor(Unit(&draw) * 32) / 32;
        node.missing_left = Unit(&draw) < 0.5;
      } else {
        const double value = (Unit(&draw) - 0.5) * 0.2;
        node.value = sum == Sum::kFloat ? static_cast<double>(static_cast<float>(value)) : value;
        node.cover = static_cast<float>(1 + std::floor(Unit(&draw) * 50));
      }
      tree.nodes.push_back(node);
    }
    for (auto node = tree.nodes.rbegin(); node != tree.nodes.rend(); ++node) {
      if (node->left >= 0) node->cover = tree.nodes[static_cast<std::size_t>(node->left)].cover + tree.nodes[static_cast<std::size_t>(node->right)].cover;
    }
    spec.trees.push_back(std::move(tree));
  }
  return spec;
}

std::vector<float> Rows(int n) {
  std::uint64_t draw = 5;
  std::vector<float> rows;
  for (int i = 0; i < 7 * n; ++i) rows.push_back(Unit(&draw) < 0.1 ? NAN : static_cast<float>(Unit(&draw)));
  return rows;
}

std::vector<float> Margins(const Model& model, const std::vector<float>& rows) {
  const auto n = static_cast<std::int64_t>(rows.size()) / 7;
  std::vector<float> out(static_cast<std::size_t>(n) * static_cast<std::size_t>(model.outputs()));
  model.Margin(rows.data(), n, 7, out.data());
  return out;
}

std::vector<float> MarginsOf(const ForestSpec& spec, const std::vector<float>& rows) {
  const auto model = MakeForest(spec);
  EXPECT_TRUE(model.ok());
  return Margins(**model, rows);
}

TEST(PackedForest, WholeLeavesGiveTheSameBitsInFewerBytes) {
  const auto rows = Rows(500);
  for (const int outputs : {1, 3}) {
    for (const Sum sum : {Sum::kFloat, Sum::kDouble}) {
      const ForestSpec spec = Some(60, 5, outputs, sum);
      ASSERT_OK_AND_ASSIGN(const std::string packed, PackForest(spec, LeafBits::kWhole));
      ASSERT_OK_AND_ASSIGN(const ForestSpec back, ReadPackedForest(packed));
      const auto before = MarginsOf(spec, rows), after = MarginsOf(back, rows);
      EXPECT_EQ(std::memcmp(before.data(), after.data(), before.size() * sizeof(float)), 0) << outputs;
      ASSERT_OK_AND_ASSIGN(const auto plain, MakeForest(spec));
      EXPECT_LT(packed.size() * 2, plain->Save().size());
      ASSERT_OK_AND_ASSIGN(const std::string again, PackForest(back, LeafBits::kWhole));
      EXPECT_EQ(again, packed) << "packing what was packed changes nothing";
    }
  }
}

TEST(PackedForest, RoundedLeavesStayWithinTheirBounds) {
  const auto rows = Rows(500);
  const ForestSpec spec = Some(60, 5);
  const auto before = MarginsOf(spec, rows);
  std::size_t bytes = 0;
  for (const auto& [leaves, most] : {std::pair{LeafBits::kHalf, 60 * 0.1 / 2048}, std::pair{LeafBits::kByte, 60 * 0.2 / 255 / 2 + 1e-5}}) {
    ASSERT_OK_AND_ASSIGN(const std::string packed, PackForest(spec, leaves));
    ASSERT_OK_AND_ASSIGN(const ForestSpec back, ReadPackedForest(packed));
    const auto after = MarginsOf(back, rows);
    double largest = 0;
    for (std::size_t i = 0; i < before.size(); ++i) largest = std::max(largest, std::abs(static_cast<double>(before[i]) - static_cast<double>(after[i])));
    EXPECT_LE(largest, most);
    EXPECT_GT(largest, 0);
    if (bytes != 0) EXPECT_LT(packed.size(), bytes);
    bytes = packed.size();
    ASSERT_OK_AND_ASSIGN(const std::string again, PackForest(back, leaves));
    ASSERT_OK_AND_ASSIGN(const ForestSpec twice, ReadPackedForest(again));
    const auto thrice = MarginsOf(twice, rows);
    for (std::size_t i = 0; i < after.size(); ++i) EXPECT_NEAR(after[i], thrice[i], 1e-5);
  }
}

// The expected bits are those of IEEE 754 binary16.
TEST(PackedForest, HalvesAreRoundedToNearestTiesToEven) {
  struct Case { float value, half; };
  for (const auto& [value, half] : {Case{1.0F, 1.0F}, Case{-2.5F, -2.5F}, Case{65504.0F, 65504.0F}, Case{0.1F, 0.0999755859375F}, Case{1.00048828125F, 1.0F},
                                    Case{1.00146484375F, 1.001953125F}, Case{5.9604645e-08F, 5.9604645e-08F}, Case{1e-9F, 0.0F}, Case{6.1e-05F, 6.097555e-05F}, Case{0.0F, 0.0F}}) {
    ForestSpec spec{.task = Task::kRegression, .features = 1, .outputs = 1, .base = {0}};
    Tree tree;
    tree.nodes = {{.value = static_cast<double>(value), .cover = 1}};
    spec.trees = {tree};
    ASSERT_OK_AND_ASSIGN(const std::string packed, PackForest(spec, LeafBits::kHalf));
    ASSERT_OK_AND_ASSIGN(const ForestSpec back, ReadPackedForest(packed));
    EXPECT_FLOAT_EQ(static_cast<float>(back.trees[0].nodes[0].value), half) << value;
  }
  ForestSpec large{.task = Task::kRegression, .features = 1, .outputs = 1, .base = {0}};
  Tree tree;
  tree.nodes = {{.value = 70000, .cover = 1}};
  large.trees = {tree};
  ASSERT_CODE(kInvalidArgument, PackForest(large, LeafBits::kHalf));
  ASSERT_OK(PackForest(large, LeafBits::kByte));
}

TEST(PackedForest, KeepsCategoriesVectorsAndAttributionsThatAddUp) {
  ForestSpec spec{.task = Task::kMulticlass, .features = 2, .outputs = 2, .base = {0.5, -0.5}};
  Tree tree;
  tree.output = Tree::kEveryOutput;
  tree.vectors = {0.5, -0.25, 1, 2, -3, 4};
  tree.nodes = {{.left = 1, .right = 2, .feature = 0, .split = Comparison::kCategory, .categories = {1, 5}, .cover = 10},
                {.vector = 0, .cover = 4},
                {.left = 3, .right = 4, .feature = 1, .value = 3, .split = Comparison::kEqual, .missing_left = true, .cover = 6},
                {.vector = 1, .cover = 1},
                {.vector = 2, .cover = 5}};
  spec.trees = {tree};
  ASSERT_OK_AND_ASSIGN(const std::string packed, PackForest(spec, LeafBits::kHalf));
  ASSERT_OK_AND_ASSIGN(const ForestSpec back, ReadPackedForest(packed));
  ASSERT_OK_AND_ASSIGN(const auto before, MakeForest(spec));
  ASSERT_OK_AND_ASSIGN(const auto after, MakeForest(back));
  for (const auto& [x, y] : {std::pair{1.0F, 3.0F}, std::pair{5.0F, 2.0F}, std::pair{2.0F, 3.0F}, std::pair{NAN, NAN}}) {
    const float row[2] = {x, y};
    float a[2], b[2];
    before->Margin(row, 1, 2, a);
    after->Margin(row, 1, 2, b);
    EXPECT_EQ(a[0], b[0]);
    EXPECT_EQ(a[1], b[1]);
    double parts[6];
    after->Contributions(row, parts);
    EXPECT_NEAR(parts[0] + parts[1] + parts[2], static_cast<double>(b[0]), 1e-6);
    EXPECT_NEAR(parts[3] + parts[4] + parts[5], static_cast<double>(b[1]), 1e-6);
  }
}

TEST(PackedForest, MergesLeavesThatHardlyDiffer) {
  ForestSpec spec{.task = Task::kRegression, .features = 1, .outputs = 1, .base = {0}};
  Tree tree;
  tree.nodes = {{.left = 1, .right = 2, .value = 5, .cover = 8}, {.left = 3, .right = 4, .value = 2, .cover = 4}, {.value = 9, .cover = 4}, {.value = 1, .cover = 1}, {.value = 2, .cover = 3}};
  spec.trees = {tree};
  ForestSpec none = spec;
  EXPECT_EQ(MergeLeaves(1, &none), 0);
  EXPECT_EQ(MergeLeaves(1.5, &spec), 1);
  ASSERT_OK_AND_ASSIGN(const auto merged, MakeForest(spec));
  const float row = 0;
  float margin = 0;
  merged->Margin(&row, 1, 1, &margin);
  EXPECT_EQ(margin, 1.75F);  // (1 x 1 + 2 x 3) / 4
  EXPECT_EQ(MergeLeaves(100, &spec), 1);
  EXPECT_EQ(MergeLeaves(100, &spec), 0);
}

TEST(PackedForest, FewerTreesOfAMeanAreAMean) {
  ForestSpec spec = Some(10, 2);
  spec.divisor = 10;
  const ForestSpec fewer = FirstTrees(spec, 5);
  EXPECT_EQ(fewer.trees.size(), 5U);
  EXPECT_EQ(fewer.divisor, 5);
  EXPECT_EQ(FirstTrees(Some(10, 2), 4).divisor, 1);
  EXPECT_EQ(FirstTrees(spec, 99).trees.size(), 10U);
}

// With a sum that is right, so that every byte reaches the reader behind it.
TEST(PackedForest, DamageIsRefusedOrHarmless) {
  const auto rows = Rows(5);
  ASSERT_OK_AND_ASSIGN(const std::string packed, PackForest(Some(3, 3), LeafBits::kHalf));
  int refused = 0;
  for (std::size_t i = 12; i < packed.size() - 8; ++i) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string damaged = packed.substr(0, packed.size() - 8);
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      const std::uint64_t sum = Hash64(damaged);
      damaged.append(reinterpret_cast<const char*>(&sum), sizeof sum);
      auto read = ReadPackedForest(damaged);
      if (!read) {
        ASSERT_EQ(read.error().code(), Code::kDataLoss);
        ++refused;
        continue;
      }
      if (read->features > 7 || read->task > Task::kRegression) continue;
      if (auto made = MakeForest(*read); made.ok()) Margins(**made, rows);
    }
  }
  EXPECT_GT(refused, 50);
  for (std::size_t size = 0; size < packed.size(); ++size) ASSERT_CODE(kDataLoss, ReadPackedForest(packed.substr(0, size)));
}

}  // namespace
}  // namespace tenon::model
