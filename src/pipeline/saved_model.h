#pragma once

#include <string>
#include <vector>

#include "base/call.h"
#include "platform/files.h"
#include "table/batch.h"

namespace tenon::pipeline {

// Whether the path is a folder that TensorFlow saved a model in.
bool IsSavedModel(const platform::Files& files, const std::string& path);

// The network as an ONNX file, by tf2onnx in the user's Python. failed_precondition with the commands that bring it, or do it by hand.
Result<std::string> ConvertSavedModel(const Call& call, const platform::Files& files, const std::string& folder, const std::string& python);

// What the SavedModel itself answers to rows of the ONNX file's inputs, whose columns are those of `rows` in their order.
struct SavedAnswers {
  std::vector<double> values;   // rows x width
  std::size_t width = 1;
  std::string version;          // of TensorFlow
  std::string problem;          // why it was not asked
};
Result<SavedAnswers> AskSavedModel(const Call& call, platform::Files& files, const std::string& folder, const std::string& python, std::string_view onnx, const table::Batch& rows);

}  // namespace tenon::pipeline
