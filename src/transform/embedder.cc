#include "transform/embedder_internal.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "platform/onnx_file.h"
#include "platform/tensor_values.h"

namespace tenon::transform {
namespace {

using platform::Tensor;
using platform::TensorProgram;
using platform::TensorType;

Error Wrong(std::string_view what) { return Error(Code::kInvalidArgument, std::string(what)); }

enum class Role : std::uint8_t { kIds, kMask, kKinds };

// What an input of a network over pieces is, by the name that exporters give it.
Role RoleOf(const TensorProgram::Port& port) {
  const std::string low = ToLower(port.name);
  if (low.find("mask") != std::string::npos) return Role::kMask;
  return low.find("type") != std::string::npos || low.find("segment") != std::string::npos ? Role::kKinds : Role::kIds;
}

// The shape of one row, the first dimension being the rows.
std::vector<std::int64_t> RowShape(const TensorProgram::Port& port) {
  std::vector<std::int64_t> shape = port.shape;
  if (!shape.empty()) shape[0] = 1;
  return shape;
}

std::string Shown(const std::vector<std::int64_t>& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += Str(i > 0 ? ", " : "", shape[i] < 0 ? std::string("any") : std::to_string(shape[i]));
  return out + "]";
}

// Numbers a row has; -1: as many as there are.
std::int64_t CountOf(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) {
    if (dim < 0) return -1;
    count *= dim;
  }
  return count;
}

}  // namespace

Result<std::shared_ptr<const Embedder>> Embedder::Make(const EmbeddingSettings& settings, std::shared_ptr<const std::string> onnx,
                                                       std::shared_ptr<const std::string> vocabulary) {
  auto out = std::make_shared<Embedder>();
  out->settings_ = settings;
  TENON_TRY(platform::OnnxFile::Read(*onnx));
  TENON_ASSIGN(out->program_, TensorProgram::Load(*onnx));
  if (vocabulary != nullptr) {
    TENON_ASSIGN(out->pieces_, WordPieces::Make(*vocabulary, settings.lower));
  }
  out->onnx_ = std::move(onnx);
  out->vocabulary_ = std::move(vocabulary);
  std::vector<std::string> names;
  for (const auto& port : out->program_->outputs()) names.push_back(port.name);
  if (names.empty()) return Wrong("the model has no outputs");
  out->output_ = settings.output.empty() ? names[0] : settings.output;
  const auto at = std::find(names.begin(), names.end(), out->output_);
  if (at == names.end()) return Wrong(Str("the model has no output '", out->output_, "'", DidYouMean(out->output_, names)));
  if (out->program_->outputs()[static_cast<std::size_t>(at - names.begin())].type == TensorType::kString) {
    return Wrong(Str("the model's output '", out->output_, "' is texts; an embedding is numbers"));
  }
  const auto& inputs = out->program_->inputs();
  if (settings.picture.on()) {
    if (out->pieces_ != nullptr) return Wrong("`vocabulary` is for texts and `image` for pictures; the model takes one of both");
    if (inputs.size() == 1) {
      TENON_ASSIGN(out->picture_, PictureShapeOf(settings.picture, inputs[0]));
    }
  }
  if (out->pieces_ == nullptr) {
    if (inputs.size() == 1) return std::shared_ptr<const Embedder>(std::move(out));
    std::vector<std::string> taken;
    for (const auto& port : inputs) taken.push_back(port.name);
    return Wrong(Str("the model has ", inputs.size(), " inputs (", Join(taken, ", "), "); one is expected, or a vocabulary for one that reads pieces of texts"));
  }
  int ids = 0;
  for (const auto& port : inputs) {
    ids += RoleOf(port) == Role::kIds ? 1 : 0;
    if ((port.type == TensorType::kInt64 || port.type == TensorType::kInt32) && port.shape.size() == 2) continue;
    return Wrong(Str("the model's input '", port.name, "' is ", platform::NameOf(port.type), " ", Shown(port.shape),
                     "; one over pieces of texts takes whole numbers [rows, pieces]. Leave the vocabulary out"));
  }
  if (ids != 1) return Wrong(Str("the model has ", ids, " inputs that could be the pieces of a text, expected one beside a mask and types"));
  return std::shared_ptr<const Embedder>(std::move(out));
}

Result<void> Embedder::Check(std::span<const Port> in) const {
  const TensorProgram::Port& wanted = program_->inputs()[0];
  if (in.empty()) return Wrong("it needs an input");
  const bool text = in[0].kind == Port::Kind::kText;
  for (const Port& port : in) {
    if ((port.kind == Port::Kind::kText) != text) return Wrong(Str("inputs '", in[0].name, "' and '", port.name, "' are a text and no text; the model takes one of both"));
  }
  if (text && in.size() > 1) return Wrong(Str("it takes one text, got ", in.size(), "; use it once for each"));
  if (takes_texts()) {
    return text ? Result<void>() : Result<void>(Wrong(Str("input '", in[0].name, "' is a number; the model takes a text")));
  }
  if (settings_.picture.on()) {
    return text ? Result<void>() : Result<void>(Wrong(Str("input '", in[0].name, "' is no text; pictures come as base64, or by name of their files (`files:` under `data:`)")));
  }
  const std::vector<std::int64_t> shape = RowShape(wanted);
  const std::int64_t count = CountOf(shape);
  if (text) {
    if (count > 0) return {};
    return Wrong(Str("the model takes ", platform::NameOf(wanted.type), " ", Shown(wanted.shape), ", of which the sizes are not known, so that '", in[0].name,
                     "' cannot be read as an image or list; for PNG and JPEG say `image:`, for texts the vocabulary they are cut by"));
  }
  std::int64_t given = 0;
  for (const Port& port : in) given += port.kind == Port::Kind::kVector ? port.width : 1;
  if (count < 0 ? shape.size() == 2 || shape.size() == 1 : count == given) return {};
  return Wrong(Str("the model takes ", platform::NameOf(wanted.type), " ", Shown(wanted.shape), ", and the inputs are ", given, " numbers"));
}

std::vector<Tensor> Embedder::PieceTensors(std::string_view text, std::size_t* pieces) const {
  std::vector<std::int64_t> ids;
  const auto& inputs = program_->inputs();
  std::size_t most = static_cast<std::size_t>(settings_.length);
  std::size_t fixed = 0;
  for (const auto& port : inputs) {
    if (port.shape[1] > 0) fixed = static_cast<std::size_t>(port.shape[1]);
  }
  if (fixed > 0) most = std::max<std::size_t>(2, std::min(most, fixed));
  pieces_->Encode(text, most, &ids);
  *pieces = ids.size();
  ids.resize(std::max(ids.size(), fixed));
  std::vector<Tensor> out;
  for (const auto& port : inputs) {
    Tensor tensor = platform::NewTensor(port.type, {1, static_cast<std::int64_t>(ids.size())});
    const Role role = RoleOf(port);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const std::int64_t value = role == Role::kIds ? ids[i] : role == Role::kMask && i < *pieces ? 1 : 0;
      if (port.type == TensorType::kInt64) {
        tensor.As<std::int64_t>()[i] = value;
      } else {
        tensor.As<std::int32_t>()[i] = static_cast<std::int32_t>(value);
      }
    }
    out.push_back(std::move(tensor));
  }
  return out;
}

Result<std::vector<Tensor>> Embedder::Tensors(std::span<const Lane> in, std::span<const int> widths, std::int64_t row, std::size_t* pieces) const {
  const TensorProgram::Port& port = program_->inputs()[0];
  const bool text = in[0].numbers == nullptr && in[0].vectors == nullptr;
  if (pieces_ != nullptr) return PieceTensors(in[0].Text(row), pieces);
  if (settings_.picture.on()) {
    std::vector<Tensor> out(1);
    TENON_ASSIGN(out[0], PictureTensor(settings_.picture, picture_, port.type, in[0].Text(row)));
    return out;
  }
  std::vector<std::int64_t> shape = RowShape(port);
  if (port.type == TensorType::kString) {
    for (std::int64_t& dim : shape) dim = 1;
    std::vector<Tensor> out(1);
    out[0].type = TensorType::kString;
    out[0].shape = std::move(shape);
    out[0].texts.push_back(in[0].Text(row));
    return out;
  }
  std::vector<double> values;
  if (text) {
    TENON_ASSIGN(values, platform::TensorFromText(in[0].Text(row), std::span(shape).subspan(shape.empty() ? 0 : 1), port.type));
  } else {
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (in[i].numbers != nullptr) {
        values.push_back(in[i].numbers[row]);
      } else {
        const float* from = in[i].vectors + row * in[i].stride;
        values.insert(values.end(), from, from + widths[i]);
      }
    }
    if (CountOf(shape) < 0) shape.back() = static_cast<std::int64_t>(values.size());
  }
  std::vector<Tensor> out;
  out.push_back(platform::NewTensor(port.type, std::move(shape)));
  for (std::size_t i = 0; i < values.size(); ++i) TENON_TRY(platform::PutNumber(&out[0], i, values[i]));
  return out;
}

Result<void> Embedder::Readable(std::span<const Lane> in, std::span<const int> widths, std::int64_t row) const {
  if (takes_texts()) return {};
  std::size_t pieces = 0;
  TENON_TRY(Tensors(in, widths, row, &pieces));
  return {};
}

// [1, pieces, width] over the pieces, [1, channels, height, width] over the places of an image.
Result<std::vector<float>> Embedder::Pooled(const Tensor& tensor, std::size_t pieces) const {
  TENON_ASSIGN(std::vector<float> values, platform::FloatsOf(tensor, output_));
  using Pool = EmbeddingSettings::Pool;
  const std::size_t rank = tensor.shape.size();
  if (settings_.pool != Pool::kAll && rank >= 3 && !values.empty()) {
    const bool image = rank >= 4;
    const auto groups = static_cast<std::size_t>(tensor.shape[1]);
    const std::size_t each = values.size() / groups;
    const std::size_t width = image ? groups : each;
    const std::size_t places = settings_.pool == Pool::kFirst ? 1 : image ? each : pieces > 0 ? std::min(pieces, groups) : groups;
    std::vector<double> sums(width);
    for (std::size_t k = 0; k < width; ++k) {
      for (std::size_t at = 0; at < places; ++at) sums[k] += static_cast<double>(image ? values[k * each + at] : values[at * each + k]);
    }
    values.resize(width);
    for (std::size_t k = 0; k < width; ++k) values[k] = static_cast<float>(sums[k] / static_cast<double>(places));
  }
  if (!settings_.norm) return values;
  double squares = 0;
  for (const float value : values) squares += static_cast<double>(value) * static_cast<double>(value);
  if (!(squares > 0) || !std::isfinite(squares)) return values;
  for (float& value : values) value = static_cast<float>(static_cast<double>(value) / std::sqrt(squares));
  return values;
}

Result<std::vector<float>> Embedder::Run(std::span<const Lane> in, std::span<const int> widths, std::int64_t row) const {
  std::size_t pieces = 0;
  TENON_ASSIGN(const std::vector<Tensor> tensors, Tensors(in, widths, row, &pieces));
  TENON_ASSIGN(const std::vector<Tensor> answered, program_->Run(tensors, {&output_, 1}));
  return Pooled(answered[0], pieces);
}

Result<int> Embedder::Width(std::span<const Port> in) const {
  std::vector<Tensor> tensors;
  std::size_t pieces = 0;
  if (takes_texts()) {
    std::string_view empty("");
    const Lane lane{.texts = &empty};
    TENON_ASSIGN(tensors, Tensors({&lane, 1}, {}, 0, &pieces));
  } else {
    const TensorProgram::Port& port = program_->inputs()[0];
    std::vector<std::int64_t> shape = settings_.picture.on() ? picture_.dims() : RowShape(port);
    std::int64_t given = 0;
    for (const Port& one : in) given += one.kind == Port::Kind::kVector ? one.width : 1;
    if (CountOf(shape) < 0) shape.back() = given;
    tensors.push_back(platform::NewTensor(port.type, std::move(shape)));
  }
  TENON_ASSIGN(const std::vector<Tensor> answered, program_->Run(tensors, {&output_, 1}), "trying the model");
  TENON_ASSIGN(const std::vector<float> values, Pooled(answered[0], pieces));
  if (values.empty() || values.size() > 1 << 16) return Wrong(Str("the model's output '", output_, "' has ", values.size(), " numbers a row; 1 to 65536 are expected"));
  return static_cast<int>(values.size());
}

}  // namespace tenon::transform
