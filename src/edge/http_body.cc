#include "edge/http_body_internal.h"

#include <algorithm>
#include <charconv>

namespace tenon::edge {
namespace {

constexpr std::size_t kMostLine = 256, kMostTrailers = 16 << 10;

}  // namespace

HttpBodyReader::Got HttpBodyReader::TakeLine(std::string_view* bytes) {
  const std::size_t newline = bytes->find('\n');
  const std::size_t most = phase_ == Phase::kTrailer ? kMostTrailers : kMostLine;
  if (line_.size() + std::min(newline, bytes->size()) > most) return Bad("a line of the chunked coding is too long");
  line_ += bytes->substr(0, newline);
  bytes->remove_prefix(newline == std::string_view::npos ? bytes->size() : newline + 1);
  if (newline == std::string_view::npos) return Got::kMore;
  if (line_.empty() || line_.back() != '\r') return Bad("a line of the chunked coding ends in LF without CR");
  line_.pop_back();
  for (const char c : line_) {
    if ((c < ' ' && c != '\t') || c == '\x7f') return Bad("a line of the chunked coding has a control character");
  }
  return Got::kPiece;
}

HttpBodyReader::Got HttpBodyReader::ReadSize() {
  const char* end = line_.data() + line_.size();
  const auto read = std::from_chars(line_.data(), end, left_, 16);
  const std::size_t digits = static_cast<std::size_t>(read.ptr - line_.data());
  if (digits > 8) return Bad("a chunk is too large");
  const std::size_t behind = line_.find_first_not_of(" \t", digits);
  if (digits == 0 || line_.front() == '-' || (behind != std::string::npos && line_[behind] != ';')) return Bad("a chunk's size is not hexadecimal");
  phase_ = left_ == 0 ? Phase::kTrailer : Phase::kData;
  line_.clear();
  return Got::kPiece;
}

HttpBodyReader::Got HttpBodyReader::Next(std::string_view* bytes, std::string_view* piece) {
  while (true) {
    if (!chunked_ && left_ == 0) return Got::kEnd;
    if (bytes->empty()) return Got::kMore;
    if (!chunked_ || phase_ == Phase::kData) {
      *piece = bytes->substr(0, left_);
      bytes->remove_prefix(piece->size());
      left_ -= piece->size();
      if (left_ == 0) phase_ = Phase::kAfterData;
      return Got::kPiece;
    }
    if (const Got line = TakeLine(bytes); line != Got::kPiece) return line;
    if (phase_ == Phase::kAfterData) {
      if (!line_.empty()) return Bad("a chunk is longer than its size");
      phase_ = Phase::kSize;
      continue;
    }
    if (phase_ == Phase::kSize) {
      if (const Got size = ReadSize(); size == Got::kBad) return size;
      continue;
    }
    if (line_.empty()) return Got::kEnd;
    trailers_ += line_.size();
    if (trailers_ > kMostTrailers || line_.find(':') == std::string::npos || line_.front() == ':') return Bad("a trailer is too large or is no header");
    line_.clear();
  }
}

}  // namespace tenon::edge
