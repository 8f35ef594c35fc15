#include <charconv>
#include <cmath>

#include "base/json.h"
#include "base/text.h"
#include "edge/compression_internal.h"
#include "edge/oip_internal.h"
#include "edge/worker_later_internal.h"

namespace tenon::edge {
namespace {

constexpr std::size_t kMostRequestId = 128;
constexpr std::size_t kLeastPacked = 1024;   // bytes of an answer worth compressing

// The rest of a path below a prefix: "" for the prefix itself, "/x" below it, null data() when it is another path.
std::string_view Below(std::string_view path, std::string_view prefix) {
  if (path.size() < prefix.size() || path.substr(0, prefix.size()) != prefix) return {};
  if (path.size() > prefix.size() && path[prefix.size()] != '/') return {};
  return path.substr(prefix.size());
}

}  // namespace

Lane::Lane(std::shared_ptr<const serve::Served> version, VersionCounters* its_counters)
    : session(std::move(version)), counters(its_counters) {
  head = R"({"model":)";
  AppendJsonString(served().model, &head);
  head += R"(,"predictions":[)";
  for (const std::string& name : served().predictor->classes()) {
    decisions.emplace_back();
    AppendJsonString(name, &decisions.back());
  }
  outputs = OipOutputsOf(served());
}

Worker::Worker(Shared& shared, int thread, bool own) : shared_(&shared), thread_(thread), own_(own), guard_(shared.access), oip_(std::make_unique<OipMemory>()) {
  if (shared.observers != nullptr) observer_ = std::make_unique<Observer>(*shared.observers, thread, shared.run_id);
  Refresh();
}
Worker::~Worker() = default;

void Worker::Refresh() {
  const std::uint64_t now = shared_->endpoints.revision();
  if (now == revision_) return;
  const auto map = shared_->endpoints.all();
  std::vector<Lanes> lanes(map->size());
  std::size_t old = 0;
  for (std::size_t i = 0; i < map->size(); ++i) {  // both are sorted by name
    const auto& arms = (*map)[i].second->arms;
    lanes[i].resize(arms.size());
    while (old < lanes_.size() && (*map_)[old].first < (*map)[i].first) ++old;
    if (old >= lanes_.size() || (*map_)[old].first != (*map)[i].first) continue;
    for (std::size_t k = 0; k < arms.size(); ++k) {
      for (auto& lane : lanes_[old]) {
        if (lane == nullptr || &lane->served() != arms[k].served.get()) continue;
        lanes[i][k] = std::move(lane);
        Bind(*lanes[i][k], (*map)[i].second, arms[k]);
      }
    }
  }
  map_ = map;
  unloaded_ = shared_->endpoints.withdrawn();
  lanes_ = std::move(lanes);
  revision_ = now;
}

std::size_t Worker::IndexOf(std::string_view name) const {
  std::size_t low = 0, high = map_->size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if ((*map_)[middle].first < name) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < map_->size() && (*map_)[low].first == name ? low : map_->size();
}

Error Worker::WhyNot(std::string_view name) const {
  if (serve::Endpoints::FindIn(*unloaded_, name) != nullptr) {
    return Error(Code::kUnavailable, Str("the model '", name, "' is unloaded; POST /v2/repository/models/", name, "/load brings it back"));
  }
  std::vector<std::string> names;
  for (const auto& entry : *map_) names.push_back(entry.first);
  return Error(Code::kNotFound, Str("no model '", name, "'", DidYouMean(name, names)));
}

void Worker::Begin(const HttpPeer& peer) {
  began_ = std::chrono::steady_clock::now();
  queued_ = peer.arrived.time_since_epoch().count() == 0 ? std::chrono::nanoseconds(0) : began_ - peer.arrived;
  predicting_ = waited_ = {};
  deadline_ = {};
  rows_ = executions_ = 0;
  pending_.reset();  // of a request that met a bug
  suspended_ = resumed_ = false;
  completed_by_ = Completed::kNone;
  DropKept();
  Refresh();
  shared_->metrics.thread(thread_).requests.Add(1);
}

void Worker::Handle(const HttpRequest& request, const HttpPeer& peer, HttpResponse& response) {
  Begin(peer);
  AnswerRequest(request, peer, response);
}

void Worker::AnswerRequest(const HttpRequest& request, const HttpPeer& peer, HttpResponse& response) {
  peer_ = peer.bell == nullptr ? nullptr : &peer;
  const auto respond = [&]() -> const HttpRequest& { return resumed_ || LetIn(request, peer, response) ? Respond(request, response) : request; };
  if (observer_ == nullptr) {
    respond();
  } else {
    observer_->Begin(request);
    answered_ = nullptr;
    const HttpRequest& routed = respond();
    if (!suspended_) observer_->End({routed, peer, response, asker_.name, answered_, began_});
  }
  if (refusal_of_batch_ != nullptr && response.status == 503) response.AddHeader("Retry-After", "1");
  if (!suspended_ && response.body.size() >= kLeastPacked) Pack(request, response);
  LeaveOff(&response.later);
}

// Gives the request as it was routed.
const HttpRequest& Worker::Respond(const HttpRequest& request, HttpResponse& response) {
  Counter& in_flight = shared_->metrics.thread(thread_).in_flight;
  in_flight.Add(1);
  const HttpRequest* routed = &request;
  if (request.Header("content-encoding").empty()) {
    Route(request, response);
  } else if (Unpack(request, response)) {
    Route(unpacked_, response);
    routed = &unpacked_;
  }
  if (furthest_ != serve::Rung::kModel && response.status == 200) response.AddHeader("Tenon-Rung", serve::NameOf(furthest_));
  TellStages(response);
  in_flight.Add(-1);
  return *routed;
}

bool Worker::PlainErrors(const HttpRequest& request) {
  return Below(request.path, "/v2").data() != nullptr || Below(request.path, "/v1/models").data() != nullptr;
}

bool Worker::Refuse(Refusal why, int status, std::string_view text, const HttpRequest& request, HttpResponse& response) {
  shared_->metrics.thread(thread_).refused[static_cast<std::size_t>(why)].Add(1);
  refusal_ = text;
  if (PlainErrors(request)) {
    SetPlainError(status, text, response);
  } else {
    SetErrorStatus(status, text, response);
  }
  return false;
}

bool Worker::MayWait(const HttpRequest& request) const {
  const Need need = NeedOf(request.method, request.path);
  return need != Need::kNothing && need != Need::kMetrics;
}

std::string_view Worker::TurnedAway(const HttpRequest& request) {
  ThreadCounters& counters = shared_->metrics.thread(thread_);
  counters.requests.Add(1);
  counters.refused[static_cast<std::size_t>(Refusal::kOverload)].Add(1);
  return PlainErrors(request) ? std::string_view(R"({"error":"the server has more to do than it can; try again later"})") : HttpHandler::TurnedAway(request);
}

bool Worker::LetIn(const HttpRequest& request, const HttpPeer& peer, HttpResponse& response) {
  guard_.Refresh();
  come_back_ = {};
  if (own_) {
    asker_ = {{}, 0, 0, true};
    return true;
  }
  asker_ = {{}, peer.client, 0, guard_.open()};
  if (guard_.open() && shared_->rate == 0 && shared_->budget == nullptr && !shared_->sheds) return true;
  const std::int64_t now = std::chrono::nanoseconds(began_.time_since_epoch()).count();
  const bool late = peer.turn_away_at != 0 && now > peer.turn_away_at;
  const Need need = NeedOf(request.method, request.path);
  if (late && need != Need::kNothing && need != Need::kMetrics) {
    Refuse(Refusal::kOverload, 503, "the server has more to do than it can; try again later", request, response);
    response.headers += "Retry-After: 1\r\n";
    come_back_ = std::chrono::seconds(1);
    return false;
  }
  const std::string_view key = request.Header("x-api-key"), authorization = request.Header("authorization");
  if (const auto verdict = guard_.Check(authorization, key, peer, need, &asker_); verdict != Guard::Verdict::kIn) {
    if (verdict == Guard::Verdict::kForbidden) return Refuse(Refusal::kForbidden, 403, guard_.problem(), request, response);
    response.AddHeader("WWW-Authenticate", "Bearer realm=\"tenon\"");
    return Refuse(Refusal::kUnauthenticated, 401, guard_.problem(), request, response);
  }
  if (need == Need::kNothing || need == Need::kMetrics) return true;
  std::chrono::nanoseconds wait{};
  Refusal why = Refusal::kRate;
  std::string_view text = "more requests than the rate limit allows you";
  bool refused = (shared_->rate > 0 || asker_.rate > 0) && !shared_->limit->Take(asker_.hash, began_, &wait, asker_.rate);
  if (!refused && shared_->budget != nullptr && (need == Need::kPredict || need == Need::kExplain) && !shared_->budget->Has(asker_.hash, began_, &wait)) {
    refused = true;
    why = Refusal::kBudget;
    text = "your predictions of these 24 hours are used up";
  }
  if (!refused) return true;
  if (why == Refusal::kRate) shared_->metrics.thread(thread_).limited.Add(1);
  Refuse(why, 429, text, request, response);
  come_back_ = std::chrono::ceil<std::chrono::milliseconds>(wait);
  response.AddHeader("Retry-After", std::to_string(std::chrono::ceil<std::chrono::seconds>(wait).count()));
  return false;
}

bool Worker::Unpack(const HttpRequest& request, HttpResponse& response) {
  const std::string_view coding = request.Header("content-encoding");
  if (EqualsIgnoringCase(coding, "identity")) {
    unpacked_ = request;
    return true;
  }
  if (!EqualsIgnoringCase(coding, "gzip") && !EqualsIgnoringCase(coding, "deflate")) {
    SetErrorStatus(415, "the content codings taken here are gzip and deflate", response);
    return false;
  }
  bool too_large = false;
  if (!Inflate(request.body, shared_->most_body, &inflated_, &too_large)) {
    SetErrorStatus(too_large ? 413 : 400, too_large ? "the body is too large" : "the body is not what its Content-Encoding says", response);
    return false;
  }
  unpacked_ = request;
  const std::size_t size = inflated_.size();
  inflated_.append(kJsonPadding, '\0');
  unpacked_.body = std::string_view(inflated_).substr(0, size);
  return true;
}

// Tensors and metrics, where the client takes it; predictions are small and not worth the time.
void Worker::Pack(const HttpRequest& request, HttpResponse& response) {
  if (response.status != 200 || (Below(request.path, "/v2").data() == nullptr && request.path != "/metrics")) return;
  const std::string_view takes = request.Header("accept-encoding");
  const bool gzip = HasToken(takes, "gzip");
  if (!gzip && !HasToken(takes, "deflate")) return;
  std::string packed;
  if (!Deflate(response.body, gzip, &packed)) return;
  response.body = std::move(packed);
  response.AddHeader("Content-Encoding", gzip ? "gzip" : "deflate");
  response.AddHeader("Vary", "Accept-Encoding");
}

void Worker::Route(const HttpRequest& request, HttpResponse& response) {
  const std::string_view path = request.path;
  if (auto rest = Below(path, "/v1/endpoints"); rest.data() != nullptr) {
    return AnswerEndpoints(*this, request, rest, response);
  }
  if (auto rest = Below(path, "/v2"); rest.data() != nullptr) return AnswerOip(*this, request, rest, response);
  if (auto rest = Below(path, "/v1/models"); rest.data() != nullptr) return AnswerV1Models(*this, request, rest, response);
  if (auto rest = Below(path, "/v1/projects"); rest.data() != nullptr) return AnswerVertex(*this, request, rest, response);
  if (path == "/healthz") return AnswerHealth(*this, request, response);
  if (path == "/metrics") return AnswerMetrics(*this, request, response);
  if (AnswerFeatures(*this, request, response)) return;
  if (path == "/openapi.json") return AnswerOpenApi(*this, request, response);
  if (path == "/docs") return AnswerDocs(request, response);
  if (path == "/") return AnswerRoot(*this, request, response);
  SetError(Code::kNotFound, Str("no route ", path, "; there are /v1/endpoints, /v2, /v1/models, /v1/projects, /healthz, /metrics, /openapi.json, /docs"), response);
}

std::string_view Worker::RequestId(std::string_view given) {
  if (shared_->log == nullptr) return {};
  if (!given.empty() && given.size() <= kMostRequestId) {
    request_id_ = given;
  } else {
    char digits[64];
    char* end = std::to_chars(digits, digits + 20, shared_->run_id, 16).ptr;
    *end++ = '-';
    end = std::to_chars(end, end + 4, thread_).ptr;
    *end++ = '-';
    end = std::to_chars(end, end + 20, next_id_++).ptr;
    request_id_.assign(digits, end);
  }
  return request_id_;
}

std::string_view Worker::Decoded(std::string_view segment) {
  if (segment.find('%') == std::string_view::npos) return segment;
  decoded_.resize(segment.size());
  std::size_t size = 0;
  if (!DecodePercent(segment, decoded_.data(), &size)) return {};
  return std::string_view(decoded_).substr(0, size);
}

bool Allowed(const HttpRequest& request, std::initializer_list<Method> methods, HttpResponse& response) {
  const Method asked = request.method == Method::kHead ? Method::kGet : request.method;
  std::string allow;
  for (Method method : methods) {
    if (method == asked) return true;
    allow += allow.empty() ? "" : ", ";
    allow += method == Method::kGet ? "GET, HEAD" : "POST";
  }
  SetErrorStatus(405, Str("this route takes ", allow), response);
  response.AddHeader("Allow", allow);
  return false;
}

void SetPlainError(int status, std::string_view text, HttpResponse& response) {
  response.status = status;
  response.content_type = kJson;
  response.body = R"({"error":)";
  AppendJsonString(text, &response.body);
  response.body += '}';
}

void AppendFloat(float value, std::string* out) {
  if (!std::isfinite(value)) {
    *out += "null";
    return;
  }
  char digits[32];
  out->append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

void AppendDouble(double value, std::string* out) {
  if (!std::isfinite(value)) {
    *out += "null";
    return;
  }
  char digits[40];
  out->append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

void AppendInt(std::int64_t value, std::string* out) {
  char digits[24];
  out->append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

}  // namespace tenon::edge
