#include "edge/ota_server.h"

#include <algorithm>

#include "base/text.h"
#include "edge/guard.h"
#include "edge/http_server.h"

namespace tenon::edge {
namespace {

// The value of a name in a query whose values need no decoding: names and numbers.
std::string_view InQuery(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view one = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=') return one.substr(name.size() + 1);
  }
  return {};
}

// "bytes=100-199" and "bytes=100-" of something of that size; false for anything else.
bool RangeOf(std::string_view header, std::size_t size, std::size_t* from, std::size_t* count) {
  if (!header.starts_with("bytes=")) return false;
  header.remove_prefix(6);
  const std::size_t dash = header.find('-');
  std::int64_t first = 0, last = static_cast<std::int64_t>(size) - 1;
  if (dash == std::string_view::npos || !ParseInt64(header.substr(0, dash), &first) || first < 0) return false;
  if (dash + 1 < header.size() && !ParseInt64(header.substr(dash + 1), &last)) return false;
  last = std::min(last, static_cast<std::int64_t>(size) - 1);
  if (first > last) return false;
  *from = static_cast<std::size_t>(first);
  *count = static_cast<std::size_t>(last - first + 1);
  return true;
}

class OtaHandler final : public HttpHandler {
 public:
  OtaHandler(ota::Depot& depot, const govern::Access* access) : depot_(&depot), guard_(access) {}

  void Handle(const HttpRequest& request, const HttpPeer& peer, HttpResponse& response) override {
    constexpr std::string_view kPrefix = "/v1/ota/";
    if (request.path == "/healthz") {
      response.body = R"({"status":"ready"})";
      return;
    }
    guard_.Refresh();
    Asker asker;
    if (guard_.Check(request.Header("authorization"), request.Header("x-api-key"), peer, Need::kKnown, &asker) != Guard::Verdict::kIn) {
      response.AddHeader("WWW-Authenticate", "Bearer realm=\"tenon\"");
      return SetError(Code::kUnauthenticated, guard_.problem(), response);
    }
    if (!request.path.starts_with(kPrefix)) return SetError(Code::kNotFound, "there are /v1/ota/<channel>, its /bundles/<sha256> and /reports, and /healthz", response);
    const std::string_view rest = request.path.substr(kPrefix.size());
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view channel = rest.substr(0, slash), what = rest.substr(slash);
    const bool reads = request.method == Method::kGet || request.method == Method::kHead;
    if (what == "/reports") {
      if (request.method != Method::kPost) return SetErrorStatus(405, "reports are posted", response);
      return Report(channel, request, response);
    }
    if (!reads) return SetErrorStatus(405, "this is read by GET", response);
    if (what.empty()) return Offer(channel, request, response);
    if (what.starts_with("/bundles/")) return Bundle(what.substr(9), request, response);
    SetError(Code::kNotFound, Str("no route ", request.path), response);
  }

 private:
  static void Fail(const Error& error, HttpResponse& response) { SetError(error.code(), error.ForPeople(), response); }

  void Offer(std::string_view channel, const HttpRequest& request, HttpResponse& response) {
    const std::string_view device = InQuery(request.query, "device"), version = InQuery(request.query, "version");
    std::int64_t number = 0;
    if (!ota::IsPlainName(device) || !ParseInt64(version, &number) || number < 0) {
      return SetError(Code::kInvalidArgument, "ask with ?device=NAME&version=NUMBER, where NUMBER is the release it has, 0 for none", response);
    }
    const auto offered = depot_->Offer(channel, device, number);
    if (!offered) return Fail(offered.error(), response);
    response.body = *offered ? (*offered)->ToJson().Dump() : std::string(R"({"release":null})");
  }

  void Bundle(std::string_view sha256, const HttpRequest& request, HttpResponse& response) {
    const auto bytes = depot_->Bundle(sha256);
    if (!bytes) return Fail(bytes.error(), response);
    const std::string_view all = (*bytes)->view();
    response.content_type = "application/octet-stream";
    response.AddHeader("Accept-Ranges", "bytes");
    const std::string_view range = request.Header("range");
    if (range.data() == nullptr) {
      response.body = all;
      return;
    }
    std::size_t from = 0, count = 0;
    if (!RangeOf(range, all.size(), &from, &count)) {
      SetErrorStatus(416, Str("the bundle has ", all.size(), " bytes; a range is written bytes=FIRST-LAST"), response);
      response.AddHeader("Content-Range", Str("bytes */", all.size()));
      return;
    }
    response.status = 206;
    response.AddHeader("Content-Range", Str("bytes ", from, "-", from + count - 1, "/", all.size()));
    response.body = all.substr(from, count);
  }

  void Report(std::string_view channel, const HttpRequest& request, HttpResponse& response) {
    const auto report = Json::Parse(request.body, "report");
    if (!report) return Fail(report.error(), response);
    const Micros now = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    if (auto taken = depot_->Report(channel, *report, now); !taken) return Fail(taken.error(), response);
    response.body = R"({"taken":true})";
  }

  ota::Depot* depot_;
  Guard guard_;
};

}  // namespace

Result<std::unique_ptr<Server>> StartOtaServer(const ServerOptions& options, ota::Depot& depot) {
  ServerOptions settled = options;
  settled.threads = std::max(settled.threads, 1);
  return ListenHttp(settled, [&depot, access = options.access](int) -> std::unique_ptr<HttpHandler> { return std::make_unique<OtaHandler>(depot, access); });
}

}  // namespace tenon::edge
