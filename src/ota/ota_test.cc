#include <set>

#include "base/hash.h"
#include "base/testing.h"
#include "base/text.h"
#include "ota/depot.h"
#include "ota/device.h"
#include "platform/memory_files.h"
#include "platform/signature.h"

namespace tenon::ota {
namespace {

class Ota : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = platform::MakeSigningKey();
    ASSERT_OK(made);
    key_ = *made;
  }
  Result<std::int64_t> Publish(const std::string& bundle, double percent = 100) {
    return Publisher(files_, "ota").Publish(Call{}, {.channel = "kiosks", .model = Str("m-", bundle), .bundle = bundle, .percent = percent, .most_failures = 0.2, .least_reports = 3}, key_.secret);
  }
  Json Report(const std::string& device, std::int64_t about, const std::string& status) {
    Json out;
    out["device"] = device;
    out["number"] = about;
    out["about"] = about;
    out["status"] = status;
    out["model"] = "m";
    return out;
  }

  platform::MemoryFiles files_;
  platform::SigningKey key_;
};

TEST_F(Ota, OnlyTheKeysOwnReleasesAreBelieved) {
  const Release release{.channel = "kiosks", .number = 3, .model = "m@1", .sha256 = HashOf("x"), .bytes = 1, .why = "update", .made = 5};
  ASSERT_OK_AND_ASSIGN(SignedRelease made, SignRelease(release, key_.secret));
  ASSERT_OK_AND_ASSIGN(const Release back, CheckRelease(made, key_.open));
  EXPECT_EQ(back.Text(), release.Text());
  ASSERT_OK_AND_ASSIGN(const auto other, platform::MakeSigningKey());
  ASSERT_CODE(kPermissionDenied, CheckRelease(made, other.open));
  for (std::size_t i = 0; i < made.text.size(); ++i) {
    SignedRelease changed = made;
    changed.text[i] = static_cast<char>(changed.text[i] ^ 1);
    ASSERT_CODE(kPermissionDenied, CheckRelease(changed, key_.open));
  }
  for (std::size_t i = 0; i < made.signature.size(); ++i) {
    SignedRelease changed = made;
    changed.signature[i] = changed.signature[i] == 'A' ? 'B' : 'A';
    ASSERT_CODE(kPermissionDenied, CheckRelease(changed, key_.open));
  }
  ASSERT_CODE(kPermissionDenied, CheckRelease({made.text, ""}, key_.open));
  // The signature of the bare text is none of a release.
  ASSERT_OK_AND_ASSIGN(const std::string bare, platform::Sign(key_.secret, made.text));
  ASSERT_CODE(kPermissionDenied, CheckRelease({made.text, bare}, key_.open));
  ASSERT_CODE(kInvalidArgument, SignRelease(release, key_.open));
}

TEST_F(Ota, AChannelThatFailsKeepsNoOtherFromItsDevices) {
  ASSERT_OK(Publish("one"));
  for (const char* other : {"attic", "zoo"}) ASSERT_OK(files_.Write(Str("ota/channels/", other, ".json"), "no channel"));
  Depot depot(files_, "ota");
  const auto refreshed = depot.Refresh(Call{});
  ASSERT_FALSE(refreshed.ok());
  for (const char* told : {"channel attic: ", "channel zoo: "}) EXPECT_NE(refreshed.error().message().find(told), std::string_view::npos) << refreshed.error().message();
  ASSERT_OK_AND_ASSIGN(const auto offer, depot.Offer("kiosks", "d", 0));
  EXPECT_TRUE(offer.has_value());
  ASSERT_OK(depot.Report("kiosks", Report("d", 1, "ok"), 1));
  EXPECT_FALSE(depot.Refresh(Call{}).ok());
  EXPECT_EQ(ReadDevices(files_, "ota", "kiosks").size(), 1U);  // was written all the same
}

TEST_F(Ota, RingsGrowAndKeepTheirDevices) {
  std::set<std::string> ten;
  int one = 0, ten_count = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string device = Str("device-", i);
    const bool in_one = InRing(device, 7, 1), in_ten = InRing(device, 7, 10);
    EXPECT_TRUE(!in_one || in_ten);
    EXPECT_TRUE(InRing(device, 7, 100));
    one += in_one;
    ten_count += in_ten;
  }
  EXPECT_NEAR(one, 200, 60);
  EXPECT_NEAR(ten_count, 2000, 200);
}

TEST_F(Ota, GivesOutInRingsAndTakesBackWhatFails) {
  ASSERT_OK_AND_ASSIGN(const auto first, Publish("one"));
  EXPECT_EQ(first, 1);
  Depot depot(files_, "ota");
  ASSERT_OK(depot.Refresh(Call{}));
  ASSERT_CODE(kNotFound, depot.Offer("kiosk", "d", 0));
  ASSERT_OK_AND_ASSIGN(auto offer, depot.Offer("kiosks", "d", 0));
  ASSERT_TRUE(offer.has_value());
  ASSERT_OK_AND_ASSIGN(auto release, CheckRelease(*offer, key_.open));
  EXPECT_EQ(release.number, 1);
  ASSERT_OK_AND_ASSIGN(auto bundle, depot.Bundle(release.sha256));
  EXPECT_EQ(bundle->view(), "one");
  ASSERT_CODE(kInvalidArgument, depot.Bundle("../../secret"));
  ASSERT_CODE(kNotFound, depot.Bundle(HashOf("none")));
  ASSERT_OK_AND_ASSIGN(const auto nothing, depot.Offer("kiosks", "d", 1));
  EXPECT_FALSE(nothing.has_value());

  ASSERT_OK_AND_ASSIGN(const auto second, Publish("two", 50));
  EXPECT_EQ(second, 3);
  ASSERT_CODE(kFailedPrecondition, Publish("three"));  // the second is under way
  ASSERT_OK(depot.Refresh(Call{}));
  std::vector<std::string> in, out;
  for (int i = 0; i < 40; ++i) (InRing(Str("d", i), 3, 50) ? in : out).push_back(Str("d", i));
  ASSERT_GE(in.size(), 4U);
  ASSERT_GE(out.size(), 1U);
  ASSERT_OK_AND_ASSIGN(offer, depot.Offer("kiosks", in[0], 1));
  ASSERT_TRUE(offer.has_value());
  ASSERT_OK_AND_ASSIGN(offer, depot.Offer("kiosks", out[0], 1));
  EXPECT_FALSE(offer.has_value());
  ASSERT_OK_AND_ASSIGN(offer, depot.Offer("kiosks", out[0], 0));
  ASSERT_TRUE(offer.has_value());  // the one before, for a new device outside the ring
  ASSERT_OK_AND_ASSIGN(release, CheckRelease(*offer, key_.open));
  EXPECT_EQ(release.number, 1);

  ASSERT_OK(depot.Report("kiosks", Report(in[0], 3, "ok"), 1));
  ASSERT_OK(depot.Report("kiosks", Report(in[1], 3, "failed"), 2));
  ASSERT_OK_AND_ASSIGN(std::string said, depot.Refresh(Call{}));
  EXPECT_EQ(said, "") << "two reports are too few";
  ASSERT_OK(depot.Report("kiosks", Report(in[2], 3, "fell_back"), 3));
  ASSERT_OK_AND_ASSIGN(said, depot.Refresh(Call{}));
  EXPECT_EQ(said, "release 3 of kiosks is rolled back: 2 of 3 devices failed");
  ASSERT_OK(depot.Refresh(Call{}));
  ASSERT_OK_AND_ASSIGN(offer, depot.Offer("kiosks", in[0], 3));
  ASSERT_TRUE(offer.has_value());
  ASSERT_OK_AND_ASSIGN(release, CheckRelease(*offer, key_.open));
  EXPECT_EQ(release.number, 4);
  EXPECT_EQ(release.sha256, HashOf("one"));
  EXPECT_EQ(release.why, "rollback of 3");
  ASSERT_OK_AND_ASSIGN(offer, depot.Offer("kiosks", in[3], 1));
  EXPECT_FALSE(offer.has_value()) << "nobody gets it any more";
  ASSERT_OK_AND_ASSIGN(const auto third, Publish("three"));
  EXPECT_EQ(third, 5);
  ASSERT_CODE(kInvalidArgument, depot.Report("kiosks", Report("../x", 3, "ok"), 1));
  ASSERT_CODE(kInvalidArgument, depot.Report("kiosks", Report("d", 3, "fine"), 1));
  EXPECT_EQ(ReadDevices(files_, "ota", "kiosks").size(), 3U);
}

TEST_F(Ota, WhatTheDiskRefusesOfReportsWaits) {
  ASSERT_OK(Publish("one"));
  const auto report = [&](std::string_view device, int entry) {
    Json out = Report(std::string(device), 1, "ok");
    out["telemetry"] = Json::MakeArray();
    out["telemetry"].Push(Json(entry));
    return out;
  };
  int failures = 0;
  for (std::int64_t step = 0; step < 20; ++step) {
    const std::string lines = "ota/telemetry/kiosks.jsonl";
    ASSERT_OK(files_.Remove(lines));
    Depot depot(files_, "ota");
    ASSERT_OK(depot.Refresh(Call{}));
    ASSERT_OK(depot.Report("kiosks", report("d1", 1), 1));
    ASSERT_OK(depot.Refresh(Call{}));
    ASSERT_OK(depot.Report("kiosks", report("d2", 2), 2));
    files_.FailAfter(step, Code::kResourceExhausted);
    failures += depot.Refresh(Call{}).ok() ? 0 : 1;
    files_.Heal();
    ASSERT_OK(depot.Report("kiosks", report("d3", 3), 3));
    ASSERT_OK(depot.Refresh(Call{}));
    ASSERT_OK_AND_ASSIGN(const std::string kept, files_.Read(lines));
    EXPECT_EQ(kept, "{\"device\":\"d1\",\"received\":1,\"entry\":1}\n{\"device\":\"d2\",\"received\":2,\"entry\":2}\n{\"device\":\"d3\",\"received\":3,\"entry\":3}\n") << step;
    EXPECT_EQ(ReadDevices(files_, "ota", "kiosks").size(), 3U);
  }
  EXPECT_GE(failures, 4);
}

TEST_F(Ota, ADevicesFolderIsMendedWhereverThePowerWent) {
  const DeviceSpec spec{.service = {.host = "127.0.0.1", .port = 1}, .channel = "kiosks", .id = "d", .folder = "dev", .open_key = key_.open};
  const auto trial = [](const std::string&) -> Result<void> { return {}; };
  const auto state = [&](std::string_view sha, std::string_view previous) {
    Json json;
    json["number"] = 3;
    json["model"] = "new";
    json["sha256"] = sha;
    json["previous_model"] = "old";
    json["previous_sha256"] = previous;
    return json.Dump();
  };
  ASSERT_OK(files_.MakeFolders("dev"));
  // Cut within Switch: the model was moved aside, and the state still says it is in use.
  ASSERT_OK(files_.Write("dev/previous.tenon", "now"));
  ASSERT_OK(files_.Write("dev/state.json", state(HashOf("now"), HashOf("older"))));
  {
    ASSERT_OK_AND_ASSIGN(const auto device, Device::Open(files_, spec, trial));
    EXPECT_TRUE(device->has_model());
    ASSERT_OK_AND_ASSIGN(const std::string bytes, files_.Read("dev/current.tenon"));
    EXPECT_EQ(bytes, "now");
    ASSERT_CODE(kUnavailable, device->Poll(Call{}));  // nobody listens
    EXPECT_TRUE(device->has_model());
  }
  // Damaged on the disk: the one before.
  ASSERT_OK(files_.Write("dev/current.tenon", "nOw"));
  ASSERT_OK(files_.Write("dev/previous.tenon", "older"));
  {
    ASSERT_OK_AND_ASSIGN(const auto device, Device::Open(files_, spec, trial));
    ASSERT_OK_AND_ASSIGN(const std::string bytes, files_.Read("dev/current.tenon"));
    EXPECT_EQ(bytes, "older");
    EXPECT_EQ(device->model(), "old");
    ASSERT_CODE(kFailedPrecondition, device->FallBack("again"));
  }
  // Both gone: it starts anew.
  ASSERT_OK(files_.Write("dev/current.tenon", "???"));
  ASSERT_OK_AND_ASSIGN(const auto device, Device::Open(files_, spec, trial));
  EXPECT_FALSE(device->has_model());
}

}  // namespace
}  // namespace tenon::ota
