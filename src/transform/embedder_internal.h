#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/tensor_program.h"
#include "transform/op.h"
#include "transform/picture_internal.h"
#include "transform/wordpieces_internal.h"

namespace tenon::transform {

struct EmbeddingSettings {
  enum class Pool : std::uint8_t { kMean, kFirst, kAll };
  std::string output;       // of the model; "": its first
  Pool pool = Pool::kMean;
  bool norm = false;
  bool lower = true;
  std::int64_t length = 256;  // most pieces of a text
  PictureSettings picture;    // how a PNG or JPEG becomes what the network takes
};

// A network of another maker that turns the values of a row into a vector: an ONNX file, with the vocabulary its texts are
// cut by. Immutable; Run may be called from any thread. The same row gives the same bits on the same machine.
class Embedder {
 public:
  // `vocabulary` may be null. Checks the file before the runtime sees it. unavailable when the runtime is not installed.
  static Result<std::shared_ptr<const Embedder>> Make(const EmbeddingSettings& settings, std::shared_ptr<const std::string> onnx,
                                                      std::shared_ptr<const std::string> vocabulary);
  // Whether these inputs can be handed to the network: invalid_argument naming the input and what it takes.
  Result<void> Check(std::span<const Port> in) const;
  // What it gives for an empty text or zeros: its width. invalid_argument with the runtime's words.
  Result<int> Width(std::span<const Port> in) const;
  // invalid_argument when the row cannot be turned into tensors; nothing is run.
  Result<void> Readable(std::span<const Lane> in, std::span<const int> widths, std::int64_t row) const;
  // Whether the value is a picture that can be read; decodes it.
  Result<void> CheckPicture(std::string_view value) const { return PictureReadable(settings_.picture, value); }
  // The row's vector. Not for missing texts.
  Result<std::vector<float>> Run(std::span<const Lane> in, std::span<const int> widths, std::int64_t row) const;

  const std::string& onnx() const { return *onnx_; }
  const std::string* vocabulary() const { return vocabulary_.get(); }

 private:
  using Port = transform::Port;
  Result<std::vector<platform::Tensor>> Tensors(std::span<const Lane> in, std::span<const int> widths, std::int64_t row, std::size_t* pieces) const;
  std::vector<platform::Tensor> PieceTensors(std::string_view text, std::size_t* pieces) const;
  Result<std::vector<float>> Pooled(const platform::Tensor& tensor, std::size_t pieces) const;
  bool takes_texts() const { return pieces_ != nullptr || program_->inputs()[0].type == platform::TensorType::kString; }

  EmbeddingSettings settings_;
  std::shared_ptr<const std::string> onnx_, vocabulary_;
  std::shared_ptr<const platform::TensorProgram> program_;
  std::shared_ptr<const WordPieces> pieces_;
  PictureShape picture_;  // what it takes, when it is given pictures
  std::string output_;
};

}  // namespace tenon::transform
