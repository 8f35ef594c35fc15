#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tenon::table {

enum class Type : std::uint8_t {
  kBool,       // one byte a value, 0 or 1
  kInt64,
  kFloat64,
  kString,     // UTF-8; plain or dictionary-coded
  kTimestamp,  // int64 microseconds since 1970 UTC
  kEmbedding,  // a fixed number of float32
};
std::string_view NameOf(Type type);  // "bool", "int64", "float64", "string", "timestamp", "embedding"
Result<Type> TypeNamed(std::string_view name);

struct Field {
  std::string name;
  Type type = Type::kFloat64;
  int width = 0;  // floats a value, of embeddings
  friend bool operator==(const Field&, const Field&) = default;
};

// The names and types of columns, in order; names are unique. A value type.
class Schema {
 public:
  Schema() = default;
  explicit Schema(std::vector<Field> fields) : fields_(std::move(fields)) {}

  const std::vector<Field>& fields() const { return fields_; }
  int size() const { return static_cast<int>(fields_.size()); }
  const Field& operator[](int i) const { return fields_[static_cast<std::size_t>(i)]; }
  int Find(std::string_view name) const;  // position or -1
  // Position; not_found with near names.
  Result<int> At(std::string_view name) const;
  std::vector<std::string> Names() const;

  Json ToJson() const;  // [{"name":"age","type":"int64"}, ...]
  static Result<Schema> FromJson(const Json& json);
  friend bool operator==(const Schema&, const Schema&) = default;

 private:
  std::vector<Field> fields_;
};

}  // namespace tenon::table
