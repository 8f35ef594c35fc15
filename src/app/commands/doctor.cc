#include "app/commands/all.h"
#include "pipeline/run.h"
#include "platform/library.h"
#include "registry/registry.h"
#include "serve/log_counts.h"

namespace tenon::app {
namespace {

Result<int> Examine(Context& context, const Args& args) {
  const std::string folder = args.Text("project");
  std::vector<std::pair<std::string, std::string>> findings;  // what, "" when well
  for (const char* library : {"libduckdb.so", "libxgboost.so"}) {
    auto opened = platform::Library::Open(library);
    findings.emplace_back(Str("library ", library), opened ? "" : std::string(opened.error().message()));
  }
  if (context.files.Exists(platform::JoinPath(folder, "tenon.yaml"))) {
    auto project = pipeline::LoadProject(context.files, folder);
    findings.emplace_back("project file", project ? "" : project.error().ForPeople());
  }
  if (context.files.Exists(platform::JoinPath(folder, ".tenon"))) {
    auto opened = store::Store::Open(context.files, platform::JoinPath(folder, ".tenon"), store::Store::Access::kRead);
    if (!opened) {
      // A folder that a first run made and did not fill is no fault: the next run does.
      const bool empty = opened.error().code() == Code::kNotFound;
      findings.emplace_back("data folder", empty ? "" : opened.error().ForPeople());
    } else {
      TENON_ASSIGN(std::vector<std::string> problems, (*opened)->Check(context.call));
      TENON_ASSIGN(std::vector<registry::ModelVersion> versions, registry::Registry(**opened).List());
      for (const registry::ModelVersion& version : versions) {
        if (!(*opened)->Has(version.bundle)) problems.push_back(Str(version.id(), ": its bundle ", (*opened)->PathOf(version.bundle), " is gone"));
      }
      if (!problems.empty()) problems.emplace_back("`tenon run` makes again what the project still leads to; restore the rest from a copy");
      findings.emplace_back("data folder", Join(problems, "; "));
    }
  }
  std::string lacks;
  if (const std::string inference = platform::JoinPath(folder, ".tenon/inference"); context.files.Exists(inference)) {
    auto missing = serve::FindMissing(context.files, inference);
    findings.emplace_back("inference log", missing ? "" : missing.error().ForPeople());
    if (missing) lacks = serve::Describe(*missing);  // told, and no fault that anybody could mend
  }
  bool well = true;
  for (const auto& [what, problem] : findings) {
    const std::string& said = what == "inference log" && problem.empty() ? lacks : problem;
    well = well && problem.empty();
    if (context.json) {
      Json line;
      line["what"] = what;
      line["ok"] = problem.empty();
      line["problem"] = problem;
      if (problem.empty() && !said.empty()) line["note"] = said;
      context.terminal.JsonLine(line);
    } else {
      context.terminal.Line(Str(problem.empty() ? context.terminal.Green("well ") : context.terminal.Red("ill  "), " ", what, said.empty() ? "" : ": ", said));
    }
  }
  return well ? 0 : 1;
}

}  // namespace

void AddDoctor(std::vector<Command>& to) {
  to.push_back({.name = "doctor",
                .summary = "Check the installation, the project file and every stored artifact",
                .example = "tenon doctor examples/loan-approval",
                .flags = {ProjectFlag()},
                .run = Examine});
}

void AddCompletion(std::vector<Command>& to) {
  to.push_back({.name = "completion",
                .summary = "Print a completion script for a shell",
                .example = "source <(tenon completion bash)",
                .flags = {{.name = "shell", .help = "bash, zsh or fish", .required = true, .choices = {"bash", "zsh", "fish"}}},
                .run = [](Context& context, const Args& args) -> Result<int> {
                  TENON_ASSIGN(std::string script, CompletionScript(args.Text("shell"), AllCommands()));
                  context.terminal.Line(script);
                  return 0;
                }});
}

}  // namespace tenon::app
