#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/model.h"
#include "platform/onnx_file.h"

namespace tenon::model {

using platform::OnnxAttribute, platform::OnnxFile, platform::OnnxNode, platform::OnnxPort, platform::OnnxTensor;

// A model of ours that says what an ONNX graph says: trees or a weighted sum over the one input of numbers.
struct OnnxNative {
  std::unique_ptr<Model> model;
  double tolerance = 0;  // how far its answers may be from the runtime's
};

// failed_precondition saying which node has no counterpart. `output` is the tensor of scores or values.
Result<OnnxNative> ReadNative(const OnnxFile& file, std::string_view output, Task task, int outputs, int features);

}  // namespace tenon::model
