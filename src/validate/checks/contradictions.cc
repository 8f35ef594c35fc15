// Rows that are alike in all that a model reads, with different labels.

#include <set>
#include <unordered_map>

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

constexpr double kMany = 0.2;  // of the rows: a bound on every model that is worth knowing

class Contradictions final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    TENON_ASSIGN(const Target target, TargetOf(evidence));
    const std::vector<std::string> features = FeatureColumns(evidence);
    if (!target.found || !target.classes || target.names.size() < 2 || features.empty()) return out;
    const std::set<std::string> read(features.begin(), features.end());
    std::vector<std::string> without;
    for (const table::Field& field : evidence.snapshot->schema().fields()) {
      if (!read.contains(field.name)) without.push_back(field.name);
    }
    TENON_ASSIGN(const std::vector<std::uint64_t> hashes, RowHashes(call, *evidence.snapshot, without));
    struct Group {
      std::size_t first = 0;
      std::unordered_map<int, std::int64_t> labels;
      std::int64_t rows = 0;
    };
    std::unordered_map<std::uint64_t, Group> groups;
    std::int64_t labelled = 0;
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      if (!(target.values[i] >= 0)) continue;
      ++labelled;
      Group& group = groups[hashes[i]];
      if (group.rows++ == 0) group.first = i;
      ++group.labels[static_cast<int>(target.values[i])];
    }
    std::int64_t rows = 0;
    std::int64_t wrong = 0;  // at least so many no model of these columns can get right
    std::size_t example = hashes.size();
    for (const auto& [hash, group] : groups) {
      if (group.labels.size() < 2) continue;
      std::int64_t most = 0;
      for (const auto& [label, count] : group.labels) most = std::max(most, count);
      rows += group.rows;
      wrong += group.rows - most;
      example = std::min(example, group.first);
    }
    if (rows == 0) return out;
    const double share = static_cast<double>(rows) / static_cast<double>(labelled);
    out.push_back({"", evidence.label, share >= kMany ? Severity::kWarning : Severity::kInfo, Str(FormatCount(rows), " rows contradict each other"),
                   Str(FormatCount(rows), " of ", FormatCount(labelled), " rows (", Percent(share), ") equal another one in every feature and differ in '", evidence.label,
                       "', such as row ", example + 1, "; no model of these columns can be right in ", FormatCount(wrong), " of them"),
                   "add a column that tells them apart, or find out which of the labels is right"});
    return out;
  }
};

}  // namespace

Result<void> AddContradictions(Kinds<Check>& kinds) {
  return kinds.Add("contradictions",
                   {.summary = "Find rows that are alike in every feature and differ in the label",
                    .when = "Labels with classes; their number bounds what any model can reach",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Contradictions>(); });
}

}  // namespace tenon::validate
