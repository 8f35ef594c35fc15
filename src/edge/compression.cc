#include <zlib.h>

#include <algorithm>

#include "edge/compression_internal.h"

namespace tenon::edge {
namespace {

Bytef* BytesOf(const char* data) { return reinterpret_cast<Bytef*>(const_cast<char*>(data)); }

}  // namespace

bool Inflate(std::string_view bytes, std::size_t most, std::string* out, bool* too_large) {
  *too_large = false;
  z_stream stream{};
  constexpr int kEitherFraming = 32;
  if (::inflateInit2(&stream, MAX_WBITS + kEitherFraming) != Z_OK) return false;
  stream.next_in = BytesOf(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  out->clear();
  int state = Z_OK;
  while (state == Z_OK) {
    const std::size_t before = out->size();
    // Grown step by step, so that a small body cannot claim the whole allowance at once.
    const std::size_t room = std::min<std::size_t>(most + 1 - before, std::max<std::size_t>(before, 16 << 10));
    out->resize(before + room);
    stream.next_out = BytesOf(out->data() + before);
    stream.avail_out = static_cast<uInt>(room);
    state = ::inflate(&stream, Z_NO_FLUSH);
    out->resize(before + room - stream.avail_out);
    if (out->size() > most) {
      *too_large = true;
      break;
    }
    if (state == Z_OK && stream.avail_in == 0 && stream.avail_out != 0) break;  // it is cut
  }
  const bool whole = state == Z_STREAM_END && stream.avail_in == 0 && !*too_large;
  ::inflateEnd(&stream);
  return whole;
}

bool Deflate(std::string_view bytes, bool gzip, std::string* out) {
  z_stream stream{};
  constexpr int kGzip = 16, kMemory = 8;
  if (::deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + (gzip ? kGzip : 0), kMemory, Z_DEFAULT_STRATEGY) != Z_OK) {
    return false;
  }
  out->resize(::deflateBound(&stream, static_cast<uLong>(bytes.size())));
  stream.next_in = BytesOf(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = BytesOf(out->data());
  stream.avail_out = static_cast<uInt>(out->size());
  const bool whole = ::deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out->resize(stream.total_out);
  ::deflateEnd(&stream);
  return whole;
}

}  // namespace tenon::edge
