#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/json.h"
#include "feature/stream.h"

namespace tenon::pipeline {

// What the user wrote under `online:`: where feature values are kept for the service.
struct OnlineSpec {
  std::string store = "embedded";  // a kind of feature/stores/
  Json settings = Json::MakeObject();
  bool overrides = false;          // whether a request may bring features itself
  bool moving = true;              // as_of: request; windows go on until a request asks. False, as_of: record: they stay as they were stored
  static Result<OnlineSpec> Parse(const Json* json, std::string_view file);
};

// What the user wrote under `stream:`: where events come from as they happen.
struct StreamSpec {
  std::string from = "log";        // a kind of feature/sources/
  Json settings = Json::MakeObject();
  std::string source;              // whose events they are; "": of the source that is learnt from
  feature::StreamSettings rules;   // id, lateness, ahead
  std::chrono::microseconds refresh = std::chrono::minutes(1);  // how often windows are brought up to date without an event
  static Result<StreamSpec> Parse(const Json* json, std::string_view file);
};

}  // namespace tenon::pipeline
