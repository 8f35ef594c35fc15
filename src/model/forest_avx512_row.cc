// The kernel for single rows on processors with AVX-512: 64 trees at a time. A row's codes fit one or two registers, so
// that the code which the k-th node of 64 trees looks at is one permutation of them; all nodes of a prefix are tested,
// and the exit is put together from the leaves up.

#include <algorithm>
#include <array>
#include <numeric>
#include <type_traits>

#include "model/forest_avx512_internal.h"

#if defined(__x86_64__)

namespace tenon::model {
namespace {

constexpr int kLanes = 64;
constexpr std::size_t kMostCodes = 128;
constexpr std::size_t kMostTrees = 4096;
constexpr std::size_t kMostOutputs = 64;
constexpr int kMostTogether = 4;  // rows

// Of one node of 64 trees.
struct alignas(64) LaneNode {
  std::array<std::int8_t, kLanes> column;
  std::array<std::int8_t, kLanes> cut;
};

struct LaneGroup {
  std::size_t nodes = 0;  // first, in heap order
  int levels = 0;
};

template <bool kTwo>
struct RowCodes {
  __m512i low, high;
};

// The exits below the node kNode of 64 trees, counted from the first below that node, of kRows rows.
template <int kNode, int kLevel, int kLevels, bool kTwo, int kRows>
struct LaneExit {
  TENON_AVX512_INLINE static void Of(const RowCodes<kTwo>* codes, const LaneNode* nodes, __m512i* exits) {
    const __m512i column = _mm512_load_si512(nodes[kNode].column.data());
    const __m512i cut = _mm512_load_si512(nodes[kNode].cut.data());
    __mmask64 right[kRows];
    for (int r = 0; r < kRows; ++r) {
      const __m512i code = kTwo ? _mm512_permutex2var_epi8(codes[r].low, column, codes[r].high)
                                : _mm512_permutexvar_epi8(column, codes[r].low);
      right[r] = _mm512_cmp_epi8_mask(code, cut, _MM_CMPINT_NLT);
    }
    if constexpr (kLevel == kLevels - 1) {
      for (int r = 0; r < kRows; ++r) exits[r] = _mm512_maskz_set1_epi8(right[r], 1);
    } else {
      __m512i right_exits[kRows];
      LaneExit<2 * kNode + 1, kLevel + 1, kLevels, kTwo, kRows>::Of(codes, nodes, exits);
      LaneExit<2 * kNode + 2, kLevel + 1, kLevels, kTwo, kRows>::Of(codes, nodes, right_exits);
      const __m512i half = _mm512_set1_epi8(static_cast<char>(1U << (kLevels - 1 - kLevel)));
      for (int r = 0; r < kRows; ++r) exits[r] = _mm512_mask_add_epi8(exits[r], right[r], right_exits[r], half);
    }
  }
};

// `exits`: kLanes of each row, `step` bytes from row to row.
template <int kLevels, bool kTwo, int kRows>
TENON_AVX512 void ExitsOfLanes(const std::int8_t* codes, const LaneNode* nodes, std::uint8_t* exits, std::size_t step) {
  RowCodes<kTwo> row[kRows];
  for (int r = 0; r < kRows; ++r) {
    row[r].low = _mm512_load_si512(codes + static_cast<std::size_t>(r) * kMostCodes);
    if constexpr (kTwo) row[r].high = _mm512_load_si512(codes + static_cast<std::size_t>(r) * kMostCodes + kLanes);
  }
  __m512i found[kRows];
  LaneExit<0, 0, kLevels, kTwo, kRows>::Of(row, nodes, found);
  for (int r = 0; r < kRows; ++r) _mm512_store_si512(exits + static_cast<std::size_t>(r) * step, found[r]);
}

using LanesFunction = void (*)(const std::int8_t*, const LaneNode*, std::uint8_t*, std::size_t);
template <bool kTwo, int kRows>
constexpr std::array<LanesFunction, kMostLevels + 1> kLaneFunctions = {
    nullptr,
    ExitsOfLanes<1, kTwo, kRows>,
    ExitsOfLanes<2, kTwo, kRows>,
    ExitsOfLanes<3, kTwo, kRows>,
    ExitsOfLanes<4, kTwo, kRows>,
    ExitsOfLanes<5, kTwo, kRows>,
    ExitsOfLanes<6, kTwo, kRows>,
    ExitsOfLanes<7, kTwo, kRows>,
    ExitsOfLanes<8, kTwo, kRows>,
};

// Which feature each column is of, where every rank fits a byte and the features fit a register: the codes are then two
// permutations of the ranks.
struct ColumnMap {
  alignas(64) std::array<std::int8_t, kMostCodes> feature{};
  std::array<std::uint64_t, kMostCodes / kLanes> missing_right{};
  bool whole = false;

  void Init(const Ranks& ranks) {
    whole = ranks.features.size() <= kLanes;
    for (std::size_t f = 0; f < ranks.features.size() && whole; ++f) {
      const RankedFeature& ranked = ranks.features[f];
      whole = ranked.count <= 255;
      for (std::uint32_t c = ranked.columns_begin; c < ranked.columns_end && whole; ++c) {
        feature[c] = static_cast<std::int8_t>(f);
        if (ranks.columns[c].missing_right) missing_right[c / kLanes] |= 1ULL << (c % kLanes);
      }
    }
  }
};

TENON_AVX512 void CodesOfOneRow(const Ranks& ranks, const ColumnMap& map, const float* row, std::int8_t* codes) {
  const float* thresholds = ranks.values();
  if (!map.whole) {
    for (const RankedFeature& ranked : ranks.features) {
      const float x = row[ranked.feature];
      const std::uint32_t rank = RankOf512(thresholds, ranked, _mm512_set1_ps(x));
      for (std::uint32_t c = ranked.columns_begin; c < ranked.columns_end; ++c) codes[c] = CodeOf(ranks.columns[c], rank, x != x);
    }
    return;
  }
  alignas(64) std::uint8_t found[kLanes] = {};
  std::uint64_t missing = 0;
  for (std::size_t f = 0; f < ranks.features.size(); ++f) {
    const RankedFeature& ranked = ranks.features[f];
    const float x = row[ranked.feature];
    found[f] = static_cast<std::uint8_t>(RankOf512(thresholds, ranked, _mm512_set1_ps(x)));
    missing |= static_cast<std::uint64_t>(x != x) << f;
  }
  const __m512i rank = _mm512_load_si512(found);
  const __m512i nan = _mm512_movm_epi8(missing);
  for (std::size_t part = 0; part < kMostCodes / kLanes && part * kLanes < ranks.columns.size(); ++part) {
    const __m512i of = _mm512_load_si512(map.feature.data() + part * kLanes);
    const __mmask64 right = _mm512_movepi8_mask(_mm512_permutexvar_epi8(of, nan)) & map.missing_right[part];
    const __m512i code = _mm512_mask_set1_epi8(_mm512_permutexvar_epi8(of, rank), right, -1);
    _mm512_store_si512(codes + part * kLanes, _mm512_xor_si512(code, _mm512_set1_epi8(-128)));
  }
}

class Avx512Row final : public Kernel {
 public:
  explicit Avx512Row(const Compiled& forest) : forest_(forest) {}

  bool Init() {
    if (forest_.roots.empty() || forest_.roots.size() > kMostTrees || !MakePrefixes(forest_, kMostLevels, &prefixes_)) return false;
    if (prefixes_.ranks.columns.size() > kMostCodes) return false;
    two_ = prefixes_.ranks.columns.size() > kLanes;
    map_.Init(prefixes_.ranks);
    std::vector<std::uint32_t> order(prefixes_.trees.size());
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::stable_sort(order, {}, [&](std::uint32_t t) { return prefixes_.trees[t].levels; });
    trees_.resize(order.size());
    for (std::size_t first = 0; first < order.size(); first += kLanes) {
      const std::size_t count = std::min<std::size_t>(kLanes, order.size() - first);
      AddGroup(std::span<const std::uint32_t>(order).subspan(first, count), first);
    }
    simple_ = !forest_.vectors && forest_.outputs == 1;
    for (const PrefixTree& tree : prefixes_.trees) simple_ = simple_ && !tree.deep;
    return true;
  }

  void Margin(const float* rows, std::int64_t n, std::int64_t stride, float* out) const override {
    if (forest_.sum == Sum::kFloat) return Rows<float>(rows, n, stride, out);
    Rows<double>(rows, n, stride, out);
  }

 private:
  // Where the exit of a tree is found, and its table in values of the forest's type.
  struct Lane {
    std::uint32_t slot = 0;
    std::uint32_t table = 0;
  };

  // Trees of fewer levels than the group's have both ways lead to the same at the rest.
  void AddGroup(std::span<const std::uint32_t> trees, std::size_t first_slot) {
    LaneGroup group;
    group.levels = std::max<int>(prefixes_.trees[trees.back()].levels, 1);
    group.nodes = nodes_.size();
    const std::size_t inner = (std::size_t{1} << group.levels) - 1;
    nodes_.resize(nodes_.size() + inner);
    for (std::size_t lane = 0; lane < trees.size(); ++lane) {
      const PrefixTree& tree = prefixes_.trees[trees[lane]];
      const std::size_t own = (std::size_t{1} << tree.levels) - 1;
      for (std::size_t node = 0; node < inner; ++node) {
        LaneNode& at = nodes_[group.nodes + node];
        if (node >= own) continue;
        at.column[lane] = static_cast<std::int8_t>(prefixes_.column[tree.nodes + node] / kBlockRows);
        at.cut[lane] = prefixes_.cut[tree.nodes + node];
      }
      trees_[trees[lane]] = {static_cast<std::uint32_t>(first_slot + lane), static_cast<std::uint32_t>(exits_.size())};
      for (std::size_t exit = 0; exit <= inner; ++exit) {
        const std::size_t from = tree.exits + (exit >> (group.levels - tree.levels));
        exits_.push_back(prefixes_.exits[from]);
        if (forest_.sum == Sum::kFloat) {
          floats_.push_back(prefixes_.floats[from]);
        } else {
          doubles_.push_back(prefixes_.doubles[from]);
        }
      }
    }
    groups_.push_back(group);
  }

  template <typename Number>
  void Rows(const float* rows, std::int64_t n, std::int64_t stride, float* out) const {
    std::int64_t i = 0;
    for (; i + kMostTogether <= n; i += kMostTogether) Some<Number, kMostTogether>(rows + i * stride, stride, out + i * forest_.outputs);
    for (; i < n; ++i) Some<Number, 1>(rows + i * stride, stride, out + i * forest_.outputs);
  }

  template <typename Number, int kRows>
  void Some(const float* rows, std::int64_t stride, float* out) const {
    alignas(64) std::int8_t codes[kMostCodes * kRows];
    alignas(64) std::uint8_t exits[kMostTrees * kRows];
    const std::size_t step = groups_.size() * kLanes;
    for (int r = 0; r < kRows; ++r) CodesOfOneRow(prefixes_.ranks, map_, rows + r * stride, codes + static_cast<std::size_t>(r) * kMostCodes);
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const auto exits_of = two_ ? kLaneFunctions<true, kRows> : kLaneFunctions<false, kRows>;
      exits_of[static_cast<std::size_t>(groups_[g].levels)](codes, nodes_.data() + groups_[g].nodes, exits + g * kLanes, step);
    }
    if (simple_) {
      SumSimple<Number, kRows>(exits, step, out);
    } else {
      for (int r = 0; r < kRows; ++r) SumOne<Number>(exits + static_cast<std::size_t>(r) * step, rows + r * stride, out + r * forest_.outputs);
    }
  }

  template <typename Number, int kRows>
  void SumSimple(const std::uint8_t* exits, std::size_t step, float* out) const {
    Number sums[kRows];
    std::fill_n(sums, kRows, StartSum<Number>(forest_, 0));
    const Number* values = nullptr;
    if constexpr (std::is_same_v<Number, float>) {
      values = floats_.data();
    } else {
      values = doubles_.data();
    }
    for (const Lane& lane : trees_) {
      for (int r = 0; r < kRows; ++r) sums[r] += values[lane.table + exits[static_cast<std::size_t>(r) * step + lane.slot]];
    }
    for (int r = 0; r < kRows; ++r) out[r] = FinishSum(forest_, 0, sums[r]);
  }

  template <typename Number>
  void SumOne(const std::uint8_t* exits, const float* row, float* out) const {
    Number sums[kMostOutputs];
    for (std::size_t k = 0; k < forest_.base.size(); ++k) sums[k] = StartSum<Number>(forest_, k);
    for (std::size_t t = 0; t < trees_.size(); ++t) {
      const PrefixTree& tree = prefixes_.trees[t];
      std::int32_t leaf = exits_[trees_[t].table + exits[trees_[t].slot]];
      if (tree.deep) {
        StepTogether<1, true>(forest_, &leaf, [row](int) { return row; });
        leaf = LeafAt(forest_.steps[static_cast<std::size_t>(leaf)]);
      }
      const double* values = forest_.leaves.data() + leaf;
      if (tree.output != Tree::kEveryOutput) {
        sums[tree.output] += static_cast<Number>(*values);
      } else {
        for (int k = 0; k < forest_.outputs; ++k) sums[k] += static_cast<Number>(values[k]);
      }
    }
    for (std::size_t k = 0; k < forest_.base.size(); ++k) out[k] = FinishSum(forest_, k, sums[k]);
  }

  const Compiled& forest_;
  Prefixes prefixes_;
  ColumnMap map_;
  std::vector<LaneNode> nodes_;
  std::vector<LaneGroup> groups_;
  std::vector<Lane> trees_;   // in the trees' order
  std::vector<std::int32_t> exits_;
  std::vector<float> floats_;
  std::vector<double> doubles_;
  bool two_ = false;
  bool simple_ = false;       // one number a leaf, and none below the prefix
};

}  // namespace

std::unique_ptr<Kernel> MakeAvx512Row(const Compiled& forest) {
  if (!HasAvx512()) return nullptr;
  auto made = std::make_unique<Avx512Row>(forest);
  if (!made->Init()) return nullptr;
  return made;
}

}  // namespace tenon::model

#else

namespace tenon::model {

std::unique_ptr<Kernel> MakeAvx512Row(const Compiled&) { return nullptr; }

}  // namespace tenon::model

#endif
