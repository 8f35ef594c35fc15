// What goes to a client of HTTP/2: answers to frames, and the streams they belong to.

#include <algorithm>
#include <charconv>

#include "edge/http2_state_internal.h"

namespace tenon::edge {
namespace {

using Stream = Http2Stream;

std::size_t PlaceOf(std::int32_t id) { return static_cast<std::size_t>(id >> 1) % 256; }

}  // namespace

Stream* Http2Connection::State::Find(std::int32_t id) const {
  Stream* stream = by_id[PlaceOf(id)];
  while (stream != nullptr && stream->id != id) stream = stream->chain;
  return stream;
}

Stream* Http2Connection::State::NewStream(std::int32_t id) {
  Stream* stream = spare;
  if (stream == nullptr) {
    all.push_back(std::make_unique<Stream>());
    stream = all.back().get();
  } else {
    spare = stream->next;
  }
  stream->id = id;
  stream->window = first_window;
  stream->room = kStreamWindow;
  stream->next = streams;
  if (streams != nullptr) streams->previous = stream;
  streams = stream;
  stream->chain = by_id[PlaceOf(id)];
  by_id[PlaceOf(id)] = stream;
  ++open;
  return stream;
}

void Http2Connection::State::Free(Stream* stream) {
  requests.Forget(*stream);
  if (stream->previous != nullptr) stream->previous->next = stream->next;
  if (stream->next != nullptr) stream->next->previous = stream->previous;
  if (streams == stream) streams = stream->next;
  Stream** place = &by_id[PlaceOf(stream->id)];
  while (*place != stream) place = &(*place)->chain;
  *place = stream->chain;
  if (stream->ready) {
    Stream* before = nullptr;
    for (Stream* one = ready_first; one != stream; one = one->next_ready) before = one;
    (before == nullptr ? ready_first : before->next_ready) = stream->next_ready;
    if (ready_last == stream) ready_last = before;
  }
  --open;
  stream->Clear();
  stream->next = spare;
  spare = stream;
}

bool Http2Connection::State::WasReset(std::int32_t id) const { return std::ranges::find(resets, id) != resets.end(); }

void Http2Connection::State::Ready(Stream& stream) {
  if (stream.ready) return;
  stream.ready = true;
  stream.next_ready = nullptr;
  (ready_last == nullptr ? ready_first : ready_last->next_ready) = &stream;
  ready_last = &stream;
}

// While much is to be sent streams stay, so that the limit on them bounds what one receive can lead to.
void Http2Connection::State::Settle(Stream& stream) {
  if (!stream.reset && !(stream.said && stream.ended)) return;
  out.size() <= kMostPumped ? Free(&stream) : Ready(stream);
}

void Http2Connection::State::WriteReset(std::int32_t id, Http2Error why) {
  resets[reset_at++ % resets.size()] = id;
  AppendFrameHead(4, FrameType::kReset, 0, id, &out);
  Append32(static_cast<std::uint32_t>(why), &out);
}

void Http2Connection::State::WriteWindow(std::int32_t id, std::size_t size) {
  AppendFrameHead(4, FrameType::kWindowUpdate, 0, id, &out);
  Append32(static_cast<std::uint32_t>(size), &out);
}

void Http2Connection::State::Consume(Stream& stream, std::size_t size) {
  stream.unconsumed -= size;
  if (stream.ended || stream.reset) return;
  stream.replaced += size;
  if (stream.replaced < static_cast<std::size_t>(kStreamWindow / 2)) return;
  WriteWindow(stream.id, stream.replaced);
  stream.room += static_cast<std::int64_t>(stream.replaced);
  stream.replaced = 0;
}

void Http2Connection::State::ConsumeIfTaken(Stream& stream) {
  if (stream.unconsumed == 0 || stream.finished || stream.later != nullptr || stream.out.size() - stream.out_from > kBacklog) return;
  Consume(stream, stream.unconsumed);
}

void Http2Connection::State::WriteBlock(Stream& stream, std::string_view block_bytes, bool last) {
  const std::uint8_t end = last ? kEndStream : 0;
  FrameType type = FrameType::kHeaders;
  do {
    const std::string_view part = block_bytes.substr(0, kMostFrame);
    block_bytes.remove_prefix(part.size());
    const std::uint8_t flags = static_cast<std::uint8_t>((type == FrameType::kHeaders ? end : 0) | (block_bytes.empty() ? kEndHeaders : 0));
    AppendFrameHead(part.size(), type, flags, stream.id, &out);
    out += part;
    type = FrameType::kContinuation;
  } while (!block_bytes.empty());
  if (!last) return;
  stream.said = true;
  if (!stream.ended) Ready(stream);  // it may end in the bytes at hand; if not, Pump tells it to stop
}

bool Http2Connection::State::Head(Stream& stream, std::span<const Http2Field> head, bool body) {
  if (ended || stream.reset || stream.said) return false;
  head_block.clear();
  writer.Begin(&head_block);
  for (const auto& [name, value] : head) writer.Append(name, value, &head_block);
  WriteBlock(stream, head_block, !body);
  Answered();
  if (body) Ready(stream);
  return true;
}

bool Http2Connection::State::Whole(Stream& stream, std::span<const Http2Field> head, std::string_view prefix, std::string_view message) {
  const std::size_t size = prefix.size() + message.size();
  const auto wanted = static_cast<std::int64_t>(size);
  if (ended || stream.reset || stream.said || size > kMostFrame || wanted > window || wanted > stream.window || out.size() > kMostPumped) return false;
  stream.answered = true;
  head_block.clear();
  writer.Begin(&head_block);
  for (const auto& [name, value] : head) writer.Append(name, value, &head_block);
  WriteBlock(stream, head_block, false);
  AppendFrameHead(size, FrameType::kData, 0, stream.id, &out);
  out.append(prefix).append(message);
  window -= wanted;
  stream.window -= wanted;
  stream.moved = requests.now();
  WriteTrailers(stream);
  Answered();
  return true;
}

void Http2Connection::State::WriteTrailers(Stream& stream) {
  char digits[12];
  const std::string_view status(digits, static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, stream.status).ptr - digits));
  head_block.clear();
  writer.Begin(&head_block);
  writer.Append("grpc-status", status, &head_block);
  if (stream.status != 0) writer.Append("grpc-message", GrpcMessage(stream.problem), &head_block);
  WriteBlock(stream, head_block, true);
}

void Http2Connection::State::TurnAway(Stream& stream, std::string_view body) {
  stream.answered = true;
  if (stream.grpc) {
    if (turned_away_call.empty()) {
      HpackWriter::AppendPlain(":status", "200", &turned_away_call);
      HpackWriter::AppendPlain("content-type", "application/grpc", &turned_away_call);
      HpackWriter::AppendPlain("grpc-status", std::to_string(RowOf(Code::kUnavailable).grpc), &turned_away_call);
      HpackWriter::AppendPlain("grpc-message", kTurnedAway, &turned_away_call);
      HpackWriter::AppendPlain("grpc-retry-pushback-ms", "1000", &turned_away_call);
    }
    head_block.clear();
    writer.Begin(&head_block);
    head_block += turned_away_call;
    Answered();
    return WriteBlock(stream, head_block, true);
  }
  if (turned_away_head.empty()) {
    HpackWriter::AppendPlain(":status", "503", &turned_away_head);
    HpackWriter::AppendPlain("content-type", kJson, &turned_away_head);
    HpackWriter::AppendPlain("server", "tenon", &turned_away_head);
    HpackWriter::AppendPlain("retry-after", "1", &turned_away_head);
  }
  head_block.clear();
  writer.Begin(&head_block);
  head_block += turned_away_head;
  HpackWriter::AppendPlain("content-length", std::to_string(body.size()), &head_block);
  WriteBlock(stream, head_block, false);
  Answered();
  if (stream.At(stream.method.value, stream.method.value_size) != "HEAD") stream.out = body;
  Ready(stream);
}

void Http2Connection::State::More(Stream& stream) {
  if (stream.answered && !stream.said) Ready(stream);
}

void Http2Connection::State::Reset(Stream& stream, Why why) {
  if (ended) return;
  WriteReset(stream.id, why == Why::kCancel ? Http2Error::kCancel : why == Why::kInternal ? Http2Error::kInternal : Http2Error::kEnhanceYourCalm);
}

void Http2Connection::State::WriteData(Stream& stream) {
  if (stream.live != nullptr && !stream.finished && stream.out_from == stream.out.size() && stream.live->more()) requests.Continue(stream);
  const std::size_t pending = stream.out.size() - stream.out_from;
  const std::int64_t allowed = std::max<std::int64_t>(0, std::min(window, stream.window));
  const std::size_t size = std::min({pending, kMostFrame, static_cast<std::size_t>(allowed)});
  const bool last = stream.finished && size == pending;
  if (size == 0 && !last) {
    blocked = blocked || (pending != 0 && window <= 0);
    return;
  }
  const std::string_view bytes = std::string_view(stream.out).substr(stream.out_from, size);
  if (size != 0 || !stream.grpc) {
    AppendFrameHead(size, FrameType::kData, last && !stream.grpc ? kEndStream : 0, stream.id, &out);
    out += bytes;
  }
  window -= static_cast<std::int64_t>(size);
  stream.window -= static_cast<std::int64_t>(size);
  stream.out_from += size;
  if (size != 0) stream.moved = requests.now();
  stream.moved_bytes += size;
  // Also of a stream whose client is always a little behind, so that its end is never reached.
  if (stream.out_from == stream.out.size() || (stream.out_from >= kBacklog && stream.out_from > stream.out.size() / 2)) {
    stream.out.erase(0, stream.out_from);
    stream.out_from = 0;
  }
  Answered();
  if (last && stream.grpc) return WriteTrailers(stream);
  stream.said = last;
  if (last) return;
  ConsumeIfTaken(stream);
  if (stream.out_from < stream.out.size() || (stream.live != nullptr && stream.live->more())) Ready(stream);
}

void Http2Connection::Pump(std::string* to) {
  State& state = *state_;
  while (state.ready_first != nullptr && !state.ended && state.out.size() < State::kMostPumped) {
    Stream& stream = *state.ready_first;
    state.ready_first = stream.next_ready;
    if (state.ready_first == nullptr) state.ready_last = nullptr;
    stream.ready = false;
    if (!stream.said && !stream.reset) state.WriteData(stream);
    if (stream.said && !stream.ended && !stream.reset) {
      state.WriteReset(stream.id, Http2Error::kNone);
      stream.reset = true;
    }
    if (stream.reset || stream.said) state.Free(&stream);
  }
  constexpr std::size_t kMostKept = 16 << 10;  // of each connection's buffer
  if (to->empty() && state.out.size() > kMostKept) to->swap(state.out);
  else to->append(state.out);
  state.out.clear();
  if (state.out.capacity() > kMostKept) state.out.shrink_to_fit();
}

}  // namespace tenon::edge
