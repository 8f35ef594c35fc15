#include "model/column_slots.h"

#include <cmath>
#include <limits>

#include "base/text.h"

namespace tenon::model {

using table::Type;

Result<void> ColumnSlots::Fill(const table::Batch& batch, const std::vector<table::Field>& fields) {
  n_ = batch.rows();
  const auto rows = static_cast<std::size_t>(n_);
  const std::size_t width = fields.size();
  numbers_.assign(rows * width, std::numeric_limits<double>::quiet_NaN());
  texts_.assign(rows * width, std::string_view());
  made_.clear();
  made_.reserve(rows * width);  // views into it stay
  for (std::size_t i = 0; i < width; ++i) {
    const table::Field& field = fields[i];
    const int at = batch.schema().Find(field.name);
    if (at < 0) {
      return Error(Code::kInvalidArgument, Str("the rows have no column '", field.name, "', which the model reads",
                                               DidYouMean(field.name, batch.schema().Names())));
    }
    const table::Column& column = batch.column(at);
    const bool text = field.type == Type::kString;
    if (column.type() == Type::kEmbedding || (!text && column.type() == Type::kString)) {
      return Error(Code::kInvalidArgument, Str("column '", field.name, "' is ", NameOf(column.type()), ", expected ", NameOf(field.type)));
    }
    for (std::size_t row = 0; row < rows; ++row) {
      const auto r = static_cast<std::int64_t>(row);
      if (column.IsNull(r)) continue;
      if (!text) {
        numbers_[row * width + i] = column.Number(r);
      } else if (column.type() == Type::kString) {
        const std::string_view value = column.Text(r);
        texts_[row * width + i] = value.data() == nullptr ? std::string_view("", 0) : value;
      } else {
        const Json value = column.ValueAt(r);
        made_.push_back(value.is_string() ? value.String() : value.Dump());
        texts_[row * width + i] = made_.back();
      }
    }
  }
  return {};
}

}  // namespace tenon::model
