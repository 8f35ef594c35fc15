// What the data folder holds: which of it goes, and what came of what.

#include <algorithm>

#include "app/commands/all.h"
#include "pipeline/clear_data.h"
#include "pipeline/lineage.h"

namespace tenon::app {
namespace {

std::string Size(std::int64_t bytes) {
  return bytes >= 10'000'000 ? Str(FormatCount(bytes / 1'000'000), " MB") : Str(FormatCount((bytes + 999) / 1000), " kB");
}

Result<int> Clear(Context& context, const Args& args) {
  pipeline::KeepRule rule;
  if (args.Int("keep") < 1) return Error(Code::kInvalidArgument, "--keep: the newest snapshot of each source stays; expected 1 or more");
  rule.newest = static_cast<int>(std::min<std::int64_t>(args.Int("keep"), 1'000'000));
  if (const std::string younger = args.Text("younger"); !younger.empty()) {
    TENON_ASSIGN(rule.younger, ParseDuration(younger), "--younger");
  }
  rule.only_live = args.Bool("only-live");
  const bool apply = args.Bool("apply");
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), apply ? store::Store::Access::kWrite : store::Store::Access::kRead));
  TENON_ASSIGN(const pipeline::ClearPlan plan, pipeline::PlanClearing(context.call, *opened, rule));
  std::vector<std::vector<std::string>> rows = {{"snapshot", "source", "rows", "size", "made", "stays"}};
  for (const pipeline::SnapshotFate& snapshot : plan.snapshots) {
    if (context.json) {
      Json line;
      line["snapshot"] = snapshot.hash;
      line["source"] = snapshot.source;
      line["rows"] = snapshot.rows;
      line["bytes"] = snapshot.bytes;
      line["made"] = FormatTimestamp(snapshot.made);
      line["stays"] = !snapshot.why.empty();
      line["why"] = snapshot.why;
      context.terminal.JsonLine(line);
    }
    rows.push_back({snapshot.hash.substr(0, 12), snapshot.source, FormatCount(snapshot.rows), Size(snapshot.bytes), FormatTimestamp(snapshot.made).substr(0, 16),
                    snapshot.why.empty() ? "goes" : snapshot.why});
  }
  if (apply) TENON_TRY(pipeline::ClearData(context.call, *opened, plan));
  Json line;
  line["removed"] = apply;
  line["artifacts"] = static_cast<std::int64_t>(plan.artifacts.size());
  line["bytes"] = plan.bytes;
  line["bytes_kept"] = plan.bytes_kept;
  line["steps"] = static_cast<std::int64_t>(plan.steps.size());
  if (context.json) {
    context.terminal.JsonLine(line);
    return 0;
  }
  context.terminal.Table(rows);
  const std::string what = Str(FormatCount(static_cast<std::int64_t>(plan.artifacts.size())), " artifacts, ", Size(plan.bytes), "; ", Size(plan.bytes_kept), " stay");
  if (plan.artifacts.empty()) {
    context.terminal.Line(Str("nothing goes; ", Size(plan.bytes_kept), " stay"));
  } else if (apply) {
    context.terminal.Line("removed " + what);
  } else {
    context.terminal.Line(Str("would remove ", what, "; --apply does it"));
  }
  return 0;
}

Result<int> Lineage(Context& context, const Args& args) {
  const pipeline::LineageQuestion question{args.Text("name"), args.Text("column"), args.Text("key")};
  const int asked = (question.name.empty() ? 0 : 1) + (question.column.empty() ? 0 : 1) + (question.key.empty() ? 0 : 1);
  if (asked != 1) return Error(Code::kInvalidArgument, "ask about one thing: a model or a snapshot, --column NAME, or --key VALUE");
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), store::Store::Access::kRead));
  TENON_ASSIGN(const Json answer, pipeline::LineageOf(context.call, *opened, question));
  context.json ? context.terminal.JsonLine(answer) : context.terminal.Line(answer.Pretty());
  return 0;
}

}  // namespace

void AddKeep(std::vector<Command>& to) {
  const Flag project = {.name = "--project", .help = "folder with tenon.yaml", .fallback = "."};
  to.push_back({.name = "data gc",
                .summary = "Say which snapshots and artifacts nothing needs any more, and remove them with --apply",
                .example = "tenon data gc examples/loan-approval --keep 3 --younger 30d",
                .flags = {ProjectFlag(),
                          {.name = "--keep", .help = "snapshots of each source, and runs, that stay, from the newest on", .kind = Flag::Kind::kInt, .fallback = "3"},
                          {.name = "--younger", .help = "what is younger stays, too: 30d"},
                          {.name = "--only-live", .help = "of versions without an alias, not in a rollout and not among the newest, only the bundle stays", .kind = Flag::Kind::kBool},
                          {.name = "--apply", .help = "remove them", .kind = Flag::Kind::kBool}},
                .run = Clear});
  to.push_back({.name = "data lineage",
                .summary = "Say what a model was made from, or which models and snapshots saw a snapshot, a column or a row",
                .example = "tenon data lineage loan-approval@champion --project examples/loan-approval",
                .flags = {{.name = "name", .help = "a model version, or a snapshot's hash or its first digits"}, project,
                          {.name = "--column", .help = "which snapshots have it, which models read it"},
                          {.name = "--key", .help = "a row's key: where it is, and in which part a model met it"}},
                .run = Lineage});
}

}  // namespace tenon::app
