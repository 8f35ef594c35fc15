// Labels that contradict what all other rows say (confident learning; Northcutt, Jiang, Chuang 2021).

#include <algorithm>
#include <numeric>

#include "base/text.h"
#include "validate/quick_model_internal.h"

namespace tenon::validate {
namespace {

constexpr std::size_t kMostRows = 10000;
constexpr double kSure = 0.2;          // the share of rows the model is surest of
constexpr double kSurest = 0.05;
constexpr double kLeastWrong = 0.01;   // of those it is sure of
constexpr double kLearnt = 0.25;       // it errs there at most so often as saying the most frequent class always would
constexpr double kFloor = 0.6;         // among the surest it errs at least so often as among the sure
constexpr double kLeastIssues = 10;

class LabelQuality final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    TENON_ASSIGN(const Target target, TargetOf(evidence));
    TENON_ASSIGN(const QuickModel model, OutOfFold(call, evidence, target, kMostRows));
    if (model.rows.empty()) return out;
    // Where nothing but chance is against it, a model errs the less the surer it is. Where labels are wrong its errors have a
    // floor: as many among the rows it is surest of as among others.
    struct Row {
      double sure, own;
      std::size_t at, likely;
      bool wrong(const QuickModel& of) const { return static_cast<int>(likely) != of.labels[at]; }
    };
    std::vector<Row> order;
    for (std::size_t i = 0; i < model.rows.size(); ++i) {
      const double* chances = model.chances.data() + i * model.classes;
      const auto likely = static_cast<std::size_t>(std::max_element(chances, chances + model.classes) - chances);
      order.push_back({chances[likely], model.ChanceOf(i, model.labels[i]), i, likely});
    }
    std::stable_sort(order.begin(), order.end(), [](const Row& a, const Row& b) { return a.sure > b.sure; });
    const auto all = static_cast<double>(order.size());
    std::vector<Row> issues;
    double surest = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(kSure * all); ++i) {
      if (!order[i].wrong(model)) continue;
      issues.push_back(order[i]);
      surest += static_cast<double>(i) < kSurest * all ? 1 : 0;
    }
    const auto found = static_cast<double>(issues.size());
    const double rate = found / (kSure * all);
    const double labelled = std::accumulate(target.rows.begin(), target.rows.end(), 0.0);
    const double without = 1 - static_cast<double>(*std::max_element(target.rows.begin(), target.rows.end())) / labelled;
    if (found < kLeastIssues || rate < kLeastWrong || rate > kLearnt * without || surest < kFloor * rate * kSurest * all) return out;
    std::stable_sort(issues.begin(), issues.end(), [](const Row& a, const Row& b) { return a.own < b.own; });
    std::vector<std::string> shown;
    for (std::size_t i = 0; i < std::min<std::size_t>(issues.size(), 5); ++i) {
      shown.push_back(Str("row ", model.rows[issues[i].at] + 1, " ('", target.names[static_cast<std::size_t>(model.labels[issues[i].at])], "', rather '",
                          target.names[issues[i].likely], "')"));
    }
    out.push_back({"", evidence.label, Severity::kWarning, Str("about ", Percent(rate), " of the labels are doubtful"),
                   Str("of the ", FormatCount(static_cast<std::int64_t>(kSure * all)), " rows that a model of the other columns is surest of, without having learnt from them, ",
                       FormatCount(static_cast<std::int64_t>(issues.size())), " have another label, and no fewer the surer it is: errors of the labels look like this. Most doubtful: ", Join(shown, ", ")),
                   "look at these rows, the most doubtful first, and correct the label at the source or leave the rows out"});
    return out;
  }
};

}  // namespace

Result<void> AddLabelQuality(Kinds<Check>& kinds) {
  return kinds.Add("label_quality",
                   {.summary = "Rank labels that contradict all other rows",
                    .when = "Labels with classes, above all those that people gave",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<LabelQuality>(); });
}

}  // namespace tenon::validate
