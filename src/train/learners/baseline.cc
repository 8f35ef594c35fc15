// The answer without any feature: what every other model has to beat.

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "base/exact_sum.h"
#include "model/linear.h"
#include "train/learner.h"
#include "train/rows_internal.h"

namespace tenon::train {
namespace {

// The least label at which half of the weight is reached; halfway to the next when it is reached exactly.
double WeightedMedian(const Matrix& rows) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(rows.rows));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::ranges::sort(order, {}, [&](std::int64_t i) { return rows.label[static_cast<std::size_t>(i)]; });
  ExactSum total;
  for (const std::int64_t i : order) total.Add(WeightOf(rows, i));
  const double half = total.Value() / 2;
  ExactSum reached;
  for (std::size_t at = 0; at < order.size(); ++at) {
    reached.Add(WeightOf(rows, order[at]));
    const double label = rows.label[static_cast<std::size_t>(order[at])];
    if (reached.Value() > half) return label;
    if (reached.Value() == half) {
      std::size_t next = at + 1;
      while (next < order.size() && WeightOf(rows, order[next]) == 0) ++next;
      return next < order.size() ? std::midpoint(label, rows.label[static_cast<std::size_t>(order[next])]) : label;
    }
  }
  return rows.label[static_cast<std::size_t>(order.back())];
}

class Baseline final : public Learner {
 public:
  explicit Baseline(bool median) : median_(median) {}

  Result<std::unique_ptr<model::Model>> Train(const Call& call, const Matrix& rows, const Matrix& validation,
                                              const Target& target,
                                              const std::function<void(const Round&)>& report) override {
    TENON_TRY(call.Check());
    TENON_TRY(CheckRows(rows, validation, target));
    std::vector<double> margins = BaseMargins(rows, target);
    if (median_ && target.task == model::Task::kRegression) margins = {WeightedMedian(rows)};
    if (report) {
      Round round;
      round.training_loss = ForPeople(target, ConstantLoss(rows, target, margins));
      round.validation_loss = ForPeople(target, ConstantLoss(validation, target, margins));
      report(round);
    }
    return model::MakeConstant(target.task, rows.features, std::move(margins));
  }

  std::string_view style() const override { return "trees"; }

 private:
  bool median_;
};

}  // namespace

Result<void> AddBaseline(Kinds<Learner>& kinds) {
  return kinds.Add(
      "baseline",
      {.summary = "Answer every row alike: the shares of the classes, or the mean of the values",
       .when = "Always, to compare with: a model that does not beat it is worth nothing. Never as a model of "
               "its own, except as a fallback",
       .example = R"({"value": "mean"})",
       .options = {{.name = "value",
                    .type = Option::Type::kText,
                    .fallback = "mean",
                    .help = "What stands for all values of a regression",
                    .choices = {"mean", "median"}}}},
      [](const Options& options) -> Result<std::unique_ptr<Learner>> {
        return std::make_unique<Baseline>(options.Text("value") == "median");
      });
}

}  // namespace tenon::train
