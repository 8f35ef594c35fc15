// Values and keys that repeat.

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

std::vector<std::string> AllBut(const table::Schema& schema, const std::vector<std::string>& some) {
  std::vector<std::string> out;
  for (const std::string& name : schema.Names()) {
    if (std::find(some.begin(), some.end(), name) == some.end()) out.push_back(name);
  }
  return out;
}

// Columns whose values must be unique together, as validate.unique has them. A row that has none of them repeats nothing.
Result<void> Together(const Call& call, const Evidence& evidence, const std::vector<std::string>& columns, std::vector<Anomaly>* out) {
  for (const std::string& name : columns) TENON_TRY(evidence.snapshot->schema().At(name), "validate.unique");
  TENON_ASSIGN(const std::vector<std::uint64_t> hashes, RowHashes(call, *evidence.snapshot, AllBut(evidence.snapshot->schema(), columns)));
  std::unordered_map<std::uint64_t, std::int64_t> first;  // the row that had it
  const ingest::Sensitive hidden = dataset::SensitiveOf(evidence.snapshot->about());
  std::int64_t repeated = 0;
  std::int64_t row = 0;
  std::vector<std::string> pairs;
  std::vector<Json> rows;
  for (const table::Batch& batch : evidence.snapshot->batches()) {
    const auto lacks = [&](const std::string& name, std::int64_t i) { return IsMissing(batch.column(batch.schema().Find(name)), i); };
    for (std::int64_t i = 0; i < batch.rows(); ++i, ++row) {
      if (std::ranges::all_of(columns, [&](const std::string& name) { return lacks(name, i); })) continue;
      const auto [at, fresh] = first.try_emplace(hashes[static_cast<std::size_t>(row)], row);
      if (fresh) continue;
      ++repeated;
      if (pairs.size() < 3) pairs.push_back(Str("row ", row + 1, " that of row ", at->second + 1));
      if (rows.size() < kShownRows) rows.push_back(ShownRow(batch, i, hidden));
    }
  }
  if (repeated == 0) return {};
  const std::string names = Join(columns, ", ");
  out->push_back({"", columns.size() == 1 ? columns[0] : "", Severity::kError, Str(FormatCount(repeated), repeated == 1 ? " row repeats " : " rows repeat ", names),
                  Str("(", names, ") must be unique; ", FormatCount(repeated), " of ", FormatCount(row), " rows repeat it: ", Join(pairs, ", ")),
                  "drop the repeated rows at the source, or add to validate.unique what tells them apart", {}, std::move(rows)});
  return {};
}

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
    for (const std::vector<std::string>& together : evidence.spec->unique) TENON_TRY(Together(call, evidence, together, &out));
    const std::vector<std::string> key = KeyOf(*evidence.snapshot);
    const auto known = [&](const std::string& name) { return evidence.snapshot->schema().Find(name) >= 0; };
    if (key.empty() || !std::all_of(key.begin(), key.end(), known)) return out;
    TENON_ASSIGN(std::vector<std::uint64_t> hashes, RowHashes(call, *evidence.snapshot, AllBut(evidence.snapshot->schema(), key)));
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
                    .when = "Columns marked unique, those of validate.unique together, and the key of the source",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Unique>(); });
}

}  // namespace tenon::validate
