// Whole requests over HTTP/1.1, as every route answers them: a status, and JSON where it says JSON.

#include "edge/worker_internal.h"
#include "fuzz/served.h"

namespace tenon::fuzz {
namespace {

void RunRoutes(std::string_view input) {
  constexpr std::size_t kPadding = 64;
  constexpr edge::HttpLimits kLimits = {.head_bytes = 2000, .target_bytes = 1000, .body_bytes = 4096};
  std::string bytes(input);
  bytes.append(kPadding, '\0');
  ServedLoan& loan = Loan();
  edge::HttpResponse response;
  std::size_t at = 0;
  while (at < input.size()) {
    edge::HttpProgress progress;
    edge::HttpRequest request;
    const edge::HttpOutcome outcome = edge::ParseRequest(kLimits, progress, bytes.data() + at, input.size() - at, request);
    if (outcome.kind != edge::HttpOutcome::Kind::kDone) break;
    at += outcome.consumed;
    response.Clear();
    loan.worker().Handle(request, {.client = 7, .address = "192.0.2.7"}, response);
    Hold(response.status >= 200 && response.status < 600, "an answer has a status");
    Hold(response.status != 500, Str("no request is a bug of ours: ", response.body));
    Hold(response.headers.empty() || response.headers.ends_with("\r\n"), "headers are whole lines");
    const bool whole = response.headers.find("Content-Encoding") == std::string::npos && response.headers.find("-Header-Content-Length") == std::string::npos;
    if (response.content_type == edge::kJson && whole && !response.body.empty()) Must(Json::Parse(response.body), Str("an answer is JSON: ", response.body));
    loan.Restore();
  }
}

std::string Request(std::string_view verb, std::string_view target, std::string_view body = "", std::string_view headers = "") {
  return Str(verb, " ", target, " HTTP/1.1\r\nHost: h\r\n", headers, "Content-Length: ", body.size(), "\r\n\r\n", body);
}

std::vector<std::string> Seeds() {
  const std::string row = R"({"customer":"c-7","age":40,"income":2500.5,"job":"baker","owner":false})", rows = Str(R"({"instances":[)", row, ",", row, "]}");
  const std::string tensors =
      R"({"id":"r","parameters":{"customer":"c"},"inputs":[{"name":"age","datatype":"INT64","shape":[1],"data":[40]},{"name":"job","datatype":"BYTES","shape":[1,1],"data":["clerk"]}],)"
      R"("outputs":[{"name":"probability","parameters":{"classification":1}}]})";
  const std::string binary = R"({"inputs":[{"name":"age","datatype":"INT64","shape":[1],"parameters":{"binary_data_size":8}}],"parameters":{"binary_data_output":true}})";
  std::vector<std::string> seeds = {
      Request("POST", "/v1/endpoints/loan:predict", rows), Request("POST", "/v1/endpoints/loan@2:predict", rows, "Tenon-Key: 7\r\nX-Request-Id: a-1\r\n"),
      Request("POST", "/v1/endpoints/loan:explain", rows), Request("POST", "/v1/models/loan:predict", R"({"instances":[[40,2500.5,"baker",true]]})"),
      Request("POST", "/v1/models/loan:explain", rows), Request("POST", "/v2/models/loan/infer", tensors, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"),
      Request("POST", "/v2/models/loan/versions/2/infer", Str(binary, std::string("\x28\0\0\0\0\0\0\0", 8)), Str("Inference-Header-Content-Length: ", binary.size(), "\r\n")),
      Request("POST", "/v1/endpoints/loan:feedback", R"({"labels":[{"request_id":"a-1","instance":0,"label":"yes"}]})"),
      Request("POST", "/v2/repository/index", R"({"ready":true})"), Request("POST", "/v2/repository/models/loan/unload", "{}"),
      Request("POST", "/v2/repository/models/loan/load", "{}"), Request("OPTIONS", "*"), Request("HEAD", "/healthz")};
  std::string reads;
  for (const char* target : {"/", "/healthz", "/v1/endpoints", "/v1/endpoints/loan", "/v1/models/loan", "/v2", "/v2/health/ready", "/v2/models/loan", "/v2/models/loan/config",
                             "/v2/models/loan/stats", "/v2/models/stats", "/v2/models/loan/versions/1/ready", "/metrics", "/v1/rollout", "/%6e%zz?x=%00"}) {
    reads += Request("GET", target);
  }
  seeds.push_back(reads);
  return seeds;
}

}  // namespace

Target MakeRoutes() { return {RunRoutes, Seeds}; }

}  // namespace tenon::fuzz
