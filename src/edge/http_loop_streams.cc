// Streams on connections of HTTP/1.1: how they begin, and what the loop does with them.

#include <charconv>

#include "edge/http_loop_internal.h"

namespace tenon::edge {

void Http1Stream::Read(std::string_view bytes, const HttpPeer& peer) {
  if (upgraded_) return what_->Take(bytes, peer, &part_);
  if (bytes.empty() && !body_ended_) what_->Take({}, peer, &part_);
  while (!body_ended_ && !what_->over()) {
    std::string_view piece;
    const HttpBodyReader::Got got = body_.Next(&bytes, &piece);
    if (got == HttpBodyReader::Got::kMore) return;
    if (got == HttpBodyReader::Got::kPiece) {
      what_->Take(piece, peer, &part_);
      continue;
    }
    body_ended_ = true;
    if (got == HttpBodyReader::Got::kBad) {
      over_ = true;  // what follows cannot be told from the body: an answer without its last chunk says that it is not whole
      return;
    }
    what_->End(peer, &part_);
    return;
  }
  if (body_ended_) what_->Take({}, peer, &part_);
}

void Http1Stream::Receive(std::string_view bytes, const HttpPeer& peer, std::string* out) {
  if (over_) return;
  Read(bytes, peer);
  Say(out);
}

void Http1Stream::Tick(std::chrono::steady_clock::time_point now, std::string* out) {
  if (over_) return;
  what_->Tick(now, &part_);
  Say(out);
}

void Http1Stream::Drain(std::string* out) {
  if (over_) return;
  what_->Drain(&part_);
  Say(out);
}

void Http1Stream::Say(std::string* out) {
  if (!part_.empty()) {
    char digits[20];
    if (chunked_answer_) *out += std::string_view(digits, static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, part_.size(), 16).ptr - digits));
    if (chunked_answer_) *out += "\r\n";
    *out += part_;
    if (chunked_answer_) *out += "\r\n";
    part_.capacity() > (std::size_t{256} << 10) ? part_ = std::string() : (part_.clear(), part_);
  }
  if (over_ || !what_->over()) return;
  over_ = true;
  if (chunked_answer_) *out += "0\r\n\r\n";
}

void HttpLoop::BeginStream(Connection& c, std::string_view rest) {
  response_.Clear();
  std::unique_ptr<HttpStream> what;
  try {
    what = handler_->Open(request_, PeerOf(c), response_);
  } catch (...) {  // the outermost one: whatever it was, the others are still served
    response_.Clear();
    SetError(Code::kInternal, "this request met a bug of the server", response_);
  }
  if (what == nullptr) {
    AppendResponse(response_, false, request_.method == Method::kHead);
    c.last = true;
    return;
  }
  const bool upgraded = response_.status == 101, chunked = !upgraded && request_.minor_version == 1;
  if (request_.expects_continue) output_ += "HTTP/1.1 100 Continue\r\n\r\n";
  output_ += upgraded ? "HTTP/1.1 101 Switching Protocols\r\n" : "HTTP/1.1 200 OK\r\n";
  output_ += date_;
  output_ += response_.headers;
  if (!upgraded) {
    output_ += "Content-Type: ";
    output_ += response_.content_type;
    output_ += chunked ? "\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n" : "\r\nConnection: close\r\n";
  }
  output_ += "\r\n";
  c.stream = std::make_unique<Http1Stream>(std::move(what), upgraded, c.progress.phase == HttpProgress::Phase::kChunkSize, c.progress.body_size, chunked);
  ++stream_count_;
  c.progress = {};
  c.greeted = true;
  StreamBytes(c, rest);
  if (stopping_) c.stream->Drain(&output_);
  c.last = c.last || c.stream->over();
}

// Gives them to the stream, and counts what it holds.
void HttpLoop::StreamBytes(Connection& c, std::string_view bytes) {
  try {
    c.stream->Receive(bytes, PeerOf(c), &output_);
  } catch (...) {
    c.last = true;
  }
  const std::size_t held = c.stream->held();
  held_bytes_ += held - c.stream->counted;
  c.stream->counted = held;
  if (held_bytes_ > kMostHeld) c.last = true;
  c.last = c.last || c.stream->over();
}

void HttpLoop::OnStream(Connection& c, std::string_view bytes) {
  StreamBytes(c, bytes);
  if (c.ended && !c.stream->more()) c.last = true;
  Flush(c);
}

void HttpLoop::TickStreams() {
  const auto now = std::chrono::steady_clock::now();
  for (auto& slab : slabs_) {
    for (std::size_t i = 0; i < 64; ++i) {
      Connection& c = slab[i];
      if (c.fd < 0 || c.stream == nullptr || c.draining || !c.unsent.empty()) continue;
      c.stream->Tick(now, &output_);
      c.last = c.last || c.stream->over();
      if (!output_.empty() || c.last) Flush(c);
    }
  }
}

void HttpLoop::DrainStream(Connection& c) {
  if (!c.unsent.empty()) return;  // it does not take what is said already
  c.stream->Drain(&output_);
  c.last = true;
  Flush(c);
}

}  // namespace tenon::edge
