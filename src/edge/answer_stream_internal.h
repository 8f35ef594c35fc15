#pragma once

#include <future>
#include <memory>
#include <optional>
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
  void Lost(int partition) override;
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
  // Records that are answered, on their way to the sink; they hold on to nothing of the source's.
  struct Answered {
    struct Record {
      bool aside = false;
      int partition = 0;
      std::int64_t offset = 0;
      std::size_t key = 0, value = 0;  // bytes, one behind the other in `bytes`
      bool keyed = false;
    };
    std::string bytes;
    std::vector<Record> records;
    std::vector<feature::Position> next;
    std::string membership;  // when they were given
    std::int64_t aside = 0;
    Micros newest = 0;
  };
  void Run();
  Result<void> Follow();
  Result<void> Take(std::span<const feature::Message> messages, feature::EventSource& source);
  void Append(const Part& part, std::span<const feature::Message> messages);
  void Keep();                   // begins to keep what is answered, when what is under way is kept
  Result<void> Kept();           // waits for what is under way
  Result<void> KeepAll();
  bool Keeping() const;
  Result<void> Deliver(const Answered& answered);
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
  Answered answered_, under_way_;          // the latter is the delivering thread's until Kept
  std::future<Result<void>> delivering_;
  bool broken_ = false;                    // the sink failed: what is answered behind that is not kept either
  std::optional<Error> not_kept_;          // of partitions that were taken away
  std::chrono::steady_clock::time_point looked_{};
  mutable Mutex mutex_;
  AnswerStreamState state_ TENON_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace tenon::edge
