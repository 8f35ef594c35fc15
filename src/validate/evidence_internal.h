#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "validate/check.h"

namespace tenon::validate {

// What several checks ask of the evidence.

// Whether the user wrote `key` for the column under validate.columns: what people wrote is an error to break, what was
// inferred a warning.
bool UserWrote(const Evidence& evidence, std::string_view column, std::string_view key);
Severity SeverityOf(const Evidence& evidence, std::string_view column, std::string_view key);

// `mostly` of the column: the share of its values that must be as expected; 1 where it is not written.
double MostlyOf(const Evidence& evidence, std::string_view column);

// A row for a finding: a value a column, "***" of what is hidden; long texts are cut.
Json ShownRow(const table::Batch& batch, std::int64_t row, const ingest::Sensitive& hidden);
constexpr std::size_t kShownRows = 5;  // of a finding

// Reads one column's settings, as the user wrote them, over what is expected already.
Result<void> OverrideColumn(const Json& json, std::string_view path, std::string_view file, ColumnExpectation* out);

// The label's values as class numbers (classes sorted) or as numbers: texts, bools and whole numbers with at most 20
// values are classes, as in the problem card.
struct Target {
  bool found = false;                // the label is a column
  bool classes = false;
  std::vector<std::string> names;    // of classes
  std::vector<std::int64_t> rows;    // of each class
  std::vector<double> values;        // a row each; NaN: missing
  std::int64_t missing = 0;
  std::int64_t infinite = 0;
};
Result<Target> TargetOf(const Evidence& evidence);

// The columns a model may read: not the label, the key, the time, the group, what is left out, nor pseudonyms.
std::vector<std::string> FeatureColumns(const Evidence& evidence);

// Nulls and NaN.
bool IsMissing(const table::Column& column, std::int64_t row);
// A value as people would write it: numbers in their shortest form.
std::string TextOf(const table::Column& column, std::int64_t row);

// A hash of each row over all columns but those named.
Result<std::vector<std::uint64_t>> RowHashes(const Call& call, const dataset::DatasetSnapshot& snapshot,
                                             const std::vector<std::string>& without);
// The key columns of the source, when it has one.
std::vector<std::string> KeyOf(const dataset::DatasetSnapshot& snapshot);

std::string Percent(double share);  // "12.3 %"
// At most `most` of them quoted, with how many more there are.
std::string Some(const std::vector<std::string>& values, std::size_t most = 5);

// How strongly one column alone tells the label on training rows: for classes the area under the ROC curve, one class
// against the rest, averaged by the classes' rows, direction aside; for numbers |Spearman|. Texts and few-valued numbers
// stand for the target's mean of the other folds' rows. 0.5 (classes) or 0 (numbers) when the column tells nothing.
double StrengthOf(const Evidence& evidence, const Target& target, const table::Column& column,
                  const std::vector<std::int64_t>& rows);
// The numbers of the snapshot's rows, thinned out evenly to at most `most`.
std::vector<std::int64_t> SomeRows(const Evidence& evidence, std::size_t most);
// The training rows with a label, thinned out evenly to at most `most`.
std::vector<std::int64_t> TrainingRows(const Evidence& evidence, const Target& target, std::size_t most);

}  // namespace tenon::validate
