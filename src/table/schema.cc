#include "table/schema.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace tenon::table {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"bool", "int64", "float64", "string", "timestamp", "embedding"};

}  // namespace

std::string_view NameOf(Type type) { return kNames[static_cast<std::size_t>(type)]; }

Result<Type> TypeNamed(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Type>(i);
  }
  const std::vector<std::string> known(kNames.begin(), kNames.end());
  return Error(Code::kInvalidArgument, Str("no type '", name, "'", DidYouMean(name, known)));
}

int Schema::Find(std::string_view name) const {
  const auto it = std::ranges::find(fields_, name, &Field::name);
  return it == fields_.end() ? -1 : static_cast<int>(it - fields_.begin());
}

Result<int> Schema::At(std::string_view name) const {
  if (const int at = Find(name); at >= 0) return at;
  return Error(Code::kNotFound, Str("no column '", name, "'", DidYouMean(name, Names())));
}

std::vector<std::string> Schema::Names() const {
  std::vector<std::string> names;
  for (const Field& field : fields_) names.push_back(field.name);
  return names;
}

Json Schema::ToJson() const {
  Json out = Json::MakeArray();
  for (const Field& field : fields_) {
    Json item;
    item["name"] = field.name;
    item["type"] = NameOf(field.type);
    if (field.type == Type::kEmbedding) item["width"] = field.width;
    out.Push(std::move(item));
  }
  return out;
}

Result<Schema> Schema::FromJson(const Json& json) {
  if (!json.is_array()) return Error(Code::kInvalidArgument, Str("a schema is a list of fields, got ", json.KindName()));
  std::vector<Field> fields;
  for (const Json& item : json.array()) {
    TENON_ASSIGN(Type type, TypeNamed(item.StringAt("type")));
    fields.push_back({item.StringAt("name"), type, static_cast<int>(item.IntAt("width"))});
  }
  return Schema(std::move(fields));
}

}  // namespace tenon::table
