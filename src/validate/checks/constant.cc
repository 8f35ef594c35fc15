// Columns that are always the same.

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

class Constant final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call&, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    for (const table::ColumnProfile& column : evidence.profile->columns()) {
      const std::string& name = column.field().name;
      if (column.count() < 2 || name == evidence.label || column.field().type == table::Type::kEmbedding) continue;
      if (column.missing() > 0 || !column.distinct_is_exact() || column.distinct() != 1) continue;
      const std::string value = column.Top(1)[0].value;
      out.push_back({"", name, Severity::kWarning, "one value only",
                     Str("'", name, "' is '", value, "' in all ", FormatCount(column.count()), " rows"),
                     Str("leave '", name, "' out of the features, or look why the source always writes '", value, "'"),
                     {{{"transform", "drop"}, Json(name), true}}});
    }
    return out;
  }
};

}  // namespace

Result<void> AddConstant(Kinds<Check>& kinds) {
  return kinds.Add("constant",
                   {.summary = "Find columns with one value only",
                    .when = "Always; a constant tells a model nothing",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Constant>(); });
}

}  // namespace tenon::validate
