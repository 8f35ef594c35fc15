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

Result<std::vector<StillHeld>> HeldElsewhere(const platform::Files& files, const Project& project, const std::string& source, const ErasedServed& served) {
  std::vector<StillHeld> out;
  const ingest::SourceSpec* spec = source == project.source.name ? &project.source : nullptr;
  for (const ingest::SourceSpec& other : project.other_sources) spec = other.name == source ? &other : spec;
  std::vector<std::string> paths;
  if (spec != nullptr) {
    for (const std::string& path : spec->paths) paths.push_back(ingest::Shown(path));
  }
  if (!paths.empty()) out.push_back({"what the source is read from", Join(paths, ", "), "take it out there: everything here leaves it out when it comes again"});
  const std::string online = OnlineFolder(project);
  TENON_ASSIGN(const bool stored, HasFiles(files, online));
  if (!served.counted.empty() && stored) {
    out.push_back({Str("values that may have counted it, of ", served.counted.size() == 1 ? "view " : "views ", Join(served.counted, " and ")),
                   project.online.store == "embedded" ? online : Str(online, " and ", project.online.store),
                   Str("`tenon features materialize ", project.folder, "` makes them anew without it, `tenon features stream ", project.folder, " --reset --history` the states of streams; "
                       "an entity that has no other row keeps its values until it is erased by its own column (--column)")});
  }
  for (const std::string& path : served.busy) out.push_back({"the state of a stream at work", path, "stop `tenon features stream`, and erase again"});
  const bool viewed = std::ranges::any_of(project.features.views, [&](const feature::FeatureView& view) { return view.from == source; });
  const std::string streamed = project.stream.source.empty() ? project.source.name : project.stream.source;
  if (streamed == source && project.stream.from == "log") {
    const std::string folder = platform::JoinPath(project.folder, project.stream.settings.StringAt("folder", ".tenon/events"));
    TENON_ASSIGN(const bool published, HasFiles(files, folder));
    if (published) out.push_back({"the log of events", folder, "publish the events that stay to another folder (stream.from.folder), `tenon features stream --reset`, and remove this one"});
  } else if (streamed == source && viewed) {
    out.push_back({Str("the events of ", project.stream.from), project.stream.settings.StringAt("topic", "stream.from"), "its broker keeps them as long as the topic's retention says; then `tenon features stream --reset`"});
  }
  for (const std::string& path : served.log.held) out.push_back({"a segment of the inference log that a process did not let go", path, "stop that service, and erase again"});
  if (served.log.hashed > 0) {
    out.push_back({Str(FormatCount(served.log.hashed), " answers whose field is written as a keyed hash"), platform::JoinPath(project.data_folder(), "inference"), "set TENON_LOG_KEY as the service has it, and erase again"});
  }
  return out;
}

}  // namespace tenon::pipeline
