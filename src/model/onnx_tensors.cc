#include "model/onnx_tensors_internal.h"

#include "base/text.h"

namespace tenon::model {
namespace {

using platform::Tensor;
using platform::TensorType;

Error Wrong(std::string_view what) { return Error(Code::kInvalidArgument, std::string(what)); }

}  // namespace

Result<Tensor> FillTensor(const platform::TensorProgram::Port& port, const OnnxSpec::Input& input,
                          const std::vector<OnnxSpec::Column>& columns, const ColumnRows& rows) {
  Tensor tensor{.type = port.type, .shape = {rows.n}};
  const std::size_t width = columns.size();
  const OnnxSpec::Column& first = columns[static_cast<std::size_t>(input.columns[0])];
  const bool whole = !first.shape.empty();
  if (whole) {
    tensor.shape.insert(tensor.shape.end(), first.shape.begin(), first.shape.end());
  } else if (port.shape.size() != 1) {
    tensor.shape.push_back(static_cast<std::int64_t>(input.columns.size()));
  }
  if (port.type == TensorType::kString) {
    for (std::int64_t row = 0; row < rows.n; ++row) {
      for (const int column : input.columns) {
        const std::string_view text = rows.texts[static_cast<std::size_t>(row) * width + static_cast<std::size_t>(column)];
        if (text.data() == nullptr) {
          return Wrong(Str("column '", columns[static_cast<std::size_t>(column)].field.name, "' is missing; the model takes texts here, which cannot say so"));
        }
        tensor.texts.push_back(text);
      }
    }
    return tensor;
  }
  tensor = platform::NewTensor(port.type, tensor.shape);
  const auto fill = [&]() -> Result<void> {
    std::size_t at = 0;
    const auto put = [&](double value, const OnnxSpec::Column& column) -> Result<void> {
      const Result<void> done = platform::PutNumber(&tensor, at++, value);
      if (!done) return Error(Code::kInvalidArgument, Str("column '", column.field.name, "' ", done.error().message()));
      return {};
    };
    for (std::int64_t row = 0; row < rows.n; ++row) {
      for (const int index : input.columns) {
        const OnnxSpec::Column& column = columns[static_cast<std::size_t>(index)];
        const std::size_t slot = static_cast<std::size_t>(row) * width + static_cast<std::size_t>(index);
        if (!whole) {
          TENON_TRY(put(rows.numbers[slot], column));
          continue;
        }
        if (rows.texts[slot].data() == nullptr) return Wrong(Str("column '", column.field.name, "' is missing"));
        auto values = platform::TensorFromText(rows.texts[slot], column.shape, port.type);
        if (!values) return Error(Code::kInvalidArgument, Str("column '", column.field.name, "' ", values.error().message()));
        for (const double value : *values) TENON_TRY(put(value, column));
      }
    }
    return {};
  };
  TENON_TRY(fill(), port.name);
  return tensor;
}

}  // namespace tenon::model
