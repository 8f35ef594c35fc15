// Which kernel a forest uses: they give the same bits, so a short race decides.

#include <time.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/hash.h"
#include "model/forest_internal.h"

namespace tenon::model {
namespace {

constexpr std::array<KernelKind, 7> kKinds = {{
    {"plain_walk", MakePlainWalk},
    {"steps", MakeStepRows},
    {"ranked_row", MakeRankedRow},
    {"avx2_block", MakeAvx2Block},
    {"avx512_block", MakeAvx512Block},
    {"avx512_block_short", MakeAvx512BlockShort},
    {"avx512_row", MakeAvx512Row},
}};

constexpr double kEnough = 8e3;    // nanoseconds of one measurement; less is lost in the cost of reading the clock
constexpr double kBudget = 20e6;   // of all measurements of a forest
constexpr int kRepeats = 3;
constexpr int kMostFeatures = 20000;  // rows of more are not made up for a race

// Of this thread only, so that other load on the machine disturbs little.
double Nanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// Rows around the forest's own thresholds, so that they spread over the leaves.
std::vector<float> TrialRows(const Compiled& forest, std::int64_t n) {
  const auto features = static_cast<std::size_t>(forest.features);
  std::vector<std::vector<float>> values(features);
  constexpr std::size_t kMostValues = 64;
  for (const WalkNode& node : forest.walk) {
    if (node.left < 0) continue;
    auto& list = values[static_cast<std::size_t>(node.feature)];
    if (list.size() < kMostValues && std::isfinite(node.value)) list.push_back(node.value);
  }
  std::vector<float> rows;
  std::uint64_t draw = 1;
  for (std::int64_t i = 0; i < n; ++i) {
    for (const auto& list : values) {
      draw = Hash64(draw);
      rows.push_back(list.empty() ? 0.0F : list[draw % list.size()]);
    }
  }
  return rows;
}

class Race {
 public:
  explicit Race(const Compiled& forest, std::int64_t most)
      : forest_(forest), rows_(TrialRows(forest, most)), out_(static_cast<std::size_t>(most * forest.outputs)) {}

  // The fastest for n rows; the earlier of two that are about as fast.
  const Kernel* Fastest(const std::vector<const Kernel*>& kernels, std::int64_t n) {
    const Kernel* best = kernels[0];
    if (kernels.size() == 1) return best;
    double best_time = std::numeric_limits<double>::infinity();
    for (const Kernel* kernel : kernels) {
      const double time = Time(*kernel, n, best_time);
      if (time < 0.95 * best_time) {
        best = kernel;
        best_time = time;
      }
    }
    return best;
  }

 private:
  double Once(const Kernel& kernel, std::int64_t n, int times) {
    const double start = Nanoseconds();
    for (int i = 0; i < times; ++i) kernel.Margin(rows_.data(), n, forest_.features, out_.data());
    const double spent = Nanoseconds() - start;
    spent_ += spent;
    return std::max(spent, 1.0) / times;
  }

  double Time(const Kernel& kernel, std::int64_t n, double to_beat) {
    Once(kernel, n, 1);  // into the cache
    double best = Once(kernel, n, 1);
    if (spent_ > kBudget || best > 4 * to_beat) return best;
    const int times = std::max(1, static_cast<int>(kEnough / best));
    for (int i = 0; i < kRepeats && spent_ < kBudget; ++i) best = std::min(best, Once(kernel, n, times));
    return best;
  }

  const Compiled& forest_;
  std::vector<float> rows_;
  std::vector<float> out_;
  double spent_ = 0;
};

}  // namespace

std::span<const KernelKind> KernelKinds() { return kKinds; }

Chosen::Chosen(const Compiled& forest) : outputs_(forest.outputs) {
  const auto add = [&](std::unique_ptr<Kernel> kernel) -> const Kernel* {
    if (kernel == nullptr) return nullptr;
    kernels_.push_back(std::move(kernel));
    return kernels_.back().get();
  };
  const Kernel* block = add(MakeAvx512Block(forest));
  const Kernel* short_block = block == nullptr ? nullptr : add(MakeAvx512BlockShort(forest));
  if (block == nullptr) block = add(MakeAvx2Block(forest));
  const Kernel* row = add(MakeAvx512Row(forest));
  if (row == nullptr) row = add(MakeRankedRow(forest));
  const Kernel* steps = add(MakeStepRows(forest));
  if (steps == nullptr) steps = add(MakePlainWalk(forest));
  if (forest.features > kMostFeatures) {
    by_size_.fill(steps);
    std::erase_if(kernels_, [&](const auto& kernel) { return kernel.get() != steps; });
    return;
  }
  Race race(forest, kSizes.back());
  for (std::size_t s = 0; s < kSizes.size(); ++s) {
    std::vector<const Kernel*> entered;
    const bool few = kSizes[s] <= 4;
    for (const Kernel* kernel : {few ? nullptr : block, few ? nullptr : short_block, row, steps}) {
      if (kernel != nullptr) entered.push_back(kernel);
    }
    by_size_[s] = race.Fastest(entered, kSizes[s]);
  }
  std::erase_if(kernels_, [&](const auto& kernel) { return std::ranges::find(by_size_, kernel.get()) == by_size_.end(); });
}

const Kernel& Chosen::For(std::int64_t n) const {
  constexpr std::array<std::int64_t, 3> kUpTo = {2, 9, 31};
  std::size_t s = 0;
  while (s < kUpTo.size() && n > kUpTo[s]) ++s;
  return *by_size_[s];
}

void Chosen::Margin(const float* rows, std::int64_t n, std::int64_t stride, float* out) const {
  const std::int64_t whole = n / kSizes.back() * kSizes.back();
  if (whole > 0) by_size_.back()->Margin(rows, whole, stride, out);
  if (n > whole) For(n - whole).Margin(rows + whole * stride, n - whole, stride, out + whole * outputs_);
}

}  // namespace tenon::model
