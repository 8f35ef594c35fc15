#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edge/http2_stream_internal.h"

namespace tenon::edge {

inline constexpr std::int32_t kHttp2ConnectionWindow = 8 << 20;  // bytes a client may be ahead, all its streams together

// Why a request is turned away where there is more to do than can be done.
inline constexpr std::string_view kTurnedAway = "the server has more to do than it can; try again later";

using Http2Field = std::pair<std::string_view, std::string_view>;

// Sends what is answered on a stream, as frames. The transport is one (http2_state_internal.h).
class Http2Sender {
 public:
  enum class Why { kCancel, kInternal, kTooMuch };
  virtual ~Http2Sender() = default;
  // The head of the answer; `body`: what is in stream.out follows until the stream is finished. False: it cannot be sent.
  virtual bool Head(Http2Stream& stream, std::span<const Http2Field> head, bool body) = 0;
  // The whole answer to a call of gRPC at once, with the stream's status behind it. False: it must go piece by piece; nothing is done then.
  virtual bool Whole(Http2Stream& stream, std::span<const Http2Field> head, std::string_view prefix, std::string_view message) = 0;
  // The ready-made refusal of a request that is not handled, in the words of its protocol; `body` is that of a plain one.
  virtual void TurnAway(Http2Stream& stream, std::string_view body) = 0;
  // There is more in stream.out, or the stream is finished.
  virtual void More(Http2Stream& stream) = 0;
  virtual void Reset(Http2Stream& stream, Why why) = 0;
};

// What the requests of a connection of HTTP/2 ask and how they are answered: those of gRPC (content-type application/grpc)
// message by message, others as over HTTP/1.1. No frames. One thread; handler and sender outlive it.
class Http2Requests {
 public:
  Http2Requests(const Http2Limits& limits, HttpHandler& handler, Http2Sender& sender) : limits_(limits), handler_(handler), sender_(sender) {}

  // Who asks, and when the bytes at hand arrived.
  void Arrived(const HttpPeer& peer) { peer_ = peer, now_ = peer.arrived; }
  std::chrono::steady_clock::time_point now() const { return now_; }
  // The head of a request is whole; bytes of its body; its end.
  void Begin(Http2Stream& stream);
  void Add(Http2Stream& stream, std::string_view bytes);
  void End(Http2Stream& stream);
  // Goes on with a live stream, when what it said is sent.
  void Continue(Http2Stream& stream) { Live(stream, {}, false); }
  // What it waits for is there.
  void Resume(Http2Stream& stream, const HttpPeer& peer);
  // The server is stopping.
  void Drain(Http2Stream& stream);
  // About four times a second: deadlines, watching calls, clients that are too slow.
  void Tick(Http2Stream& stream, std::chrono::steady_clock::time_point now);
  // Ends the call with that status of gRPC, behind what is already said. `retry`: when to come back; 0: it is not said.
  void Finish(Http2Stream& stream, int status, std::string_view problem, std::chrono::milliseconds retry = {});
  void Reset(Http2Stream& stream, Http2Sender::Why why);
  // The stream is gone: its bytes are no longer held.
  void Forget(const Http2Stream& stream) {
    held_ -= stream.in.size() + stream.asked.size() + stream.live_held;
    if (filled_ == &stream) filled_ = nullptr;
  }
  // Bytes of what was asked that are kept, in all streams.
  std::size_t held() const { return held_; }
  // Whether the request that began last may be turned away.
  bool may_wait() const { return may_wait_; }

 private:
  std::size_t MostHeld() const;  // of bodies
  // Ends a call for which there is no room beside the others.
  void FinishFull(Http2Stream& stream);
  // Makes request_ the stream's; false when it cannot be one.
  bool Fill(const Http2Stream& stream);
  bool TooLate() const;
  bool TooSlow(const Http2Stream& stream, std::chrono::steady_clock::time_point now) const;
  void BeginCall(Http2Stream& stream, const HttpRequest& asked);
  // Handles the whole messages at the front of the bytes, or of those held; gives how many bytes they were.
  std::size_t TakeMessages(Http2Stream& stream, std::string_view bytes);
  void BeginToArrive(Http2Stream& stream) const;
  void ReadMessages(Http2Stream& stream);
  void CallHandler(Http2Stream& stream, std::string_view message, bool again);
  // What the handler said of one message, in rpc_.
  void TakeAnswer(Http2Stream& stream, bool again);
  void EndCall(Http2Stream& stream);
  void ResumeCall(Http2Stream& stream, std::unique_ptr<HttpLater> later);
  void AnswerPlainly(Http2Stream& stream);
  void BeginLive(Http2Stream& stream);
  void Live(Http2Stream& stream, std::string_view bytes, bool end);
  void FrameHead();  // of response_, into head_
  void AddHeaders(std::string_view lines);  // to head_
  // Frames one message behind the stream's others and sees that it is sent.
  void Say(Http2Stream& stream, std::string_view message, std::string_view metadata);
  void StartAnswer(Http2Stream& stream, bool body);

  const Http2Limits limits_;
  HttpHandler& handler_;
  Http2Sender& sender_;
  HttpPeer peer_;
  std::chrono::steady_clock::time_point now_{};
  std::size_t held_ = 0;  // bytes of bodies in all streams
  HttpRequest request_;
  const Http2Stream* filled_ = nullptr;  // whose request_ is
  bool may_wait_ = false;
  HttpResponse response_;
  RpcResponse rpc_;
  std::string inflated_, packed_;
  std::vector<Http2Field> head_;
  std::string status_, names_;  // that head_ has views of
};

}  // namespace tenon::edge
