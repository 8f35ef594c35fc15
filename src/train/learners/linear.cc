// Linear models by our own solver: logistic, multinomial and least squares with an elastic net. Features are
// standardised inside, so that one penalty suits all; the intercept is not penalised.

#include "model/linear.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "train/descent_internal.h"
#include "train/learner.h"
#include "train/rows_internal.h"
#include "train/standard_rows_internal.h"
#include "train/train.h"

namespace tenon::train {
namespace {

using model::Task;

// Penalties tried when the user chose none, strongest first; each starts from the solution before.
constexpr double kPath[] = {3, 1, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6};
constexpr double kPathTolerance = 3e-4;
constexpr int kWorseInARow = 2;  // the path ends after so many penalties worse than the best

// Everything that stays the same while penalties change.
struct Problem {
  Target target;
  Standard standard;
  std::vector<double> label, judged_label, weight;  // a regression's labels are centred and scaled
  double centre = 0, scale = 1;
  std::unique_ptr<const StandardRows> rows, judged;
  std::unique_ptr<const LinearLoss> loss, judged_loss;  // judged: null without validation rows
};

void ScaleLabels(Problem* problem, const Matrix& rows) {
  if (problem->target.task != Task::kRegression) return;
  const std::vector<double> base = BaseMargins(rows, problem->target);
  const double spread = std::sqrt(ConstantLoss(rows, problem->target, base));
  problem->centre = base[0];
  problem->scale = spread > 0 ? spread : 1;
  for (double& label : problem->label) label = (label - problem->centre) / problem->scale;
  for (double& label : problem->judged_label) label = (label - problem->centre) / problem->scale;
}

Problem MakeProblem(const Matrix& rows, const Matrix& validation, const Target& target, bool balanced) {
  Problem out;
  out.target = target;
  out.label.assign(rows.label.begin(), rows.label.end());
  out.judged_label.assign(validation.label.begin(), validation.label.end());
  out.weight.assign(rows.weight.begin(), rows.weight.end());
  if (balanced && target.task != Task::kRegression) out.weight = BalancedWeights(rows, target);
  Matrix weighted = rows;
  weighted.weight = out.weight;
  out.standard = Standard::Of(weighted);
  ScaleLabels(&out, weighted);
  out.rows = std::make_unique<const StandardRows>(rows, out.standard);
  out.loss = std::make_unique<const LinearLoss>(*out.rows, out.standard, target, out.label, out.weight);
  if (validation.rows > 0) {
    out.judged = std::make_unique<const StandardRows>(validation, out.standard);
    out.judged_loss =
        std::make_unique<const LinearLoss>(*out.judged, out.standard, target, out.judged_label, validation.weight);
  }
  return out;
}

class Linear final : public Learner {
 public:
  explicit Linear(Options options) : options_(std::move(options)) {}

  Result<std::unique_ptr<model::Model>> Train(const Call& call, const Matrix& rows, const Matrix& validation,
                                              const Target& target,
                                              const std::function<void(const Round&)>& report) override {
    TENON_TRY(call.Check());
    TENON_TRY(CheckRows(rows, validation, target));
    const Problem problem = MakeProblem(rows, validation, target, options_.Text("class_weight") == "balanced");
    int rounds = 0;
    std::vector<double> start(problem.loss->parameters());
    double l2 = 1 / static_cast<double>(rows.rows);
    if (options_.Has("l2")) {
      l2 = options_.Number("l2");
    } else if (problem.judged != nullptr) {
      TENON_ASSIGN(l2, ChoosePenalty(call, problem, report, &start, &rounds));
    }
    TENON_ASSIGN(const Descent solved, Solve(call, problem, l2, options_.Number("tolerance"), start, report, &rounds));
    if (!solved.converged) {
      call.Say(Level::kWarning, Str("linear: not converged after ", solved.rounds, " rounds (slope ",
                                    FormatShort(solved.slope, 2), "); more rounds or a larger l2 help"));
    }
    return ModelOf(problem, solved.at);
  }

  std::string_view style() const override { return "linear"; }

 private:
  Result<Descent> Solve(const Call& call, const Problem& problem, double l2, double tolerance,
                        std::vector<double> start, const std::function<void(const Round&)>& report, int* rounds) const {
    const std::size_t penalised = problem.loss->penalised();
    const Smooth smooth = [&](std::span<const double> at, std::span<double> gradient) -> Result<double> {
      TENON_ASSIGN(double value, problem.loss->Compute(call, at, gradient));
      for (std::size_t i = 0; i < penalised; ++i) {
        value += 0.5 * l2 * at[i] * at[i];
        gradient[i] += l2 * at[i];
      }
      return value;
    };
    DescentSettings settings;
    settings.rounds = static_cast<int>(options_.Int("rounds"));
    settings.tolerance = tolerance;
    if (options_.Number("l1") > 0) {
      settings.l1.assign(problem.loss->parameters(), 0.0);
      std::fill_n(settings.l1.begin(), penalised, options_.Number("l1") / problem.scale);
    }
    const auto each = [&](int, double value, std::span<const double>) {
      ++*rounds;
      call.Report("linear");
      const double loss = problem.target.task == Task::kRegression ? 2 * value : value;
      if (report) {
        report({*rounds, ForPeople(problem.target, loss, problem.scale), std::numeric_limits<double>::quiet_NaN()});
      }
    };
    return Minimise(smooth, std::move(start), settings, each);
  }

  // The l2 with the least validation loss; leaves its solution in *start.
  Result<double> ChoosePenalty(const Call& call, const Problem& problem,
                               const std::function<void(const Round&)>& report, std::vector<double>* start,
                               int* rounds) const {
    double best_loss = std::numeric_limits<double>::infinity();
    double best = kPath[0];
    int worse = 0;
    std::vector<double> at = *start;
    for (const double l2 : kPath) {
      TENON_ASSIGN(Descent solved, Solve(call, problem, l2, kPathTolerance, at, nullptr, rounds));
      at = std::move(solved.at);
      TENON_ASSIGN(double training, problem.loss->Compute(call, at, {}));
      TENON_ASSIGN(double loss, problem.judged_loss->Compute(call, at, {}));
      const double half = problem.target.task == Task::kRegression ? 2 : 1;
      if (report) {
        report({*rounds, ForPeople(problem.target, training * half, problem.scale),
                ForPeople(problem.target, loss * half, problem.scale)});
      }
      if (loss < best_loss) {
        best_loss = loss;
        best = l2;
        *start = at;
        worse = 0;
      } else if (++worse == kWorseInARow) {
        break;
      }
    }
    return best;
  }

  // Back from standardised features and labels to those of the rows.
  static Result<std::unique_ptr<model::Model>> ModelOf(const Problem& problem, const std::vector<double>& at) {
    model::LinearSpec spec;
    spec.task = problem.target.task;
    spec.features = static_cast<int>(problem.standard.centre.size());
    spec.outputs = OutputsOf(problem.target);
    spec.center = problem.standard.centre;
    const auto outputs = static_cast<std::size_t>(spec.outputs);
    for (std::size_t k = 0; k < outputs; ++k) {
      for (std::size_t f = 0; f < spec.center.size(); ++f) {
        spec.weights.push_back(at[f * outputs + k] * problem.standard.factor[f] * problem.scale);
      }
      spec.intercept.push_back(at[spec.center.size() * outputs + k] * problem.scale + problem.centre);
    }
    return model::MakeLinear(std::move(spec));
  }

  Options options_;
};

std::vector<Option> Table() {
  using Type = Option::Type;
  return {
      {.name = "l2",
       .fallback = {},
       .help = "Penalty on half the squared size of the weights of standardised features, against the mean loss a row. "
               "Unset: the best of a path on the validation rows; 1 / rows without them",
       .least = 0,
       .most = 1e6,
       .search = "log",
       .search_least = 1e-6,
       .search_most = 3},
      {.name = "l1",
       .fallback = 0,
       .help = "Penalty on the size of the weights; makes many of them 0",
       .least = 0,
       .most = 1e6,
       .search = "log",
       .search_least = 1e-6,
       .search_most = 0.03},
      {.name = "class_weight",
       .type = Type::kText,
       .fallback = "none",
       .help = "balanced: rare classes weigh as much as frequent ones; probabilities are then off until calibrated",
       .choices = {"none", "balanced"}},
      {.name = "rounds",
       .type = Type::kInt,
       .fallback = 1000,
       .help = "The most steps of a solution",
       .least = 1,
       .most = 1e6},
      {.name = "tolerance",
       .fallback = 1e-6,
       .help = "Done when no component of the gradient is larger (features and labels standardised)",
       .least = 1e-12,
       .most = 0.1},
  };
}

}  // namespace

Result<void> AddLinear(Kinds<Learner>& kinds) {
  return kinds.Add(
      "linear",
      {.summary = "Weigh the features and add them up: logistic, multinomial or least-squares regression",
       .when = "When the reasons must be plain, when rows are few or features many (words), or when the answer "
               "follows trends beyond the values seen. Not where features work only together",
       .example = R"({"l2": 0.01})",
       .options = Table()},
      [](const Options& options) -> Result<std::unique_ptr<Learner>> { return std::make_unique<Linear>(options); });
}

}  // namespace tenon::train
