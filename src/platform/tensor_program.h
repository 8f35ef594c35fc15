#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tenon::platform {

// Types of tensors' elements, with ONNX's numbers. Half floats and the like have no type here.
enum class TensorType : std::uint8_t {
  kFloat = 1, kUint8 = 2, kInt8 = 3, kUint16 = 4, kInt16 = 5, kInt32 = 6, kInt64 = 7, kString = 8, kBool = 9, kDouble = 11,
  kUint32 = 12, kUint64 = 13,
};
std::string_view NameOf(TensorType type);          // "float", "uint8", ...
std::size_t BytesOf(TensorType type);              // of an element; 0: of a string
bool KnownTensorType(std::int64_t onnx_number);

// A row-major array; numbers lie in `bytes` as the machine holds them, strings in `texts`.
struct Tensor {
  TensorType type = TensorType::kFloat;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
  std::vector<std::string_view> texts;             // of an input; they live until the run is over
  std::vector<std::string> made;                   // of an output
  template <typename T>
  std::span<T> As() { return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)}; }
  template <typename T>
  std::span<const T> As() const { return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)}; }
};

// A program over tensors, as other makers' tools write them: an ONNX file, run by ONNX Runtime, which is loaded when the
// first is opened (tools/setup.sh onnx installs it). Immutable: any number of threads may run it at once, each on its own
// core. The same inputs give the same bits on the same machine, whatever else runs.
class TensorProgram {
 public:
  struct Port {
    std::string name;
    TensorType type = TensorType::kFloat;
    std::vector<std::int64_t> shape;               // -1: any
  };

  virtual ~TensorProgram() = default;
  // `onnx` is only read during the call. It must be checked before: files named in it would be read (platform/onnx_file.h does).
  // unavailable when the library is missing, saying how to get it; invalid_argument with the runtime's words when it refuses
  // the model; resource_exhausted when the model wants more memory than a model may have (4 GB for all of a process).
  static Result<std::shared_ptr<const TensorProgram>> Load(std::string_view onnx);
  // The runtime's version, "1.32.0"; unavailable as for Load.
  static Result<std::string> Version();

  virtual const std::vector<Port>& inputs() const = 0;
  virtual const std::vector<Port>& outputs() const = 0;
  // One tensor an input, in order, and the names of the outputs wanted. invalid_argument with the runtime's words when the
  // program fails on these values; cancelled when `stop` is asked for meanwhile.
  virtual Result<std::vector<Tensor>> Run(std::span<const Tensor> in, std::span<const std::string> wanted,
                                          const std::stop_token& stop = {}) const = 0;
};

}  // namespace tenon::platform
