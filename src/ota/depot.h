#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/call.h"
#include "base/mutex.h"
#include "ota/release.h"
#include "platform/files.h"

namespace tenon::ota {

// One update of a channel, and the way back that was signed along with it.
struct Entry {
  SignedRelease update;
  std::optional<SignedRelease> back;  // to what was before; none for the first of a channel
  std::int64_t number = 0;            // of `update`; `back` has the next one
  std::string model;
  double percent = 1;                 // of the devices that may have it
  double most_failures = 0.1;         // share of reports that, when passed, stops it and offers the way back
  std::int64_t least_reports = 3;     // before that is judged
  bool stopped = false;
  std::string why_stopped;
};

struct Channel {
  std::string name;
  std::vector<Entry> entries;  // oldest first; the last one is under way
  std::string ToText() const;
  static Result<Channel> Parse(std::string_view text);
};

// What a channel's devices said last.
struct DeviceState {
  std::int64_t number = 0;  // of the release it has
  std::string model;
  std::string status;       // "ok", "failed", "fell_back"
  std::string why;
  std::int64_t about = 0;   // the release it speaks of
  Micros at = 0;
};
struct Tally {
  std::int64_t installed = 0, failed = 0;  // devices, by what they said last of the release
};

// A folder of releases: bundles/<sha256>.tenon, channels/<name>.json, status/<name>.json, telemetry/<name>.jsonl. One
// process publishes into it while another gives out of it; what both change is changed under a lock file. Publishing:
class Publisher {
 public:
  Publisher(platform::Files& files, std::string folder) : files_(files), folder_(std::move(folder)) {}
  struct Wish {
    std::string channel, model, bundle;  // the bundle's bytes
    double percent = 1, most_failures = 0.1;
    std::int64_t least_reports = 3;
  };
  // The number it got. failed_precondition while the release before is neither at 100 % nor stopped.
  Result<std::int64_t> Publish(const Call& call, const Wish& wish, std::string_view secret_pem);
  Result<Entry> Advance(std::string_view channel, double percent);
  // Stops the release under way: devices that have it are offered the way back.
  Result<Entry> Stop(std::string_view channel, std::string_view why);
  Result<Channel> Find(std::string_view channel) const;

 private:
  Result<Entry> Change(std::string_view channel, const std::function<Result<void>(Entry&)>& edit);
  platform::Files& files_;
  std::string folder_;
};

// Giving out. Offer, Report and Bundle are for any thread and do not wait for the disk but when a bundle is first asked for;
// Refresh is the owner's, several times a second.
class Depot {
 public:
  Depot(platform::Files& files, std::string folder) : files_(files), folder_(std::move(folder)) {}

  // Reads channels that changed, stops a release that fails too often, writes down what was reported. What happened, for
  // people, or "". An error, of the first channel that failed, names all that did, and what happened to the others, which went on.
  Result<std::string> Refresh(const Call& call);
  // What a device that has release `number` should have; none when that is what it has. not_found for a channel.
  Result<std::optional<SignedRelease>> Offer(std::string_view channel, std::string_view device, std::int64_t number) const;
  Result<std::shared_ptr<const platform::Bytes>> Bundle(std::string_view sha256);
  // {"device","number","model","status","why","about","telemetry":[...]}. invalid_argument.
  Result<void> Report(std::string_view channel, const Json& report, Micros at);

 private:
  struct Held {
    Channel channel;
    std::int64_t modified = 0;  // its file, when and how large
    std::uint64_t bytes = 0;
    std::map<std::string, DeviceState, std::less<>> devices;
    std::string telemetry;  // lines not yet written
    bool changed = false;
  };
  Result<std::string> RefreshOne(const std::string& name);
  Result<void> Keep(const std::string& name, const std::string& status, const std::string& telemetry);
  mutable Mutex mutex_;
  std::map<std::string, Held, std::less<>> held_ TENON_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<const platform::Bytes>, std::less<>> bundles_ TENON_GUARDED_BY(mutex_);
  platform::Files& files_;
  std::string folder_;
};

// Who of the devices belongs to the first `percent` of a release: always the same ones, others for another release.
bool InRing(std::string_view device, std::int64_t number, double percent);
std::map<std::string, DeviceState> ReadDevices(const platform::Files& files, const std::string& folder, std::string_view channel);
Tally TallyOf(const std::map<std::string, DeviceState, std::less<>>& devices, std::int64_t number);

}  // namespace tenon::ota
