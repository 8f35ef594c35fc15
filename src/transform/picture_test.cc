// Pictures against Pillow's pixels, recorded by tests/parity/picture_reference.py.

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/base64.h"
#include "base/json.h"
#include "base/testing.h"
#include "base/text.h"
#include "transform/picture_internal.h"

namespace tenon::transform {
namespace {

Json Recorded() {
  std::ifstream file("tests/parity/pictures.json");
  std::stringstream text;
  text << file.rdbuf();
  auto json = Json::Parse(text.str(), "pictures.json");
  EXPECT_TRUE(json.ok()) << "run from the root of the repository";
  return json.ok() ? *std::move(json) : Json();
}

std::vector<std::uint8_t> Pixels(const Json& of) {
  std::string bytes;
  EXPECT_TRUE(FromBase64(of.StringAt("pixels"), &bytes));
  return {bytes.begin(), bytes.end()};
}

std::string FileOf(const Json& recorded, std::string_view name) {
  for (const Json& one : recorded.Find("pictures")->array()) {
    std::string bytes;
    if (one.StringAt("name") == name && FromBase64(one.StringAt("file"), &bytes)) return bytes;
  }
  ADD_FAILURE() << name;
  return "";
}

#define SKIP_WITHOUT(read) \
  if (!(read).ok() && (read).error().code() == Code::kUnavailable) GTEST_SKIP() << "tools/setup.sh images"

TEST(Picture, IsDecodedAsPillowDoes) {
  const Json recorded = Recorded();
  ASSERT_GE(recorded.Find("pictures")->array().size(), 25U);
  for (const Json& one : recorded.Find("pictures")->array()) {
    std::string bytes;
    ASSERT_TRUE(FromBase64(one.StringAt("file"), &bytes));
    auto read = platform::DecodePicture(bytes, 10'000);
    SKIP_WITHOUT(read);
    ASSERT_TRUE(read.ok()) << one.StringAt("name") << ": " << read.error().message();
    EXPECT_EQ(read->width, one.IntAt("width")) << one.StringAt("name");
    EXPECT_EQ(read->channels, one.IntAt("channels")) << one.StringAt("name");
    const std::vector<std::uint8_t> wanted = Pixels(one);
    ASSERT_EQ(read->pixels.size(), wanted.size()) << one.StringAt("name");
    int most = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) most = std::max(most, std::abs(wanted[i] - read->pixels[i]));
    EXPECT_LE(most, one.IntAt("within")) << one.StringAt("name");
  }
}

TEST(Picture, IsResizedAsPillowDoesBitByBit) {
  const std::vector<std::string> filters = {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"};
  const Json recorded = Recorded();
  for (const Json& from : recorded.Find("resized")->array()) {
    const platform::Picture picture{static_cast<int>(from.IntAt("width")), static_cast<int>(from.IntAt("height")), static_cast<int>(from.IntAt("channels")), Pixels(from)};
    for (const Json& one : from.Find("cases")->array()) {
      const auto filter = static_cast<PictureSettings::Resample>(std::ranges::find(filters, one.StringAt("filter")) - filters.begin());
      const platform::Picture made = Resized(picture, static_cast<int>(one.IntAt("width")), static_cast<int>(one.IntAt("height")), filter);
      EXPECT_TRUE(made.pixels == Pixels(one)) << one.StringAt("filter") << " " << one.IntAt("width") << " x " << one.IntAt("height");
    }
  }
}

TEST(Picture, SaysWhatIsWrongWithOne) {
  const Json recorded = Recorded();
  const std::string png = FileOf(recorded, "PNG colours"), jpeg = FileOf(recorded, "JPEG 4:2:0");
  SKIP_WITHOUT(platform::DecodePicture(png, 10'000));
  SKIP_WITHOUT(platform::DecodePicture(jpeg, 10'000));
  std::string bad_sum = png;
  bad_sum[bad_sum.size() - 20] = static_cast<char>(bad_sum[bad_sum.size() - 20] ^ 1);
  std::string huge = png;  // says 2^30 pixels a row, with the right sum of nothing
  huge[16] = 64;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "empty"}, {"GIF89a", "neither"}, {png.substr(0, png.size() / 2), "damaged PNG"}, {bad_sum, "damaged PNG"}, {huge, "damaged PNG"},
      {jpeg.substr(0, jpeg.size() / 2), "damaged JPEG"}, {jpeg.substr(0, 20), "damaged JPEG"}};
  for (const auto& [bytes, expected] : cases) {
    const auto read = platform::DecodePicture(bytes, 10'000);
    ASSERT_FALSE(read.ok()) << expected;
    EXPECT_EQ(read.error().code(), Code::kInvalidArgument);
    EXPECT_NE(read.error().message().find(expected), std::string::npos) << read.error().message();
  }
  for (const std::string& good : {png, jpeg}) {
    const auto read = platform::DecodePicture(good, 100);
    ASSERT_FALSE(read.ok());
    EXPECT_NE(read.error().message().find("at most 100 are read"), std::string::npos) << read.error().message();
  }
}

TEST(Picture, ComesAsBytesBase64OrDataAddress) {
  const std::string png = FileOf(Recorded(), "PNG colours");
  for (const std::string& value : {png, ToBase64(png), "data:image/png;base64," + ToBase64(png), " " + ToBase64(png) + "\n"}) {
    ASSERT_OK_AND_ASSIGN(const std::string bytes, platform::PictureBytes(value));
    EXPECT_EQ(bytes, png);
  }
  EXPECT_FALSE(platform::PictureBytes("images/one.png").ok());
  EXPECT_FALSE(platform::PictureBytes("data:image/png,abc").ok());
}

TEST(Picture, ShapesThatDoNotGoTogetherAreTold) {
  using Port = platform::TensorProgram::Port;
  PictureSettings rgb;
  rgb.colours = PictureSettings::Colours::kRgb;
  ASSERT_OK_AND_ASSIGN(const PictureShape first, PictureShapeOf(rgb, Port{"x", platform::TensorType::kFloat, {-1, 3, 16, 12}}));
  EXPECT_EQ(first.dims(), (std::vector<std::int64_t>{1, 3, 16, 12}));
  ASSERT_OK_AND_ASSIGN(const PictureShape last, PictureShapeOf(rgb, Port{"x", platform::TensorType::kFloat, {-1, 16, 12, 3}}));
  EXPECT_EQ(last.dims(), (std::vector<std::int64_t>{1, 16, 12, 3}));
  const auto problem = [&](std::vector<std::int64_t> shape, PictureSettings settings) {
    const auto made = PictureShapeOf(settings, Port{"x", platform::TensorType::kFloat, std::move(shape)});
    return made.ok() ? std::string() : std::string(made.error().message());
  };
  EXPECT_NE(problem({-1, 1, 16, 16}, rgb).find("have 3 channels"), std::string::npos);
  EXPECT_NE(problem({-1, 10}, rgb).find("[rows, channels, height, width]"), std::string::npos);
  EXPECT_NE(problem({-1, 3, -1, -1}, rgb).find("say `height:`"), std::string::npos);
  PictureSettings sized = rgb;
  sized.height = 9;
  EXPECT_NE(problem({-1, 3, 16, 16}, sized).find("height: 9 is not the model's 16"), std::string::npos);
  PictureSettings means = rgb;
  means.mean = {1, 2};
  EXPECT_NE(problem({-1, 3, 16, 16}, means).find("mean has 2 numbers"), std::string::npos) << problem({-1, 3, 16, 16}, means);
}

}  // namespace
}  // namespace tenon::transform
