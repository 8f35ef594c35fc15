#include "ota/depot.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/hash.h"
#include "base/text.h"

namespace tenon::ota {
namespace {

constexpr std::size_t kMostDevices = 1'000'000;
constexpr std::size_t kMostTelemetry = 16 << 20;  // bytes waiting to be written; more is refused

std::string ChannelPath(const std::string& folder, std::string_view name) { return Str(folder, "/channels/", name, ".json"); }
std::string StatusPath(const std::string& folder, std::string_view name) { return Str(folder, "/status/", name, ".json"); }
std::string BundlePath(const std::string& folder, std::string_view sha256) { return Str(folder, "/bundles/", sha256, ".tenon"); }

Json ToJson(const Entry& entry) {
  Json out = entry.update.ToJson();
  out["back"] = entry.back ? entry.back->ToJson() : Json();
  out["number"] = entry.number;
  out["model"] = entry.model;
  out["percent"] = entry.percent;
  out["most_failures"] = entry.most_failures;
  out["least_reports"] = entry.least_reports;
  out["stopped"] = entry.stopped;
  out["why_stopped"] = entry.why_stopped;
  return out;
}

Result<Entry> EntryOf(const Json& json) {
  Entry out;
  TENON_ASSIGN(out.update, SignedRelease::FromJson(json));
  if (const Json* back = json.Find("back"); back != nullptr && back->is_object()) {
    TENON_ASSIGN(out.back, SignedRelease::FromJson(*back));
  }
  out.number = json.IntAt("number");
  out.model = json.StringAt("model");
  out.percent = json.NumberAt("percent");
  out.most_failures = json.NumberAt("most_failures");
  out.least_reports = json.IntAt("least_reports");
  out.stopped = json.BoolAt("stopped");
  out.why_stopped = json.StringAt("why_stopped");
  return out;
}

Json ToJson(const DeviceState& state) {
  Json out;
  out["number"] = state.number;
  out["model"] = state.model;
  out["status"] = state.status;
  out["why"] = state.why;
  out["about"] = state.about;
  out["at"] = state.at;
  return out;
}

Result<Channel> ReadChannel(const platform::Files& files, const std::string& folder, std::string_view name) {
  if (!IsPlainName(name)) return Error(Code::kInvalidArgument, Str("'", name, "' is no name for a channel: 1 to 64 letters, digits, '-', '_' and '.'"));
  const std::string path = ChannelPath(folder, name);
  if (!files.Exists(path)) return Error(Code::kNotFound, Str("no channel '", name, "' in ", folder, "; `tenon ota publish` makes it"));
  TENON_ASSIGN(const std::string text, files.Read(path));
  return Channel::Parse(text);
}

}  // namespace

std::string Channel::ToText() const {
  Json out;
  out["channel"] = name;
  out["releases"] = Json::MakeArray();
  for (const Entry& entry : entries) out["releases"].Push(ToJson(entry));
  return out.Pretty() + "\n";
}

Result<Channel> Channel::Parse(std::string_view text) {
  TENON_ASSIGN(const Json json, Json::Parse(text, "channel"));
  Channel out;
  out.name = json.StringAt("channel");
  if (const Json* list = json.Find("releases"); list != nullptr && list->is_array()) {
    for (const Json& one : list->array()) {
      TENON_ASSIGN(Entry entry, EntryOf(one));
      out.entries.push_back(std::move(entry));
    }
  }
  if (!IsPlainName(out.name) || out.entries.empty()) return Error(Code::kDataLoss, "the file of the channel has no name or no release");
  return out;
}

bool InRing(std::string_view device, std::int64_t number, double percent) {
  const std::uint64_t at = Hash64(device, static_cast<std::uint64_t>(number));
  return static_cast<double>(at >> 11) * 0x1p-53 * 100 < percent;
}

std::map<std::string, DeviceState> ReadDevices(const platform::Files& files, const std::string& folder, std::string_view channel) {
  std::map<std::string, DeviceState> out;
  auto text = files.Read(StatusPath(folder, channel));
  if (!text) return out;
  const auto json = Json::Parse(*text, "status");
  if (!json || !json->is_object()) return out;
  for (const auto& [name, one] : json->object()) {
    out[name] = {.number = one.IntAt("number"), .model = one.StringAt("model"), .status = one.StringAt("status"), .why = one.StringAt("why"), .about = one.IntAt("about"), .at = one.IntAt("at")};
  }
  return out;
}

Tally TallyOf(const std::map<std::string, DeviceState, std::less<>>& devices, std::int64_t number) {
  Tally out;
  for (const auto& [name, state] : devices) {
    if (state.about != number) continue;
    ++(state.status == "ok" ? out.installed : out.failed);
  }
  return out;
}

Result<Channel> Publisher::Find(std::string_view channel) const { return ReadChannel(files_, folder_, channel); }

Result<std::int64_t> Publisher::Publish(const Call& call, const Wish& wish, std::string_view secret_pem) {
  if (!IsPlainName(wish.channel)) return Error(Code::kInvalidArgument, Str("'", wish.channel, "' is no name for a channel: 1 to 64 letters, digits, '-', '_' and '.'"));
  if (!(wish.percent > 0 && wish.percent <= 100)) return Error(Code::kInvalidArgument, Str("a ring of ", wish.percent, " % is none: above 0, at most 100"));
  if (!(wish.most_failures >= 0 && wish.most_failures <= 1) || wish.least_reports < 1) return Error(Code::kInvalidArgument, "the share of failures is 0 to 1, the reports at least 1");
  for (const char* part : {"channels", "bundles", "status", "telemetry"}) TENON_TRY(files_.MakeFolders(Str(folder_, "/", part)));
  const std::string path = ChannelPath(folder_, wish.channel);
  TENON_ASSIGN(const auto lock, files_.Lock(path + ".lock"));
  Channel channel{.name = wish.channel, .entries = {}};
  if (files_.Exists(path)) {
    TENON_ASSIGN(channel, ReadChannel(files_, folder_, wish.channel));
  }
  Release release{.channel = wish.channel, .number = 1, .model = wish.model, .sha256 = HashOf(wish.bundle), .bytes = static_cast<std::int64_t>(wish.bundle.size()), .why = "update", .made = call.Now()};
  Entry entry{.update = {}, .back = {}, .number = 1, .model = wish.model, .percent = wish.percent, .most_failures = wish.most_failures, .least_reports = wish.least_reports};
  if (!channel.entries.empty()) {
    const Entry& last = channel.entries.back();
    if (!last.stopped && last.percent < 100) {
      return Error(Code::kFailedPrecondition, Str("release ", last.number, " of ", wish.channel, " is under way at ", last.percent, " %: advance it to 100 or roll it back first"));
    }
    entry.number = release.number = last.number + 2;
    // The way back is to what devices had before this one: the last release that was not stopped.
    const auto before = std::find_if(channel.entries.rbegin(), channel.entries.rend(), [](const Entry& one) { return !one.stopped; });
    if (before != channel.entries.rend()) {
      TENON_ASSIGN(Release back, Release::Parse(before->update.text));
      back.number = release.number + 1;
      back.why = Str("rollback of ", release.number);
      back.made = release.made;
      TENON_ASSIGN(entry.back, SignRelease(back, secret_pem));
    }
  }
  TENON_ASSIGN(entry.update, SignRelease(release, secret_pem));
  TENON_TRY(files_.Write(BundlePath(folder_, release.sha256), wish.bundle));
  channel.entries.push_back(std::move(entry));
  TENON_TRY(files_.Write(path, channel.ToText()));
  return release.number;
}

Result<Entry> Publisher::Change(std::string_view name, const std::function<Result<void>(Entry&)>& edit) {
  TENON_TRY(ReadChannel(files_, folder_, name));
  const std::string path = ChannelPath(folder_, name);
  TENON_ASSIGN(const auto lock, files_.Lock(path + ".lock"));
  TENON_ASSIGN(Channel channel, ReadChannel(files_, folder_, name));
  TENON_TRY(edit(channel.entries.back()));
  TENON_TRY(files_.Write(path, channel.ToText()));
  return channel.entries.back();
}

Result<Entry> Publisher::Advance(std::string_view channel, double percent) {
  return Change(channel, [&](Entry& entry) -> Result<void> {
    if (entry.stopped) return Error(Code::kFailedPrecondition, Str("release ", entry.number, " was stopped: ", entry.why_stopped, "; publish a new one"));
    if (!(percent > entry.percent && percent <= 100)) return Error(Code::kInvalidArgument, Str("release ", entry.number, " is at ", entry.percent, " %: advance it to more, at most 100"));
    entry.percent = percent;
    return {};
  });
}

Result<Entry> Publisher::Stop(std::string_view channel, std::string_view why) {
  return Change(channel, [&](Entry& entry) -> Result<void> {
    if (entry.stopped) return Error(Code::kFailedPrecondition, Str("release ", entry.number, " is stopped already: ", entry.why_stopped));
    if (!entry.back) return Error(Code::kFailedPrecondition, Str("release ", entry.number, " is the first of ", channel, ": there is nothing to go back to"));
    entry.stopped = true;
    entry.why_stopped = why;
    return {};
  });
}

Result<std::string> Depot::Refresh(const Call& call) {
  TENON_TRY(call.Check());
  auto names = files_.List(folder_ + "/channels");
  if (!names) return std::string();  // nothing was published yet
  std::vector<std::string> said, failed;
  std::optional<Code> code;
  for (const std::string& file : *names) {
    if (!file.ends_with(".json") || !IsPlainName(std::string_view(file).substr(0, file.size() - 5))) continue;
    // A channel that fails, of a damaged file or a full disk, keeps no other from its devices.
    const std::string name = file.substr(0, file.size() - 5);
    auto one = RefreshOne(name);
    if (!one) {
      if (!code) code = one.error().code();
      failed.push_back(Str("channel ", name, ": ", one.error().message()));
    } else if (!one->empty()) {
      said.push_back(*std::move(one));
    }
  }
  if (code) {
    if (!said.empty()) failed.push_back(Str("of the others: ", Join(said, "; ")));
    return Error(*code, Join(failed, "; "));
  }
  return Join(said, "; ");
}

Result<std::string> Depot::RefreshOne(const std::string& name) {
  TENON_ASSIGN(const platform::FileInfo info, files_.Info(ChannelPath(folder_, name)));
  std::optional<Channel> fresh;
  std::string telemetry, status, stop;
  {
    const MutexLock lock(mutex_);
    const auto known = held_.find(name);
    if (known == held_.end() || known->second.modified != info.modified || known->second.bytes != info.bytes) fresh.emplace();
  }
  if (fresh) {
    TENON_ASSIGN(fresh, ReadChannel(files_, folder_, name));
  }
  {
    const MutexLock lock(mutex_);
    const bool is_new = !held_.contains(name);
    Held& held = held_[name];
    if (is_new) {
      for (auto& [device, state] : ReadDevices(files_, folder_, name)) held.devices.emplace(device, std::move(state));
    }
    if (fresh) {
      held.channel = std::move(*fresh);
      held.modified = info.modified;
      held.bytes = info.bytes;
    }
    telemetry.swap(held.telemetry);
    const Entry& entry = held.channel.entries.back();
    const Tally tally = TallyOf(held.devices, entry.number);
    const std::int64_t reports = tally.installed + tally.failed;
    if (!entry.stopped && entry.back && reports >= entry.least_reports && static_cast<double>(tally.failed) > entry.most_failures * static_cast<double>(reports)) {
      stop = Str(tally.failed, " of ", reports, " devices failed");
    }
    if (held.changed) {
      Json all = Json::MakeObject();
      for (const auto& [device, state] : held.devices) all[device] = ToJson(state);
      status = all.Dump();
      held.changed = false;
    }
  }
  if (auto kept = Keep(name, status, telemetry); !kept) {
    const MutexLock lock(mutex_);
    Held& held = held_[name];
    held.changed = held.changed || !status.empty();
    held.telemetry.insert(0, telemetry);
    return std::move(kept).error();
  }
  if (stop.empty()) return std::string();
  TENON_ASSIGN(const Entry stopped, Publisher(files_, folder_).Stop(name, stop));
  return Str("release ", stopped.number, " of ", name, " is rolled back: ", stop);
}

// All of it or nothing: the same again is right after an error.
Result<void> Depot::Keep(const std::string& name, const std::string& status, const std::string& telemetry) {
  if (!status.empty()) TENON_TRY(files_.Write(StatusPath(folder_, name), status));
  if (telemetry.empty()) return {};
  const std::string path = Str(folder_, "/telemetry/", name, ".jsonl");
  const auto info = files_.Info(path);
  TENON_ASSIGN(auto file, files_.Append(path));
  auto kept = file->Append(telemetry);
  if (kept) kept = file->Sync();
  if (!kept) static_cast<void>(files_.Cut(path, info ? info->bytes : 0));
  return kept;
}

Result<std::optional<SignedRelease>> Depot::Offer(std::string_view channel, std::string_view device, std::int64_t number) const {
  const MutexLock lock(mutex_);
  const auto held = held_.find(channel);
  if (held == held_.end()) return Error(Code::kNotFound, Str("no channel '", channel, "'"));
  const auto& entries = held->second.channel.entries;
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    if (entry->stopped) {
      if (number == entry->number && entry->back) return entry->back;
      continue;
    }
    if (!InRing(device, entry->number, entry->percent)) continue;
    return entry->number > number ? std::optional(entry->update) : std::nullopt;
  }
  return std::optional<SignedRelease>();
}

Result<std::shared_ptr<const platform::Bytes>> Depot::Bundle(std::string_view sha256) {
  const bool hash = sha256.size() == 64 && sha256.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (!hash) return Error(Code::kInvalidArgument, "a bundle is named by its SHA-256");
  const MutexLock lock(mutex_);
  if (const auto known = bundles_.find(sha256); known != bundles_.end()) return known->second;
  TENON_ASSIGN(auto bytes, files_.Map(BundlePath(folder_, sha256)));
  bundles_.emplace(sha256, bytes);
  return bytes;
}

Result<void> Depot::Report(std::string_view channel, const Json& report, Micros at) {
  const std::string device = report.StringAt("device"), status = report.StringAt("status");
  if (!IsPlainName(device)) return Error(Code::kInvalidArgument, "a report needs its device: 1 to 64 letters, digits, '-', '_' and '.'");
  if (status != "ok" && status != "failed" && status != "fell_back") return Error(Code::kInvalidArgument, Str("the status '", status, "' is not ok, failed or fell_back"));
  std::string lines;
  if (const Json* telemetry = report.Find("telemetry"); telemetry != nullptr && telemetry->is_array()) {
    for (const Json& one : telemetry->array()) {
      Json line;
      line["device"] = device;
      line["received"] = at;
      line["entry"] = one;
      lines += line.Dump() + "\n";
    }
  }
  const MutexLock lock(mutex_);
  const auto found = held_.find(channel);
  if (found == held_.end()) return Error(Code::kNotFound, Str("no channel '", channel, "'"));
  Held& held = found->second;
  if (held.telemetry.size() + lines.size() > kMostTelemetry) return Error(Code::kResourceExhausted, "more telemetry comes than can be written; send it later");
  if (!held.devices.contains(device) && held.devices.size() >= kMostDevices) return Error(Code::kResourceExhausted, "the channel has a million devices");
  DeviceState next{.number = report.IntAt("number"), .model = report.StringAt("model").substr(0, 200), .status = status, .why = report.StringAt("why").substr(0, 500),
                   .about = report.IntAt("about"), .at = at};
  held.devices[device] = std::move(next);
  held.telemetry += lines;
  held.changed = true;
  return {};
}

}  // namespace tenon::ota
