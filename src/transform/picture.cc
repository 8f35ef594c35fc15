#include "transform/picture_internal.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/text.h"
#include "platform/tensor_values.h"

namespace tenon::transform {
namespace {

using platform::Picture;
using platform::Tensor;
using platform::TensorProgram;
using platform::TensorType;
using Resample = PictureSettings::Resample;

Error Wrong(std::string_view what) { return Error(Code::kInvalidArgument, std::string(what)); }

// Grey as Pillow and television have it, in 65536ths.
std::uint8_t Grey(const std::uint8_t* rgb) {
  return static_cast<std::uint8_t>((rgb[0] * 19595U + rgb[1] * 38470U + rgb[2] * 7471U + 0x8000U) >> 16);
}

Picture WithColours(Picture picture, PictureSettings::Colours colours) {
  using Colours = PictureSettings::Colours;
  const int wanted = colours == Colours::kGrey ? 1 : 3;
  if (picture.channels == wanted && colours != Colours::kBgr) return picture;
  const std::size_t pixels = static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.height);
  Picture out{.width = picture.width, .height = picture.height, .channels = wanted, .pixels = std::vector<std::uint8_t>(pixels * static_cast<std::size_t>(wanted))};
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::uint8_t* from = picture.pixels.data() + i * static_cast<std::size_t>(picture.channels);
    std::uint8_t* to = out.pixels.data() + i * static_cast<std::size_t>(wanted);
    if (wanted == 1) {
      to[0] = Grey(from);
    } else {
      for (std::size_t k = 0; k < 3; ++k) to[k] = picture.channels == 1 ? from[0] : from[2 - k];
    }
  }
  return out;
}

double Sinc(double x) { return x == 0 ? 1 : std::sin(std::numbers::pi * x) / (std::numbers::pi * x); }

double SupportOf(Resample resample) {
  switch (resample) {
    case Resample::kBicubic: return 2;
    case Resample::kLanczos: return 3;
    case Resample::kBox: return 0.5;
    default: return 1;
  }
}

double Weight(Resample resample, double x) {
  const double at = std::abs(x);
  switch (resample) {
    case Resample::kBox: return x > -0.5 && x <= 0.5 ? 1 : 0;
    case Resample::kHamming: return at == 0 ? 1 : at >= 1 ? 0 : Sinc(at) * (0.54 + 0.46 * std::cos(std::numbers::pi * at));
    case Resample::kBicubic: {
      constexpr double kA = -0.5;
      if (at < 1) return ((kA + 2) * at - (kA + 3)) * at * at + 1;
      return at < 2 ? (((at - 5) * at + 8) * at - 4) * kA : 0;
    }
    case Resample::kLanczos: return x >= -3 && x < 3 ? Sinc(x) * Sinc(x / 3) : 0;
    default: return at < 1 ? 1 - at : 0;
  }
}

constexpr int kBits = 22;  // behind the point of a weight: a sum of 8-bit pixels stays within 32 bits

// From which pixels one of the new line is made, and with which weights.
struct Tap {
  int from = 0;
  std::vector<int> weights;
};

std::vector<Tap> TapsOf(int size, int wanted, Resample resample) {
  const double scale = static_cast<double>(size) / wanted;
  const double stretch = std::max(scale, 1.0);
  const double support = SupportOf(resample) * stretch;
  std::vector<Tap> out(static_cast<std::size_t>(wanted));
  for (int i = 0; i < wanted; ++i) {
    const double centre = (i + 0.5) * scale;
    const int from = std::max(0, static_cast<int>(centre - support + 0.5));
    const int to = std::min(size, static_cast<int>(centre + support + 0.5));
    std::vector<double> weights;
    double sum = 0;
    for (int at = from; at < to; ++at) {
      weights.push_back(Weight(resample, (at - centre + 0.5) * (1.0 / stretch)));
      sum += weights.back();
    }
    Tap& tap = out[static_cast<std::size_t>(i)];
    tap.from = from;
    for (double weight : weights) {
      if (sum != 0) weight /= sum;
      tap.weights.push_back(static_cast<int>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kBits)));
    }
  }
  return out;
}

std::uint8_t Clipped(std::int64_t sum) { return static_cast<std::uint8_t>(std::clamp<std::int64_t>(sum >> kBits, 0, 255)); }

Picture Across(const Picture& picture, int width, Resample resample) {
  const std::vector<Tap> taps = TapsOf(picture.width, width, resample);
  const auto channels = static_cast<std::size_t>(picture.channels);
  Picture out{.width = width, .height = picture.height, .channels = picture.channels, .pixels = {}};
  out.pixels.reserve(static_cast<std::size_t>(width) * static_cast<std::size_t>(picture.height) * channels);
  for (int y = 0; y < picture.height; ++y) {
    const std::uint8_t* row = picture.pixels.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(picture.width) * channels;
    for (const Tap& tap : taps) {
      for (std::size_t k = 0; k < channels; ++k) {
        std::int64_t sum = 1 << (kBits - 1);
        const std::uint8_t* from = row + static_cast<std::size_t>(tap.from) * channels + k;
        for (std::size_t i = 0; i < tap.weights.size(); ++i) sum += static_cast<std::int64_t>(from[i * channels]) * tap.weights[i];
        out.pixels.push_back(Clipped(sum));
      }
    }
  }
  return out;
}

Picture Down(const Picture& picture, int height, Resample resample) {
  const std::size_t line = static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.channels);
  Picture out{.width = picture.width, .height = height, .channels = picture.channels, .pixels = {}};
  out.pixels.reserve(line * static_cast<std::size_t>(height));
  for (const Tap& tap : TapsOf(picture.height, height, resample)) {
    const std::uint8_t* from = picture.pixels.data() + static_cast<std::size_t>(tap.from) * line;
    for (std::size_t x = 0; x < line; ++x) {
      std::int64_t sum = 1 << (kBits - 1);
      for (std::size_t i = 0; i < tap.weights.size(); ++i) sum += static_cast<std::int64_t>(from[i * line + x]) * tap.weights[i];
      out.pixels.push_back(Clipped(sum));
    }
  }
  return out;
}

Picture Nearest(const Picture& picture, int width, int height) {
  const auto channels = static_cast<std::size_t>(picture.channels);
  Picture out{.width = width, .height = height, .channels = picture.channels, .pixels = {}};
  // By steps added up, as Pillow goes: a product would at times round to the other side.
  const double across = static_cast<double>(picture.width) / width, down = static_cast<double>(picture.height) / height;
  double at_y = down * 0.5;
  for (int y = 0; y < height; ++y, at_y += down) {
    const std::uint8_t* row = picture.pixels.data() + static_cast<std::size_t>(std::min(static_cast<int>(at_y), picture.height - 1)) * static_cast<std::size_t>(picture.width) * channels;
    double at_x = across * 0.5;
    for (int x = 0; x < width; ++x, at_x += across) {
      const std::uint8_t* from = row + static_cast<std::size_t>(std::min(static_cast<int>(at_x), picture.width - 1)) * channels;
      out.pixels.insert(out.pixels.end(), from, from + channels);
    }
  }
  return out;
}

// The middle, as torchvision's CenterCrop finds it: halves to even.
Picture Middle(const Picture& picture, int width, int height) {
  const auto half = [](int size, int wanted) { return static_cast<std::size_t>(std::nearbyint((size - wanted) / 2.0)); };
  const std::size_t top = half(picture.height, height), left = half(picture.width, width);
  const auto channels = static_cast<std::size_t>(picture.channels);
  Picture out{.width = width, .height = height, .channels = picture.channels, .pixels = {}};
  for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y) {
    const std::uint8_t* from = picture.pixels.data() + ((top + y) * static_cast<std::size_t>(picture.width) + left) * channels;
    out.pixels.insert(out.pixels.end(), from, from + static_cast<std::size_t>(width) * channels);
  }
  return out;
}

// Of a picture that is cut to its middle, ten times as long as it is wide is the most: what it is resized to stays small.
constexpr int kMostRatio = 10;

Result<Picture> Decoded(const PictureSettings& settings, std::string_view value) {
  TENON_ASSIGN(const std::string bytes, platform::PictureBytes(value));
  TENON_ASSIGN(Picture picture, platform::DecodePicture(bytes, settings.most_pixels));
  const auto [shorter, longer] = std::minmax(picture.width, picture.height);
  if (settings.fit != PictureSettings::Fit::kCrop || longer / shorter < kMostRatio) return picture;
  return Wrong(Str("is a picture of ", picture.width, " x ", picture.height, " pixels, which is too long to be cut to its middle"));
}

Picture Fitted(const Picture& picture, const PictureSettings& settings, const PictureShape& shape) {
  if (settings.fit == PictureSettings::Fit::kStretch) return Resized(picture, shape.width, shape.height, settings.resample);
  const std::int64_t edge = settings.edge > 0 ? settings.edge : std::max(shape.width, shape.height);
  const std::int64_t shorter = std::min(picture.width, picture.height);
  const auto side = [&](std::int64_t size) { return static_cast<int>(size == shorter ? edge : edge * size / shorter); };
  return Middle(Resized(picture, side(picture.width), side(picture.height), settings.resample), shape.width, shape.height);
}

double Of(const std::vector<double>& values, std::size_t channel, double fallback) {
  return values.empty() ? fallback : values[values.size() == 1 ? 0 : channel];
}

}  // namespace

std::vector<std::int64_t> PictureShape::dims() const {
  return channels_last ? std::vector<std::int64_t>{1, height, width, channels} : std::vector<std::int64_t>{1, channels, height, width};
}

Result<PictureShape> PictureShapeOf(const PictureSettings& settings, const TensorProgram::Port& port) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : port.shape) sizes.push_back(size < 0 ? "any" : std::to_string(size));
  const auto wrong = [&](std::string_view what) { return Wrong(Str("the model takes ", platform::NameOf(port.type), " [", Join(sizes, ", "), "]; ", what)); };
  if (port.type == TensorType::kString) return wrong("leave `image` out");
  if (port.shape.size() != 4) return wrong("of pictures [rows, channels, height, width] or [rows, height, width, channels] is expected");
  PictureShape out{.channels = settings.channels()};
  const auto could = [&](std::size_t place) { return port.shape[place] == out.channels || port.shape[place] < 0; };
  // Where either could be the channels, the one whose size is known is.
  out.channels_last = port.shape[1] != out.channels && could(3) && (port.shape[3] == out.channels || !could(1));
  if (!out.channels_last && !could(1)) return wrong(Str("pictures with `image: ", out.channels == 1 ? "grey" : "rgb", "` have ", out.channels, out.channels == 1 ? " channel" : " channels"));
  const auto side = [&](std::size_t place, std::int64_t said, const char* setting, int* size) -> Result<void> {
    const std::int64_t known = port.shape[place];
    if (known > 0 && said > 0 && known != said) return wrong(Str(setting, ": ", said, " is not the model's ", known));
    if (known <= 0 && said <= 0) return wrong(Str("of what size pictures are is left open: say `", setting, ":`"));
    const std::int64_t chosen = known > 0 ? known : said;
    if (chosen > 4096) return wrong(Str("pictures of ", chosen, " pixels are more than the 4096 that are made"));
    *size = static_cast<int>(chosen);
    return {};
  };
  TENON_TRY(side(out.channels_last ? 1 : 2, settings.height, "height", &out.height));
  TENON_TRY(side(out.channels_last ? 2 : 3, settings.width, "width", &out.width));
  if (settings.edge > 0 && settings.edge < std::max(out.width, out.height)) {
    return Wrong(Str("edge: ", settings.edge, " is below the model's picture of ", out.width, " x ", out.height, ", which is cut from it"));
  }
  for (const auto* list : {&settings.mean, &settings.deviation}) {
    if (list->size() <= 1 || list->size() == static_cast<std::size_t>(out.channels)) continue;
    return Wrong(Str(list == &settings.mean ? "mean" : "std", " has ", list->size(), " numbers; one, or one for each of ", out.channels, " channels is expected"));
  }
  return out;
}

Picture Resized(const Picture& picture, int width, int height, Resample resample) {
  if (picture.width == width && picture.height == height) return picture;
  if (resample == Resample::kNearest) return Nearest(picture, width, height);
  if (picture.height == height) return Across(picture, width, resample);
  return picture.width == width ? Down(picture, height, resample) : Down(Across(picture, width, resample), height, resample);
}

Result<void> PictureReadable(const PictureSettings& settings, std::string_view value) {
  TENON_TRY(Decoded(settings, value));
  return {};
}

Result<Tensor> PictureTensor(const PictureSettings& settings, const PictureShape& shape, TensorType type, std::string_view value) {
  TENON_ASSIGN(Picture picture, Decoded(settings, value));
  const Picture fitted = Fitted(WithColours(std::move(picture), settings.colours), settings, shape);
  const bool fractions = type == TensorType::kFloat || type == TensorType::kDouble;
  const double scale = settings.scale != 0 ? settings.scale : fractions ? 1.0 / 255 : 1;
  Tensor out = platform::NewTensor(type, shape.dims());
  const auto channels = static_cast<std::size_t>(shape.channels);
  const std::size_t places = fitted.pixels.size() / channels;
  for (std::size_t k = 0; k < channels; ++k) {
    const double mean = Of(settings.mean, k, 0), deviation = Of(settings.deviation, k, 1);
    for (std::size_t at = 0; at < places; ++at) {
      const double pixel = (static_cast<double>(fitted.pixels[at * channels + k]) * scale - mean) / deviation;
      const std::size_t to = shape.channels_last ? at * channels + k : k * places + at;
      if (type == TensorType::kFloat) {
        out.As<float>()[to] = static_cast<float>(pixel);
      } else {
        TENON_TRY(platform::PutNumber(&out, to, pixel));
      }
    }
  }
  return out;
}

}  // namespace tenon::transform
