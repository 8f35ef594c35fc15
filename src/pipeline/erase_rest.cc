#include "pipeline/erase_rest.h"

#include <algorithm>

#include "base/text.h"
#include "ingest/place.h"
#include "pipeline/online.h"

namespace tenon::pipeline {
namespace {

Result<bool> HasFiles(const platform::Files& files, const std::string& folder) {
  if (!files.Exists(folder)) return false;
  TENON_ASSIGN(const auto names, files.List(folder));
  return !names.empty();
}

}  // namespace

Result<std::vector<StillHeld>> HeldElsewhere(const platform::Files& files, const Project& project, const std::string& source) {
  std::vector<StillHeld> out;
  const ingest::SourceSpec* spec = source == project.source.name ? &project.source : nullptr;
  for (const ingest::SourceSpec& other : project.other_sources) spec = other.name == source ? &other : spec;
  std::vector<std::string> paths;
  if (spec != nullptr) {
    for (const std::string& path : spec->paths) paths.push_back(ingest::Shown(path));
  }
  if (!paths.empty()) {
    out.push_back({"what the source is read from", Join(paths, ", "), "take it out there: `run` and `data add` leave it out when it comes again, but feature views read it as it is"});
  }
  std::vector<std::string> views;
  for (const feature::FeatureView& view : project.features.views) {
    if (view.from == source) views.push_back(view.name);
  }
  const std::string online = OnlineFolder(project);
  TENON_ASSIGN(const bool stored, HasFiles(files, online));
  if (!views.empty() && stored) {
    const bool embedded = project.online.store == "embedded";
    out.push_back({Str("the online store and the state of streams, of ", views.size() == 1 ? "view " : "views ", Join(views, " and ")), embedded ? online : Str(online, " and ", project.online.store),
                   Str("once the source has it no more: stop the service, remove ", embedded ? "the folder" : "the folder and the store's keys", ", and `tenon features materialize` or `tenon features stream --history`")});
  }
  const std::string streamed = project.stream.source.empty() ? project.source.name : project.stream.source;
  if (streamed == source && project.stream.from == "log") {
    const std::string folder = platform::JoinPath(project.folder, project.stream.settings.StringAt("folder", ".tenon/events"));
    TENON_ASSIGN(const bool published, HasFiles(files, folder));
    if (published) out.push_back({"the log of events", folder, "publish the events that stay to another folder (stream.from.folder), `tenon features stream --reset`, and remove this one"});
  } else if (streamed == source && !views.empty()) {
    out.push_back({Str("the events of ", project.stream.from), project.stream.settings.StringAt("topic", "stream.from"), "its broker keeps them as long as the topic's retention says; then `tenon features stream --reset`"});
  }
  const std::string inference = platform::JoinPath(project.data_folder(), "inference");
  TENON_ASSIGN(const bool logged, HasFiles(files, inference));
  if (logged) {
    out.push_back({"the inference log", inference, "`serve.log: {keep: 30d}` removes segments by age, `drop` and `hash` keep fields out of it; to be rid of it now remove the folder while no service runs"});
  }
  return out;
}

}  // namespace tenon::pipeline
