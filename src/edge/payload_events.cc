// Payload events: a CloudEvent (1.0, HTTP binary mode) a request and a response, in the shape of KServe's logger.

#include "base/text.h"
#include "base/time.h"
#include "edge/observer_internal.h"

namespace tenon::edge {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

void AppendPart(std::string_view part, std::string* out) {
  const auto size = static_cast<std::uint32_t>(part.size());
  for (int i = 0; i < 4; ++i) out->push_back(static_cast<char>(size >> (8 * i)));
  *out += part;
}

bool TakePart(std::string_view* from, std::string_view* part) {
  if (from->size() < 4) return false;
  std::uint32_t size = 0;
  for (std::size_t i = 4; i-- > 0;) size = (size << 8) | static_cast<unsigned char>((*from)[i]);
  if (size > from->size() - 4) return false;
  *part = from->substr(4, size);
  from->remove_prefix(4 + std::size_t{size});
  return true;
}

// A header's value: what is not printable, blanks, quotes and percent signs as %HH.
std::string Escaped(std::string_view text) {
  std::string out;
  static constexpr char kDigits[] = "0123456789ABCDEF";
  for (const char c : text) {
    if (c > ' ' && c <= '~' && c != '"' && c != '%') {
      out += c;
    } else {
      out += '%';
      out += kDigits[static_cast<unsigned char>(c) >> 4];
      out += kDigits[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

class EventSink final : public FeedSink {
 public:
  EventSink(std::unique_ptr<platform::Poster> poster, ObserveCounts& counts) : poster_(std::move(poster)), counts_(counts) {}

  void Take(std::string_view record) override {
    PayloadEvent event;
    if (!ReadPayloadEvent(record, &event)) return;
    // Nobody waits for a sink that does not answer: what comes while it is away is counted and let go.
    if (Clock::now() < next_) return Failed();
    const std::vector<std::string> headers = {
        "ce-specversion: 1.0",
        Str("ce-id: ", Escaped(event.id)),
        Str("ce-type: org.kubeflow.serving.inference.", event.response ? "response" : "request"),
        Str("ce-source: ", Escaped(event.source)),
        Str("ce-time: ", FormatTimestamp(event.at)),
        Str("ce-recordedtime: ", FormatTimestamp(std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count())),
        Str("ce-inferenceservicename: ", Escaped(event.endpoint)),
        "ce-namespace: ",
        "ce-component: predictor",
        "ce-endpoint: default",
        "ce-metadata: {}",
        Str("ce-modelversion: ", Escaped(event.model)),
        Str("ce-traceparent: ", event.traceparent),
        Str("Content-Type: ", event.content_type)};
    const auto answer = poster_->Post(headers, event.body, 2s);
    if (answer.ok() && answer->status / 100 == 2) {
      counts_.events_sent.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    if (!answer.ok() || answer->status == 429 || answer->status == 503) next_ = Clock::now() + 1s;
    Failed();
  }

  void Rest(bool) override {}

 private:
  void Failed() { counts_.events_failed.fetch_add(1, std::memory_order_relaxed); }

  std::unique_ptr<platform::Poster> poster_;
  ObserveCounts& counts_;
  Clock::time_point next_;
};

}  // namespace

void AppendPayloadEvent(const PayloadEvent& event, std::string* out) {
  out->push_back(event.response ? '\1' : '\0');
  for (int i = 0; i < 8; ++i) out->push_back(static_cast<char>(static_cast<std::uint64_t>(event.at) >> (8 * i)));
  for (const std::string_view part : {event.id, event.endpoint, event.model, event.content_type, event.traceparent, event.source, event.body}) AppendPart(part, out);
}

bool ReadPayloadEvent(std::string_view record, PayloadEvent* out) {
  if (record.size() < 9) return false;
  out->response = record.front() != '\0';
  std::uint64_t at = 0;
  for (std::size_t i = 9; i-- > 1;) at = (at << 8) | static_cast<unsigned char>(record[i]);
  out->at = static_cast<std::int64_t>(at);
  record.remove_prefix(9);
  for (std::string_view* part : {&out->id, &out->endpoint, &out->model, &out->content_type, &out->traceparent, &out->source, &out->body}) {
    if (!TakePart(&record, part)) return false;
  }
  return record.empty();
}

Result<std::unique_ptr<FeedSink>> MakeEventSink(platform::Files& files, const EventOptions& options, ObserveCounts& counts) {
  TENON_ASSIGN(platform::Url url, platform::ParseUrl(options.url));
  return std::unique_ptr<FeedSink>(std::make_unique<EventSink>(platform::MakePoster(files, std::move(url), options.ca), counts));
}

}  // namespace tenon::edge
