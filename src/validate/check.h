#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/call.h"
#include "base/kinds.h"
#include "dataset/sensitive.h"
#include "dataset/snapshot.h"
#include "dataset/split.h"
#include "table/profile.h"

namespace tenon::validate {

enum class Severity { kInfo, kWarning, kError };
std::string_view NameOf(Severity severity);

// A member of the project file and what it would be set to; `append`: added to the list that is there.
struct Setting {
  std::vector<std::string> path;  // validate, columns, state, domain
  Json value;
  bool append = false;
};

// A finding about the user's data: not an error but a value.
struct Anomaly {
  std::string check;       // the kind of checks/ that found it
  std::string column;      // may be empty
  Severity severity = Severity::kWarning;
  std::string short_text;  // "12 new values"
  std::string long_text;   // with the values, the numbers, what was expected
  std::string fix;         // what to write or do: "add 'Alaska' to validate.data.state.domain"
  std::vector<Setting> accept = {};  // the settings that take the data as they are; none: a person has to think
  std::vector<Json> rows = {};       // a few that show it, as objects; without what is sensitive
  Json ToJson() const;
};

// What is expected of a column. Inferred from a profile, then overridden by what the user wrote.
struct ColumnExpectation {
  std::string name;
  table::Type type = table::Type::kFloat64;
  bool required = true;              // the column must be there
  double most_missing = 1;           // share
  double least = 0, most = 0;        // of numbers, when has_range
  bool has_range = false;
  std::vector<std::string> domain;   // of few-valued texts, when has_domain
  bool has_domain = false;
  Severity unseen = Severity::kWarning;
  bool unique = false;
  Json ToJson() const;
  static Result<ColumnExpectation> FromJson(const Json& json);
};

// A column whose values must be found in a column of another file.
struct Reference {
  std::string column, file, key;
  std::shared_ptr<const std::unordered_set<std::uint64_t>> values;  // ReferenceHash of those; read by the pipeline, null until then
};
std::uint64_t ReferenceHash(const table::Column& column, std::int64_t row);

// A condition that every row must fulfil, or a share of them. A row that cannot tell fulfils it.
struct RowRule {
  std::string rule;
  double mostly = 1;
  Severity severity = Severity::kError;
};

// A SELECT over the rows (table `data`; those of the last snapshot are `before`) which gives the rows that are wrong, hence none;
// bounded: one value, within the bounds.
struct SqlRule {
  std::string name, query;
  std::string because;  // why, for whoever reads the finding; may be empty
  bool bounded = false;
  double least = 0, most = 0;
  Severity severity = Severity::kError;
};

// How far two distributions of a column are from each other: population stability index; Jensen-Shannon divergence in bits; the largest
// change of a value's share, of numbers of the share below any point (Kolmogorov-Smirnov).
enum class Distance { kPsi, kJensenShannon, kLargestChange };
std::string_view NameOf(Distance distance);
double UsualThreshold(Distance distance);

struct DriftRule {
  Distance distance = Distance::kPsi;
  double threshold = 0.25;
  bool written = false;                // the threshold
  Severity severity = Severity::kWarning;
  std::vector<std::string> by;         // columns whose values' rows are compared by themselves, too
  std::vector<std::string> ignore;     // columns that may drift
  std::int64_t least_rows = 100;       // with a value, before and now; fewer tell nothing
};

constexpr std::int64_t kAnyRows = INT64_MAX;

// What the user wrote under `validate:`.
struct ValidateSpec {
  Severity fail_on = Severity::kError;
  std::vector<std::pair<std::string, Json>> columns;  // overrides a column: {min, max, missing, domain, unseen, unique, severity, drift}, and ColumnRules
  std::vector<RowRule> expectations;
  std::vector<SqlRule> sql;
  DriftRule drift;
  std::map<std::string, std::optional<Severity>> severities;  // of all a check finds but infos; none: nothing it finds is told
  std::vector<std::vector<std::string>> unique;       // columns whose values are unique together
  Severity new_columns = Severity::kInfo;             // of columns that the last snapshot had not and that are not under `columns`
  std::pair<std::int64_t, std::int64_t> rows{0, kAnyRows};  // how many there are, at least and at most
  double leakage_threshold = 0.98;                    // single-feature AUC (or |correlation|) above it is a leak
  std::string purpose;                                // what the data are used for, checked against data.purpose
  std::vector<std::string> residency;                 // where they may lie to be used here, checked against data.residency; empty: anywhere
  std::vector<std::string> anonymity_columns;         // which together point at a person
  std::int64_t anonymity_k = 5;                       // that many rows share each combination of them
  std::vector<Reference> references;
  std::vector<std::string> left_out;                  // columns no model reads, which leak nothing. Not written here
  std::vector<std::string> as_known;                  // features of views: as known at their row's time, however strong. Not written here
  static Result<ValidateSpec> Parse(const Json& json, std::string_view file);
  Json ToJson() const;
  bool NeedsRowsBefore() const;                       // Before::snapshot
};

// What the rows are held against: the last snapshot of the source, or another one. Parts may be missing.
struct Before {
  std::optional<table::Profile> profile;
  std::vector<ColumnExpectation> schema;
  dataset::SnapshotPtr snapshot;  // its rows
};

// Everything a check may look at.
struct Evidence {
  const dataset::DatasetSnapshot* snapshot = nullptr;
  const dataset::Split* split = nullptr;                 // may be null
  const table::Profile* profile = nullptr;               // of all rows
  const table::Profile* previous = nullptr;              // of the last snapshot of the source; may be null
  const dataset::DatasetSnapshot* previous_rows = nullptr;  // that snapshot; may be null
  const std::vector<ColumnExpectation>* schema = nullptr;
  std::string label;                                     // may be empty
  const ValidateSpec* spec = nullptr;
};

// One way of looking at a snapshot. Immutable. A kind is one file of checks/.
class Check {
 public:
  virtual ~Check() = default;
  virtual Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const = 0;
};

// Kinds: the files of checks/; docs/04-validation.md lists them.
Result<void> AddAll(Kinds<Check>& kinds);

struct ValidationReport {
  table::Profile profile;
  std::vector<ColumnExpectation> schema;
  std::vector<Anomaly> anomalies;      // errors first
  bool passed = true;                  // nothing at or above fail_on
  std::vector<std::string> masked;     // columns whose values are in no report
  Json ToJson() const;                 // with the profile's summary
};

// One row that is to be predicted, as an object, held against the same expectations as the rows of a snapshot: presence, type,
// missing, range, domain, and the rules about one row that it has all columns for. The label need not be there.
Result<std::vector<Anomaly>> ValidateRow(const std::vector<ColumnExpectation>& schema, const ValidateSpec& spec, std::string_view label, const Json& row, const std::vector<std::string>& masked = {});

// What a source's owner wrote (owner, purpose, residency) against what the rows are used for; nothing when it may be.
std::optional<Anomaly> ForbiddenUse(const Json& governance, const ValidateSpec& spec);

// Profiles, infers the schema where the user said nothing (from that of `before` when there is one, so that a new
// value is new), and runs every check.
Result<ValidationReport> Validate(const Call& call, const dataset::DatasetSnapshot& snapshot, const dataset::Split* split, const Before& before,
                                  std::string_view label, const ValidateSpec& spec, const Kinds<Check>& kinds);

// What a profile lets one expect of the next rows: sensible domains (few-valued texts), ranges widened by their spread,
// missing shares with room.
std::vector<ColumnExpectation> InferSchema(const table::Profile& profile);

}  // namespace tenon::validate
