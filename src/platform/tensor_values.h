#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/tensor_program.h"

// Numbers into tensors of any type and out of them.
namespace tenon::platform {

// All zeros. Not for strings.
Tensor NewTensor(TensorType type, std::vector<std::int64_t> shape);
// invalid_argument, fit to follow a column's name, when the type cannot hold the value ("is 1.5; the model takes whole ...").
Result<void> PutNumber(Tensor* tensor, std::size_t at, double value);
// The numbers of a tensor of that shape from text: nested lists of numbers, or base64 of its bytes; invalid_argument as above.
Result<std::vector<double>> TensorFromText(std::string_view text, std::span<const std::int64_t> shape, TensorType type);
// The bytes that base64 of either alphabet stands for; padding may be left out. invalid_argument as above.
Result<std::string> BytesFromBase64(std::string_view text);
// The numbers of a tensor as floats, rounded; invalid_argument when it holds strings.
Result<std::vector<float>> FloatsOf(const Tensor& tensor, std::string_view name);

}  // namespace tenon::platform
