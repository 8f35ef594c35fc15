#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tenon {

// One setting of a kind: the source of its parsing, its help, its form in the console and its reference page.
struct Option {
  enum class Type { kBool, kInt, kNumber, kText, kTextList, kNumberList, kAny };
  std::string name;
  Type type = Type::kNumber;
  Json fallback;  // null: no default, the setting may stay unset
  std::string help;
  double least = -std::numeric_limits<double>::infinity();  // of numbers, inclusive
  double most = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices = {};  // of texts; empty: any
  bool required = false;
  // How a search varies it; empty: not searched. "linear", "log" (numbers and ints between least and most of the
  // search, below) or "choice".
  std::string search = "";
  double search_least = 0;
  double search_most = 0;
};

// Settings read against a table: every name known, every value of its type and range, every default filled in.
// Immutable after Parse. The getters assert that the table has the name with that type.
class Options {
 public:
  Options() = default;
  // `given` is an object or null. Unknown names are errors that name the nearest.
  static Result<Options> Parse(const std::vector<Option>& table, const Json& given, std::string_view path,
                               std::string_view file = "");

  bool Has(std::string_view name) const;  // set or defaulted
  bool Bool(std::string_view name) const;
  std::int64_t Int(std::string_view name) const;
  double Number(std::string_view name) const;
  std::string Text(std::string_view name) const;
  std::vector<std::string> TextList(std::string_view name) const;
  std::vector<double> NumberList(std::string_view name) const;
  const Json& Any(std::string_view name) const;
  // The whole, defaults included: what is hashed and stored.
  const Json& json() const { return json_; }

 private:
  const Json& At(std::string_view name) const;
  Json json_ = Json::MakeObject();
};

}  // namespace tenon
