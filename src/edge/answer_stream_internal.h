#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "edge/answer_stream.h"
#include "edge/together_internal.h"
#include "edge/worker_internal.h"

namespace tenon::edge {

// The value of a member of a JSON object, as it is written there; empty when there is none. Looks at the object itself, not at what is in
// its members, and believes that it is JSON.
std::string_view MemberOf(std::string_view object, std::string_view name);

// Answers a stream on threads of its own, from Start to Stop. What goes wrong for now is tried again from where the sink says.
class AnswerStream final : public feature::PartitionOwner {
 public:
  // Its workers are `thread` and those behind it. `shared` outlives it.
  AnswerStream(Shared& shared, AnswerStreamOptions options, int thread);
  ~AnswerStream() override { Stop(); }
  void Start();
  void Stop();  // what is under way is finished or not kept at all
  AnswerStreamState state() const;

  Result<std::int64_t> Gained(int partition) override;
  void Lost(int) override {}  // all that was given is kept before the source is asked for more
  bool keeps_there() const override { return true; }

 private:
  // One thread's part of a batch.
  struct Part {
    std::unique_ptr<Worker> worker;
    std::unique_ptr<Together> together;
    std::vector<HttpRequest> requests = std::vector<HttpRequest>(1);  // and what they view:
    std::vector<std::string> bodies = std::vector<std::string>(1), ids = std::vector<std::string>(1);
    HttpResponse response;
    std::string text;                        // of all values, one behind the other
    std::vector<std::size_t> ends;           // in it
    std::vector<bool> aside;
  };
  void Run();
  Result<void> Follow();
  Result<void> Take(std::span<const feature::Message> messages, feature::EventSource& source);
  void AnswerAll(Part& part, std::span<const feature::Message> messages);
  void Prepare(Part& part, std::size_t slot, const feature::Message& message) const;
  void AnswerOne(Part& part, const feature::Message& message);
  void Write(Part& part, std::size_t slot, const feature::Message& message, const HttpResponse& response) const;
  static void SetAside(Part& part, const HttpResponse& response, std::string_view value);
  bool WaitForEndpoint(Part& part);
  void Set(AnswerStreamState::Phase phase, const Error* why);
  void LookAtLag(feature::EventSource& source);

  const AnswerStreamOptions options_;
  const std::string path_;
  std::vector<Part> parts_;
  Call call_;
  std::stop_source stop_;
  std::unique_ptr<feature::EventSink> sink_;
  std::chrono::steady_clock::time_point looked_{};
  mutable Mutex mutex_;
  AnswerStreamState state_ TENON_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace tenon::edge
