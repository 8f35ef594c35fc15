#include "pipeline/lineage.h"

#include <algorithm>
#include <numeric>

#include "base/text.h"
#include "dataset/erase.h"
#include "dataset/snapshot.h"
#include "model/bundle.h"
#include "pipeline/erase.h"
#include "registry/registry.h"

namespace tenon::pipeline {
namespace {

using registry::ModelVersion;
using store::Store;

Json Summary(const Store::Record& snapshot) {
  const Json* about = snapshot.body.Find("about");
  Json out;
  out["hash"] = snapshot.name;
  out["source"] = snapshot.body.StringAt("source");
  out["rows"] = snapshot.body.IntAt("rows");
  out["at"] = FormatTimestamp(snapshot.at);
  if (about == nullptr) return out;
  out["key"] = about->StringAt("key");
  if (const Json* spec = about->Find("spec"); spec != nullptr && spec->Find("read") != nullptr) out["read"] = *spec->Find("read");
  if (const Json* governance = about->Find("governance"); governance != nullptr && !governance->is_null()) out["governance"] = *governance;
  return out;
}

bool HasColumn(const Store::Record& snapshot, std::string_view column) {
  const Json* schema = snapshot.body.Find("schema");
  return schema != nullptr && schema->is_array() && std::ranges::any_of(schema->array(), [&](const Json& field) { return field.StringAt("name") == column; });
}

class Answer {
 public:
  Answer(const Call& call, Store& store) : call_(call), store_(store), registry_(store) {}

  Result<void> Load() {
    TENON_ASSIGN(snapshots_, store_.Records("snapshot"));
    TENON_ASSIGN(const std::vector<Store::Record> versions, store_.Records("model_version"));
    for (const Store::Record& record : versions) {
      TENON_ASSIGN(ModelVersion version, ModelVersion::FromJson(record.body));
      versions_.push_back(std::move(version));
    }
    return {};
  }

  Result<Json> OfName(const std::string& name) {
    auto version = registry_.Resolve(name);
    if (version) return OfModel(*version);
    if (name.size() >= 6 && name.find('@') == std::string::npos) {
      std::vector<const Store::Record*> fits;
      for (const Store::Record& snapshot : snapshots_) {
        if (snapshot.name.starts_with(name)) fits.push_back(&snapshot);
      }
      if (fits.size() > 1) return Error(Code::kInvalidArgument, Str("'", name, "' fits ", fits.size(), " snapshots; give more digits"));
      if (!fits.empty()) return OfSnapshot(*fits[0]);
    }
    return std::move(version).error();
  }

  Result<Json> OfModel(const ModelVersion& version) {
    Json out;
    out["model"] = version.id();
    out["aliases"] = Json::MakeArray();
    TENON_ASSIGN(const auto aliases, registry_.Aliases(version.name));
    for (const auto& [alias, number] : aliases) {
      if (number == version.version) out["aliases"].Push(Json(alias));
    }
    out["created"] = FormatTimestamp(version.created);
    out["author"] = version.author;
    out["gates_passed"] = version.gates_passed;
    out["lineage"] = version.lineage;
    TENON_ASSIGN(const dataset::Renamed now, dataset::NameNow(store_, version.lineage.StringAt("snapshot")));
    if (!now.gone.empty()) out["rows_erased_since"] = static_cast<std::int64_t>(std::accumulate(now.gone.begin(), now.gone.end(), std::size_t{0}, [](std::size_t sum, const auto& gone) { return sum + gone.size(); }));
    for (const Store::Record& snapshot : snapshots_) {
      if (snapshot.name == now.hash) out["snapshot"] = Summary(snapshot);
    }
    TENON_ASSIGN(out["inputs"], InputsOf(version));
    return out;
  }

  Json OfSnapshot(const Store::Record& snapshot) const {
    Json out;
    out["snapshot"] = Summary(snapshot);
    out["columns"] = Json::MakeArray();
    if (const Json* schema = snapshot.body.Find("schema"); schema != nullptr && schema->is_array()) {
      for (const Json& field : schema->array()) out["columns"].Push(Json(field.StringAt("name")));
    }
    out["models"] = ModelsFrom(snapshot.name);
    return out;
  }

  Result<Json> OfColumn(const std::string& column) {
    Json out;
    out["column"] = column;
    out["snapshots"] = Json::MakeArray();
    std::vector<std::string> names;
    for (const Store::Record& snapshot : snapshots_) {
      if (HasColumn(snapshot, column)) out["snapshots"].Push(Json(snapshot.name));
      if (const Json* schema = snapshot.body.Find("schema"); schema != nullptr && schema->is_array()) {
        for (const Json& field : schema->array()) names.push_back(field.StringAt("name"));
      }
    }
    out["models"] = Json::MakeArray();
    for (const ModelVersion& version : versions_) {
      TENON_ASSIGN(const Json inputs, InputsOf(version));
      const bool reads = std::ranges::any_of(inputs.array(), [&](const Json& input) { return input.String() == column; });
      const bool saw = std::ranges::any_of(snapshots_, [&](const Store::Record& snapshot) { return snapshot.name == version.lineage.StringAt("snapshot") && HasColumn(snapshot, column); });
      if (!reads && !saw) continue;
      Json row;
      row["model"] = version.id();
      row["reads"] = reads;
      out["models"].Push(std::move(row));
    }
    if (out["snapshots"].array().empty() && out["models"].array().empty()) return Error(Code::kNotFound, Str("no snapshot has a column '", column, "'", DidYouMean(column, names)));
    return out;
  }

  Result<Json> OfKey(const std::string& key) {
    Json out;
    out["key"] = key;
    out["snapshots"] = Json::MakeArray();
    out["models"] = Json::MakeArray();
    bool any_key = false;
    for (std::size_t i = 0; i < snapshots_.size(); ++i) {
      const Store::Record& record = snapshots_[i];
      call_.Report("reading keys", static_cast<double>(i) / static_cast<double>(snapshots_.size()));
      const Json* about = record.body.Find("about");
      const std::string name = about == nullptr ? "" : about->StringAt("key");
      if (name.empty() || !HasColumn(record, name)) continue;
      any_key = true;
      TENON_ASSIGN(const auto snapshot, dataset::LoadSnapshot(call_, store_, record.name));
      TENON_ASSIGN(const dataset::Erased wanted, dataset::ErasedOf(store_, record.body.StringAt("source"), *about, name, key));
      TENON_ASSIGN(const bool erased, dataset::Remembered(store_, wanted));
      if (erased) out["erased"] = true;
      const std::vector<std::int64_t> rows = dataset::RowsOf(*snapshot, wanted);
      if (rows.empty()) continue;
      Json one = Summary(record);
      one["rows_of_key"] = static_cast<std::int64_t>(rows.size());
      out["snapshots"].Push(std::move(one));
      for (const ModelVersion& version : versions_) {
        TENON_ASSIGN(const std::string part, PartMet(store_, version.lineage, record.name, rows));
        if (part.empty()) continue;
        Json row;
        row["model"] = version.id();
        row["part"] = part;
        out["models"].Push(std::move(row));
      }
    }
    if (!any_key) return Error(Code::kInvalidArgument, "no source has a key: set `key:` of the data, the column that names a row, and run again");
    return out;
  }

 private:
  Json ModelsFrom(const std::string& snapshot) const {
    Json out = Json::MakeArray();
    for (const ModelVersion& version : versions_) {
      const auto now = dataset::NameNow(store_, version.lineage.StringAt("snapshot"));
      if (now.ok() && now->hash == snapshot) out.Push(Json(version.id()));
    }
    return out;
  }

  Result<Json> InputsOf(const ModelVersion& version) {
    Json out = Json::MakeArray();
    TENON_ASSIGN(auto bytes, store_.Get(version.bundle), version.id());
    TENON_ASSIGN(const auto bundle, model::Bundle::Open(bytes), version.id());
    if (const Json* inputs = bundle->manifest().Find("inputs"); inputs != nullptr && inputs->is_array()) {
      for (const Json& input : inputs->array()) out.Push(Json(input.StringAt("name")));
    }
    return out;
  }

  const Call& call_;
  Store& store_;
  registry::Registry registry_;
  std::vector<Store::Record> snapshots_;
  std::vector<ModelVersion> versions_;
};

}  // namespace

Result<Json> LineageOf(const Call& call, Store& store, const LineageQuestion& question) {
  Answer answer(call, store);
  TENON_TRY(answer.Load());
  if (!question.column.empty()) return answer.OfColumn(question.column);
  if (!question.key.empty()) return answer.OfKey(question.key);
  return answer.OfName(question.name);
}

}  // namespace tenon::pipeline
