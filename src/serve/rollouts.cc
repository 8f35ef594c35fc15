#include "serve/rollouts.h"

#include <algorithm>

#include "base/text.h"
#include "serve/feedback.h"

namespace tenon::serve {
namespace {

constexpr const char* kKind = "rollout";       // by endpoint: the newest
constexpr const char* kEnded = "rollout_past"; // by id

std::string FolderOfSeen(const std::string& data_folder, const std::string& id) {
  return platform::JoinPath(platform::JoinPath(data_folder, "rollouts"), id);
}

std::string Stamp(Micros at) {
  std::string out;
  for (const char c : FormatTimestamp(at)) {
    if (c != '-' && c != ':' && c != 'Z') out += c;
  }
  return out;
}

// A file of what a process saw.
Result<void> AddSeen(const Json& seen, Rollout* rollout, std::string* refused) {
  if (std::string why = seen.StringAt("refused"); !why.empty()) *refused = std::move(why);
  const Json* sums = seen.Find("sums");
  if (sums == nullptr || !sums->is_array()) return Error(Code::kDataLoss, "it has no sums");
  for (const Json& sum : sums->array()) {
    const std::int64_t stage = sum.IntAt("stage"), version = sum.IntAt("version");
    const Json* evidence = sum.Find("evidence");
    if (evidence == nullptr) return Error(Code::kDataLoss, "a sum without evidence");
    TENON_ASSIGN(const ArmEvidence arm, ArmEvidence::FromJson(*evidence));
    if (stage < 0 || stage >= static_cast<std::int64_t>(rollout->stages.size())) continue;
    StageEvidence& to = rollout->stages[static_cast<std::size_t>(stage)].evidence;
    if (version == rollout->champion) to.champion.Add(arm);
    if (version == rollout->challenger) to.challenger.Add(arm);
  }
  return {};
}

}  // namespace

Result<void> Rollouts::Keep(const Call& call, const Rollout& rollout, const char* event) {
  TENON_TRY(store_.PutRecord(kKind, rollout.endpoint, rollout.ToJson()));
  if (!rollout.running()) TENON_TRY(store_.PutRecord(kEnded, rollout.id, rollout.ToJson()));
  if (event == nullptr) return {};
  Json body;
  body["rollout"] = rollout.id;
  body["endpoint"] = rollout.endpoint;
  body["model"] = Str(rollout.model, "@", rollout.challenger);
  body["stage"] = rollout.stage;
  body["status"] = rollout.status;
  body["why"] = rollout.why;
  body["actor"] = call.actor;
  return store_.AddEvent(event, body);
}

Result<Rollout> Rollouts::Running(std::string_view endpoint) const {
  TENON_ASSIGN(auto found, Find(endpoint));
  if (!found || !found->running()) {
    return Error(Code::kFailedPrecondition,
                 Str("no rollout of ", endpoint, " is under way",
                     found ? Str("; ", found->id, " was ", found->status == "rolled_back" ? "rolled back" : found->status) : ""));
  }
  return *std::move(found);
}

Result<Rollout> Rollouts::Start(const Call& call, Rollout rollout, bool force) {
  if (rollout.challenger == rollout.champion) {
    return Error(Code::kFailedPrecondition, Str(rollout.model, "@", rollout.challenger, " is the champion already"));
  }
  const auto work = [&]() -> Result<void> {
    TENON_ASSIGN(auto before, Find(rollout.endpoint));
    if (before && before->running()) {
      return Error(Code::kFailedPrecondition, Str("the rollout of ", before->model, "@", before->challenger, " at ", rollout.endpoint,
                                                  " is under way; `tenon rollout promote` or `tenon rollout abort` ends it"));
    }
    registry::Registry registry(store_);
    TENON_TRY(registry.Promote(call, rollout.model, rollout.challenger, "challenger", force));
    rollout.started = rollout.since = call.Now();
    rollout.id = Str(rollout.endpoint, "-", rollout.challenger, "-", Stamp(rollout.started));
    rollout.status = "running";
    rollout.stage = 0;
    rollout.actor = call.actor;
    rollout.why = "started";
    rollout.stages.assign(1, {});
    rollout.stages[0].since = rollout.stages[0].until = rollout.started;
    return Keep(call, rollout, "rollout_started");
  };
  TENON_TRY(store_.Transaction(work));
  return rollout;
}

Result<std::optional<Rollout>> Rollouts::Find(std::string_view endpoint) const {
  TENON_ASSIGN(const auto record, store_.FindRecord(kKind, endpoint));
  if (!record) return std::optional<Rollout>();
  TENON_ASSIGN(Rollout rollout, Rollout::FromJson(record->body), Str("reading the rollout of ", endpoint));
  return std::optional<Rollout>(std::move(rollout));
}

Result<std::vector<Rollout>> Rollouts::All() const {
  std::vector<Rollout> out;
  TENON_ASSIGN(const auto now, store_.Records(kKind));
  TENON_ASSIGN(const auto ended, store_.Records(kEnded));
  for (const auto* records : {&now, &ended}) {
    for (const auto& record : *records) {
      TENON_ASSIGN(Rollout rollout, Rollout::FromJson(record.body), Str("reading ", record.name));
      if (std::ranges::find(out, rollout.id, &Rollout::id) == out.end()) out.push_back(std::move(rollout));
    }
  }
  std::ranges::sort(out, std::ranges::greater(), &Rollout::started);
  return out;
}

Result<std::int64_t> Rollouts::Revision(std::string_view endpoint) const {
  TENON_ASSIGN(const auto record, store_.FindRecord(kKind, endpoint));
  return record ? record->sequence : 0;
}

Result<void> Rollouts::Gather(Rollout* rollout, std::string* refused) const {
  for (Rollout::Passed& stage : rollout->stages) stage.evidence = {};
  const std::string folder = FolderOfSeen(store_.folder(), rollout->id);
  platform::Files& files = store_.files();
  if (!files.Exists(folder)) return {};
  TENON_ASSIGN(const auto names, files.List(folder));
  for (const std::string& name : names) {
    if (!name.ends_with(".json")) continue;
    TENON_ASSIGN(const std::string text, files.Read(platform::JoinPath(folder, name)));
    TENON_ASSIGN(const Json seen, Json::Parse(text, name));
    TENON_TRY(AddSeen(seen, rollout, refused), Str("reading ", platform::JoinPath(folder, name)));
  }
  return {};
}

Result<Decision> Rollouts::Judge(const Call& call, Rollout* rollout, const std::vector<std::string>& classes) const {
  std::string refused;
  TENON_TRY(Gather(rollout, &refused));
  TENON_TRY(JoinLabels(call, store_.files(), platform::JoinPath(store_.folder(), "inference"), classes, rollout));
  if (!refused.empty()) return Decision{Step::kRollBack, Str("refused: ", refused), {}};
  return Decide(rollout->spec, rollout->stage, rollout->since, call.Now(), rollout->Compared());
}

Result<Step> Rollouts::Look(const Call& call, std::string_view endpoint, const std::vector<std::string>& classes) {
  Step step = Step::kStay;
  const auto work = [&]() -> Result<void> {
    TENON_ASSIGN(auto rollout, Find(endpoint));
    if (!rollout || !rollout->running()) return {};
    registry::Registry aliases(store_);
    TENON_ASSIGN(const auto pointed, aliases.Aliases(rollout->model));
    for (const auto& [alias, version] : pointed) {
      if (alias != "champion" || version == rollout->champion) continue;
      rollout->status = "aborted";
      rollout->ended = call.Now();
      rollout->why = Str("version ", version, " became champion meanwhile");
      return Keep(call, *rollout, "rollout_aborted");
    }
    TENON_ASSIGN(const Decision decision, Judge(call, &*rollout, classes));
    rollout->Take(decision, call.Now());
    step = decision.step;
    if (step == Step::kPromote) {
      registry::Registry registry(store_);
      TENON_TRY(registry.Promote(call, rollout->model, rollout->challenger, "champion", true));
    }
    const char* event = step == Step::kAdvance ? "rollout_advanced" : step == Step::kPromote ? "rollout_promoted"
                        : step == Step::kRollBack ? "rollout_rolled_back" : nullptr;
    return Keep(call, *rollout, event);
  };
  TENON_TRY(store_.Transaction(work), Str("the rollout at ", endpoint));
  return step;
}

Result<Rollout> Rollouts::Promote(const Call& call, std::string_view endpoint, std::string_view why) {
  Rollout out;
  const auto work = [&]() -> Result<void> {
    TENON_ASSIGN(out, Running(endpoint));
    std::string refused;
    TENON_TRY(Gather(&out, &refused));
    if (!refused.empty()) return Error(Code::kFailedPrecondition, Str("a service refuses ", out.model, "@", out.challenger, ": ", refused));
    registry::Registry registry(store_);
    TENON_TRY(registry.Promote(call, out.model, out.challenger, "champion", true));
    out.status = "promoted";
    out.ended = call.Now();
    out.why = why;
    return Keep(call, out, "rollout_promoted");
  };
  TENON_TRY(store_.Transaction(work));
  return out;
}

Result<Rollout> Rollouts::Abort(const Call& call, std::string_view endpoint, std::string_view why) {
  Rollout out;
  const auto work = [&]() -> Result<void> {
    TENON_ASSIGN(out, Running(endpoint));
    std::string refused;
    TENON_TRY(Gather(&out, &refused));
    out.status = "aborted";
    out.ended = call.Now();
    out.why = why;
    return Keep(call, out, "rollout_aborted");
  };
  TENON_TRY(store_.Transaction(work));
  return out;
}

Result<void> Rollouts::WriteSeen(platform::Files& files, const std::string& data_folder, const std::string& rollout,
                                 const std::string& process, const std::vector<Tallies::Sum>& sums, const std::string& refused) {
  Json out;
  out["refused"] = refused;
  out["sums"] = Json::MakeArray();
  for (const Tallies::Sum& sum : sums) {
    if (sum.rollout != rollout) continue;
    Json row;
    row["stage"] = sum.stage;
    row["version"] = sum.version;
    row["evidence"] = sum.evidence.ToJson();
    out["sums"].Push(std::move(row));
  }
  const std::string folder = FolderOfSeen(data_folder, rollout);
  TENON_TRY(files.MakeFolders(folder));
  return files.Write(platform::JoinPath(folder, process + ".json"), out.Dump());
}

}  // namespace tenon::serve
