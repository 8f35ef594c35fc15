#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace tenon::pipeline {

// Where the setting that `message` speaks of stands in a project file: "card/tenon.yaml:30:7" for a message with
// "features.customer.entity" in it, the deepest member of that path that is written there. "" when the message names no setting of at
// least two words that the file has, or says a place already. `written` is the file as Json::ParseYaml reads it.
std::string SettingPlace(const Json& written, std::string_view file, std::string_view message);

}  // namespace tenon::pipeline
