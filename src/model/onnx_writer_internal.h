#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/forest.h"
#include "platform/proto.h"

namespace tenon::model {

using platform::ProtoWriter;

// Puts an ONNX graph together, node by node; every call gives the name of the tensor it makes. Opsets 17 and ml 3.
class OnnxWriter {
 public:
  static constexpr int kFloat = 1, kInt64 = 7, kString = 8, kBool = 9, kDouble = 11;

  void Input(std::string_view name, int type, std::int64_t width);
  // Renames `tensor` to an output; width 0: one value a row without an axis.
  void Output(std::string_view tensor, std::string_view name, int type, std::int64_t width);
  std::string Node(std::string_view op, const std::vector<std::string>& in);
  std::string Cast(const std::string& in, int type);
  std::string Concat(const std::vector<std::string>& in);         // side by side
  std::string Flat(const std::string& in);                        // [rows, 1] -> [rows]
  std::string ArgMax(const std::string& in);                      // [rows, k] -> [rows]
  std::string Doubles(const std::vector<double>& values, const std::vector<std::int64_t>& dims);
  // A look-up of texts: doubles that are floats.
  std::string Encode(const std::string& in, const std::vector<std::string>& keys, const std::vector<double>& values, double other);
  std::string Label(const std::string& index, const std::vector<std::string>& classes);  // of whole numbers
  // The margins. failed_precondition for tests that trees in ONNX do not have.
  Result<std::string> Trees(const std::string& tile, const ForestSpec& spec);
  std::string Finish(std::string_view name);

 private:
  std::string Made() { return "t" + std::to_string(++made_); }
  std::string Add(std::string_view op, const std::vector<std::string>& in, const ProtoWriter& attributes, std::string_view domain = "");
  std::string Constant(const ProtoWriter& tensor, const std::string& name);
  int made_ = 0;
  ProtoWriter graph_;     // nodes
  ProtoWriter constants_, inputs_, outputs_;
};

}  // namespace tenon::model
