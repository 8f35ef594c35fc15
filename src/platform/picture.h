#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tenon::platform {

// The pixels of a picture: row by row from the top, one byte a channel, 1 (grey) or 3 (red, green, blue) channels a pixel.
struct Picture {
  int width = 0, height = 0, channels = 0;
  std::vector<std::uint8_t> pixels;  // height x width x channels
};

// By their first bytes.
bool LooksPng(std::string_view bytes);
bool LooksJpeg(std::string_view bytes);

// The bytes of a PNG or JPEG out of a value of a table: themselves, or base64 of them, also as a data: address. invalid_argument, fit to follow a name.
Result<std::string> PictureBytes(std::string_view value);

// Reads a PNG (libpng) or a JPEG (libjpeg-turbo); the libraries are loaded when the first is read (tools/setup.sh images installs them). As
// Pillow's Image.open does: palettes become colours, what is transparent keeps its colour, of 16 bits the upper 8 are taken, colour profiles,
// gamma and the camera's orientation are left alone; CMYK becomes red, green, blue. `most_pixels`: a larger picture is refused before memory
// is taken for it. Any thread. Errors, fit to follow a column's name: invalid_argument for what is no such picture, damaged, cut off or too
// large; unavailable when the library is missing.
Result<Picture> DecodePicture(std::string_view bytes, std::int64_t most_pixels);

}  // namespace tenon::platform
