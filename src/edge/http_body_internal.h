#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tenon::edge {

// The body of a request of HTTP/1.1 as it comes, of a known length or chunked (RFC 9112, 7.1), of any size. As strict as
// ParseRequest. One thread.
class HttpBodyReader {
 public:
  enum class Got { kMore, kPiece, kEnd, kBad };
  HttpBodyReader(bool chunked, std::size_t length) : chunked_(chunked), left_(length) {}
  // Takes from the front until there is a piece of the body, its end, or no byte left.
  Got Next(std::string_view* bytes, std::string_view* piece);
  const char* problem() const { return problem_; }

 private:
  enum class Phase { kSize, kData, kAfterData, kTrailer };
  Got Bad(const char* problem) { return problem_ = problem, Got::kBad; }
  // One line into line_, without its end. kPiece: it is whole.
  Got TakeLine(std::string_view* bytes);
  Got ReadSize();

  const bool chunked_;
  std::size_t left_;  // of the body, or of the chunk
  Phase phase_ = Phase::kSize;
  std::string line_;
  std::size_t trailers_ = 0;
  const char* problem_ = "";
};

}  // namespace tenon::edge
