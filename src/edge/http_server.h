#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "edge/http_parser.h"
#include "edge/later.h"
#include "edge/server.h"

namespace tenon::edge {

inline constexpr std::string_view kJson = "application/json";
inline constexpr std::string_view kText = "text/plain; charset=utf-8";

// What goes back. Reused by its thread: the strings keep their memory.
struct HttpResponse {
  int status = 200;
  std::string_view content_type = kJson;  // of something that outlives the request
  std::string body;
  std::string headers;  // further header lines, each with its \r\n
  bool close = false;   // the connection ends after this answer
  std::unique_ptr<HttpLater> later;  // set: this is no answer yet, the handler gives it when that has woken the loop (Resume)

  void Clear();
  void AddHeader(std::string_view name, std::string_view value);
};

// Who asks.
struct HttpPeer {
  std::uint64_t client = 0;  // the same for all connections from one address (IPv6: one /64 network)
  std::string_view certificate = {};  // common name of the client's checked certificate; "" when there is none
  std::string_view address = {};      // "192.0.2.7", for logs
  bool encrypted = false;
  // Steady time in nanoseconds after which this request has waited too long to be worth answering; 0: never.
  std::int64_t turn_away_at = 0;
  std::chrono::steady_clock::time_point arrived{};  // when the bytes were there to be read
  // What an HttpLater is made of. Null: this request must be answered at once.
  const std::shared_ptr<HttpBell>* bell = nullptr;
  void* connection = nullptr;
  std::uint64_t serial = 0;
};

// How a call of gRPC goes.
enum class RpcKind : std::uint8_t {
  kUnknown,  // there is no such method
  kUnary,    // one message in, one out
  kStream,   // each message in has one out, until the client ends
  kWatch,    // one message in; one out whenever the answer is another one than before
};

// One message of a call.
struct RpcRequest {
  const HttpRequest* head = nullptr;  // path and metadata; without body
  std::string_view message;           // decompressed
  std::chrono::steady_clock::time_point deadline{};  // zero: none
  bool again = false;                 // of a watching call: looked at anew, nothing was asked
};

// Its answer. Reused by its thread.
struct RpcResponse {
  int status = 0;         // of gRPC; other than 0 it ends the call, without a message
  std::string problem;    // in words, for people
  std::string message;
  std::string metadata;   // header lines, each with its \r\n; of a call's first message only
  std::chrono::milliseconds retry{0};  // of a refusal: when to come back; 0: it is not said
  std::unique_ptr<HttpLater> later;  // as HttpResponse's

  void Clear();
  void Fail(Code code, std::string_view text);
};

// An answer that goes on while its request does: bytes of the request's body in, bytes of the answer's body out. Made by a handler
// (HttpHandler::Open), called on its thread.
class HttpStream {
 public:
  static constexpr std::size_t kMostOutput = 1 << 20;  // about so much of an answer at a time
  virtual ~HttpStream() = default;
  // Takes all of the bytes and appends to the answer what they lead to, about kMostOutput at a time: while more() is true it is called
  // again, without bytes, when what it said is sent.
  virtual void Take(std::string_view bytes, const HttpPeer& peer, std::string* out) = 0;
  virtual bool more() const = 0;
  // No more bytes will come.
  virtual void End(const HttpPeer& peer, std::string* out) = 0;
  virtual void Tick(std::chrono::steady_clock::time_point now, std::string* out) = 0;  // about four times a second
  // The server is stopping: says goodbye and is over.
  virtual void Drain(std::string* out) = 0;
  virtual bool over() const = 0;      // all is said
  virtual std::size_t held() const = 0;  // bytes of memory for what is not whole yet
};

// Answers requests; one an event loop, called on its thread only. Never blocks: whatever it waits for, all connections of
// the thread wait for.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  virtual void Handle(const HttpRequest& request, const HttpPeer& peer, HttpResponse& response) = 0;
  // The same for gRPC: how a method is called (by its path, "/package.Service/Method"), and the answer to one message.
  virtual RpcKind KindOf(std::string_view path) const;
  virtual void Call(const RpcRequest& request, const HttpPeer& peer, RpcResponse& response);
  // The same request again, when what it waits for (what a handler left in `response.later`) says that it is there: answers it, or puts
  // `what` back to wait on. Meanwhile other requests were handled. docs/decisions/0034-deferred-answers.md
  virtual void Resume(const HttpRequest& request, const HttpPeer& peer, std::unique_ptr<HttpLater> what, HttpResponse& response);
  virtual void ResumeCall(const RpcRequest& request, const HttpPeer& peer, std::unique_ptr<HttpLater> what, RpcResponse& response);
  // Whether a request, of which the head is known, is answered by a stream rather than when it is whole.
  virtual bool Streams(const HttpRequest&) const { return false; }
  // Its stream, with status (200, or 101 of HTTP/1.1 alone), type and headers of the answer in `response`; or null: then `response` is
  // the answer. The request's views end with the call.
  virtual std::unique_ptr<HttpStream> Open(const HttpRequest& request, const HttpPeer& peer, HttpResponse& response);
  // Whether a request may be turned away where there is more to do than can be done. (Probes and metrics may not.)
  virtual bool MayWait(const HttpRequest&) const { return false; }
  // One that may is turned away, without being handled: counts it and gives the body of its 503, JSON that lives for ever. It costs next to nothing.
  virtual std::string_view TurnedAway(const HttpRequest&);
  virtual void Tick() {}  // about four times a second
};

// Called once a thread, before the first connection. At most kMostThreads of them.
using MakeHandler = std::function<std::unique_ptr<HttpHandler>(int thread)>;
inline constexpr int kMostThreads = 64;

// The transport alone: listening sockets, loops, connections, timeouts (see Server and ServerOptions; `rate` is the
// handler's affair). Returns when the port accepts. Errors: invalid_argument for an address, already_exists for a port in
// use, permission_denied. After Stop returned no handler is called any more.
Result<std::unique_ptr<Server>> ListenHttp(const ServerOptions& options, const MakeHandler& make);

// The standard phrase of a status, such as "Not Found".
std::string_view ReasonOf(int status);

// {"error":{"code":"not_found","message":"..."}} with the status of the code.
void SetError(Code code, std::string_view message, HttpResponse& response);
// The same for a status that has no code of its own, such as 405.
void SetErrorStatus(int status, std::string_view message, HttpResponse& response);

}  // namespace tenon::edge
