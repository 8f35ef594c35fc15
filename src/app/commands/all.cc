#include "app/commands/all.h"

namespace tenon::app {

std::vector<Command> AllCommands() {
  std::vector<Command> all;
  for (auto* add : {AddInit, AddRun, AddValidate, AddData, AddModels, AddCompress, AddExchange, AddPredict, AddServe, AddKeys, AddOta, AddLog, AddMonitor, AddDoctor, AddCompletion}) {
    add(all);
  }
  AddRollout(all);
  return all;
}

Result<std::unique_ptr<store::Store>> OpenStore(Context& context, const std::string& folder, store::Store::Access access) {
  const std::string data = platform::JoinPath(folder, ".tenon");
  if (access != store::Store::Access::kWrite && !context.files.Exists(data)) {
    return Error(Code::kNotFound, Str("nothing was run in ", folder, " yet; `tenon run ", folder, "` makes its data folder ", data));
  }
  return store::Store::Open(context.files, data, access);
}

}  // namespace tenon::app
