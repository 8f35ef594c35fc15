#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/model.h"

namespace tenon::model {

// How an ONNX file is asked: which input columns become which of its tensors, and what of its outputs is the answer.
// A value type. docs/formats/onnx.md says how it is kept.
struct OnnxSpec {
  // A number or text a row; or, with a shape, a tensor a row, which comes as text: its bytes in base64 or nested lists of
  // numbers (images).
  struct Column {
    table::Field field;
    std::vector<std::int64_t> shape;
  };
  struct Input {
    std::string name;                 // of the file
    std::vector<int> columns;         // side by side in its tensor
  };
  // What the output tensor holds of a row.
  enum class Answer : std::uint8_t {
    kValue,          // one number: the value
    kPositive,       // one number: of class 1
    kByClass,        // a number a class
  };

  Task task = Task::kRegression;
  int outputs = 1;
  std::vector<Column> columns;
  std::vector<Input> inputs;
  std::string output;
  Answer answer = Answer::kValue;
  Link link = Link::kIdentity;        // from the file's numbers to predictions; kOfTask: logistic or softmax
  std::vector<Json> background;       // rows, as lists in the order of the columns, that attributions are measured from
  int samples = 64;                   // random orders of the columns, in pairs of one and its reverse
  std::uint64_t seed = 1;
  int deadline_ms = 1000;             // of an explanation
  std::string onnx;

  Json ToJson() const;                // without the file
  static Result<OnnxSpec> FromJson(const Json& json);
};

// Opens the file with the runtime and checks that the spec fits it. Errors as TensorProgram::Load, and invalid_argument.
Result<std::unique_ptr<Model>> MakeOnnx(OnnxSpec spec);

}  // namespace tenon::model
