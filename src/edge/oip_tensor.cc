#include "edge/oip_tensor_internal.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/text.h"

namespace tenon::edge {
namespace {

enum class Family { kBool, kInt, kUint, kFloat, kBytes };
struct Datatype {
  std::string_view name;
  Family family;
  std::size_t bytes;  // an element; 0: varies
};
constexpr std::array<Datatype, 12> kDatatypes = {{{"BOOL", Family::kBool, 1},
                                                  {"INT8", Family::kInt, 1},
                                                  {"INT16", Family::kInt, 2},
                                                  {"INT32", Family::kInt, 4},
                                                  {"INT64", Family::kInt, 8},
                                                  {"UINT8", Family::kUint, 1},
                                                  {"UINT16", Family::kUint, 2},
                                                  {"UINT32", Family::kUint, 4},
                                                  {"UINT64", Family::kUint, 8},
                                                  {"FP32", Family::kFloat, 4},
                                                  {"FP64", Family::kFloat, 8},
                                                  {"BYTES", Family::kBytes, 0}}};

int TypeNamed(std::string_view name) {
  for (std::size_t i = 0; i < kDatatypes.size(); ++i) {
    if (kDatatypes[i].name == name) return static_cast<int>(i);
  }
  return -1;
}
const Datatype& TypeAt(int i) { return kDatatypes[static_cast<std::size_t>(i)]; }

Error Bad(std::string text) { return Error(Code::kInvalidArgument, std::move(text)); }

std::uint64_t Little(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  return value;
}

double RawNumber(std::string_view bytes, Family family) {
  const std::uint64_t bits = Little(bytes);
  if (family == Family::kFloat) {
    return bytes.size() == 4 ? static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)))
                             : std::bit_cast<double>(bits);
  }
  if (family == Family::kUint) return static_cast<double>(bits);
  const int unused = 64 - 8 * static_cast<int>(bytes.size());
  return static_cast<double>(static_cast<std::int64_t>(bits << unused) >> unused);
}

Result<void> ReadShape(const Json& input, OipTensor& tensor) {
  const Json* shape = input.Find("shape");
  if (shape == nullptr || !shape->is_array() || shape->array().empty()) {
    return Bad(Str("input '", tensor.name, "' needs a 'shape' such as [1]"));
  }
  for (const Json& size : shape->array()) {
    constexpr std::int64_t kMost = 1 << 28;
    if (!size.is_int() || size.Int() < 0 || size.Int() > kMost) {
      return Bad(Str("input '", tensor.name, "': the shape has a size that is not 0 or more"));
    }
    tensor.shape.push_back(size.Int());
    tensor.count *= size.Int();
    if (tensor.count > kMost) return Bad(Str("input '", tensor.name, "' is too large"));
  }
  return {};
}

void Flatten(const Json& data, OipTensor& tensor) {
  for (const Json& item : data.array()) {
    if (item.is_array()) {
      Flatten(item, tensor);
    } else {
      tensor.elements.push_back(&item);
    }
  }
}

// Cuts the texts out of a BYTES tensor: each u32 size, bytes.
Result<void> CutTexts(OipTensor& tensor) {
  std::string_view rest = tensor.raw;
  for (std::int64_t i = 0; i < tensor.count; ++i) {
    const std::uint64_t size = rest.size() < 4 ? ~std::uint64_t{0} : Little(rest.substr(0, 4));
    if (size > rest.size() || size + 4 > rest.size()) {
      return Bad(Str("input '", tensor.name, "': its bytes end within element ", i));
    }
    tensor.texts.push_back(rest.substr(4, static_cast<std::size_t>(size)));
    if (!IsUtf8(tensor.texts.back())) return Bad(Str("input '", tensor.name, "': element ", i, " is not UTF-8"));
    rest.remove_prefix(4 + static_cast<std::size_t>(size));
  }
  if (!rest.empty()) return Bad(Str("input '", tensor.name, "' has ", rest.size(), " bytes too many"));
  return {};
}

Result<void> ReadData(const Json& input, std::string_view& raw, OipTensor& tensor) {
  const int type = TypeNamed(tensor.datatype);
  if (type < 0) return Bad(Str("input '", tensor.name, "': datatype '", tensor.datatype, "' is not taken here"));
  const Json* data = input.Find("data");
  const Json* parameters = input.Find("parameters");
  const Json* size = parameters == nullptr ? nullptr : parameters->Find("binary_data_size");
  if (data != nullptr && size != nullptr) return Bad(Str("input '", tensor.name, "' has both data and binary_data_size"));
  if (size != nullptr) {
    if (!size->is_int() || size->Int() < 0 || static_cast<std::uint64_t>(size->Int()) > raw.size()) {
      return Bad(Str("input '", tensor.name, "': binary_data_size is more than the body has"));
    }
    tensor.binary = true;
    tensor.raw = raw.substr(0, static_cast<std::size_t>(size->Int()));
    raw.remove_prefix(tensor.raw.size());
    if (TypeAt(type).family == Family::kBytes) return CutTexts(tensor);
    const std::size_t wanted = static_cast<std::size_t>(tensor.count) * TypeAt(type).bytes;
    if (tensor.raw.size() == wanted) return {};
    return Bad(Str("input '", tensor.name, "' has ", tensor.raw.size(), " bytes where its shape needs ", wanted));
  }
  if (data == nullptr || !data->is_array()) return Bad(Str("input '", tensor.name, "' needs a list 'data'"));
  Flatten(*data, tensor);
  if (static_cast<std::int64_t>(tensor.elements.size()) == tensor.count) return {};
  return Bad(Str("input '", tensor.name, "' has ", tensor.elements.size(), " elements where its shape needs ", tensor.count));
}

void ReadOutputs(const Json& json, OipRequest& request) {
  if (const Json* parameters = json.Find("parameters"); parameters != nullptr) {
    request.binary_outputs = parameters->BoolAt("binary_data_output", false);
  }
  const Json* outputs = json.Find("outputs");
  if (outputs == nullptr || !outputs->is_array()) return;
  for (const Json& output : outputs->array()) {
    const Json* parameters = output.Find("parameters");
    const bool binary = parameters == nullptr ? request.binary_outputs
                                              : parameters->BoolAt("binary_data", request.binary_outputs);
    request.outputs.push_back({output.StringAt("name"), binary});
    request.all_outputs = false;
  }
}

bool Fits(Family family, table::Type type) {
  switch (type) {
    case table::Type::kBool: return family == Family::kBool;
    case table::Type::kString:
    case table::Type::kTimestamp: return family == Family::kBytes;
    default: return family == Family::kInt || family == Family::kUint || family == Family::kFloat;
  }
}

void ReadJson(const Json& value, Family family, int slot, serve::RowReader& reader) {
  if (value.is_null()) {
    reader.Null(slot);
  } else if (value.is_bool()) {
    reader.Bool(slot, value.Bool());
  } else if (value.is_number() && family == Family::kFloat) {
    // FP32 in JSON may come with a double's digits; the number is what the text says.
    reader.Number(slot, value.Number());
  } else if (value.is_int() || (value.is_number() && family != Family::kBytes && family != Family::kBool)) {
    if (family == Family::kBool) {
      reader.Wrong(slot, FormatDouble(value.Number()));
    } else {
      reader.Number(slot, value.Number());
    }
  } else if (value.is_string()) {
    reader.Text(slot, value.String());
  } else {
    reader.Wrong(slot, value.KindName());
  }
}

}  // namespace

std::string_view OipDatatypeOf(table::Type type) {
  switch (type) {
    case table::Type::kBool: return "BOOL";
    case table::Type::kInt64: return "INT64";
    case table::Type::kFloat64: return "FP64";
    default: return "BYTES";
  }
}

Result<OipRequest> ReadOipRequest(std::string_view body, std::size_t json_size) {
  if (json_size > body.size()) return Bad("Inference-Header-Content-Length is more than the body");
  OipRequest request;
  TENON_ASSIGN(request.json, Json::Parse(body.substr(0, json_size), "body"));
  if (!request.json.is_object()) return Bad(Str("the request must be an object, not ", request.json.KindName()));
  const Json* inputs = request.json.Find("inputs");
  if (inputs == nullptr || !inputs->is_array() || inputs->array().empty()) return Bad("the request needs a list 'inputs'");
  request.id = request.json.StringAt("id");
  std::string_view raw = body.substr(json_size);
  for (const Json& input : inputs->array()) {
    OipTensor tensor;
    tensor.name = input.StringAt("name");
    tensor.datatype = input.StringAt("datatype");
    if (tensor.name.empty()) return Bad("an input has no name");
    TENON_TRY(ReadShape(input, tensor));
    TENON_TRY(ReadData(input, raw, tensor));
    request.inputs.push_back(std::move(tensor));
  }
  if (!raw.empty()) return Bad(Str("the body has ", raw.size(), " bytes more than its tensors"));
  ReadOutputs(request.json, request);
  return request;
}

Result<OipRows> OipRows::Of(const OipRequest& request, const serve::Served& served) {
  OipRows rows;
  const auto& fields = served.fields;
  const auto is_number = [](const serve::Served::Field& f) {
    return f.type == table::Type::kFloat64 || f.type == table::Type::kInt64;
  };
  const OipTensor& first = request.inputs.front();
  const bool has_field = std::ranges::any_of(fields, [&](const auto& f) { return f.name == first.name; });
  if (request.inputs.size() == 1 && first.name == "input" && !has_field && std::ranges::all_of(fields, is_number)) {
    const int type = TypeNamed(first.datatype);
    if (first.shape.size() != 2 || first.shape[1] != static_cast<std::int64_t>(fields.size()) ||
        !Fits(TypeAt(type).family, table::Type::kFloat64)) {
      return Bad(Str("'input' must be numbers of shape [n, ", fields.size(), "]"));
    }
    rows.tile_ = true;
    rows.rows_ = first.shape[0];
    rows.sources_.push_back({&first, 0, type});
    return rows;
  }
  std::vector<std::string> names;
  for (const auto& field : fields) names.push_back(field.name);
  std::vector<bool> given(fields.size(), false);
  for (const OipTensor& tensor : request.inputs) {
    const auto at = std::ranges::find(names, tensor.name);
    if (at == names.end()) return Bad(Str("no input '", tensor.name, "'", DidYouMean(tensor.name, names)));
    const auto slot = static_cast<std::size_t>(at - names.begin());
    if (given[slot]) return Bad(Str("input '", tensor.name, "' is given twice"));
    given[slot] = true;
    const int type = TypeNamed(tensor.datatype);
    if (!Fits(TypeAt(type).family, fields[slot].type)) {
      return Bad(Str("input '", tensor.name, "' is ", tensor.datatype, "; expected ", OipDatatypeOf(fields[slot].type)));
    }
    const bool column = tensor.shape.size() == 1 || (tensor.shape.size() == 2 && tensor.shape[1] == 1);
    if (!column) return Bad(Str("input '", tensor.name, "' must have the shape [n] or [n, 1]"));
    if (&tensor != &first && tensor.shape[0] != rows.rows_) {
      return Bad(Str("input '", tensor.name, "' has ", tensor.shape[0], " rows, '", first.name, "' has ", rows.rows_));
    }
    rows.rows_ = tensor.shape[0];
    rows.sources_.push_back({&tensor, static_cast<int>(slot), type});
  }
  return rows;
}

bool OipRows::Read(std::int64_t row, serve::RowReader& reader) const {
  reader.Begin(static_cast<int>(row));
  const std::size_t width = tile_ ? static_cast<std::size_t>(sources_[0].tensor->shape[1]) : sources_.size();
  for (std::size_t k = 0; k < width; ++k) {
    const Source& source = tile_ ? sources_[0] : sources_[k];
    const int slot = tile_ ? static_cast<int>(k) : source.slot;
    const OipTensor& tensor = *source.tensor;
    const std::size_t at = tile_ ? static_cast<std::size_t>(row) * width + k : static_cast<std::size_t>(row);
    (void)reader.Take(slot);
    const Datatype& type = TypeAt(source.type);
    if (!tensor.binary) {
      ReadJson(*tensor.elements[at], type.family, slot, reader);
    } else if (type.family == Family::kBytes) {
      reader.Text(slot, tensor.texts[at]);
    } else if (type.family == Family::kBool) {
      reader.Bool(slot, tensor.raw[at] != 0);
    } else {
      const double value = RawNumber(tensor.raw.substr(at * type.bytes, type.bytes), type.family);
      if (std::isnan(value)) {
        reader.Null(slot);
      } else {
        reader.Number(slot, value);
      }
    }
  }
  return reader.End();
}

}  // namespace tenon::edge
