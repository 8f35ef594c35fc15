// Labels of one source, or of one stretch of time, that are the opposite of what the others say.

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/text.h"
#include "validate/quick_model_internal.h"

namespace tenon::validate {
namespace {

constexpr std::size_t kMostRows = 10000;
constexpr std::size_t kWindows = 20;
constexpr std::size_t kLeastRows = 30;
constexpr std::size_t kMostSources = 50;
constexpr double kUnlikely = -6;  // standard errors
constexpr double kReversed = 0.6; // of the chance to be expected

// How the labels of some rows agree with the chances a model gives them.
struct Agreement {
  double rows = 0, own = 0, expected = 0, variance = 0;
  void Add(const QuickModel& model, std::size_t i) {
    double second = 0;
    double third = 0;
    for (std::size_t c = 0; c < model.classes; ++c) {
      const double p = model.ChanceOf(i, static_cast<int>(c));
      second += p * p;
      third += p * p * p;
    }
    rows += 1;
    own += model.ChanceOf(i, model.labels[i]);
    expected += second;  // of the label's chance, were the chances right
    variance += third - second * second;
  }
  // Not only weaker than elsewhere, but the other way round.
  bool Flipped(double without) const {
    return rows >= static_cast<double>(kLeastRows) && (own - expected) / std::sqrt(std::max(variance, 1e-9)) < kUnlikely && own < kReversed * expected &&
           expected / rows > without;
  }
};

class LabelFlips final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    TENON_ASSIGN(const Target target, TargetOf(evidence));
    TENON_ASSIGN(const QuickModel model, OutOfFold(call, evidence, target, kMostRows));
    if (model.rows.empty()) return out;
    double without = 0;  // the chance of the own label, were there nothing to tell
    for (const std::int64_t rows : target.rows) without += std::pow(static_cast<double>(rows) / std::accumulate(target.rows.begin(), target.rows.end(), 0.0), 2);
    const auto report = [&](const std::string& column, const std::string& where, const Agreement& found) {
      out.push_back({"", column, Severity::kWarning, Str("labels turn round ", where),
                     Str("in the ", FormatCount(static_cast<std::int64_t>(found.rows)), " rows ", where, " '", evidence.label, "' has a mean chance of ",
                         Percent(found.own / found.rows), " by a model of all rows, where ", Percent(found.expected / found.rows), " was to be expected: as if labels were exchanged"),
                     "compare some of these labels with their origin; leave the rows out until they are corrected"});
    };
    for (const std::string& name : FeatureColumns(evidence)) {
      const table::ColumnProfile* profile = evidence.profile->Find(name);
      if (profile == nullptr || profile->field().type != table::Type::kString || !profile->distinct_is_exact() || profile->distinct() > kMostSources) continue;
      TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(name));
      std::map<std::string, Agreement> sources;
      for (std::size_t i = 0; i < model.rows.size(); ++i) {
        if (!IsMissing(column, model.rows[i])) sources[TextOf(column, model.rows[i])].Add(model, i);
      }
      for (const auto& [value, found] : sources) {
        if (sources.size() > 1 && found.Flipped(without)) report(name, Str("of ", name, " '", value, "'"), found);
      }
    }
    std::vector<std::size_t> order(model.rows.size());
    std::iota(order.begin(), order.end(), 0U);
    const std::string time = evidence.snapshot->about().StringAt("time");
    const bool dated = !time.empty() && evidence.snapshot->schema().Find(time) >= 0;
    if (dated) {
      TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(time));
      if (column.type() == table::Type::kTimestamp || column.type() == table::Type::kInt64) {
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
          return column.ints()[static_cast<std::size_t>(model.rows[a])] < column.ints()[static_cast<std::size_t>(model.rows[b])];
        });
      }
    }
    for (std::size_t window = 0; window < kWindows; ++window) {
      Agreement found;
      const std::size_t from = window * order.size() / kWindows;
      const std::size_t until = (window + 1) * order.size() / kWindows;
      for (std::size_t i = from; i < until; ++i) found.Add(model, order[i]);
      if (found.Flipped(without)) {
        report(dated ? time : "", Str(dated ? "by time, " : "", "from row ", model.rows[order[from]] + 1, " to row ", model.rows[order[until - 1]] + 1), found);
      }
    }
    return out;
  }
};

}  // namespace

Result<void> AddLabelFlips(Kinds<Check>& kinds) {
  return kinds.Add("label_flips",
                   {.summary = "Find sources and stretches of time whose labels are the opposite of all others",
                    .when = "Labels with classes that come from several hands; a poisoned source does this",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<LabelFlips>(); });
}

}  // namespace tenon::validate
