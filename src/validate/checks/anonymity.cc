// How many share each combination of columns that together point at a person (k-anonymity; Sweeney 2002): rows, or where the source's group
// says whose they are, groups. Ten rows of one customer hide nobody.

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/hash.h"
#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

std::vector<std::string> AllBut(const table::Schema& schema, const std::vector<std::string>& some) {
  std::vector<std::string> out;
  for (const table::Field& field : schema.fields()) {
    if (std::ranges::find(some, field.name) == some.end()) out.push_back(field.name);
  }
  return out;
}

struct Sharing {
  std::int64_t rows = 0;
  std::int64_t others = 0;  // rows or groups
};

class Anonymity final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    const std::vector<std::string>& columns = evidence.spec->anonymity_columns;
    if (columns.empty()) return out;
    const table::Schema& schema = evidence.snapshot->schema();
    for (const std::string& column : columns) {
      if (schema.Find(column) >= 0) continue;
      out.push_back({"", column, Severity::kError, "cannot be checked for anonymity", Str("validate.anonymity names '", column, "', which is no column"),
                     "correct validate.anonymity.columns"});
      return out;
    }
    TENON_ASSIGN(const std::vector<std::uint64_t> hashes, RowHashes(call, *evidence.snapshot, AllBut(schema, columns)));
    std::string group = evidence.snapshot->about().StringAt("group");
    if (schema.Find(group) < 0 || std::ranges::find(columns, group) != columns.end()) group.clear();
    std::unordered_map<std::uint64_t, Sharing> groups;
    for (const std::uint64_t hash : hashes) ++groups[hash].rows;
    if (group.empty()) {
      for (auto& [hash, one] : groups) one.others = one.rows;
    } else {
      TENON_ASSIGN(const std::vector<std::uint64_t> of, RowHashes(call, *evidence.snapshot, AllBut(schema, {group})));
      std::vector<std::pair<std::uint64_t, std::uint64_t>> met;
      for (std::size_t i = 0; i < hashes.size(); ++i) met.emplace_back(hashes[i], of[i]);
      std::ranges::sort(met);
      met.erase(std::unique(met.begin(), met.end()), met.end());
      for (const auto& [hash, whose] : met) ++groups[hash].others;
    }
    std::int64_t exposed = 0;
    std::int64_t alone = 0;
    std::int64_t least = evidence.snapshot->rows();
    for (const auto& [hash, one] : groups) {
      least = std::min(least, one.others);
      if (one.others < evidence.spec->anonymity_k) exposed += one.rows;
      alone += one.others == 1 ? one.rows : 0;
    }
    if (exposed == 0) return out;
    const double share = static_cast<double>(exposed) / static_cast<double>(hashes.size());
    out.push_back({"", "", Severity::kError, Str("not ", evidence.spec->anonymity_k, "-anonymous"),
                   Str(FormatCount(exposed), " rows (", Percent(share), ") share their ", Join(columns, ", "), " with fewer than ", evidence.spec->anonymity_k - 1,
                       " others", group.empty() ? "" : Str(", counted by ", group), ", ", FormatCount(alone), " of them with none; the smallest group has ", FormatCount(least)),
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
