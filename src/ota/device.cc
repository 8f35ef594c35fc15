#include "ota/device.h"

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "ota/http_internal.h"

namespace tenon::ota {
namespace {

constexpr std::chrono::milliseconds kPatience = std::chrono::seconds(15);
constexpr std::size_t kMostAnswer = 1 << 20;
constexpr std::size_t kMostSent = 256 << 10;  // bytes of telemetry in one report

Result<std::string> HashOfFile(const platform::Files& files, const std::string& path) {
  if (!files.Exists(path)) return std::string();
  TENON_ASSIGN(const std::string bytes, files.Read(path));
  return HashOf(bytes);
}

// What an answer other than the one hoped for means.
Error Unwelcome(const HttpAnswer& answer, std::string_view what) {
  const Code code = answer.status == 401 ? Code::kUnauthenticated : answer.status == 403 ? Code::kPermissionDenied : Code::kUnavailable;
  return Error(code, Str(what, ": ", answer.status, " ", answer.body.substr(0, 200)));
}

}  // namespace

Device::~Device() = default;

Result<std::unique_ptr<Device>> Device::Open(platform::Files& files, DeviceSpec spec, Trial trial) {
  if (!IsPlainName(spec.id) || !IsPlainName(spec.channel)) {
    return Error(Code::kInvalidArgument, Str("'", spec.id, "' of '", spec.channel, "': devices and channels are named by 1 to 64 letters, digits, '-', '_' and '.'"));
  }
  if (spec.service.key.find_first_of(" \t\r\n") != std::string::npos) return Error(Code::kInvalidArgument, "the API key has blanks or line ends within: it is one word");
  if (!spec.service.key.empty() && !spec.service.tls && !spec.service.host.starts_with("127.") && spec.service.host != "localhost" && spec.service.host != "::1") {
    return Error(Code::kInvalidArgument, Str("over plain HTTP whoever is on the way to ", spec.service.host, " could read the API key: ask by https://"));
  }
  std::unique_ptr<Device> device(new Device(files, std::move(spec), std::move(trial)));
  TENON_TRY(files.MakeFolders(device->spec_.folder));
  TENON_ASSIGN(device->lock_, files.Lock(device->In("lock")));
  TENON_TRY(device->Mend(), device->spec_.folder);
  return device;
}

// state.json is written last, so it says what was meant; the files say how far it came.
Result<void> Device::Mend() {
  if (files_.Exists(In("state.json"))) {
    TENON_ASSIGN(const std::string text, files_.Read(In("state.json")));
    TENON_ASSIGN(const Json state, Json::Parse(text, "state.json"));
    number_ = state.IntAt("number");
    model_ = state.StringAt("model");
    sha256_ = state.StringAt("sha256");
    previous_model_ = state.StringAt("previous_model");
    previous_sha256_ = state.StringAt("previous_sha256");
    status_ = state.StringAt("status", "ok");
    why_ = state.StringAt("why");
    about_ = state.IntAt("about");
    unsent_ = state.BoolAt("unsent");
    if (const Json* refused = state.Find("refused"); refused != nullptr && refused->is_array()) {
      for (const Json& one : refused->array()) {
        if (one.is_int()) refused_.insert(one.Int());
      }
    }
  }
  TENON_ASSIGN(const std::string current, HashOfFile(files_, path()));
  if (current == sha256_) return {};
  TENON_ASSIGN(const std::string previous, HashOfFile(files_, In("previous.tenon")));
  // A power cut within Switch: the old model is aside, and what should follow it is not there or was not yet written down.
  if (!sha256_.empty() && previous == sha256_) return files_.Rename(In("previous.tenon"), path());
  // Within FallBack, after the files: what is there is the one before.
  if (!previous_sha256_.empty() && current == previous_sha256_) {
    model_ = previous_model_;
    sha256_ = previous_sha256_;
    previous_model_.clear();
    previous_sha256_.clear();
    return SaveState();
  }
  // Damaged where it lay: the one before, when that is whole.
  if (!previous_sha256_.empty() && previous == previous_sha256_) {
    sha256_ = current;
    return FallBack("the model in use was damaged on the disk");
  }
  model_.clear();
  sha256_.clear();
  number_ = std::max<std::int64_t>(number_ - 1, 0);  // to be fetched again
  return SaveState();
}

Result<void> Device::SaveState() {
  Json state;
  state["number"] = number_;
  state["model"] = model_;
  state["sha256"] = sha256_;
  state["previous_model"] = previous_model_;
  state["previous_sha256"] = previous_sha256_;
  state["status"] = status_;
  state["why"] = why_;
  state["about"] = about_;
  state["unsent"] = unsent_;
  state["refused"] = Json::MakeArray();
  for (const std::int64_t one : refused_) state["refused"].Push(one);
  return files_.Write(In("state.json"), state.Pretty() + "\n");
}

Result<void> Device::Send(std::string_view status, std::string_view why, std::int64_t about) {
  status_ = status;
  why_ = why;
  about_ = about;
  unsent_ = true;
  return SaveState();
}

Result<std::string> Device::Poll(const Call& call) {
  TENON_TRY(call.Check());
  // What waits goes first: the news of a failure must not wait behind a download.
  const auto deliver = [&]() -> Result<void> {
    std::string queue;
    if (files_.Exists(In("queue.jsonl"))) {
      TENON_ASSIGN(queue, files_.Read(In("queue.jsonl")));
    }
    do {
      Json report;
      report["device"] = spec_.id;
      report["number"] = number_;
      report["model"] = model_;
      report["status"] = status_;
      report["why"] = why_;
      report["about"] = about_;
      report["telemetry"] = Json::MakeArray();
      std::size_t taken = 0;
      while (taken < queue.size() && taken < kMostSent) {
        const std::size_t end = std::min(queue.find('\n', taken), queue.size());
        // A line that a power cut tore is passed over.
        if (auto line = Json::Parse(std::string_view(queue).substr(taken, end - taken), "queue"); line.ok()) report["telemetry"].Push(*std::move(line));
        taken = std::min(end + 1, queue.size());
      }
      if (!unsent_ && taken == 0) return {};
      TENON_ASSIGN(const HttpAnswer answer, Ask(files_, spec_.service, "POST", Str("/v1/ota/", spec_.channel, "/reports"), "", report.Dump(), kMostAnswer, kPatience));
      if (answer.status != 200) return Unwelcome(answer, "the service does not take the report");
      unsent_ = false;
      queue.erase(0, taken);
      TENON_TRY(queue.empty() ? files_.Remove(In("queue.jsonl")) : files_.Write(In("queue.jsonl"), queue));
    } while (!queue.empty());
    return SaveState();
  };
  TENON_TRY(deliver(), "reporting");
  TENON_ASSIGN(const HttpAnswer answer, Ask(files_, spec_.service, "GET", Str("/v1/ota/", spec_.channel, "?device=", spec_.id, "&version=", number_), "", "", kMostAnswer, kPatience),
               "asking what is new");
  if (answer.status != 200) return Unwelcome(answer, "the service does not say what is new");
  auto offer = Json::Parse(answer.body, "offer");
  if (!offer) return Error(Code::kDataLoss, "the service's answer is no JSON");
  const Json* release = offer->Find("release");
  if (release == nullptr || release->is_null()) return std::string("nothing new");
  TENON_ASSIGN(const SignedRelease signed_release, SignedRelease::FromJson(*offer));
  Result<std::string> taken = Take(call, signed_release);
  if (unsent_) {
    // At once when it can be; else with the next look.
    if (auto told = deliver(); !told) call.Say(Level::kWarning, told.error().ForPeople());
  }
  return taken;
}

Result<std::string> Device::Take(const Call& call, const SignedRelease& offered) {
  const auto refuse = [&](Error error, std::int64_t about, bool forever) -> Error {
    if (forever) refused_.insert(about);
    if (auto kept = Send("failed", error.ForPeople(), about); !kept) call.Say(Level::kWarning, kept.error().ForPeople());
    return error;
  };
  auto checked = CheckRelease(offered, spec_.open_key);
  if (!checked) {
    // Whose number it is cannot be believed; but the service must know that it is refused.
    const auto claimed = Release::Parse(offered.text);
    return refuse(std::move(checked).error().Context("the release is refused"), claimed ? claimed->number : 0, false);
  }
  if (checked->channel != spec_.channel) return refuse(Error(Code::kPermissionDenied, Str("the release is one of the channel ", checked->channel)), checked->number, false);
  if (checked->number <= number_) return Error(Code::kPermissionDenied, Str("release ", checked->number, " is older than ", number_, ", which is here: it is refused"));
  if (refused_.contains(checked->number)) return Str("release ", checked->number, " failed here before and is not taken again");
  auto part = Download(call, *checked);
  if (!part) {
    const bool damaged = part.error().code() == Code::kDataLoss;
    Error error = std::move(part).error().Context(Str("downloading release ", checked->number));
    return damaged ? refuse(std::move(error), checked->number, false) : std::move(error);
  }
  if (auto proven = trial_(*part); !proven) {
    TENON_TRY(files_.Remove(*part));
    return refuse(std::move(proven).error().Context(Str("release ", checked->number, " is refused")), checked->number, true);
  }
  TENON_TRY(Switch(*checked, *part));
  return Str(model_, " is installed, release ", number_, " (", checked->why, ")");
}

// Goes on where an earlier try stopped: the part is named by the hash that it will have.
Result<std::string> Device::Download(const Call& call, const Release& release) {
  const std::string part = In(Str("incoming-", release.sha256.substr(0, 16), ".part"));
  std::int64_t have = 0;
  if (files_.Exists(part)) {
    TENON_ASSIGN(const platform::FileInfo info, files_.Info(part));
    have = static_cast<std::int64_t>(info.bytes);
    if (have > release.bytes) {
      TENON_TRY(files_.Remove(part));
      have = 0;
    }
  }
  {
    TENON_ASSIGN(const auto file, files_.Append(part));
    while (have < release.bytes) {
      TENON_TRY(call.Check());
      const std::int64_t last = std::min(have + spec_.chunk, release.bytes) - 1;
      TENON_ASSIGN(const HttpAnswer answer, Ask(files_, spec_.service, "GET", Str("/v1/ota/", spec_.channel, "/bundles/", release.sha256), Str("Range: bytes=", have, "-", last, "\r\n"), "",
                                                static_cast<std::size_t>(spec_.chunk), kPatience));
      if (answer.status != 206 || answer.body.size() != static_cast<std::size_t>(last - have + 1)) {
        return Unwelcome(answer, "the service gives no part of the bundle");
      }
      TENON_TRY(file->Append(answer.body));
      have = last + 1;
    }
    TENON_TRY(file->Sync());
  }
  TENON_ASSIGN(const std::string hash, HashOfFile(files_, part));
  if (hash == release.sha256) return part;
  TENON_TRY(files_.Remove(part));
  return Error(Code::kDataLoss, Str("what came is not what was signed: SHA-256 ", hash.substr(0, 12), "... instead of ", release.sha256.substr(0, 12), "..."));
}

Result<void> Device::Switch(const Release& release, const std::string& part) {
  if (has_model()) TENON_TRY(files_.Rename(path(), In("previous.tenon")));
  TENON_TRY(files_.Rename(part, path()));
  previous_model_ = model_;
  previous_sha256_ = sha256_;
  model_ = release.model;
  sha256_ = release.sha256;
  number_ = release.number;
  return Send("ok", "installed", number_);
}

Result<void> Device::FallBack(std::string_view why) {
  if (previous_sha256_.empty()) return Error(Code::kFailedPrecondition, Str("there is no model before ", model_, " to go back to: ", why));
  TENON_TRY(files_.Rename(In("previous.tenon"), path()));
  refused_.insert(number_);
  model_ = previous_model_;
  sha256_ = previous_sha256_;
  previous_model_.clear();
  previous_sha256_.clear();
  return Send("fell_back", why, number_);
}

Result<void> Device::Note(const Json& entry) {
  const std::string line = entry.Dump() + "\n";
  const std::string path = In("queue.jsonl");
  if (files_.Exists(path)) {
    TENON_ASSIGN(const platform::FileInfo info, files_.Info(path));
    if (static_cast<std::int64_t>(info.bytes + line.size()) > spec_.most_queue) {
      // The older half goes, at the end of a line; a line says so.
      TENON_ASSIGN(const std::string queue, files_.Read(path));
      const std::size_t cut = queue.find('\n', queue.size() / 2);
      const std::string rest = cut == std::string::npos ? std::string() : queue.substr(cut + 1);
      Json lost;
      lost["dropped_bytes"] = queue.size() - rest.size();
      TENON_TRY(files_.Write(path, lost.Dump() + "\n" + rest));
    }
  }
  TENON_ASSIGN(const auto file, files_.Append(path));
  return file->Append(line);
}

}  // namespace tenon::ota
