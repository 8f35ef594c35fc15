#include "app/commands/all.h"
#include "app/watching.h"

namespace tenon::app {
namespace {

Result<int> Look(Context& context, const Args& args) {
  const std::string folder = args.Text("project");
  TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, folder));
  TENON_ASSIGN(auto opened, OpenStore(context, folder, store::Store::Access::kRead));
  std::chrono::microseconds reach(0);
  if (const std::string window = args.Text("window"); !window.empty()) {
    TENON_ASSIGN(reach, ParseDuration(window), "--window");
  }
  std::string page;
  Result<monitor::WatchReport> looked = args.Text("rows").empty()
      ? LookForDrift(context.call, project, *opened, context.kits, reach, &page)
      : LookForDriftInFile(context.call, project, *opened, context.kits, args.Text("rows"), &page);
  TENON_ASSIGN(monitor::WatchReport report, std::move(looked));
  if (context.json) {
    Json line = report.ToJson();
    line["drifted"] = report.drifted();
    line["drifted_columns"] = Json::ListOf(report.DriftedColumns());
    line["page"] = page;
    context.terminal.JsonLine(line);
  } else {
    context.terminal.Line(report.Text());
    context.terminal.Line(Str("page: ", page));
  }
  return report.drifted() ? 1 : 0;
}

}  // namespace

void AddMonitor(std::vector<Command>& to) {
  to.push_back({.name = "monitor",
                .summary = "Compare what the service was asked lately with what the model was trained on; exit status 1 when it drifted",
                .example = "tenon monitor examples/loan-approval --window 1h",
                .flags = {ProjectFlag(),
                          {.name = "--window", .help = "how far back to look, such as 1h or 7d; the project file says when not given"},
                          {.name = "--rows", .help = "look at the rows of this file instead of the inference log"}},
                .run = Look});
}

}  // namespace tenon::app
