#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

// An ONNX file (onnx.proto3) as far as importing, checking and exporting need it. Field numbers and limits:
// docs/formats/onnx.md.
namespace tenon::platform {

// Dims and where the numbers lie; `numbers` are decoded when asked for.
struct OnnxTensor {
  std::string name;
  std::int64_t type = 0;
  std::vector<std::int64_t> dims;
  std::string_view message;                    // into the file
  Result<std::vector<double>> Numbers() const; // of float, double and whole types
};

struct OnnxAttribute {
  std::string name;
  double f = 0;
  std::int64_t i = 0;
  std::string s;
  std::vector<double> floats;
  std::vector<std::int64_t> ints;
  std::vector<std::string> strings;
  std::optional<OnnxTensor> tensor;
};

struct OnnxNode {
  std::string op, domain, name;
  std::vector<std::string> in, out;
  std::vector<OnnxAttribute> attributes;
  const OnnxAttribute* Find(std::string_view attribute) const;
  std::int64_t Int(std::string_view attribute, std::int64_t fallback) const;
  double Float(std::string_view attribute, double fallback) const;
  std::string Text(std::string_view attribute, std::string_view fallback) const;
  std::vector<double> Floats(std::string_view attribute) const;
  std::vector<std::int64_t> Ints(std::string_view attribute) const;
  std::vector<std::string> Texts(std::string_view attribute) const;
};

struct OnnxPort {
  std::string name;
  std::int64_t type = 0;             // 0: no tensor
  std::vector<std::int64_t> shape;   // -1: any
  bool ranked = false;               // whether the file says a shape
};

// Borrows the bytes.
struct OnnxFile {
  std::string_view bytes;
  std::string producer;
  std::vector<OnnxNode> nodes;
  std::vector<OnnxTensor> constants;
  std::vector<OnnxPort> inputs;      // without those that have a constant
  std::vector<OnnxPort> outputs;

  // Checks the whole file, subgraphs and functions included: well-formed, tensors as long as their dims say, no data outside
  // of the file, no ops but those of ONNX and ONNX Runtime. invalid_argument saying what is wrong and where.
  static Result<OnnxFile> Read(std::string_view bytes);
  const OnnxTensor* Constant(std::string_view name) const;
  const OnnxNode* Maker(std::string_view value) const;         // the node that makes a value, or null
  int Readers(std::string_view value) const;                   // how many node inputs and graph outputs read it
  // The file with the ZipMap nodes left out (lists of maps, which carry the names of classes and nothing else): their
  // inputs become the outputs. The same bytes when there are none.
  std::string WithoutMaps() const;
};

}  // namespace tenon::platform
