#include "edge/oip_tensor_internal.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/base64.h"
#include "base/text.h"

namespace tenon::edge {
namespace {

constexpr std::array<OipDatatype, 14> kDatatypes = {{{"BOOL", OipFamily::kBool, 1, 1},
                                                     {"UINT8", OipFamily::kUint, 1, 2},
                                                     {"UINT16", OipFamily::kUint, 2, 3},
                                                     {"UINT32", OipFamily::kUint, 4, 4},
                                                     {"UINT64", OipFamily::kUint, 8, 5},
                                                     {"INT8", OipFamily::kInt, 1, 6},
                                                     {"INT16", OipFamily::kInt, 2, 7},
                                                     {"INT32", OipFamily::kInt, 4, 8},
                                                     {"INT64", OipFamily::kInt, 8, 9},
                                                     {"FP16", OipFamily::kHalf, 2, 10},
                                                     {"FP32", OipFamily::kFloat, 4, 11},
                                                     {"FP64", OipFamily::kFloat, 8, 12},
                                                     {"BYTES", OipFamily::kBytes, 0, 13},
                                                     {"BF16", OipFamily::kBrain, 2, 14}}};

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr double kMostWhole = 9223372036854775808.0;

Error Bad(std::string text) { return Error(Code::kInvalidArgument, std::move(text)); }

std::uint64_t Little(const char* bytes, std::size_t size) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes, size);
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value) >> (64 - 8 * size);
  return value;
}

// IEEE 754 binary16.
double HalfValue(std::uint32_t bits) {
  const double sign = (bits & 0x8000U) != 0 ? -1 : 1;
  const int exponent = static_cast<int>(bits >> 10 & 31U);
  const auto fraction = static_cast<double>(bits & 0x3ffU);
  if (exponent == 31) return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : kMissing;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(fraction + 1024, exponent - 25);
}

// One element of `type.bytes` bytes.
double RawNumber(const char* at, const OipDatatype& type) {
  const std::uint64_t bits = Little(at, type.bytes);
  switch (type.family) {
    case OipFamily::kFloat:
      return type.bytes == 4 ? static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits))) : std::bit_cast<double>(bits);
    case OipFamily::kHalf: return HalfValue(static_cast<std::uint32_t>(bits));
    case OipFamily::kBrain: return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16));
    case OipFamily::kInt: {
      const int unused = 64 - 8 * static_cast<int>(type.bytes);
      return static_cast<double>(static_cast<std::int64_t>(bits << unused) >> unused);
    }
    default: return static_cast<double>(bits);
  }
}

// An element as its bytes, little-endian. Whole numbers of a range that CheckOipElements has looked at.
void AppendElement(double value, const OipDatatype& type, std::string* out) {
  std::uint64_t bits = 0;
  switch (type.family) {
    case OipFamily::kFloat: bits = type.bytes == 4 ? std::bit_cast<std::uint32_t>(static_cast<float>(value)) : std::bit_cast<std::uint64_t>(value); break;
    case OipFamily::kInt: bits = static_cast<std::uint64_t>(static_cast<std::int64_t>(std::clamp(value, -kMostWhole, 9223372036854774784.0))); break;
    default: bits = static_cast<std::uint64_t>(std::clamp(value, 0.0, 18446744073709549568.0));
  }
  for (std::size_t i = 0; i < type.bytes; ++i) out->push_back(static_cast<char>(bits >> (8 * i)));
}

bool Fits(OipFamily family, table::Type type) {
  switch (type) {
    case table::Type::kBool: return family == OipFamily::kBool;
    case table::Type::kString:
    case table::Type::kTimestamp: return family == OipFamily::kBytes;
    default: return family != OipFamily::kBool && family != OipFamily::kBytes;
  }
}

bool IsNumber(table::Type type) { return type == table::Type::kFloat64 || type == table::Type::kInt64; }

// What a field takes without anybody having to be told.
struct Plain {
  explicit Plain(const serve::Served::Field& field) : required(field.required), whole(field.type == table::Type::kInt64) {
    if (field.least == 0 && field.most == 0) return;
    least = field.least;
    most = field.most;
  }
  bool Takes(double value) const {
    if (!(value >= least && value <= most)) return std::isnan(value) && !required;
    return !whole || (std::trunc(value) == value && std::abs(value) <= kMostWhole);
  }
  bool required, whole;
  double least = -std::numeric_limits<double>::infinity(), most = std::numeric_limits<double>::infinity();
};

template <typename Load>
bool CopyNumbers(const Plain& plain, std::size_t n, double* out, Load load) {
  bool good = true;
  for (std::size_t i = 0; i < n; ++i) {
    const double value = load(i);
    good &= plain.Takes(value);
    out[i] = std::isnan(value) ? kMissing : value;
  }
  return good;
}

}  // namespace

const OipDatatype* OipDatatypeNamed(std::string_view name) {
  for (const OipDatatype& type : kDatatypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

std::span<const std::int64_t> OipShapeOf(const serve::Served::Field& field) {
  return field.element.empty() ? std::span<const std::int64_t>() : std::span<const std::int64_t>(field.shape);
}

std::string_view OipDatatypeOf(const serve::Served::Field& field) {
  if (!OipShapeOf(field).empty()) {
    if (field.element == "float") return "FP32";
    if (field.element == "double") return "FP64";
    for (const OipDatatype& type : kDatatypes) {
      if (ToLower(type.name) == field.element) return type.name;
    }
  }
  return OipDatatypeOf(field.type);
}

std::string_view OipDatatypeOf(table::Type type) {
  switch (type) {
    case table::Type::kBool: return "BOOL";
    case table::Type::kInt64: return "INT64";
    case table::Type::kFloat64: return "FP64";
    default: return "BYTES";
  }
}

double OipRawNumber(const OipTensor& tensor, std::size_t i) {
  return RawNumber(tensor.raw.data() + i * tensor.type->bytes, *tensor.type);
}

void OipRequest::Clear() {
  constexpr std::size_t kMostKept = 1 << 16;
  model = version = id = {};
  inputs.clear();
  raws.clear();
  if (elements.capacity() > kMostKept) elements = {};
  elements.clear();
  made.clear();
  timeout = 0;
  outputs.clear();
  binary_outputs = false;
  all_outputs = true;
}

Result<void> OipTensor::AddSize(std::int64_t size) {
  constexpr std::int64_t kMost = 1 << 28;
  if (dims == kMostDims) return Bad(Str("input '", name, "' has more than ", kMostDims, " dimensions"));
  if (size < 0) return Bad(Str("input '", name, "': the shape has a size that is not 0 or more"));
  if (size > kMost || (count *= size) > kMost) return Bad(Str("input '", name, "' is too large"));
  shape[static_cast<std::size_t>(dims++)] = size;
  return {};
}

Result<void> SetOipRaw(OipRequest& request, OipTensor& tensor, std::string_view raw) {
  if (tensor.type->bytes != 0) {
    const std::size_t wanted = static_cast<std::size_t>(tensor.count) * tensor.type->bytes;
    if (raw.size() != wanted) return Bad(Str("input '", tensor.name, "' has ", raw.size(), " bytes where its shape needs ", wanted));
    tensor.is_raw = true;
    tensor.raw = raw;
    return {};
  }
  tensor.first = request.elements.size();
  for (std::int64_t i = 0; i < tensor.count; ++i) {
    const std::size_t size = raw.size() < 4 ? raw.size() : static_cast<std::size_t>(Little(raw.data(), 4));
    if (raw.size() < 4 || size > raw.size() - 4) return Bad(Str("input '", tensor.name, "': its bytes end within element ", i));
    const std::string_view text = raw.substr(4, size);
    request.elements.push_back({IsUtf8(text) ? OipElement::Kind::kText : OipElement::Kind::kBytes, 0, text});
    raw.remove_prefix(4 + size);
  }
  if (!raw.empty()) return Bad(Str("input '", tensor.name, "' has ", raw.size(), " bytes too many"));
  return {};
}

Result<void> CheckOipElements(const OipRequest& request, const OipTensor& tensor) {
  const std::size_t n = request.elements.size() - tensor.first;
  if (static_cast<std::int64_t>(n) != tensor.count) {
    return Bad(Str("input '", tensor.name, "' has ", n, " elements where its shape needs ", tensor.count));
  }
  const bool is_signed = tensor.type->family == OipFamily::kInt;
  if (!is_signed && tensor.type->family != OipFamily::kUint) return {};
  const int bits = 8 * static_cast<int>(tensor.type->bytes) - (is_signed ? 1 : 0);
  const double most = std::ldexp(1.0, bits);  // rounded for 64 bits, where larger ones do not come
  for (std::size_t i = tensor.first; i < request.elements.size(); ++i) {
    const OipElement& element = request.elements[i];
    if (element.kind != OipElement::Kind::kNumber) continue;
    if (element.number >= (is_signed ? -most : 0) && (bits >= 63 ? element.number <= most : element.number < most)) continue;
    return Bad(Str("input '", tensor.name, "': ", element.number, " is no ", tensor.type->name));
  }
  return {};
}

Result<void> ReadOipRawBody(std::string_view body, const serve::Served& served, OipRequest* out) {
  if (served.fields.size() != 1) {
    return Bad(Str("a body of tensor bytes alone is for models of one input; this one has ", served.fields.size(),
                   ", so Inference-Header-Content-Length must be the size of the JSON part"));
  }
  OipTensor tensor;
  tensor.name = served.fields[0].name;
  tensor.type = OipDatatypeNamed(OipDatatypeOf(served.fields[0]));
  TENON_TRY(tensor.AddSize(1));
  for (const std::int64_t size : OipShapeOf(served.fields[0])) TENON_TRY(tensor.AddSize(size));
  TENON_TRY(SetOipRaw(*out, tensor, body));
  out->inputs.push_back(tensor);
  out->binary_outputs = true;
  return {};
}

Result<void> OipRows::BindTile(const OipTensor& tensor, const serve::Served& served) {
  const std::size_t width = served.fields.size();
  if (tensor.dims != 2 || tensor.shape[1] != static_cast<std::int64_t>(width) || !Fits(tensor.type->family, table::Type::kFloat64)) {
    return Bad(Str("'input' must be numbers of shape [n, ", width, "]"));
  }
  rows_ = tensor.shape[0];
  sources_.resize(width);
  for (std::size_t i = 0; i < width; ++i) sources_[i] = {&tensor, static_cast<int>(i), i, width};
  std::ranges::fill(given_, std::uint8_t{1});
  return {};
}

namespace {

Result<void> TakeBytes(const serve::Served::Field& field, const OipTensor& tensor, OipRequest* request) {
  if (tensor.is_raw) return {};
  for (std::size_t i = 0; i < static_cast<std::size_t>(tensor.count); ++i) {
    OipElement& element = request->elements[tensor.first + i];
    if (element.kind != OipElement::Kind::kBytes) continue;
    if (!field.bytes) return Bad(Str("input '", tensor.name, "': element ", i, " is not UTF-8"));
    element = {OipElement::Kind::kText, 0, request->made.emplace_back(ToBase64(element.text))};
  }
  return {};
}

}  // namespace

Result<void> OipRows::Bind(OipRequest& request, const serve::RowReader& reader) {
  const serve::Served& served = reader.served();
  request_ = &request;
  sources_.clear();
  held_.clear();
  given_.assign(served.fields.size(), 0);
  if (request.inputs.empty()) return Bad("the request has no inputs");
  const OipTensor& first = request.inputs.front();
  if (request.inputs.size() == 1 && first.name == "input" && reader.slots().Find(first.name) < 0 &&
      std::ranges::all_of(served.fields, IsNumber, &serve::Served::Field::type)) {
    return BindTile(first, served);
  }
  rows_ = first.dims == 0 ? 0 : first.shape[0];
  for (const OipTensor& tensor : request.inputs) {
    const auto place = static_cast<std::size_t>(&tensor - &first);  // most name the fields in their order
    const bool in_order = place < served.fields.size() && served.fields[place].name == tensor.name;
    const int slot = in_order ? static_cast<int>(place) : reader.slots().Find(tensor.name);
    if (slot < 0 && std::ranges::find(served.passed, tensor.name) != served.passed.end()) continue;
    if (slot < 0) return Bad(Str("no input '", tensor.name, "'", DidYouMean(tensor.name, reader.slots().Names())));
    std::uint8_t& given = given_[static_cast<std::size_t>(slot)];
    if (given != 0) return Bad(Str("input '", tensor.name, "' is given twice"));
    given = 1;
    const serve::Served::Field& field = served.fields[static_cast<std::size_t>(slot)];
    if (!OipShapeOf(field).empty() && tensor.type->family != OipFamily::kBytes) {
      TENON_TRY(BindWhole(tensor, slot, field));
      continue;
    }
    if (!Fits(tensor.type->family, field.type)) {
      return Bad(Str("input '", tensor.name, "' is ", tensor.type->name, "; expected ", OipDatatypeOf(field)));
    }
    if (tensor.dims != 1 && (tensor.dims != 2 || tensor.shape[1] != 1)) {
      return Bad(Str("input '", tensor.name, "' must have the shape [n] or [n, 1]"));
    }
    if (tensor.shape[0] != rows_) {
      return Bad(Str("input '", tensor.name, "' has ", tensor.shape[0], " rows, '", first.name, "' has ", rows_));
    }
    TENON_TRY(TakeBytes(served.fields[static_cast<std::size_t>(slot)], tensor, &request));
    sources_.push_back({&tensor, slot, 0, 1});
  }
  return {};
}

Result<void> OipRows::BindWhole(const OipTensor& tensor, int slot, const serve::Served::Field& field) {
  const std::span<const std::int64_t> wanted = OipShapeOf(field), got(tensor.shape.data(), static_cast<std::size_t>(tensor.dims));
  if (got.empty() || !std::ranges::equal(got.subspan(1), wanted) || tensor.type->name != OipDatatypeOf(field)) {
    const auto sizes = [](std::span<const std::int64_t> shape) {
      std::string out;
      for (const std::int64_t size : shape) out += Str(out.empty() ? "" : ", ", size);
      return out;
    };
    return Bad(Str("input '", tensor.name, "' is ", tensor.type->name, " of shape [", sizes(got), "]; expected ", OipDatatypeOf(field), " of shape [n, ", sizes(wanted), "]"));
  }
  if (got[0] != rows_) return Bad(Str("input '", tensor.name, "' has ", got[0], " rows, the first input has ", rows_));
  const std::size_t elements = rows_ == 0 ? 0 : static_cast<std::size_t>(tensor.count / rows_), size = tensor.type->bytes;
  sources_.push_back({&tensor, slot, 0, 1, static_cast<std::ptrdiff_t>(held_.size())});
  std::string bytes;
  for (std::size_t row = 0; row < static_cast<std::size_t>(rows_); ++row) {
    if (tensor.is_raw) {
      held_.push_back(ToBase64(tensor.raw.substr(row * elements * size, elements * size)));
      continue;
    }
    bytes.clear();
    for (std::size_t i = 0; i < elements; ++i) {
      const OipElement& element = request_->elements[tensor.first + row * elements + i];
      if (element.kind != OipElement::Kind::kNumber && element.kind != OipElement::Kind::kBool) return Bad(Str("input '", tensor.name, "': element ", row * elements + i, " is no number"));
      AppendElement(element.number, *tensor.type, &bytes);
    }
    held_.push_back(ToBase64(bytes));
  }
  return {};
}

void OipRows::Fill(std::int64_t from, std::int64_t n, serve::Session& session) const {
  if (FillColumns(from, n, session)) return;
  // Something about these rows has to be told or counted: each goes the way of rows.
  session.rows().Clear();
  serve::RowReader& reader = session.reader();
  for (std::int64_t row = from; row < from + n && reader.errors().size() < serve::RowReader::kMostErrors; ++row) {
    if (ReadRow(row, reader)) session.rows().Add(reader.row());
  }
}

bool OipRows::FillColumns(std::int64_t from, std::int64_t n, serve::Session& session) const {
  const auto& fields = session.served().fields;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (given_[i] == 0 && fields[i].required) return false;
  }
  session.rows().Reset(static_cast<std::size_t>(n));
  return std::ranges::all_of(sources_, [&](const Source& source) { return FillColumn(source, from, n, session); });
}

bool OipRows::FillColumn(const Source& source, std::int64_t from, std::int64_t n, serve::Session& session) const {
  const OipTensor& tensor = *source.tensor;
  const serve::Served::Field& field = session.served().fields[static_cast<std::size_t>(source.slot)];
  const auto rows = static_cast<std::size_t>(n);
  const std::size_t start = static_cast<std::size_t>(from) * source.stride + source.offset;
  if (source.held >= 0) {
    std::string_view* whole = session.rows().texts(source.slot);
    for (std::size_t i = 0; i < rows; ++i) {
      whole[i] = held_[static_cast<std::size_t>(source.held + from) + i];
      if (!session.reader().slots().Allows(source.slot, whole[i])) return false;
    }
    return true;
  }
  double* numbers = session.rows().numbers(source.slot);
  const Plain plain(field);
  if (tensor.is_raw) {
    const std::size_t step = source.stride * tensor.type->bytes;
    const char* at = tensor.raw.data() + start * tensor.type->bytes;
    if (tensor.type->family == OipFamily::kBool) {
      for (std::size_t i = 0; i < rows; ++i) numbers[i] = at[i * step] != 0 ? 1 : 0;
      return true;
    }
    const bool is_float = tensor.type->family == OipFamily::kFloat;
    if (is_float && tensor.type->bytes == 4) {
      return CopyNumbers(plain, rows, numbers, [=](std::size_t i) {
        return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(Little(at + i * step, 4))));
      });
    }
    if (is_float) {
      return CopyNumbers(plain, rows, numbers, [=](std::size_t i) { return std::bit_cast<double>(Little(at + i * step, 8)); });
    }
    return CopyNumbers(plain, rows, numbers, [&](std::size_t i) { return RawNumber(at + i * step, *tensor.type); });
  }
  const OipElement* elements = request_->elements.data() + tensor.first + start;
  if (IsNumber(field.type)) {
    bool good = true;
    for (std::size_t i = 0; i < rows; ++i) good &= elements[i * source.stride].kind == OipElement::Kind::kNumber;
    return good && CopyNumbers(plain, rows, numbers, [=](std::size_t i) { return elements[i * source.stride].number; });
  }
  std::string_view* texts = session.rows().texts(source.slot);
  for (std::size_t i = 0; i < rows; ++i) {
    const OipElement& element = elements[i];
    if (field.type == table::Type::kBool && element.kind == OipElement::Kind::kBool) {
      numbers[i] = element.number;
    } else if (field.type == table::Type::kString && element.kind == OipElement::Kind::kText && !field.bytes &&
               session.reader().slots().Allows(source.slot, element.text)) {
      texts[i] = element.text.data() == nullptr ? std::string_view("", 0) : element.text;
    } else {
      return false;
    }
  }
  return true;
}

bool OipRows::ReadRow(std::int64_t row, serve::RowReader& reader) const {
  reader.Begin(static_cast<int>(row));
  for (const Source& source : sources_) {
    const OipTensor& tensor = *source.tensor;
    const std::size_t at = static_cast<std::size_t>(row) * source.stride + source.offset;
    (void)reader.Take(source.slot);
    if (source.held >= 0) {
      reader.Text(source.slot, held_[static_cast<std::size_t>(source.held + row)]);
      continue;
    }
    if (tensor.is_raw) {
      const char* bytes = tensor.raw.data() + at * tensor.type->bytes;
      const double value = RawNumber(bytes, *tensor.type);
      if (tensor.type->family == OipFamily::kBool) {
        reader.Bool(source.slot, *bytes != 0);
      } else if (!std::isnan(value)) {
        reader.Number(source.slot, value);
      }
      continue;
    }
    const OipElement& element = request_->elements[tensor.first + at];
    switch (element.kind) {
      case OipElement::Kind::kNull: reader.Null(source.slot); break;
      case OipElement::Kind::kBool: reader.Bool(source.slot, element.number != 0); break;
      case OipElement::Kind::kText: reader.Text(source.slot, element.text); break;
      case OipElement::Kind::kBytes:  // Bind has made texts of them
      case OipElement::Kind::kOther: reader.Wrong(source.slot, element.text); break;
      case OipElement::Kind::kNumber:
        if (std::isnan(element.number)) {
          reader.Null(source.slot);
        } else if (tensor.type->family == OipFamily::kBool || tensor.type->family == OipFamily::kBytes) {
          reader.Wrong(source.slot, FormatDouble(element.number));
        } else {
          reader.Number(source.slot, element.number);
        }
    }
  }
  return reader.End();
}

}  // namespace tenon::edge
