// What a client of HTTP/2 sends: frames to requests.

#include <algorithm>
#include <cstring>

#include "edge/http2_state_internal.h"

namespace tenon::edge {
namespace {

using Clock = std::chrono::steady_clock;
using Stream = Http2Stream;

constexpr std::array<bool, 256> MakeNameBytes() {
  std::array<bool, 256> good{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")) good[static_cast<unsigned char>(c)] = true;
  return good;
}
constexpr std::array<bool, 256> kNameBytes = MakeNameBytes();

bool GoodName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return kNameBytes[static_cast<unsigned char>(c)]; });
}

// RFC 9113, 8.2.1.
bool GoodValue(std::string_view value) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  if (!value.empty() && (blank(value.front()) || blank(value.back()))) return false;
  return std::ranges::none_of(value, [](char c) { return c == '\0' || c == '\r' || c == '\n'; });
}

// Headers that speak of one connection of HTTP/1.1 (8.2.2).
bool OfConnection(std::string_view name, std::string_view value) {
  switch (name.size()) {
    case 2: return name == "te" && value != "trailers";
    case 7: return name == "upgrade";
    case 10: return name == "connection" || name == "keep-alive";
    case 16: return name == "proxy-connection";
    case 17: return name == "transfer-encoding";
    default: return false;
  }
}

bool ReadLength(std::string_view text, std::int64_t* out) {
  if (text.empty() || text.size() > 15) return false;
  std::int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  const bool other = *out >= 0 && *out != value;
  *out = value;
  return !other;
}

// Takes the pseudo-headers out of the stream's fields; false when the head is malformed (8.3).
bool SortHead(Stream& stream) {
  HpackField scheme, authority;
  std::size_t kept = 0;
  for (const HpackField& field : stream.fields) {
    const std::string_view name = stream.At(field.name, field.name_size), value = stream.At(field.value, field.value_size);
    if (!name.empty() && name.front() == ':') {
      HpackField* place = name == ":method" ? &stream.method : name == ":path" ? &stream.target : name == ":scheme" ? &scheme : name == ":authority" ? &authority : nullptr;
      if (place == nullptr || place->name_size != 0 || kept != 0 || !GoodValue(value)) return false;
      *place = field;
      continue;
    }
    if (!GoodName(name) || !GoodValue(value) || OfConnection(name, value)) return false;
    if (name == "content-type") stream.type = field;
    if (name == "content-length" && !ReadLength(value, &stream.length)) return false;
    stream.fields[kept++] = field;
  }
  stream.fields.resize(kept);
  const std::string_view target = stream.At(stream.target.value, stream.target.value_size);
  return stream.method.value_size != 0 && scheme.value_size != 0 && !target.empty() && (target.front() == '/' || target == "*");
}

}  // namespace

Http2Connection::State::State(const Http2Limits& its_limits, HttpHandler& handler) : limits(its_limits), requests(its_limits, handler, *this) {
  const std::pair<std::uint16_t, std::uint32_t> settings[] = {{3, kMostStreams},                                    // streams at a time
                                                              {4, static_cast<std::uint32_t>(kStreamWindow)},      // window of a stream
                                                              {6, static_cast<std::uint32_t>(limits.most_header)},  // header bytes
                                                              {9, 1}};                                              // no priorities (RFC 9218)
  AppendFrameHead(6 * std::size(settings), FrameType::kSettings, 0, 0, &out);
  for (const auto& [name, value] : settings) {
    out.push_back(static_cast<char>(name >> 8));
    out.push_back(static_cast<char>(name));
    Append32(value, &out);
  }
  WriteWindow(0, kHttp2ConnectionWindow - 65535);
}

void Http2Connection::State::Fail(Http2Error why) {
  if (ended) return;
  ended = true;
  AppendFrameHead(8, FrameType::kGoaway, 0, 0, &out);
  Append32(static_cast<std::uint32_t>(last_id), &out);
  Append32(static_cast<std::uint32_t>(why), &out);
}

void Http2Connection::State::CountIdleFrame() {
  const Clock::time_point now = requests.now();
  const double seconds = std::chrono::duration<double>(now - idle_frames_at).count();
  idle_frames = std::min(kIdleFramesBurst, idle_frames + seconds * kIdleFramesSecond);
  idle_frames_at = now;
  idle_frames -= 1;
  if (idle_frames < 0) Fail(Http2Error::kEnhanceYourCalm);
}

void Http2Connection::State::Offends(Stream& stream, Http2Error why) {
  WriteReset(stream.id, why);
  stream.reset = stream.finished = true;
  CountIdleFrame();
}

std::size_t Http2Connection::State::Parse(std::string_view bytes) {
  std::size_t at = 0;
  if (!greeted) {
    const std::size_t size = std::min(bytes.size(), kHttp2Preface.size());
    if (bytes.substr(0, size) != kHttp2Preface.substr(0, size)) Fail(Http2Error::kProtocol);
    if (ended || size < kHttp2Preface.size()) return 0;
    greeted = true;
    at = size;
  }
  while (!ended) {
    const std::string_view rest = bytes.substr(at);
    if (in_data) {
      const std::size_t data = std::min(data_left, rest.size());
      if (data != 0) DataBytes(rest.substr(0, data));
      const std::size_t pad = std::min(pad_left, rest.size() - data);
      data_left -= data;
      pad_left -= pad;
      at += data + pad;
      if (data_left + pad_left != 0) break;
      in_data = false;
      if (!ended) EndData();
      continue;
    }
    if (rest.size() < kFrameHead) break;
    const FrameHead head = ReadFrameHead(rest.data());
    if (head.size > kMostFrame) return Fail(Http2Error::kFrameSize), at;
    const std::string_view after = rest.substr(kFrameHead);
    if (block_id != 0 && (head.type != static_cast<std::uint8_t>(FrameType::kContinuation) || head.stream != block_id)) return Fail(Http2Error::kProtocol), at;
    if (!settled && head.type != static_cast<std::uint8_t>(FrameType::kSettings)) return Fail(Http2Error::kProtocol), at;
    if (head.type == static_cast<std::uint8_t>(FrameType::kData)) {
      std::size_t used = 0;
      if (!BeginData(head, after, &used)) break;
      at += kFrameHead + used;
      continue;
    }
    if (after.size() < head.size) break;
    Frame(head, after.substr(0, head.size));
    at += kFrameHead + head.size;
  }
  return at;
}

void Http2Connection::State::Frame(const FrameHead& head, std::string_view payload) {
  switch (static_cast<FrameType>(head.type)) {
    case FrameType::kHeaders: return OnHeaders(head, payload);
    case FrameType::kContinuation: return OnContinuation(head, payload);
    case FrameType::kReset: return OnReset(head, payload);
    case FrameType::kSettings: return OnSettings(head, payload);
    case FrameType::kWindowUpdate: return OnWindowUpdate(head, payload);
    case FrameType::kPushPromise: return Fail(Http2Error::kProtocol);
    case FrameType::kPriority:
      if (head.stream == 0) return Fail(Http2Error::kProtocol);
      if (payload.size() != 5) return Fail(Http2Error::kFrameSize);
      if ((Read32(payload.data()) & 0x7fffffffU) == static_cast<std::uint32_t>(head.stream)) return Fail(Http2Error::kProtocol);
      break;
    case FrameType::kPing:
      if (head.stream != 0) return Fail(Http2Error::kProtocol);
      if (payload.size() != 8) return Fail(Http2Error::kFrameSize);
      if ((head.flags & kAck) != 0) break;
      AppendFrameHead(payload.size(), FrameType::kPing, kAck, 0, &out);
      out += payload;
      break;
    case FrameType::kGoaway:
      if (head.stream != 0) return Fail(Http2Error::kProtocol);
      if (payload.size() < 8) return Fail(Http2Error::kFrameSize);
      break;
    default: break;  // frames that nobody knows are passed over (5.5)
  }
  CountIdleFrame();
}

void Http2Connection::State::OnHeaders(const FrameHead& head, std::string_view payload) {
  if (head.stream == 0 || head.stream % 2 == 0) return Fail(Http2Error::kProtocol);
  std::size_t pad = 0;
  if ((head.flags & kPadded) != 0) {
    if (payload.empty()) return Fail(Http2Error::kFrameSize);
    pad = static_cast<unsigned char>(payload.front());
    payload.remove_prefix(1);
  }
  if ((head.flags & kHasPriority) != 0) {
    if (payload.size() < 5) return Fail(Http2Error::kFrameSize);
    if ((Read32(payload.data()) & 0x7fffffffU) == static_cast<std::uint32_t>(head.stream)) return Fail(Http2Error::kProtocol);
    payload.remove_prefix(5);
  }
  if (pad > payload.size()) return Fail(Http2Error::kProtocol);
  payload.remove_suffix(pad);
  if ((head.flags & kEndHeaders) != 0) return OnBlock(head.stream, head.flags, payload);
  block = payload;
  block_id = head.stream;
  block_flags = head.flags;
  block_began = requests.now();
}

void Http2Connection::State::OnContinuation(const FrameHead& head, std::string_view payload) {
  if (block_id == 0) return Fail(Http2Error::kProtocol);
  if (block.size() + payload.size() > 4 * limits.most_header + kMostFrame) return Fail(Http2Error::kEnhanceYourCalm);
  CountIdleFrame();
  block += payload;
  if (ended || (head.flags & kEndHeaders) == 0) return;
  const std::int32_t id = block_id;
  block_id = 0;
  OnBlock(id, block_flags, block);
  block.clear();
}

bool Http2Connection::State::PassBlock(std::string_view bytes) {
  bool too_large = false;
  passed.clear();
  passed_fields.clear();
  if (reader.Read(bytes, limits.most_header, &passed, &passed_fields, &too_large)) return true;
  Fail(Http2Error::kCompression);
  return false;
}

void Http2Connection::State::OnTrailers(Stream& stream, std::uint8_t flags, std::string_view bytes) {
  if (!PassBlock(bytes)) return;
  bool good = (flags & kEndStream) != 0 && (stream.length < 0 || stream.came == stream.length);
  for (const HpackField& field : passed_fields) {  // they say nothing here
    const std::string_view text = passed;
    good = good && GoodName(text.substr(field.name, field.name_size)) && GoodValue(text.substr(field.value, field.value_size));
  }
  if (stream.ended || !good) {
    Offends(stream, stream.ended ? Http2Error::kStreamClosed : Http2Error::kProtocol);
  } else {
    stream.ended = true;
    requests.End(stream);
  }
  Settle(stream);
}

bool Http2Connection::State::ReadHead(Stream& stream, std::string_view bytes) {
  if (!known.block.empty() && known.changes == reader.changes() && known.block == bytes) {
    stream.head = known.head;
    stream.fields = known.fields;
    stream.method = known.method, stream.target = known.target, stream.type = known.type;
    stream.length = known.length;
    return true;
  }
  const std::uint64_t before = reader.changes();
  if (!reader.Read(bytes, limits.most_header, &stream.head, &stream.fields, &stream.too_large)) return Fail(Http2Error::kCompression), false;
  if (stream.too_large) return true;
  if (!SortHead(stream)) return false;
  if (before != reader.changes() || bytes.size() > 1024) return true;
  known.block = bytes;
  known.changes = before;
  known.head = stream.head;
  known.fields = stream.fields;
  known.method = stream.method, known.target = stream.target, known.type = stream.type;
  known.length = stream.length;
  return true;
}

void Http2Connection::State::OnBlock(std::int32_t id, std::uint8_t flags, std::string_view bytes) {
  if (Stream* old = Find(id); old != nullptr) return OnTrailers(*old, flags, bytes);
  if (id <= last_id) {
    if (PassBlock(bytes) && !WasReset(id)) Fail(Http2Error::kStreamClosed);
    return;
  }
  last_id = id;
  if (draining || open >= kMostStreams) {
    if (!PassBlock(bytes)) return;
    CountIdleFrame();
    if (!ended) WriteReset(id, Http2Error::kRefusedStream);
    return;
  }
  Stream& stream = *NewStream(id);
  stream.begun = stream.moved = requests.now();
  stream.ended = (flags & kEndStream) != 0;
  if (!ReadHead(stream, bytes) || (stream.ended && stream.length > 0)) {
    if (ended) return;
    Offends(stream, Http2Error::kProtocol);
    return Settle(stream);
  }
  requests.Begin(stream);
  if (stream.ended) requests.End(stream);
  Settle(stream);
}

// False: a byte that says how long the padding is has not come.
bool Http2Connection::State::BeginData(const FrameHead& head, std::string_view rest, std::size_t* used) {
  std::size_t pad = 0;
  if ((head.flags & kPadded) != 0 && head.size != 0) {
    if (rest.empty()) return false;
    pad = static_cast<unsigned char>(rest.front());
    *used = 1;
  }
  if (head.stream == 0 || head.stream % 2 == 0 || head.stream > last_id || ((head.flags & kPadded) != 0 && pad + 1 > head.size)) return Fail(Http2Error::kProtocol), true;
  room -= head.size;
  if (room < 0) return Fail(Http2Error::kFlowControl), true;
  replaced += head.size;
  if (replaced >= kHttp2ConnectionWindow / 2) {
    WriteWindow(0, replaced);
    room += static_cast<std::int64_t>(replaced);
    replaced = 0;
  }
  in_data = true;
  data_id = head.stream;
  data_flags = head.flags;
  pad_left = pad;
  data_left = head.size - *used - pad;
  passes_data = true;
  Stream* stream = Find(data_id);
  if (stream == nullptr) {
    if (WasReset(data_id)) return true;
    CountIdleFrame();
    if (!ended) WriteReset(data_id, Http2Error::kStreamClosed);
    return true;
  }
  stream->room -= head.size;
  if (stream->ended || stream->room < 0) {
    Offends(*stream, stream->ended ? Http2Error::kStreamClosed : Http2Error::kFlowControl);
    Settle(*stream);
    return true;
  }
  stream->unconsumed += *used + pad;
  passes_data = false;
  if (head.size == 0 && (head.flags & kEndStream) == 0) CountIdleFrame();
  return true;
}

void Http2Connection::State::DataBytes(std::string_view bytes) {
  Stream* stream = passes_data ? nullptr : Find(data_id);
  if (stream == nullptr) return;
  stream->moved = requests.now();
  stream->unconsumed += bytes.size();
  stream->came += static_cast<std::int64_t>(bytes.size());
  if (!stream->answered || stream->kind == RpcKind::kStream) stream->moved_bytes += bytes.size();
  // A call of one message is answered from these bytes when it is known that no more will come.
  const bool last = (data_flags & kEndStream) != 0 && bytes.size() == data_left && pad_left == 0;
  if (stream->length >= 0 && (stream->came > stream->length || (last && stream->came != stream->length))) {
    Offends(*stream, Http2Error::kProtocol);
    return Settle(*stream);
  }
  stream->ended = last;
  requests.Add(*stream, bytes);
  ConsumeIfTaken(*stream);
  if (!last) Settle(*stream);  // else at its end, which follows
}

void Http2Connection::State::EndData() {
  if (passes_data || (data_flags & kEndStream) == 0) return;
  Stream* stream = Find(data_id);
  if (stream == nullptr) return;
  if (stream->length >= 0 && stream->came != stream->length && !stream->reset) {
    Offends(*stream, Http2Error::kProtocol);
    return Settle(*stream);
  }
  stream->ended = true;
  requests.End(*stream);
  Settle(*stream);
}

void Http2Connection::State::OnReset(const FrameHead& head, std::string_view payload) {
  if (payload.size() != 4) return Fail(Http2Error::kFrameSize);
  if (head.stream == 0 || head.stream % 2 == 0 || head.stream > last_id) return Fail(Http2Error::kProtocol);
  CountIdleFrame();
  Stream* stream = Find(head.stream);
  if (stream != nullptr && !ended) Free(stream);
}

void Http2Connection::State::OnSettings(const FrameHead& head, std::string_view payload) {
  if (head.stream != 0) return Fail(Http2Error::kProtocol);
  if ((head.flags & kAck) != 0 ? !payload.empty() : payload.size() % 6 != 0) return Fail(Http2Error::kFrameSize);
  settled = true;
  CountIdleFrame();
  if ((head.flags & kAck) != 0) return;
  if (payload.size() / 6 > kMostSettings) return Fail(Http2Error::kEnhanceYourCalm);
  for (; !payload.empty() && !ended; payload.remove_prefix(6)) {
    const auto name = static_cast<std::uint16_t>(static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]));
    Setting(name, Read32(payload.data() + 2));
  }
  if (!ended) AppendFrameHead(0, FrameType::kSettings, kAck, 0, &out);
}

void Http2Connection::State::Setting(std::uint16_t name, std::uint32_t value) {
  switch (name) {
    case 1: return writer.Limit(value);
    case 2: return value > 1 ? Fail(Http2Error::kProtocol) : void();
    case 4: {
      if (value > kMostWindow) return Fail(Http2Error::kFlowControl);
      const std::int64_t more = static_cast<std::int64_t>(value) - first_window;
      first_window = value;
      for (Stream* stream = streams; stream != nullptr; stream = stream->next) {
        stream->window += more;
        if (stream->window > kMostWindow) return Fail(Http2Error::kFlowControl);
        if (more > 0 && stream->answered) Ready(*stream);
      }
      return;
    }
    case 5: return value < kMostFrame || value > 0xffffff ? Fail(Http2Error::kProtocol) : void();
    default: return;
  }
}

void Http2Connection::State::OnWindowUpdate(const FrameHead& head, std::string_view payload) {
  if (payload.size() != 4) return Fail(Http2Error::kFrameSize);
  const std::int64_t more = Read32(payload.data()) & 0x7fffffffU;
  if (head.stream == 0) {
    if (more == 0) return Fail(Http2Error::kProtocol);
    window += more;
    if (window > kMostWindow) return Fail(Http2Error::kFlowControl);
    if (!blocked) return;
    blocked = false;
    for (Stream* stream = streams; stream != nullptr; stream = stream->next) {
      if (stream->answered) Ready(*stream);
    }
    return;
  }
  if (head.stream % 2 == 0 || head.stream > last_id) return Fail(Http2Error::kProtocol);
  Stream* stream = Find(head.stream);
  if (stream == nullptr) return;
  stream->window += more;
  if (more == 0 || stream->window > kMostWindow) {
    Offends(*stream, more == 0 ? Http2Error::kProtocol : Http2Error::kFlowControl);
    return Settle(*stream);
  }
  if (stream->answered) Ready(*stream);
}

Http2Connection::Http2Connection(const Http2Limits& limits, HttpHandler& handler) : state_(std::make_unique<State>(limits, handler)) {}
Http2Connection::~Http2Connection() = default;

void Http2Connection::Receive(std::string_view bytes, const HttpPeer& from) {
  State& state = *state_;
  state.requests.Arrived(from);
  if (state.ended) return;
  if (state.held.empty()) {
    state.held = bytes.substr(state.Parse(bytes));
  } else {
    state.held += bytes;
    state.held.erase(0, state.Parse(state.held));
  }
  if (state.held.empty() && state.held.capacity() > (std::size_t{64} << 10)) state.held.shrink_to_fit();
}

void Http2Connection::Resume(std::uint64_t number, const HttpPeer& peer) {
  State& state = *state_;
  for (Stream* stream = state.ended ? nullptr : state.streams; stream != nullptr; stream = stream->next) {
    if (stream->later == nullptr || stream->later->number() != number) continue;
    state.requests.Resume(*stream, peer);
    state.ConsumeIfTaken(*stream);
    return state.Settle(*stream);
  }
}

void Http2Connection::Tick(Clock::time_point now) {
  State& state = *state_;
  if (!state.ended && state.block_id != 0 && now - state.block_began > state.limits.slow) state.Fail(Http2Error::kEnhanceYourCalm);
  state.unsent = 0;
  if (state.ended) return;
  for (Stream* stream = state.streams; stream != nullptr;) {
    Stream* following = stream->next;
    state.requests.Tick(*stream, now);
    state.unsent += stream->out.size();
    state.Settle(*stream);
    stream = following;
  }
}

void Http2Connection::Drain() {
  State& state = *state_;
  if (state.ended || state.draining) return;
  state.draining = true;
  for (Stream* stream = state.streams; stream != nullptr;) {
    Stream* following = stream->next;
    if (stream->kind == RpcKind::kWatch) state.requests.Finish(*stream, RowOf(Code::kUnavailable).grpc, "the server is stopping");
    state.requests.Drain(*stream);
    state.Settle(*stream);
    stream = following;
  }
  AppendFrameHead(8, FrameType::kGoaway, 0, 0, &state.out);
  Append32(static_cast<std::uint32_t>(state.last_id), &state.out);
  Append32(static_cast<std::uint32_t>(Http2Error::kNone), &state.out);
}

bool Http2Connection::over() const {
  const State& state = *state_;
  return state.out.empty() && (state.ended || (state.draining && state.streams == nullptr));
}

std::size_t Http2Connection::held() const { return state_->requests.held() + state_->unsent; }
bool Http2Connection::idle() const { return state_->streams == nullptr; }
bool Http2Connection::may_wait() const { return state_->streams == nullptr && state_->block_id == 0 && state_->requests.may_wait(); }

}  // namespace tenon::edge
