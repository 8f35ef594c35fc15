#include <simdjson.h>

#include <cmath>
#include <cstring>
#include <deque>

#include "base/nested.h"
#include "base/text.h"
#include "base/base64.h"
#include "edge/json_decoder_internal.h"

namespace tenon::edge {
namespace {

namespace od = simdjson::ondemand;
using simdjson::error_code;
using simdjson::SUCCESS;

constexpr std::size_t kMostKeptCapacity = 1 << 20;
constexpr std::size_t kMostDepth = 64;  // of a value nobody wants; the parser itself sets no bound to recursion

std::string_view Meaning(error_code code) {
  switch (code) {
    case simdjson::EMPTY: return "the body is empty; expected {\"instances\":[{...}]}";
    case simdjson::UTF8_ERROR: return "the body is not UTF-8";
    case simdjson::DEPTH_ERROR: return "the body is nested too deeply";
    case simdjson::UNCLOSED_STRING: return "the body is not JSON: a string does not end";
    case simdjson::UNESCAPED_CHARS: return "the body is not JSON: a string has a control character";
    case simdjson::STRING_ERROR: return "the body is not JSON: a string has a bad escape";
    case simdjson::NUMBER_ERROR: return "the body is not JSON: a number is malformed or too large";
    case simdjson::INCOMPLETE_ARRAY_OR_OBJECT: return "the body is not JSON: it ends within a list or an object";
    case simdjson::TRAILING_CONTENT: return "the body is not JSON: something follows the request";
    case simdjson::CAPACITY: return "the body is too large for one request; send fewer instances";
    default: return "the body is not JSON";
  }
}

// One request on its way through the decoder. Functions give SUCCESS also after errors in fields, which the reader keeps.
struct Pass {
  serve::RowReader& reader;
  const std::function<void()>& each;
  std::deque<std::string>& decoded;  // texts of rows that are read
  std::string problem = {};  // of the whole request, when it is JSON but no such request
  bool has_inputs = false;
  std::deque<std::string> names = {};  // of the objects around a member, as columns

  error_code Value(int slot, od::value value) {
    const table::Type type = reader.served().fields[static_cast<std::size_t>(slot)].type;
    if (type == table::Type::kInt64) {
      std::int64_t whole = 0;
      if (value.get_int64().get(whole) == SUCCESS) {
        reader.Number(slot, static_cast<double>(whole));
        return SUCCESS;
      }
    }
    if (type == table::Type::kFloat64 || type == table::Type::kInt64) {
      double number = 0;
      if (value.get_double().get(number) == SUCCESS) {
        if (type == table::Type::kInt64 && std::abs(number) >= 0x1p63) {  // what fits was read above
          reader.Wrong(slot, Str(FormatDouble(number), ", which takes more than 64 bits"));
          return SUCCESS;
        }
        reader.Number(slot, number);
        return SUCCESS;
      }
    } else if (type == table::Type::kBool) {
      bool is = false;
      if (value.get_bool().get(is) == SUCCESS) {
        reader.Bool(slot, is);
        return SUCCESS;
      }
    }
    return Otherwise(slot, value);
  }

  // Texts, nulls and what does not fit.
  error_code Otherwise(int slot, od::value value) {
    od::json_type type;
    if (auto code = value.type().get(type); code != SUCCESS) return code;
    switch (type) {
      case od::json_type::string: {
        std::string_view text;
        if (auto code = value.get_string().get(text); code != SUCCESS) return code;
        reader.Text(slot, text);
        return SUCCESS;
      }
      case od::json_type::null: {
        if (!IsWord(value, "null")) return simdjson::N_ATOM_ERROR;
        reader.Null(slot);
        return SUCCESS;
      }
      case od::json_type::boolean: {
        bool is = false;
        if (auto code = value.get_bool().get(is); code != SUCCESS) return code;
        reader.Bool(slot, is);
        return SUCCESS;
      }
      case od::json_type::number: {
        double number = 0;
        if (auto code = value.get_double().get(number); code != SUCCESS) return code;
        reader.Wrong(slot, FormatDouble(number));
        return SUCCESS;
      }
      default:
        if (type == od::json_type::array && !reader.served().fields[static_cast<std::size_t>(slot)].shape.empty()) {
          od::array array;
          std::string_view lists;  // read, and checked, by what takes the tensor
          if (auto code = value.get_array().get(array); code != SUCCESS) return code;
          if (auto code = array.raw_json().get(lists); code != SUCCESS) return code;
          reader.Text(slot, lists);
          return SUCCESS;
        }
        if (type == od::json_type::object && reader.served().fields[static_cast<std::size_t>(slot)].type == table::Type::kString) return Bytes(slot, value);
        reader.Wrong(slot, type == od::json_type::array ? "a list" : "an object");
        return Skim(value);
    }
  }

  // {"b64":"..."}, as clients of TensorFlow Serving send bytes: for a tensor or picture the base64 itself, else the text it stands for.
  error_code Bytes(int slot, od::value value) {
    od::object object;
    if (auto code = value.get_object().get(object); code != SUCCESS) return code;
    std::string_view text;
    bool good = false;
    for (auto item : object) {
      od::field field;
      if (auto code = std::move(item).get(field); code != SUCCESS) return code;
      od::json_type type;
      if (auto code = field.value().type().get(type); code != SUCCESS) return code;
      good = text.data() == nullptr && field.key() == "b64" && type == od::json_type::string;
      if (!good) {
        if (auto code = Skim(field.value()); code != SUCCESS) return code;
        continue;
      }
      if (auto code = field.value().get_string().get(text); code != SUCCESS) return code;
    }
    const serve::Served::Field& field = reader.served().fields[static_cast<std::size_t>(slot)];
    const bool tensor = !field.shape.empty() || field.bytes;
    if (good && !tensor) good = FromBase64(text, &decoded.emplace_back()) && IsUtf8(decoded.back());
    good ? reader.Text(slot, tensor ? text : std::string_view(decoded.back())) : reader.Wrong(slot, "an object that is no {\"b64\":\"<base64 of UTF-8>\"}");
    return SUCCESS;
  }

  // May be compared with raw bytes: they are not escaped, and the padding behind the body is longer.
  static bool IsPlain(const std::string& name) {
    return name.size() < simdjson::SIMDJSON_PADDING && name.find('\\') == std::string::npos;
  }

  static bool IsWord(od::value& value, std::string_view word) {
    std::string_view raw = value.raw_json_token();
    while (!raw.empty() && (raw.back() == ' ' || raw.back() == '\n' || raw.back() == '\r' || raw.back() == '\t')) {
      raw.remove_suffix(1);
    }
    bool is = false;
    return raw == word && value.is_null().get(is) == SUCCESS && is;
  }

  // Goes through a value nobody wants, since what is jumped over would not be checked.
  static error_code Skim(od::value value, std::size_t depth = 0) {
    if (depth > kMostDepth) return simdjson::DEPTH_ERROR;
    od::json_type type;
    if (auto code = value.type().get(type); code != SUCCESS) return code;
    if (type == od::json_type::array) {
      od::array array;
      if (auto code = value.get_array().get(array); code != SUCCESS) return code;
      for (auto item : array) {
        od::value inner;
        if (auto code = item.get(inner); code != SUCCESS) return code;
        if (auto code = Skim(inner, depth + 1); code != SUCCESS) return code;
      }
      return SUCCESS;
    }
    if (type == od::json_type::object) {
      od::object object;
      if (auto code = value.get_object().get(object); code != SUCCESS) return code;
      for (auto item : object) {
        od::field field;
        if (auto code = std::move(item).get(field); code != SUCCESS) return code;
        if (auto code = Skim(field.value(), depth + 1); code != SUCCESS) return code;
      }
      return SUCCESS;
    }
    if (type == od::json_type::string) {
      std::string_view text;
      return value.get_string().get(text);
    }
    if (type == od::json_type::number) {
      double number = 0;
      return value.get_double().get(number);
    }
    if (type == od::json_type::boolean) {
      bool is = false;
      return value.get_bool().get(is);
    }
    return IsWord(value, "null") ? SUCCESS : simdjson::N_ATOM_ERROR;
  }

  // What is no field: an object whose members may be, or a null in its place.
  error_code Within(std::string_view key, od::value value, bool* taken, std::size_t depth) {
    od::json_type type;
    if (auto code = value.type().get(type); code != SUCCESS) return code;
    if (type != od::json_type::object && type != od::json_type::null) return SUCCESS;
    const std::string_view within = depth == 0 ? std::string_view() : names[depth - 1];
    const std::string& name = NestedName(within, key, &names[depth]);
    if (reader.slots().Find(name) >= 0) return SUCCESS;
    if (type == od::json_type::null) {
      *taken = reader.slots().AnyWithin(name) && IsWord(value, "null");
      return SUCCESS;
    }
    // An object nobody reads is told of by its own name.
    if (!reader.slots().AnyWithin(name)) return SUCCESS;
    if (depth >= kMostDepth) return simdjson::DEPTH_ERROR;
    *taken = true;
    od::object inner;
    if (auto code = value.get_object().get(inner); code != SUCCESS) return code;
    return Object(inner, depth + 1);
  }

  error_code Object(od::object object, std::size_t depth = 0) {
    const auto& fields = reader.served().fields;
    if (names.size() <= depth) names.resize(depth + 1);
    for (auto item : object) {
      od::field field;
      if (auto code = std::move(item).get(field); code != SUCCESS) return code;
      // The raw key is compared with the field that would be next; only when it differs it is unescaped and looked up.
      const auto next = static_cast<std::size_t>(reader.expected());
      int slot = -1;
      if (depth == 0 && next < fields.size() && IsPlain(fields[next].name) && field.key().unsafe_is_equal(fields[next].name)) {
        slot = reader.TakeExpected();
      } else {
        std::string_view name;
        if (auto code = field.unescaped_key().get(name); code != SUCCESS) return code;
        bool taken = false;
        if (auto code = Within(name, field.value(), &taken, depth); code != SUCCESS) return code;
        if (taken) continue;
        slot = reader.At(depth == 0 ? name : NestedName(names[depth - 1], name, &names[depth]));
      }
      const error_code code = slot < 0 ? Skim(field.value()) : Value(slot, field.value());
      if (code != SUCCESS) return code;
    }
    return SUCCESS;
  }

  error_code List(od::array array, int instance) {
    std::size_t count = 0;
    for (auto item : array) {
      od::value value;
      if (auto code = item.get(value); code != SUCCESS) return code;
      const int slot = reader.TakeExpected();
      ++count;
      if (auto code = slot < 0 ? Skim(value) : Value(slot, value); code != SUCCESS) return code;
    }
    const std::size_t wanted = reader.served().fields.size();
    if (count != wanted) reader.Problem("", Str("instance ", instance, " has ", count, " values, the fields are ", wanted));
    return SUCCESS;
  }

  error_code Row(od::value row, od::json_type type, int instance) {
    reader.Begin(instance);
    error_code code = SUCCESS;
    if (type == od::json_type::object) {
      od::object object;
      if (code = row.get_object().get(object); code == SUCCESS) code = Object(object);
    } else if (type == od::json_type::array) {
      od::array list;
      if (code = row.get_array().get(list); code == SUCCESS) code = List(list, instance);
    } else if (reader.served().fields.size() == 1) {
      code = Value(reader.TakeExpected(), row);
    } else {
      problem = Str("instance ", instance, " is neither an object nor a list");
      return SUCCESS;
    }
    if (code == SUCCESS && reader.End() && !reader.failed()) each();
    return code;
  }

  // What may stand beside the instances.
  error_code Beside(std::string_view key, od::value value) {
    if (key == "signature_name") {
      std::string_view name;
      if (value.get_string().get(name) == SUCCESS && (name.empty() || name == "serving_default")) return SUCCESS;
      problem = "there is no such signature_name; the only signature here is serving_default";
      return SUCCESS;
    }
    od::json_type type;
    if (auto code = value.type().get(type); code != SUCCESS) return code;
    if (type == od::json_type::null) return IsWord(value, "null") ? SUCCESS : simdjson::N_ATOM_ERROR;
    od::object object;
    if (type == od::json_type::object) {
      bool empty = false;
      if (auto code = value.get_object().get(object); code != SUCCESS) return code;
      if (auto code = object.is_empty().get(empty); code != SUCCESS) return code;
      if (empty) return SUCCESS;
    }
    problem = "'parameters' must be {}: the models here have none";
    return SUCCESS;
  }

  error_code Instances(od::value value) {
    od::array array;
    if (value.get_array().get(array) != SUCCESS) {
      problem = "'instances' must be a list of objects, such as {\"instances\":[{\"age\":41}]}";
      return SUCCESS;
    }
    int instance = 0;
    for (auto item : array) {
      od::value row;
      if (auto code = item.get(row); code != SUCCESS) return code;
      od::json_type type;
      if (auto code = row.type().get(type); code != SUCCESS) return code;
      if (instance >= reader.served().most_instances) {
        problem = Str("more than ", reader.served().most_instances, " instances; send fewer at a time");
        return SUCCESS;
      }
      if (auto code = Row(row, type, instance); code != SUCCESS || !problem.empty()) return code;
      ++instance;
    }
    if (instance == 0) problem = "'instances' is empty; send at least one";
    return SUCCESS;
  }

  // A document that is one row. What it holds is read before it is known that nothing follows.
  error_code Alone(od::document& document) {
    od::json_type type;
    if (auto code = document.type().get(type); code != SUCCESS) return code;
    if (type != od::json_type::object && type != od::json_type::array) {
      problem = "expected an instance: an object such as {\"age\":41}, or a list";
      return SUCCESS;
    }
    od::value row;
    if (auto code = document.get_value().get(row); code != SUCCESS) return code;
    if (auto code = Row(row, type, 0); code != SUCCESS) return code;
    const char* rest = nullptr;
    return document.current_location().get(rest) == SUCCESS ? simdjson::TRAILING_CONTENT : SUCCESS;
  }

  error_code Request(od::document& document) {
    od::object request;
    if (auto code = document.get_object().get(request); code != SUCCESS) {
      if (code != simdjson::INCORRECT_TYPE) return code;
      problem = "the body must be an object: {\"instances\":[{...}]}";
      return SUCCESS;
    }
    bool had_instances = false, had_parameters = false, had_signature = false;
    for (auto item : request) {
      od::field field;
      if (auto code = std::move(item).get(field); code != SUCCESS) return code;
      std::string_view key;
      if (auto code = field.unescaped_key().get(key); code != SUCCESS) return code;
      if (key == "signature_name" || key == "parameters") {
        bool& had = key == "parameters" ? had_parameters : had_signature;
        if (had) problem = Str("'", key, "' is given twice");
        had = true;
        if (auto code = problem.empty() ? Beside(key, field.value()) : SUCCESS; code != SUCCESS || !problem.empty()) return code;
        continue;
      }
      if (key != "instances" || had_instances) {
        has_inputs = key == "inputs" && !had_instances;
        problem = had_instances && key == "instances"
                      ? std::string("'instances' is given twice")
                      : Str("unknown key '", key, "' in the request", DidYouMean(key, std::vector<std::string>{"instances", "parameters"}));
        return SUCCESS;
      }
      had_instances = true;
      if (auto code = Instances(field.value()); code != SUCCESS || !problem.empty()) return code;
    }
    if (!had_instances) problem = "the request has no 'instances'; expected {\"instances\":[{...}]}";
    const char* rest = nullptr;
    if (problem.empty() && document.current_location().get(rest) == SUCCESS) return simdjson::TRAILING_CONTENT;
    return SUCCESS;
  }
};

}  // namespace

struct JsonDecoder::State {
  od::parser parser;
  std::deque<std::string> decoded;
};

JsonDecoder::JsonDecoder() : state_(std::make_unique<State>()) {}
JsonDecoder::~JsonDecoder() = default;

bool JsonDecoder::ReadInstances(std::string_view body, serve::RowReader& reader, const std::function<void()>& each) {
  return Read(body, reader, each, false);
}

bool JsonDecoder::ReadInstance(std::string_view body, serve::RowReader& reader, const std::function<void()>& each) {
  return Read(body, reader, each, true);
}

bool JsonDecoder::Read(std::string_view body, serve::RowReader& reader, const std::function<void()>& each, bool alone) {
  reader.errors().clear();
  problem_.clear();
  if (state_->parser.capacity() > kMostKeptCapacity && body.size() < kMostKeptCapacity / 4) {
    state_ = std::make_unique<State>();
  }
  state_->decoded.clear();
  od::document document;
  error_code code =
      state_->parser.iterate(simdjson::padded_string_view(body.data(), body.size(), body.size() + simdjson::SIMDJSON_PADDING))
          .get(document);
  if (code == SUCCESS) {
    Pass pass{reader, each, state_->decoded};
    code = alone ? pass.Alone(document) : pass.Request(document);
    has_inputs_ = pass.has_inputs;
    if (code == SUCCESS) problem_ = std::move(pass.problem);
  }
  if (code != SUCCESS) problem_ = Meaning(code);
  return problem_.empty();
}

}  // namespace tenon::edge
