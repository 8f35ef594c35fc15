// What the data folder holds: which of it goes, and what came of what.

#include <algorithm>

#include "app/commands/all.h"
#include "pipeline/clear_data.h"
#include "pipeline/erase.h"
#include "pipeline/erase_rest.h"
#include "pipeline/erase_served.h"
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

Result<int> Erase(Context& context, const Args& args) {
  pipeline::EraseWish wish{args.Text("source"), args.Text("column"), args.Text("key")};
  TENON_ASSIGN(const pipeline::Project project, pipeline::LoadProject(context.files, args.Text("project")));
  if (wish.source.empty()) wish.source = project.source.name;
  const bool apply = args.Bool("apply");
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), apply ? store::Store::Access::kWrite : store::Store::Access::kRead));
  TENON_ASSIGN(const pipeline::ErasePlan plan, pipeline::Erase(context.call, *opened, wish, apply));
  TENON_ASSIGN(const pipeline::ErasedServed served, pipeline::EraseServed(context.call, context.files, project, context.kits, wish.source, plan, wish.value, apply));
  TENON_ASSIGN(const std::vector<pipeline::StillHeld> rest, pipeline::HeldElsewhere(context.files, project, wish.source, served));
  if (context.json) {
    Json line;
    line["erased"] = apply;
    line["known"] = plan.known;
    line["snapshots"] = Json::MakeArray();
    for (const auto& one : plan.snapshots) {
      Json item;
      item["hash"] = one.hash;
      item["rows"] = one.rows;
      if (apply) item["becomes"] = one.becomes;
      line["snapshots"].Push(std::move(item));
    }
    line["stored_again"] = plan.shared;
    line["models"] = Json::MakeArray();
    for (const auto& one : plan.models) {
      Json item;
      item["model"] = one.id;
      item["part"] = one.part;
      line["models"].Push(std::move(item));
    }
    line["steps"] = plan.steps;
    line["bytes"] = plan.bytes;
    line["online"] = Json::MakeArray();
    for (const auto& one : served.online) {
      Json item;
      item["view"] = one.name;
      item["records"] = one.records;
      line["online"].Push(std::move(item));
    }
    if (apply) line["stream_rows"] = served.streamed;
    line["logged_answers"] = served.log.answers;
    line["log_segments"] = served.log.segments;
    line["archived_answers"] = served.archived;
    line["may_hold"] = Json::MakeArray();
    for (const auto& one : rest) {
      Json item;
      item["what"] = one.what;
      item["where"] = one.where;
      item["advice"] = one.advice;
      line["may_hold"].Push(std::move(item));
    }
    context.terminal.JsonLine(line);
    return 0;
  }
  for (const auto& one : plan.snapshots) {
    context.terminal.Line(Str("snapshot ", one.hash.substr(0, 12), ": ", FormatCount(one.rows), one.rows == 1 ? " row" : " rows", !apply ? "" : one.becomes.empty() ? "; none is left" : Str("; now ", one.becomes.substr(0, 12))));
  }
  for (const auto& one : plan.models) context.terminal.Line(Str("model ", one.id, " met it in ", one.part));
  for (const auto& one : served.online) {
    if (one.records > 0) context.terminal.Line(Str("view ", one.name, ": its record online"));
  }
  if (served.streamed > 0) context.terminal.Line(Str("states of streams: ", FormatCount(served.streamed), served.streamed == 1 ? " row" : " rows"));
  if (served.log.answers + served.archived > 0) {
    context.terminal.Line(Str("inference log: ", FormatCount(served.log.answers), " answers in ", served.log.segments, " segments", served.archives == 0 ? "" : Str(", ", FormatCount(served.archived), " in Parquet files")));
  }
  if (plan.snapshots.empty()) context.terminal.Line(plan.known ? "no snapshot has such a row: it was erased before" : "no snapshot has such a row");
  if (!apply) {
    context.terminal.Line(Str("--apply erases: these snapshots", plan.shared > 0 ? Str(" and ", plan.shared, " that share bytes with them") : "", " are stored again without it, and it is left out when it comes again"));
    return 0;
  }
  context.terminal.Line(Str("erased; ", Size(plan.bytes), " removed. It is left out when it comes again. What may still hold it, and what to do:"));
  for (const auto& one : rest) context.terminal.Line(Str("  ", one.what, " (", one.where, "): ", one.advice));
  if (!plan.models.empty()) context.terminal.Line(Str("  bundles and reports of the models above, which may hold values of single rows: train again, promote, then `tenon data gc --only-live`"));
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
  to.push_back({.name = "data erase",
                .summary = "Say what holds the rows of a key, and with --apply erase them from every snapshot, for good",
                .example = "tenon data erase C000017 --project examples/loan-approval",
                .flags = {{.name = "key", .help = "the value of the key", .required = true}, project,
                          {.name = "--source", .help = "whose rows; the project's own when not given"},
                          {.name = "--column", .help = "erase by this column's value instead of the key's"},
                          {.name = "--apply", .help = "erase them", .kind = Flag::Kind::kBool}},
                .run = Erase});
  to.push_back({.name = "data lineage",
                .summary = "Say what a model was made from, or which models and snapshots saw a snapshot, a column or a row",
                .example = "tenon data lineage loan-approval@champion --project examples/loan-approval",
                .flags = {{.name = "name", .help = "a model version, or a snapshot's hash or its first digits"}, project,
                          {.name = "--column", .help = "which snapshots have it, which models read it"},
                          {.name = "--key", .help = "a row's key: where it is, and in which part a model met it"}},
                .run = Lineage});
}

}  // namespace tenon::app
