#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/text.h"
#include "base/time.h"
#include "evaluate/evaluate.h"
#include "evaluate/slices_internal.h"

namespace tenon::evaluate {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// The slots of one row after another, as a request would fill them.
class Slots {
 public:
  static Result<Slots> Over(const table::Batch& rows, const std::vector<table::Field>& inputs) {
    Slots slots;
    for (const table::Field& field : inputs) {
      if (field.type == table::Type::kEmbedding) {
        return Error(Code::kInvalidArgument, Str("'", field.name, "' holds embeddings, which have no single attribution"));
      }
      TENON_ASSIGN(table::Column column, rows.Named(field.name), "explaining rows");
      if (field.type != table::Type::kString && column.type() == table::Type::kString) {
        return Error(Code::kInvalidArgument, Str("'", field.name, "' holds texts, but the model reads ", NameOf(field.type)));
      }
      slots.is_text_.push_back(field.type == table::Type::kString);
      slots.columns_.push_back(std::move(column));
    }
    slots.numbers_.assign(inputs.size(), kNan);
    slots.texts_.resize(inputs.size());
    slots.made_.resize(inputs.size());
    return slots;
  }

  void Fill(std::int64_t row) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const table::Column& column = columns_[i];
      if (!is_text_[i]) {
        numbers_[i] = column.Number(row);
      } else if (column.IsNull(row)) {
        texts_[i] = {};
      } else if (column.type() == table::Type::kString) {
        texts_[i] = column.Text(row);
      } else {
        const Json value = column.ValueAt(row);
        made_[i] = value.is_string() ? value.String() : value.Dump();
        texts_[i] = made_[i];
      }
    }
  }
  const double* numbers() const { return numbers_.data(); }
  const std::string_view* texts() const { return texts_.data(); }
  // What a plot can place a point's colour by: the number, NaN of a text.
  double ShownValue(std::size_t input) const { return is_text_[input] ? kNan : numbers_[input]; }

 private:
  std::vector<table::Column> columns_;
  std::vector<bool> is_text_;
  std::vector<double> numbers_;
  std::vector<std::string_view> texts_;
  std::vector<std::string> made_;
};

}  // namespace

Result<void> AddImportances(const Call& call, const table::Batch& rows, const model::Predictor& predictor,
                            const EvaluateSpec& spec, EvaluationReport* report) {
  const std::vector<table::Field>& inputs = predictor.graph().inputs();
  TENON_ASSIGN(Slots slots, Slots::Over(rows, inputs));
  const std::vector<std::size_t> sample =
      SampleRows(static_cast<std::size_t>(rows.rows()), static_cast<std::size_t>(std::max(spec.explain_rows, 0)), call.seed);
  report->importances.clear();
  report->unexplained.reset();
  if (sample.empty()) return {};
  double unexplained = 0;
  std::vector<float> margins(static_cast<std::size_t>(predictor.outputs()));
  std::vector<EvaluationReport::Importance> importances;
  for (const table::Field& field : inputs) importances.push_back({field.name, 0, {}, {}});
  model::Predictor::Scratch scratch;
  std::vector<double> by_input(inputs.size());
  for (std::size_t at = 0; at < sample.size(); ++at) {
    if (at % 16 == 0) {
      TENON_TRY(call.Check());
      call.Report("importances", static_cast<double>(at) / static_cast<double>(sample.size()));
    }
    slots.Fill(static_cast<std::int64_t>(sample[at]));
    // Of several classes the one decided for is explained: the question people ask of a row.
    int output = 0;
    if (predictor.outputs() > 1) output = predictor.PredictRow(slots.numbers(), slots.texts(), scratch).decision;
    double base = 0;
    TENON_ASSIGN(const model::Attribution how, predictor.ExplainRow(slots.numbers(), slots.texts(), output, by_input, {}, &base, scratch));
    if (how.exact) {
      predictor.model().Margin(scratch.tile.data(), 1, predictor.graph().width(), margins.data());
      const double margin = static_cast<double>(margins[static_cast<std::size_t>(output)]);
      const double rest = std::abs(std::accumulate(by_input.begin(), by_input.end(), base) - margin) / std::max(1.0, std::abs(margin));
      if (!(rest <= unexplained)) unexplained = rest;  // NaN counts, and stays
    } else {
      unexplained = std::numeric_limits<double>::infinity();  // an estimate explains nothing for sure
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      importances[i].mean_absolute += std::abs(by_input[i]) / static_cast<double>(sample.size());
      importances[i].sample_values.push_back(slots.ShownValue(i));
      importances[i].sample_contributions.push_back(by_input[i]);
    }
  }
  std::ranges::stable_sort(importances, [](const auto& a, const auto& b) { return a.mean_absolute > b.mean_absolute; });
  report->importances = std::move(importances);
  report->unexplained = unexplained;
  return {};
}

}  // namespace tenon::evaluate
