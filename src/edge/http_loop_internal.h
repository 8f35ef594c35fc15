#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "edge/http_connection_internal.h"
#include "edge/http_server.h"
#include "edge/http_spread_internal.h"
#include "platform/tls.h"

namespace tenon::edge {

// One thread's event loop over one listening socket and its connections.
class HttpLoop {
 public:
  // Takes the listening sockets; the second may be -1. Errors as ListenHttp.
  static Result<std::unique_ptr<HttpLoop>> Make(const ServerOptions& options, int listener, int second);
  ~HttpLoop();
  // Before Run: shares connections with the others, at that place, where it may have so many (0: the usual). The spread outlives the loop.
  void Join(HttpSpread& spread, std::size_t seat, std::size_t most) {
    spread_ = &spread, seat_ = seat;
    if (most != 0) most_open_ = most;
  }
  int wake() const { return wake_; }
  // Runs until stopped.
  void Run(HttpHandler& handler);
  // From any thread: accept no more, finish what is under way, end by then.
  void Stop(std::chrono::steady_clock::time_point by);

 private:
  static constexpr std::size_t kReadBytes = 256 << 10;
  static constexpr std::size_t kPadding = 64;            // readable bytes behind every body, for the JSON decoder
  static constexpr std::size_t kMostOutput = 1 << 20;    // answers to one client before they must be sent
  static constexpr std::size_t kMostConnections = 16384;  // where no other number is said
  static constexpr std::size_t kCipherBytes = 64 << 10;
  static constexpr std::size_t kMostHeld = 256 << 20;    // of requests that are not whole yet, all connections together

  struct Late {
    Connection* connection;
    std::uint64_t serial;
    std::int64_t came;
  };

  HttpLoop(const ServerOptions& options, std::array<int, 2> listeners, int poll, int wake, int spare);
  void Accept(int& listener);
  void Adopt(const HttpSpread::Newcomer& newcomer);
  bool Listen(int& listener, int how, std::uint32_t events);
  Connection* NewConnection();
  void OnEvent(Connection& c, std::uint32_t events);
  void OnReadable(Connection& c);
  // All reading of connections. kBytes: that many are at `to`, in clear.
  enum class Got { kBytes, kNothing, kEnd };
  Got Receive(Connection& c, char* to, std::size_t room, std::size_t* size);
  Got ReceiveTls(Connection& c, char* to, std::size_t room, std::size_t* size);
  // All writing to connections: false when it is gone. Bytes are as they go to the network.
  bool Send(Connection& c, std::string_view bytes, std::size_t* sent);
  void OnWritable(Connection& c);
  // Answers the whole requests at the front of the bytes; gives how many bytes that were.
  std::size_t Process(Connection& c, char* data, std::size_t size);
  // Asks the handler for the answer of request_, whose bytes these are.
  void Answer(Connection& c, const char* data, std::size_t size);
  void AppendAnswer(Connection& c);  // response_, as the answer to request_
  void AppendTurnedAway(Connection& c);
  HttpPeer PeerOf(Connection& c) const;
  void Refuse(Connection& c, int status, const char* problem);
  void AppendResponse(const HttpResponse& response, bool keep_alive, bool head_only);
  void Keep(Connection& c, const char* rest, std::size_t size, bool progressed);
  void Room(Connection& c, std::size_t capacity);
  // Sends what was answered; false when the connection is gone.
  bool Flush(Connection& c);
  bool FinishSending(Connection& c);
  void Watch(Connection& c, std::uint32_t events);
  void Close(Connection& c);
  void Touch(Connection& c);
  // The part of connections that speak HTTP/2: http_loop_http2.cc.
  enum class Speaks { kHttp1, kHttp2, kUnclear };
  Speaks Guess(const Connection& c, std::string_view begin) const;
  void OnHttp2(Connection& c, std::string_view bytes);
  void OnHttp2Due(Connection& c);
  void TickHttp2();
  void CountHttp2(Connection& c);
  void DrainHttp2(Connection& c);
  // The part of streams of HTTP/1.1: http_loop_streams.cc.
  void BeginStream(Connection& c, std::string_view rest);
  void StreamBytes(Connection& c, std::string_view bytes);
  void OnStream(Connection& c, std::string_view bytes);
  void TickStreams();
  void DrainStream(Connection& c);
  // The part of requests whose answers come later: http_loop_later.cc.
  void Wait(Connection& c, const char* data, std::size_t size);
  void OnBell();
  void Resume(Connection& c);
  void OnEventWaiting(Connection& c, std::uint32_t events);
  void OnDue(Connection& c);
  void OnTick();
  int WaitForEvents(std::vector<epoll_event>& events);
  void OnWake();
  // What becomes of a queue that stands: http_loop_queue.cc.
  void JudgeQueue(bool idle);
  void PutOff(std::span<epoll_event> events);
  void LearnCost(std::size_t events);
  bool TooLate(Connection& c, std::uint32_t events, std::int64_t handled);
  bool LeftUnread(Connection& c, std::uint32_t events);
  bool TooLateNow() const;
  void TurnAway();
  void RefreshTime();
  void BeginStop();

  HttpLimits limits_;
  std::int64_t idle_ticks_, slow_ticks_;
  std::array<int, 2> listeners_;  // -1: none
  int poll_, wake_, spare_;
  HttpSpread* spread_ = nullptr;
  std::size_t seat_ = 0;
  std::vector<HttpSpread::Newcomer> given_;
  std::shared_ptr<HttpBell> bell_;
  std::vector<HttpBell::Call> rung_;
  std::uint64_t serials_ = 0;
  Http2Limits http2_limits_;
  std::size_t http2_count_ = 0, stream_count_ = 0;
  std::chrono::steady_clock::time_point arrived_{};  // when the events under way were found
  const platform::TlsServer* tls_;
  HttpHandler* handler_ = nullptr;
  std::vector<std::unique_ptr<Connection[]>> slabs_;
  Connection* free_ = nullptr;
  std::size_t open_ = 0, most_open_ = kMostConnections;
  std::size_t held_bytes_ = 0;
  std::unique_ptr<char[]> read_;
  std::unique_ptr<char[]> cipher_;  // null without TLS
  std::string output_;
  HttpRequest request_;
  HttpResponse response_;
  TimerWheel wheel_;
  std::int64_t tick_ = 0;
  std::int64_t second_ = -1;
  std::int64_t queue_limit_ = 0;   // nanoseconds that a request may wait where a queue stands; 0: any
  std::int64_t turn_away_at_ = 0;  // as HttpPeer
  std::int64_t batch_ = 0, ended_ = 0, last_idle_ = 0;  // steady times: of this batch of events, of the last one's end
  std::int64_t came_ = 0;     // steady time when what is new in this batch came, about
  std::int64_t begun_ = 0;    // steady time when this batch's events began to be handled
  std::int64_t each_ = 0;     // nanoseconds that an event takes, lately
  std::size_t put_off_ = 0;   // events of this batch
  bool standing_ = false;     // there was more to do than can be done for a while
  std::int64_t credit_ = 0;   // nanoseconds that may go into turning away
  std::int64_t worked_ = 0;   // nanoseconds of processor time until this batch, while a queue stands
  std::vector<Late> late_;    // of this batch
  std::deque<Late> unread_;   // of those before, the oldest first; of which some are gone
  std::string ok_head_;  // status line, Date, Server, type and "Content-Length: " of an ordinary answer
  std::string busy_head_;  // the same of a 503
  std::string date_;     // "Date: ...\r\nServer: tenon\r\n"
  bool listening_ = true;
  bool stopping_ = false;
  std::atomic<std::int64_t> stop_by_{0};  // nanoseconds of the steady clock; 0: not asked to
};

}  // namespace tenon::edge
