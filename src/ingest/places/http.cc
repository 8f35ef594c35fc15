// One file of an HTTP or HTTPS server.

#include <algorithm>

#include "base/text.h"
#include "ingest/download_internal.h"
#include "ingest/place.h"

namespace tenon::ingest {
namespace {

class Http final : public Place {
 public:
  explicit Http(const Options& options) : options_(options) {}

  Result<Brought> Bring(const Call& call, const std::string& address, const SourceSpec& spec) override {
    const std::string_view rest = std::string_view(address).substr(address.find("://") + 3);
    if (rest.substr(0, rest.find('/')).find('@') != std::string_view::npos) {
      return Error(Code::kInvalidArgument, Str(Shown(address), ": a user does not stand in an address; write `connect: {token: env:NAME}`"));
    }
    Download download{.url = address, .shown = Shown(address), .headers = {}, .ca = "", .sha256 = Text("sha256"), .path = ""};
    download.sha256 = ToLower(download.sha256);
    if (!download.sha256.empty() && (download.sha256.size() != 64 || download.sha256.find_first_not_of("0123456789abcdef") != std::string::npos)) {
      return Error(Code::kInvalidArgument, Str("connect.sha256: expected 64 hexadecimal digits, got '", download.sha256, "'"));
    }
    TENON_ASSIGN(const std::string token, Secret(Text("token"), spec.folder, "connect.token"));
    if (!token.empty() && address.starts_with("http://")) {
      return Error(Code::kInvalidArgument, Str(Shown(address), ": a token is sent over https:// only"));
    }
    if (!token.empty()) download.headers.push_back(Str("Authorization: Bearer ", token));
    if (options_.Has("ca")) download.ca = platform::JoinPath(spec.folder, Text("ca"));
    Brought out;
    TENON_ASSIGN(auto copies, Copies::Make());
    download.path = copies->Path(download.shown);
    TENON_ASSIGN(auto fetcher, platform::MakeFetcher());
    TENON_TRY(Fetch(call, *fetcher, download));
    out.files = {download.path};
    out.keeper = std::move(copies);
    return out;
  }

 private:
  std::string Text(std::string_view name) const { return options_.Has(name) ? options_.Text(name) : ""; }
  Options options_;
};

}  // namespace

Result<void> AddHttp(Kinds<Place>& kinds) {
  return kinds.Add("http",
                   {.summary = "Read a file of an HTTP or HTTPS server",
                    .when = "Published data sets and exports behind a URL. A broken transfer goes on where it broke; redirections are not followed.",
                    .example = R"({"token": "env:DATA_TOKEN"})",
                    .options = {{"sha256", Option::Type::kText, nullptr, "what the file must be, in hex"},
                                {"token", Option::Type::kText, nullptr, "env:NAME or file:PATH; sent as a bearer token, over https only"},
                                {"ca", Option::Type::kText, nullptr, "PEM file of who is trusted; the system's authorities when not given"}}},
                   [](const Options& options) -> Result<std::unique_ptr<Place>> { return std::make_unique<Http>(options); });
}

}  // namespace tenon::ingest
