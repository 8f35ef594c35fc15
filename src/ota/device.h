#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/call.h"
#include "ota/origin.h"
#include "ota/release.h"
#include "platform/files.h"

namespace tenon::ota {

struct DeviceSpec {
  Origin service;            // may be plain HTTP: what is fetched is signed
  std::string channel;
  std::string id;            // of this device
  std::string folder;        // its own: current.tenon, previous.tenon, state.json, queue.jsonl
  std::string open_key;      // PEM: whose releases it takes
  std::int64_t chunk = 256 << 10;      // bytes of one request of a download
  std::int64_t most_queue = 1 << 20;   // bytes of what waits to be sent; the oldest go first
};

// The device's side: fetches what the service offers, takes nothing that is not signed, whole and proven, keeps the last
// good model and goes back to it. Everything on the disk is whole at every moment: a device may lose power anywhere. One
// thread; one process a folder.
class Device {
 public:
  // Whether a bundle may be used: opens it and replays its golden rows. The device's own; an Error says why not.
  using Trial = std::function<Result<void>(const std::string& path)>;

  // Mends what a power cut left half done.
  static Result<std::unique_ptr<Device>> Open(platform::Files& files, DeviceSpec spec, Trial trial);
  ~Device();

  // One look at the service: sends what waits, installs what is new. What happened, for people: "nothing new",
  // "loan@3 is installed". unavailable while the service cannot be reached or its certificate is not trusted; unauthenticated
  // and permission_denied when it does not take the key; permission_denied, data_loss and
  // failed_precondition when what came is refused, which the service is told. The model in use stays then.
  Result<std::string> Poll(const Call& call);
  // The model in use turned out to be bad: goes back to the one before and never takes this release again.
  // failed_precondition when there is none before.
  Result<void> FallBack(std::string_view why);
  // Keeps a line of telemetry until it is sent; beyond most_queue the oldest are dropped and counted.
  Result<void> Note(const Json& entry);

  bool has_model() const { return !sha256_.empty(); }
  std::string path() const { return platform::JoinPath(spec_.folder, "current.tenon"); }
  const std::string& model() const { return model_; }
  std::int64_t number() const { return number_; }

 private:
  Device(platform::Files& files, DeviceSpec spec, Trial trial) : files_(files), spec_(std::move(spec)), trial_(std::move(trial)) {}
  std::string In(std::string_view name) const { return platform::JoinPath(spec_.folder, name); }
  Result<void> Mend();
  Result<void> SaveState();
  Result<void> Send(std::string_view status, std::string_view why, std::int64_t about);
  Result<std::string> Take(const Call& call, const SignedRelease& offered);
  Result<std::string> Download(const Call& call, const Release& release);
  Result<void> Switch(const Release& release, const std::string& part);

  platform::Files& files_;
  DeviceSpec spec_;
  Trial trial_;
  std::unique_ptr<platform::FileLock> lock_;
  std::int64_t number_ = 0;      // of the newest release taken; never smaller
  std::string model_, sha256_;   // in use
  std::string previous_model_, previous_sha256_;
  std::set<std::int64_t> refused_;
  std::string status_ = "ok", why_;  // of the last thing that happened to `about_`
  std::int64_t about_ = 0;
  bool unsent_ = false;
};

}  // namespace tenon::ota
