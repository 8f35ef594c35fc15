#include "pipeline/erase.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "base/text.h"
#include "dataset/erase.h"
#include "dataset/split.h"
#include "pipeline/clear_data.h"
#include "registry/registry.h"
#include "table/profile.h"

namespace tenon::pipeline {
namespace {

using store::Store;

constexpr std::string_view kSnapshot = "snapshot";
constexpr std::string_view kParts[] = {"train", "validation", "test", "unused"};

std::set<std::string> PacksOf(const Json& body) {
  std::set<std::string> out = {body.StringAt("artifact")};
  if (const Json* packs = body.Find("packs"); packs != nullptr && packs->is_array()) {
    for (const Json& pack : packs->array()) out.insert(pack.String());
  }
  return out;
}

// The same with other names of snapshots in it, however deep.
Json Renamed(const Json& json, const std::map<std::string, std::string>& names) {
  if (json.is_string()) {
    const auto at = names.find(json.String());
    return at == names.end() ? json : Json(at->second);
  }
  Json out = json;
  if (json.is_array()) {
    for (Json& one : out.array()) one = Renamed(one, names);
  } else if (json.is_object()) {
    for (auto& [name, one] : out.object()) one = Renamed(one, names);
  }
  return out;
}

class Erasing {
 public:
  Erasing(const Call& call, Store& store, dataset::Erased erased) : call_(call), store_(store), erased_(std::move(erased)) {
    plan_.column = erased_.column;
    plan_.texts = erased_.texts;
  }

  Result<void> Look() {
    TENON_ASSIGN(records_, store_.Records(kSnapshot));
    std::set<std::string> packs;
    for (std::size_t i = 0; i < records_.size(); ++i) {
      const Store::Record& record = records_[i];
      call_.Report("reading keys", static_cast<double>(i) / static_cast<double>(records_.size()));
      if (record.body.StringAt("source") != erased_.source) continue;
      TENON_ASSIGN(const auto snapshot, dataset::LoadSnapshot(call_, store_, record.name));
      std::vector<std::int64_t> rows = dataset::RowsOf(*snapshot, erased_);
      if (rows.empty()) continue;
      plan_.snapshots.push_back({record.name, static_cast<std::int64_t>(rows.size()), ""});
      packs.merge(PacksOf(record.body));
      found_.emplace(record.name, std::move(rows));
    }
    for (const Store::Record& record : records_) {
      const std::set<std::string> own = PacksOf(record.body);
      const bool shares = std::ranges::any_of(own, [&](const std::string& pack) { return packs.contains(pack); });
      if (shares) again_.insert(record.name);
      plan_.shared += shares && !found_.contains(record.name) ? 1 : 0;
    }
    TENON_ASSIGN(plan_.known, dataset::Remembered(store_, erased_));
    return Models();
  }

  Result<void> Apply() {
    if (!found_.empty() || !plan_.known) {
      TENON_TRY(StoreAgain());
      TENON_TRY(store_.Transaction([&] { return Records(); }), "writing down what was erased");
    }
    // What nothing names any more; also what a killed erasure left.
    KeepRule all;
    all.newest = std::numeric_limits<int>::max();
    TENON_ASSIGN(const ClearPlan rest, PlanClearing(call_, store_, all));
    plan_.bytes = rest.bytes;
    return ClearData(call_, store_, rest);
  }

  ErasePlan& plan() { return plan_; }

 private:
  Result<void> Models() {
    TENON_ASSIGN(const auto versions, store_.Records("model_version"));
    for (const Store::Record& record : versions) {
      TENON_ASSIGN(const auto version, registry::ModelVersion::FromJson(record.body));
      for (const auto& [hash, rows] : found_) {
        TENON_ASSIGN(const std::string part, PartMet(store_, version.lineage, hash, rows));
        if (!part.empty()) plan_.models.push_back({version.id(), part});
      }
    }
    return {};
  }

  // Artifacts first: records never name what is not there.
  Result<void> StoreAgain() {
    std::vector<std::string> like;
    for (const Store::Record& record : records_) {
      if (!again_.contains(record.name)) continue;
      TENON_TRY(call_.Check());
      TENON_ASSIGN(const auto snapshot, dataset::LoadSnapshot(call_, store_, record.name));
      const auto rows = found_.find(record.name);
      TENON_ASSIGN(dataset::Rewritten made, dataset::Rewrite(call_, store_, record, *snapshot, rows == found_.end() ? std::vector<std::int64_t>() : rows->second, like), record.name);
      if (!made.hash.empty()) like.insert(like.begin(), made.body.StringAt("artifact"));
      names_[record.name] = made.hash;
      made_.emplace(record.name, std::move(made));
    }
    for (ErasePlan::Snapshot& one : plan_.snapshots) one.becomes = names_[one.hash];
    return {};
  }

  Result<void> Records() {
    // In their order: the newest stays the newest.
    for (const Store::Record& record : records_) {
      const auto made = made_.find(record.name);
      if (made == made_.end()) {
        TENON_TRY(store_.PutRecord(kSnapshot, record.name, record.body));
        continue;
      }
      if (made->second.hash != record.name) {
        TENON_TRY(store_.RemoveRecord(kSnapshot, record.name));
        TENON_TRY(dataset::NoteRewritten(store_, record.name, made->second.hash, found_.at(record.name)));
      }
      if (!made->second.hash.empty()) TENON_TRY(store_.PutRecord(kSnapshot, made->second.hash, made->second.body));
    }
    TENON_TRY(Follow());
    TENON_ASSIGN(const auto steps, store_.Steps());
    for (const store::StepRecord& step : steps) TENON_TRY(store_.RemoveStep(step.key));
    plan_.steps = steps.size();
    TENON_TRY(dataset::Remember(call_, store_, erased_));
    return Audit();
  }

  // The state of the source, its history, and what was expected of it.
  Result<void> Follow() {
    for (const char* kind : {"source", "source_history", "validated"}) {
      TENON_ASSIGN(const auto record, store_.FindRecord(kind, erased_.source));
      if (!record) continue;
      Json body = Renamed(record->body, names_);
      if (std::string_view(kind) == "source" && body.StringAt("snapshot").empty()) {
        TENON_TRY(store_.RemoveRecord(kind, erased_.source));
        continue;
      }
      if (std::string_view(kind) == "validated") {
        TENON_TRY(Profiles(&body));
        if (Json* previous = body.is_object() && body.Find("previous") != nullptr ? &body["previous"] : nullptr; previous != nullptr && previous->is_object()) TENON_TRY(Profiles(previous));
      }
      TENON_TRY(store_.PutRecord(kind, erased_.source, body));
    }
    return {};
  }

  // The profile of a snapshot may hold values of its rows.
  Result<void> Profiles(Json* validated) {
    const std::string hash = validated->StringAt("snapshot");
    const auto made = std::ranges::find_if(made_, [&](const auto& one) { return one.second.hash == hash; });
    if (hash.empty() || made == made_.end()) return {};
    TENON_ASSIGN(const auto snapshot, dataset::LoadSnapshot(call_, store_, hash));
    TENON_ASSIGN(const table::Profile profile, table::ProfileOf(call_, snapshot->schema(), snapshot->batches()));
    TENON_ASSIGN((*validated)["profile"], store_.Put(profile.Save()));
    return {};
  }

  Result<void> Audit() {
    Json detail;
    detail["source"] = erased_.source;
    detail["column"] = erased_.column;
    detail["snapshots"] = Json::MakeArray();
    for (const ErasePlan::Snapshot& one : plan_.snapshots) {
      Json item;
      item["before"] = one.hash;
      item["after"] = one.becomes;
      item["rows"] = one.rows;
      detail["snapshots"].Push(std::move(item));
    }
    detail["models"] = Json::MakeArray();
    for (const ErasePlan::Model& one : plan_.models) {
      Json item;
      item["model"] = one.id;
      item["part"] = one.part;
      detail["models"].Push(std::move(item));
    }
    TENON_TRY(store_.AddEvent("data_erased", detail));
    Json audit;
    audit["at"] = call_.Now();
    audit["actor"] = call_.actor;
    audit["action"] = "data_erased";
    audit["object"] = erased_.source;
    audit["detail"] = std::move(detail);
    TENON_ASSIGN(const auto known, store_.Records("audit"));
    const auto before = std::ranges::count_if(known, [](const Store::Record& one) { return one.name.starts_with("erasure-"); });
    return store_.PutRecord("audit", Str("erasure-", before + 1), audit);
  }

  const Call& call_;
  Store& store_;
  dataset::Erased erased_;
  ErasePlan plan_;
  std::vector<Store::Record> records_;
  std::map<std::string, std::vector<std::int64_t>> found_;  // by snapshot
  std::set<std::string> again_;                             // snapshots that are stored again
  std::map<std::string, std::string> names_;                // old to new
  std::map<std::string, dataset::Rewritten> made_;          // by the old name
};

}  // namespace

Result<std::string> PartMet(const Store& store, const Json& lineage, const std::string& snapshot, const std::vector<std::int64_t>& rows) {
  TENON_ASSIGN(const dataset::Renamed now, dataset::NameNow(store, lineage.StringAt("snapshot")));
  if (now.hash != snapshot || snapshot.empty()) return std::string();
  const auto bytes = store.Get(lineage.StringAt("split"));
  if (!bytes) return "unknown";
  const auto split = dataset::Split::Load((*bytes)->view());
  if (!split) return "unknown";
  std::size_t strongest = 3;
  for (std::int64_t row : rows) {
    // The row's number when the model was made: before others went.
    for (auto gone = now.gone.rbegin(); gone != now.gone.rend(); ++gone) {
      for (const std::int64_t one : *gone) row += one <= row ? 1 : 0;
    }
    if (static_cast<std::size_t>(row) < split->part.size()) strongest = std::min(strongest, static_cast<std::size_t>(split->part[static_cast<std::size_t>(row)]));
  }
  return std::string(kParts[strongest]);
}

Result<ErasePlan> Erase(const Call& call, Store& store, const EraseWish& wish, bool apply) {
  if (wish.value.empty()) return Error(Code::kInvalidArgument, "which row? give the value of its key");
  TENON_ASSIGN(const auto records, store.Records(kSnapshot));
  const Store::Record* newest = nullptr;
  std::vector<std::string> sources;
  for (const Store::Record& record : records) {
    sources.push_back(record.body.StringAt("source"));
    if (sources.back() == wish.source) newest = &record;
  }
  if (newest == nullptr) return Error(Code::kNotFound, Str("no snapshot of source ", wish.source, sources.empty() ? "; nothing was read yet" : DidYouMean(wish.source, sources)));
  const Json* about = newest->body.Find("about");
  TENON_ASSIGN(dataset::Erased erased, dataset::ErasedOf(store, wish.source, about == nullptr ? Json() : *about, wish.column, wish.value));
  Erasing erasing(call, store, std::move(erased));
  TENON_TRY(erasing.Look());
  if (apply) TENON_TRY(erasing.Apply());
  return std::move(erasing.plan());
}

}  // namespace tenon::pipeline
