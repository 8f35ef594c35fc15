#include "ingest/sensitive.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace tenon::ingest {

Result<Sensitive> ParseSensitive(const Json& json) {
  static const std::vector<std::string> kNames = {"mask", "pseudonymise", "drop"};
  Sensitive out;
  if (json.is_null()) return out;
  if (json.is_string()) return Sensitive{{json.String(), Treatment::kMask}};
  if (json.is_array()) {
    for (const Json& column : json.array()) {
      if (!column.is_string()) return Error(Code::kInvalidArgument, Str("expected names of columns, got ", column.KindName()));
      out[column.String()] = Treatment::kMask;
    }
    return out;
  }
  if (!json.is_object()) return Error(Code::kInvalidArgument, Str("expected a list of columns or {column: mask}, got ", json.KindName()));
  for (const auto& [column, treatment] : json.object()) {
    const std::string name = treatment.is_string() ? treatment.String() : treatment.Dump();
    const auto at = std::find(kNames.begin(), kNames.end(), name);
    if (at == kNames.end()) return Error(Code::kInvalidArgument, Str(column, ": no treatment '", name, "'", DidYouMean(name, kNames)));
    out[column] = static_cast<Treatment>(at - kNames.begin());
  }
  return out;
}

}  // namespace tenon::ingest
