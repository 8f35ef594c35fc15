#include "base/json.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "base/text.h"

namespace tenon {
namespace {

void AppendNumber(double value, std::string* out) {
  if (!std::isfinite(value)) {
    *out += '"' + FormatDouble(value) + '"';
    return;
  }
  std::string text = FormatDouble(value);
  // 3.0 stays a double when read back.
  if (text.find_first_of(".eE") == std::string::npos) text += ".0";
  *out += text;
}

void Write(const Json& json, int indent, bool sorted, int depth, std::string* out) {
  const auto line = [&](int at) {
    if (indent > 0) *out += '\n' + std::string(static_cast<std::size_t>(at * indent), ' ');
  };
  if (json.is_null()) {
    *out += "null";
  } else if (json.is_bool()) {
    *out += json.Bool() ? "true" : "false";
  } else if (json.is_int()) {
    *out += std::to_string(json.Int());
  } else if (json.is_number()) {
    AppendNumber(json.Number(), out);
  } else if (json.is_string()) {
    AppendJsonString(json.String(), out);
  } else if (json.is_array()) {
    *out += '[';
    bool first = true;
    for (const Json& item : json.array()) {
      if (!first) *out += ',';
      first = false;
      line(depth + 1);
      Write(item, indent, sorted, depth + 1, out);
    }
    if (!first) line(depth);
    *out += ']';
  } else {
    std::vector<const std::pair<std::string, Json>*> members;
    for (const auto& member : json.object()) members.push_back(&member);
    if (sorted) std::ranges::sort(members, {}, [](const auto* member) { return std::string_view(member->first); });
    *out += '{';
    bool first = true;
    for (const auto* member : members) {
      if (!first) *out += ',';
      first = false;
      line(depth + 1);
      AppendJsonString(member->first, out);
      *out += indent > 0 ? ": " : ":";
      Write(member->second, indent, sorted, depth + 1, out);
    }
    if (!first) line(depth);
    *out += '}';
  }
}

}  // namespace

void AppendJsonString(std::string_view text, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  const bool valid = IsUtf8(text);
  *out += '"';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    switch (c) {
      case '"': *out += "\\\""; break;
      case '\\': *out += "\\\\"; break;
      case '\n': *out += "\\n"; break;
      case '\r': *out += "\\r"; break;
      case '\t': *out += "\\t"; break;
      default:
        if (c < 0x20) {
          *out += "\\u00";
          *out += kHex[c >> 4];
          *out += kHex[c & 15];
        } else if (c >= 0x80 && !valid) {
          *out += "\xEF\xBF\xBD";
        } else {
          *out += static_cast<char>(c);
        }
    }
  }
  *out += '"';
}

std::string_view Json::KindName() const {
  if (is_null()) return "null";
  if (is_bool()) return "true or false";
  if (is_number()) return "a number";
  if (is_string()) return "a string";
  return is_array() ? "a list" : "an object";
}

double Json::Number() const {
  if (is_int()) return static_cast<double>(Int());
  if (is_string()) {
    if (String() == "Infinity") return std::numeric_limits<double>::infinity();
    if (String() == "-Infinity") return -std::numeric_limits<double>::infinity();
    return std::numeric_limits<double>::quiet_NaN();
  }
  return std::get<double>(value_);
}

const Json* Json::Find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const auto& [name, value] : object()) {
    if (name == key) return &value;
  }
  return nullptr;
}

Json& Json::operator[](std::string_view key) {
  if (is_null()) value_ = Object{};
  for (auto& [name, value] : object()) {
    if (name == key) return value;
  }
  return object().emplace_back(std::string(key), Json()).second;
}

std::string Json::StringAt(std::string_view key, std::string_view fallback) const {
  const Json* at = Find(key);
  return at != nullptr && at->is_string() ? at->String() : std::string(fallback);
}

double Json::NumberAt(std::string_view key, double fallback) const {
  const Json* at = Find(key);
  return at != nullptr && (at->is_number() || at->is_string()) ? at->Number() : fallback;
}

std::int64_t Json::IntAt(std::string_view key, std::int64_t fallback) const {
  const Json* at = Find(key);
  return at != nullptr && at->is_int() ? at->Int() : fallback;
}

bool Json::BoolAt(std::string_view key, bool fallback) const {
  const Json* at = Find(key);
  return at != nullptr && at->is_bool() ? at->Bool() : fallback;
}

void Json::Push(Json value) {
  if (is_null()) value_ = Array{};
  array().push_back(std::move(value));
}

std::string Json::Dump() const {
  std::string out;
  Write(*this, 0, false, 0, &out);
  return out;
}

std::string Json::Pretty() const {
  std::string out;
  Write(*this, 2, false, 0, &out);
  return out;
}

std::string Json::Canonical() const {
  std::string out;
  Write(*this, 0, true, 0, &out);
  return out;
}

std::string Json::Where(std::string_view name) const {
  if (place_.line == 0) return std::string(name);
  return Str(name, ":", place_.line, ":", place_.column);
}

Result<Fields> Fields::Of(const Json& json, std::string_view path, std::string_view file) {
  Fields fields(json, path, file);
  if (!json.is_object()) return fields.Wrong("", Str("expected an object with named settings, got ", json.KindName()));
  return fields;
}

Error Fields::Wrong(std::string_view key, std::string_view what) const {
  const Json* at = key.empty() ? nullptr : json_->Find(key);
  const Json& node = at != nullptr ? *at : *json_;
  std::string path = path_;
  if (!key.empty()) path += path.empty() ? std::string(key) : "." + std::string(key);
  const std::string where = file_.empty() ? "" : node.Where(file_) + ": ";
  return Error(Code::kInvalidArgument, Str(where, path, path.empty() ? "" : ": ", what));
}

Error Fields::Mismatch(std::string_view key, std::string_view expected) const {
  const Json* at = json_->Find(key);
  std::string shown = at->Dump();
  if (shown.size() > 60) shown = shown.substr(0, 57) + "...";
  return Wrong(key, Str("expected ", expected, ", got ", shown));
}

const Json* Fields::Find(std::string_view key) {
  known_.emplace_back(key);
  const Json* at = json_->Find(key);
  return at == nullptr || at->is_null() ? nullptr : at;
}

Result<void> Fields::Read(std::string_view key, std::string* out) {
  const Json* at = Find(key);
  if (at == nullptr) return {};
  if (!at->is_string()) return Mismatch(key, "a string");
  *out = at->String();
  return {};
}

Result<void> Fields::Read(std::string_view key, bool* out) {
  const Json* at = Find(key);
  if (at == nullptr) return {};
  if (!at->is_bool()) return Mismatch(key, "true or false");
  *out = at->Bool();
  return {};
}

Result<void> Fields::Read(std::string_view key, double* out) {
  const Json* at = Find(key);
  if (at == nullptr) return {};
  if (!at->is_number()) return Mismatch(key, "a number");
  *out = at->Number();
  return {};
}

Result<void> Fields::Read(std::string_view key, std::int64_t* out) {
  const Json* at = Find(key);
  if (at == nullptr) return {};
  if (!at->is_int()) return Mismatch(key, "a whole number");
  *out = at->Int();
  return {};
}

Result<void> Fields::Read(std::string_view key, int* out) {
  std::int64_t wide = *out;
  TENON_TRY(Read(key, &wide));
  if (wide < std::numeric_limits<int>::min() || wide > std::numeric_limits<int>::max()) {
    return Mismatch(key, "a whole number of at most nine digits");
  }
  *out = static_cast<int>(wide);
  return {};
}

Result<void> Fields::Read(std::string_view key, std::vector<std::string>* out) {
  const Json* at = Find(key);
  if (at == nullptr) return {};
  if (at->is_string()) {
    *out = {at->String()};
    return {};
  }
  if (!at->is_array()) return Mismatch(key, "a list of strings");
  std::vector<std::string> read;
  for (const Json& item : at->array()) {
    if (!item.is_string()) return Mismatch(key, "a list of strings");
    read.push_back(item.String());
  }
  *out = std::move(read);
  return {};
}

Result<void> Fields::Read(std::string_view key, std::vector<double>* out) {
  const Json* at = Find(key);
  if (at == nullptr) return {};
  if (!at->is_array()) return Mismatch(key, "a list of numbers");
  std::vector<double> read;
  for (const Json& item : at->array()) {
    if (!item.is_number()) return Mismatch(key, "a list of numbers");
    read.push_back(item.Number());
  }
  *out = std::move(read);
  return {};
}

Result<void> Fields::ReadScalar(std::string_view key, std::string* out) {
  const Json* at = Find(key);
  if (at == nullptr) return {};
  if (at->is_string()) {
    *out = at->String();
  } else if (at->is_array() || at->is_object()) {
    return Mismatch(key, "one value");
  } else {
    *out = at->Dump();
  }
  return {};
}

Result<void> Fields::Done() const {
  for (const auto& [key, value] : json_->object()) {
    if (std::ranges::find(known_, key) == known_.end()) {
      return Wrong(key, Str("unknown setting", DidYouMean(key, known_)));
    }
  }
  return {};
}

}  // namespace tenon
