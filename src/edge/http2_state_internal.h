#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "edge/hpack_internal.h"
#include "edge/http2_frames_internal.h"
#include "edge/http2_internal.h"
#include "edge/http2_requests_internal.h"

namespace tenon::edge {

// The transport of a connection of HTTP/2 (RFC 9113): what comes is http2.cc, what goes is http2_send.cc. Everything that goes is written to
// `out` in the order in which it goes, header blocks too, since each refers to those before.
struct Http2Connection::State final : Http2Sender {
  using Clock = std::chrono::steady_clock;
  using Stream = Http2Stream;

  static constexpr std::size_t kMostStreams = 256;
  static constexpr std::int64_t kStreamWindow = 1 << 20;
  static constexpr std::int64_t kMostWindow = 0x7fffffff;
  static constexpr std::size_t kMostPumped = 1 << 20;
  static constexpr std::size_t kBacklog = 256 << 10;  // answers of one stream, above which it is not read on
  static constexpr std::size_t kMostSettings = 32;    // of a frame: there are seven, and a window is told to every stream
  // Frames that ask for nothing (resets, pings, settings, empty data) a client may send: so many at once, so many a second, and one for
  // each frame of an answer: clients that measure the way to us send a ping with what they receive (grpc-go's estimate of bandwidth).
  static constexpr double kIdleFramesBurst = 400, kIdleFramesSecond = 100;

  State(const Http2Limits& its_limits, HttpHandler& handler);
  ~State() override = default;

  // Receiving. Gives how many of the bytes are taken; the rest is a frame that is not whole.
  std::size_t Parse(std::string_view bytes);
  void Frame(const FrameHead& head, std::string_view payload);
  void OnHeaders(const FrameHead& head, std::string_view payload);
  void OnContinuation(const FrameHead& head, std::string_view payload);
  void OnBlock(std::int32_t id, std::uint8_t flags, std::string_view block);
  void OnTrailers(Stream& stream, std::uint8_t flags, std::string_view block);
  bool ReadHead(Stream& stream, std::string_view block);  // false: it is malformed, or the connection has failed
  bool PassBlock(std::string_view block);                 // reads it for the table's sake alone
  bool BeginData(const FrameHead& head, std::string_view rest, std::size_t* used);
  void DataBytes(std::string_view bytes);
  void EndData();
  void OnReset(const FrameHead& head, std::string_view payload);
  void OnSettings(const FrameHead& head, std::string_view payload);
  void Setting(std::uint16_t name, std::uint32_t value);
  void OnWindowUpdate(const FrameHead& head, std::string_view payload);
  void CountIdleFrame();
  // Resets a stream for what the client did on it. It counts as if the client had reset it, since it rids itself of the limit on streams
  // just so, while what was asked may still be worked on (CVE-2025-8671).
  void Offends(Stream& stream, Http2Error why);
  // The connection ends, and the client hears why.
  void Fail(Http2Error why);

  // Sending.
  bool Head(Stream& stream, std::span<const Http2Field> head, bool body) override;
  bool Whole(Stream& stream, std::span<const Http2Field> head, std::string_view prefix, std::string_view message) override;
  void More(Stream& stream) override;
  void Reset(Stream& stream, Why why) override;
  void TurnAway(Stream& stream, std::string_view body) override;
  void WriteBlock(Stream& stream, std::string_view block, bool last);
  void WriteTrailers(Stream& stream);
  void WriteReset(std::int32_t id, Http2Error why);
  void WriteWindow(std::int32_t id, std::size_t size);
  // As much of the stream's answer as one frame takes and the client allows.
  void WriteData(Stream& stream);
  void Ready(Stream& stream);
  // After anything was done to a stream: lets it go when all is said.
  void Settle(Stream& stream);
  void Consume(Stream& stream, std::size_t size);
  void ConsumeIfTaken(Stream& stream);
  void Answered() { idle_frames = std::min(kIdleFramesBurst, idle_frames + 3); }

  Stream* Find(std::int32_t id) const;
  Stream* NewStream(std::int32_t id);
  void Free(Stream* stream);
  bool WasReset(std::int32_t id) const;  // by us, so that frames of it may still be on their way

  const Http2Limits limits;
  Http2Requests requests;
  HpackReader reader;
  HpackWriter writer;

  // What came.
  std::string held;                 // of a frame that is not whole
  bool greeted = false, settled = false;  // the preface and the first settings have come
  std::int32_t last_id = 0;
  std::int64_t room = kHttp2ConnectionWindow;  // bytes the client may still send
  std::size_t replaced = 0;         // bytes that it is not yet told to replace
  std::string block;                // of headers that go on in CONTINUATION
  std::int32_t block_id = 0;        // whose; 0: of none
  std::uint8_t block_flags = 0;
  Clock::time_point block_began{};
  std::int32_t data_id = 0;         // of the DATA frame that is being read, whose payload comes in pieces
  std::uint8_t data_flags = 0;
  std::size_t data_left = 0, pad_left = 0;
  bool in_data = false, passes_data = false;
  struct Known {                    // the last head that left the table as it was: clients repeat themselves
    std::string block;
    std::uint64_t changes = 0;
    std::string head;
    std::vector<HpackField> fields;
    HpackField method, target, type;
    std::int64_t length = -1;
  } known;
  std::string passed;               // of blocks that are read for nothing
  std::vector<HpackField> passed_fields;

  // What goes.
  std::string out, head_block;
  std::string turned_away_call, turned_away_head;  // header blocks, once needed
  std::int64_t window = 65535, first_window = 65535;  // bytes that may be sent: on the connection; on a new stream
  bool blocked = false;             // some stream waits for the connection's window
  Stream* ready_first = nullptr;    // have something to write
  Stream* ready_last = nullptr;

  std::vector<std::unique_ptr<Stream>> all;
  Stream* streams = nullptr;  // of all: that are open
  Stream* spare = nullptr;    // that wait to be used again
  std::size_t open = 0;
  std::size_t unsent = 0;     // bytes of their answers, at the last tick
  std::array<Stream*, 256> by_id{};
  std::array<std::int32_t, 256> resets{};
  std::size_t reset_at = 0;
  bool ended = false, draining = false;
  double idle_frames = kIdleFramesBurst;
  Clock::time_point idle_frames_at{};
};

}  // namespace tenon::edge
