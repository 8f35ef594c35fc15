#include <algorithm>
#include <bit>
#include <span>
#include <type_traits>
#include <utility>

#include "model/tree_shap_lanes_internal.h"

// All that passes vectors by value is inlined.
#pragma GCC diagnostic ignored "-Wpsabi"

#define TENON_INLINE __attribute__((always_inline)) inline

namespace tenon::model {
namespace {

TENON_INLINE Sixteen operator+(const Sixteen& a, const Sixteen& b) { return {a.low + b.low, a.high + b.high}; }
TENON_INLINE Sixteen operator+(double a, const Sixteen& b) { return {a + b.low, a + b.high}; }
TENON_INLINE Sixteen operator-(const Sixteen& a, const Sixteen& b) { return {a.low - b.low, a.high - b.high}; }
TENON_INLINE Sixteen operator-(const Sixteen& a, double b) { return {a.low - b, a.high - b}; }
TENON_INLINE Sixteen operator*(const Sixteen& a, const Sixteen& b) { return {a.low * b.low, a.high * b.high}; }
TENON_INLINE Sixteen operator*(const Sixteen& a, double b) { return {a.low * b, a.high * b}; }
TENON_INLINE Sixteen operator*(double a, const Sixteen& b) { return {a * b.low, a * b.high}; }

// Lane by lane `a` where the mask is set, or else 0. Of one row without a jump, which nobody could foresee.
TENON_INLINE Eight Keep(const EightLongs& mask, const Eight& a) { return mask ? a : Eight{}; }
TENON_INLINE Sixteen Keep(const SixteenMask& mask, const Sixteen& a) { return {Keep(mask.low, a.low), Keep(mask.high, a.high)}; }
TENON_INLINE double Keep(bool mask, double a) {
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(a) & -static_cast<std::uint64_t>(mask));
}

// A number in all lanes.
TENON_INLINE void Spread(double value, double* to) { *to = value; }
TENON_INLINE void Spread(double value, Eight* to) { *to = Eight{} + value; }
TENON_INLINE void Spread(const Eight& value, Eight* to) { *to = value; }
TENON_INLINE void Spread(double value, Sixteen* to) { to->low = to->high = Eight{} + value; }

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

// The sum over the points, which are numbered or, one a lane, all in one. In this order, whichever it is:
//   ((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7)).
template <int kPoints, typename Lanes>
TENON_INLINE void SumPoints(const Lanes* terms, Lanes* sum) {
  Lanes held[kPoints];
  Each<kPoints>(TENON_EACH(q) { held[q] = terms[q]; });
  if constexpr (kPoints > 4) Each<kPoints - 4>(TENON_EACH(q) { held[q] = held[q] + held[q + 4]; });
  if constexpr (kPoints > 3) held[1] = held[1] + held[3];
  if constexpr (kPoints > 2) held[0] = held[0] + held[2];
  *sum = held[0];
  if constexpr (kPoints > 1) *sum = held[0] + held[1];
}
template <int kPoints>
TENON_INLINE void SumPoints(const Eight* terms, double* sum) {
  const Eight all = *terms;
  const auto four = __builtin_shufflevector(all, all, 0, 1, 2, 3) + __builtin_shufflevector(all, all, 4, 5, 6, 7);
  const auto two = __builtin_shufflevector(four, four, 0, 1) + __builtin_shufflevector(four, four, 2, 3);
  *sum = two[0] + two[1];
}

// A point of the rule, or all of them: where points are lanes.
TENON_INLINE void Load(const double* from, int q, double* to) { *to = from[q]; }
TENON_INLINE void Load(const double* from, int, Eight* to) { __builtin_memcpy(to, from, sizeof(Eight)); }

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

// What RunSteps goes through: a tree for sixteen rows, one a lane.
struct TreeOfRows {
  using Lanes = Sixteen;
  using Scalar = Sixteen;
  using Mask = SixteenMask;
  using Point = double;
  using Test = ShapTest;
  static constexpr int kMostBottom = TreeShap::kTreeBottom;
  const Compiled& forest;
  const FloatCell* values;
  const double* again;
  Cell* phi;

  TENON_INLINE static double Share(const Test& test) { return test.share; }
  // Of each point what a test of a feature again has: t w, and b w^2.
  TENON_INLINE double Along(const Test& test, int q) const { return again[test.again + q]; }
  TENON_INLINE double Gain(const Test& test, int q) const { return again[test.again + TreeShap::kMostPoints + q]; }
  TENON_INLINE static double Leaf(const Test& test, bool right) { return right ? test.right_value : test.left_value; }
  TENON_INLINE static bool Again(const Test& test) { return test.again >= 0; }
  TENON_INLINE static SixteenMask Every() { return {EightLongs{} - 1, EightLongs{} - 1}; }
  TENON_INLINE static EightLongs Plain(const Test& test, const EightFloats& x) {
    const EightInts missing = (x != x) & (test.missing_left ? -1 : 0);
    return __builtin_convertvector((x < test.value) | missing, EightLongs);
  }
  TENON_INLINE SixteenMask GoLeft(std::uint32_t, const Test& test) const {
    const FloatCell& x = values[test.slot];
    if (__builtin_expect(test.plain, 1)) return {Plain(test, x.low), Plain(test, x.high)};
    const WalkNode& node = forest.walk[static_cast<std::size_t>(test.walk)];
    SixteenMask left;
    for (int i = 0; i < 8; ++i) {
      left.low[i] = GoesLeft(forest, node, x.low[i]) ? -1 : 0;
      left.high[i] = GoesLeft(forest, node, x.high[i]) ? -1 : 0;
    }
    return left;
  }
  TENON_INLINE static SixteenMask First() { return Every(); }
  // Where rows that are at a test go on, on their feature's path: kept for the tests below of the same feature.
  TENON_INLINE static SixteenMask Way(const SixteenMask&, const SixteenMask& on, const SixteenMask& left, bool right, int) {
    if (right) return {on.low & ~left.low, on.high & ~left.high};
    return {on.low & left.low, on.high & left.high};
  }
  TENON_INLINE static SixteenMask On(const Test& test, const Mask* ways) { return ways[test.before]; }
  TENON_INLINE void Add(const Test& test, const Sixteen& sum) {
    phi[test.slot].low += sum.low;
    phi[test.slot].high += sum.high;
  }
};

// A tree for one row, one point a lane.
struct TreeOfOne {
  using Lanes = Eight;
  using Scalar = double;
  using Mask = bool;
  using Point = Eight;
  using Test = ShapTest;
  static constexpr int kMostBottom = TreeShap::kTreeBottom;
  const Compiled& forest;
  const float* row;
  const double* again;
  double* phi;

  TENON_INLINE static double Share(const Test& test) { return test.share; }
  TENON_INLINE static Eight All(const double* from) {
    Eight all;
    __builtin_memcpy(&all, from, sizeof(all));
    return all;
  }
  TENON_INLINE Eight Along(const Test& test, int) const { return All(again + test.again); }
  TENON_INLINE Eight Gain(const Test& test, int) const { return All(again + test.again + TreeShap::kMostPoints); }
  TENON_INLINE static double Leaf(const Test& test, bool right) { return right ? test.right_value : test.left_value; }
  TENON_INLINE static bool Again(const Test& test) { return test.again >= 0; }
  TENON_INLINE static bool Every() { return true; }
  TENON_INLINE bool GoLeft(std::uint32_t, const Test& test) const {
    const WalkNode& node = forest.walk[static_cast<std::size_t>(test.walk)];
    const float x = row[node.feature];
    if (__builtin_expect(test.plain, 1)) return static_cast<bool>(static_cast<int>(x < test.value) | (static_cast<int>(x != x) & static_cast<int>(test.missing_left)));
    return GoesLeft(forest, node, x);
  }
  TENON_INLINE static bool First() { return true; }
  TENON_INLINE static bool Way(bool, bool on, bool left, bool right, int) { return static_cast<bool>(static_cast<int>(on) & static_cast<int>(left != right)); }
  TENON_INLINE static bool On(const Test& test, const Mask* ways) { return ways[test.before]; }
  TENON_INLINE void Add(const Test& test, double sum) { phi[test.slot] += sum; }
};

// Eight trees for one row, one a lane.
struct TreesOfOne {
  using Lanes = Eight;
  using Scalar = Eight;
  using Mask = EightLongs;
  using Point = double;
  using Test = GroupTest;
  static constexpr int kMostBottom = TreeShap::kGroupBottom;
  const TreesCell* cells;
  const std::uint8_t* lefts;
  TreesCell* sums;  // where the next goes

  TENON_INLINE const Eight& Share(const Test& test) const { return cells[std::size_t{test.cells}].lanes; }
  TENON_INLINE const Eight& Along(const Test& test, int q) const { return cells[std::size_t{test.cells} + 2 + 2 * static_cast<std::size_t>(q)].lanes; }
  TENON_INLINE const Eight& Gain(const Test& test, int q) const { return cells[std::size_t{test.cells} + 3 + 2 * static_cast<std::size_t>(q)].lanes; }
  TENON_INLINE const Eight& Leaf(const Test& test, bool right) const { return cells[std::size_t{test.leaves} + (right && test.left_leaf ? 1 : 0)].lanes; }
  TENON_INLINE static bool Again(const Test& test) { return test.again; }
  TENON_INLINE static EightLongs Every() { return EightLongs{} - 1; }
  TENON_INLINE EightLongs GoLeft(std::uint32_t number, const Test&) const {
    constexpr EightLongs kBits = {1, 2, 4, 8, 16, 32, 64, 128};
    return ((EightLongs{} + lefts[number]) & kBits) != 0;
  }
  TENON_INLINE static EightLongs First() { return EightLongs{} + kEachTree; }
  // A bit a level.
  TENON_INLINE static EightLongs Way(const EightLongs& above, const EightLongs& on, const EightLongs& left, bool right, int level) {
    return above | (on & (right ? ~left : left) & (std::int64_t{1} << level));
  }
  TENON_INLINE EightLongs On(const Test& test, const Mask* ways) const {
    EightLongs bits;
    __builtin_memcpy(&bits, &cells[std::size_t{test.cells} + 1], sizeof(bits));
    return (ways[test.level - 1] & bits) != 0;
  }
  TENON_INLINE void Add(const Test&, const Eight& sum) { (sums++)->lanes = sum; }
};

// What a test adds, its sides' T being known: gaps, of the left side over the right.
template <int kPoints, typename Source, typename Lanes>
TENON_INLINE void Add(Source& source, const typename Source::Test& test, const typename Source::Scalar& step, const Lanes* product, const Lanes* gaps) {
  typename Source::Scalar sum;
  Lanes terms[kPoints];
  Each<kPoints>(TENON_EACH(q) { terms[q] = product[q] * gaps[q]; });
  if (source.Again(test)) Each<kPoints>(TENON_EACH(q) { terms[q] = terms[q] * source.Gain(test, q); });
  SumPoints<kPoints>(terms, &sum);
  source.Add(test, step * sum);
}

// The row at a test: its e, l - s or 0, whether it is on its feature's path.
template <int kPoints, typename Source>
struct Here {
  typename Source::Lanes e[kPoints];                     // the left side's share of the product
  typename Source::Scalar step;
  typename Source::Mask goes_left, on;
};

template <int kPoints, typename Source>
TENON_INLINE void Come(const Source& source, std::uint32_t number, const typename Source::Test& test, const typename Source::Point* points,
                       const typename Source::Mask* ways, Here<kPoints, Source>* here) {
  typename Source::Scalar one;
  Spread(1, &one);
  const auto& share = source.Share(test);
  here->goes_left = source.GoLeft(number, test);
  here->step = Keep(here->goes_left, one) - share;
  if (!source.Again(test)) {
    here->on = source.Every();
    Each<kPoints>(TENON_EACH(q) { here->e[q] = share + points[q] * here->step; });
    return;
  }
  here->on = source.On(test, ways);
  here->step = Keep(here->on, here->step);
  Each<kPoints>(TENON_EACH(q) { here->e[q] = share + source.Along(test, q) * here->step; });
}

// All of kBelow levels of tests from `number` on; its T to `up`.
template <int kBelow, int kPoints, typename Source>
TENON_INLINE void Bottom(Source& source, const typename Source::Test* tests, std::uint32_t number, const typename Source::Point* points,
                         typename Source::Mask* ways, const typename Source::Lanes* product, typename Source::Lanes* up) {
  using Lanes = typename Source::Lanes;
  const auto& test = tests[number];
  Here<kPoints, Source> here;
  Come(source, number, test, points, ways, &here);
  Lanes gaps[kPoints];
  if constexpr (kBelow == 1) {
    Lanes gap, right;
    Spread(source.Leaf(test, false), &gap);
    Spread(source.Leaf(test, true), &right);
    gap = gap - right;
    Each<kPoints>(TENON_EACH(q) {
      gaps[q] = gap;
      up[q] = right + here.e[q] * gap;
    });
  } else {
    Lanes below[kPoints], left[kPoints], right[kPoints];
    Each<kPoints>(TENON_EACH(q) { below[q] = product[q] * here.e[q]; });
    ways[test.level] = source.Way(ways[test.level - 1], here.on, here.goes_left, false, test.level);
    Bottom<kBelow - 1, kPoints>(source, tests, number + 1, points, ways, below, left);
    Each<kPoints>(TENON_EACH(q) { below[q] = product[q] - product[q] * here.e[q]; });
    ways[test.level] = source.Way(ways[test.level - 1], here.on, here.goes_left, true, test.level);
    Bottom<kBelow - 1, kPoints>(source, tests, number + (1U << (kBelow - 1)), points, ways, below, right);
    Each<kPoints>(TENON_EACH(q) {
      gaps[q] = left[q] - right[q];
      up[q] = right[q] + here.e[q] * gaps[q];
    });
  }
  Add<kPoints>(source, test, here.step, product, gaps);
}

// The way to a test, as it is on the way down; what is below it, on the way up.
template <int kPoints, typename Source>
struct Level {
  typename Source::Lanes product[kPoints];
  typename Source::Lanes left[kPoints], right[kPoints];  // T of the sides
  Here<kPoints, Source> here;
};

// Leaves a test whose sides are both known; its T to `up`.
template <int kPoints, typename Source>
TENON_INLINE void Leave(Source& source, const typename Source::Test& test, const Level<kPoints, Source>& at, typename Source::Lanes* up) {
  typename Source::Lanes gaps[kPoints];
  Each<kPoints>(TENON_EACH(q) {
    gaps[q] = at.left[q] - at.right[q];
    up[q] = at.right[q] + at.here.e[q] * gaps[q];
  });
  Add<kPoints>(source, test, at.here.step, at.product, gaps);
}

template <int kPoints, typename Source>
TENON_INLINE void RunSteps(int rule, const typename Source::Test* tests, std::span<const ShapStep> steps, Source source) {
  using Lanes = typename Source::Lanes;
  Level<kPoints, Source> levels[TreeShap::kMostLevels + 1];  // the root is at 1, and leaves its sum at 0
  typename Source::Mask ways[TreeShap::kMostLevels + 1];     // of the sides that are gone through now: see Source::Way
  typename Source::Point points[kPoints];
  const Rules& rules = TheRules();
  Each<kPoints>(TENON_EACH(q) {
    typename Source::Point weight;
    Load(rules.points[static_cast<std::size_t>(rule)].data(), q, &points[q]);
    Load(rules.weights[static_cast<std::size_t>(rule)].data(), q, &weight);
    Spread(weight, &levels[0].product[q]);  // the whole goes to the left
    Spread(1, &levels[0].here.e[q]);
  });
  ways[0] = source.First();
  for (const ShapStep next : steps) {
    const auto& test = tests[next.test];
    auto& at = levels[test.level];
    auto& above = levels[test.level - 1];
    Lanes* up = test.right ? above.right : above.left;
    if (next.leave) {
      Leave<kPoints>(source, test, at, up);
      continue;
    }
    Lanes product[kPoints];
    Each<kPoints>(TENON_EACH(q) { product[q] = above.product[q] * above.here.e[q]; });
    if (test.right) Each<kPoints>(TENON_EACH(q) { product[q] = above.product[q] - product[q]; });
    if (test.level > 1) ways[test.level - 1] = source.Way(ways[test.level - 2], above.here.on, above.here.goes_left, test.right, test.level - 1);
    if (next.bottom == 0) {
      Come(source, next.test, test, points, ways, &at.here);
      Each<kPoints>(TENON_EACH(q) {
        at.product[q] = product[q];
        if (test.left_leaf) Spread(source.Leaf(test, false), &at.left[q]);
        if (test.right_leaf) Spread(source.Leaf(test, true), &at.right[q]);
      });
    } else if (next.bottom == 1) {
      Bottom<1, kPoints>(source, tests, next.test, points, ways, product, up);
    } else if constexpr (Source::kMostBottom > 1) {
      Bottom<2, kPoints>(source, tests, next.test, points, ways, product, up);
    }
  }
}

}  // namespace

template <int kPoints>
TENON_INLINE void TreeShap::RunRows(std::size_t number, Memory& memory) const {
  const ShapTree& tree = trees_[number];
  Cell* phi = memory.phi.data() + SumsOf(number);
  RunSteps<kPoints>(tree.points, tests_.data() + tree.first_test, {steps_.data() + tree.first_step, tree.steps},
                    TreeOfRows{forest_, memory.values.data(), again_.data(), phi});
}

template <int kPoints>
TENON_INLINE void TreeShap::RunGroup(const ShapGroup& group, Memory& memory) const {
  RunSteps<kPoints>(group.points, group.tests.data(), {group.steps.data(), group.steps.size()},
                    TreesOfOne{group.cells.data(), memory.lefts.data(), memory.sums.data()});
}

// Calls do_with a constant for a rule of `points` points: with so many or a few more.
template <typename Do>
TENON_INLINE void WithPoints(int points, const Do& do_with) {
  if (points <= 2) {
    do_with(std::integral_constant<int, 2>{});
  } else if (points == 3) {
    do_with(std::integral_constant<int, 3>{});
  } else if (points == 4) {
    do_with(std::integral_constant<int, 4>{});
  } else if (points <= 6) {
    do_with(std::integral_constant<int, 6>{});
  } else {
    do_with(std::integral_constant<int, 8>{});
  }
}

TENON_INLINE void TreeShap::RunAllRows(Memory& memory) const {
  for (std::size_t t = 0; t < trees_.size(); ++t) {
    WithPoints(trees_[t].points, [&](auto points) __attribute__((always_inline)) { RunRows<points()>(t, memory); });
  }
}

template <TreeShap::Processor kProcessor>
TENON_INLINE void TreeShap::RunAllOne(const float* row, Memory& memory) const {
  const bool registers = kProcessor == Processor::kAvx512 && used_.size() <= kMostSlotsInRegisters;
  for (std::size_t t = 0; t < trees_.size(); t += kTogether) {
    const std::size_t end = std::min(t + kTogether, trees_.size());
    const ShapGroup* group = groups_[t / kTogether].get();
    if (group == nullptr) {
      for (std::size_t i = t; i < end; ++i) {
        double* phi = memory.one.data() + SumsOf(i);
        RunSteps<1>(trees_[i].points, tests_.data() + trees_[i].first_test, {steps_.data() + trees_[i].first_step, trees_[i].steps},
                    TreeOfOne{forest_, row, again_.data(), phi});
      }
      continue;
    }
    const std::size_t tests = group->missing_left.size();
    if (memory.lefts.size() < tests) memory.lefts.resize(tests);
    if (memory.sums.size() < tests) memory.sums.resize(tests);
    (registers ? GroupLeftsAvx512 : GroupLefts)(*group, forest_, row, memory.row.data(), memory.lefts.data());
    WithPoints(group->points, [&](auto points) __attribute__((always_inline)) { RunGroup<points()>(*group, memory); });
    const double* sums = reinterpret_cast<const double*>(memory.sums.data());
    double* phi = memory.one.data();
    for (const GroupAdd& add : group->adds) phi[add.to] += sums[add.from];
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void TreeShap::RunAllRowsAvx2(Memory& memory) const { RunAllRows(memory); }
__attribute__((target("avx2"))) void TreeShap::RunAllOneAvx2(const float* row, Memory& memory) const {
  RunAllOne<Processor::kAvx2>(row, memory);
}
__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))) void TreeShap::RunAllRowsAvx512(Memory& memory) const {
  RunAllRows(memory);
}
__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))) void TreeShap::RunAllOneAvx512(const float* row, Memory& memory) const {
  RunAllOne<Processor::kAvx512>(row, memory);
}
#else
void TreeShap::RunAllRowsAvx2(Memory& memory) const { RunAllRows(memory); }
void TreeShap::RunAllOneAvx2(const float* row, Memory& memory) const { RunAllOne<Processor::kAny>(row, memory); }
void TreeShap::RunAllRowsAvx512(Memory& memory) const { RunAllRows(memory); }
void TreeShap::RunAllOneAvx512(const float* row, Memory& memory) const { RunAllOne<Processor::kAny>(row, memory); }
#endif

void TreeShap::ExplainRows(const float* const* rows, Memory& memory) const {
  memory.values.resize(std::max(memory.values.size(), used_.size()));
  std::fill_n(memory.phi.data(), kSums * used_.size() * base_.size(), Cell{});
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
  memory.row.resize(std::max({memory.row.size(), used_.size(), kMostSlotsInRegisters}));
  for (std::size_t s = 0; s < used_.size(); ++s) memory.row[s] = row[used_[s]];
  std::fill_n(memory.one.data(), kSums * used_.size() * base_.size(), 0.0);
  switch (processor_) {
    case Processor::kAny: return RunAllOne<Processor::kAny>(row, memory);
    case Processor::kAvx2: return RunAllOneAvx2(row, memory);
    case Processor::kAvx512: return RunAllOneAvx512(row, memory);
  }
}

// `count` rows, 1 or up to kRows, to `out`; of fewer than kRows the last is repeated in `rows`.
void TreeShap::Explain(const float* const* rows, std::size_t count, Memory& memory, double* out) const {
  const std::size_t cells = used_.size() * base_.size();
  memory.phi.resize(std::max(memory.phi.size(), kSums * cells));
  memory.one.resize(std::max(memory.one.size(), kSums * cells));
  memory.rest.resize(std::max(memory.rest.size(), cells));
  count == 1 ? ExplainOne(rows[0], memory) : ExplainRows(rows, memory);
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
        const std::size_t at = k * used_.size() + s;
        const auto sum = [&](std::size_t j) {
          if (count == 1) return memory.one[j * cells + at];
          const Cell& cell = memory.phi[j * cells + at];
          return (i < 8 ? cell.low : cell.high)[static_cast<int>(i % 8)];
        };
        static_assert(kSums == 4);
        mine[k * width + static_cast<std::size_t>(used_[s])] = ((sum(0) + sum(1)) + (sum(2) + sum(3))) + memory.rest[at];
      }
    }
  }
}

void TreeShap::Contributions(const float* rows, std::int64_t n, std::int64_t stride, double* out) const {
  static thread_local Memory memory;
  const std::size_t size = (static_cast<std::size_t>(forest_.features) + 1) * base_.size();
  for (std::int64_t from = 0; from < n;) {
    const std::int64_t count = n - from <= alone_ ? 1 : std::min<std::int64_t>(kRows, n - from);
    const float* of[kRows];
    for (std::int64_t i = 0; i < kRows; ++i) of[i] = rows + (from + std::min(i, count - 1)) * stride;
    Explain(of, static_cast<std::size_t>(count), memory, out + static_cast<std::size_t>(from) * size);
    from += count;
  }
}

}  // namespace tenon::model
