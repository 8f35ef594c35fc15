// Columns that should be there, and columns that were not there before.

#include <algorithm>

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

class Presence final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call&, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    const table::Schema& schema = evidence.snapshot->schema();
    for (const ColumnExpectation& expected : *evidence.schema) {
      if (!expected.required || schema.Find(expected.name) >= 0) continue;
      const std::string near = Nearest(expected.name, schema.Names());
      out.push_back({"", expected.name, Severity::kError, "the column is missing",
                     Str("'", expected.name, "' (", table::NameOf(expected.type), ") is expected; the data have ", schema.size(),
                         " other columns", near.empty() ? "" : Str(", among them '", near, "'")),
                     near.empty() ? Str("bring '", expected.name, "' back at the source, or write validate.columns.", expected.name,
                                        ": {required: false}")
                                  : Str("if '", near, "' is the same column, rename it to '", expected.name, "' at the source"),
                     {{{"validate", "columns", expected.name, "required"}, Json(false)}}});
    }
    if (evidence.previous == nullptr) return out;
    for (const table::Field& field : schema.fields()) {
      if (evidence.previous->Find(field.name) != nullptr) continue;
      if (evidence.spec->new_columns != Severity::kInfo && std::ranges::any_of(evidence.spec->columns, [&](const auto& one) { return one.first == field.name; })) continue;
      out.push_back({"", field.name, evidence.spec->new_columns, "a new column",
                     Str("'", field.name, "' (", table::NameOf(field.type), ") was not in the last snapshot"),
                     "make sure that it is known at the time of a prediction before a model uses it",
                     evidence.spec->new_columns == Severity::kInfo ? std::vector<Setting>() : std::vector<Setting>{{{"validate", "columns", field.name, "required"}, Json(true)}}});
    }
    return out;
  }
};

}  // namespace

Result<void> AddPresence(Kinds<Check>& kinds) {
  return kinds.Add("presence",
                   {.summary = "Find columns that are missing or new",
                    .when = "Always: a later step would fail on a missing column, and ignore a new one in silence",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Presence>(); });
}

}  // namespace tenon::validate
