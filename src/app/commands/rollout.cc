#include "app/commands/all.h"
#include "app/rollout_page.h"
#include "serve/rollouts.h"

namespace tenon::app {
namespace {

// The settings on the command line as the chapter serve.rollout would have them; null when none was given.
Json Given(const Args& args) {
  Json out;
  if (const std::string canary = args.Text("canary"); !canary.empty()) {
    out["canary"] = Json::MakeArray();
    for (const std::string& share : Split(canary, ',')) out["canary"].Push(std::string(Trim(share)));
  }
  for (const char* name : {"step", "shadow", "ab", "promote", "sticky"}) {
    if (const std::string value = args.Text(name); !value.empty()) out[name] = value;
  }
  if (const std::string hold = args.Text("blue-green"); !hold.empty()) out["blue_green"] = hold;
  if (args.Bool("dark")) out["dark"] = true;
  for (const std::string& names : args.Texts("roll-back-on")) {  // errors latency, or errors,latency
    for (const std::string& name : Split(names, ',')) out["roll_back_on"].Push(std::string(Trim(name)));
  }
  if (const std::int64_t least = args.Int("least"); least != 0) out["least"] = least;
  return out;
}

Result<serve::RolloutSpec> SpecOf(const pipeline::Project& project, const Args& args) {
  Json given = Given(args);
  if (given.is_null() && project.serve.rollout) return *project.serve.rollout;
  const bool says_how = given.Find("canary") != nullptr || given.Find("ab") != nullptr || given.Find("blue_green") != nullptr ||
                        given.Find("dark") != nullptr || given.Find("shadow") != nullptr;
  if (!says_how) given["canary"] = Json::ListOf(std::vector<std::string>{"5 %", "25 %", "100 %"});
  TENON_ASSIGN(serve::RolloutSpec spec, serve::RolloutSpec::Parse(given, "the command line"));
  double cost = 0;
  if (ParseDouble(project.problem.false_positive, &cost)) spec.false_positive_cost = cost;
  if (ParseDouble(project.problem.false_negative, &cost)) spec.false_negative_cost = cost;
  return spec;
}

Result<std::string> WritePage(store::Store& store, const serve::Rollout& rollout) {
  const std::string folder = platform::JoinPath(store.folder(), "reports");
  TENON_TRY(store.files().MakeFolders(folder));
  const std::string page = platform::JoinPath(folder, Str("rollout-", rollout.id, ".html"));
  TENON_TRY(store.files().Write(page, RolloutPage(rollout)));
  return page;
}

Result<int> Say(Context& context, store::Store& store, const serve::Rollout& rollout) {
  TENON_ASSIGN(const std::string page, WritePage(store, rollout));
  if (context.json) {
    Json line = rollout.ToJson();
    line["page"] = page;
    context.terminal.JsonLine(line);
  } else {
    context.terminal.Line(RolloutText(rollout));
    context.terminal.Line(Str("page: ", page));
  }
  return rollout.status == "rolled_back" ? 1 : 0;
}

// Both versions as a service would take them, so that what it would refuse is refused here.
Result<void> CheckArms(Context& context, const pipeline::Project& project, store::Store& store, const serve::Rollout& rollout) {
  const registry::Registry registry(store);
  std::vector<std::shared_ptr<const serve::Served>> arms;
  for (const int version : {rollout.champion, rollout.challenger}) {
    TENON_ASSIGN(const registry::ModelVersion found, registry.Find(project.name, version));
    TENON_ASSIGN(auto bytes, store.Get(found.bundle));
    TENON_ASSIGN(auto bundle, model::Bundle::Open(bytes), found.id());
    TENON_ASSIGN(auto served, serve::MakeServed(bundle, rollout.endpoint, found.id(), version, context.kits.ops, context.kits.formats));
    arms.push_back(std::move(served));
  }
  return serve::CheckReplaces(*arms[0], *arms[1]);
}

Result<int> Start(Context& context, const Args& args) {
  TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), store::Store::Access::kWrite));
  const registry::Registry registry(*opened);
  TENON_ASSIGN(const registry::ModelVersion challenger, registry.Resolve(args.Text("model")));
  TENON_ASSIGN(const registry::ModelVersion champion, registry.Resolve(Str(project.name, "@champion")));
  if (challenger.name != project.name) {
    return Error(Code::kInvalidArgument, Str("endpoint ", project.serve.endpoint, " answers with ", project.name, ", not with ", challenger.name));
  }
  serve::Rollout rollout;
  rollout.endpoint = project.serve.endpoint;
  rollout.model = project.name;
  rollout.champion = champion.version;
  rollout.challenger = challenger.version;
  TENON_ASSIGN(rollout.spec, SpecOf(project, args));
  if (rollout.champion != rollout.challenger) TENON_TRY(CheckArms(context, project, *opened, rollout));
  serve::Rollouts rollouts(*opened);
  TENON_ASSIGN(rollout, rollouts.Start(context.call, std::move(rollout), args.Bool("force")));
  return Say(context, *opened, rollout);
}

Result<int> Status(Context& context, const Args& args) {
  TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), store::Store::Access::kRead));
  const serve::Rollouts rollouts(*opened);
  if (args.Bool("all")) {
    TENON_ASSIGN(const auto all, rollouts.All());
    for (const serve::Rollout& rollout : all) TENON_TRY(Say(context, *opened, rollout));
    if (all.empty() && !context.json) context.terminal.Line("no rollout yet; `tenon rollout start` begins one");
    return 0;
  }
  TENON_ASSIGN(const auto found, rollouts.Find(project.serve.endpoint));
  if (!found) {
    return Error(Code::kNotFound, Str("there was no rollout at ", project.serve.endpoint, " yet; `tenon rollout start ", project.name, "@<version>` begins one"));
  }
  return Say(context, *opened, *found);
}

Result<int> End(Context& context, const Args& args, bool promote) {
  TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), store::Store::Access::kWrite));
  serve::Rollouts rollouts(*opened);
  const std::string why = Str(promote ? "promoted by " : "aborted by ", context.call.actor);
  TENON_ASSIGN(const serve::Rollout rollout, promote ? rollouts.Promote(context.call, project.serve.endpoint, why)
                                                     : rollouts.Abort(context.call, project.serve.endpoint, why));
  return Say(context, *opened, rollout);
}

std::vector<Flag> StartFlags() {
  return {{.name = "model", .help = "the version to let in: name@7 or name@latest", .required = true},
          {.name = "--project", .help = "folder with tenon.yaml", .fallback = "."},
          {.name = "--canary", .help = "shares from step to step, such as 5%,25%,100%"},
          {.name = "--step", .help = "how long each step takes at least, such as 2h"},
          {.name = "--shadow", .help = "first this long behind the scenes, such as 1d"},
          {.name = "--ab", .help = "one share to stay, such as 50%"},
          {.name = "--blue-green", .help = "all requests at once, the old version stays loaded this long"},
          {.name = "--dark", .help = "loaded first, answering only when asked for by version", .kind = Flag::Kind::kBool},
          {.name = "--sticky", .help = "the field whose value decides who answers, such as customer_id"},
          {.name = "--least", .help = "answers of the challenger before a step may end", .kind = Flag::Kind::kInt, .fallback = "0"},
          {.name = "--roll-back-on", .help = "errors, latency, prediction_difference, quality, cost", .kind = Flag::Kind::kTexts},
          {.name = "--promote", .help = "auto: after the last step; better: once it is shown better; manual", .choices = {"auto", "better", "manual"}},
          {.name = "--force", .help = "although its gates failed; this is recorded", .kind = Flag::Kind::kBool}};
}

}  // namespace

void AddRollout(std::vector<Command>& to) {
  to.push_back({.name = "rollout start",
                .summary = "Let a version in beside the champion, step by step; it is rolled back when it is shown worse",
                .example = "tenon rollout start loan-approval@2 --project examples/loan-approval --canary 5%,25%,100% --step 2h",
                .flags = StartFlags(),
                .run = Start});
  to.push_back({.name = "rollout status",
                .summary = "Show how a rollout stands, with the evidence; exit status 1 when it was rolled back",
                .example = "tenon rollout status examples/loan-approval",
                .flags = {ProjectFlag(), {.name = "--all", .help = "those that ended, too", .kind = Flag::Kind::kBool}},
                .run = Status});
  to.push_back({.name = "rollout promote",
                .summary = "End a rollout: the challenger becomes champion now",
                .example = "tenon rollout promote examples/loan-approval",
                .flags = {ProjectFlag()},
                .run = [](Context& context, const Args& args) { return End(context, args, true); }});
  to.push_back({.name = "rollout abort",
                .summary = "End a rollout: the champion answers everything again",
                .example = "tenon rollout abort examples/loan-approval",
                .flags = {ProjectFlag()},
                .run = [](Context& context, const Args& args) { return End(context, args, false); }});
}

}  // namespace tenon::app
