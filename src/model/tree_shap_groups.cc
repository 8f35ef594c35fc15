// Eight trees put together for TreeShap's way of one row.

#include <algorithm>
#include <bit>
#include <span>

#include "model/tree_shap_lanes_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tenon::model {
namespace {

constexpr std::size_t kMostTests = 4096;               // of a group: their sums stay in a cache
constexpr std::size_t kMostPadding = 2;                // times the tests that the trees have: what is laid out must be read
constexpr std::size_t kMostBytes = std::size_t{64} << 20;  // of all groups of a forest

// A place of eight trees: of each its test there, or the leaf at it or above it.
struct Place {
  std::array<const ShapTest*, TreeShap::kTogether> test{};
  std::array<double, TreeShap::kTogether> leaf{};
  bool AllLeaves() const { return std::ranges::all_of(test, [](const ShapTest* one) { return one == nullptr; }); }
};

class GroupMaker {
 public:
  GroupMaker(const std::vector<double>& again, int points) : again_(again) {
    group_->points = points;
    double weights[TreeShap::kMostPoints];
    GaussLegendre(points, points_, weights);
  }

  // The tests of one more tree, parents first and left before right, which adds up from `to` on.
  void AddTree(std::size_t lane, std::size_t to, std::span<const ShapTest> tests) {
    std::vector<std::size_t> end(tests.size());
    for (std::size_t i = tests.size(); i-- > 0;) {
      end[i] = i + 1;
      if (!tests[i].left_leaf) end[i] = end[end[i]];
      rights_[lane].push_back(nullptr);
      if (tests[i].right_leaf) continue;
      rights_[lane].back() = &tests[end[i]];
      end[i] = end[end[i]];
    }
    std::ranges::reverse(rights_[lane]);
    first_[lane] = tests.data();
    to_[lane] = static_cast<std::uint32_t>(to);
    root_.test[lane] = tests.data();
    wanted_ += tests.size();
    ++trees_;
  }

  // Null when there would be too much of it.
  std::unique_ptr<const ShapGroup> Make() {
    Add(root_, 1, false);
    if (too_many_ || group_->tests.size() * trees_ > kMostPadding * wanted_) return nullptr;
    group_->steps = StepsThrough(group_->tests.data(), group_->tests.size(), TreeShap::kGroupBottom);
    PutAdds();
    if (group_->tests.size() % 2 != 0) AddLefts(Place());
    return std::move(group_);
  }

 private:
  void PutAdds() {
    for (std::size_t first = 0; first < TreeShap::kTogether; first += TreeShap::kSums) {
      for (std::size_t i = 0; i < group_->tests.size(); ++i) {
        for (std::size_t lane = first; lane < first + TreeShap::kSums; ++lane) {
          if (i < adds_[lane].size()) group_->adds.push_back(adds_[lane][i]);
        }
      }
    }
  }

  Place Side(const Place& place, bool right) const {
    Place side;
    for (std::size_t lane = 0; lane < TreeShap::kTogether; ++lane) {
      const ShapTest* test = place.test[lane];
      side.leaf[lane] = place.leaf[lane];
      if (test == nullptr) continue;
      if (right ? test->right_leaf : test->left_leaf) {
        side.leaf[lane] = right ? test->right_value : test->left_value;
      } else {
        side.test[lane] = right ? rights_[lane][static_cast<std::size_t>(test - first_[lane])] : test + 1;
      }
    }
    return side;
  }

  template <typename Value>
  void AddCell(const Value& value_of) {
    TreesCell& cell = group_->cells.emplace_back();
    for (std::size_t lane = 0; lane < TreeShap::kTogether; ++lane) cell.lanes[static_cast<int>(lane)] = value_of(lane);
  }

  void AddShares(const Place& place, GroupTest* test) {
    const auto again = [&](std::size_t lane) { return place.test[lane] == nullptr ? -1 : place.test[lane]->again; };
    const auto of_point = [&](std::size_t lane, int at) { return again_[static_cast<std::size_t>(again(lane) + at)]; };
    test->cells = static_cast<std::uint32_t>(group_->cells.size());
    AddCell([&](std::size_t lane) { return place.test[lane] == nullptr ? 0.5 : place.test[lane]->share; });
    for (std::size_t lane = 0; lane < TreeShap::kTogether; ++lane) test->again = test->again || again(lane) >= 0;
    if (!test->again) return;
    AddCell([&](std::size_t lane) {
      return std::bit_cast<double>(again(lane) < 0 ? kEachTree : std::int64_t{1} << place.test[lane]->before);
    });
    for (int q = 0; q < group_->points; ++q) {
      AddCell([&](std::size_t lane) { return again(lane) < 0 ? points_[q] : of_point(lane, q); });
      AddCell([&](std::size_t lane) { return again(lane) < 0 ? 1 : of_point(lane, TreeShap::kMostPoints + q); });
    }
  }

  void AddLefts(const Place& place) {
    std::uint8_t missing = 0;
    for (std::size_t lane = 0; lane < TreeShap::kTogether; ++lane) {
      const ShapTest* test = place.test[lane];
      group_->slots.push_back(test == nullptr ? 0 : test->slot);
      group_->values.push_back(test == nullptr ? 0 : test->value);
      if (test != nullptr && test->missing_left) missing = static_cast<std::uint8_t>(missing | 1U << lane);
      if (test != nullptr && !test->plain) {
        group_->odd.push_back({static_cast<std::uint32_t>(group_->missing_left.size()), static_cast<int>(lane), test->walk});
      }
    }
    group_->missing_left.push_back(missing);
  }

  void AddEnd(const Place& place) {
    for (std::size_t lane = 0; lane < TreeShap::kTogether; ++lane) {
      const ShapTest* test = place.test[lane];
      if (test == nullptr) continue;
      adds_[lane].push_back({ends_ * static_cast<std::uint32_t>(TreeShap::kTogether) + static_cast<std::uint32_t>(lane),
                             to_[lane] + static_cast<std::uint32_t>(test->slot)});
    }
    ++ends_;
  }

  // At most kMostLevels deep.
  void Add(const Place& place, std::uint8_t level, bool right) {
    too_many_ = too_many_ || group_->tests.size() == kMostTests;
    if (too_many_) return;
    GroupTest test{.level = level, .right = right};
    AddShares(place, &test);
    AddLefts(place);
    const Place to_left = Side(place, false), to_right = Side(place, true);
    test.left_leaf = to_left.AllLeaves();
    test.right_leaf = to_right.AllLeaves();
    test.leaves = static_cast<std::uint32_t>(group_->cells.size());
    if (test.left_leaf) AddCell([&](std::size_t lane) { return to_left.leaf[lane]; });
    if (test.right_leaf) AddCell([&](std::size_t lane) { return to_right.leaf[lane]; });
    group_->tests.push_back(test);
    if (!test.left_leaf) Add(to_left, static_cast<std::uint8_t>(level + 1), false);
    if (!test.right_leaf) Add(to_right, static_cast<std::uint8_t>(level + 1), true);
    AddEnd(place);
  }

  const std::vector<double>& again_;
  double points_[TreeShap::kMostPoints] = {};
  std::unique_ptr<ShapGroup> group_ = std::make_unique<ShapGroup>();
  std::array<const ShapTest*, TreeShap::kTogether> first_{};
  std::array<std::vector<const ShapTest*>, TreeShap::kTogether> rights_;  // by test: the one to its right
  std::array<std::vector<GroupAdd>, TreeShap::kTogether> adds_;
  Place root_;
  std::array<std::uint32_t, TreeShap::kTogether> to_{};
  std::uint32_t ends_ = 0;  // tests so far, in the order of their ends
  std::size_t wanted_ = 0, trees_ = 0;
  bool too_many_ = false;
};

std::size_t Bytes(const ShapGroup& group) {
  return group.cells.size() * sizeof(TreesCell) + group.tests.size() * (sizeof(GroupTest) + 2 * sizeof(ShapStep) + 65) +
         group.adds.size() * sizeof(GroupAdd);
}

void OddLefts(const ShapGroup& group, const Compiled& forest, const float* row, std::uint8_t* lefts) {
  for (const ShapGroup::Odd& odd : group.odd) {
    const WalkNode& node = forest.walk[static_cast<std::size_t>(odd.walk)];
    const unsigned bit = 1U << odd.tree;
    const unsigned rest = lefts[odd.test] & ~bit;
    lefts[odd.test] = static_cast<std::uint8_t>(GoesLeft(forest, node, row[node.feature]) ? rest | bit : rest);
  }
}

}  // namespace

TreeShap::~TreeShap() = default;

std::unique_ptr<const ShapGroup> TreeShap::Group(std::size_t first_tree) const {
  constexpr std::size_t kFewest = 3;  // trees that cost less one by one
  GroupMaker maker(again_, trees_[first_tree].points);
  if (trees_.size() - first_tree < kFewest) return nullptr;
  for (std::size_t t = first_tree; t < std::min(first_tree + kTogether, trees_.size()); ++t) {
    maker.AddTree(t - first_tree, SumsOf(t), {tests_.data() + trees_[t].first_test, trees_[t].tests});
  }
  return maker.Make();
}

void TreeShap::MakeGroups() {
  groups_.resize((trees_.size() + kTogether - 1) / kTogether);
  if (kSums * base_.size() * used_.size() > std::size_t{1} << 31) return;  // GroupAdd has no more
  std::size_t bytes = 0;
  for (std::size_t g = 0; g < groups_.size() && bytes < kMostBytes; ++g) {
    groups_[g] = Group(g * kTogether);
    if (groups_[g] != nullptr) bytes += Bytes(*groups_[g]);
  }
  if (std::ranges::count_if(groups_, [](const auto& group) { return group == nullptr; }) <= 1) alone_ = 5;  // 1/6 to 1/9 of sixteen rows' time, measured
}

void GroupLefts(const ShapGroup& group, const Compiled& forest, const float* row, const float* values, std::uint8_t* lefts) {
  const std::int32_t* slots = group.slots.data();
  const float* cuts = group.values.data();
  for (std::size_t i = 0; i < group.missing_left.size(); ++i, slots += TreeShap::kTogether, cuts += TreeShap::kTogether) {
    unsigned below = 0, missing = 0;
    for (std::size_t lane = 0; lane < TreeShap::kTogether; ++lane) {
      const float x = values[slots[lane]];
      below |= static_cast<unsigned>(x < cuts[lane]) << lane;
      missing |= static_cast<unsigned>(x != x) << lane;
    }
    lefts[i] = static_cast<std::uint8_t>(below | (missing & group.missing_left[i]));
  }
  OddLefts(group, forest, row, lefts);
}

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))) void GroupLeftsAvx512(const ShapGroup& group, const Compiled& forest, const float* row,
                                                                                  const float* values, std::uint8_t* lefts) {
  const __m512 v0 = _mm512_loadu_ps(values), v1 = _mm512_loadu_ps(values + 16);
  const __m512 v2 = _mm512_loadu_ps(values + 32), v3 = _mm512_loadu_ps(values + 48);
  for (std::size_t i = 0; i < group.missing_left.size(); i += 2) {
    const __m512i slot = _mm512_loadu_si512(group.slots.data() + i * TreeShap::kTogether);
    const __m512 x = _mm512_mask_blend_ps(_mm512_test_epi32_mask(slot, _mm512_set1_epi32(32)), _mm512_permutex2var_ps(v0, slot, v1),
                                          _mm512_permutex2var_ps(v2, slot, v3));
    const unsigned below = _mm512_cmp_ps_mask(x, _mm512_loadu_ps(group.values.data() + i * TreeShap::kTogether), _CMP_LT_OQ);
    const unsigned missing = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    std::uint16_t missing_left = 0;
    __builtin_memcpy(&missing_left, group.missing_left.data() + i, sizeof(missing_left));
    const auto both = static_cast<std::uint16_t>(below | (missing & missing_left));
    __builtin_memcpy(lefts + i, &both, sizeof(both));
  }
  OddLefts(group, forest, row, lefts);
}
#else
void GroupLeftsAvx512(const ShapGroup& group, const Compiled& forest, const float* row, const float* values, std::uint8_t* lefts) {
  GroupLefts(group, forest, row, values, lefts);
}
#endif

}  // namespace tenon::model
