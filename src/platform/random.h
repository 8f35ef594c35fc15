#pragma once

#include <string>

#include "base/result.h"

namespace tenon::platform {

// That many bytes nobody can guess, from the operating system. unavailable when it has none.
Result<std::string> RandomBytes(std::size_t count);

}  // namespace tenon::platform
