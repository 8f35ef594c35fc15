#include "table/expression.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "table/expression_internal.h"

namespace tenon::table {

namespace {

constexpr double kNull = std::numeric_limits<double>::quiet_NaN();

// The values of one column in one block, as lanes.
void FillNumbers(const Column& column, std::int64_t from, std::int64_t rows, double* out) {
  for (std::int64_t i = 0; i < rows; ++i) out[i] = column.Number(from + i);
}

void FillTexts(const Column& column, std::int64_t from, std::int64_t rows, std::string_view* out) {
  for (std::int64_t i = 0; i < rows; ++i) {
    if (column.IsNull(from + i)) {
      out[i] = {};
    } else {
      const std::string_view text = column.Text(from + i);
      out[i] = text.data() == nullptr ? std::string_view("") : text;
    }
  }
}

// Numbers are doubles in between, which round the last times there are to one more than fits.
std::int64_t WholeOf(double value) {
  if (value >= 0x1p63) return std::numeric_limits<std::int64_t>::max();
  if (value <= -0x1p63) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(value);
}

void AddNumbers(const double* values, std::int64_t rows, Type type, ColumnBuilder* out) {
  for (std::int64_t i = 0; i < rows; ++i) {
    if (std::isnan(values[i])) {
      out->AddNull();
    } else if (type == Type::kFloat64) {
      out->Add(values[i]);
    } else {
      out->AddInt(WholeOf(values[i]));
    }
  }
}

}  // namespace

Result<Expression> Expression::Parse(std::string_view text, const Schema& columns) {
  TENON_ASSIGN(ParsedExpression parsed, ParseExpression(text, columns));
  Expression out;
  out.body_ = std::make_shared<const Body>(Body{std::string(text), std::move(parsed)});
  return out;
}

Type Expression::type() const { return body_->parsed.root->type; }
const std::vector<std::string>& Expression::inputs() const { return body_->parsed.inputs; }
const std::string& Expression::text() const { return body_->text; }

void Expression::Evaluate(std::span<const double* const> numbers, std::span<const std::string_view* const> texts,
                          std::int64_t rows, double* out_numbers, std::string_view* out_texts,
                          std::vector<std::string>* scratch) const {
  const ExpressionNode& root = *body_->parsed.root;
  for (std::int64_t from = 0; from < rows; from += kBlockRows) {
    const ExpressionBlock block{numbers, texts, from, std::min(kBlockRows, rows - from), scratch};
    if (root.type == Type::kString) {
      EvaluateTexts(root, block, out_texts + from);
      continue;
    }
    EvaluateNumbers(root, block, out_numbers + from);
    // Processors leave the sign and payload of a NaN open; one pattern only, so that equal rows give equal bits.
    for (std::int64_t i = from; i < from + block.rows; ++i) {
      if (std::isnan(out_numbers[i])) out_numbers[i] = kNull;
    }
  }
}

Column Expression::Evaluate(const Batch& batch) const {
  std::vector<Column> columns;
  for (const std::string& name : inputs()) {
    const int at = batch.schema().Find(name);
    assert(at >= 0);
    columns.push_back(batch.column(at));
  }
  // A column as it is; NaN would have to become a null.
  const bool alone = body_->parsed.root->op == ExpressionOp::kColumn && type() == Type::kFloat64 && columns[0].type() == Type::kFloat64;
  if (alone && std::ranges::none_of(columns[0].doubles(), [](double value) { return std::isnan(value); })) return columns[0];
  constexpr auto kRows = static_cast<std::size_t>(kBlockRows);
  std::vector<std::array<double, kRows>> numbers(columns.size());
  std::vector<std::array<std::string_view, kRows>> texts(columns.size());
  std::vector<const double*> number_lanes(columns.size(), nullptr);
  std::vector<const std::string_view*> text_lanes(columns.size(), nullptr);
  std::array<double, kRows> out_numbers;
  std::array<std::string_view, kRows> out_texts;
  std::vector<std::string> scratch;
  ColumnBuilder out(type());
  for (std::int64_t from = 0; from < batch.rows(); from += kBlockRows) {
    const std::int64_t rows = std::min(kBlockRows, batch.rows() - from);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].type() == Type::kString) {
        FillTexts(columns[i], from, rows, texts[i].data());
        text_lanes[i] = texts[i].data();
      } else {
        FillNumbers(columns[i], from, rows, numbers[i].data());
        number_lanes[i] = numbers[i].data();
      }
    }
    scratch.clear();
    Evaluate(number_lanes, text_lanes, rows, out_numbers.data(), out_texts.data(), &scratch);
    if (type() != Type::kString) {
      AddNumbers(out_numbers.data(), rows, type(), &out);
      continue;
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(rows); ++i) {
      out_texts[i].data() == nullptr ? out.AddNull() : out.AddText(out_texts[i]);
    }
  }
  return out.Finish();
}

}  // namespace tenon::table
