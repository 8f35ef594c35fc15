#include "platform/fetch.h"

#include <array>
#include <optional>
#include <cstring>

#include "base/text.h"
#include "platform/library.h"

// libcurl's functions and the numbers of its settings are declared here: its interface has been kept since 2006, and
// building needs no package then.
struct curl_slist;

namespace tenon::platform {
namespace {

enum Setting {
  kUrl = 10002, kHeaders = 10023, kWriteData = 10001, kHeaderData = 10029, kErrorBuffer = 10010, kCaInfo = 10065, kRange = 10007, kProgressData = 10057,
  kUserAgent = 10018, kWrite = 20011, kHeader = 20079, kProgress = 20219, kNoProgress = 43, kNoSignal = 99, kConnectTimeout = 78, kLowSpeedLimit = 19,
  kLowSpeedTime = 20, kProtocols = 10318,
};
constexpr int kStatusInfo = 0x200002;
constexpr int kAborted = 42, kBadUrl = 3, kBadScheme = 1;
constexpr std::size_t kMostSmall = 8 << 20;  // bytes of an answer that is kept

struct Api {
  void* (*curl_easy_init)() = nullptr;
  void (*curl_easy_cleanup)(void*) = nullptr;
  void (*curl_easy_reset)(void*) = nullptr;
  int (*curl_easy_setopt)(void*, int, ...) = nullptr;
  int (*curl_easy_perform)(void*) = nullptr;
  int (*curl_easy_getinfo)(void*, int, ...) = nullptr;
  const char* (*curl_easy_strerror)(int) = nullptr;
  curl_slist* (*curl_slist_append)(curl_slist*, const char*) = nullptr;
  void (*curl_slist_free_all)(curl_slist*) = nullptr;

  static Result<Api> Load() {
    TENON_ASSIGN(Library library, Library::Open("libcurl.so.4"), "the client of HTTP, Debian's package libcurl4");
    Api api;
#define TENON_BIND(name) TENON_TRY(library.Bind(#name, &api.name));
    TENON_BIND(curl_easy_init) TENON_BIND(curl_easy_cleanup) TENON_BIND(curl_easy_reset) TENON_BIND(curl_easy_setopt) TENON_BIND(curl_easy_perform)
    TENON_BIND(curl_easy_getinfo) TENON_BIND(curl_easy_strerror) TENON_BIND(curl_slist_append) TENON_BIND(curl_slist_free_all)
#undef TENON_BIND
    return api;
  }
};

// What the callbacks of one request share.
struct Exchange {
  const Call& call;
  const FetchRequest& request;
  const Api& api;
  void* handle;
  FetchAnswer answer;
  std::string range;  // the header of that name
  std::optional<Error> error;

  Result<void> Take(std::string_view bytes) {
    long status = 0;
    api.curl_easy_getinfo(handle, kStatusInfo, &status);
    const bool success = status >= 200 && status < 300;
    if (success && request.from > 0 && (status != 206 || !range.starts_with(Str("bytes ", request.from, "-")))) {
      return Error(Code::kFailedPrecondition, "the server gives no ranges");
    }
    answer.bytes += static_cast<std::int64_t>(bytes.size());
    if (success && request.take) return request.take(bytes);
    const std::size_t most = success ? kMostSmall : 4096;
    if (success && answer.body.size() + bytes.size() > most) return Error(Code::kResourceExhausted, Str("the answer is above ", most, " bytes"));
    answer.body += bytes.substr(0, most - std::min(most, answer.body.size()));
    return {};
  }
};

std::size_t OnBody(char* bytes, std::size_t size, std::size_t count, void* data) {
  auto& exchange = *static_cast<Exchange*>(data);
  if (auto taken = exchange.Take({bytes, size * count}); !taken) {
    exchange.error = std::move(taken).error();
    return 0;
  }
  return size * count;
}

std::size_t OnHeader(char* bytes, std::size_t size, std::size_t count, void* data) {
  auto& exchange = *static_cast<Exchange*>(data);
  const std::string_view line(bytes, size * count);
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    const std::string name = ToLower(line.substr(0, colon));
    if (name == "etag") exchange.answer.etag = std::string(Trim(line.substr(colon + 1)));
    if (name == "etag" && exchange.request.etag != nullptr) *exchange.request.etag = exchange.answer.etag;
    if (name == "content-range") exchange.range = std::string(Trim(line.substr(colon + 1)));
  }
  return size * count;
}

int OnProgress(void* data, std::int64_t, std::int64_t, std::int64_t, std::int64_t) {
  return static_cast<Exchange*>(data)->call.Check().ok() ? 0 : 1;
}

class Curl final : public Fetcher {
 public:
  Curl(const Api& api, void* handle) : api_(api), handle_(handle) {}
  Curl(const Curl&) = delete;
  Curl& operator=(const Curl&) = delete;
  ~Curl() override { api_.curl_easy_cleanup(handle_); }

  Result<FetchAnswer> Get(const Call& call, const FetchRequest& request) override {
    TENON_TRY(call.Check());
    api_.curl_easy_reset(handle_);
    Exchange exchange{call, request, api_, handle_, {}, "", {}};
    std::array<char, 256> said{};
    curl_slist* headers = nullptr;
    for (const std::string& header : request.headers) headers = api_.curl_slist_append(headers, header.c_str());
    const std::string range = Str(request.from, "-");
    const auto set = [&](Setting setting, auto value) { (void)api_.curl_easy_setopt(handle_, setting, value); };
    set(kUrl, request.url.c_str());
    set(kProtocols, "http,https");
    set(kUserAgent, "tenon");
    set(kHeaders, headers);
    set(kErrorBuffer, said.data());
    set(kWrite, &OnBody);
    set(kWriteData, &exchange);
    set(kHeader, &OnHeader);
    set(kHeaderData, &exchange);
    set(kProgress, &OnProgress);
    set(kProgressData, &exchange);
    set(kNoProgress, 0L);
    set(kNoSignal, 1L);
    set(kConnectTimeout, 10L);
    set(kLowSpeedLimit, 1L);
    set(kLowSpeedTime, 30L);
    if (request.from > 0) set(kRange, range.c_str());
    if (!request.ca.empty()) set(kCaInfo, request.ca.c_str());
    const int code = api_.curl_easy_perform(handle_);
    api_.curl_slist_free_all(headers);
    if (exchange.error) return *std::move(exchange.error);
    if (code == kAborted) TENON_TRY(call.Check());
    if (code != 0) {
      const std::string why = said[0] != '\0' ? said.data() : api_.curl_easy_strerror(code);
      return Error(code == kBadUrl || code == kBadScheme ? Code::kInvalidArgument : Code::kUnavailable, why);
    }
    long status = 0;
    api_.curl_easy_getinfo(handle_, kStatusInfo, &status);
    exchange.answer.status = static_cast<int>(status);
    return std::move(exchange.answer);
  }

 private:
  Api api_;
  void* handle_;
};

}  // namespace

Result<std::unique_ptr<Fetcher>> MakeFetcher() {
  TENON_ASSIGN(const Api api, Api::Load());
  void* handle = api.curl_easy_init();
  if (handle == nullptr) return Error(Code::kUnavailable, "libcurl does not start");
  return std::unique_ptr<Fetcher>(std::make_unique<Curl>(api, handle));
}

}  // namespace tenon::platform
