// What is wrong with the label.

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

class Label final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call&, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    if (evidence.label.empty()) return out;
    const std::string& label = evidence.label;
    if (evidence.snapshot->rows() == 0) {
      out.push_back({"", label, Severity::kError, "no rows", "the snapshot has no rows", "look at the source: its query or filter may be wrong"});
      return out;
    }
    if (evidence.snapshot->schema().Find(label) < 0) {
      out.push_back({"", label, Severity::kError, "there is no such column",
                     Str("no column '", label, "'", DidYouMean(label, evidence.snapshot->schema().Names())),
                     "write the label's column under problem.label"});
      return out;
    }
    TENON_ASSIGN(const Target target, TargetOf(evidence));
    const auto rows = evidence.snapshot->rows();
    if (target.missing == rows || !target.found) {
      out.push_back({"", label, Severity::kError, "no row has a label", Str("'", label, "' is missing in all ", FormatCount(rows), " rows"),
                     "join the labels to the rows, or name another column under problem.label"});
      return out;
    }
    if (target.missing > 0) {
      out.push_back({"", label, Severity::kWarning, Str(FormatCount(target.missing), " rows without a label"),
                     Str("'", label, "' is missing in ", FormatCount(target.missing), " of ", FormatCount(rows),
                         " rows: they are left out of training and tests"),
                     "if labels come late, write problem.label.known_after; if their absence means 'no', write that value at the source"});
    }
    if (target.infinite > 0) {
      out.push_back({"", label, Severity::kError, Str(FormatCount(target.infinite), " infinite labels"),
                     Str("'", label, "' is infinite in ", FormatCount(target.infinite), " rows: no loss can be computed"),
                     "correct these rows at the source, or write them as missing"});
    }
    const table::ColumnProfile* profile = evidence.profile->Find(label);
    if (profile != nullptr && profile->distinct_is_exact() && profile->distinct() == 1) {
      const std::string value = profile->Top(1)[0].value;
      out.push_back({"", label, Severity::kError, "one class only",
                     Str("'", label, "' is '", value, "' in every row that has a label: there is nothing to learn"),
                     "bring rows with another outcome; a filter at the source may have dropped them"});
    }
    return out;
  }
};

}  // namespace

Result<void> AddLabel(Kinds<Check>& kinds) {
  return kinds.Add("label",
                   {.summary = "Look at the label: there, more than one value, finite",
                    .when = "Whenever there is a label",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Label>(); });
}

}  // namespace tenon::validate
