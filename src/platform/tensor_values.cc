#include "platform/tensor_values.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/json.h"
#include "base/text.h"

namespace tenon::platform {
namespace {

Error Wrong(std::string_view what) { return Error(Code::kInvalidArgument, std::string(what)); }

template <typename Visit>
Result<void> WithType(TensorType type, Visit visit) {
  switch (type) {
    case TensorType::kFloat: return visit(float{});
    case TensorType::kDouble: return visit(double{});
    case TensorType::kUint8: return visit(std::uint8_t{});
    case TensorType::kInt8: return visit(std::int8_t{});
    case TensorType::kUint16: return visit(std::uint16_t{});
    case TensorType::kInt16: return visit(std::int16_t{});
    case TensorType::kInt32: return visit(std::int32_t{});
    case TensorType::kInt64: return visit(std::int64_t{});
    case TensorType::kUint32: return visit(std::uint32_t{});
    case TensorType::kUint64: return visit(std::uint64_t{});
    case TensorType::kBool: return visit(bool{});
    case TensorType::kString: break;
  }
  return Wrong("its tensor holds strings, not numbers");
}

template <typename T>
Result<T> Fitted(double value) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(value);
  } else {
    if (std::isnan(value)) return Wrong(Str("is missing; the model takes whole numbers here, which cannot say so"));
    const double least = std::is_same_v<T, bool> ? 0 : static_cast<double>(std::numeric_limits<T>::min());
    const double most = std::is_same_v<T, bool> ? 1 : static_cast<double>(std::numeric_limits<T>::max());
    const bool within = value >= least && (sizeof(T) < 8 ? value <= most : value < most);
    if (!within || value != std::trunc(value)) {
      return Wrong(Str("is ", value, "; the model takes whole numbers of ", FormatDouble(least), " to ", FormatDouble(most)));
    }
    return static_cast<T>(value);
  }
}

Result<void> Flatten(const Json& json, std::span<const std::int64_t> shape, std::vector<double>* out) {
  if (shape.empty()) {
    if (!json.is_number()) return Wrong(Str("has ", json.KindName(), " where a number should be"));
    out->push_back(json.Number());
    return {};
  }
  if (!json.is_array()) return Wrong(Str("has ", json.KindName(), " where a list of ", shape[0], " should be"));
  if (static_cast<std::int64_t>(json.array().size()) != shape[0]) {
    return Wrong(Str("has a list of ", json.array().size(), " where one of ", shape[0], " should be"));
  }
  for (const Json& item : json.array()) TENON_TRY(Flatten(item, shape.subspan(1), out));
  return {};
}

std::int64_t CountOf(std::span<const std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) count *= dim;
  return count;
}

}  // namespace

Result<std::string> BytesFromBase64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t held = 0;
  int bits = 0;
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  for (const char c : text) {
    std::uint32_t value = 0;
    if (c >= 'A' && c <= 'Z') value = static_cast<std::uint32_t>(c - 'A');
    else if (c >= 'a' && c <= 'z') value = static_cast<std::uint32_t>(c - 'a') + 26;
    else if (c >= '0' && c <= '9') value = static_cast<std::uint32_t>(c - '0') + 52;
    else if (c == '+' || c == '-') value = 62;
    else if (c == '/' || c == '_') value = 63;
    else return Wrong("is neither base64 nor nested lists of numbers");
    held = held << 6 | value;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out.push_back(static_cast<char>(held >> bits & 0xFF));
  }
  return out;
}

Tensor NewTensor(TensorType type, std::vector<std::int64_t> shape) {
  Tensor out{.type = type, .shape = std::move(shape)};
  out.bytes.resize(static_cast<std::size_t>(CountOf(out.shape)) * BytesOf(type));
  return out;
}

Result<void> PutNumber(Tensor* tensor, std::size_t at, double value) {
  return WithType(tensor->type, [&](auto sample) -> Result<void> {
    TENON_ASSIGN(const auto fitted, Fitted<decltype(sample)>(value));
    std::memcpy(tensor->bytes.data() + at * sizeof fitted, &fitted, sizeof fitted);
    return {};
  });
}

Result<std::vector<double>> TensorFromText(std::string_view text, std::span<const std::int64_t> shape, TensorType type) {
  std::vector<double> out;
  const auto count = static_cast<std::size_t>(CountOf(shape));
  out.reserve(count);
  const std::string_view trimmed = Trim(text);
  if (trimmed.starts_with('[')) {
    TENON_ASSIGN(const Json json, Json::Parse(trimmed, "the lists"));
    TENON_TRY(Flatten(json, shape, &out));
    return out;
  }
  TENON_ASSIGN(const std::string bytes, BytesFromBase64(trimmed));
  const std::size_t size = BytesOf(type);
  if (bytes.size() != count * size) {
    return Wrong(Str("has ", bytes.size(), " bytes; a tensor of ", count, " ", NameOf(type), " has ", count * size));
  }
  auto read = WithType(type, [&](auto sample) -> Result<void> {
    using T = decltype(sample);
    for (std::size_t i = 0; i < count; ++i) {
      if constexpr (std::is_same_v<T, bool>) {
        out.push_back(bytes[i] != 0 ? 1 : 0);
      } else {
        T value;
        std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
        out.push_back(static_cast<double>(value));
      }
    }
    return {};
  });
  TENON_TRY(std::move(read));
  return out;
}

Result<std::vector<float>> FloatsOf(const Tensor& tensor, std::string_view name) {
  std::vector<float> out;
  auto read = WithType(tensor.type, [&](auto sample) -> Result<void> {
    for (const auto value : tensor.As<decltype(sample)>()) out.push_back(static_cast<float>(value));
    return {};
  });
  TENON_TRY(std::move(read), std::string(name));
  return out;
}

}  // namespace tenon::platform
