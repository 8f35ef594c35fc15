#include "edge/http2_internal.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/text.h"
#include "edge/compression_internal.h"
#include "edge/http2_stream_internal.h"

namespace tenon::edge {
namespace {

using Clock = std::chrono::steady_clock;
using Stream = Http2Stream;

constexpr std::uint32_t kMostStreams = 256;
constexpr std::int32_t kStreamWindow = 1 << 20, kConnectionWindow = 8 << 20;
constexpr std::size_t kMostPumped = 1 << 20;
constexpr std::size_t kBacklog = 256 << 10;    // answers of one stream, above which it is not read on
constexpr std::size_t kLeastPacked = 1024;     // bytes of a message worth compressing
constexpr std::size_t kPrefix = 5;             // before each message: compressed?, size
constexpr std::size_t kPadding = 64;           // readable bytes behind what a handler gets
constexpr std::string_view kTakes = "identity, gzip, deflate";

// Frames that ask for nothing (resets, pings, settings, empty data) a client may send: so many at once, so many a second.
constexpr double kIdleFramesBurst = 400, kIdleFramesSecond = 100;

nghttp2_nv Nv(std::string_view name, std::string_view value) {
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::uint32_t Big32(const char* bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

struct Http2Connection::State {
  State(const Http2Limits& its_limits, HttpHandler& its_handler);
  ~State();

  // Called by nghttp2.
  static int OnBeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                      const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* self);
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int OnData(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size, void* self);
  static int OnSent(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int OnClose(nghttp2_session*, std::int32_t id, std::uint32_t, void* self);
  static ssize_t OnRead(nghttp2_session*, std::int32_t, std::uint8_t* out, std::size_t room, std::uint32_t* flags,
                        nghttp2_data_source* source, void* self);

  Stream* Find(std::int32_t id) const { return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id)); }
  Stream* NewStream(std::int32_t id);
  void Free(Stream* stream);
  void BeginRequest(Stream& stream);
  void BeginCall(Stream& stream, const HttpRequest& head);
  void AddBody(Stream& stream, std::string_view bytes);
  void EndRequest(Stream& stream);
  // Handles the whole messages at the front of `in`.
  void ReadMessages(Stream& stream);
  void CallHandler(Stream& stream, std::string_view message, bool again);
  void AnswerPlainly(Stream& stream);
  // Frames one message behind the stream's others and sees that it is sent.
  void Say(Stream& stream, std::string_view message, std::string_view metadata);
  void Finish(Stream& stream, int status, std::string_view problem);
  void StartAnswer(Stream& stream, std::vector<nghttp2_nv>& head);
  void Resume(Stream& stream);
  bool Trailers(const Stream& stream);
  void Consume(Stream& stream, std::size_t size);
  void Reset(Stream& stream, std::uint32_t why);
  void CountIdleFrame();
  bool Pending(const Stream& stream) const { return stream.out_from < stream.out.size(); }

  Http2Limits limits;
  HttpHandler& handler;
  HttpPeer peer;
  nghttp2_session* session = nullptr;
  std::vector<std::unique_ptr<Stream>> all;
  Stream* streams = nullptr;  // of all: that are open
  Stream* spare = nullptr;    // that wait to be used again
  std::size_t held = 0;       // bytes of bodies in all streams
  bool dead = false, draining = false;
  double idle_frames = kIdleFramesBurst;
  Clock::time_point idle_frames_at{}, now{};
  HttpRequest request;
  HttpResponse response;
  RpcResponse rpc;
  std::string inflated, packed;
  std::vector<nghttp2_nv> head;
};

Http2Connection::State::State(const Http2Limits& its_limits, HttpHandler& its_handler)
    : limits(its_limits), handler(its_handler) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) {
    dead = true;
    nghttp2_session_callbacks_del(callbacks);
    return;
  }
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, OnBeginHeaders);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, OnSent);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  dead = nghttp2_session_server_new2(&session, callbacks, this, option) != 0;
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  if (dead) return;
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kMostStreams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(kStreamWindow)},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits.most_header)},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}};
  (void)nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  (void)nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
}

Http2Connection::State::~State() { nghttp2_session_del(session); }

Stream* Http2Connection::State::NewStream(std::int32_t id) {
  Stream* stream = spare;
  if (stream == nullptr) {
    all.push_back(std::make_unique<Stream>());
    stream = all.back().get();
  } else {
    spare = stream->next;
    stream->next = nullptr;
  }
  stream->id = id;
  stream->next = streams;
  if (streams != nullptr) streams->previous = stream;
  streams = stream;
  return stream;
}

void Http2Connection::State::Free(Stream* stream) {
  held -= stream->in.size();
  if (stream->previous != nullptr) stream->previous->next = stream->next;
  if (stream->next != nullptr) stream->next->previous = stream->previous;
  if (streams == stream) streams = stream->next;
  stream->Clear();
  stream->next = spare;
  spare = stream;
}

int Http2Connection::State::OnBeginHeaders(nghttp2_session* session, const nghttp2_frame* frame, void* self) {
  auto& state = *static_cast<State*>(self);
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  Stream* stream = state.NewStream(frame->hd.stream_id);
  stream->arrived = stream->moved = state.now;
  (void)nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
  return 0;
}

int Http2Connection::State::OnHeader(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                                     const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* self) {
  auto& state = *static_cast<State*>(self);
  Stream* stream = state.Find(frame->hd.stream_id);
  if (stream == nullptr || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;  // trailers say nothing here
  if (stream->head.size() + name_size + value_size > state.limits.most_header) {
    stream->too_large = true;
    return 0;
  }
  const auto at = static_cast<std::uint32_t>(stream->head.size());
  stream->head.append(reinterpret_cast<const char*>(name), name_size);
  stream->head.append(reinterpret_cast<const char*>(value), value_size);
  const Stream::Field field{at, static_cast<std::uint32_t>(name_size), at + static_cast<std::uint32_t>(name_size),
                            static_cast<std::uint32_t>(value_size)};
  const std::string_view called = stream->At(field.name, field.name_size);
  if (called.front() != ':') {
    if (called == "content-type") stream->type = field;
    stream->fields.push_back(field);
  } else if (called == ":method") {
    stream->method = field;
  } else if (called == ":path") {
    stream->target = field;
  }
  return 0;
}

void Http2Connection::State::CountIdleFrame() {
  const double seconds = std::chrono::duration<double>(now - idle_frames_at).count();
  idle_frames = std::min(kIdleFramesBurst, idle_frames + seconds * kIdleFramesSecond);
  idle_frames_at = now;
  idle_frames -= 1;
  if (idle_frames < 0) (void)nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
}

int Http2Connection::State::OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
  auto& state = *static_cast<State*>(self);
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA: break;
    case NGHTTP2_WINDOW_UPDATE: return 0;
    default: state.CountIdleFrame(); return 0;
  }
  Stream* stream = state.Find(frame->hd.stream_id);
  if (stream == nullptr) return 0;
  if (frame->hd.type == NGHTTP2_DATA && frame->hd.length == 0 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) state.CountIdleFrame();
  if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) state.BeginRequest(*stream);
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
    stream->ended = true;
    state.EndRequest(*stream);
  }
  return 0;
}

int Http2Connection::State::OnData(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size, void* self) {
  auto& state = *static_cast<State*>(self);
  (void)nghttp2_session_consume_connection(state.session, size);
  Stream* stream = state.Find(id);
  if (stream == nullptr) return 0;
  stream->moved = state.now;
  stream->unconsumed += size;
  state.AddBody(*stream, {reinterpret_cast<const char*>(data), size});
  if (stream->out.size() - stream->out_from <= kBacklog && !stream->finished) state.Consume(*stream, stream->unconsumed);
  return 0;
}

void Http2Connection::State::Consume(Stream& stream, std::size_t size) {
  stream.unconsumed -= size;
  if (!stream.ended && size != 0) (void)nghttp2_session_consume_stream(session, stream.id, size);
}

// When all of an answer is sent before the client has sent all of its request, it is told to stop.
int Http2Connection::State::OnSent(nghttp2_session* session, const nghttp2_frame* frame, void* self) {
  if (frame->hd.type != NGHTTP2_HEADERS || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  Stream* stream = static_cast<State*>(self)->Find(frame->hd.stream_id);
  if (stream == nullptr || stream->ended || stream->reset) return 0;
  stream->reset = true;
  (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
  return 0;
}

int Http2Connection::State::OnClose(nghttp2_session*, std::int32_t id, std::uint32_t, void* self) {
  auto& state = *static_cast<State*>(self);
  if (Stream* stream = state.Find(id); stream != nullptr) state.Free(stream);
  return 0;
}

ssize_t Http2Connection::State::OnRead(nghttp2_session*, std::int32_t, std::uint8_t* out, std::size_t room, std::uint32_t* flags,
                                       nghttp2_data_source* source, void* self) {
  auto& state = *static_cast<State*>(self);
  Stream& stream = *static_cast<Stream*>(source->ptr);
  const std::size_t size = std::min(room, stream.out.size() - stream.out_from);
  if (size != 0) {
    std::memcpy(out, stream.out.data() + stream.out_from, size);
    stream.out_from += size;
    stream.moved = state.now;
  }
  if (stream.out_from == stream.out.size()) {
    stream.out.clear();
    stream.out_from = 0;
  }
  if (!stream.finished && stream.unconsumed != 0 && stream.out.size() - stream.out_from <= kBacklog) state.Consume(stream, stream.unconsumed);
  if (state.Pending(stream)) return static_cast<ssize_t>(size);
  if (!stream.finished) {
    if (size != 0) return static_cast<ssize_t>(size);
    stream.deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (stream.grpc) {
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (!state.Trailers(stream)) return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  return static_cast<ssize_t>(size);
}

bool Http2Connection::State::Trailers(const Stream& stream) {
  char digits[12];
  const std::string_view status(digits, static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, stream.status).ptr - digits));
  nghttp2_nv trailers[2] = {Nv("grpc-status", status), {}};
  if (stream.status == 0) return nghttp2_submit_trailer(session, stream.id, trailers, 1) == 0;
  const std::string problem = GrpcMessage(stream.problem);
  trailers[1] = Nv("grpc-message", problem);
  return nghttp2_submit_trailer(session, stream.id, trailers, 2) == 0;
}

void Http2Connection::State::Reset(Stream& stream, std::uint32_t why) {
  stream.reset = stream.finished = true;
  (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream.id, why);
}

void Http2Connection::State::BeginRequest(Stream& stream) {
  const std::string_view type = stream.At(stream.type.value, stream.type.value_size);
  stream.grpc = type.substr(0, 16) == "application/grpc" && (type.size() == 16 || type[16] == '+' || type[16] == ';');
  if (stream.too_large || !stream.Request(&request)) return Reset(stream, NGHTTP2_ENHANCE_YOUR_CALM);
  if (stream.grpc) BeginCall(stream, request);
}

void Http2Connection::State::BeginCall(Stream& stream, const HttpRequest& asked) {
  if (asked.method != Method::kPost) return Finish(stream, RowOf(Code::kInternal).grpc, "a call of gRPC is a POST");
  if (const std::string_view given = asked.Header("grpc-timeout"); given.data() != nullptr) {
    std::chrono::nanoseconds timeout{};
    if (!ParseGrpcTimeout(given, &timeout)) return Finish(stream, RowOf(Code::kInternal).grpc, Str("grpc-timeout is '", given, "'; expected such as 100m"));
    stream.deadline = now + timeout;
  }
  if (const std::string_view given = asked.Header("grpc-encoding"); given.data() != nullptr && given != "identity") {
    if (given != "gzip" && given != "deflate") return Finish(stream, 12, Str("messages in '", given, "' are not taken here; there are: ", kTakes));
    stream.coding = given == "gzip" ? "gzip" : "deflate";
  }
  stream.kind = handler.KindOf(asked.path);
  if (stream.kind == RpcKind::kUnknown) Finish(stream, 12, Str("no method ", asked.path));
}

void Http2Connection::State::AddBody(Stream& stream, std::string_view bytes) {
  if (stream.finished || stream.reset) return;
  const std::size_t most = limits.most_body + kPrefix;
  if (held + bytes.size() > 4 * most + static_cast<std::size_t>(kConnectionWindow)) {
    if (!stream.grpc) return Reset(stream, NGHTTP2_ENHANCE_YOUR_CALM);
    return Finish(stream, RowOf(Code::kResourceExhausted).grpc, "too many requests are under way on this connection");
  }
  stream.in.append(bytes);
  held += bytes.size();
  if (!stream.grpc) {
    if (stream.in.size() > limits.most_body) {
      held -= stream.in.size();
      stream.in.clear();
      response.Clear();
      SetErrorStatus(413, "the body is too large", response);
      AnswerPlainly(stream);
    }
    return;
  }
  if (stream.kind != RpcKind::kUnary || stream.in.size() >= kPrefix) ReadMessages(stream);
}

void Http2Connection::State::ReadMessages(Stream& stream) {
  std::size_t at = 0;
  while (!stream.finished && stream.in.size() - at >= kPrefix) {
    const std::size_t size = Big32(stream.in.data() + at + 1);
    const auto packing = static_cast<unsigned char>(stream.in[at]);
    if (size > limits.most_body) {
      Finish(stream, RowOf(Code::kResourceExhausted).grpc, Str("a message of ", size, " bytes is larger than the ", limits.most_body, " taken here"));
      break;
    }
    if (packing > 1 || (packing == 1 && stream.coding.empty())) {
      Finish(stream, RowOf(Code::kInternal).grpc, packing == 1 ? "a message is compressed, but there is no grpc-encoding" : "the bytes are no message of gRPC");
      break;
    }
    if (stream.in.size() - at - kPrefix < size) break;
    if (stream.kind != RpcKind::kStream && (!stream.ended || stream.in.size() - at - kPrefix != size)) {
      if (stream.in.size() - at - kPrefix != size) Finish(stream, RowOf(Code::kInternal).grpc, "this method takes one message, and more came");
      break;  // one message is handled when the client has ended
    }
    std::string_view message(stream.in.data() + at + kPrefix, size);
    if (packing == 1) {
      bool too_large = false;
      if (!Inflate(message, limits.most_body, &inflated, &too_large)) {
        Finish(stream, RowOf(too_large ? Code::kResourceExhausted : Code::kInternal).grpc,
               too_large ? "the message is too large when it is decompressed" : "the message is not what its grpc-encoding says");
        break;
      }
      inflated.append(kPadding, '\0');
      message = std::string_view(inflated).substr(0, inflated.size() - kPadding);
    }
    at += kPrefix + size;
    CallHandler(stream, message, false);
  }
  held -= at;
  stream.in.erase(0, at);
  if (stream.finished) {
    held -= stream.in.size();
    stream.in.clear();
  }
}

void Http2Connection::State::CallHandler(Stream& stream, std::string_view message, bool again) {
  rpc.Clear();
  if (stream.deadline != Clock::time_point{} && Clock::now() >= stream.deadline) {
    return Finish(stream, RowOf(Code::kDeadlineExceeded).grpc, "the deadline passed before the request was read");
  }
  if (!stream.Request(&request)) return Reset(stream, NGHTTP2_INTERNAL_ERROR);
  try {
    handler.Call({&request, message, stream.deadline, again}, peer, rpc);
  } catch (...) {  // the outermost one: whatever it was, the others are still served
    rpc.Clear();
    rpc.Fail(Code::kInternal, "this request met a bug of the server");
  }
  if (rpc.status != 0) return Finish(stream, rpc.status, rpc.problem);
  if (stream.kind == RpcKind::kWatch) {
    if (again && rpc.message == stream.told) return;
    if (!again) stream.watched = message;
    stream.told = rpc.message;
  }
  Say(stream, rpc.message, rpc.metadata);
  if (stream.kind == RpcKind::kUnary) Finish(stream, 0, {});
}

void Http2Connection::State::Say(Stream& stream, std::string_view message, std::string_view metadata) {
  bool compressed = false;
  if (!stream.coding.empty() && message.size() >= kLeastPacked && Deflate(message, stream.coding == "gzip", &packed)) {
    compressed = true;
    message = packed;
  }
  const auto size = static_cast<std::uint32_t>(message.size());
  const char prefix[kPrefix] = {static_cast<char>(compressed ? 1 : 0), static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                                static_cast<char>(size >> 8), static_cast<char>(size)};
  stream.out.append(prefix, kPrefix);
  stream.out.append(message);
  if (stream.answered) return Resume(stream);
  head.assign({Nv(":status", "200"), Nv("content-type", "application/grpc")});
  if (!stream.coding.empty()) {
    head.push_back(Nv("grpc-encoding", stream.coding));
    head.push_back(Nv("grpc-accept-encoding", kTakes));
  }
  std::string lower;
  if (!metadata.empty()) {
    const std::size_t colon = metadata.find(": ");
    lower = ToLower(metadata.substr(0, colon));
    head.push_back(Nv(lower, metadata.substr(colon + 2, metadata.find("\r\n") - colon - 2)));
  }
  StartAnswer(stream, head);
}

void Http2Connection::State::StartAnswer(Stream& stream, std::vector<nghttp2_nv>& fields) {
  stream.answered = true;
  stream.moved = now;
  nghttp2_data_provider body{};
  body.source.ptr = &stream;
  body.read_callback = OnRead;
  if (nghttp2_submit_response(session, stream.id, fields.data(), fields.size(), &body) != 0) Reset(stream, NGHTTP2_INTERNAL_ERROR);
}

void Http2Connection::State::Resume(Stream& stream) {
  if (!stream.deferred) return;
  stream.deferred = false;
  (void)nghttp2_session_resume_data(session, stream.id);
}

void Http2Connection::State::Finish(Stream& stream, int status, std::string_view problem) {
  if (stream.finished) return;
  stream.finished = true;
  stream.status = status;
  stream.problem = problem;
  stream.moved = now;
  if (stream.answered) return Resume(stream);
  const std::string number = std::to_string(status), words = GrpcMessage(problem);
  head.assign({Nv(":status", "200"), Nv("content-type", "application/grpc"), Nv("grpc-status", number), Nv("grpc-message", words)});
  if (status == 12) head.push_back(Nv("grpc-accept-encoding", kTakes));
  stream.answered = true;
  if (nghttp2_submit_response(session, stream.id, head.data(), head.size(), nullptr) != 0) Reset(stream, NGHTTP2_INTERNAL_ERROR);
}

void Http2Connection::State::EndRequest(Stream& stream) {
  if (stream.finished || stream.reset) return;
  if (!stream.grpc) {
    if (!stream.Request(&request)) return Reset(stream, NGHTTP2_INTERNAL_ERROR);
    stream.in.append(kPadding, '\0');
    held += kPadding;
    request.body = std::string_view(stream.in).substr(0, stream.in.size() - kPadding);
    response.Clear();
    try {
      handler.Handle(request, peer, response);
    } catch (...) {
      response.Clear();
      SetError(Code::kInternal, "this request met a bug of the server", response);
    }
    return AnswerPlainly(stream);
  }
  ReadMessages(stream);
  if (stream.finished || stream.reset) return;
  if (!stream.in.empty()) return Finish(stream, RowOf(Code::kInternal).grpc, "the request ends within a message");
  if (stream.kind == RpcKind::kStream) return Finish(stream, 0, {});
  if (!stream.answered) Finish(stream, RowOf(Code::kInternal).grpc, "the request has no message");
}

void Http2Connection::State::AnswerPlainly(Stream& stream) {
  stream.finished = true;
  const std::string status = std::to_string(response.status), length = std::to_string(response.body.size());
  head.assign({Nv(":status", status), Nv("content-type", response.content_type), Nv("content-length", length), Nv("server", "tenon")});
  std::string names = response.headers;  // "Name: value\r\n" lines; the names in small letters here
  for (std::size_t at = 0; at < names.size();) {
    const std::size_t colon = names.find(':', at), end = names.find("\r\n", at);
    if (colon == std::string::npos || end == std::string::npos) break;
    for (std::size_t i = at; i < colon; ++i) names[i] = names[i] >= 'A' && names[i] <= 'Z' ? static_cast<char>(names[i] + 32) : names[i];
    head.push_back(Nv(std::string_view(names).substr(at, colon - at), Trim(std::string_view(names).substr(colon + 1, end - colon - 1))));
    at = end + 2;
  }
  if (stream.At(stream.method.value, stream.method.value_size) != "HEAD") stream.out = response.body;
  StartAnswer(stream, head);
}

Http2Connection::Http2Connection(const Http2Limits& limits, HttpHandler& handler)
    : state_(std::make_unique<State>(limits, handler)) {}
Http2Connection::~Http2Connection() = default;

void Http2Connection::Receive(std::string_view bytes, const HttpPeer& from) {
  State& state = *state_;
  if (state.dead) return;
  state.peer = from;
  state.now = from.arrived;
  const ssize_t used = nghttp2_session_mem_recv(state.session, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (used < 0) state.dead = true;
}

void Http2Connection::Pump(std::string* out) {
  State& state = *state_;
  const std::size_t before = out->size();
  while (state.session != nullptr && out->size() - before < kMostPumped) {
    const std::uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(state.session, &bytes);
    if (size < 0) state.dead = true;
    if (size <= 0) return;
    out->append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  }
}

void Http2Connection::Tick(Clock::time_point now) {
  State& state = *state_;
  if (state.dead) return;
  state.now = now;
  for (Stream* stream = state.streams; stream != nullptr;) {
    Stream* following = stream->next;
    const bool waits = stream->kind == RpcKind::kStream || (stream->kind == RpcKind::kWatch && stream->ended);
    if (stream->deadline != Clock::time_point{} && now >= stream->deadline && !stream->finished) {
      state.Finish(*stream, RowOf(Code::kDeadlineExceeded).grpc, "the deadline passed");
    } else if (stream->kind == RpcKind::kWatch && stream->answered && !stream->finished && !state.Pending(*stream)) {
      const std::string message = stream->watched;
      state.CallHandler(*stream, message, true);
    } else if (now - stream->moved > state.limits.slow && (state.Pending(*stream) || !waits)) {
      state.Reset(*stream, NGHTTP2_CANCEL);  // the request does not arrive, or the answer is not taken
    }
    stream = following;
  }
}

void Http2Connection::Drain() {
  State& state = *state_;
  if (state.dead || state.draining) return;
  state.draining = true;
  for (Stream* stream = state.streams; stream != nullptr; stream = stream->next) {
    if (stream->kind == RpcKind::kWatch) state.Finish(*stream, RowOf(Code::kUnavailable).grpc, "the server is stopping");
  }
  (void)nghttp2_submit_goaway(state.session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(state.session),
                              NGHTTP2_NO_ERROR, nullptr, 0);
}

bool Http2Connection::over() const {
  const State& state = *state_;
  if (state.dead || state.session == nullptr) return true;
  if (nghttp2_session_want_read(state.session) == 0 && nghttp2_session_want_write(state.session) == 0) return true;
  return state.draining && state.streams == nullptr && nghttp2_session_want_write(state.session) == 0;
}

bool Http2Connection::idle() const { return state_->streams == nullptr; }

}  // namespace tenon::edge
