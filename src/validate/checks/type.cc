// Types that changed, and texts that are numbers but for a few.

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

std::string Examples(const table::ColumnProfile& profile) {
  std::vector<std::string> values;
  for (const table::Frequency& value : profile.Top(3)) values.push_back(value.value);
  return values.empty() ? "no values" : Some(values, 3);
}

// A text column of which nearly all are numbers: a few odd entries made it text.
std::optional<Anomaly> HiddenNumbers(const table::Column& column, const std::string& name) {
  constexpr double kNearlyAll = 0.9;
  constexpr std::int64_t kEnough = 20;
  std::int64_t numbers = 0;
  std::int64_t others = 0;
  std::vector<std::string> odd;
  for (std::int64_t i = 0; i < column.size(); ++i) {
    if (column.IsNull(i)) continue;
    double value = 0;
    if (ParseDouble(Trim(column.Text(i)), &value)) {
      ++numbers;
      continue;
    }
    ++others;
    const std::string text(column.Text(i));
    if (odd.size() < 3 && std::find(odd.begin(), odd.end(), text) == odd.end()) odd.push_back(text);
  }
  if (numbers < kEnough || static_cast<double>(numbers) < kNearlyAll * static_cast<double>(numbers + others)) return {};
  return Anomaly{"", name, others == 0 ? Severity::kInfo : Severity::kWarning, "numbers read as texts",
                 Str(FormatCount(numbers), " of ", FormatCount(numbers + others), " texts of '", name, "' are numbers",
                     odd.empty() ? "" : Str("; the others are ", Some(odd, 3))),
                 Str("if it is a quantity, write data.types.", name, ": float64",
                     odd.empty() ? "" : " and name the others under data.missing")};
}

class Type final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call&, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    const table::Schema& schema = evidence.snapshot->schema();
    for (const ColumnExpectation& expected : *evidence.schema) {
      const int at = schema.Find(expected.name);
      if (at < 0) continue;
      const table::Type type = schema[at].type;
      const table::ColumnProfile* profile = evidence.profile->Find(expected.name);
      if (type == expected.type || profile == nullptr || profile->missing() == profile->count()) continue;
      const bool widened = (type == table::Type::kFloat64 && expected.type == table::Type::kInt64) ||
                           (type == table::Type::kInt64 && expected.type == table::Type::kFloat64);
      out.push_back({"", expected.name, widened ? Severity::kInfo : Severity::kError,
                     Str(table::NameOf(type), " instead of ", table::NameOf(expected.type)),
                     Str("'", expected.name, "' was ", table::NameOf(expected.type), " and is ", table::NameOf(type),
                         " now; it holds ", Examples(*profile)),
                     widened ? std::string("nothing, when fractions (or their absence) are right")
                             : Str("give the column its type back at the source, or write data.types.", expected.name, ": ",
                                   table::NameOf(expected.type)),
                     {{{"validate", "columns", expected.name, "type"}, Json(table::NameOf(type))}}});
    }
    for (const table::Field& field : schema.fields()) {
      if (field.type != table::Type::kString) continue;
      TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(field.name));
      if (auto found = HiddenNumbers(column, field.name)) out.push_back(std::move(*found));
    }
    return out;
  }
};

}  // namespace

Result<void> AddType(Kinds<Check>& kinds) {
  return kinds.Add("type",
                   {.summary = "Compare the types of columns with what is expected",
                    .when = "Always; it also finds numbers and dates that were read as texts",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Type>(); });
}

}  // namespace tenon::validate
