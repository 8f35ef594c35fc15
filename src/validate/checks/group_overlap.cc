// The same customer, patient or device in training and in test.

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/hash.h"
#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

constexpr double kMany = 0.5;         // of the test rows
constexpr double kSameLabel = 0.95;   // of the rows of a group, where it hardly changes
constexpr std::size_t kLeastGroups = 30;

// customer_id, UserId, patient: names of things that have several rows.
bool NamesThing(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kThings = {"customer", "client", "user", "patient", "subject", "account",
                                                               "device", "household", "person", "member", "student", "vehicle"};
  const std::string lower = ToLower(name);
  if (lower == "id" || lower.ends_with("_id") || name.ends_with("Id") || name.ends_with("ID")) return true;
  return std::ranges::any_of(kThings, [&](std::string_view thing) { return lower == thing || lower == Str(thing, "_no") || lower == Str(thing, "_number"); });
}

struct Group {
  bool trained = false;
  std::int64_t rows = 0, test = 0;
  std::unordered_map<int, std::int64_t> labels;
};

class GroupOverlap final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    if (evidence.split == nullptr || static_cast<std::int64_t>(evidence.split->part.size()) != evidence.snapshot->rows()) return out;
    TENON_ASSIGN(const Target target, TargetOf(evidence));
    const std::string declared = evidence.snapshot->about().StringAt("group");
    for (const table::Field& field : evidence.snapshot->schema().fields()) {
      TENON_TRY(call.Check());
      const bool group = field.name == declared;
      if (!group && (field.name == evidence.label || !NamesThing(field.name) || field.type == table::Type::kFloat64)) continue;
      if (field.type == table::Type::kEmbedding || field.type == table::Type::kBool) continue;
      TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(field.name));
      if (auto found = Overlap(evidence, target, column, field.name, group)) out.push_back(std::move(*found));
    }
    return out;
  }

 private:
  static std::optional<Anomaly> Overlap(const Evidence& evidence, const Target& target, const table::Column& column, const std::string& name, bool declared) {
    std::unordered_map<std::uint64_t, Group> groups;
    std::int64_t tested = 0;
    for (std::int64_t i = 0; i < column.size(); ++i) {
      const dataset::Part part = evidence.split->part[static_cast<std::size_t>(i)];
      if (part == dataset::Part::kUnused || IsMissing(column, i)) continue;
      Group& group = groups[column.type() == table::Type::kString ? Hash64(column.Text(i)) : static_cast<std::uint64_t>(column.ints()[static_cast<std::size_t>(i)])];
      group.trained = group.trained || part == dataset::Part::kTrain;
      ++group.rows;
      tested += part == dataset::Part::kTest ? 1 : 0;
      group.test += part == dataset::Part::kTest ? 1 : 0;
      if (target.found && target.classes && target.values[static_cast<std::size_t>(i)] >= 0) ++group.labels[static_cast<int>(target.values[static_cast<std::size_t>(i)])];
    }
    if (groups.size() < kLeastGroups || tested == 0) return {};
    std::int64_t shared = 0;
    double same = 0;
    double several = 0;  // rows of groups that have more than one
    for (const auto& [key, group] : groups) {
      if (group.trained) shared += group.test;
      if (group.rows < 2) continue;
      std::int64_t most = 0;
      std::int64_t all = 0;
      for (const auto& [label, count] : group.labels) {
        most = std::max(most, count);
        all += count;
      }
      several += static_cast<double>(all);
      same += static_cast<double>(most);
    }
    const double share = static_cast<double>(shared) / static_cast<double>(tested);
    const std::string text = Str(FormatCount(shared), " of ", FormatCount(tested), " test rows (", Percent(share), ") are of a '", name, "' that training has seen");
    const std::string fix = Str("split by it (split: {by: group, column: ", name, "}), unless predictions will be made for those seen before");
    if (declared) {
      if (shared == 0) return {};
      return Anomaly{"", name, Severity::kError, "groups on both sides of the split", Str(text, ", though it is data.group"), "split: {by: group}"};
    }
    if (share < kMany) return {};
    std::int64_t largest = 0;
    std::int64_t labelled = 0;
    for (const std::int64_t rows : target.rows) {
      largest = std::max(largest, rows);
      labelled += rows;
    }
    // What a group's label tells beyond what the most frequent class does.
    const double usual = labelled > 0 ? static_cast<double>(largest) / static_cast<double>(labelled) : 1;
    const bool settled = several > 0 && same / several > std::max(kSameLabel, 0.5 + usual / 2);
    return Anomaly{"", name, settled ? Severity::kWarning : Severity::kInfo, settled ? "the label goes by group, and groups are on both sides" : "groups on both sides of the split",
                   settled ? Str(text, ", and within one the label is the same in ", Percent(same / several), " of rows: what is measured is memory") : text, fix};
  }
};

}  // namespace

Result<void> AddGroupOverlap(Kinds<Check>& kinds) {
  return kinds.Add("group_overlap",
                   {.summary = "Find customers, patients or devices that stand in training and in test",
                    .when = "Several rows of one thing; a model that remembers it is flattered",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<GroupOverlap>(); });
}

}  // namespace tenon::validate
