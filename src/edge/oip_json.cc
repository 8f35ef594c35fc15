#include <simdjson.h>

#include <algorithm>

#include "base/text.h"
#include "edge/oip_tensor_internal.h"

namespace tenon::edge {
namespace {

namespace dom = simdjson::dom;
using simdjson::SUCCESS;

constexpr std::size_t kMostKeptCapacity = 1 << 20;
constexpr std::size_t kMostDepth = 64;

Error Bad(std::string text) { return Error(Code::kInvalidArgument, std::move(text)); }

std::string_view KindOf(dom::element value) {
  switch (value.type()) {
    case dom::element_type::ARRAY: return "a list";
    case dom::element_type::OBJECT: return "an object";
    case dom::element_type::STRING: return "a string";
    case dom::element_type::BOOL: return "true or false";
    case dom::element_type::NULL_VALUE: return "null";
    default: return "a number";
  }
}

// A text that the object must have.
Result<std::string_view> TextOf(dom::object object, std::string_view key, std::string_view whose) {
  dom::element value;
  std::string_view text;
  if (object.at_key(key).get(value) != SUCCESS) return Bad(Str(whose, " has no '", key, "'"));
  if (value.get(text) != SUCCESS) return Bad(Str(whose, ": '", key, "' must be a string, not ", KindOf(value)));
  return text;
}

// The object's "parameters"; nothing when there are none.
Result<bool> ParametersOf(dom::object object, std::string_view whose, dom::object* out) {
  dom::element value;
  if (object.at_key("parameters").get(value) != SUCCESS || value.is_null()) return false;
  if (value.get(*out) != SUCCESS) return Bad(Str(whose, ": 'parameters' must be an object, not ", KindOf(value)));
  return true;
}

Result<bool> BoolOf(dom::object object, std::string_view key, bool otherwise) {
  dom::element value;
  bool is = otherwise;
  if (object.at_key(key).get(value) == SUCCESS && value.get(is) != SUCCESS) {
    return Bad(Str("the parameter '", key, "' must be true or false, not ", KindOf(value)));
  }
  return is;
}

// Triton's clients send it as a whole number of microseconds.
Result<std::int64_t> TimeoutOf(dom::object object) {
  dom::element value;
  std::int64_t micros = 0;
  if (object.at_key("timeout").get(value) != SUCCESS || value.is_null()) return micros;
  if (value.get(micros) != SUCCESS || micros < 0) return Bad("the parameter 'timeout' must be microseconds, a whole number from 0 (none)");
  return micros;
}

void Flatten(dom::array data, std::vector<OipElement>& out) {
  for (const dom::element item : data) {
    switch (item.type()) {
      case dom::element_type::ARRAY: Flatten(dom::array(item.get_array().value_unsafe()), out); break;
      case dom::element_type::STRING: out.push_back({OipElement::Kind::kText, 0, item.get_string().value_unsafe()}); break;
      case dom::element_type::BOOL: out.push_back({OipElement::Kind::kBool, item.get_bool().value_unsafe() ? 1.0 : 0.0, {}}); break;
      case dom::element_type::NULL_VALUE: out.push_back({}); break;
      case dom::element_type::OBJECT: out.push_back({OipElement::Kind::kOther, 0, "an object"}); break;
      default: out.push_back({OipElement::Kind::kNumber, item.get_double().value_unsafe(), {}}); break;
    }
  }
}

Result<void> ReadShape(dom::object input, OipTensor& tensor) {
  dom::array shape;
  if (input.at_key("shape").get(shape) != SUCCESS || shape.size() == 0) {
    return Bad(Str("input '", tensor.name, "' needs a 'shape' such as [1]"));
  }
  for (const dom::element item : shape) {
    std::int64_t size = -1;
    if (item.get(size) != SUCCESS) size = -1;
    TENON_TRY(tensor.AddSize(size));
  }
  return {};
}

Result<void> ReadData(dom::object input, std::string_view& raw, OipTensor& tensor, OipRequest& out) {
  dom::object parameters;
  TENON_ASSIGN(const bool has_parameters, ParametersOf(input, Str("input '", tensor.name, "'"), &parameters));
  dom::element size, data;
  const bool has_size = has_parameters && parameters.at_key("binary_data_size").get(size) == SUCCESS;
  const bool has_data = input.at_key("data").get(data) == SUCCESS;
  if (has_size && has_data) return Bad(Str("input '", tensor.name, "' has both data and binary_data_size"));
  if (has_size) {
    std::uint64_t bytes = 0;
    if (size.get(bytes) != SUCCESS || bytes > raw.size()) {
      return Bad(Str("input '", tensor.name, "': binary_data_size is more than the body has"));
    }
    const std::string_view mine = raw.substr(0, static_cast<std::size_t>(bytes));
    raw.remove_prefix(mine.size());
    return SetOipRaw(out, tensor, mine);
  }
  dom::array list;
  if (!has_data || data.get(list) != SUCCESS) return Bad(Str("input '", tensor.name, "' needs a list 'data'"));
  if (tensor.type->family == OipFamily::kHalf || tensor.type->family == OipFamily::kBrain) {
    return Bad(Str("input '", tensor.name, "': ", tensor.type->name, " has no form in JSON; send it as binary data"));
  }
  tensor.first = out.elements.size();
  Flatten(list, out.elements);
  return CheckOipElements(out, tensor);
}

Result<void> ReadInput(dom::element item, std::string_view& raw, OipRequest& out) {
  dom::object input;
  if (item.get(input) != SUCCESS) return Bad(Str("an input must be an object, not ", KindOf(item)));
  OipTensor tensor;
  TENON_ASSIGN(tensor.name, TextOf(input, "name", "an input"));
  if (tensor.name.empty()) return Bad("an input has no name");
  TENON_ASSIGN(const std::string_view datatype, TextOf(input, "datatype", Str("input '", tensor.name, "'")));
  tensor.type = OipDatatypeNamed(datatype);
  if (tensor.type == nullptr) return Bad(Str("input '", tensor.name, "': there is no datatype '", datatype, "'"));
  TENON_TRY(ReadShape(input, tensor));
  TENON_TRY(ReadData(input, raw, tensor, out));
  out.inputs.push_back(tensor);
  return {};
}

Result<void> ReadOutputs(dom::object request, OipRequest& out) {
  dom::element value;
  if (request.at_key("outputs").get(value) != SUCCESS || value.is_null()) return {};
  dom::array list;
  if (value.get(list) != SUCCESS) return Bad(Str("'outputs' must be a list, not ", KindOf(value)));
  for (const dom::element item : list) {
    dom::object output;
    if (item.get(output) != SUCCESS) return Bad(Str("an output must be an object, not ", KindOf(item)));
    OipRequest::Output asked;
    TENON_ASSIGN(asked.name, TextOf(output, "name", "an output"));
    asked.binary = out.binary_outputs;
    dom::object parameters;
    TENON_ASSIGN(const bool has_parameters, ParametersOf(output, Str("output '", asked.name, "'"), &parameters));
    if (has_parameters) {
      TENON_ASSIGN(asked.binary, BoolOf(parameters, "binary_data", out.binary_outputs));
      std::int64_t classes = 0;
      if (parameters.at_key("classification").get(classes) == SUCCESS) {
        if (classes < 0 || classes > 65536) return Bad(Str("output '", asked.name, "': classification must be 1 or more"));
        asked.classes = static_cast<int>(classes);
      }
    }
    out.outputs.push_back(asked);
    out.all_outputs = false;
  }
  return {};
}

Result<void> ReadRequest(dom::element document, std::string_view raw, OipRequest& out) {
  dom::object request;
  if (document.get(request) != SUCCESS) return Bad(Str("the request must be an object, not ", KindOf(document)));
  dom::element id;
  if (request.at_key("id").get(id) == SUCCESS && !id.is_null()) {
    if (id.get(out.id) != SUCCESS) return Bad(Str("'id' must be a string, not ", KindOf(id)));
  }
  dom::object parameters;
  TENON_ASSIGN(const bool has_parameters, ParametersOf(request, "the request", &parameters));
  if (has_parameters) {
    TENON_ASSIGN(out.binary_outputs, BoolOf(parameters, "binary_data_output", false));
    TENON_ASSIGN(out.timeout, TimeoutOf(parameters));
  }
  dom::array inputs;
  if (request.at_key("inputs").get(inputs) != SUCCESS || inputs.size() == 0) return Bad("the request needs a list 'inputs'");
  for (const dom::element input : inputs) {
    TENON_TRY(ReadInput(input, raw, out));
  }
  if (!raw.empty()) return Bad(Str("the body has ", raw.size(), " bytes more than its tensors"));
  return ReadOutputs(request, out);
}

// A column: n values, or n lists of one.
Result<void> ReadColumn(std::string_view name, dom::element value, const serve::Served& served, OipRequest& out) {
  const auto field = std::ranges::find(served.fields, name, &serve::Served::Field::name);
  if (field == served.fields.end()) {
    std::vector<std::string> names;
    for (const auto& each : served.fields) names.push_back(each.name);
    return Bad(Str("no input '", name, "'", DidYouMean(name, names)));
  }
  OipTensor tensor;
  tensor.name = field->name;
  dom::array list;
  if (value.get(list) != SUCCESS) return Bad(Str("input '", name, "' must be a list of values, not ", KindOf(value)));
  const bool whole = !OipShapeOf(*field).empty() && list.size() != 0 && list.at(0).is_array();
  tensor.type = OipDatatypeNamed(whole ? OipDatatypeOf(*field) : OipDatatypeOf(field->type));
  for (const dom::element item : list) {
    dom::array alone;
    if (!whole && item.get(alone) == SUCCESS && (alone.size() != 1 || alone.at(0).is_array())) return Bad(Str("input '", name, "' must have one value a row"));
  }
  TENON_TRY(tensor.AddSize(static_cast<std::int64_t>(list.size())));
  if (whole) {
    for (const std::int64_t size : OipShapeOf(*field)) TENON_TRY(tensor.AddSize(size));
  }
  tensor.first = out.elements.size();
  Flatten(list, out.elements);
  TENON_TRY(CheckOipElements(out, tensor));
  out.inputs.push_back(tensor);
  return {};
}

Result<void> ReadInputsByName(dom::element value, const serve::Served& served, OipRequest& out) {
  dom::object columns;
  if (value.get(columns) != SUCCESS) {
    if (served.fields.size() == 1 && value.is_array()) return ReadColumn(served.fields[0].name, value, served, out);
    return Bad(Str("'inputs' must be an object of columns such as {\"age\":[41,29]}, not ", KindOf(value)));
  }
  for (const auto& [name, column] : columns) TENON_TRY(ReadColumn(name, column, served, out));
  if (out.inputs.empty()) return Bad("'inputs' has no column");
  return {};
}

}  // namespace

struct OipJsonReader::State {
  dom::parser parser;
  dom::element document;
};

OipJsonReader::OipJsonReader() : state_(std::make_unique<State>()) {}
OipJsonReader::~OipJsonReader() = default;

Result<void> OipJsonReader::Parse(std::string_view body, std::size_t json_size) {
  if (state_->parser.capacity() > kMostKeptCapacity && json_size < kMostKeptCapacity / 4) state_ = std::make_unique<State>();
  if (state_->parser.capacity() < json_size &&
      state_->parser.allocate(std::max<std::size_t>(json_size, 4096), kMostDepth) != SUCCESS) {
    return Error(Code::kResourceExhausted, "no memory for a request of this size");
  }
  // Not copied: behind the JSON part there are raw tensors or padding, which may be read and are not looked at.
  const auto code = state_->parser.parse(body.data(), json_size, false).get(state_->document);
  if (code != SUCCESS) return Bad(Str("the request is not JSON: ", simdjson::error_message(code)));
  return {};
}

Result<void> OipJsonReader::Read(std::string_view body, std::size_t json_size, OipRequest* out) {
  if (json_size > body.size()) {
    return Bad(Str("Inference-Header-Content-Length says ", json_size, " bytes, more than the body's ", body.size()));
  }
  TENON_TRY(Parse(body, json_size));
  return ReadRequest(state_->document, body.substr(json_size), *out);
}

Result<void> OipJsonReader::ReadColumns(std::string_view body, const serve::Served& served, OipRequest* out) {
  TENON_TRY(Parse(body, body.size()));
  dom::object request;
  if (state_->document.get(request) != SUCCESS) return Bad(Str("the request must be an object, not ", KindOf(state_->document)));
  bool had_inputs = false, had_signature = false;
  for (const auto& [key, value] : request) {
    std::string_view name;
    bool& had = key == "inputs" ? had_inputs : had_signature;
    if (had) return Bad(Str("'", key, "' is given twice"));
    had = true;
    if (key == "inputs") {
      TENON_TRY(ReadInputsByName(value, served, *out));
    } else if (key != "signature_name") {
      return Bad(key == "instances" ? std::string("a request has 'instances' or 'inputs', not both")
                                    : Str("unknown key '", key, "' in the request", DidYouMean(key, std::vector<std::string>{"inputs", "signature_name"})));
    } else if (value.get(name) != SUCCESS || (!name.empty() && name != "serving_default")) {
      return Bad("there is no such signature_name; the only signature here is serving_default");
    }
  }
  return {};
}

}  // namespace tenon::edge
