// Columns that tell the label better than anything honest could.

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

constexpr std::size_t kMostRows = 20000;  // an AUC is then known within 0.002
constexpr std::size_t kEnoughRows = 50;
constexpr double kSuspicious = 0.95;
constexpr double kNotable = 0.75;
constexpr std::size_t kMostNumbers = 200;

// Whether a column's name holds the label's, or the other way round, as whole words: is_fraud and fraud_flag.
bool NamedLike(std::string_view column, std::string_view label) {
  const auto words = [](std::string_view name) {
    static const std::set<std::string> kCommon = {"is", "has", "the", "of", "in", "id", "no", "num", "y", "n", "class", "label", "target"};
    std::set<std::string> out;
    std::string word;
    for (const char c : std::string(name) + "_") {
      if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        word += c;
      } else {
        word = ToLower(word);
        if (word.size() >= 3 && !kCommon.contains(word)) out.insert(word);
        word.clear();
      }
    }
    return out;
  };
  const std::set<std::string> a = words(column);
  const std::set<std::string> b = words(label);
  if (a.empty() || b.empty()) return false;
  return std::includes(a.begin(), a.end(), b.begin(), b.end()) || std::includes(b.begin(), b.end(), a.begin(), a.end());
}

// Two columns whose sum or difference is the label in every row, as casual + registered = cnt.
void FindSums(const Evidence& evidence, const Target& target, const std::vector<std::int64_t>& rows,
              const std::vector<std::pair<std::string, std::vector<double>>>& numbers, std::vector<Anomaly>* out) {
  const std::size_t count = std::min(numbers.size(), kMostNumbers);
  const auto holds = [&](std::size_t a, std::size_t b, double sign) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double label = target.values[static_cast<std::size_t>(rows[i])];
      const double made = numbers[a].second[i] + sign * numbers[b].second[i];
      if (!(std::abs(made - label) <= 1e-9 * std::max(1.0, std::abs(label)))) return false;
    }
    return true;
  };
  for (std::size_t a = 0; a < count; ++a) {
    for (std::size_t b = 0; b < count; ++b) {
      if (a == b) continue;
      const bool sum = a < b && holds(a, b, 1);
      if (!sum && !holds(a, b, -1)) continue;
      out->push_back({"", numbers[a].first, Severity::kError, "makes up the label",
                      Str("'", numbers[a].first, sum ? "' + '" : "' - '", numbers[b].first, "' is '", evidence.label, "' in every training row"),
                      Str("leave both out (transform: {drop: [", numbers[a].first, ", ", numbers[b].first, "]})")});
    }
  }
}

class Leakage final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    TENON_ASSIGN(const Target target, TargetOf(evidence));
    if (!target.found || (target.classes && target.names.size() < 2)) return out;
    const std::vector<std::int64_t> rows = TrainingRows(evidence, target, kMostRows);
    if (rows.size() < kEnoughRows) return out;
    const double threshold = evidence.spec->leakage_threshold;
    const std::string measure = target.classes ? "an AUC" : "a rank correlation";
    std::vector<std::pair<std::string, std::vector<double>>> numbers;
    for (const table::Field& field : evidence.snapshot->schema().fields()) {
      if (field.name == evidence.label || std::ranges::find(evidence.spec->left_out, field.name) != evidence.spec->left_out.end()) continue;
      TENON_TRY(call.Check());
      TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(field.name));
      const double strength = StrengthOf(evidence, target, column, rows);
      const std::string numbered = Str("'", field.name, "' alone tells '", evidence.label, "' with ", measure, " of ",
                                       FormatShort(strength, 4), " on ", FormatCount(static_cast<std::int64_t>(rows.size())), " training rows");
      const std::string fix = Str("leave it out (transform: {drop: [", field.name, "]}), unless it is really known before '",
                                  evidence.label, "'; then raise validate.leakage_threshold");
      const std::vector<Setting> drop = {{{"transform", "drop"}, Json(field.name), true}};
      if (std::ranges::find(evidence.spec->as_known, field.name) != evidence.spec->as_known.end()) {
        if (strength > kSuspicious) {
          out.push_back({"", field.name, Severity::kInfo, "strong, and known before", Str(numbered, "; its view looks at nothing later than the row"),
                         "see that the view's `time`, `delay` and `known` say when a value is really known", {}});
        }
      } else if (strength > threshold) {
        out.push_back({"", field.name, Severity::kError, "gives the label away", Str(numbered, ", above ", FormatShort(threshold, 4)), fix, drop});
      } else if (NamedLike(field.name, evidence.label)) {
        // Name and strength together are proof enough: is_recid and two_year_recid.
        const Severity severity = strength > kSuspicious ? Severity::kError
                                  : strength > kNotable  ? Severity::kWarning : Severity::kInfo;
        out.push_back({"", field.name, severity, "named like the label", numbered, fix, drop});
      } else if (strength > kSuspicious) {
        out.push_back({"", field.name, Severity::kWarning, "nearly gives the label away", numbered, fix, drop});
      }
      if (!target.classes && (field.type == table::Type::kInt64 || field.type == table::Type::kFloat64)) {
        std::vector<double> values;
        for (const std::int64_t row : rows) values.push_back(column.Number(row));
        numbers.emplace_back(field.name, std::move(values));
      }
    }
    FindSums(evidence, target, rows, numbers, &out);
    return out;
  }
};

}  // namespace

Result<void> AddLeakage(Kinds<Check>& kinds) {
  return kinds.Add("leakage",
                   {.summary = "Find columns that give the label away",
                    .when = "Whenever there is a label: such a column is mostly not known when a prediction is made",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Leakage>(); });
}

}  // namespace tenon::validate
