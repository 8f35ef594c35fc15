#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "edge/hpack_internal.h"
#include "edge/http2_internal.h"
#include "edge/http_server.h"

namespace tenon::edge {

// What of a stream is plain values, so that starting anew is one assignment.
struct Http2StreamState {
  std::int32_t id = 0;

  // What was asked.
  HpackField method{}, target{}, type{};
  bool too_large = false;        // its head
  std::chrono::steady_clock::time_point deadline{}, moved{};  // moved: it last made progress
  std::chrono::steady_clock::time_point begun{};  // it began to arrive, or its answer to be sent,
  std::size_t moved_bytes = 0;                    // of which so many have come or gone since
  bool ended = false;            // the client has sent all

  // How it is answered.
  bool grpc = false;
  RpcKind kind = RpcKind::kUnknown;
  std::string_view coding;       // of its messages: "", "gzip", "deflate"
  bool answered = false;         // the head of the answer is on its way
  bool finished = false;         // nothing is added to `out`
  bool reset = false;            // ended by us before the client was done
  int status = 0;                // of gRPC
  std::size_t out_from = 0;
  std::size_t live_held = 0;     // bytes that `live` holds, as counted
  std::size_t unconsumed = 0;    // bytes that are not handled yet

  // As frames (http2.cc, http2_send.cc).
  bool ready = false;
  bool said = false;                  // its last frame is written
  std::int64_t window = 0;            // bytes that it may be sent
  std::int64_t room = 0;              // bytes that the client may still send
  std::size_t replaced = 0;           // bytes handled that the client is not yet told to replace
  std::int64_t length = -1, came = 0;  // bytes of its body: as declared, -1 for not; as they came
};

// One request of a connection that speaks HTTP/2. Used again for later ones.
struct Http2Stream : Http2StreamState {
  Http2Stream* next = nullptr;
  Http2Stream* previous = nullptr;
  Http2Stream* chain = nullptr;       // of the same place by its id
  Http2Stream* next_ready = nullptr;  // of those that have something to write

  std::string head;
  std::vector<HpackField> fields;    // places in `head`, without the pseudo-headers
  std::string in;                    // of its body, not handled yet
  std::string out, problem;
  std::unique_ptr<HttpStream> live;  // answers while the request goes on
  std::unique_ptr<HttpLater> later;  // what its answer waits for
  std::string asked;                 // of a call that waits: the message, and kPadding behind it
  std::string watched, told;         // of a watching call: what was asked, what was answered last

  std::string_view At(std::uint32_t from, std::uint32_t size) const { return std::string_view(head).substr(from, size); }
  void Clear();
  // As a request of HTTP/1.1, with views into this stream. False when there are too many headers.
  bool Request(HttpRequest* out_request) const;
};

// "100m" of grpc-timeout as a duration; false when it is none.
bool ParseGrpcTimeout(std::string_view text, std::chrono::nanoseconds* out);
// A status message as grpc-message wants it: percent-encoded.
std::string GrpcMessage(std::string_view text);

}  // namespace tenon::edge
