// Values and keys that repeat.

#include <algorithm>
#include <unordered_set>

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

class Unique final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    for (const ColumnExpectation& expected : *evidence.schema) {
      if (!expected.unique || evidence.snapshot->schema().Find(expected.name) < 0) continue;
      TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(expected.name));
      std::unordered_set<std::string> seen;
      std::vector<std::string> twice;
      std::int64_t repeated = 0;
      for (std::int64_t i = 0; i < column.size(); ++i) {
        if (IsMissing(column, i)) continue;
        std::string value = TextOf(column, i);
        if (seen.contains(value)) {
          ++repeated;
          if (twice.size() < 5 && std::find(twice.begin(), twice.end(), value) == twice.end()) twice.push_back(std::move(value));
        } else {
          seen.insert(std::move(value));
        }
      }
      if (repeated == 0) continue;
      out.push_back({"", expected.name, Severity::kError, Str(FormatCount(repeated), " repeated values"),
                     Str("'", expected.name, "' must be unique; ", FormatCount(repeated), " rows repeat a value: ", Some(twice)),
                     Str("drop the repeated rows at the source, or write validate.columns.", expected.name, ": {unique: false}"),
                     {{{"validate", "columns", expected.name, "unique"}, Json(false)}}});
    }
    const std::vector<std::string> key = KeyOf(*evidence.snapshot);
    const auto known = [&](const std::string& name) { return evidence.snapshot->schema().Find(name) >= 0; };
    if (key.empty() || !std::all_of(key.begin(), key.end(), known)) return out;
    std::vector<std::string> others;
    for (const std::string& name : evidence.snapshot->schema().Names()) {
      if (std::find(key.begin(), key.end(), name) == key.end()) others.push_back(name);
    }
    TENON_ASSIGN(std::vector<std::uint64_t> hashes, RowHashes(call, *evidence.snapshot, others));
    std::sort(hashes.begin(), hashes.end());
    std::int64_t repeated = 0;
    for (std::size_t i = 1; i < hashes.size(); ++i) repeated += hashes[i] == hashes[i - 1] ? 1 : 0;
    if (repeated > 0) {
      out.push_back({"", key.size() == 1 ? key[0] : "", Severity::kWarning, Str(FormatCount(repeated), " rows repeat a key"),
                     Str(FormatCount(repeated), " of ", FormatCount(evidence.snapshot->rows()), " rows have the key (",
                         Join(key, ", "), ") of another row"),
                     "name under data.key all columns that make a row unique, or keep the newest row a key"});
    }
    return out;
  }
};

}  // namespace

Result<void> AddUnique(Kinds<Check>& kinds) {
  return kinds.Add("unique",
                   {.summary = "Find values that should be unique and are not",
                    .when = "Columns marked unique, and the key of the source",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Unique>(); });
}

}  // namespace tenon::validate
