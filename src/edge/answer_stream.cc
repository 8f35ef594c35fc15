#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "edge/answer_stream_internal.h"

namespace tenon::edge {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(200), kPollToEnd = std::chrono::milliseconds(50);
constexpr auto kLookEvery = std::chrono::seconds(1);
constexpr auto kLongestPause = std::chrono::milliseconds(5000);
constexpr std::size_t kLeastPart = 64;              // records that are worth another thread
constexpr std::size_t kMostAside = 512 << 10;       // bytes of a record that is put aside
constexpr int kTries = 5;                           // of a record that no rung answers
constexpr std::size_t kMostId = 128;

// Whether trying again can help: a topic may be made later, and what was shut out by another process of its name may come back when that is gone.
bool MayPass(Code code) {
  return code == Code::kUnavailable || code == Code::kDeadlineExceeded || code == Code::kResourceExhausted || code == Code::kFailedPrecondition || code == Code::kNotFound;
}

// A scalar of a record as JSON that is right whatever stood there.
void AppendScalar(std::string_view raw, std::string* out) {
  if (raw.size() >= 2 && raw.front() == '"') {
    const std::string_view inner = raw.substr(1, raw.size() - 2);
    if (inner.find('\\') == std::string_view::npos) return AppendJsonString(inner, out);
    const auto read = Json::Parse(raw);
    return AppendJsonString(read && read->is_string() ? std::string_view(read->String()) : inner, out);
  }
  double number = 0;
  *out += ParseDouble(raw, &number) && (raw.front() == '-' || (raw.front() >= '0' && raw.front() <= '9')) ? raw : "null";
}

// Why an answer is an error, from its body.
std::pair<std::string, std::string> CodeAndReason(const HttpResponse& response) {
  const auto body = Json::Parse(response.body);
  const Json* error = body ? body->Find("error") : nullptr;
  if (error == nullptr) return {"internal", Str("status ", response.status)};
  return {error->StringAt("code", "internal"), error->StringAt("message")};
}

// Whether nobody answered: asking again may help.
bool Fails(const HttpResponse& response) { return response.status >= 500 || response.status == 404; }

}  // namespace

int ThreadsOf(const std::vector<AnswerStreamOptions>& streams) {
  int threads = 0;
  for (const AnswerStreamOptions& one : streams) threads += one.threads;
  return threads;
}

std::string_view MemberOf(std::string_view object, std::string_view name) {
  const auto skip_text = [&](std::size_t at) {  // from the quote to behind its end
    for (++at; at < object.size() && object[at] != '"'; ++at) {
      if (object[at] == '\\') ++at;
    }
    return std::min(at + 1, object.size());
  };
  const auto skip_blanks = [&](std::size_t at) {
    while (at < object.size() && (object[at] == ' ' || object[at] == '\n' || object[at] == '\t' || object[at] == '\r')) ++at;
    return at;
  };
  std::size_t at = skip_blanks(0);
  if (at >= object.size() || object[at] != '{') return {};
  for (++at; at < object.size();) {
    at = skip_blanks(at);
    if (at >= object.size() || object[at] != '"') return {};
    const std::size_t key = at + 1;
    at = skip_text(at);
    const bool found = at > key && object.substr(key, at - 1 - key) == name;
    at = skip_blanks(at);
    if (at >= object.size() || object[at] != ':') return {};
    at = skip_blanks(at + 1);
    const std::size_t begin = at;
    int depth = 0;
    while (at < object.size()) {
      const char c = object[at];
      if (c == '"') {
        at = skip_text(at);
        continue;
      }
      if (depth == 0 && (c == ',' || c == '}')) break;
      depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
      ++at;
    }
    if (found) return Trim(object.substr(begin, at - begin));
    if (at >= object.size() || object[at] == '}') return {};
    ++at;
  }
  return {};
}

AnswerStream::AnswerStream(Shared& shared, AnswerStreamOptions options, int thread)
    : options_(std::move(options)), path_(Str("/v1/endpoints/", options_.endpoint, ":stream")) {
  for (int i = 0; i < options_.threads; ++i) parts_.emplace_back().worker = std::make_unique<Worker>(shared, thread + i, true);
  call_.stop = stop_.get_token();
  const MutexLock lock(mutex_);
  state_.name = options_.name;
}

void AnswerStream::Start() {
  thread_ = std::thread([this] { Run(); });
}

void AnswerStream::Stop() {
  stop_.request_stop();
  if (thread_.joinable()) thread_.join();
}

AnswerStreamState AnswerStream::state() const {
  const MutexLock lock(mutex_);
  return state_;
}

void AnswerStream::Set(AnswerStreamState::Phase phase, const Error* why) {
  const MutexLock lock(mutex_);
  state_.phase = phase;
  state_.problem = why == nullptr ? std::string() : why->ForPeople();
  if (why != nullptr) state_.code = why->code();
}

void AnswerStream::Run() {
  auto pause = std::chrono::milliseconds(100);
  while (!stop_.stop_requested()) {
    const std::int64_t before = state().commits;
    auto done = Follow();
    static_cast<void>(Kept());  // it ends with the sink
    answered_ = {};
    not_kept_.reset();
    broken_ = false;
    sink_.reset();
    if (done.ok() || stop_.stop_requested()) return Set(AnswerStreamState::Phase::kEnded, nullptr);
    const bool never_began = state().commits == 0 && state().phase == AnswerStreamState::Phase::kWaiting;
    if (!MayPass(done.error().code()) || (options_.to_end && never_began)) return Set(AnswerStreamState::Phase::kFailed, &done.error());
    Set(AnswerStreamState::Phase::kWaiting, &done.error());
    if (state().commits != before) pause = std::chrono::milliseconds(100);
    const auto until = std::chrono::steady_clock::now() + pause;
    while (!stop_.stop_requested() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    pause = std::min(2 * pause, kLongestPause);
    const MutexLock lock(mutex_);
    ++state_.restarts;
  }
  Set(AnswerStreamState::Phase::kEnded, nullptr);
}

// From where the sink says, until it is told to stop, the end is there, or something goes wrong. While answers are kept, which is mostly
// waiting for a broker or a disk, the next records are answered: one batch is under way, and one is made.
Result<void> AnswerStream::Follow() {
  TENON_ASSIGN(sink_, options_.to->Open(call_, options_.whom), Str("stream ", options_.name));
  std::unique_ptr<feature::EventSource> source;
  if (options_.from->shared()) {
    TENON_ASSIGN(source, options_.from->StartShared(call_, *this), Str("stream ", options_.name));
  } else {
    TENON_ASSIGN(source, options_.from->Start(call_, *options_.whom.files, options_.whom.folder), Str("stream ", options_.name));
    TENON_ASSIGN(const auto positions, sink_->Positions(call_));
    TENON_TRY(source->Seek(positions));
  }
  Set(AnswerStreamState::Phase::kRunning, nullptr);
  while (call_.Check().ok()) {
    const std::size_t made = answered_.records.size();
    const std::chrono::milliseconds wait = made > 0 ? std::chrono::milliseconds(0) : options_.to_end ? kPollToEnd : kPoll;
    TENON_ASSIGN(const std::span<const feature::Message> messages, source->Poll(call_, options_.batch - std::min(made, options_.batch), wait));
    if (not_kept_) return *std::exchange(not_kept_, std::nullopt);
    if (!messages.empty()) TENON_TRY(Take(messages, *source));
    if (!answered_.records.empty() && (messages.empty() || !Keeping() || answered_.records.size() >= options_.batch)) {
      TENON_TRY(Kept());
      Keep();
    } else if (messages.empty() && !Keeping()) {
      TENON_TRY(Kept());
    }
    if (messages.empty() && options_.to_end && answered_.records.empty()) {
      TENON_TRY(Kept());
      TENON_ASSIGN(const std::int64_t lag, source->Lag());
      if (lag == 0) break;
    }
    LookAtLag(*source);
  }
  TENON_TRY(Kept());
  looked_ = {};
  LookAtLag(*source);
  return {};
}

bool AnswerStream::Keeping() const { return delivering_.valid() && delivering_.wait_for(std::chrono::seconds(0)) != std::future_status::ready; }

void AnswerStream::Keep() {
  std::swap(answered_, under_way_);
  answered_.bytes.clear();
  answered_.records.clear();
  answered_.next.clear();
  answered_.aside = 0;
  answered_.newest = 0;
  delivering_ = std::async(std::launch::async, [this] { return Deliver(under_way_); });
}

Result<void> AnswerStream::Kept() {
  if (!delivering_.valid()) return {};
  auto done = delivering_.get();
  broken_ = broken_ || !done.ok();
  return done;
}

Result<void> AnswerStream::KeepAll() {
  TENON_TRY(Kept());
  if (broken_) return Error(Code::kUnavailable, Str("stream ", options_.name, ": what came before was not kept"));
  if (answered_.records.empty()) return {};
  Keep();
  return Kept();
}

Result<void> AnswerStream::Deliver(const Answered& answered) {
  std::vector<feature::SinkRecord> records;
  records.reserve(answered.records.size());
  const char* at = answered.bytes.data();
  for (const Answered::Record& one : answered.records) {
    records.push_back({.aside = one.aside, .partition = one.partition, .offset = one.offset, .key = one.keyed ? std::string_view(at, one.key) : std::string_view(), .value = {at + one.key, one.value}});
    at += one.key + one.value;
  }
  TENON_TRY(sink_->Deliver(call_, records, answered.next, answered.membership), Str("stream ", options_.name));
  const MutexLock lock(mutex_);
  state_.answered += static_cast<std::int64_t>(records.size()) - answered.aside;
  state_.aside += answered.aside;
  ++state_.commits;
  state_.newest = std::max(state_.newest, static_cast<double>(answered.newest) * 1e-6);
  return {};
}

void AnswerStream::LookAtLag(feature::EventSource& source) {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < kLookEvery) return;
  looked_ = now;
  auto lag = source.LagSeen();  // asking the broker waits for the reads under way, half a second each
  const MutexLock lock(mutex_);
  state_.behind = lag.ok() ? *lag : -1;
}

// Within Poll: where a partition is gone on with is known when all that was given is kept.
Result<std::int64_t> AnswerStream::Gained(int partition) {
  TENON_TRY(KeepAll());
  return sink_->Next(call_, partition);
}

// What was given of a partition is kept by who has it now, before another process goes on with it.
void AnswerStream::Lost(int) {
  if (auto kept = KeepAll(); !kept.ok() && !not_kept_) not_kept_ = std::move(kept).error();
}

// Records: answered by all threads, in their order behind what is answered already.
Result<void> AnswerStream::Take(std::span<const feature::Message> messages, feature::EventSource& source) {
  const std::size_t count = std::clamp<std::size_t>(messages.size() / kLeastPart, 1, parts_.size()), each = (messages.size() + count - 1) / count;
  const auto part_of = [&](std::size_t i) { return messages.subspan(i * each, std::min(each, messages.size() - i * each)); };
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < count && i * each < messages.size(); ++i) helpers.emplace_back([&, i] { AnswerAll(parts_[i], part_of(i)); });
    AnswerAll(parts_[0], part_of(0));
  }
  TENON_TRY(call_.Check());  // what was given up half-way is not kept
  TENON_ASSIGN(answered_.membership, source.Membership());
  for (std::size_t i = 0; i < count && i * each < messages.size(); ++i) Append(parts_[i], part_of(i));
  return {};
}

void AnswerStream::Append(const Part& part, std::span<const feature::Message> messages) {
  for (std::size_t k = 0; k < messages.size(); ++k) {
    const feature::Message& message = messages[k];
    const std::size_t from = k == 0 ? 0 : part.ends[k - 1];
    answered_.records.push_back({.aside = part.aside[k], .partition = message.partition, .offset = message.offset, .key = message.key.size(), .value = part.ends[k] - from,
                                 .keyed = message.key.data() != nullptr});
    answered_.bytes += message.key;
    answered_.bytes += std::string_view(part.text).substr(from, part.ends[k] - from);
    answered_.aside += part.aside[k] ? 1 : 0;
    answered_.newest = std::max(answered_.newest, message.appended);
    const auto known = std::ranges::find(answered_.next, message.partition, &feature::Position::partition);
    known == answered_.next.end() ? answered_.next.push_back({message.partition, message.offset + 1}) : static_cast<void>(known->offset = message.offset + 1);
  }
}

void AnswerStream::AnswerAll(Part& part, std::span<const feature::Message> messages) {
  part.text.clear();
  part.ends.clear();
  part.aside.clear();
  while (!messages.empty()) {
    if (stop_.stop_requested()) return;
    part.worker->Tick();
    const std::size_t n = messages.size() > 1 && Together::Pays(*part.worker, options_.endpoint) ? std::min(messages.size(), Together::kMost) : 1;
    if (n == 1) {
      AnswerOne(part, messages.front());
    } else {
      if (part.together == nullptr) part.together = std::make_unique<Together>(*part.worker);
      part.requests.resize(std::max(part.requests.size(), n));
      part.bodies.resize(part.requests.size());
      part.ids.resize(part.requests.size());
      for (std::size_t i = 0; i < n; ++i) Prepare(part, i, messages[i]);
      part.together->Answer({part.requests.data(), n}, {}, [&](std::size_t i, HttpResponse& response) {
        Fails(response) ? AnswerOne(part, messages[i]) : Write(part, i, messages[i], response);
      });
    }
    messages = messages.subspan(n);
  }
}

// Whether the endpoint has a version that answers: an unloaded one is waited for.
bool AnswerStream::WaitForEndpoint(Part& part) {
  while (!stop_.stop_requested()) {
    part.worker->Tick();
    if (part.worker->Find(options_.endpoint) != nullptr) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

// The request that a record is, at a place of the part's.
void AnswerStream::Prepare(Part& part, std::size_t slot, const feature::Message& message) const {
  std::string& body = part.bodies[slot];
  body.assign(message.value);
  const std::size_t size = body.size();
  body.append(kJsonPadding, '\0');
  const std::string_view value = std::string_view(body).substr(0, size);
  HttpRequest& request = part.requests[slot];
  request.method = Method::kPost;
  request.path = path_;
  request.body = value;
  request.header_count = 0;
  const std::string_view id = options_.id.empty() ? std::string_view() : MemberOf(value, options_.id);
  std::string& shown = part.ids[slot];
  shown = id.empty() || id == "null" ? Str(options_.name, "/", message.partition, "/", message.offset) : std::string(id.front() == '"' ? id.substr(1, id.size() - 2) : id);
  if (shown.size() <= kMostId) request.headers[request.header_count++] = {"x-request-id", shown};
  if (!message.key.empty()) request.headers[request.header_count++] = {"tenon-key", message.key};
}

// At the part's first place, whose record is written: of others, those behind it are asked for already.
void AnswerStream::AnswerOne(Part& part, const feature::Message& message) {
  Prepare(part, 0, message);
  for (int tries = 0;; ++tries) {
    part.response.Clear();
    part.worker->Handle(part.requests[0], {}, part.response);
    if (!Fails(part.response)) break;
    if (!WaitForEndpoint(part) || tries == kTries) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20) * (1 << tries));
  }
  Write(part, 0, message, part.response);
}

void AnswerStream::Write(Part& part, std::size_t slot, const feature::Message& message, const HttpResponse& response) const {
  const std::string_view value = part.requests[slot].body;
  std::string& out = part.text;
  out += R"({"from":{"partition":)";
  AppendInt(message.partition, &out);
  out += R"(,"offset":)";
  AppendInt(message.offset, &out);
  out += '}';
  if (message.key.data() != nullptr && !message.key.empty()) {
    out += R"(,"key":)";
    AppendJsonString(message.key, &out);
  }
  if (!options_.id.empty()) {
    out += R"(,"id":)";
    AppendScalar(MemberOf(value, options_.id), &out);
  }
  out += R"(,"time":)";
  const std::string_view time = options_.time.empty() ? std::string_view() : MemberOf(value, options_.time);
  time.empty() || time == "null" ? AppendJsonString(FormatTimestamp(message.appended), &out) : AppendScalar(time, &out);
  part.aside.push_back(response.status != 200);
  if (part.aside.back()) {
    SetAside(part, response, value);
  } else {
    out += ',';
    out += std::string_view(response.body).substr(1, response.body.size() - 2);
    if (part.worker->lowest() == serve::Rung::kModel) out += R"(,"rung":"model")";
    out += '}';
  }
  part.ends.push_back(part.text.size());
}

void AnswerStream::SetAside(Part& part, const HttpResponse& response, std::string_view value) {
  const auto [code, reason] = CodeAndReason(response);
  std::string& out = part.text;
  out += R"(,"code":)";
  AppendJsonString(code, &out);
  out += R"(,"reason":)";
  AppendJsonString(reason, &out);
  out += R"(,"value":)";
  AppendJsonString(value.substr(0, kMostAside), &out);
  if (value.size() > kMostAside) out += R"(,"cut":true)";
  out += '}';
}

}  // namespace tenon::edge
