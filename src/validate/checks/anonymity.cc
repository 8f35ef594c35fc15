// How many rows share each combination of columns that together point at a person (k-anonymity; Sweeney 2002).

#include <algorithm>
#include <unordered_map>

#include "base/hash.h"
#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

class Anonymity final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    const std::vector<std::string>& columns = evidence.spec->anonymity_columns;
    if (columns.empty()) return out;
    std::vector<std::string> without;
    for (const table::Field& field : evidence.snapshot->schema().fields()) {
      if (std::ranges::find(columns, field.name) == columns.end()) without.push_back(field.name);
    }
    for (const std::string& column : columns) {
      if (evidence.snapshot->schema().Find(column) >= 0) continue;
      out.push_back({"", column, Severity::kError, "cannot be checked for anonymity", Str("validate.anonymity names '", column, "', which is no column"),
                     "correct validate.anonymity.columns"});
      return out;
    }
    TENON_ASSIGN(const std::vector<std::uint64_t> hashes, RowHashes(call, *evidence.snapshot, without));
    std::unordered_map<std::uint64_t, std::int64_t> groups;
    for (const std::uint64_t hash : hashes) ++groups[hash];
    std::int64_t exposed = 0;
    std::int64_t alone = 0;
    std::int64_t least = evidence.snapshot->rows();
    for (const auto& [hash, rows] : groups) {
      least = std::min(least, rows);
      if (rows < evidence.spec->anonymity_k) exposed += rows;
      alone += rows == 1 ? 1 : 0;
    }
    if (exposed == 0) return out;
    const double share = static_cast<double>(exposed) / static_cast<double>(hashes.size());
    out.push_back({"", "", Severity::kError, Str("not ", evidence.spec->anonymity_k, "-anonymous"),
                   Str(FormatCount(exposed), " rows (", Percent(share), ") share their ", Join(columns, ", "), " with fewer than ", evidence.spec->anonymity_k - 1,
                       " others, ", FormatCount(alone), " of them with none; the smallest group has ", FormatCount(least)),
                   "make the columns coarser (a year for a date, three digits of a postcode) with data.sql, or leave these rows out"});
    return out;
  }
};

}  // namespace

Result<void> AddAnonymity(Kinds<Check>& kinds) {
  return kinds.Add("anonymity",
                   {.summary = "Check that every combination of the given columns is shared by at least k rows",
                    .when = "Where validate.anonymity names columns that together point at a person",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Anonymity>(); });
}

}  // namespace tenon::validate
