#include "base/options.h"

#include <cassert>

#include "base/text.h"

namespace tenon {
namespace {

std::string_view Expected(Option::Type type) {
  switch (type) {
    case Option::Type::kBool: return "true or false";
    case Option::Type::kInt: return "a whole number";
    case Option::Type::kNumber: return "a number";
    case Option::Type::kText: return "a string";
    case Option::Type::kTextList: return "a list of strings";
    case Option::Type::kNumberList: return "a list of numbers";
    case Option::Type::kAny: return "a value";
  }
  return "";
}

bool Fits(Option::Type type, const Json& value) {
  const auto all = [&](auto ask) {
    for (const Json& item : value.array()) {
      if (!ask(item)) return false;
    }
    return true;
  };
  switch (type) {
    case Option::Type::kBool: return value.is_bool();
    case Option::Type::kInt: return value.is_int();
    case Option::Type::kNumber: return value.is_number();
    case Option::Type::kText: return value.is_string();
    case Option::Type::kTextList: return value.is_array() && all([](const Json& item) { return item.is_string(); });
    case Option::Type::kNumberList: return value.is_array() && all([](const Json& item) { return item.is_number(); });
    case Option::Type::kAny: return true;
  }
  return false;
}

}  // namespace

Result<Options> Options::Parse(const std::vector<Option>& table, const Json& given, std::string_view path,
                               std::string_view file) {
  const Json empty = Json::MakeObject();
  TENON_ASSIGN(Fields fields, Fields::Of(given.is_null() ? empty : given, path, file));
  Options options;
  for (const Option& option : table) {
    const Json* value = fields.Find(option.name);
    if (value == nullptr) {
      if (option.required) return fields.Wrong("", Str("'", option.name, "' must be set: ", option.help));
      if (!option.fallback.is_null()) options.json_[option.name] = option.fallback;
      continue;
    }
    Json taken = *value;
    if (option.type == Option::Type::kTextList && value->is_string()) taken = Json(Json::Array{*value});
    if (!Fits(option.type, taken)) {
      return fields.Wrong(option.name, Str("expected ", Expected(option.type), ", got ", value->Dump()));
    }
    if (taken.is_number()) {
      const double number = taken.Number();
      if (!(number >= option.least && number <= option.most)) {
        return fields.Wrong(option.name, Str("expected a number from ", option.least, " to ", option.most, ", got ", value->Dump()));
      }
    }
    if (taken.is_string() && !option.choices.empty()) {
      bool found = false;
      for (const std::string& choice : option.choices) found = found || choice == taken.String();
      if (!found) {
        return fields.Wrong(option.name, Str("expected one of ", Join(option.choices, ", "), ", got ", value->Dump()));
      }
    }
    if (option.type == Option::Type::kNumber && taken.is_int()) taken = Json(taken.Number());
    taken.set_place({});
    options.json_[option.name] = std::move(taken);
  }
  TENON_TRY(fields.Done());
  return options;
}

const Json& Options::At(std::string_view name) const {
  const Json* at = json_.Find(name);
  assert(at != nullptr && "the option's table has no such name, or it is unset; ask Has() first");
  return *at;
}

bool Options::Has(std::string_view name) const { return json_.Find(name) != nullptr; }
bool Options::Bool(std::string_view name) const { return At(name).Bool(); }
std::int64_t Options::Int(std::string_view name) const { return At(name).Int(); }
double Options::Number(std::string_view name) const { return At(name).Number(); }
std::string Options::Text(std::string_view name) const { return At(name).String(); }
const Json& Options::Any(std::string_view name) const { return At(name); }

std::vector<std::string> Options::TextList(std::string_view name) const {
  std::vector<std::string> out;
  for (const Json& item : At(name).array()) out.push_back(item.String());
  return out;
}

std::vector<double> Options::NumberList(std::string_view name) const {
  std::vector<double> out;
  for (const Json& item : At(name).array()) out.push_back(item.Number());
  return out;
}

}  // namespace tenon
