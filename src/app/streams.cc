#include "app/streams.h"

#include "base/text.h"

namespace tenon::app {

using Phase = edge::AnswerStreamState::Phase;

Result<std::vector<edge::AnswerStreamOptions>> StreamsOf(const pipeline::Project& project, platform::Files& files, bool to_end) {
  std::vector<edge::AnswerStreamOptions> out;
  for (const pipeline::AnswerStreamSpec& spec : project.serve.streams) {
    edge::AnswerStreamOptions one;
    one.name = spec.name;
    one.endpoint = project.serve.endpoint;
    TENON_ASSIGN(one.from, spec.Source(project.file));
    TENON_ASSIGN(one.to, spec.Sink(project.file));
    one.whom = {.files = &files, .stream = Str(project.name, ".", spec.name), .folder = project.folder,
                .state = platform::JoinPath(project.data_folder(), "streams"), .source = spec.from, .settings = spec.from_settings};
    one.id = spec.id;
    one.time = spec.time;
    one.threads = spec.threads;
    one.batch = static_cast<std::size_t>(spec.batch);
    one.to_end = to_end;
    out.push_back(std::move(one));
  }
  return out;
}

Result<void> ProblemOfStreams(const std::vector<edge::AnswerStreamState>& streams) {
  for (const edge::AnswerStreamState& one : streams) {
    if (!one.problem.empty()) return Error(one.code, Str(one.name, one.phase == Phase::kFailed ? " has ended: " : " waits: ", one.problem));
  }
  return {};
}

std::string TextOfStream(const edge::AnswerStreamState& stream) {
  std::string out = Str(stream.name, ": ", FormatCount(stream.answered), " answered, ", FormatCount(stream.aside), " put aside");
  if (stream.behind >= 0) out += Str(", ", FormatCount(stream.behind), " behind");
  return out;
}

}  // namespace tenon::app
