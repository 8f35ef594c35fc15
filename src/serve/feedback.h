#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "platform/files.h"
#include "serve/inference_log.h"
#include "serve/rollout.h"

namespace tenon::serve {

// What an answer should have been, learnt later.
struct Feedback {
  Micros at = 0;
  std::string request_id;
  int instance = 0;    // of the request, from 0
  std::string label;   // a class, or a number as text
};

// Labels as they come, kept beside the inference log: <folder>/<endpoint>-<start>.labels, a JSON object a line
// (docs/formats/feedback.md), synced by Sync. Safe from any thread; Add only appends to memory.
class FeedbackLog {
 public:
  FeedbackLog(platform::Files& files, std::string folder) : files_(files), folder_(std::move(folder)) {}
  // resource_exhausted when more than 16 MB wait to be written: the disk takes nothing.
  Result<void> Add(std::string_view endpoint, const Feedback& feedback);
  // Writes and syncs what was added since; called by the owner's loop and at the end. What could not be written waits for
  // the next call.
  Result<void> Sync();

 private:
  struct Part {
    std::string waiting;
    Micros start = 0;
    std::unique_ptr<platform::Appender> file;
  };
  Result<void> Write(const std::string& endpoint, Part& part, std::string_view lines);
  platform::Files& files_;
  const std::string folder_;
  std::mutex mutex_;
  std::map<std::string, Part> parts_;  // by endpoint; guarded by mutex_
  std::mutex writing_;                 // held by Sync
};

// All labels of an endpoint that came at `from` or later; a line that is cut (a crash) is passed over.
Result<void> ReadFeedback(platform::Files& files, const std::string& folder, std::string_view endpoint, Micros from,
                          const std::function<void(Feedback)>& each);

// Joins the labels with the logged answers of a rollout's stages, and sets labelled, wrong, false_positive,
// false_negative and losses of their evidence. `classes` of the model, empty for a regression. The number joined.
Result<std::int64_t> JoinLabels(const Call& call, platform::Files& files, const std::string& folder,
                                const std::vector<std::string>& classes, Rollout* rollout);

}  // namespace tenon::serve
