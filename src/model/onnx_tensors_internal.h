#pragma once

#include "model/onnx_model.h"
#include "platform/tensor_values.h"

namespace tenon::model {

using platform::FloatsOf, platform::TensorFromText;

// Puts the columns of `rows` side by side into the tensor that `port` wants. invalid_argument naming the column when a value
// does not fit its type, or is missing where the type has no way to say so. Texts are views of the rows.
Result<platform::Tensor> FillTensor(const platform::TensorProgram::Port& port, const OnnxSpec::Input& input,
                                    const std::vector<OnnxSpec::Column>& columns, const ColumnRows& rows);

}  // namespace tenon::model
