#include "edge/http2_internal.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "edge/http2_requests_internal.h"

namespace tenon::edge {
namespace {

using Clock = std::chrono::steady_clock;
using Stream = Http2Stream;

constexpr std::uint32_t kMostStreams = 256;
constexpr std::int32_t kStreamWindow = 1 << 20;
constexpr std::size_t kMostPumped = 1 << 20;
constexpr std::size_t kBacklog = 256 << 10;    // answers of one stream, above which it is not read on

// Frames that ask for nothing (resets, pings, settings, empty data) a client may send: so many at once, so many a second, and one for
// each frame of an answer: clients that measure the way to us send a ping with what they receive (grpc-go's estimate of bandwidth).
constexpr double kIdleFramesBurst = 400, kIdleFramesSecond = 100;

nghttp2_nv Nv(std::string_view name, std::string_view value) {
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

struct Http2Connection::State final : Http2Sender {
  State(const Http2Limits& its_limits, HttpHandler& handler);
  ~State() override;

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

  bool Head(Stream& stream, std::span<const Http2Field> head, bool body) override;
  void More(Stream& stream) override;
  void Reset(Stream& stream, Why why) override;

  Stream* Find(std::int32_t id) const { return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id)); }
  Stream* NewStream(std::int32_t id);
  void Free(Stream* stream);
  bool Trailers(const Stream& stream);
  void Consume(Stream& stream, std::size_t size);
  void CountIdleFrame();

  const Http2Limits limits;
  Http2Requests requests;
  nghttp2_session* session = nullptr;
  std::vector<std::unique_ptr<Stream>> all;
  Stream* streams = nullptr;  // of all: that are open
  Stream* spare = nullptr;    // that wait to be used again
  bool dead = false, draining = false;
  double idle_frames = kIdleFramesBurst;
  Clock::time_point idle_frames_at{};
  std::vector<nghttp2_nv> fields;
};

Http2Connection::State::State(const Http2Limits& its_limits, HttpHandler& handler)
    : limits(its_limits), requests(its_limits, handler, *this) {
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
  (void)nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kHttp2ConnectionWindow);
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
  requests.Forget(*stream);
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
  stream->arrived = stream->moved = state.requests.now();
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
  const Clock::time_point now = requests.now();
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
  if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) state.requests.Begin(*stream);
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
    stream->ended = true;
    state.requests.End(*stream);
  }
  return 0;
}

int Http2Connection::State::OnData(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size, void* self) {
  auto& state = *static_cast<State*>(self);
  (void)nghttp2_session_consume_connection(state.session, size);
  Stream* stream = state.Find(id);
  if (stream == nullptr) return 0;
  stream->moved = state.requests.now();
  stream->unconsumed += size;
  state.requests.Add(*stream, {reinterpret_cast<const char*>(data), size});
  if (stream->out.size() - stream->out_from <= kBacklog && !stream->finished && stream->later == nullptr) state.Consume(*stream, stream->unconsumed);
  return 0;
}

void Http2Connection::State::Consume(Stream& stream, std::size_t size) {
  stream.unconsumed -= size;
  if (!stream.ended && size != 0) (void)nghttp2_session_consume_stream(session, stream.id, size);
}

// When all of an answer is sent before the client has sent all of its request, it is told to stop.
int Http2Connection::State::OnSent(nghttp2_session* session, const nghttp2_frame* frame, void* self) {
  if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) {
    double& allowed = static_cast<State*>(self)->idle_frames;
    allowed = std::min(kIdleFramesBurst, allowed + 1);
  }
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
  if (stream.live != nullptr && !stream.finished && stream.out_from == stream.out.size() && stream.live->more()) state.requests.Continue(stream);
  const std::size_t size = std::min(room, stream.out.size() - stream.out_from);
  if (size != 0) {
    std::memcpy(out, stream.out.data() + stream.out_from, size);
    stream.out_from += size;
    stream.moved = state.requests.now();
  }
  if (stream.out_from == stream.out.size()) {
    stream.out.clear();
    stream.out_from = 0;
  }
  if (!stream.finished && stream.later == nullptr && stream.unconsumed != 0 && stream.out.size() - stream.out_from <= kBacklog) state.Consume(stream, stream.unconsumed);
  if (stream.out_from < stream.out.size()) return static_cast<ssize_t>(size);
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

bool Http2Connection::State::Head(Stream& stream, std::span<const Http2Field> head, bool body) {
  fields.clear();
  for (const auto& [name, value] : head) fields.push_back(Nv(name, value));
  nghttp2_data_provider provider{};
  provider.source.ptr = &stream;
  provider.read_callback = OnRead;
  return nghttp2_submit_response(session, stream.id, fields.data(), fields.size(), body ? &provider : nullptr) == 0;
}

void Http2Connection::State::More(Stream& stream) {
  if (!stream.deferred) return;
  stream.deferred = false;
  (void)nghttp2_session_resume_data(session, stream.id);
}

void Http2Connection::State::Reset(Stream& stream, Why why) {
  std::uint32_t code = NGHTTP2_NO_ERROR;
  switch (why) {
    case Why::kCancel: code = NGHTTP2_CANCEL; break;
    case Why::kInternal: code = NGHTTP2_INTERNAL_ERROR; break;
    case Why::kTooMuch: code = NGHTTP2_ENHANCE_YOUR_CALM; break;
  }
  (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream.id, code);
}

Http2Connection::Http2Connection(const Http2Limits& limits, HttpHandler& handler)
    : state_(std::make_unique<State>(limits, handler)) {}
Http2Connection::~Http2Connection() = default;

void Http2Connection::Receive(std::string_view bytes, const HttpPeer& from) {
  State& state = *state_;
  if (state.dead) return;
  state.requests.Arrived(from);
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

void Http2Connection::Resume(std::uint64_t number, const HttpPeer& peer) {
  State& state = *state_;
  for (Stream* stream = state.dead ? nullptr : state.streams; stream != nullptr; stream = stream->next) {
    if (stream->later == nullptr || stream->later->number() != number) continue;
    state.requests.Resume(*stream, peer);
    if (!stream->finished && !stream->reset && stream->later == nullptr) state.Consume(*stream, stream->unconsumed);
    return;
  }
}

void Http2Connection::Tick(Clock::time_point now) {
  State& state = *state_;
  if (state.dead) return;
  for (Stream* stream = state.streams; stream != nullptr;) {
    Stream* following = stream->next;
    state.requests.Tick(*stream, now);
    stream = following;
  }
}

void Http2Connection::Drain() {
  State& state = *state_;
  if (state.dead || state.draining) return;
  state.draining = true;
  for (Stream* stream = state.streams; stream != nullptr; stream = stream->next) {
    if (stream->kind == RpcKind::kWatch) state.requests.Finish(*stream, RowOf(Code::kUnavailable).grpc, "the server is stopping");
    state.requests.Drain(*stream);
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
