#include "dataset/snapshot.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "dataset/erase.h"
#include "dataset/keep_internal.h"
#include "dataset/rows_internal.h"
#include "dataset/sensitive.h"

namespace tenon::dataset {
namespace {

constexpr std::string_view kKind = "snapshot";
constexpr std::size_t kLeastPrefix = 6;
constexpr std::size_t kLike = 4;  // older snapshots that are looked at for equal parts

Json About(const ingest::SourceSpec& spec) {
  Json about = Json::MakeObject();
  about["source"] = spec.name;
  about["spec"] = spec.ToJson();
  about["key"] = spec.key;
  about["time"] = spec.time;
  about["group"] = spec.group;
  about["governance"] = spec.governance;
  return about;
}

Result<SnapshotPtr> FromArtifact(const store::Store& store, const std::string& hash, const Json& body) {
  TENON_ASSIGN(table::ColumnsFile file, OpenRows(store, body.StringAt("artifact")), Str("snapshot ", hash));
  const Json* about = body.Find("about");
  return SnapshotPtr(std::make_shared<const DatasetSnapshot>(hash, body.StringAt("source"), std::move(file.batches), std::move(file.schema),
                                                             about != nullptr ? *about : Json::MakeObject()));
}

// The rows of a record are all there, undamaged.
bool Whole(const store::Store& store, const Json& body) {
  if (!store.Get(body.StringAt("artifact"))) return false;
  const Json* packs = body.Find("packs");
  return packs == nullptr || std::ranges::all_of(packs->array(), [&](const Json& pack) { return store.Get(pack.String()).ok(); });
}

// What the new rows are likely to be like: what is left of themselves, then the newest of the same source.
Result<std::vector<std::string>> Like(const store::Store& store, const std::string& source, const std::optional<store::Store::Record>& known) {
  std::vector<std::string> out;
  if (known) {
    out.push_back(known->body.StringAt("artifact"));
    if (store.Get(out[0])) return out;
  }
  TENON_ASSIGN(const auto records, store.Records(kKind));
  for (auto it = records.rbegin(); it != records.rend() && out.size() < kLike; ++it) {
    if (it->body.StringAt("source") == source) out.push_back(it->body.StringAt("artifact"));
  }
  return out;
}

// Stores the rows and notes in the record's body where they are.
Result<void> Keep(const Call& call, const std::vector<table::Batch>& batches, const ingest::SourceSpec& spec,
                  const std::optional<store::Store::Record>& known, store::Store& store, Json* body) {
  const auto& schema = batches[0].shared_schema();
  TENON_ASSIGN(const std::vector<std::string> like, Like(store, spec.name, known));
  const std::vector<table::Batch> cut = CutByContent(schema, batches, spec.key.empty() ? spec.time : spec.key);
  TENON_ASSIGN(const Kept kept, KeepRows(call, schema, cut, like, store), "storing the rows");
  (*body)["artifact"] = kept.artifact;
  (*body)["packs"] = Json::ListOf(kept.packs);
  (*body)["bytes"] = kept.bytes;
  (*body)["added"] = kept.added;
  return {};
}

}  // namespace

DatasetSnapshot::DatasetSnapshot(std::string hash, std::string source, std::vector<table::Batch> batches,
                                 std::shared_ptr<const table::Schema> schema, Json about)
    : hash_(std::move(hash)), source_(std::move(source)), batches_(std::move(batches)), schema_(std::move(schema)), about_(std::move(about)) {
  for (const table::Batch& batch : batches_) rows_ += batch.rows();
}

Result<table::Column> DatasetSnapshot::Column(std::string_view name) const {
  TENON_ASSIGN(const int at, schema_->At(name));
  std::vector<table::Column> parts;
  for (const table::Batch& batch : batches_) parts.push_back(batch.column(at));
  if (parts.empty()) return table::ColumnBuilder((*schema_)[at].type, (*schema_)[at].width).Finish();
  return table::Column::Concat(parts);
}

Result<SnapshotPtr> Snapshot(const Call& call, table::BatchReader& rows, const ingest::SourceSpec& spec, store::Store& store, bool treated) {
  std::vector<table::Batch> batches;
  while (true) {
    TENON_ASSIGN(std::optional<table::Batch> batch, rows.Next(call), Str("reading source ", spec.name));
    if (!batch) break;
    batches.push_back(*std::move(batch));
  }
  if (batches.empty()) {
    return Error(Code::kInvalidArgument, Str("source ", spec.name, " has no rows", !spec.sql.empty() ? "; look at its `sql`" : spec.paths.empty() || spec.remote() ? "" : Str(": ", Join(spec.paths, ", "), " holds none but perhaps a head")));
  }
  if (!treated) {
    TENON_ASSIGN(batches, Treat(spec.sensitive, std::move(batches), store));
    TENON_ASSIGN(batches, LeaveOutErased(spec, std::move(batches), store));
    if (std::ranges::all_of(batches, [](const table::Batch& batch) { return batch.rows() == 0; })) {
      return Error(Code::kInvalidArgument, Str("source ", spec.name, " has no rows but such as were erased (`tenon data erase`)"));
    }
  }
  const std::shared_ptr<const table::Schema> schema = batches[0].shared_schema();
  TENON_ASSIGN(const std::string hash, HashOfTable(call, *schema, batches), "hashing the rows");
  Json body = Json::MakeObject();
  std::int64_t count = 0;
  for (const table::Batch& batch : batches) count += batch.rows();
  // The values may be there already, written with other batches: what is there stays.
  TENON_ASSIGN(auto known, store.FindRecord(kKind, hash));
  if (known && Whole(store, known->body)) {
    for (const char* name : {"artifact", "packs", "bytes", "added"}) {
      if (const Json* value = known->body.Find(name)) body[name] = *value;
    }
  } else {
    TENON_TRY(Keep(call, batches, spec, known, store, &body));
  }
  body["source"] = spec.name;
  body["rows"] = count;
  body["schema"] = schema->ToJson();
  body["about"] = About(spec);
  if (const Json* offsets = known ? known->body.Find("offsets") : nullptr; offsets != nullptr) body["offsets"] = *offsets;
  if (!known || !(known->body == body)) TENON_TRY(store.PutRecord(kKind, hash, body));
  return FromArtifact(store, hash, body);
}

Result<Json> ArtifactsOf(const store::Store& store, std::string_view hash) {
  TENON_ASSIGN(auto record, store.FindRecord(kKind, hash));
  if (!record) return Error(Code::kNotFound, Str("no snapshot ", hash));
  Json out;
  out["rows"] = record->body.StringAt("artifact");
  if (const Json* packs = record->body.Find("packs")) {
    for (std::size_t i = 0; i < packs->array().size(); ++i) out[Str("rows.", i + 1)] = packs->array()[i];
  }
  return out;
}

Result<SnapshotPtr> LoadSnapshot(const Call& call, const store::Store& store, std::string_view hash) {
  TENON_TRY(call.Check());
  if (hash.size() < kLeastPrefix) {
    return Error(Code::kInvalidArgument, Str("'", hash, "' is too short for a snapshot's hash; give at least ", kLeastPrefix, " digits"));
  }
  TENON_ASSIGN(auto exact, store.FindRecord(kKind, hash));
  if (exact) return FromArtifact(store, exact->name, exact->body);
  TENON_ASSIGN(auto records, store.Records(kKind));
  std::erase_if(records, [&](const auto& record) { return !record.name.starts_with(hash); });
  if (records.empty()) {
    TENON_ASSIGN(const Renamed now, NameNow(store, std::string(hash)));
    if (now.gone.empty()) return Error(Code::kNotFound, Str("no snapshot ", hash));
    return Error(Code::kNotFound, now.hash.empty() ? Str("no snapshot ", hash, ": all of its rows were erased (`tenon data erase`)")
                                                   : Str("no snapshot ", hash, ": rows of it were erased (`tenon data erase`), and what is left is snapshot ", now.hash));
  }
  if (records.size() > 1) {
    return Error(Code::kInvalidArgument, Str("'", hash, "' fits ", records.size(), " snapshots, such as ", records[0].name, " and ", records[1].name));
  }
  return FromArtifact(store, records[0].name, records[0].body);
}

SnapshotPtr InMemory(std::vector<table::Batch> batches, std::string source) {
  auto schema = batches.empty() ? std::make_shared<const table::Schema>() : batches[0].shared_schema();
  // A default Call never stops, so hashing cannot fail.
  auto hash = HashOfTable(Call(), *schema, batches);
  Json about = Json::MakeObject();
  about["source"] = source;
  return std::make_shared<const DatasetSnapshot>(hash.ok() ? *hash : "", std::move(source), std::move(batches), std::move(schema), std::move(about));
}

}  // namespace tenon::dataset
