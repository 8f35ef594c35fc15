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
#include "ingest/spool.h"
#include "platform/files.h"

namespace tenon::ingest {
namespace {

constexpr std::size_t kStep = 1 << 20;

// The characters of Windows-1252 from 0x80 to 0x9F; 0 where there is none.
constexpr std::array<char32_t, 32> kWindows = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017D, 0,
    0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0, 0x017E, 0x0178};

Error ZeroByte(const std::string& path, std::int64_t line) {
  return Error(Code::kInvalidArgument, Str(path, ":", line, ": holds a zero byte; is this a text file?"));
}

// What is made of a file's bytes, and the lines in it.
class Made {
 public:
  std::string& text() { return text_; }
  std::int64_t line() const { return lines_ + 1 + std::ranges::count(text_, '\n'); }
  Result<void> Pass(bool all) {
    if (!all && text_.size() < kStep) return {};
    lines_ += std::ranges::count(text_, '\n');
    TENON_TRY(spool_.Append(text_));
    text_.clear();
    return {};
  }
  Result<Text> Finish() {
    TENON_TRY(Pass(true));
    TENON_ASSIGN(auto bytes, spool_.Finish());
    return Text{bytes->view(), bytes};
  }

 private:
  SpoolWriter spool_;
  std::string text_;
  std::int64_t lines_ = 0;
};

Result<Text> FromOneByte(const Text& raw, bool windows, const std::string& path) {
  Made out;
  for (std::size_t i = 0; i < raw.view.size(); ++i) {
    const auto byte = static_cast<unsigned char>(raw.view[i]);
    if (byte == 0) return ZeroByte(path, out.line());
    if (windows && byte >= 0x80 && byte < 0xA0) {
      if (kWindows[byte - 0x80U] == 0) {
        return Error(Code::kInvalidArgument, Str(path, ":", out.line(), ": byte ", static_cast<int>(byte),
                                                 " is no character of windows-1252; try `encoding: latin-1`"));
      }
      AppendUtf8(kWindows[byte - 0x80U], &out.text());
    } else {
      AppendUtf8(byte, &out.text());
    }
    if (i % kStep == 0) {
      TENON_TRY(out.Pass(false));
      raw.owner->Forget(raw.view.substr(0, i));
    }
  }
  return out.Finish();
}

Result<Text> FromUtf16(const Text& raw, bool big, const std::string& path) {
  const std::string_view bytes = raw.view;
  const auto wrong = [&](std::size_t at, std::string_view what) {
    return Error(Code::kInvalidArgument, Str(path, ": byte ", at, ": ", what, "; this is not UTF-16"));
  };
  if (bytes.size() % 2 != 0) return wrong(bytes.size() - 1, "half a character at the end");
  const auto unit = [&](std::size_t at) -> char32_t {
    const auto a = static_cast<unsigned char>(bytes[at]), b = static_cast<unsigned char>(bytes[at + 1]);
    return big ? static_cast<char32_t>(a << 8 | b) : static_cast<char32_t>(b << 8 | a);
  };
  Made out;
  std::size_t passed = 0;
  for (std::size_t at = 0; at < bytes.size(); at += 2) {
    char32_t point = unit(at);
    if (at == 0 && point == 0xFEFF) continue;
    if (point == 0) return ZeroByte(path, out.line());
    if (point >= 0xD800 && point < 0xE000) {
      if (point >= 0xDC00 || at + 2 >= bytes.size()) return wrong(at, "half of a surrogate pair");
      const char32_t low = unit(at + 2);
      if (low < 0xDC00 || low >= 0xE000) return wrong(at, "half of a surrogate pair");
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
      at += 2;
    }
    AppendUtf8(point, &out.text());
    if (at - passed >= kStep) {
      TENON_TRY(out.Pass(false));
      raw.owner->Forget(bytes.substr(0, at));
      passed = at;
    }
  }
  return out.Finish();
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

Result<void> CheckUtf8(const Call& call, const Text& whole, const std::string& path) {
  const std::string_view text = whole.view;
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
    whole.owner->Forget(piece);
    at = end;
  }
  return {};
}

}  // namespace

bool LooksUtf16(std::string_view bytes) {
  bool big = false;
  return LooksUtf16(bytes, &big);
}

bool LooksGzip(std::string_view bytes) { return bytes.starts_with("\x1F\x8B"); }

bool LooksPacked(std::string_view bytes) { return LooksGzip(bytes) || LooksZstd(bytes); }

Result<void> Unpack(const Call& call, std::string_view packed, const std::string& path, const TakeBytes& take) {
  return LooksZstd(packed) ? Unzstd(call, packed, path, take) : Gunzip(call, packed, path, take);
}

Result<void> Gunzip(const Call& call, std::string_view packed, const std::string& path, const TakeBytes& take) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return Error(Code::kInternal, "cannot start unpacking gzip");
  struct End {
    z_stream* stream;
    ~End() { inflateEnd(stream); }
  } end{&stream};
  std::string piece(kStep, '\0');
  std::size_t at = 0;
  while (at < packed.size()) {
    TENON_TRY(call.Check());
    const std::size_t in = std::min(packed.size() - at, kStep);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + at));
    stream.avail_in = static_cast<uInt>(in);
    int state = Z_OK;
    // A full piece may leave more inside, though all was taken in.
    do {
      stream.next_out = reinterpret_cast<Bytef*>(piece.data());
      stream.avail_out = static_cast<uInt>(piece.size());
      state = inflate(&stream, Z_NO_FLUSH);
      if (state == Z_BUF_ERROR) state = Z_OK;  // nothing more comes of what is there
      TENON_ASSIGN(const bool more, take(std::string_view(piece).substr(0, piece.size() - stream.avail_out)));
      if (!more) return {};
    } while (state == Z_OK && (stream.avail_in > 0 || stream.avail_out == 0));
    at += in - stream.avail_in;
    if (state != Z_OK && state != Z_STREAM_END) return Error(Code::kDataLoss, Str(path, ": damaged gzip after ", at, " bytes; copy the file again"));
    if (state == Z_OK) {
      if (at == packed.size()) return Error(Code::kDataLoss, Str(path, ": the gzip ends too early; copy the file again"));
      continue;
    }
    if (at < packed.size() && !LooksGzip(packed.substr(at))) break;  // padding behind the last member
    if (inflateReset(&stream) != Z_OK) return Error(Code::kInternal, "cannot go on unpacking gzip");
  }
  return {};
}

Result<std::shared_ptr<const platform::Bytes>> OpenBytes(const Call& call, const std::string& path) {
  TENON_ASSIGN(std::shared_ptr<const platform::Bytes> bytes, platform::RealFiles()->Map(path));
  if (!LooksPacked(bytes->view())) return bytes;
  SpoolWriter spool;
  const auto add = [&](std::string_view piece) -> Result<bool> {
    TENON_TRY(spool.Append(piece), Str("unpacking ", path));
    return true;
  };
  TENON_TRY(Unpack(call, bytes->view(), path, add));
  return spool.Finish();
}

Result<Text> OpenText(const Call& call, const std::string& path, std::string_view encoding) {
  TENON_ASSIGN(std::shared_ptr<const platform::Bytes> bytes, OpenBytes(call, path));
  Text raw{bytes->view(), bytes};
  bool big = false;
  if (encoding == "latin-1" || encoding == "windows-1252") return FromOneByte(raw, encoding == "windows-1252", path);
  const bool utf16 = encoding != "utf-8" && LooksUtf16(raw.view, &big);
  if (utf16 || encoding == "utf-16") return FromUtf16(raw, big, path);
  if (raw.view.starts_with(kUtf8Mark)) raw.view.remove_prefix(kUtf8Mark.size());
  return raw;
}

Result<Text> LoadText(const Call& call, const std::string& path, std::string_view encoding) {
  TENON_ASSIGN(Text text, OpenText(call, path, encoding));
  TENON_TRY(CheckUtf8(call, text, path));
  return text;
}

}  // namespace tenon::ingest
