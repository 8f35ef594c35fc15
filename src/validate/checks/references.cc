// Values that must be found in a column of another file.

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

class References final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    for (const Reference& reference : evidence.spec->references) {
      TENON_TRY(call.Check());
      if (reference.values == nullptr) continue;  // not a project's run: nobody read it
      if (evidence.snapshot->schema().Find(reference.column) < 0) {
        out.push_back({"", reference.column, Severity::kError, "no column to look up", Str("validate.references names '", reference.column, "', which is no column"), "correct validate.references"});
        continue;
      }
      TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(reference.column));
      std::int64_t lost = 0;
      std::int64_t present = 0;
      std::vector<std::string> shown;
      for (std::int64_t i = 0; i < column.size(); ++i) {
        if (IsMissing(column, i)) continue;
        ++present;
        const std::string value = TextOf(column, i);
        if (reference.values->contains(Hash64(value))) continue;
        ++lost;
        if (shown.size() < 6 && std::ranges::find(shown, value) == shown.end()) shown.push_back(value);
      }
      if (lost == 0) continue;
      out.push_back({"", reference.column, Severity::kError, Str(FormatCount(lost), " values are not in ", reference.file),
                     Str(FormatCount(lost), " of ", FormatCount(present), " values of '", reference.column, "' are not among those of '", reference.key, "' in ", reference.file, ": ", Some(shown)),
                     "bring both files to one state; a row that refers to nothing is mostly deleted on one side only"});
    }
    return out;
  }
};

}  // namespace

std::uint64_t ReferenceHash(const table::Column& column, std::int64_t row) { return Hash64(TextOf(column, row)); }

Result<void> AddReferences(Kinds<Check>& kinds) {
  return kinds.Add("references",
                   {.summary = "Check that values are found in a column of another file",
                    .when = "Where validate.references says so: keys of customers, codes of products",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<References>(); });
}

}  // namespace tenon::validate
