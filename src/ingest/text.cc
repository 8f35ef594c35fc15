#include "ingest/text_internal.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "base/text.h"
#include "base/utf8.h"
#include "platform/files.h"

namespace tenon::ingest {
namespace {

constexpr std::size_t kStep = 1 << 20;

// The characters of Windows-1252 from 0x80 to 0x9F; 0 where there is none.
constexpr std::array<char32_t, 32> kWindows = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017D, 0,
    0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0, 0x017E, 0x0178};

std::int64_t LineAt(std::string_view text, std::size_t at) {
  return 1 + std::ranges::count(text.substr(0, at), '\n');
}

Error ZeroByte(const std::string& path, std::int64_t line) {
  return Error(Code::kInvalidArgument, Str(path, ":", line, ": holds a zero byte; is this a text file?"));
}

Result<std::string> FromOneByte(std::string_view bytes, bool windows, const std::string& path) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 16);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (byte == 0) return ZeroByte(path, LineAt(bytes, i));
    if (windows && byte >= 0x80 && byte < 0xA0) {
      if (kWindows[byte - 0x80U] == 0) {
        return Error(Code::kInvalidArgument, Str(path, ":", LineAt(bytes, i), ": byte ", static_cast<int>(byte),
                                                 " is no character of windows-1252; try `encoding: latin-1`"));
      }
      AppendUtf8(kWindows[byte - 0x80U], &out);
    } else {
      AppendUtf8(byte, &out);
    }
  }
  return out;
}

Result<std::string> FromUtf16(std::string_view bytes, bool big, const std::string& path) {
  const auto wrong = [&](std::size_t at, std::string_view what) {
    return Error(Code::kInvalidArgument, Str(path, ": byte ", at, ": ", what, "; this is not UTF-16"));
  };
  if (bytes.size() % 2 != 0) return wrong(bytes.size() - 1, "half a character at the end");
  const auto unit = [&](std::size_t at) -> char32_t {
    const auto a = static_cast<unsigned char>(bytes[at]), b = static_cast<unsigned char>(bytes[at + 1]);
    return big ? static_cast<char32_t>(a << 8 | b) : static_cast<char32_t>(b << 8 | a);
  };
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 2) {
    char32_t point = unit(at);
    if (at == 0 && point == 0xFEFF) continue;
    if (point == 0) return ZeroByte(path, LineAt(out, out.size()));
    if (point >= 0xD800 && point < 0xE000) {
      if (point >= 0xDC00 || at + 2 >= bytes.size()) return wrong(at, "half of a surrogate pair");
      const char32_t low = unit(at + 2);
      if (low < 0xDC00 || low >= 0xE000) return wrong(at, "half of a surrogate pair");
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
      at += 2;
    }
    AppendUtf8(point, &out);
  }
  return out;
}

// Most of the characters of real files in UTF-16 have a zero for one half.
bool LooksUtf16(std::string_view bytes, bool* big) {
  if (bytes.starts_with("\xFF\xFE")) return *big = false, true;
  if (bytes.starts_with("\xFE\xFF")) return *big = true, true;
  const std::string_view head = bytes.substr(0, std::min<std::size_t>(bytes.size(), 4096) / 2 * 2);
  std::array<std::size_t, 2> zeros{};
  for (std::size_t i = 0; i < head.size(); ++i) zeros[i % 2] += head[i] == '\0' ? 1 : 0;
  if (head.size() < 8) return false;
  *big = zeros[0] > zeros[1];
  return zeros[*big ? 0 : 1] * 2 > head.size() / 2 && zeros[*big ? 1 : 0] == 0;
}

Result<void> CheckUtf8(const Call& call, std::string_view text, const std::string& path) {
  std::int64_t line = 1;
  for (std::size_t at = 0; at < text.size();) {
    TENON_TRY(call.Check());
    // A piece ends behind a line, so that no character is cut.
    std::size_t end = std::min(text.size(), at + kStep);
    if (end < text.size()) {
      const std::size_t next = text.find('\n', end);
      end = next == std::string_view::npos ? text.size() : next + 1;
    }
    const std::string_view piece = text.substr(at, end - at);
    const bool zero = std::memchr(piece.data(), 0, piece.size()) != nullptr;
    if (zero || !IsUtf8(piece)) {
      std::size_t from = 0;
      while (true) {
        const std::size_t stop = std::min(piece.size(), piece.find('\n', from));
        const std::string_view one = piece.substr(from, stop - from);
        if (one.find('\0') != std::string_view::npos) return ZeroByte(path, line);
        if (!IsUtf8(one)) break;
        from = stop + 1;
        ++line;
      }
      return Error(Code::kInvalidArgument,
                   Str(path, ":", line, ": not UTF-8; write `encoding: latin-1`, `windows-1252` or `utf-16`"));
    }
    line += std::ranges::count(piece, '\n');
    at = end;
  }
  return {};
}

Text Own(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  return {*owner, owner};
}

}  // namespace

bool LooksUtf16(std::string_view bytes) {
  bool big = false;
  return LooksUtf16(bytes, &big);
}

bool LooksGzip(std::string_view bytes) { return bytes.starts_with("\x1F\x8B"); }

bool LooksPacked(std::string_view bytes) { return LooksGzip(bytes) || LooksZstd(bytes); }

Result<std::string> Unpack(const Call& call, std::string_view packed, const std::string& path) {
  return LooksZstd(packed) ? Unzstd(call, packed, path) : Gunzip(call, packed, path);
}

Result<std::string> Gunzip(const Call& call, std::string_view packed, const std::string& path) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return Error(Code::kInternal, "cannot start unpacking gzip");
  struct End {
    z_stream* stream;
    ~End() { inflateEnd(stream); }
  } end{&stream};
  std::string out;
  std::size_t at = 0;
  const auto damaged = [&] { return Error(Code::kDataLoss, Str(path, ": damaged gzip after ", at, " bytes; copy the file again")); };
  while (at < packed.size()) {
    TENON_TRY(call.Check());
    const std::size_t in = std::min(packed.size() - at, kStep);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + at));
    stream.avail_in = static_cast<uInt>(in);
    int state = Z_OK;
    while (stream.avail_in > 0 && state == Z_OK) {
      const std::size_t had = out.size();
      out.resize(had + 4 * kStep);
      stream.next_out = reinterpret_cast<Bytef*>(out.data() + had);
      stream.avail_out = static_cast<uInt>(4 * kStep);
      state = inflate(&stream, Z_NO_FLUSH);
      out.resize(had + 4 * kStep - stream.avail_out);
      if (state == Z_BUF_ERROR) state = Z_OK;
    }
    at += in - stream.avail_in;
    if (state != Z_OK && state != Z_STREAM_END) return damaged();
    if (state != Z_STREAM_END) {
      if (at == packed.size()) {
        // All was taken in; what is still inside must come out.
        while (state == Z_OK) {
          const std::size_t had = out.size();
          out.resize(had + kStep);
          stream.next_out = reinterpret_cast<Bytef*>(out.data() + had);
          stream.avail_out = static_cast<uInt>(kStep);
          state = inflate(&stream, Z_FINISH);
          const bool full = stream.avail_out == 0;
          out.resize(had + kStep - stream.avail_out);
          if (state == Z_BUF_ERROR && full) state = Z_OK;
        }
        if (state != Z_STREAM_END) return Error(Code::kDataLoss, Str(path, ": the gzip ends too early; copy the file again"));
      }
      continue;
    }
    if (at < packed.size() && !LooksGzip(packed.substr(at))) break;  // padding behind the last member
    if (inflateReset(&stream) != Z_OK) return damaged();
  }
  return out;
}

Result<Text> LoadText(const Call& call, const std::string& path, std::string_view encoding) {
  TENON_ASSIGN(std::shared_ptr<const platform::Bytes> bytes, platform::RealFiles()->Map(path));
  Text raw{bytes->view(), bytes};
  if (LooksPacked(raw.view)) {
    TENON_ASSIGN(std::string unpacked, Unpack(call, raw.view, path));
    raw = Own(std::move(unpacked));
  }
  bool big = false;
  if (encoding == "latin-1" || encoding == "windows-1252") {
    TENON_ASSIGN(std::string text, FromOneByte(raw.view, encoding == "windows-1252", path));
    return Own(std::move(text));
  }
  const bool utf16 = encoding != "utf-8" && LooksUtf16(raw.view, &big);
  if (utf16 || encoding == "utf-16") {
    TENON_ASSIGN(std::string text, FromUtf16(raw.view, big, path));
    return Own(std::move(text));
  }
  if (raw.view.starts_with(kUtf8Mark)) raw.view.remove_prefix(kUtf8Mark.size());
  TENON_TRY(CheckUtf8(call, raw.view, path));
  return raw;
}

}  // namespace tenon::ingest
