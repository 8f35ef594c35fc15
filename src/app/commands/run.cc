#include "app/commands/all.h"
#include "pipeline/run.h"

namespace tenon::app {
namespace {

std::string_view NameOf(pipeline::StepEvent::State state) {
  switch (state) {
    case pipeline::StepEvent::State::kStarted: return "started";
    case pipeline::StepEvent::State::kProgress: return "progress";
    case pipeline::StepEvent::State::kDone: return "done";
    case pipeline::StepEvent::State::kCached: return "cached";
    case pipeline::StepEvent::State::kFailed: return "failed";
  }
  return "";
}

void ShowJson(Terminal& terminal, const pipeline::StepEvent& event) {
  using State = pipeline::StepEvent::State;
  if (event.state == State::kStarted || event.state == State::kProgress) return;
  Json line;
  line["step"] = event.step;
  line["status"] = NameOf(event.state);
  line["seconds"] = event.seconds;
  line["text"] = event.text;
  if (const Json* artifacts = event.outputs.Find("artifacts"); artifacts != nullptr) line["artifacts"] = *artifacts;
  terminal.JsonLine(line);
}

void ShowLine(Terminal& terminal, const pipeline::StepEvent& event) {
  using State = pipeline::StepEvent::State;
  std::string name = event.step;
  name.resize(std::max<std::size_t>(name.size(), 20), ' ');
  switch (event.state) {
    case State::kStarted: terminal.Live(Str("... ", name)); break;
    case State::kProgress:
      terminal.Live(Str("... ", name, " ", event.text, event.fraction >= 0 ? Str("  ", FormatShort(100 * event.fraction, 3), " %") : ""));
      break;
    case State::kDone: {
      const auto took = std::chrono::microseconds(static_cast<std::int64_t>(event.seconds * 1e6));
      std::string time = FormatDuration(took);
      time.insert(0, time.size() < 8 ? 8 - time.size() : 0, ' ');
      terminal.Line(Str(terminal.Green("done"), "   ", name, " ", time, "  ", event.text));
      break;
    }
    case State::kCached: terminal.Line(Str(terminal.Dim("cached"), " ", name, "           ", terminal.Dim(event.text))); break;
    case State::kFailed: terminal.Line(Str(terminal.Red("failed"), " ", name)); break;
  }
}

std::string Interval(const Json& estimate) {
  return Str(FormatShort(estimate.NumberAt("value"), 4), " [", FormatShort(estimate.NumberAt("low"), 4), ", ", FormatShort(estimate.NumberAt("high"), 4), "]");
}

bool LowerIsBetter(const Context& context, const std::string& metric) {
  auto made = context.kits.metrics.Create(metric);
  return made.ok() && !(*made)->higher_is_better();
}

// What a manager wants to know, in the order they ask.
void ShowSummary(Context& context, const pipeline::Project& project, const pipeline::RunResult& result) {
  Terminal& terminal = context.terminal;
  const Json& summary = result.summary;
  const std::string metric = summary.StringAt("metric");
  const Json& test = *summary.Find("metrics")->Find("test");
  const Json& baseline = *summary.Find("baseline");
  terminal.Line("");
  if (!project.problem.question.empty()) terminal.Line(terminal.Bold(project.problem.question));
  terminal.Line(Str("  model      ", terminal.Bold(result.model), " (", summary.StringAt("learner"), ")"));
  terminal.Line(Str("  ", metric, std::string(metric.size() < 10 ? 10 - metric.size() : 1, ' '), " ", FormatShort(test.NumberAt(metric), 4),
                    " on test rows", LowerIsBetter(context, metric) ? " (lower is better)" : "", "; baseline (", baseline.StringAt("kind"), ") ", FormatShort(baseline.NumberAt(metric), 4)));
  if (const Json* lift = baseline.Find("lift"); lift != nullptr) {
    terminal.Line(Str("  lift       ", Interval(*lift), " over the baseline, 95 % confidence interval"));
  }
  if (const Json* cost = test.Find("cost_per_1000"); cost != nullptr) {
    terminal.Line(Str("  cost       ", FormatShort(cost->Number(), 5), " ", project.problem.cost_unit, " per 1,000 decisions at threshold ",
                      FormatShort(summary.NumberAt("threshold"), 3)));
  }
  for (const Json& gate : summary.Find("gates")->array()) {
    const bool passed = gate.BoolAt("passed");
    terminal.Line(Str("  gate       ", passed ? terminal.Green("passed") : terminal.Red("FAILED"), "  ", gate.StringAt("name"), "  (",
                      gate.StringAt("why", Str("value ", FormatShort(gate.NumberAt("value")))), ")"));
  }
  terminal.Line(Str("  report     ", result.report));
  if (!result.gates_passed) {
    terminal.Line(terminal.Red("  A gate failed: nothing was deployed."));
  } else if (result.deployed) {
    terminal.Line(Str("  deployed   as champion; `tenon serve ", project.folder, "` answers with it"));
  }
  if (result.steps_done == 0) terminal.Line(terminal.Dim(Str("  Nothing had changed: all ", result.steps_cached, " steps were found from earlier runs.")));
}

Result<int> RunProject(Context& context, const Args& args) {
  const std::string folder = args.Text("project");
  TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, folder));
  TENON_ASSIGN(auto opened, OpenStore(context, folder, store::Store::Access::kWrite));
  Terminal& terminal = context.terminal;
  const auto observer = [&](const pipeline::StepEvent& event) { context.json ? ShowJson(terminal, event) : ShowLine(terminal, event); };
  TENON_ASSIGN(pipeline::RunResult result,
               pipeline::Run(context.call, project, *opened, context.kits, {.force = args.Bool("force"), .deploy = !args.Bool("no-deploy")}, observer));
  terminal.ClearLive();
  if (context.json) {
    terminal.JsonLine(result.summary);
  } else {
    ShowSummary(context, project, result);
  }
  return result.gates_passed ? 0 : 1;
}

}  // namespace

void AddRun(std::vector<Command>& to) {
  to.push_back({.name = "run",
                .summary = "Go the whole way of a project: data, model, evaluation, gates, deployment; only what changed is done again",
                .example = "tenon run examples/loan-approval",
                .flags = {ProjectFlag(),
                          {.name = "--force", .help = "do every step again", .kind = Flag::Kind::kBool},
                          {.name = "--no-deploy", .help = "register the version, leave the champion as it is", .kind = Flag::Kind::kBool}},
                .run = RunProject});
}

}  // namespace tenon::app
