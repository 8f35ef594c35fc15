// What every format owes: the same bits after saving, alone or among others, on any thread; and no wrong read ever.

#include "model/model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <thread>

#include "base/hash.h"
#include "base/testing.h"
#include "model/forest_internal.h"
#include "model/linear.h"
#include "model/payload_internal.h"
#include "model/tree_shap_internal.h"

namespace tenon::model {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr int kFeatures = 7;

// A random tree; some nodes are categorical, some leaves come early.
void Grow(std::mt19937& random, int depth, float cover, bool categories, Tree* tree) {
  const std::size_t at = tree->nodes.size();
  tree->nodes.emplace_back();
  tree->nodes[at].cover = cover;
  tree->nodes[at].value = static_cast<double>(static_cast<int>(random() % 2001) - 1000) / 512;
  if (depth == 0 || random() % 9 == 0) return;
  tree->nodes[at].feature = static_cast<int>(random() % kFeatures);
  tree->nodes[at].missing_left = random() % 2 == 0;
  if (categories && random() % 4 == 0) tree->nodes[at].split = Comparison::kCategory;
  if (tree->nodes[at].split == Comparison::kCategory) tree->nodes[at].categories = {static_cast<std::uint32_t>(random() % 3), 40};
  tree->nodes[at].left = static_cast<std::int32_t>(tree->nodes.size());
  Grow(random, depth - 1, cover * 0.25F, categories, tree);
  tree->nodes[at].right = static_cast<std::int32_t>(tree->nodes.size());
  Grow(random, depth - 1, cover * 0.75F, categories, tree);
}

ForestSpec RandomForest(Task task, int outputs, int trees, int depth, bool categories, unsigned seed) {
  std::mt19937 random(seed);
  ForestSpec spec{task, kFeatures, outputs, std::vector<double>(static_cast<std::size_t>(outputs), 0.125), {}};
  for (int t = 0; t < trees; ++t) {
    Tree tree;
    tree.output = t % outputs;
    Grow(random, depth, 1024, categories, &tree);
    spec.trees.push_back(std::move(tree));
  }
  return spec;
}

// Splits of every kind at doubles, three outputs; a mean whose base comes last where the sum is of doubles.
ForestSpec EveryForest(bool vectors, Sum sum, unsigned seed) {
  ForestSpec spec = RandomForest(Task::kMulticlass, 3, 21, 6, true, seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(-2, 2);
  const auto number = [&] { return sum == Sum::kDouble ? uniform(random) : static_cast<double>(static_cast<float>(uniform(random))); };
  spec.sum = sum;
  spec.base = {number(), number(), number()};
  spec.divisor = sum == Sum::kDouble ? 21 : 1;
  spec.base_last = sum == Sum::kDouble;
  spec.link = sum == Sum::kDouble ? Link::kIdentity : Link::kOfTask;
  for (Tree& tree : spec.trees) {
    if (vectors) tree.output = Tree::kEveryOutput;
    for (Tree::Node& node : tree.nodes) {
      if (node.left < 0) {
        node.value = vectors ? 0 : number();
        if (!vectors) continue;
        node.vector = static_cast<std::int32_t>(tree.vectors.size() / 3);
        for (int k = 0; k < 3; ++k) tree.vectors.push_back(number());
        continue;
      }
      node.split = static_cast<Comparison>(random() % 5);
      node.zero_missing = random() % 3 == 0;
      node.value = random() % 8 == 0 ? static_cast<double>(kInf) : random() % 3 == 0 ? 0.0 : uniform(random);
      node.categories = {static_cast<std::uint32_t>(random() % 3), 1, 40};
    }
  }
  return spec;
}

struct ModelCase {
  std::string name;
  std::function<Result<std::unique_ptr<Model>>()> make;
};

const std::vector<ModelCase>& Cases() {
  static const std::vector<ModelCase> cases = {
      {"constant", [] { return MakeConstant(Task::kBinary, kFeatures, {0.3}); }},
      {"constant classes", [] { return MakeConstant(Task::kMulticlass, kFeatures, {0.3, -1.0, 2.0}); }},
      {"linear",
       [] {
         return MakeLinear({Task::kBinary, kFeatures, 1, {1, -2, 0.5, 0, 3, 1e-3, -1}, {0.25}, {0, 1, 2, 3, 4, 5, 6}});
       }},
      {"linear classes",
       [] {
         return MakeLinear({Task::kMulticlass, kFeatures, 2, {1, -2, 0.5, 0, 3, 1e-3, -1, 7, 6, 5, 4, 3, 2, 1}, {0.25, -0.25},
                            {0, 1, 2, 3, 4, 5, 6}});
       }},
      {"no trees", [] { return MakeForest(RandomForest(Task::kRegression, 1, 0, 3, false, 1)); }},
      {"leaves only", [] { return MakeForest(RandomForest(Task::kRegression, 1, 3, 0, false, 2)); }},
      {"shallow", [] { return MakeForest(RandomForest(Task::kBinary, 1, 40, 4, false, 3)); }},
      {"depth of the prefix", [] { return MakeForest(RandomForest(Task::kBinary, 1, 25, 8, false, 4)); }},
      {"deeper than the prefix", [] { return MakeForest(RandomForest(Task::kRegression, 1, 12, 12, false, 5)); }},
      {"categories", [] { return MakeForest(RandomForest(Task::kBinary, 1, 30, 6, true, 6)); }},
      {"every kind of split", [] { return MakeForest(EveryForest(false, Sum::kFloat, 8)); }},
      {"a mean of doubles", [] { return MakeForest(EveryForest(false, Sum::kDouble, 9)); }},
      {"vectors", [] { return MakeForest(EveryForest(true, Sum::kFloat, 10)); }},
      {"vectors of doubles", [] { return MakeForest(EveryForest(true, Sum::kDouble, 11)); }},
      {"classes", [] { return MakeForest(RandomForest(Task::kMulticlass, 3, 31, 5, true, 7)); }},
  };
  return cases;
}

std::vector<float> Rows(std::int64_t n, std::int64_t stride) {
  const std::vector<float> odd = {kNan, kInf, -kInf, 0.0F, -0.0F, 1e-45F, 2.0F, 40.0F, -1.0F, 3e9F};
  std::mt19937 random(9);
  std::vector<float> rows(static_cast<std::size_t>(n * stride), -77.0F);
  for (std::int64_t i = 0; i < n; ++i) {
    for (int f = 0; f < kFeatures; ++f) {
      rows[static_cast<std::size_t>(i * stride + f)] =
          random() % 3 == 0 ? odd[random() % odd.size()] : static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 512;
    }
  }
  return rows;
}

std::vector<float> Asked(const Model& model, const float* rows, std::int64_t n, std::int64_t stride, bool margin) {
  std::vector<float> out(static_cast<std::size_t>(n * model.outputs()));
  if (margin) {
    model.Margin(rows, n, stride, out.data());
  } else {
    model.Predict(rows, n, stride, out.data());
  }
  return out;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

Kinds<Format> Formats() {
  Kinds<Format> kinds;
  EXPECT_TRUE(AddAll(kinds).ok());
  return kinds;
}

TEST(Models, SaveAndLoadGiveTheSameBits) {
  const Kinds<Format> formats = Formats();
  const std::vector<float> rows = Rows(150, 9);
  for (const ModelCase& a : Cases()) {
    SCOPED_TRACE(a.name);
    ASSERT_OK_AND_ASSIGN(const auto model, a.make());
    const std::string saved = model->Save();
    ASSERT_OK_AND_ASSIGN(const auto again, a.make());
    EXPECT_EQ(saved, again->Save());
    ASSERT_OK_AND_ASSIGN(const auto format, formats.Create(model->format()));
    ASSERT_OK_AND_ASSIGN(const auto loaded, format->Load(saved));
    EXPECT_EQ(loaded->Save(), saved);
    EXPECT_EQ(loaded->task(), model->task());
    EXPECT_EQ(loaded->features(), kFeatures);
    EXPECT_EQ(loaded->Describe(), model->Describe());
    for (const bool margin : {true, false}) {
      EXPECT_TRUE(SameBits(Asked(*model, rows.data(), 150, 9, margin), Asked(*loaded, rows.data(), 150, 9, margin)));
    }
  }
}

TEST(Models, ARowHasTheSameBitsAloneAmongOthersAndOnEveryThread) {
  const std::vector<float> rows = Rows(200, 8);
  for (const ModelCase& a : Cases()) {
    SCOPED_TRACE(a.name);
    ASSERT_OK_AND_ASSIGN(const auto model, a.make());
    const std::vector<float> all = Asked(*model, rows.data(), 200, 8, true);
    for (const std::int64_t step : {1, 3, 15, 16, 17, 63, 64, 65, 199}) {
      std::vector<float> parts;
      for (std::int64_t from = 0; from < 200; from += step) {
        const auto part = Asked(*model, rows.data() + from * 8, std::min<std::int64_t>(step, 200 - from), 8, true);
        parts.insert(parts.end(), part.begin(), part.end());
      }
      EXPECT_TRUE(SameBits(all, parts)) << step << " at a time";
    }
    std::vector<std::vector<float>> by_thread(4);
    {
      std::vector<std::jthread> threads;
      for (auto& out : by_thread) {
        threads.emplace_back([&] { out = Asked(*model, rows.data(), 200, 8, true); });
      }
    }
    for (const auto& out : by_thread) EXPECT_TRUE(SameBits(all, out));
    model->Margin(rows.data(), 0, 8, nullptr);  // no rows, nothing written
  }
}

// Where a node sends a number, in the words of forest.h, on doubles.
bool NaiveLeft(const Tree::Node& node, float x) {
  if (std::isnan(x) || (node.zero_missing && std::abs(x) <= 1e-35F)) return node.missing_left;
  const auto value = static_cast<double>(x);
  if (node.split == Comparison::kBelow) return value < node.value;
  if (node.split == Comparison::kAtMost) return value <= node.value;
  if (node.split == Comparison::kEqual) return value == node.value;
  if (value < 0 && (node.split == Comparison::kCategory || value <= -1)) return true;
  return std::ranges::count_if(node.categories, [&](std::uint32_t c) { return std::trunc(value) == c; }) == 0;
}

// Rows that hit the edges of tests: what nodes compare with and its neighbours, zeros, infinities, NaN, odd categories.
std::vector<float> EdgeRows(const ForestSpec& spec, std::int64_t n) {
  std::vector<std::vector<float>> values(static_cast<std::size_t>(spec.features),
                                         {0.0F, -0.0F, kNan, kInf, -kInf, 1e30F, -1.0F, 1e-45F, 1e-35F, -1e-35F, 1.1e-35F, 0.5F,
                                          -0.5F, 1.0F, 2.0F, 40.5F, 16777216.0F});
  for (const Tree& tree : spec.trees) {
    for (const Tree::Node& node : tree.nodes) {
      if (node.left < 0) continue;
      const auto cut = static_cast<float>(node.value);
      for (const float x : {cut, std::nextafter(cut, -kInf), std::nextafter(cut, kInf)}) {
        values[static_cast<std::size_t>(node.feature)].push_back(x);
      }
    }
  }
  std::mt19937 random(7);
  std::vector<float> rows;
  for (std::int64_t i = 0; i < n; ++i) {
    for (const auto& list : values) rows.push_back(list[random() % list.size()]);
  }
  return rows;
}

// What a margin is, in the words of forest.h.
std::vector<float> NaiveMargin(const ForestSpec& spec, const float* row) {
  const bool floats = spec.sum == Sum::kFloat;
  const auto add = [&](double a, double b) {
    return floats ? static_cast<double>(static_cast<float>(a) + static_cast<float>(b)) : a + b;
  };
  std::vector<double> sums(spec.base.size(), 0.0);
  if (!spec.base_last) sums = spec.base;
  for (const Tree& tree : spec.trees) {
    const Tree::Node* node = &tree.nodes[0];
    while (node->left >= 0) node = &tree.nodes[static_cast<std::size_t>(NaiveLeft(*node, row[node->feature]) ? node->left : node->right)];
    for (std::size_t k = 0; k < sums.size(); ++k) {
      if (tree.output == Tree::kEveryOutput) {
        sums[k] = add(sums[k], tree.vectors[static_cast<std::size_t>(node->vector) * sums.size() + k]);
      } else if (tree.output == static_cast<int>(k)) {
        sums[k] = add(sums[k], node->value);
      }
    }
  }
  std::vector<float> margin;
  for (std::size_t k = 0; k < sums.size(); ++k) {
    double sum = floats ? static_cast<double>(static_cast<float>(sums[k]) / static_cast<float>(spec.divisor)) : sums[k] / spec.divisor;
    if (spec.base_last) sum = add(sum, spec.base[k]);
    margin.push_back(static_cast<float>(sum));
  }
  return margin;
}

// Every kernel, whatever the trial would choose, for every number of rows, rows further apart than their width included.
TEST(Forest, EveryKernelEqualsTheNaiveWalk) {
  const std::vector<std::pair<std::string, ForestSpec>> specs = {
      {"shallow", RandomForest(Task::kBinary, 1, 140, 4, false, 3)},
      {"full levels", RandomForest(Task::kBinary, 1, 70, 8, false, 4)},
      {"deep", RandomForest(Task::kRegression, 1, 12, 13, true, 5)},
      {"three at a time", RandomForest(Task::kMulticlass, 3, 70, 5, true, 7)},
      {"floats", EveryForest(false, Sum::kFloat, 8)},
      {"doubles", EveryForest(false, Sum::kDouble, 9)},
      {"vectors", EveryForest(true, Sum::kFloat, 10)},
      {"vectors of doubles", EveryForest(true, Sum::kDouble, 11)},
      {"many cuts", RandomForest(Task::kRegression, 1, 900, 5, false, 12)},
      {"leaves only", RandomForest(Task::kRegression, 1, 3, 0, false, 2)},
      {"no trees", RandomForest(Task::kRegression, 1, 0, 0, false, 2)}};
  constexpr std::int64_t kMost = 300, kStride = 11;
  std::map<std::string, int> used;
  for (const auto& [name, spec] : specs) {
    SCOPED_TRACE(name);
    const std::vector<float> edges = EdgeRows(spec, kMost);
    std::vector<float> rows(static_cast<std::size_t>(kMost * kStride + 1), kNan);
    std::vector<float> naive;
    for (std::int64_t i = 0; i < kMost; ++i) {
      const float* row = edges.data() + i * kFeatures;
      std::copy_n(row, kFeatures, rows.begin() + 1 + i * kStride);
      for (const float x : NaiveMargin(spec, row)) naive.push_back(x);
    }
    const auto outputs = static_cast<std::size_t>(spec.outputs);
    for (const KernelKind& kind : KernelKinds()) {
      SCOPED_TRACE(kind.name);
      auto model = MakeForestWith(spec, kind.name);
      if (!model) {
        ASSERT_EQ(model.error().code(), Code::kFailedPrecondition) << model.error().ToString();
        continue;
      }
      ++used[std::string(kind.name)];
      std::vector<std::int64_t> sizes = {1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 127, 128, 129, 300};
      if (spec.trees.size() < 50) {
        for (std::int64_t n = 1; n <= kMost; ++n) sizes.push_back(n);
      }
      for (const std::int64_t n : sizes) {
        std::vector<float> out(static_cast<std::size_t>(n) * outputs + 1, -9.0F);
        (*model)->Margin(rows.data() + 1, n, kStride, out.data());
        ASSERT_EQ(out.back(), -9.0F) << n;
        out.pop_back();
        ASSERT_TRUE(SameBits(out, {naive.begin(), naive.begin() + static_cast<std::ptrdiff_t>(out.size())})) << n << " rows";
      }
    }
    ASSERT_OK_AND_ASSIGN(const auto chosen, MakeForest(spec));
    EXPECT_TRUE(SameBits(Asked(*chosen, rows.data() + 1, kMost, kStride, true), naive));
  }
  EXPECT_EQ(used["plain_walk"], static_cast<int>(specs.size()));
  EXPECT_EQ(used["ranked_row"], static_cast<int>(specs.size()));
  EXPECT_EQ(used["avx2_block"], HasAvx2() ? static_cast<int>(specs.size()) : 0);
  EXPECT_EQ(used["avx512_block"], HasAvx512() ? static_cast<int>(specs.size()) : 0);
  EXPECT_EQ(used["avx512_block_short"], HasAvx512() ? 1 : 0);
  EXPECT_GE(used["avx512_row"], HasAvx512() ? 9 : 0);
  ASSERT_CODE(kInvalidArgument, MakeForestWith(specs[0].second, "avx1024"));
}

TEST(Models, ContributionsAddUpToTheMargin) {
  const std::vector<float> rows = Rows(60, kFeatures);
  for (const ModelCase& a : Cases()) {
    SCOPED_TRACE(a.name);
    ASSERT_OK_AND_ASSIGN(const auto model, a.make());
    std::vector<double> parts(static_cast<std::size_t>(model->outputs() * (kFeatures + 1)));
    for (int i = 0; i < 60; ++i) {
      const float* row = rows.data() + i * kFeatures;
      if (model->format() == "linear" && std::any_of(row, row + kFeatures, [](float x) { return std::isinf(x); })) continue;
      model->Contributions(row, parts.data());
      const std::vector<float> margin = Asked(*model, row, 1, kFeatures, true);
      for (std::size_t k = 0; k < margin.size(); ++k) {
        double sum = 0, size = 1;
        for (std::size_t f = 0; f <= kFeatures; ++f) {
          sum += parts[k * (kFeatures + 1) + f];
          size = std::max(size, std::abs(parts[k * (kFeatures + 1) + f]));
        }
        EXPECT_NEAR(sum, static_cast<double>(margin[k]), 2e-6 * size);
      }
    }
  }
}

// The attributions as Shapley defined them, over every subset of the features.
double ExpectedOver(const Tree& tree, std::int32_t at, const float* row, unsigned known) {
  const Tree::Node& node = tree.nodes[static_cast<std::size_t>(at)];
  if (node.left < 0) return node.value;
  const double left = ExpectedOver(tree, node.left, row, known);
  const double right = ExpectedOver(tree, node.right, row, known);
  if ((known >> node.feature & 1U) != 0) return static_cast<double>(row[node.feature]) < node.value ? left : right;
  const double share = static_cast<double>(tree.nodes[static_cast<std::size_t>(node.left)].cover) /
                       static_cast<double>(tree.nodes[static_cast<std::size_t>(node.left)].cover +
                                           tree.nodes[static_cast<std::size_t>(node.right)].cover);
  return share * left + (1 - share) * right;
}

TEST(Forest, ContributionsAreShapleysByDefinition) {
  for (const int depth : {1, 3, 6, 11}) {
    SCOPED_TRACE(depth);
    const ForestSpec spec = RandomForest(Task::kRegression, 1, 4, depth, false, 20 + static_cast<unsigned>(depth));
    ASSERT_OK_AND_ASSIGN(const auto model, MakeForest(spec));
    std::mt19937 random(4);
    std::vector<double> parts(kFeatures + 1);
    for (int i = 0; i < 5; ++i) {
      std::vector<float> row;
      for (int f = 0; f < kFeatures; ++f) row.push_back(static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 512);
      model->Contributions(row.data(), parts.data());
      double factorial[kFeatures + 1] = {1};
      for (int m = 1; m <= kFeatures; ++m) factorial[m] = factorial[m - 1] * m;
      for (int f = 0; f < kFeatures; ++f) {
        double expected = 0;
        for (unsigned set = 0; set < 1U << kFeatures; ++set) {
          if ((set >> f & 1U) != 0) continue;
          const int size = __builtin_popcount(set);
          double gain = 0;
          for (const Tree& tree : spec.trees) {
            gain += ExpectedOver(tree, 0, row.data(), set | 1U << f) - ExpectedOver(tree, 0, row.data(), set);
          }
          expected += gain * factorial[size] * factorial[kFeatures - 1 - size] / factorial[kFeatures];
        }
        EXPECT_NEAR(parts[static_cast<std::size_t>(f)], expected, 1e-9);
      }
    }
  }
}

TEST(Models, ContributionsOfRowsAreThoseOfEachRow) {
  constexpr std::int64_t kMost = 70, kStride = 9;
  const std::vector<float> rows = Rows(kMost, kStride);
  for (const ModelCase& a : Cases()) {
    SCOPED_TRACE(a.name);
    ASSERT_OK_AND_ASSIGN(const auto model, a.make());
    const auto size = static_cast<std::size_t>(model->outputs() * (kFeatures + 1));
    std::vector<double> each(size * kMost);
    for (std::size_t i = 0; i < kMost; ++i) model->Contributions(rows.data() + i * kStride, each.data() + i * size);
    for (std::int64_t n = 0; n <= kMost; ++n) {
      std::vector<double> all(size * static_cast<std::size_t>(n) + 1, -9);
      model->ContributionsOfRows(rows.data(), n, kStride, all.data());
      ASSERT_EQ(all.back(), -9);
      for (std::size_t i = 0; i + 1 < all.size(); ++i) {
        if (std::isnan(each[i]) && std::isnan(all[i])) continue;  // a linear model of infinities
        ASSERT_EQ(all[i], each[i]) << "number " << i << " of " << n << " rows";
      }
    }
  }
}

TEST(TreeShap, IsTheSameOnEveryProcessor) {
  // Trees of all kinds of shape, one alone, too few for eight at once, and too deep.
  for (ForestSpec spec : {RandomForest(Task::kBinary, 1, 20, 6, true, 3), EveryForest(true, Sum::kDouble, 11),
                          RandomForest(Task::kMulticlass, 3, 31, 5, true, 4), RandomForest(Task::kRegression, 1, 1, 4, true, 5),
                          RandomForest(Task::kRegression, 1, 9, 1, true, 6), RandomForest(Task::kRegression, 1, 10, 12, true, 7)}) {
    Normalise(&spec);
    const Compiled compiled = Compile(spec);
    const std::vector<float> rows = EdgeRows(spec, 37);
    std::vector<std::vector<double>> by_processor;
    for (const auto most : {TreeShap::Processor::kAny, TreeShap::Processor::kAvx2, TreeShap::Processor::kAvx512}) {
      const TreeShap shap(spec, compiled, most);
      std::vector<double>& out = by_processor.emplace_back(static_cast<std::size_t>(38 * spec.outputs * (kFeatures + 1)));
      shap.Contributions(rows.data(), 37, kFeatures, out.data());
      shap.Contributions(rows.data(), 1, kFeatures, out.data() + 37 * spec.outputs * (kFeatures + 1));
    }
    EXPECT_EQ(by_processor[0], by_processor[1]);
    EXPECT_EQ(by_processor[0], by_processor[2]);
  }
}

TEST(Models, DamagedPayloadsAreDataLoss) {
  const Kinds<Format> formats = Formats();
  for (const ModelCase& a : Cases()) {
    SCOPED_TRACE(a.name);
    ASSERT_OK_AND_ASSIGN(const auto model, a.make());
    ASSERT_OK_AND_ASSIGN(const auto format, formats.Create(model->format()));
    const std::string saved = model->Save();
    std::mt19937 random(11);
    for (int i = 0; i < 200; ++i) {
      std::string flipped = saved;
      flipped[random() % saved.size()] ^= static_cast<char>(1 << random() % 8);
      ASSERT_CODE(kDataLoss, format->Load(flipped));
      ASSERT_CODE(kDataLoss, format->Load(std::string_view(saved).substr(0, random() % saved.size())));
    }
    ASSERT_CODE(kDataLoss, format->Load(saved + "x"));
    ASSERT_CODE(kDataLoss, format->Load("a payload of something else altogether"));
  }
}

// Behind a right check sum the numbers themselves may still be wrong: never a wrong read, whatever they say.
TEST(Models, WrongNumbersBehindARightSumAreDataLossOrAnotherModel) {
  const Kinds<Format> formats = Formats();
  const std::vector<float> rows = Rows(20, kFeatures);
  int refused = 0, loaded = 0;
  for (const ModelCase& a : Cases()) {
    SCOPED_TRACE(a.name);
    ASSERT_OK_AND_ASSIGN(const auto model, a.make());
    ASSERT_OK_AND_ASSIGN(const auto format, formats.Create(model->format()));
    const std::string saved = model->Save();
    std::mt19937 random(12);
    for (int i = 0; i < 300; ++i) {
      std::string changed = saved.substr(0, saved.size() - 8);
      changed[12 + random() % (changed.size() - 12)] ^= static_cast<char>(1 << random() % 8);
      const std::uint64_t sum = Hash64(changed);
      changed.append(reinterpret_cast<const char*>(&sum), 8);
      const auto other = format->Load(changed);
      if (!other) {
        EXPECT_EQ(other.error().code(), Code::kDataLoss) << other.error().ToString();
        ++refused;
      } else if ((*other)->features() == kFeatures) {
        Asked(**other, rows.data(), 20, kFeatures, false);
        ++loaded;
      }
    }
  }
  EXPECT_GT(refused, 50);
  EXPECT_GT(loaded, 50);
}

TEST(Forest, ReadsTheFirstVersionOfItsPayload) {
  PayloadWriter writer("TNFOREST", 1);
  writer.Put(std::uint8_t{2});
  writer.Put(std::int32_t{2});
  writer.Put(std::uint64_t{1});
  writer.Put(0.5F);
  writer.Put(std::uint64_t{1});
  writer.Put(std::int32_t{0});
  writer.Put(std::uint64_t{5});
  const auto node = [&](std::int32_t left, std::int32_t right, std::int32_t feature, float value, std::uint8_t flags) {
    for (const std::int32_t number : {left, right, feature}) writer.Put(number);
    writer.Put(value);
    writer.Put(4.0F);
    writer.Put(flags);
  };
  node(1, 2, 1, 0.25F, 1);
  node(3, 4, 0, 0, 2);  // a test of category 7
  writer.Put(std::uint64_t{1});
  writer.Put(std::uint32_t{7});
  node(-1, -1, 0, 3, 0);
  node(-1, -1, 0, 1, 0);
  node(-1, -1, 0, 2, 0);
  ASSERT_OK_AND_ASSIGN(const auto format, Formats().Create("forest"));
  ASSERT_OK_AND_ASSIGN(const auto model, format->Load(std::move(writer).Finish()));
  const std::vector<float> rows = {7, 0, 6, kNan, kNan, 0, 7, 0.25F};
  EXPECT_EQ(Asked(*model, rows.data(), 4, 2, true), (std::vector<float>{2.5F, 1.5F, 2.5F, 3.5F}));
}

TEST(Forest, RefusesTreesThatCannotBe) {
  const auto leaf = [](double value) { return Tree::Node{.value = value, .cover = 1}; };
  const auto test = [](std::int32_t left, std::int32_t right, std::int32_t feature) {
    return Tree::Node{.left = left, .right = right, .feature = feature, .cover = 2};
  };
  struct Case {
    std::string name;
    Tree tree;
  };
  const std::vector<Case> cases = {
      {"no nodes", {{}, 0}},
      {"a child outside", {{test(1, 3, 0), leaf(1), leaf(2)}, 0}},
      {"one child", {{test(1, -1, 0), leaf(1)}, 0}},
      {"a cycle", {{test(1, 2, 0), test(0, 2, 0), leaf(2)}, 0}},
      {"two parents", {{test(1, 1, 0), leaf(1)}, 0}},
      {"a feature outside", {{test(1, 2, kFeatures), leaf(1), leaf(2)}, 0}},
      {"an output outside", {{leaf(1)}, 1}},
      {"an infinite leaf", {{test(1, 2, 0), leaf(kInf), leaf(2)}, 0}},
      {"a leaf of NaN", {{leaf(kNan)}, 0}},
      {"a double leaf in a sum of floats", {{leaf(0.1)}, 0}},
      {"a leaf without a vector", {{leaf(0)}, Tree::kEveryOutput}},
      {"a vector outside", {{Tree::Node{.vector = 1}}, Tree::kEveryOutput, {1.0}}},
      {"vectors where leaves are numbers", {{leaf(0)}, 0, {1.0}}},
  };
  for (const Case& a : cases) {
    SCOPED_TRACE(a.name);
    ASSERT_CODE(kInvalidArgument, MakeForest({Task::kRegression, kFeatures, 1, {0}, {a.tree}}));
  }
  ASSERT_OK(MakeForest({Task::kRegression, kFeatures, 1, {0}, {{{test(1, 2, 0), leaf(1), leaf(2)}, 0}}}));
  ASSERT_CODE(kInvalidArgument, MakeForest({Task::kMulticlass, kFeatures, 1, {0}, {}}));
  ASSERT_CODE(kInvalidArgument, MakeForest({Task::kBinary, kFeatures, 1, {}, {}}));
}

TEST(Linear, ComputesItsFormula) {
  ASSERT_OK_AND_ASSIGN(const auto model, MakeLinear({Task::kRegression, 2, 1, {2, -1}, {10}, {1, 3}}));
  const std::vector<float> rows = {2, 5, kNan, 4};
  EXPECT_EQ(Asked(*model, rows.data(), 2, 2, true), (std::vector<float>{10, 9}));
  double parts[3];
  model->Contributions(rows.data(), parts);
  EXPECT_EQ(parts[0], 2);
  EXPECT_EQ(parts[1], -2);
  EXPECT_EQ(parts[2], 10);
  ASSERT_CODE(kInvalidArgument, MakeLinear({Task::kRegression, 2, 1, {2}, {10}, {1, 3}}));
  ASSERT_CODE(kInvalidArgument, MakeLinear({Task::kRegression, 1, 1, {std::nan("")}, {10}, {1}}));
}

TEST(Link, IsLogisticSoftmaxAndIdentity) {
  std::vector<float> binary = {0, 200, -200, 1};
  ApplyLink(Task::kBinary, 1, binary.data(), 4);
  EXPECT_EQ(binary[0], 0.5F);
  EXPECT_EQ(binary[1], 1.0F);
  EXPECT_GE(binary[2], 0.0F);
  EXPECT_LT(binary[2], 1e-37F);
  EXPECT_NEAR(binary[3], 0.7310586, 1e-7);
  std::vector<float> classes = {1000, 1000, 0, 1, 2, 3};
  ApplyLink(Task::kMulticlass, 3, classes.data(), 2);
  EXPECT_EQ(classes[0], 0.5F);
  EXPECT_EQ(classes[2], 0.0F);
  EXPECT_NEAR(classes[3] + classes[4] + classes[5], 1, 1e-6);
  EXPECT_NEAR(classes[5], 0.66524096, 1e-7);
  float value = 3.5F;
  ApplyLink(Task::kRegression, 1, &value, 1);
  EXPECT_EQ(value, 3.5F);
}

TEST(Task, HasNames) {
  for (const Task task : {Task::kBinary, Task::kMulticlass, Task::kRegression}) {
    ASSERT_OK_AND_ASSIGN(const Task again, TaskNamed(NameOf(task)));
    EXPECT_EQ(again, task);
  }
  ASSERT_CODE(kInvalidArgument, TaskNamed("binray"));
}

TEST(Xgboost, RefusesWhatItCannotRead) {
  const std::string head = R"({"learner":{"gradient_booster":{"name":")";
  for (const std::string& text : {std::string("{"), std::string("{}"), head + R"(dart"}}})", head + R"(gbtree"}}})",
                                 head + R"(gbtree"},"objective":{"name":"survival:aft"}}})"}) {
    SCOPED_TRACE(text);
    ASSERT_CODE(kInvalidArgument, ReadXgboost(text));
  }
}

// Early stopping keeps the trees up to the best iteration, whether base_score is a number or a list.
TEST(Xgboost, ReadsTheFormsOfItsVersions) {
  const auto model = [](std::string_view base, std::string_view attributes, std::string_view starts) {
    const std::string tree = R"({"left_children":[1,-1,-1],"right_children":[2,-1,-1],"split_indices":[1,0,0],
      "split_conditions":[0.5,1,2],"default_left":[true,false,false],"sum_hessian":[4,1,3]})";
    return Str(R"({"learner":{"attributes":{)", attributes, R"(},"gradient_booster":{"name":"gbtree","model":{)", starts,
               R"("tree_info":[0,0,0],"trees":[)", tree, ",", tree, ",", tree,
               R"(]}},"objective":{"name":"reg:squarederror"},"learner_model_param":{"num_class":"0","num_feature":"2",
      "base_score":)", base, "}}}");
  };
  ASSERT_OK_AND_ASSIGN(const ForestSpec old, ReadXgboost(model(R"("5E-1")", "", "")));
  EXPECT_EQ(old.trees.size(), 3U);
  EXPECT_EQ(old.base, std::vector<double>{0.5});
  EXPECT_TRUE(old.trees[0].nodes[0].missing_left);
  EXPECT_EQ(old.trees[0].nodes[0].feature, 1);
  ASSERT_OK_AND_ASSIGN(const ForestSpec now, ReadXgboost(model(R"("[2.5E-1]")", R"("best_iteration":"1")", R"("iteration_indptr":[0,1,2,3],)")));
  EXPECT_EQ(now.trees.size(), 2U);
  EXPECT_EQ(now.base, std::vector<double>{0.25});
  ASSERT_OK_AND_ASSIGN(const ForestSpec stopped, ReadXgboost(model("0.5", R"("best_iteration":"0")", "")));
  EXPECT_EQ(stopped.trees.size(), 1U);
}

// multi_strategy=multi_output_tree: up to 3.0 every node has a vector, from 3.1 on the leaves name theirs in a list of its own.
TEST(Xgboost, ReadsLeavesThatAreVectors) {
  const auto model = [](std::string_view rights, std::string_view weights, int width) {
    return Str(R"({"learner":{"gradient_booster":{"name":"gbtree","model":{"tree_info":[0],"trees":[{"left_children":[1,-1,-1],"right_children":)", rights,
               R"(,"split_indices":[1,0,0],"split_conditions":[0.5,0,0],"default_left":[1,0,0],"sum_hessian":[4,1,3],"tree_param":{"size_leaf_vector":")", width, R"("},)",
               weights, R"(}]}},"objective":{"name":"multi:softprob"},"learner_model_param":{"num_class":"3","num_feature":"2","base_score":"[1E0,2E0,3E0]"}}})");
  };
  const std::string listed = R"("leaf_weights":[1,2,3,4,5,6])", old = R"("base_weights":[9,9,9,4,5,6,1,2,3])";
  for (const auto& [text, name] : {std::pair(model("[2,1,0]", listed, 3), "listed"), std::pair(model("[2,-1,-1]", old, 3), "of every node")}) {
    SCOPED_TRACE(name);
    ASSERT_OK_AND_ASSIGN(ForestSpec spec, ReadXgboost(text));
    ASSERT_OK_AND_ASSIGN(const auto forest, MakeForest(std::move(spec)));
    const float rows[] = {0, 0.25F, 0, 0.75F, 0, std::numeric_limits<float>::quiet_NaN()};
    std::array<float, 9> margins{};
    forest->Margin(rows, 3, 2, margins.data());
    EXPECT_EQ(margins, (std::array<float, 9>{5, 7, 9, 2, 4, 6, 5, 7, 9}));
  }
  for (const std::string& bad : {model("[2,1,2]", listed, 3), model("[2,1,-1]", listed, 3), model("[2,1,0]", listed, 2), model("[2,1,0]", R"("leaf_weights":[1,2,3,4])", 3),
                                 model("[2,-1,-1]", R"("base_weights":[1,2,3])", 3)}) {
    SCOPED_TRACE(bad);
    ASSERT_CODE(kInvalidArgument, ReadXgboost(bad));
  }
}

}  // namespace
}  // namespace tenon::model
