#include <thread>

#include "app/commands/all.h"
#include "app/service.h"
#include "app/streams.h"

namespace tenon::app {
namespace {

using edge::AnswerStreamState;
using Phase = AnswerStreamState::Phase;

Json JsonOf(const AnswerStreamState& stream, double seconds) {
  Json out;
  out["stream"] = stream.name;
  out["answered"] = stream.answered;
  out["aside"] = stream.aside;
  out["behind"] = stream.behind;
  out["commits"] = stream.commits;
  out["restarts"] = stream.restarts;
  out["seconds"] = seconds;
  return out;
}

bool AllOver(const std::vector<AnswerStreamState>& streams) {
  return std::ranges::all_of(streams, [](const AnswerStreamState& one) { return one.phase == Phase::kEnded || one.phase == Phase::kFailed; });
}

std::string LiveText(const std::vector<AnswerStreamState>& streams) {
  std::vector<std::string> texts;
  for (const AnswerStreamState& one : streams) texts.push_back(TextOfStream(one));
  return Join(texts, "; ");
}

Result<int> Stream(Context& context, const Args& args) {
  const std::string folder = args.Text("project");
  TENON_ASSIGN(const pipeline::Project project, pipeline::LoadProject(context.files, folder));
  if (project.serve.streams.empty()) {
    return Error(Code::kFailedPrecondition, Str(project.file, " has no streams to answer; `serve: {streams: {orders: {from: ..., to: ...}}}` says from where to where"));
  }
  TENON_ASSIGN(auto opened, OpenStore(context, folder, store::Store::Access::kRead));
  ServiceOptions options;
  options.server.port = static_cast<int>(args.Int("port"));
  options.server.threads = 1;
  options.to_end = args.Bool("to-end");
  TENON_ASSIGN(auto service, StartService(context.call, project, *opened, context.kits, options));
  if (const std::string file = args.Text("port-file"); !file.empty() && options.server.port >= 0) {
    TENON_TRY(context.files.Write(file, Str(service->port(), "\n")));
  }
  if (const std::string missing = service->missing(); !missing.empty()) context.terminal.Note(missing);
  const auto began = std::chrono::steady_clock::now();
  std::vector<AnswerStreamState> streams = service->streams();
  for (int turn = 0; !context.call.stop.stop_requested() && !AllOver(streams); ++turn) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    streams = service->streams();
    if (turn % 10 != 0) continue;
    context.terminal.Live(LiveText(streams));
    if (const std::string news = service->Refresh(context.call); !news.empty()) context.terminal.Note(news);
  }
  service->StopStreams();
  streams = service->streams();
  context.terminal.ClearLive();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  for (const AnswerStreamState& one : streams) context.json ? context.terminal.JsonLine(JsonOf(one, seconds)) : context.terminal.Line(TextOfStream(one));
  service->Stop();
  for (const AnswerStreamState& one : streams) {
    if (one.phase == Phase::kFailed) return Error(one.code, one.problem);
  }
  return 0;
}

}  // namespace

void AddStream(std::vector<Command>& to) {
  to.push_back({.name = "stream",
                .summary = "Answer the records of serve.streams: each exactly once, whatever is killed when",
                .example = "tenon stream examples/card-fraud --to-end",
                .flags = {ProjectFlag(),
                          {.name = "--to-end", .help = "stop when no more records are there", .kind = Flag::Kind::kBool},
                          {.name = "--port", .help = "answer requests and /metrics there as well; 0: a free port, -1: none", .kind = Flag::Kind::kInt, .fallback = "-1"},
                          {.name = "--port-file", .help = "write the port here"}},
                .run = Stream});
}

}  // namespace tenon::app
