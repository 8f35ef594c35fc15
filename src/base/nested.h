#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

// The one rule by which objects within a row become columns, in files, requests and events: a member of an object within it is the column of
// both keys with a dot between, {"address":{"city":"Bern"}} is address.city, at any depth. Lists stay values; a null may stand for an object.
namespace tenon {

// The column of a member `key` of the object that is the column `within` ("": the row itself).
inline std::string& NestedName(std::string_view within, std::string_view key, std::string* out) {
  out->assign(within);
  if (!within.empty()) out->push_back('.');
  return out->append(key);
}

// Whether `column` lies within the object that would be the column `object`.
inline bool LiesWithin(std::string_view column, std::string_view object) {
  return column.size() > object.size() && column.starts_with(object) && column[object.size()] == '.';
}

// The value of a column in a row: of the key as it is, else of objects within; null when there is none.
inline const Json* FindNested(const Json& row, std::string_view column) {
  if (const Json* found = row.Find(column); found != nullptr || !row.is_object()) return found;
  for (const auto& [key, value] : row.object()) {
    if (!value.is_object() || !LiesWithin(column, key)) continue;
    if (const Json* found = FindNested(value, column.substr(key.size() + 1)); found != nullptr) return found;
  }
  return nullptr;
}

}  // namespace tenon
