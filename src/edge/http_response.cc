#include <array>

#include "base/json.h"
#include "edge/http_server.h"

namespace tenon::edge {
namespace {

struct Phrase {
  int status;
  std::string_view reason;
  std::string_view code;  // of the error body
};
constexpr std::array<Phrase, 31> kPhrases = {{
    {100, "Continue", ""},
    {101, "Switching Protocols", ""},
    {200, "OK", ""},
    {201, "Created", ""},
    {202, "Accepted", ""},
    {204, "No Content", ""},
    {301, "Moved Permanently", ""},
    {302, "Found", ""},
    {304, "Not Modified", ""},
    {400, "Bad Request", "invalid_argument"},
    {401, "Unauthorized", "unauthenticated"},
    {403, "Forbidden", "permission_denied"},
    {404, "Not Found", "not_found"},
    {405, "Method Not Allowed", "invalid_argument"},
    {408, "Request Timeout", "deadline_exceeded"},
    {409, "Conflict", "already_exists"},
    {411, "Length Required", "invalid_argument"},
    {412, "Precondition Failed", "failed_precondition"},
    {413, "Content Too Large", "invalid_argument"},
    {414, "URI Too Long", "invalid_argument"},
    {415, "Unsupported Media Type", "invalid_argument"},
    {417, "Expectation Failed", "invalid_argument"},
    {426, "Upgrade Required", "invalid_argument"},
    {429, "Too Many Requests", "resource_exhausted"},
    {431, "Request Header Fields Too Large", "invalid_argument"},
    {499, "Client Closed Request", "cancelled"},
    {500, "Internal Server Error", "internal"},
    {501, "Not Implemented", "invalid_argument"},
    {503, "Service Unavailable", "unavailable"},
    {504, "Gateway Timeout", "deadline_exceeded"},
    {505, "HTTP Version Not Supported", "invalid_argument"},
}};

const Phrase* Find(int status) {
  for (const Phrase& phrase : kPhrases) {
    if (phrase.status == status) return &phrase;
  }
  return nullptr;
}

void WriteError(std::string_view code, std::string_view message, HttpResponse& response) {
  response.content_type = kJson;
  response.body = R"({"error":{"code":")";
  response.body += code;
  response.body += R"(","message":)";
  AppendJsonString(message, &response.body);
  response.body += "}}";
}

}  // namespace

void HttpResponse::Clear() {
  status = 200;
  content_type = kJson;
  body.clear();
  headers.clear();
  close = false;
  later.reset();
}

void RpcResponse::Clear() {
  status = 0;
  problem.clear();
  message.clear();
  metadata.clear();
  retry = {};
  later.reset();
}

void RpcResponse::Fail(Code code, std::string_view text) {
  status = RowOf(code).grpc;
  problem = text;
  message.clear();
}

std::string_view HttpHandler::TurnedAway(const HttpRequest&) {
  return R"({"error":{"code":"unavailable","message":"the server has more to do than it can; try again later"}})";
}

std::unique_ptr<HttpStream> HttpHandler::Open(const HttpRequest&, const HttpPeer&, HttpResponse& response) {
  SetErrorStatus(404, "this server has no streams", response);
  return nullptr;
}

RpcKind HttpHandler::KindOf(std::string_view) const { return RpcKind::kUnknown; }

void HttpHandler::Call(const RpcRequest&, const HttpPeer&, RpcResponse& response) {
  response.Fail(Code::kInternal, "this server has no methods");
}

void HttpHandler::Resume(const HttpRequest&, const HttpPeer&, std::unique_ptr<HttpLater>, HttpResponse& response) {
  SetError(Code::kInternal, "nothing was waited for", response);
}

void HttpHandler::ResumeCall(const RpcRequest&, const HttpPeer&, std::unique_ptr<HttpLater>, RpcResponse& response) {
  response.Fail(Code::kInternal, "nothing was waited for");
}

void HttpResponse::AddHeader(std::string_view name, std::string_view value) {
  headers += name;
  headers += ": ";
  headers += value;
  headers += "\r\n";
}

std::string_view ReasonOf(int status) {
  const Phrase* phrase = Find(status);
  return phrase == nullptr ? std::string_view("Unknown") : phrase->reason;
}

void SetError(Code code, std::string_view message, HttpResponse& response) {
  response.status = RowOf(code).http;
  WriteError(RowOf(code).name, message, response);
}

void SetErrorStatus(int status, std::string_view message, HttpResponse& response) {
  const Phrase* phrase = Find(status);
  response.status = status;
  WriteError(phrase == nullptr || phrase->code.empty() ? std::string_view("internal") : phrase->code, message, response);
}

}  // namespace tenon::edge
