#include <utility>

#include "model/tree_shap_lanes_internal.h"

#define TENON_INLINE __attribute__((always_inline)) inline

namespace tenon::model {
namespace {

TENON_INLINE Sixteen operator+(const Sixteen& a, const Sixteen& b) { return {a.low + b.low, a.high + b.high}; }
TENON_INLINE Sixteen operator+(const Sixteen& a, double b) { return {a.low + b, a.high + b}; }
TENON_INLINE Sixteen operator+(double a, const Sixteen& b) { return {a + b.low, a + b.high}; }
TENON_INLINE Sixteen operator-(const Sixteen& a, const Sixteen& b) { return {a.low - b.low, a.high - b.high}; }
TENON_INLINE Sixteen operator-(const Sixteen& a, double b) { return {a.low - b, a.high - b}; }
TENON_INLINE Sixteen operator-(double a, const Sixteen& b) { return {a - b.low, a - b.high}; }
TENON_INLINE Sixteen operator*(const Sixteen& a, const Sixteen& b) { return {a.low * b.low, a.high * b.high}; }
TENON_INLINE Sixteen operator*(const Sixteen& a, double b) { return {a.low * b, a.high * b}; }
TENON_INLINE Sixteen operator*(double a, const Sixteen& b) { return {a * b.low, a * b.high}; }

TENON_INLINE void AddTo(Cell* cell, const Eight& lanes) { cell->low += lanes; }
TENON_INLINE void AddTo(Cell* cell, const Sixteen& lanes) {
  cell->low += lanes.low;
  cell->high += lanes.high;
}

// Rules of up to kMostPoints points, filled up with points of weight 0.
struct Rules {
  std::array<std::array<double, TreeShap::kMostPoints>, TreeShap::kMostPoints + 1> points, weights;
};

const Rules& TheRules() {
  static const Rules rules = [] {
    Rules made{};
    for (int points = 1; points <= TreeShap::kMostPoints; ++points) {
      const auto p = static_cast<std::size_t>(points);
      GaussLegendre(points, made.points[p].data(), made.weights[p].data());
    }
    return made;
  }();
  return rules;
}

// Whether each row goes left, 1 or 0.
struct LeftsOfRows {
  const Compiled& forest;
  const FloatCell* values;
  TENON_INLINE static void Plain(const ShapTest& test, const EightFloats& x, Eight* left) {
    const EightInts missing = (x != x) & (test.missing_left ? -1 : 0);
    *left = -__builtin_convertvector((x < test.value) | missing, Eight);
  }
  TENON_INLINE void operator()(const ShapTest& test, Sixteen* left) const {
    const FloatCell& x = values[test.slot];
    if (__builtin_expect(test.plain, 1)) {
      Plain(test, x.low, &left->low);
      Plain(test, x.high, &left->high);
      return;
    }
    const WalkNode& node = forest.walk[static_cast<std::size_t>(test.walk)];
    for (int i = 0; i < 8; ++i) {
      left->low[i] = GoesLeft(forest, node, x.low[i]) ? 1 : 0;
      left->high[i] = GoesLeft(forest, node, x.high[i]) ? 1 : 0;
    }
  }
};

struct LeftOfOne {
  const Compiled& forest;
  const float* row;
  TENON_INLINE void operator()(const ShapTest& test, double* left) const {
    const WalkNode& node = forest.walk[static_cast<std::size_t>(test.walk)];
    const float x = row[node.feature];
    if (__builtin_expect(test.plain, 1)) {
      *left = static_cast<double>(static_cast<int>(x < test.value) | (static_cast<int>(x != x) & static_cast<int>(test.missing_left)));
    } else {
      *left = GoesLeft(forest, node, x) ? 1 : 0;
    }
  }
};

// A point of the rule, or all of them: where points are lanes.
TENON_INLINE void Load(const double* from, int q, double* to) { *to = from[q]; }
TENON_INLINE void Load(const double* from, int, Eight* to) { __builtin_memcpy(to, from, sizeof(Eight)); }

// `do_at` for 0 to kTimes-1, written out.
template <typename Do, int... kIndex>
TENON_INLINE void Each(std::integer_sequence<int, kIndex...>, const Do& do_at) {
  (do_at(kIndex), ...);
}
template <int kTimes, typename Do>
TENON_INLINE void Each(const Do& do_at) {
  Each(std::make_integer_sequence<int, kTimes>{}, do_at);
}
#define TENON_EACH(q) [&](int q) __attribute__((always_inline))

// The way to a test, as it is on the way down; what is below it, on the way up.
template <int kPoints, typename Lanes, typename Scalar>
struct Level {
  Lanes product[kPoints];
  Lanes e[kPoints];                     // the left side's share of the product
  Lanes left[kPoints], right[kPoints];  // T of the sides
  Lanes factor[kPoints];                // of the difference of the sides; only the first is set at a first test
  Scalar goes_left, on, follows;
};

}  // namespace

template <int kPoints, typename Lanes, typename Scalar, typename Point, typename Lefts>
TENON_INLINE void TreeShap::RunTree(const ShapTree& tree, const Lefts& lefts, Cell* phi) const {
  Level<kPoints, Lanes, Scalar> levels[kMostLevels + 1];  // the root is at 1, and leaves its sum at 0
  Point points[kPoints];
  const Rules& rules = TheRules();
  const auto rule = static_cast<std::size_t>(tree.points);
  Each<kPoints>(TENON_EACH(q) {
    Point weight;
    Load(rules.points[rule].data(), q, &points[q]);
    Load(rules.weights[rule].data(), q, &weight);
    levels[1].product[q] = Lanes{} + weight;
  });
  const ShapTest* tests = tests_.data() + tree.first_test;
  const ShapStep* steps = steps_.data() + tree.first_step;
  for (std::size_t i = 0; i < tree.steps; ++i) {
    const ShapTest& test = tests[steps[i].test];
    auto& at = levels[test.level];
    auto& above = levels[test.level - 1];
    Lanes* up = test.right ? above.right : above.left;
    if (!steps[i].leave) {
      if (test.level > 1) {
        if (test.right) {
          Each<kPoints>(TENON_EACH(q) { at.product[q] = above.product[q] - above.product[q] * above.e[q]; });
          above.follows = above.on * (1 - above.goes_left);
        } else {
          Each<kPoints>(TENON_EACH(q) { at.product[q] = above.product[q] * above.e[q]; });
          above.follows = above.on * above.goes_left;
        }
      }
      const double share = test.left_share;
      lefts(test, &at.goes_left);
      if (test.constants < 0) {
        at.on = Scalar{} + 1;
        const Scalar factor = at.goes_left - share;
        at.factor[0] = Lanes{} + factor;
        Each<kPoints>(TENON_EACH(q) { at.e[q] = share + points[q] * factor; });
      } else {
        const Scalar on = levels[test.before].follows;
        const double* constants = constants_.data() + test.constants;
        at.on = on;
        Each<kPoints>(TENON_EACH(q) {
          Point a, c, k0, k1;
          Load(constants, q, &a);
          Load(constants + kMostPoints, q, &c);
          Load(constants + 2 * kMostPoints, q, &k0);
          Load(constants + 3 * kMostPoints, q, &k1);
          at.e[q] = share + on * ((a + at.goes_left * c) - share);
          at.factor[q] = on * (k0 + at.goes_left * k1);
        });
      }
      if (test.left_leaf && test.right_leaf) {
        const double gap = test.left_value - test.right_value;
        Lanes sum = {};
        if (test.constants < 0) {
          Each<kPoints>(TENON_EACH(q) { sum = sum + at.product[q]; });
          sum = sum * at.factor[0];
        } else {
          Each<kPoints>(TENON_EACH(q) { sum = sum + at.product[q] * at.factor[q]; });
        }
        Each<kPoints>(TENON_EACH(q) { up[q] = test.right_value + at.e[q] * gap; });
        AddTo(phi + test.slot, sum * gap);
        continue;
      }
      if (test.left_leaf) Each<kPoints>(TENON_EACH(q) { at.left[q] = Lanes{} + test.left_value; });
      if (test.right_leaf) Each<kPoints>(TENON_EACH(q) { at.right[q] = Lanes{} + test.right_value; });
      continue;
    }
    Lanes sum = {};
    if (test.constants < 0) {
      Each<kPoints>(TENON_EACH(q) {
        const Lanes gap = at.left[q] - at.right[q];
        up[q] = at.right[q] + at.e[q] * gap;
        sum = sum + at.product[q] * gap;
      });
      sum = sum * at.factor[0];
    } else {
      Each<kPoints>(TENON_EACH(q) {
        const Lanes gap = at.left[q] - at.right[q];
        up[q] = at.right[q] + at.e[q] * gap;
        sum = sum + at.product[q] * gap * at.factor[q];
      });
    }
    AddTo(phi + test.slot, sum);
  }
}

template <int kPoints>
TENON_INLINE void TreeShap::RunRows(const ShapTree& tree, Memory& memory) const {
  Cell* phi = memory.phi.data() + static_cast<std::size_t>(tree.output) * used_.size();
  RunTree<kPoints, Sixteen, Sixteen, double>(tree, LeftsOfRows{forest_, memory.values.data()}, phi);
}

TENON_INLINE void TreeShap::RunAllRows(Memory& memory) const {
  for (const ShapTree& tree : trees_) {
    if (tree.points <= 2) {
      RunRows<2>(tree, memory);
    } else if (tree.points == 3) {
      RunRows<3>(tree, memory);
    } else if (tree.points == 4) {
      RunRows<4>(tree, memory);
    } else if (tree.points <= 6) {
      RunRows<6>(tree, memory);
    } else {
      RunRows<8>(tree, memory);
    }
  }
}

TENON_INLINE void TreeShap::RunAllOne(const float* row, Memory& memory) const {
  for (const ShapTree& tree : trees_) {
    Cell* phi = memory.phi.data() + static_cast<std::size_t>(tree.output) * used_.size();
    RunTree<1, Eight, double, Eight>(tree, LeftOfOne{forest_, row}, phi);
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void TreeShap::RunAllRowsAvx2(Memory& memory) const { RunAllRows(memory); }
__attribute__((target("avx2"))) void TreeShap::RunAllOneAvx2(const float* row, Memory& memory) const { RunAllOne(row, memory); }
__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))) void TreeShap::RunAllRowsAvx512(Memory& memory) const {
  RunAllRows(memory);
}
__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))) void TreeShap::RunAllOneAvx512(const float* row, Memory& memory) const {
  RunAllOne(row, memory);
}
#else
void TreeShap::RunAllRowsAvx2(Memory& memory) const { RunAllRows(memory); }
void TreeShap::RunAllOneAvx2(const float* row, Memory& memory) const { RunAllOne(row, memory); }
void TreeShap::RunAllRowsAvx512(Memory& memory) const { RunAllRows(memory); }
void TreeShap::RunAllOneAvx512(const float* row, Memory& memory) const { RunAllOne(row, memory); }
#endif

void TreeShap::ExplainRows(const float* const* rows, Memory& memory) const {
  for (std::size_t s = 0; s < used_.size(); ++s) {
    for (int i = 0; i < 8; ++i) {
      memory.values[s].low[i] = rows[i][used_[s]];
      memory.values[s].high[i] = rows[8 + i][used_[s]];
    }
  }
  switch (processor_) {
    case Processor::kAny: return RunAllRows(memory);
    case Processor::kAvx2: return RunAllRowsAvx2(memory);
    case Processor::kAvx512: return RunAllRowsAvx512(memory);
  }
}

void TreeShap::ExplainOne(const float* row, Memory& memory) const {
  switch (processor_) {
    case Processor::kAny: return RunAllOne(row, memory);
    case Processor::kAvx2: return RunAllOneAvx2(row, memory);
    case Processor::kAvx512: return RunAllOneAvx512(row, memory);
  }
}

// `count` rows, 1 or up to kRows, to `out`; of fewer than kRows the last is repeated in `rows`.
void TreeShap::Explain(const float* const* rows, std::size_t count, Memory& memory, double* out) const {
  const std::size_t cells = used_.size() * base_.size();
  memory.values.resize(std::max(memory.values.size(), used_.size()));
  memory.phi.resize(std::max(memory.phi.size(), cells));
  std::fill_n(memory.phi.data(), cells, Cell{});
  count == 1 ? ExplainOne(rows[0], memory) : ExplainRows(rows, memory);
  memory.rest.resize(std::max(memory.rest.size(), cells));
  const std::size_t width = static_cast<std::size_t>(forest_.features) + 1;
  for (std::size_t i = 0; i < count; ++i) {
    std::fill_n(memory.rest.data(), cells, 0.0);
    for (const LongTree& tree : long_trees_) {
      ExplainLong(tree, rows[i], memory, memory.rest.data() + static_cast<std::size_t>(tree.output) * used_.size());
    }
    double* mine = out + i * width * base_.size();
    std::fill_n(mine, width * base_.size(), 0.0);
    for (std::size_t k = 0; k < base_.size(); ++k) {
      mine[k * width + width - 1] = base_[k];
      for (std::size_t s = 0; s < used_.size(); ++s) {
        const Cell& cell = memory.phi[k * used_.size() + s];
        const Eight& lanes = i < 8 ? cell.low : cell.high;
        double total = lanes[static_cast<int>(i % 8)];
        if (count == 1) total = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
        mine[k * width + static_cast<std::size_t>(used_[s])] = total + memory.rest[k * used_.size() + s];
      }
    }
  }
}

void TreeShap::Contributions(const float* rows, std::int64_t n, std::int64_t stride, double* out) const {
  static thread_local Memory memory;
  const std::size_t size = (static_cast<std::size_t>(forest_.features) + 1) * base_.size();
  for (std::int64_t from = 0; from < n;) {
    // Two rows cost less alone than as two of eight lanes.
    const std::int64_t count = n - from <= 2 ? 1 : std::min<std::int64_t>(kRows, n - from);
    const float* of[kRows];
    for (std::int64_t i = 0; i < kRows; ++i) of[i] = rows + (from + std::min(i, count - 1)) * stride;
    Explain(of, static_cast<std::size_t>(count), memory, out + static_cast<std::size_t>(from) * size);
    from += count;
  }
}

}  // namespace tenon::model
