#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "pipeline/feast_read.h"
#include "pipeline/online.h"

namespace tenon::pipeline {

struct FeastCall {
  std::string_view path, query, body;  // `query` is what stands behind "?"
  std::string_view accept;             // the header of this name
  bool sensitive = false;              // whether the asker may read features that are marked so
};

// What goes back to a client.
struct FeastReply {
  int status = 200;
  std::string body = {};
  std::string_view content_type = {};  // lives for ever; "": JSON, or nothing
};

// The calls of Feast's feature server over a project's online features, for clients that speak it: /get-online-features, /push,
// /write-to-online-store, /materialize, /materialize-incremental. Shapes and errors are Feast's. Any thread.
class FeastDoor {
 public:
  // `materialize` does the work for the named views (all when none) until a moment. `publish` appends events to the stream's
  // log. All outlive it. `service`: the feature service that has every feature.
  struct Work {
    std::function<Result<void>(const std::vector<std::string>& views, Micros until)> materialize;
    std::function<Result<std::int64_t>(const std::vector<Json>& events)> publish;
    std::string service;
    std::string event_source;  // the push source whose rows are events
  };
  FeastDoor(const OnlineFeatures& features, const Clock& clock, Work work) : features_(features), clock_(clock), work_(std::move(work)), reader_(features, work_.service) {}
  ~FeastDoor() = default;

  static bool Knows(std::string_view path);
  FeastReply Answer(const FeastCall& call);

 private:
  Result<FeastReply> Push(const Json& request);
  Result<FeastReply> Write(const Json& request);
  Result<FeastReply> Materialize(const Json& request, std::string_view query, bool incremental);
  void Done(const std::vector<std::string>& views);

  const OnlineFeatures& features_;
  const Clock& clock_;
  const Work work_;
  const FeastReader reader_;
  Mutex mutex_;
  std::multiset<std::string> running_ TENON_GUARDED_BY(mutex_);
  std::vector<std::jthread> threads_;  // last, so that they end first; begun under the lock
};

}  // namespace tenon::pipeline
