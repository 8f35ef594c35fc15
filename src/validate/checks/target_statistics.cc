// Numbers that are the label's mean over a category, the row's own label included: an encoding made outside of folds.

#include <cmath>
#include <unordered_map>

#include "base/hash.h"
#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

constexpr std::size_t kMostClasses = 10;
constexpr std::size_t kFirstLook = 2000;  // rows that tell most pairs of columns apart
constexpr std::size_t kLeastRows = 50;

std::uint64_t KeyOf(const table::Column& column, std::int64_t row) {
  if (IsMissing(column, row)) return 0;
  return Hash64(column.type() == table::Type::kString ? Hash64(column.Text(row)) : std::bit_cast<std::uint64_t>(column.Number(row)), 1);
}

bool Near(double a, double b) { return std::abs(a - b) <= 1e-6 * std::max({1.0, std::abs(a), std::abs(b)}); }

class TargetStatistics final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    TENON_ASSIGN(const Target target, TargetOf(evidence));
    if (!target.found || (target.classes && (target.names.size() < 2 || target.names.size() > kMostClasses))) return out;
    const std::vector<std::string> features = FeatureColumns(evidence);
    std::vector<std::int64_t> rows[2];  // all with a label, and those of training
    for (std::size_t i = 0; i < target.values.size(); ++i) {
      if (!std::isfinite(target.values[i])) continue;
      rows[0].push_back(static_cast<std::int64_t>(i));
      const bool split = evidence.split != nullptr && evidence.split->part.size() == target.values.size();
      if (split && evidence.split->part[i] == dataset::Part::kTrain) rows[1].push_back(static_cast<std::int64_t>(i));
    }
    for (const std::string& name : features) {
      TENON_TRY(call.Check());
      const table::ColumnProfile* profile = evidence.profile->Find(name);
      if (profile == nullptr || profile->field().type != table::Type::kFloat64 || profile->missing() > 0 || profile->distinct() < 2) continue;
      TENON_ASSIGN(const table::Column statistic, evidence.snapshot->Column(name));
      bool found = false;
      for (const std::string& by : features) {
        const table::ColumnProfile* categories = evidence.profile->Find(by);
        if (found || by == name || categories == nullptr || categories->field().type == table::Type::kFloat64 ||
            categories->field().type == table::Type::kEmbedding || categories->distinct() < 2 || 2 * categories->distinct() > static_cast<double>(categories->count())) {
          continue;
        }
        TENON_ASSIGN(const table::Column category, evidence.snapshot->Column(by));
        for (const auto& some : rows) {
          for (std::size_t c = 0; c < (target.classes ? target.names.size() : 1) && !found; ++c) {
            for (const bool own : {true, false}) found = found || IsMean(target, some, statistic, category, c, own);
          }
        }
        if (!found) continue;
        out.push_back({"", name, Severity::kError, Str("the label's mean by ", by),
                       Str("'", name, "' is the mean of '", evidence.label, "' over the rows of each '", by, "', in every row: it holds the label it is to tell"),
                       Str("leave it out (transform: {drop: [", name, "]}) and encode '", by, "' within folds instead (transform: {columns: {", by, ": target_encode}})"),
                       {{{"transform", "drop"}, Json(name), true}}});
      }
    }
    return out;
  }

 private:
  // Whether the statistic is the label's mean of the category, with the row's own label or without it.
  static bool IsMean(const Target& target, const std::vector<std::int64_t>& rows, const table::Column& statistic, const table::Column& category, std::size_t c, bool own) {
    if (rows.size() < kLeastRows) return false;
    const auto label = [&](std::int64_t row) {
      const double value = target.values[static_cast<std::size_t>(row)];
      return target.classes ? (value == static_cast<double>(c) ? 1.0 : 0.0) : value;
    };
    if (own) {  // one number a category: seldom so
      std::unordered_map<std::uint64_t, double> first;
      for (std::size_t i = 0; i < std::min(rows.size(), kFirstLook); ++i) {
        const auto [at, fresh] = first.try_emplace(KeyOf(category, rows[i]), statistic.Number(rows[i]));
        if (!fresh && !Near(at->second, statistic.Number(rows[i]))) return false;
      }
    }
    std::unordered_map<std::uint64_t, std::pair<double, double>> sums;
    for (const std::int64_t row : rows) {
      auto& [sum, count] = sums[KeyOf(category, row)];
      sum += label(row);
      count += 1;
    }
    std::int64_t looked = 0;
    for (const std::int64_t row : rows) {
      const auto& [sum, count] = sums[KeyOf(category, row)];
      if (!own && count < 2) continue;
      const double mean = own ? sum / count : (sum - label(row)) / (count - 1);
      if (!Near(statistic.Number(row), mean)) return false;
      ++looked;
    }
    return looked >= static_cast<std::int64_t>(kLeastRows);
  }
};

}  // namespace

Result<void> AddTargetStatistics(Kinds<Check>& kinds) {
  return kinds.Add("target_statistics",
                   {.summary = "Find numbers that are the label's mean over a category, made outside of folds",
                    .when = "Features that were made elsewhere; such a column holds the label of its row",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<TargetStatistics>(); });
}

}  // namespace tenon::validate
