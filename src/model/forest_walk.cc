// Kernels that walk the trees on the floats: right for every forest on every processor.

#include <algorithm>

#include "model/forest_steps_internal.h"

namespace tenon::model {
namespace {

constexpr int kOutputsTogether = 64;

// Sums of one row for the outputs from `from` to `to`.
template <typename Number>
struct RowSums {
  RowSums(const Compiled& of, int from_output, int to_output) : forest(of), from(from_output), to(to_output) {
    for (int k = from; k < to; ++k) sums[k - from] = StartSum<Number>(forest, static_cast<std::size_t>(k));
  }
  bool Wants(std::int32_t output) const { return output == Tree::kEveryOutput || (output >= from && output < to); }
  void Add(std::int32_t output, std::int32_t leaf) {
    const double* values = forest.leaves.data() + leaf;
    if (output != Tree::kEveryOutput) {
      sums[output - from] += static_cast<Number>(*values);
    } else {
      for (int k = from; k < to; ++k) sums[k - from] += static_cast<Number>(values[k]);
    }
  }
  void Finish(float* out) const {
    for (int k = from; k < to; ++k) out[k] = FinishSum(forest, static_cast<std::size_t>(k), sums[k - from]);
  }
  const Compiled& forest;
  int from, to;
  Number sums[kOutputsTogether];
};

template <typename Number>
void WalkRow(const Compiled& forest, const float* row, int from, int to, float* out) {
  RowSums<Number> sums(forest, from, to);
  for (std::size_t t = 0; t < forest.roots.size(); ++t) {
    const std::int32_t output = forest.outputs_of[t];
    if (sums.Wants(output)) sums.Add(output, WalkFrom(forest, forest.roots[t], row).right);
  }
  sums.Finish(out);
}

class PlainWalk final : public Kernel {
 public:
  explicit PlainWalk(const Compiled& forest) : forest_(forest) {}
  void Margin(const float* rows, std::int64_t n, std::int64_t stride, float* out) const override {
    const auto walk = forest_.sum == Sum::kFloat ? &WalkRow<float> : &WalkRow<double>;
    for (std::int64_t i = 0; i < n; ++i) {
      for (int from = 0; from < forest_.outputs; from += kOutputsTogether) {
        walk(forest_, rows + i * stride, from, std::min(from + kOutputsTogether, forest_.outputs), out + i * forest_.outputs);
      }
    }
  }

 private:
  const Compiled& forest_;
};

class StepRows final : public Kernel {
 public:
  explicit StepRows(const Compiled& forest) : forest_(forest) {}

  void Margin(const float* rows, std::int64_t n, std::int64_t stride, float* out) const override {
    if (forest_.sum == Sum::kFloat) return forest_.odd ? Rows<float, true>(rows, n, stride, out) : Rows<float, false>(rows, n, stride, out);
    return forest_.odd ? Rows<double, true>(rows, n, stride, out) : Rows<double, false>(rows, n, stride, out);
  }

 private:
  static constexpr int kTogether = 8;
  static constexpr int kBlock = 64;  // rows for which a tree is kept in the cache

  template <typename Number, bool kOdd>
  void Rows(const float* rows, std::int64_t n, std::int64_t stride, float* out) const {
    std::int64_t i = 0;
    if (forest_.outputs == 1 && n >= kTogether) {
      for (; i + kTogether <= n; i += kBlock) {
        const std::int64_t whole = std::min<std::int64_t>(kBlock, (n - i) / kTogether * kTogether);
        Block<Number, kOdd>(rows + i * stride, whole, stride, out + i);
        if (whole < kBlock) {
          i += whole;
          break;
        }
      }
    }
    for (; i < n; ++i) {
      for (int from = 0; from < forest_.outputs; from += kOutputsTogether) {
        Row<Number, kOdd>(rows + i * stride, from, std::min(from + kOutputsTogether, forest_.outputs), out + i * forest_.outputs);
      }
    }
  }

  // Eight trees at once.
  template <typename Number, bool kOdd>
  void Row(const float* row, int from, int to, float* out) const {
    RowSums<Number> sums(forest_, from, to);
    const std::size_t trees = forest_.roots.size();
    const auto row_of = [row](int) { return row; };
    std::size_t t = 0;
    for (; t + kTogether <= trees; t += kTogether) {
      std::int32_t at[kTogether];
      std::copy_n(forest_.step_roots.data() + t, kTogether, at);
      StepTogether<kTogether, kOdd>(forest_, at, row_of);
      for (std::size_t j = 0; j < kTogether; ++j) AddTo(&sums, t + j, at[j]);
    }
    for (; t < trees; ++t) {
      std::int32_t at[1] = {forest_.step_roots[t]};
      StepTogether<1, kOdd>(forest_, at, row_of);
      AddTo(&sums, t, at[0]);
    }
    sums.Finish(out);
  }

  template <typename Number>
  void AddTo(RowSums<Number>* sums, std::size_t tree, std::int32_t at) const {
    const std::int32_t output = forest_.outputs_of[tree];
    if (sums->Wants(output)) sums->Add(output, LeafAt(forest_.steps[static_cast<std::size_t>(at)]));
  }

  // One output: eight rows at once, tree by tree, so that a tree's nodes are in the cache.
  template <typename Number, bool kOdd>
  void Block(const float* rows, std::int64_t n, std::int64_t stride, float* out) const {
    Number sums[kBlock];
    std::fill_n(sums, n, StartSum<Number>(forest_, 0));
    for (const std::int32_t root : forest_.step_roots) {
      for (std::int64_t i = 0; i < n; i += kTogether) {
        std::int32_t at[kTogether];
        std::fill_n(at, kTogether, root);
        StepTogether<kTogether, kOdd>(forest_, at, [&](int j) { return rows + (i + j) * stride; });
        for (int j = 0; j < kTogether; ++j) {
          const std::int32_t leaf = LeafAt(forest_.steps[static_cast<std::size_t>(at[j])]);
          sums[i + j] += static_cast<Number>(forest_.leaves[static_cast<std::size_t>(leaf)]);
        }
      }
    }
    for (std::int64_t i = 0; i < n; ++i) out[i] = FinishSum(forest_, 0, sums[i]);
  }

  const Compiled& forest_;
};

}  // namespace

std::unique_ptr<Kernel> MakePlainWalk(const Compiled& forest) { return std::make_unique<PlainWalk>(forest); }

std::unique_ptr<Kernel> MakeStepRows(const Compiled& forest) {
  if (forest.features == 0) return nullptr;  // there must be a value to look at, even at a leaf
  return std::make_unique<StepRows>(forest);
}

}  // namespace tenon::model
