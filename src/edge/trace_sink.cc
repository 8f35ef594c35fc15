// Spans to a collector: OTLP/HTTP, protobuf (ExportTraceServiceRequest), in batches.

#include <algorithm>
#include <deque>

#include "base/text.h"
#include "edge/observer_internal.h"

namespace tenon::edge {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
constexpr std::size_t kMostBatch = 512, kMostWaiting = 8192;
constexpr auto kLongestWait = 1s;
constexpr int kTries = 6;

void AppendTextAttribute(std::string_view key, std::string_view value, std::string* out) {
  std::string text, pair;
  AppendBytesField(1, value, &text);
  AppendBytesField(1, key, &pair);
  AppendBytesField(2, text, &pair);
  AppendBytesField(1, pair, out);  // Resource.attributes
}

class TraceSink final : public FeedSink {
 public:
  TraceSink(std::unique_ptr<platform::Poster> poster, const TraceOptions& options, ObserveCounts& counts)
      : poster_(std::move(poster)), counts_(counts), headers_(options.headers) {
    headers_.emplace_back("Content-Type: application/x-protobuf");
    AppendTextAttribute("service.name", options.service, &resource_);
    AppendTextAttribute("service.version", TENON_VERSION, &resource_);
    AppendTextAttribute("telemetry.sdk.name", "tenon", &resource_);
    AppendTextAttribute("telemetry.sdk.language", "cpp", &resource_);
    AppendBytesField(1, "tenon", &scope_);
    AppendBytesField(2, TENON_VERSION, &scope_);
  }

  void Take(std::string_view record) override {
    if (waiting_.size() >= kMostWaiting) {
      counts_.spans_failed.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    if (waiting_.empty()) oldest_ = Clock::now();
    waiting_.emplace_back(record);
  }

  void Rest(bool ending) override {
    while (!batch_.empty() || (!waiting_.empty() && (ending || waiting_.size() >= kMostBatch || Clock::now() - oldest_ >= kLongestWait))) {
      if (batch_.empty()) Fill();
      if (!ending && Clock::now() < next_) return;
      if (!Send(ending ? 1s : 5s)) {
        if (!ending) return;
        Drop();
        counts_.spans_failed.fetch_add(static_cast<std::int64_t>(waiting_.size()), std::memory_order_relaxed);
        return;
      }
    }
  }

 private:
  void Fill() {
    std::string scope_spans;
    AppendBytesField(1, scope_, &scope_spans);
    count_ = 0;
    for (; count_ < kMostBatch && !waiting_.empty(); ++count_) {
      AppendBytesField(2, waiting_.front(), &scope_spans);
      waiting_.pop_front();
    }
    oldest_ = Clock::now();
    std::string resource_spans;
    AppendBytesField(1, resource_, &resource_spans);
    AppendBytesField(2, scope_spans, &resource_spans);
    AppendBytesField(1, resource_spans, &batch_);
    tries_ = 0;
  }

  // True when the batch is done with, one way or the other.
  bool Send(std::chrono::milliseconds limit) {
    const auto answer = poster_->Post(headers_, batch_, limit);
    const int status = answer.ok() ? answer->status : 0;
    if (status / 100 == 2) {
      counts_.spans_sent.fetch_add(static_cast<std::int64_t>(count_), std::memory_order_relaxed);
      batch_.clear();
      return true;
    }
    const bool may_pass = status == 0 || status == 429 || (status >= 502 && status <= 504);
    if (!may_pass || ++tries_ >= kTries) {
      Drop();
      return true;
    }
    std::int64_t seconds = 0;
    const auto doubled = std::min<std::chrono::milliseconds>(500ms * (1 << tries_), 30s);
    jitter_ = jitter_ * 6364136223846793005U + 1442695040888963407U;
    const auto wait = doubled / 2 + doubled / 2 * static_cast<int>(jitter_ >> 60) / 16;
    const bool told = answer.ok() && ParseInt64(answer->retry_after, &seconds) && seconds >= 0;
    next_ = Clock::now() + (told ? std::min<std::chrono::milliseconds>(std::chrono::seconds(seconds), 60s) : wait);
    return false;
  }

  void Drop() {
    counts_.spans_failed.fetch_add(static_cast<std::int64_t>(count_), std::memory_order_relaxed);
    batch_.clear();
  }

  std::unique_ptr<platform::Poster> poster_;
  ObserveCounts& counts_;
  std::vector<std::string> headers_;
  std::string resource_, scope_;
  std::deque<std::string> waiting_;
  std::string batch_;  // on its way; "": none
  std::size_t count_ = 0;
  int tries_ = 0;
  std::uint64_t jitter_ = 1;
  Clock::time_point oldest_, next_;
};

}  // namespace

Result<std::unique_ptr<FeedSink>> MakeTraceSink(platform::Files& files, const TraceOptions& options, ObserveCounts& counts) {
  TENON_ASSIGN(platform::Url url, platform::ParseUrl(options.url));
  for (const std::string& header : options.headers) {
    if (header.find(':') == std::string::npos || header.find_first_of("\r\n") != std::string::npos) {
      return Error(Code::kInvalidArgument, "a header for the collector must be 'name: value'");
    }
  }
  return std::unique_ptr<FeedSink>(std::make_unique<TraceSink>(platform::MakePoster(files, std::move(url), options.ca), options, counts));
}

}  // namespace tenon::edge
