// ONNX files: checked as a whole, their lists of maps taken out, and what ours can say of them translated. Nothing is run.

#include <cmath>

#include "fuzz/models.h"
#include "model/forest.h"
#include "platform/onnx_file.h"
#include "model/onnx_native_internal.h"
#include "model/onnx_writer_internal.h"

namespace tenon::fuzz {
namespace {

void RunOnnx(std::string_view input) {
  const auto file = model::OnnxFile::Read(input);
  if (!file.ok()) return CheckError(file.error());
  for (const model::OnnxTensor& constant : file->constants) {
    const auto numbers = constant.Numbers();
    if (!numbers.ok()) CheckError(numbers.error());
  }
  const std::string plain = file->WithoutMaps();
  const auto again = model::OnnxFile::Read(plain);
  if (!again.ok()) return CheckError(again.error());  // what maps were made of may be no output
  for (const model::OnnxPort& output : file->outputs) {
    static_cast<void>(file->Readers(output.name));
    for (const auto& [task, outputs] : {std::pair{model::Task::kRegression, 1}, {model::Task::kBinary, 1}, {model::Task::kMulticlass, 3}}) {
      const auto native = model::ReadNative(*file, output.name, task, outputs, 2);
      if (!native.ok()) {
        CheckError(native.error());
      } else {
        CheckModel(*native->model);
      }
    }
  }
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const int outputs : {1, 3}) {
    model::ForestSpec spec;
    spec.features = 2;
    spec.outputs = outputs;
    spec.task = outputs == 1 ? model::Task::kRegression : model::Task::kMulticlass;
    spec.base.assign(static_cast<std::size_t>(outputs), 0.5);
    spec.sum = model::Sum::kDouble;
    for (int t = 0; t < outputs; ++t) {
      model::Tree tree;
      tree.output = t;
      tree.nodes.resize(3);
      tree.nodes[0] = {.left = 1, .right = 2, .feature = 1, .value = 0.1, .split = model::Comparison::kAtMost};
      tree.nodes[1].value = -1;
      tree.nodes[2].value = 2;
      spec.trees.push_back(tree);
    }
    model::OnnxWriter writer;
    writer.Input("x", model::OnnxWriter::kFloat, 2);
    const std::string margin = Must(writer.Trees("x", spec), "trees");
    writer.Output(outputs == 1 ? margin : writer.Node("Softmax", {margin}), "value", model::OnnxWriter::kFloat, outputs);
    seeds.push_back(writer.Finish("stump@1"));
  }
  model::OnnxWriter writer;
  writer.Input("x", model::OnnxWriter::kFloat, 2);
  const std::string sum = writer.Node("Add", {writer.Node("MatMul", {writer.Cast("x", model::OnnxWriter::kDouble), writer.Doubles({1, 2}, {2, 1})}), writer.Doubles({0.5}, {1})});
  writer.Output(writer.Node("Sigmoid", {sum}), "value", model::OnnxWriter::kDouble, 1);
  writer.Output(writer.Label(writer.ArgMax(sum), {"no", "yes"}), "label", model::OnnxWriter::kString, 0);
  seeds.push_back(writer.Finish("sum@1"));
  return seeds;
}

}  // namespace

Target MakeOnnx() { return {RunOnnx, Seeds}; }

}  // namespace tenon::fuzz
