#include "model/bundle.h"

#include "base/hash.h"
#include "base/testing.h"

namespace tenon::model {
namespace {

class Held final : public platform::Bytes {
 public:
  explicit Held(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string_view view() const override { return bytes_; }

 private:
  std::string bytes_;
};

auto OpenBytes(std::string bytes) { return Bundle::Open(std::make_shared<Held>(std::move(bytes))); }

std::string Sample() {
  Json manifest;
  manifest["version"] = 1;
  manifest["name"] = "loan-approval";
  return Bundle::Write(manifest, {{"model", std::string("\0payload\xff", 9)}, {"graph", "g"}, {"card", ""}});
}

TEST(Bundle, GivesBackWhatWasWritten) {
  const std::string bytes = Sample();
  EXPECT_EQ(bytes, Sample());
  ASSERT_OK_AND_ASSIGN(const auto bundle, OpenBytes(bytes));
  EXPECT_EQ(bundle->manifest().StringAt("name"), "loan-approval");
  EXPECT_EQ(bundle->section("model"), std::string_view("\0payload\xff", 9));
  EXPECT_EQ(bundle->section("graph"), "g");
  EXPECT_EQ(bundle->section("golden"), "");
  EXPECT_EQ(bundle->sections(), (std::vector<std::string>{"card", "graph", "manifest", "model"}));
  for (const std::string_view name : {"graph", "manifest", "model"}) {
    EXPECT_EQ((bundle->section(name).data() - bundle->section("card").data()) % 64, 0) << name;
  }
}

TEST(Bundle, FindsEveryFlippedBitAndEveryCut) {
  const std::string bytes = Sample();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] ^= static_cast<char>(1 << i % 8);
    const auto opened = OpenBytes(flipped);
    ASSERT_FALSE(opened.ok()) << "byte " << i;
    const bool version = i >= 8 && i < 12;
    ASSERT_EQ(opened.error().code(), version ? Code::kFailedPrecondition : Code::kDataLoss) << "byte " << i;
    ASSERT_CODE(kDataLoss, OpenBytes(bytes.substr(0, i)));
  }
  ASSERT_CODE(kDataLoss, OpenBytes(bytes + "x"));
}

TEST(Bundle, NamesTheDamagedSection) {
  std::string bytes = Sample();
  bytes.back() ^= 1;
  const auto opened = OpenBytes(bytes);
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().message().find("section model"), std::string_view::npos) << opened.error().ToString();
}

// Tables that lie although their hash is right.
TEST(Bundle, RefusesTablesThatPointOutside) {
  const std::string bytes = Sample();
  const auto header = static_cast<std::size_t>(static_cast<unsigned char>(bytes[24]) | static_cast<unsigned char>(bytes[25]) << 8);
  for (std::size_t i = 12; i < header - 64; ++i) {
    if (i >= 24 && i < 32) continue;  // the table's own size, which moves the hash
    for (const char mask : {'\x01', '\x40', '\x7f'}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ mask);
      changed.replace(header - 64, 64, HashOf(changed.substr(0, header - 64)));
      const auto opened = OpenBytes(changed);
      if (opened.ok()) continue;  // a section by another name is still a bundle
      EXPECT_EQ(opened.error().code() == Code::kDataLoss || opened.error().code() == Code::kInvalidArgument, true)
          << "byte " << i << ": " << opened.error().ToString();
    }
  }
}

}  // namespace
}  // namespace tenon::model
