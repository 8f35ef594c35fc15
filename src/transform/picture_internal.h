#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/picture.h"
#include "platform/tensor_program.h"

namespace tenon::transform {

// How pictures are made ready for a network.
struct PictureSettings {
  enum class Colours : std::uint8_t { kNone, kRgb, kBgr, kGrey };  // kNone: the column holds no pictures
  enum class Fit : std::uint8_t { kStretch, kCrop };
  enum class Resample : std::uint8_t { kNearest, kBox, kBilinear, kHamming, kBicubic, kLanczos };
  Colours colours = Colours::kNone;
  Fit fit = Fit::kStretch;
  Resample resample = Resample::kBilinear;
  std::int64_t edge = 0;                 // kCrop: the shorter side before cutting; 0: the longer one of the network's picture
  std::int64_t height = 0, width = 0;    // 0: the network's
  double scale = 0;                      // what pixels are multiplied by; 0: 1/255 for fractions, 1 for whole numbers
  std::vector<double> mean, deviation;   // taken off and divided by after that: none, one or one a channel
  std::int64_t most_pixels = 0;          // of a picture as it comes
  bool on() const { return colours != Colours::kNone; }
  int channels() const { return colours == Colours::kGrey ? 1 : 3; }
};

// What the network takes of a row.
struct PictureShape {
  int channels = 0, height = 0, width = 0;
  bool channels_last = false;
  std::vector<std::int64_t> dims() const;  // of the tensor of one row
};

// Of a port [rows, channels, height, width] or [rows, height, width, channels]; invalid_argument saying what does not go together.
Result<PictureShape> PictureShapeOf(const PictureSettings& settings, const platform::TensorProgram::Port& port);

// As Pillow's resize of the whole picture, bit by bit. Sizes are 1 to 65535.
platform::Picture Resized(const platform::Picture& picture, int width, int height, PictureSettings::Resample resample);

// Whether the value is a picture of which a tensor can be made; decodes it. invalid_argument as above.
Result<void> PictureReadable(const PictureSettings& settings, std::string_view value);

// The tensor of one picture: decoded, its colours changed, resized and cut, scaled. The same bits on every machine.
Result<platform::Tensor> PictureTensor(const PictureSettings& settings, const PictureShape& shape, platform::TensorType type, std::string_view value);

}  // namespace tenon::transform
