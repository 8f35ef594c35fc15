#pragma once

#include "model/onnx_model.h"
#include "platform/tensor_program.h"

namespace tenon::model {

// Puts the columns of `rows` side by side into the tensor that `port` wants. invalid_argument naming the column when a value
// does not fit its type, or is missing where the type has no way to say so. Texts are views of the rows.
Result<platform::Tensor> FillTensor(const platform::TensorProgram::Port& port, const OnnxSpec::Input& input,
                                    const std::vector<OnnxSpec::Column>& columns, const ColumnRows& rows);
// The numbers of a tensor as floats, rounded.
Result<std::vector<float>> FloatsOf(const platform::Tensor& tensor, std::string_view name);
// A tensor a row from text: nested lists of numbers, or base64 of its bytes; as doubles.
Result<std::vector<double>> TensorFromText(std::string_view text, std::span<const std::int64_t> shape, platform::TensorType type);

}  // namespace tenon::model
