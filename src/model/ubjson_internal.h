#pragma once

#include <string_view>

#include "base/json.h"

namespace tenon::model {

// UBJSON (draft 12, with typed and counted containers), in which XGBoost saves by default. invalid_argument with the byte
// where it ends or errs; at most 200 levels deep.
Result<Json> ReadUbjson(std::string_view bytes);

}  // namespace tenon::model
