#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "feature/event_sink.h"
#include "feature/event_source.h"

namespace tenon::pipeline {

// A stream of `serve.streams`: where records come from that the endpoint answers, and where the answers go.
struct AnswerStreamSpec {
  std::string name;
  std::string from, to;            // kinds of feature/sources/ and feature/sinks/
  Json from_settings = Json::MakeObject(), to_settings = Json::MakeObject();
  std::string id, time;            // fields of a record; "": none
  bool id_given = false, time_given = false;
  int threads = 1;
  std::int64_t batch = 5000;
  // {orders: {from: ..., to: ...}, ...}; null: none.
  static Result<std::vector<AnswerStreamSpec>> Parse(const Json* json, std::string_view file);
  // Fills in what hangs on the project: of a topic that answers go to the group, of both the brokers, and `id` and `time` as `data:` names them.
  void Settle(std::string_view project, std::string_view key, std::string_view time_column);

  Result<std::unique_ptr<feature::EventSourceKind>> Source(std::string_view file) const;
  Result<std::unique_ptr<feature::EventSinkKind>> Sink(std::string_view file) const;
};

}  // namespace tenon::pipeline
