#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace tenon::ingest {

// How a column that is about people is treated. What the user wrote under data.sensitive: a list of columns (masked) or
// {column: treatment}.
enum class Treatment {
  kMask,          // stays as it is, and out of reports
  kPseudonymise,  // each value becomes a keyed pseudonym when a snapshot is made; never a feature
  kDrop,          // is not taken into a snapshot
};
using Sensitive = std::map<std::string, Treatment, std::less<>>;

// Null: none. Errors: invalid_argument that names the treatments.
Result<Sensitive> ParseSensitive(const Json& json);

}  // namespace tenon::ingest
