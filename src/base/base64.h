#pragma once

#include <string>
#include <string_view>

namespace tenon {

// Base64 of RFC 4648, section 4, with its padding.
std::string ToBase64(std::string_view bytes);
// Strictly: false for other characters, missing padding and bits that are left over. `out` is replaced.
bool FromBase64(std::string_view text, std::string* out);

}  // namespace tenon
