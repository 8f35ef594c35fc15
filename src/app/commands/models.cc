#include "app/commands/all.h"
#include "registry/registry.h"

namespace tenon::app {
namespace {

std::string AliasesOf(const std::vector<std::pair<std::string, int>>& aliases, int version) {
  std::vector<std::string> names;
  for (const auto& [alias, of] : aliases) {
    if (of == version) names.push_back(alias);
  }
  return Join(names, " ");
}

Result<int> List(Context& context, const Args& args) {
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), store::Store::Access::kRead));
  const registry::Registry registry(*opened);
  TENON_ASSIGN(auto versions, registry.List());
  std::vector<std::vector<std::string>> rows = {{"model", "alias", "gates", "learner", "made", "metrics"}};
  for (const registry::ModelVersion& version : versions) {
    TENON_ASSIGN(auto aliases, registry.Aliases(version.name));
    const std::string alias = AliasesOf(aliases, version.version);
    if (context.json) {
      Json line = version.ToJson();
      line["id"] = version.id();
      line["aliases"] = alias.empty() ? Json::MakeArray() : Json::ListOf(Split(alias, ' '));
      context.terminal.JsonLine(line);
      continue;
    }
    std::string metrics;
    if (const Json* test = version.metrics.Find("test"); test != nullptr && test->is_object()) {
      for (const auto& [name, value] : test->object()) {
        if (metrics.size() < 60) metrics += Str(name, " ", FormatShort(value.Number(), 4), "  ");
      }
    }
    rows.push_back({version.id(), alias, version.gates_passed ? "passed" : "failed", version.lineage.StringAt("learner"),
                    FormatTimestamp(version.created).substr(0, 16), metrics});
  }
  if (!context.json) {
    if (versions.empty()) {
      context.terminal.Line("no model yet; `tenon run` makes one");
    } else {
      context.terminal.Table(rows);
    }
  }
  return 0;
}

Result<int> Show(Context& context, const Args& args) {
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), store::Store::Access::kRead));
  const registry::Registry registry(*opened);
  TENON_ASSIGN(registry::ModelVersion version, registry.Resolve(args.Text("model")));
  Json all = version.ToJson();
  all["id"] = version.id();
  all["bundle_path"] = opened->PathOf(version.bundle);
  TENON_ASSIGN(all["champion_history"], registry.History(version.name, "champion"));
  if (context.json) {
    context.terminal.JsonLine(all);
  } else {
    context.terminal.Line(all.Pretty());
  }
  return 0;
}

// "fraud@7" -> fraud and 7.
Result<std::pair<std::string, int>> Parsed(const std::string& reference) {
  const std::size_t at = reference.find('@');
  std::int64_t version = 0;
  if (at == std::string::npos || !ParseInt64(std::string_view(reference).substr(at + 1), &version) || version < 1) {
    return Error(Code::kInvalidArgument, Str("'", reference, "' is no model version; write for example fraud@7 (`tenon models ls` shows them)"));
  }
  return std::pair(reference.substr(0, at), static_cast<int>(version));
}

Result<int> Promote(Context& context, const Args& args) {
  TENON_ASSIGN(auto parsed, Parsed(args.Text("model")));
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), store::Store::Access::kWrite));
  registry::Registry registry(*opened);
  const std::string alias = args.Text("as");
  TENON_TRY(registry.Promote(context.call, parsed.first, parsed.second, alias, args.Bool("force")));
  Json line;
  line["model"] = args.Text("model");
  line["alias"] = alias;
  context.json ? context.terminal.JsonLine(line) : context.terminal.Line(Str(args.Text("model"), " is ", alias, " now; running services take it within a second"));
  return 0;
}

Result<int> Rollback(Context& context, const Args& args) {
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), store::Store::Access::kWrite));
  registry::Registry registry(*opened);
  std::string name = args.Text("model");
  if (name.empty()) {
    TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
    name = project.name;
  }
  TENON_ASSIGN(registry::ModelVersion back, registry.Rollback(context.call, name, args.Text("as")));
  Json line;
  line["model"] = back.id();
  line["alias"] = args.Text("as");
  context.json ? context.terminal.JsonLine(line) : context.terminal.Line(Str(args.Text("as"), " is ", back.id(), " again; running services take it within a second"));
  return 0;
}

}  // namespace

void AddModels(std::vector<Command>& to) {
  const Flag project = {.name = "--project", .help = "folder with tenon.yaml", .fallback = "."};
  const Flag alias = {.name = "--as", .help = "the alias to move", .fallback = "champion"};
  to.push_back({.name = "models ls", .summary = "List model versions, newest first", .example = "tenon models ls examples/loan-approval", .flags = {ProjectFlag()}, .run = List});
  to.push_back({.name = "models show",
                .summary = "Show a version: metrics, gates, lineage, bundle",
                .example = "tenon models show loan-approval@1 --project examples/loan-approval",
                .flags = {{.name = "model", .help = "name, name@7, name@champion or name@latest", .required = true}, project},
                .run = Show});
  to.push_back({.name = "models promote",
                .summary = "Point an alias at a version; running services follow without a failed request",
                .example = "tenon models promote loan-approval@2 --project examples/loan-approval",
                .flags = {{.name = "model", .help = "name@7", .required = true},
                          project,
                          alias,
                          {.name = "--force", .help = "although its gates failed; this is recorded", .kind = Flag::Kind::kBool}},
                .run = Promote});
  to.push_back({.name = "models rollback",
                .summary = "Point an alias back at the version before",
                .example = "tenon models rollback --project examples/loan-approval",
                .flags = {{.name = "--model", .help = "the model's name; the project's when not given"}, project, alias},
                .run = Rollback});
}

}  // namespace tenon::app
