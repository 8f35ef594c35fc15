#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace tenon {

// One tree for JSON and YAML: what users write, what artifacts' manifests hold, what --json prints. Objects keep the
// order of their keys. A node read from text remembers its line and column, so that an error about a value can name
// the place. A value type: copies are deep; not safe to change from two threads.
//
// Numbers that JSON cannot hold are written as the strings "NaN", "Infinity", "-Infinity", and Number() reads them back.
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;
  struct Place {
    std::uint32_t line = 0;  // from 1; 0: made by the program
    std::uint32_t column = 0;
  };

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(int value) : value_(static_cast<std::int64_t>(value)) {}
  Json(unsigned value) : value_(static_cast<std::int64_t>(value)) {}
  Json(long value) : value_(static_cast<std::int64_t>(value)) {}
  Json(long long value) : value_(static_cast<std::int64_t>(value)) {}
  Json(unsigned long value) : value_(static_cast<std::int64_t>(value)) {}
  Json(double value) : value_(value) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}
  static Json MakeObject() { return Json(Object{}); }
  static Json MakeArray() { return Json(Array{}); }
  template <typename T>
  static Json ListOf(const std::vector<T>& values) {
    Array out;
    for (const auto& value : values) out.emplace_back(value);
    return Json(std::move(out));
  }

  // Strict JSON: no comments, no trailing commas, no duplicate keys, valid UTF-8, at most 200 levels deep.
  // Error: invalid_argument "name:line:column: what is wrong".
  static Result<Json> Parse(std::string_view text, std::string_view name = "JSON");
  // YAML 1.2's core schema (true/false/null, numbers; quoted scalars are strings), one document, no duplicate keys, no
  // anchors or tags. Same errors.
  static Result<Json> ParseYaml(std::string_view text, std::string_view name);

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_int() const { return std::holds_alternative<std::int64_t>(value_); }
  bool is_number() const { return is_int() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  // "null", "true or false", "a number", "a string", "a list", "an object": for messages.
  std::string_view KindName() const;

  // Without checks beyond an assert; ask is_x() first. Number() also takes the strings for NaN and infinities.
  bool Bool() const { return std::get<bool>(value_); }
  std::int64_t Int() const { return std::get<std::int64_t>(value_); }
  double Number() const;
  const std::string& String() const { return std::get<std::string>(value_); }
  const Array& array() const { return std::get<Array>(value_); }
  Array& array() { return std::get<Array>(value_); }
  const Object& object() const { return std::get<Object>(value_); }
  Object& object() { return std::get<Object>(value_); }

  // The member of an object, or null when this is no object or has no such key.
  const Json* Find(std::string_view key) const;
  // The member at a key, made (as null) when missing; turns null into an object.
  Json& operator[](std::string_view key);
  // Members without a chain of checks: a missing or differing one gives the fallback.
  std::string StringAt(std::string_view key, std::string_view fallback = "") const;
  double NumberAt(std::string_view key, double fallback = 0) const;
  std::int64_t IntAt(std::string_view key, std::int64_t fallback = 0) const;
  bool BoolAt(std::string_view key, bool fallback = false) const;
  // Appends to a list; turns null into a list.
  void Push(Json value);

  std::string Dump() const;    // one line, keys in their order
  std::string Pretty() const;  // two-space indentation
  // One line, keys sorted, shortest numbers: equal values give equal bytes. What is hashed.
  std::string Canonical() const;

  Place place() const { return place_; }
  void set_place(Place place) { place_ = place; }
  // "name:12:7" or, made by the program, "name".
  std::string Where(std::string_view name) const;

  friend bool operator==(const Json& a, const Json& b) { return a.value_ == b.value_; }

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
  Place place_;
};

// `text` as a JSON string with its quotes, appended to `out`. Invalid UTF-8 is replaced by U+FFFD.
void AppendJsonString(std::string_view text, std::string* out);

// Reads the members of one object, and then complains of those nobody asked for. Typical use:
//   TENON_ASSIGN(Fields fields, Fields::Of(json, "problem"));
//   TENON_TRY(fields.Read("metric", &spec.metric));
//   TENON_TRY(fields.Done());
// Borrows the Json. Errors are invalid_argument and start with the place ("tenon.yaml:12:7: problem.metric: ...") when
// the node has one.
class Fields {
 public:
  static Result<Fields> Of(const Json& json, std::string_view path, std::string_view file = "");

  // The member or null; the key counts as known from now on.
  const Json* Find(std::string_view key);
  // Leaves *out as it is when the key is missing (or null); errors when the type differs.
  Result<void> Read(std::string_view key, std::string* out);
  Result<void> Read(std::string_view key, bool* out);
  Result<void> Read(std::string_view key, double* out);
  Result<void> Read(std::string_view key, std::int64_t* out);
  Result<void> Read(std::string_view key, int* out);
  Result<void> Read(std::string_view key, std::vector<std::string>* out);  // a string stands for a list of one
  Result<void> Read(std::string_view key, std::vector<double>* out);
  // Any scalar as text: 1 and "1" are both "1".
  Result<void> ReadScalar(std::string_view key, std::string* out);
  // A key the reader knows but handles elsewhere.
  void Known(std::string_view key) { known_.emplace_back(key); }
  Result<void> Done() const;

  // An invalid_argument at the member's place (or the object's, without a key).
  Error Wrong(std::string_view key, std::string_view what) const;

 private:
  Fields(const Json& json, std::string_view path, std::string_view file) : json_(&json), path_(path), file_(file) {}
  Error Mismatch(std::string_view key, std::string_view expected) const;

  const Json* json_;
  std::string path_;
  std::string file_;
  std::vector<std::string> known_;
};

}  // namespace tenon
