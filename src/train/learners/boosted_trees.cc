// Gradient-boosted trees. XGBoost grows them from derivatives that we compute; we watch the validation rows and keep
// the trees up to the best round. The result is a forest of our own, which serves without the library.

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "base/hash.h"
#include "model/forest.h"
#include "train/gradients_internal.h"
#include "train/learner.h"
#include "train/rows_internal.h"
#include "train/train.h"
#include "train/xgboost_internal.h"

namespace tenon::train {
namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

std::vector<Option> Table() {
  using Type = Option::Type;
  return {
      {.name = "rounds",
       .type = Type::kInt,
       .fallback = {},
       .help = "The most rounds (trees an output). Unset: 2000, as the validation rows end it earlier; without them "
               "6 / learning_rate",
       .least = 1,
       .most = 100000},
      {.name = "early_stopping",
       .type = Type::kInt,
       .fallback = {},
       .help = "Stop after so many rounds without a better validation loss; 0: never. Unset: by the learning rate",
       .least = 0,
       .most = 10000},
      {.name = "learning_rate",
       .fallback = {},
       .help = "The share of each tree that is added. Unset: 0.04, more with more rows or classes",
       .least = 1e-4,
       .most = 1,
       .search = "log",
       .search_least = 0.01,
       .search_most = 0.2},
      {.name = "max_depth",
       .type = Type::kInt,
       .fallback = 6,
       .help = "Levels of a tree; 0: no limit, max_leaves decides",
       .least = 0,
       .most = 30,
       .search = "linear",
       .search_least = 3,
       .search_most = 10},
      {.name = "max_leaves",
       .type = Type::kInt,
       .fallback = 0,
       .help = "The most leaves of a tree; 0: no limit, max_depth decides",
       .least = 0,
       .most = 65536},
      {.name = "grow",
       .type = Type::kText,
       .fallback = "by_depth",
       .help = "Split level by level, or first where it gains most",
       .choices = {"by_depth", "by_gain"}},
      {.name = "min_child_weight",
       .fallback = 1,
       .help = "The least sum of second derivatives (about rows) of a child",
       .least = 0,
       .most = 1e9,
       .search = "log",
       .search_least = 0.5,
       .search_most = 50},
      {.name = "subsample",
       .fallback = 0.8,
       .help = "The share of rows each tree is grown from",
       .least = 0.01,
       .most = 1,
       .search = "linear",
       .search_least = 0.5,
       .search_most = 1},
      {.name = "column_share",
       .fallback = {},
       .help = "The share of features each tree may use. Unset: smaller of more features",
       .least = 0.01,
       .most = 1,
       .search = "linear",
       .search_least = 0.2,
       .search_most = 1},
      {.name = "l1",
       .fallback = 0,
       .help = "Penalty on the size of leaves",
       .least = 0,
       .most = 1e9,
       .search = "linear",
       .search_least = 0,
       .search_most = 2},
      {.name = "l2",
       .fallback = 2,
       .help = "Penalty on the squared size of leaves",
       .least = 0,
       .most = 1e9,
       .search = "log",
       .search_least = 0.1,
       .search_most = 30},
      {.name = "gamma",
       .fallback = 0,
       .help = "The least gain a split has to bring (a regression's labels are scaled to a deviation of 1)",
       .least = 0,
       .most = 1e9,
       .search = "linear",
       .search_least = 0,
       .search_most = 2},
      {.name = "bins",
       .type = Type::kInt,
       .fallback = 256,
       .help = "Split points to try a feature",
       .least = 2,
       .most = 65536},
      {.name = "bags",
       .type = Type::kInt,
       .fallback = {},
       .help = "Forests grown with other random shares and averaged. Unset: 3 of up to 2,000 rows, else 1",
       .least = 1,
       .most = 100},
      {.name = "class_weight",
       .type = Type::kText,
       .fallback = "none",
       .help = "balanced: rare classes weigh as much as frequent ones; probabilities are then off until calibrated",
       .choices = {"none", "balanced"}},
  };
}

// What the unset options become. Chosen, as the defaults above, on public tables of 700 to 60,000 rows.
double AutoRate(std::int64_t rows, int outputs) {
  if (outputs > 1) return 0.1;  // each round grows a tree a class
  if (rows <= 100000) return 0.04;
  return rows <= 1000000 ? 0.05 : 0.1;
}
// Many features are mostly ones that say the same (one-hot, derived): trees on few of them differ more.
double AutoColumnShare(int features) {
  if (features <= 20) return 0.6;
  return features <= 40 ? 0.45 : 0.3;
}
// Of few rows the forests differ much by their random shares, and cost little.
int AutoBags(std::int64_t rows, int outputs) { return rows <= 2000 && outputs == 1 ? 3 : 1; }

// The label as the trees see it: a regression's is centred and scaled, so that penalties mean the same for any unit.
struct Scaled {
  std::vector<double> training, validation;
  std::vector<double> weight;  // of the training rows; empty: all 1
  std::vector<double> base;    // margins before the first tree, scaled
  double centre = 0, scale = 1;
};

Scaled Scale(const Matrix& rows, const Matrix& validation, const Target& target, bool balanced) {
  Scaled out;
  out.training.assign(rows.label.begin(), rows.label.end());
  out.validation.assign(validation.label.begin(), validation.label.end());
  out.weight.assign(rows.weight.begin(), rows.weight.end());
  if (target.task != model::Task::kRegression && balanced) out.weight = BalancedWeights(rows, target);
  Matrix weighted = rows;
  weighted.weight = out.weight;
  out.base = BaseMargins(weighted, target);
  if (target.task == model::Task::kRegression) {
    out.centre = out.base[0];
    const double spread = std::sqrt(ConstantLoss(rows, target, out.base));
    out.scale = spread > 0 ? spread : 1;
    out.base[0] = 0;
    for (double& label : out.training) label = (label - out.centre) / out.scale;
    for (double& label : out.validation) label = (label - out.centre) / out.scale;
  }
  return out;
}

class BoostedTrees final : public Learner {
 public:
  explicit BoostedTrees(Options options) : options_(std::move(options)) {}

  Result<std::unique_ptr<model::Model>> Train(const Call& call, const Matrix& rows, const Matrix& validation,
                                              const Target& target,
                                              const std::function<void(const Round&)>& report) override {
    TENON_TRY(call.Check());
    TENON_TRY(CheckRows(rows, validation, target));
    const Scaled scaled = Scale(rows, validation, target, options_.Text("class_weight") == "balanced");
    TENON_ASSIGN(const std::shared_ptr<const Xgboost> library, Xgboost::Load());
    library_ = Str("xgboost ", library->version());
    TENON_ASSIGN(const Xgboost::Rows training_rows,
                 Xgboost::MakeRows(library, rows.values, rows.rows, rows.features, scaled.base, call.threads));
    TENON_TRY(call.Check());
    Matrix judged = validation;
    judged.label = scaled.validation;
    std::vector<Xgboost::Rows> judging_rows;  // one or none
    if (validation.rows > 0) {
      TENON_ASSIGN(Xgboost::Rows made, Xgboost::MakeRows(library, validation.values, validation.rows, rows.features,
                                                         scaled.base, call.threads));
      judging_rows.push_back(std::move(made));
    }
    Growth growth{
        call,
        rows,
        target,
        scaled,
        judged,
        library,
        training_rows,
        judging_rows.empty() ? nullptr : &judging_rows[0],
        report,
        options_.Has("bags") ? static_cast<int>(options_.Int("bags")) : AutoBags(rows.rows, OutputsOf(target))};
    return Grow(growth);
  }

  std::string_view style() const override { return "trees"; }
  std::string library() const override { return library_; }
  std::vector<Original> originals() const override { return originals_; }

 private:
  struct Growth {
    const Call& call;
    const Matrix& rows;
    const Target& target;
    const Scaled& scaled;
    const Matrix& judged;
    const std::shared_ptr<const Xgboost>& library;
    const Xgboost::Rows& training;
    const Xgboost::Rows* validation;  // may be null
    const std::function<void(const Round&)>& report;
    int bags;
  };

  double Rate(const Growth& growth) const {
    return options_.Has("learning_rate") ? options_.Number("learning_rate")
                                         : AutoRate(growth.rows.rows, OutputsOf(growth.target));
  }

  double ColumnShare(const Growth& growth) const {
    return options_.Has("column_share") ? options_.Number("column_share") : AutoColumnShare(growth.rows.features);
  }

  int MostRounds(const Growth& growth) const {
    if (options_.Has("rounds")) return static_cast<int>(options_.Int("rounds"));
    return growth.validation != nullptr ? 2000 : static_cast<int>(std::ceil(6 / Rate(growth)));
  }

  Result<std::unique_ptr<model::Model>> Grow(const Growth& growth) {
    model::ForestSpec forest;
    originals_.clear();
    for (int bag = 0; bag < growth.bags; ++bag) {
      TENON_ASSIGN(model::ForestSpec grown, GrowBag(growth, bag));
      std::ranges::move(grown.trees, std::back_inserter(forest.trees));
    }
    forest.task = growth.target.task;
    forest.features = growth.rows.features;
    forest.outputs = OutputsOf(growth.target);
    const bool regression = growth.target.task == model::Task::kRegression;
    for (const double margin : growth.scaled.base) {
      forest.base.push_back(static_cast<float>(regression ? growth.scaled.centre : margin));
    }
    const double factor = (regression ? growth.scaled.scale : 1.0) / growth.bags;
    for (model::Tree& tree : forest.trees) {
      for (model::Tree::Node& node : tree.nodes) {
        if (node.left < 0) node.value = static_cast<float>(static_cast<double>(node.value) * factor);
      }
    }
    return model::MakeForest(std::move(forest));
  }

  Result<model::ForestSpec> GrowBag(const Growth& growth, int bag) {
    const int outputs = OutputsOf(growth.target);
    std::vector<const Xgboost::Rows*> known = {&growth.training};
    if (growth.validation != nullptr) known.push_back(growth.validation);
    TENON_ASSIGN(Xgboost::Booster booster, Xgboost::MakeBooster(growth.library, known, ParametersOf(growth, bag)));
    TENON_ASSIGN(const int best, Boost(growth, bag, booster));
    Original grown{.rounds = best, .base = {growth.scaled.base.begin(), growth.scaled.base.end()}};
    if (growth.target.task == model::Task::kRegression) {
      grown.centre = growth.scaled.centre;
      grown.scale = growth.scaled.scale;
    }
    TENON_ASSIGN(grown.model, booster.SaveJson());
    TENON_ASSIGN(model::ForestSpec forest, model::ReadXgboost(grown.model), "reading the grown trees");
    originals_.push_back(std::move(grown));
    const std::size_t kept = static_cast<std::size_t>(best) * static_cast<std::size_t>(outputs);
    if (forest.trees.size() < kept) {
      return Error(Code::kInternal, Str(best, " rounds made ", forest.trees.size(), " trees, not ", kept));
    }
    forest.trees.resize(kept);
    return forest;
  }

  // Boosts until it is done; returns how many rounds to keep.
  Result<int> Boost(const Growth& growth, int bag, Xgboost::Booster& booster) const {
    const int most = MostRounds(growth);
    const int patience = options_.Has("early_stopping") ? static_cast<int>(options_.Int("early_stopping"))
                                                        : std::clamp(static_cast<int>(3.0 / Rate(growth)), 20, 200);
    Gradients gradients(growth.target, growth.scaled.training, growth.scaled.weight);
    double best_loss = std::numeric_limits<double>::infinity();
    int best = most;
    TENON_ASSIGN(std::span<const float> margins, booster.Margins(growth.training));
    gradients.Compute(margins);
    for (int round = 1; round <= most; ++round) {
      TENON_TRY(growth.call.Check());
      TENON_TRY(booster.Grow(growth.training, round - 1, gradients.gradient(), gradients.hessian(),
                             OutputsOf(growth.target)));
      TENON_ASSIGN(margins, booster.Margins(growth.training));
      const double training_loss = gradients.Compute(margins);
      double validation_loss = std::numeric_limits<double>::quiet_NaN();
      if (growth.validation != nullptr) {
        TENON_ASSIGN(margins, booster.Margins(*growth.validation));
        validation_loss = MeanLoss(growth.judged, growth.target, margins.data());
        if (validation_loss < best_loss) {
          best_loss = validation_loss;
          best = round;
        } else if (patience > 0 && round - best >= patience) {
          break;
        }
      }
      Tell(growth, {bag * most + round, training_loss, validation_loss}, static_cast<double>(round) / most, bag);
    }
    return best;
  }

  static void Tell(const Growth& growth, Round round, double share, int bag) {
    round.training_loss = ForPeople(growth.target, round.training_loss, growth.scaled.scale);
    round.validation_loss = ForPeople(growth.target, round.validation_loss, growth.scaled.scale);
    if (growth.report) growth.report(round);
    growth.call.Report("boosted trees", (bag + share) / growth.bags);
  }

  // Below this many rows a thread, handing out the work costs more than it saves.
  static int ThreadsFor(const Call& call, std::int64_t rows) {
    constexpr std::int64_t kRowsAThread = 8192;
    return std::max(1, std::min(call.threads, static_cast<int>(rows / kRowsAThread)));
  }

  Parameters ParametersOf(const Growth& growth, int bag) const {
    const auto seed = Hash64(static_cast<std::uint64_t>(bag), growth.call.seed) & 0x7fffffff;
    Parameters out = {{"verbosity", "0"},
                      {"tree_method", "hist"},
                      {"nthread", Str(ThreadsFor(growth.call, growth.rows.rows))},
                      {"seed", Str(seed)},
                      {"base_score", "0.5"},  // of no effect: the rows have base margins
                      {"disable_default_eval_metric", "1"},
                      {"eta", FormatDouble(Rate(growth))},
                      {"max_depth", Str(options_.Int("max_depth"))},
                      {"max_leaves", Str(options_.Int("max_leaves"))},
                      {"grow_policy", options_.Text("grow") == "by_gain" ? "lossguide" : "depthwise"},
                      {"min_child_weight", FormatDouble(options_.Number("min_child_weight"))},
                      {"subsample", FormatDouble(options_.Number("subsample"))},
                      {"colsample_bytree", FormatDouble(ColumnShare(growth))},
                      {"alpha", FormatDouble(options_.Number("l1"))},
                      {"lambda", FormatDouble(options_.Number("l2"))},
                      {"gamma", FormatDouble(options_.Number("gamma"))},
                      {"max_bin", Str(options_.Int("bins"))}};
    switch (growth.target.task) {
      case model::Task::kRegression: out.emplace_back("objective", "reg:squarederror"); break;
      case model::Task::kBinary: out.emplace_back("objective", "binary:logistic"); break;
      case model::Task::kMulticlass:
        out.emplace_back("objective", "multi:softprob");
        out.emplace_back("num_class", Str(growth.target.classes));
        break;
    }
    return out;
  }

  Options options_;
  std::string library_;
  std::vector<Original> originals_;
};

}  // namespace

Result<void> AddBoostedTrees(Kinds<Learner>& kinds) {
  return kinds.Add(
      "boosted_trees",
      {.summary = "Grow trees one after the other, each on the errors of those before",
       .when = "The first choice for tables: mixed columns, missing values, interactions, from a few hundred "
               "rows up. Not where the answer must be a formula, or must follow a trend beyond the values seen",
       .example = R"({"learning_rate": 0.05, "max_depth": 4, "rounds": 300})",
       .options = Table()},
      [](const Options& options) -> Result<std::unique_ptr<Learner>> {
        if (options.Int("max_depth") == 0 && options.Int("max_leaves") == 0) {
          return Error(Code::kInvalidArgument,
                       "boosted_trees: max_depth and max_leaves are both 0, which "
                       "limits nothing; give one of them, such as max_leaves: 64");
        }
        return std::make_unique<BoostedTrees>(options);
      });
}

}  // namespace tenon::train
