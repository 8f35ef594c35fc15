// What there is of feature views, their tests, and rows with features as known at their times.

#include <set>

#include "app/commands/all.h"
#include "base/time.h"
#include "dataset/erase.h"
#include "pipeline/features.h"

namespace tenon::app {
namespace {

using feature::FeatureSpec;
using feature::FeatureView;

std::string EntityOf(const FeatureView& view) { return Join(view.entity, ", "); }

Json FeatureLine(const FeatureView& view, const FeatureSpec& spec) {
  const feature::InputSpec& input = view.inputs[static_cast<std::size_t>(spec.input)];
  Json line;
  line["feature"] = feature::ColumnOf(view, spec);
  line["of"] = input.of.empty() ? input.name : input.of;
  line["function"] = feature::NameOf(spec.function);
  line["window"] = spec.function == feature::Function::kLatest ? "" : spec.window.text;
  line["delay"] = input.delay.count() == 0 ? Json(0) : Json(FormatDuration(input.delay));
  if (!input.where.empty()) line["where"] = input.where;
  if (input.fill) line["fill"] = *input.fill;
  line["sensitive"] = std::ranges::find(view.sensitive, spec.name) != view.sensitive.end();
  return line;
}

Json ViewLine(const FeatureView& view) {
  Json line;
  line["view"] = view.name;
  line["version"] = view.version;
  line["entity"] = Json::ListOf(view.entity);
  line["from"] = view.from;
  line["time"] = view.time;
  if (!view.known.empty()) line["known"] = view.known;
  if (view.ttl.count() > 0) line["ttl"] = FormatDuration(view.ttl);
  line["owner"] = view.owner;
  line["description"] = view.description;
  line["tags"] = Json::ListOf(view.tags);
  line["hash"] = view.Hash();
  return line;
}

Result<int> List(Context& context, const Args& args) {
  TENON_ASSIGN(const pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  std::vector<std::vector<std::string>> rows = {{"view", "version", "entity", "from", "features", "owner", "description"}};
  for (const FeatureView& view : project.features.views) {
    Json line = ViewLine(view);
    line["features"] = static_cast<std::int64_t>(view.features.size());
    if (context.json) context.terminal.JsonLine(line);
    rows.push_back({view.name, Str(view.version), EntityOf(view), view.from, Str(view.features.size()), view.owner, view.description});
  }
  for (const feature::OnDemandSpec& spec : project.features.on_demand) {
    Json line;
    line["on_demand"] = spec.name;
    line["expression"] = spec.expression;
    line["description"] = spec.description;
    if (context.json) context.terminal.JsonLine(line);
    rows.push_back({spec.name, "", "", "on demand", "1", "", spec.description.empty() ? spec.expression : spec.description});
  }
  if (context.json) return 0;
  rows.size() == 1 ? context.terminal.Line(Str(project.file, " has no chapter `features:`; docs/16-features.md says what goes there")) : context.terminal.Table(rows);
  return 0;
}

int ShowOnDemand(Context& context, const feature::OnDemandSpec& spec) {
  Json line;
  line["on_demand"] = spec.name;
  line["expression"] = spec.expression;
  line["description"] = spec.description;
  if (context.json) context.terminal.JsonLine(line);
  else context.terminal.Line(Str(context.terminal.Bold(spec.name), " on demand: ", spec.expression, spec.description.empty() ? "" : "\n", spec.description));
  return 0;
}

// `features show card customer` is understood too: the project first, as other commands have it.
Args InEitherOrder(const Context& context, Args args, const std::string& word) {
  const auto is_project = [&](const std::string& folder) { return context.files.Exists(platform::JoinPath(folder, "tenon.yaml")); };
  if (!is_project(args.Text("project")) && is_project(args.Text(word))) {
    const std::string folder = args.Text(word);
    args.Set(word, {args.Text("project")});
    args.Set("project", {folder});
  }
  return args;
}

Result<int> Show(Context& context, const Args& given) {
  const Args args = InEitherOrder(context, given, "view");
  TENON_ASSIGN(const pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  std::vector<std::string> names;
  for (const FeatureView& one : project.features.views) names.push_back(one.name);
  for (const feature::OnDemandSpec& spec : project.features.on_demand) {
    if (spec.name == args.Text("view")) return ShowOnDemand(context, spec);
    names.push_back(spec.name);
  }
  if (std::ranges::find(names, args.Text("view")) == names.end()) return Error(Code::kNotFound, Str("no feature view '", args.Text("view"), "'", DidYouMean(args.Text("view"), names)));
  TENON_ASSIGN(const FeatureView* view, project.features.View(args.Text("view")));
  Json line = ViewLine(*view);
  std::vector<std::vector<std::string>> rows = {{"feature", "of", "function", "window", "delay", ""}};
  for (const FeatureSpec& spec : view->features) {
    Json feature = FeatureLine(*view, spec);
    rows.push_back({feature.StringAt("feature"), feature.StringAt("of"), feature.StringAt("function"), feature.StringAt("window"), feature.StringAt("delay", ""),
                    feature.BoolAt("sensitive") ? "sensitive" : feature.StringAt("where").empty() ? "" : "where " + feature.StringAt("where")});
    line["features"].Push(std::move(feature));
  }
  if (context.json) {
    context.terminal.JsonLine(line);
    return 0;
  }
  context.terminal.Line(Str(context.terminal.Bold(view->name), " version ", view->version, view->description.empty() ? "" : ": ", view->description));
  context.terminal.Line(Str("of ", EntityOf(*view), ", from ", view->from, " by ", view->time, view->known.empty() ? "" : ", known by " + view->known,
                            view->ttl.count() == 0 ? "" : ", none older than " + FormatDuration(view->ttl), view->where.empty() ? "" : ", where " + view->where));
  if (!view->owner.empty() || !view->tags.empty()) context.terminal.Line(Str("owner ", view->owner, view->tags.empty() ? "" : "; tags ", Join(view->tags, ", ")));
  context.terminal.Line(Str("definition ", view->Hash().substr(0, 12), ", ", view->tests.size(), " tests"));
  context.terminal.Table(rows);
  return 0;
}

Result<int> Search(Context& context, const Args& given) {
  const Args args = InEitherOrder(context, given, "word");
  TENON_ASSIGN(const pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  const std::string word = ToLower(args.Text("word"));
  std::vector<std::vector<std::string>> rows = {{"feature", "of", "function", "window", "owner"}};
  for (const FeatureView& view : project.features.views) {
    const std::string about = ToLower(Str(view.name, " ", view.description, " ", view.owner, " ", Join(view.tags, " "), " ", EntityOf(view), " ", view.from));
    for (const FeatureSpec& spec : view.features) {
      Json line = FeatureLine(view, spec);
      if (about.find(word) == std::string::npos && ToLower(line.Dump()).find(word) == std::string::npos) continue;
      line["owner"] = view.owner;
      if (context.json) context.terminal.JsonLine(line);
      rows.push_back({line.StringAt("feature"), line.StringAt("of"), line.StringAt("function"), line.StringAt("window"), view.owner});
    }
  }
  for (const feature::OnDemandSpec& spec : project.features.on_demand) {
    if (ToLower(Str(spec.name, " ", spec.expression, " ", spec.description)).find(word) == std::string::npos) continue;
    Json line;
    line["on_demand"] = spec.name;
    line["expression"] = spec.expression;
    if (context.json) context.terminal.JsonLine(line);
    rows.push_back({spec.name, spec.expression, "on demand", "", ""});
  }
  if (!context.json) rows.size() == 1 ? context.terminal.Line(Str("no feature has to do with '", args.Text("word"), "'")) : context.terminal.Table(rows);
  return rows.size() == 1 ? 1 : 0;
}

Result<int> Test(Context& context, const Args& args) {
  TENON_ASSIGN(const pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  TENON_ASSIGN(const auto results, pipeline::RunFeatureTests(context.call, project.features));
  int failed = 0;
  for (const pipeline::FeatureTestResult& result : results) {
    const bool passed = result.failures.empty();
    failed += passed ? 0 : 1;
    if (context.json) {
      Json line;
      line["view"] = result.view;
      line["test"] = result.test;
      line["checked"] = result.checked;
      line["passed"] = passed;
      line["failures"] = Json::ListOf(result.failures);
      context.terminal.JsonLine(line);
      continue;
    }
    context.terminal.Line(Str(passed ? context.terminal.Green("passed") : context.terminal.Red("failed"), "  ", result.view.empty() ? "on demand" : result.view, ": ",
                              result.test, " (", result.checked, " values)"));
    for (const std::string& failure : result.failures) context.terminal.Line(Str("        ", failure));
  }
  if (!context.json) context.terminal.Line(Str(results.size(), results.size() == 1 ? " test, " : " tests, ", failed, " failed"));
  return failed == 0 ? 0 : 1;
}

// Leaves in the views what `names` names ("customer.amount_sum_7d, terminal.risk_7d"), and no view without a feature.
Result<void> KeepOnly(std::string_view names, std::vector<FeatureView>* views) {
  std::set<std::string> wanted;
  for (const std::string& name : Split(names, ',')) wanted.emplace(Trim(name));
  std::vector<std::string> known;
  for (const FeatureView& view : *views) {
    for (const FeatureSpec& spec : view.features) known.push_back(feature::ColumnOf(view, spec));
  }
  for (const std::string& name : wanted) {
    if (std::ranges::find(known, name) != known.end()) continue;
    const std::string near = Nearest(name, known);
    return Error(Code::kInvalidArgument, Str("--features: no view has a feature '", name, "'", near.empty() ? "" : Str("; did you mean ", near, "?"),
                                             " All: tenon features ls and show"));
  }
  for (FeatureView& view : *views) {
    std::erase_if(view.features, [&](const FeatureSpec& spec) { return !wanted.contains(feature::ColumnOf(view, spec)); });
  }
  std::erase_if(*views, [](const FeatureView& view) { return view.features.empty(); });
  return {};
}

Result<int> Get(Context& context, const Args& args) {
  TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  if (project.features.views.empty()) return Error(Code::kFailedPrecondition, Str(project.file, " has no feature views"));
  if (!args.Text("features").empty()) TENON_TRY(KeepOnly(args.Text("features"), &project.features.views));
  TENON_ASSIGN(auto sources, pipeline::ReadViewSources(context.call, context.kits.readers, project));
  TENON_ASSIGN(const auto store, pipeline::StoreOf(context.files, project));
  for (pipeline::SourceRows& source : sources) {
    if (store == nullptr) break;
    const auto other = std::ranges::find(project.other_sources, source.source, &ingest::SourceSpec::name);
    TENON_ASSIGN(source.batches, dataset::LeaveOutErased(other == project.other_sources.end() ? project.source : *other, std::move(source.batches), *store));
  }
  const std::string time = args.Text("time").empty() ? project.source.time : args.Text("time");
  ingest::SourceSpec asking;
  asking.name = "rows";
  asking.paths = {args.Text("rows")};
  asking.types = {{time, "timestamp"}};
  TENON_ASSIGN(auto reader, ingest::Read(context.call, asking, context.kits.readers));
  TENON_ASSIGN(const table::Batch rows, table::ReadAll(context.call, *reader), "reading the rows");
  TENON_ASSIGN(const table::Batch joined, pipeline::WithFeatures(context.call, project, rows, time, sources));
  if (args.Text("out").empty()) {
    for (std::int64_t i = 0; i < joined.rows(); ++i) context.terminal.JsonLine(joined.RowAt(i));
    return 0;
  }
  TENON_ASSIGN(auto writer, ingest::OpenWriter(args.Text("out"), joined.shared_schema()));
  TENON_TRY(writer->Write(context.call, joined));
  TENON_TRY(writer->Finish());
  Json line;
  line["rows"] = joined.rows();
  line["columns"] = joined.columns();
  line["out"] = args.Text("out");
  context.json ? context.terminal.JsonLine(line)
               : context.terminal.Line(Str(FormatCount(joined.rows()), " rows with ", joined.columns() - rows.columns(), " features as known at ", time, " in ", args.Text("out")));
  return 0;
}

}  // namespace

void AddFeatures(std::vector<Command>& to) {
  to.push_back({.name = "features ls", .summary = "The project's feature views and features on demand", .example = "tenon features ls card-fraud", .flags = {ProjectFlag()}, .run = List});
  to.push_back({.name = "features show",
                .summary = "One view: its features, windows, owner; or one feature on demand",
                .example = "tenon features show customer card-fraud",
                .flags = {{.name = "view", .help = "its name", .required = true}, ProjectFlag()},
                .run = Show});
  to.push_back({.name = "features search",
                .summary = "Features by a word in their names, definitions, descriptions, tags, owners",
                .example = "tenon features search amount card-fraud",
                .flags = {{.name = "word", .help = "a word or part of one", .required = true}, ProjectFlag()},
                .run = Search});
  to.push_back({.name = "features test",
                .summary = "Run the tests that the project file gives its views: events, and the values they must lead to",
                .example = "tenon features test card-fraud",
                .flags = {ProjectFlag()},
                .run = Test});
  to.push_back({.name = "features get",
                .summary = "Rows with the features of the views, as known at each row's time",
                .example = "tenon features get card-fraud --rows asked.csv --out with_features.parquet",
                .flags = {ProjectFlag(),
                          {.name = "--rows", .help = "file of rows with the entity columns and a time", .required = true},
                          {.name = "--features", .help = "which, with commas between: customer.amount_sum_7d,terminal.risk_7d; all by default"},
                          {.name = "--time", .help = "column of the rows with their time; the source's own by default"},
                          {.name = "--out", .help = "csv, json_lines or parquet by its ending; JSON lines on standard output without it"}},
                .run = Get});
}

}  // namespace tenon::app
