// What devices and depots are given: release manifests, channels, reports, files of API keys, plans of a rollout. What is read
// is written as the same.

#include "base/json.h"
#include "fuzz/target.h"
#include "govern/keys.h"
#include "ota/depot.h"
#include "platform/memory_files.h"
#include "platform/signature.h"
#include "serve/rollout.h"

namespace tenon::fuzz {
namespace {

void CheckRelease(std::string_view input) {
  const auto release = ota::Release::Parse(input);
  if (!release.ok()) return CheckError(release.error());
  const std::string text = release->Text();
  Same(Must(ota::Release::Parse(text), "a release as it is written").Text(), text, "a release, written and read");
}

void CheckSigned(std::string_view input) {
  static const platform::SigningKey key = Must(platform::MakeSigningKey(), "a key");
  const auto json = Json::Parse(input);
  if (!json.ok()) return CheckError(json.error());
  const auto given = ota::SignedRelease::FromJson(*json);
  if (!given.ok()) return CheckError(given.error());
  Hold(!ota::CheckRelease(*given, key.open).ok(), "nobody signs with a key that was just made");
}

void CheckChannel(std::string_view input) {
  const auto channel = ota::Channel::Parse(input);
  if (!channel.ok()) return CheckError(channel.error());
  const std::string text = channel->ToText();
  Same(Must(ota::Channel::Parse(text), "a channel as it is written").ToText(), text, "a channel, written and read");
}

// A depot with one channel hears it as a device's report.
void CheckReport(std::string_view input) {
  const auto report = Json::Parse(input);
  if (!report.ok()) return CheckError(report.error());
  platform::MemoryFiles files;
  ota::Depot depot(files, "depot");
  if (auto heard = depot.Report("kiosks", *report, 1); !heard.ok()) CheckError(heard.error());
  for (const std::string folder : {"depot/channels", "depot/status", "depot/telemetry"}) Must(files.MakeFolders(folder), "folders");
  ota::Channel channel{.name = "kiosks"};
  channel.entries.push_back({.number = 1, .model = "loan@1", .percent = 100});
  Must(files.Write("depot/channels/kiosks.json", channel.ToText()), "a channel");
  if (auto looked = depot.Refresh(Call{}); !looked.ok()) return;
  if (auto heard = depot.Report("kiosks", *report, 1); !heard.ok()) return CheckError(heard.error());
  Must(depot.Refresh(Call{}).ok() ? Result<void>() : Result<void>(Error(Code::kInternal, "no refresh")), "what was reported is written");
  static_cast<void>(ota::ReadDevices(files, "depot", "kiosks"));
}

void CheckKeys(std::string_view input) {
  const auto keys = govern::ReadKeys(input, "keys.json");
  if (!keys.ok()) return CheckError(keys.error());
  const std::string text = govern::WriteKeys(*keys);
  Same(govern::WriteKeys(Must(govern::ReadKeys(text, "keys.json"), "keys as they are written")), text, "keys, written and read");
}

void CheckRollout(std::string_view input) {
  const auto json = Json::Parse(input);
  if (!json.ok()) return CheckError(json.error());
  if (const auto spec = serve::RolloutSpec::Parse(*json, "tenon.yaml"); !spec.ok()) {
    CheckError(spec.error());
  } else {
    const Json kept = spec->ToJson();
    Same(Must(serve::RolloutSpec::FromJson(kept), "a plan as it is kept").ToJson().Dump(), kept.Dump(), "a plan, kept and read");
  }
  if (const auto record = serve::Rollout::FromJson(*json); !record.ok()) CheckError(record.error());
}

using Check = void (*)(std::string_view);
constexpr Check kChecks[] = {CheckRelease, CheckSigned, CheckChannel, CheckReport, CheckKeys, CheckRollout};

void RunRelease(std::string_view input) {
  if (!input.empty()) kChecks[static_cast<unsigned char>(input[0]) % std::size(kChecks)](input.substr(1));
}

std::vector<std::string> Seeds() {
  const auto key = Must(platform::MakeSigningKey(), "a key");
  const ota::Release release{.channel = "kiosks", .number = 3, .model = "loan@3", .sha256 = std::string(64, 'a'), .bytes = 1000, .why = "update", .made = 1'700'000'000'000'000};
  const auto given = Must(ota::SignRelease(release, key.secret), "a release");
  ota::Channel channel{.name = "kiosks"};
  channel.entries.push_back({.update = given, .back = given, .number = 3, .model = "loan@3", .percent = 10});
  return {std::string(1, '\0') + release.Text(),
          "\1" + given.ToJson().Dump(),
          "\2" + channel.ToText(),
          "\3" R"({"device":"d-1","number":1,"model":"loan@1","status":"ok","why":"","about":1,"telemetry":[{"x":1}]})",
          "\4" R"([{"name":"app","id":"abcdefgh","digest":")" + std::string(64, 'b') + R"(","scopes":["predict"],"made":1,"expires":0,"rate":2.5}])",
          "\5" R"({"shadow":"1d","canary":["5 %","25 %","100 %"],"step":"2h","sticky":"customer_id","roll_back_on":["errors","latency","cost"]})",
          "\5" R"({"ab":"50 %","promote":"better"})", "\5" R"({"blue_green":"1h"})"};
}

}  // namespace

Target MakeRelease() { return {RunRelease, Seeds}; }

}  // namespace tenon::fuzz
