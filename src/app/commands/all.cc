#include "app/commands/all.h"

#include <thread>

#include "pipeline/setting_place.h"

namespace tenon::app {
namespace {

constexpr int kMostTries = 30;

// An error about a setting begins with the line where it stands in the project file.
Error Placed(const Context& context, const std::string& folder, Error error) {
  const std::string file = platform::JoinPath(folder, "tenon.yaml");
  if (!context.files.Exists(file)) return error;
  const auto text = context.files.Read(file);
  if (!text) return error;
  const auto written = Json::ParseYaml(*text, file);
  if (!written) return error;  // it says itself where
  std::string place = pipeline::SettingPlace(*written, file, error.ForPeople());
  return place.empty() ? std::move(error) : std::move(error).Context(std::move(place));
}

}  // namespace

std::vector<Command> AllCommands() {
  std::vector<Command> all;
  for (auto* add : {AddInit, AddRun, AddValidate, AddData, AddFeatures, AddModels, AddCompress, AddExchange, AddPredict, AddServe, AddKeys, AddOta, AddLog, AddMonitor, AddDoctor, AddCompletion}) {
    add(all);
  }
  AddRollout(all);
  AddOnline(all);
  AddStream(all);
  AddKeep(all);
  AddTransform(all);
  for (Command& command : all) {
    command.run = [run = std::move(command.run)](Context& context, const Args& args) -> Result<int> {
      Result<int> status = run(context, args);
      if (status || args.Text("project").empty()) return status;
      return Placed(context, args.Text("project"), std::move(status).error());
    };
  }
  return all;
}

Result<std::unique_ptr<store::Store>> OpenStore(Context& context, const std::string& folder, store::Store::Access access) {
  const std::string data = platform::JoinPath(folder, ".tenon");
  if (access != store::Store::Access::kWrite && !context.files.Exists(data)) {
    return Error(Code::kNotFound, Str("nothing was run in ", folder, " yet; `tenon run ", folder, "` makes its data folder ", data));
  }
  // A service takes the lock for a moment when it decides about a rollout: a command that comes just then waits.
  for (int tries = 0;; ++tries) {
    auto opened = store::Store::Open(context.files, data, access);
    if (opened || opened.error().code() != Code::kUnavailable || tries == kMostTries || context.call.stop.stop_requested()) return opened;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

}  // namespace tenon::app
