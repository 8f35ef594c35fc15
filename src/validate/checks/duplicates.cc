// Equal rows, within the data and across the parts of a split.

#include <unordered_map>
#include <unordered_set>

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

constexpr double kMany = 0.1;      // a share of duplicates worth a warning
constexpr double kShared = 0.01;   // of the held-out rows that stand in training: above, scores are wrong

class Duplicates final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    TENON_ASSIGN(const std::vector<std::uint64_t> hashes, RowHashes(call, *evidence.snapshot, KeyOf(*evidence.snapshot)));
    if (evidence.snapshot->schema().size() <= static_cast<int>(KeyOf(*evidence.snapshot).size())) return out;
    std::unordered_map<std::uint64_t, std::int64_t> first;
    std::unordered_set<std::uint64_t> training;
    first.reserve(hashes.size());
    std::int64_t repeated = 0;
    std::string example;
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      const auto [at, fresh] = first.try_emplace(hashes[i], static_cast<std::int64_t>(i));
      if (fresh) continue;
      if (++repeated == 1) example = Str("row ", i + 1, " is row ", at->second + 1, " again");
    }
    if (repeated == 0) return out;
    const auto rows = static_cast<double>(hashes.size());
    const double share = static_cast<double>(repeated) / rows;
    out.push_back({"", "", share >= kMany ? Severity::kWarning : Severity::kInfo, Str(FormatCount(repeated), " duplicate rows"),
                   Str(FormatCount(repeated), " of ", FormatCount(evidence.snapshot->rows()), " rows (", Percent(share),
                       ") equal an earlier one; ", example),
                   "if they are not separate events, drop them at the source; if rows have an identifier, name it under data.key"});
    if (evidence.split == nullptr || evidence.split->part.size() != hashes.size()) return out;
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      if (evidence.split->part[i] == dataset::Part::kTrain) training.insert(hashes[i]);
    }
    std::int64_t held = 0;
    std::int64_t shared = 0;
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      const dataset::Part part = evidence.split->part[i];
      if (part != dataset::Part::kValidation && part != dataset::Part::kTest) continue;
      ++held;
      shared += training.contains(hashes[i]) ? 1 : 0;
    }
    if (shared == 0) return out;
    const double seen = static_cast<double>(shared) / static_cast<double>(held);
    out.push_back({"", "", seen > kShared ? Severity::kError : Severity::kWarning,
                   Str(FormatCount(shared), " test rows stand in training too"),
                   Str(FormatCount(shared), " of the ", FormatCount(held), " rows for validation and test (", Percent(seen),
                       ") equal a training row, label included: what is measured on them is memory"),
                   "split by key, which keeps equal rows together (split: {by: key}), or drop duplicates at the source"});
    return out;
  }
};

}  // namespace

Result<void> AddDuplicates(Kinds<Check>& kinds) {
  return kinds.Add("duplicates",
                   {.summary = "Find equal rows, above all on two sides of the split",
                    .when = "Always; a test row that stands in training flatters the model",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Duplicates>(); });
}

}  // namespace tenon::validate
