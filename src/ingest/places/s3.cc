// Objects of a store that speaks the protocol of S3.

#include <fnmatch.h>

#include <algorithm>
#include <iterator>

#include "base/text.h"
#include "ingest/aws_signature_internal.h"
#include "ingest/download_internal.h"
#include "ingest/place.h"
#include "ingest/s3_answers_internal.h"

namespace tenon::ingest {
namespace {

constexpr std::size_t kMostObjects = 100'000;

class S3 final : public Place {
 public:
  explicit S3(const Options& options) : options_(options) {}

  Result<Brought> Bring(const Call& call, const std::string& address, const SourceSpec& spec) override {
    const std::string rest = address.substr(address.find("://") + 3);
    const std::size_t slash = rest.find('/');
    bucket_ = rest.substr(0, slash);
    const std::string pattern = slash == std::string::npos ? "" : rest.substr(slash + 1);
    if (bucket_.empty() || pattern.empty()) return Error(Code::kInvalidArgument, Str("'", address, "': expected s3://bucket/key or a pattern of keys"));
    TENON_TRY(ReadSettings(spec));
    TENON_ASSIGN(fetcher_, platform::MakeFetcher());
    std::vector<std::string> keys = {pattern};
    if (const std::size_t sign = pattern.find_first_of("*?["); sign != std::string::npos) {
      TENON_ASSIGN(keys, List(call, pattern.substr(0, sign)), Str("listing s3://", bucket_));
      std::erase_if(keys, [&](const std::string& key) { return fnmatch(pattern.c_str(), key.c_str(), FNM_PATHNAME) != 0; });
      if (keys.empty()) return Error(Code::kNotFound, Str("no object matches ", address));
    }
    Brought out;
    TENON_ASSIGN(auto copies, Copies::Make());
    for (const std::string& key : keys) {
      Download download{.url = Url(key, ""), .shown = Str("s3://", bucket_, "/", key), .headers = Signed(call, key, {}), .ca = ca_, .sha256 = "", .path = copies->Path(key)};
      if (auto fetched = Fetch(call, *fetcher_, download); !fetched) return Explained(call, key, std::move(fetched).error());
      out.files.push_back(download.path);
    }
    out.keeper = std::move(copies);
    return out;
  }

 private:
  Result<void> ReadSettings(const SourceSpec& spec) {
    const auto text = [&](std::string_view name) { return options_.Has(name) ? options_.Text(name) : std::string(); };
    region_ = text("region");
    std::string endpoint = text("endpoint");
    while (endpoint.ends_with('/')) endpoint.pop_back();
    if (endpoint.empty()) {
      base_ = Str("https://", bucket_, ".s3.", region_, ".amazonaws.com");
    } else if (endpoint.starts_with("http://") || endpoint.starts_with("https://")) {
      base_ = endpoint;
      root_ = Str("/", bucket_);
    } else {
      return Error(Code::kInvalidArgument, Str("connect.endpoint: expected http://host:port or https://host, got '", endpoint, "'"));
    }
    host_ = base_.substr(base_.find("://") + 3);
    TENON_ASSIGN(keys_.access, Secret(text("access_key"), spec.folder, "connect.access_key"));
    TENON_ASSIGN(keys_.secret, Secret(text("secret_key"), spec.folder, "connect.secret_key"));
    TENON_ASSIGN(keys_.session, Secret(text("session_token"), spec.folder, "connect.session_token"));
    if (keys_.access.empty() != keys_.secret.empty()) return Error(Code::kInvalidArgument, "connect: access_key and secret_key go together");
    if (!text("ca").empty()) ca_ = platform::JoinPath(spec.folder, text("ca"));
    return {};
  }

  std::string Url(const std::string& key, const std::string& query) const {
    return Str(base_, AwsEncoded(Str(root_, "/", key), true), query.empty() ? "" : "?", query);
  }

  // Without keys the bucket is asked as anybody may.
  std::vector<std::string> Signed(const Call& call, const std::string& key, std::vector<std::pair<std::string, std::string>> query) const {
    if (keys_.access.empty()) return {};
    return SignAws({host_, Str(root_, "/", key), std::move(query), {}}, keys_, region_, "s3", call.Now());
  }

  Result<std::vector<std::string>> List(const Call& call, const std::string& prefix) {
    std::vector<std::string> keys;
    std::string more;
    do {
      std::vector<std::pair<std::string, std::string>> query = {{"list-type", "2"}, {"encoding-type", "url"}, {"prefix", prefix}};
      if (!more.empty()) query.emplace_back("continuation-token", more);
      platform::FetchRequest request{.url = Url("", AwsQuery(query)), .headers = Signed(call, "", query), .ca = ca_};
      TENON_ASSIGN(const platform::FetchAnswer answer, fetcher_->Get(call, request));
      if (answer.status != 200) return Said(answer, Str("s3://", bucket_));
      TENON_ASSIGN(ObjectList page, ReadObjectList(answer.body));
      if (!page.more.empty() && page.more == more) return Error(Code::kDataLoss, "the list of objects goes on with itself");
      keys.insert(keys.end(), std::make_move_iterator(page.keys.begin()), std::make_move_iterator(page.keys.end()));
      more = std::move(page.more);
      if (keys.size() > kMostObjects) return Error(Code::kResourceExhausted, Str("more than ", kMostObjects, " objects begin with '", prefix, "'; give a longer prefix"));
    } while (!more.empty());
    std::ranges::sort(keys);
    return keys;
  }

  // The store says why in a small document.
  static Error Said(const platform::FetchAnswer& answer, const std::string& shown) {
    const auto [code, why] = ReadStoreError(answer.body);
    if (code == "ExpiredToken" || code == "InvalidAccessKeyId" || code == "SignatureDoesNotMatch" || code == "InvalidToken") {
      return Error(Code::kUnauthenticated, Str(shown, ": ", code, code == "ExpiredToken" ? ": the credentials have expired; get new ones" : Str(": ", why)));
    }
    return StatusError(answer.status, shown, Str(code, code.empty() || why.empty() ? "" : ": ", why));
  }

  // A refusal of a download, with the store's words for it.
  Error Explained(const Call& call, const std::string& key, Error error) {
    if (error.code() != Code::kPermissionDenied && error.code() != Code::kNotFound && error.code() != Code::kFailedPrecondition) return error;
    auto answer = fetcher_->Get(call, {.url = Url(key, ""), .headers = Signed(call, key, {}), .ca = ca_, .take = [](std::string_view) -> Result<void> {
      return Error(Code::kCancelled, "not asked for its body");
    }});
    return answer && answer->status >= 400 ? Said(*answer, Str("s3://", bucket_, "/", key)) : std::move(error);
  }

  Options options_;
  AwsKeys keys_;
  std::string bucket_, region_, base_, root_, host_, ca_;
  std::unique_ptr<platform::Fetcher> fetcher_;
};

}  // namespace

Result<void> AddS3(Kinds<Place>& kinds) {
  using Type = Option::Type;
  return kinds.Add("s3",
                   {.summary = "Read objects of a store that speaks the protocol of S3",
                    .when = "s3://bucket/key, or a pattern of keys, of Amazon, MinIO, Ceph and others. Without keys the bucket is read as anybody may.",
                    .example = R"({"endpoint": "http://127.0.0.1:9000", "access_key": "env:S3_KEY", "secret_key": "env:S3_SECRET"})",
                    .options = {{"endpoint", Type::kText, nullptr, "http(s)://host:port; Amazon's of the region when not given"},
                                {"region", Type::kText, "us-east-1", "as the store names it"},
                                {"access_key", Type::kText, nullptr, "env:NAME or file:PATH"},
                                {"secret_key", Type::kText, nullptr, "env:NAME or file:PATH"},
                                {"session_token", Type::kText, nullptr, "env:NAME or file:PATH; of temporary keys"},
                                {"ca", Type::kText, nullptr, "PEM file of who is trusted; the system's authorities when not given"}}},
                   [](const Options& options) -> Result<std::unique_ptr<Place>> { return std::make_unique<S3>(options); });
}

}  // namespace tenon::ingest
