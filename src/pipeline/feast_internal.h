#pragma once

#include <string_view>

#include "pipeline/feast.h"

namespace tenon::pipeline {

// Feast's answers to what it refuses: a list of what is wrong where, or its own errors, a JSON text that has an object in it.
FeastReply FeastInvalid(std::string_view where, std::string_view message, std::string_view type = "value_error");
FeastReply FeastFailed(int status, std::string_view name, std::string_view message);

}  // namespace tenon::pipeline
