#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tenon::edge {

// Bodies in the content codings gzip and deflate (zlib framing). One call each; no state.

// Decompresses all of `bytes` into `out`, at most `most` bytes. False when they are malformed, cut or more; `too_large`
// tells which.
bool Inflate(std::string_view bytes, std::size_t most, std::string* out, bool* too_large);
// Compresses into `out`, lightly. `gzip`: else zlib framing.
bool Deflate(std::string_view bytes, bool gzip, std::string* out);

}  // namespace tenon::edge
