#include "pipeline/lineage.h"

#include <algorithm>

#include "base/text.h"
#include "dataset/snapshot.h"
#include "dataset/split.h"
#include "model/bundle.h"
#include "registry/registry.h"

namespace tenon::pipeline {
namespace {

using registry::ModelVersion;
using store::Store;

constexpr std::string_view kParts[] = {"train", "validation", "test", "unused"};

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
    const std::string hash = version.lineage.StringAt("snapshot");
    for (const Store::Record& snapshot : snapshots_) {
      if (snapshot.name == hash) out["snapshot"] = Summary(snapshot);
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
      TENON_ASSIGN(const table::Column column, snapshot->Column(name));
      std::vector<std::int64_t> rows;
      for (std::int64_t row = 0; row < snapshot->rows(); ++row) {
        if ((row & 65535) == 0) TENON_TRY(call_.Check());
        if (!column.IsNull(row) && TextOf(column, row) == key) rows.push_back(row);
      }
      if (rows.empty()) continue;
      Json one = Summary(record);
      one["rows_of_key"] = static_cast<std::int64_t>(rows.size());
      out["snapshots"].Push(std::move(one));
      for (const ModelVersion& version : versions_) {
        if (version.lineage.StringAt("snapshot") != record.name) continue;
        Json row;
        row["model"] = version.id();
        row["part"] = PartOf(version, rows);
        out["models"].Push(std::move(row));
      }
    }
    if (!any_key) return Error(Code::kInvalidArgument, "no source has a key: set `key:` of the data, the column that names a row, and run again");
    return out;
  }

 private:
  static std::string TextOf(const table::Column& column, std::int64_t row) {
    if (column.type() == table::Type::kString) return std::string(column.Text(row));
    const Json value = column.ValueAt(row);
    return value.is_string() ? value.String() : value.Dump();
  }

  // Where the model met the rows: the strongest of train, validation, test.
  std::string PartOf(const ModelVersion& version, const std::vector<std::int64_t>& rows) const {
    auto bytes = store_.Get(version.lineage.StringAt("split"));
    if (!bytes) return "unknown";
    auto split = dataset::Split::Load((*bytes)->view());
    if (!split) return "unknown";
    std::size_t strongest = 3;
    for (const std::int64_t row : rows) {
      if (static_cast<std::size_t>(row) < split->part.size()) strongest = std::min(strongest, static_cast<std::size_t>(split->part[static_cast<std::size_t>(row)]));
    }
    return std::string(kParts[strongest]);
  }

  Json ModelsFrom(const std::string& snapshot) const {
    Json out = Json::MakeArray();
    for (const ModelVersion& version : versions_) {
      if (version.lineage.StringAt("snapshot") == snapshot) out.Push(Json(version.id()));
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
