#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "base/hash.h"
#include "base/text.h"
#include "ingest/download_internal.h"
#include "platform/files.h"

namespace tenon::ingest {
namespace {

constexpr int kAttempts = 5;
constexpr auto kFirstWait = std::chrono::milliseconds(200);

bool Again(const Error& error) { return error.code() == Code::kUnavailable; }

Result<void> Pause(const Call& call, int attempt) {
  const auto until = std::chrono::steady_clock::now() + kFirstWait * (1 << attempt);
  while (std::chrono::steady_clock::now() < until) {
    TENON_TRY(call.Check());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<Copies>> Copies::Make() {
  const char* folder = std::getenv("TMPDIR");
  std::string path = platform::JoinPath(folder != nullptr ? folder : "/tmp", "tenon-source-XXXXXX");
  if (mkdtemp(path.data()) == nullptr) return Error(Code::kUnavailable, Str("cannot make a temporary folder ", path));
  return std::make_shared<Copies>(std::move(path));
}

Copies::~Copies() {
  for (const std::string& path : paths_) (void)platform::RealFiles()->Remove(path);
  (void)::rmdir(folder_.c_str());
}

std::string Copies::Path(std::string_view name) {
  paths_.push_back(platform::JoinPath(folder_, Str(paths_.size(), "-", platform::NameOf(name))));
  return paths_.back();
}

Error StatusError(int status, std::string_view shown, std::string_view why) {
  const Code code = status == 404   ? Code::kNotFound
                    : status == 401 ? Code::kUnauthenticated
                    : status == 403 ? Code::kPermissionDenied
                    : status == 429 || status >= 500 ? Code::kUnavailable
                                                     : Code::kFailedPrecondition;
  return Error(code, Str(shown, ": the server answered ", status, why.empty() ? "" : ": ", why));
}

Result<void> Fetch(const Call& call, platform::Fetcher& fetcher, const Download& download) {
  const auto files = platform::RealFiles();
  TENON_ASSIGN(auto out, files->Append(download.path));
  std::int64_t have = 0;
  std::string etag;
  Result<void> last;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (attempt > 0) TENON_TRY(Pause(call, attempt - 1));
    std::string now;
    platform::FetchRequest request{download.url, download.headers, download.ca, have, &now, [&](std::string_view bytes) -> Result<void> {
                                     have += static_cast<std::int64_t>(bytes.size());
                                     return out->Append(bytes);
                                   }};
    if (have > 0) request.headers.push_back(Str("If-Range: ", etag));
    auto answer = fetcher.Get(call, request);
    if (answer && answer->status >= 200 && answer->status < 300) {
      last = {};
      break;
    }
    last = answer ? Result<void>(StatusError(answer->status, download.shown, "")) : Result<void>(std::move(answer).error().Context(download.shown));
    if (have > 0 && !now.empty()) etag = now;
    const bool begin = last.error().code() == Code::kFailedPrecondition && have > 0;  // no ranges, or another file now
    if (!begin && !Again(last.error())) return last;
    if (begin || etag.empty()) {
      TENON_TRY(files->Cut(download.path, 0));
      TENON_ASSIGN(out, files->Append(download.path));
      have = 0;
    }
  }
  TENON_TRY(std::move(last), Str("after ", kAttempts, " attempts"));
  if (download.sha256.empty()) return {};
  TENON_ASSIGN(auto bytes, files->Map(download.path));
  if (const std::string got = HashOf(bytes->view()); got != download.sha256) {
    return Error(Code::kDataLoss, Str(download.shown, ": its SHA-256 is ", got, ", and connect.sha256 says ", download.sha256));
  }
  return {};
}

}  // namespace tenon::ingest
