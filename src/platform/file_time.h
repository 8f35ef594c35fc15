#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace tenon::platform {

// Gives a file of the disk the time of its last change, microseconds since 1970: for one that was written anew and is no younger for that.
Result<void> SetModified(const std::string& path, std::int64_t at);

}  // namespace tenon::platform
