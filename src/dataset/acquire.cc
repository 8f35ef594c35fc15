#include "dataset/acquire.h"

#include <algorithm>
#include <map>
#include <unordered_set>
#include <utility>

#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"
#include "dataset/erase.h"
#include "dataset/evolve.h"
#include "dataset/offsets_internal.h"
#include "dataset/rows_internal.h"
#include "dataset/sensitive.h"
#include "ingest/place.h"

namespace tenon::dataset {
namespace {

using table::Batch;
using table::Schema;
using table::Type;

constexpr std::string_view kKind = "source";
constexpr std::int64_t kBatchRows = 65536;

struct Table {
  std::shared_ptr<const Schema> schema;
  std::vector<Batch> batches;
  std::string library;
  std::string position = {};  // up to where was read (ingest::PositionOf)
  std::int64_t Rows() const {
    std::int64_t rows = 0;
    for (const Batch& batch : batches) rows += batch.rows();
    return rows;
  }
};

Result<Table> ReadTable(const Call& call, const ingest::SourceSpec& spec, const Kinds<ingest::Reader>& kinds, store::Store& store) {
  TENON_ASSIGN(auto reader, ingest::Read(call, spec, kinds));
  Table out{reader->schema(), {}, ""};
  while (true) {
    TENON_ASSIGN(std::optional<Batch> batch, reader->Next(call), Str("reading source ", spec.name));
    if (!batch) break;
    out.batches.push_back(*std::move(batch));
  }
  out.library = reader->library();
  out.position = ingest::PositionOf(*reader);
  // What is appended to is treated already, so what is new is before they meet.
  if (!out.batches.empty()) {
    TENON_ASSIGN(out.batches, Treat(spec.sensitive, std::move(out.batches), store), Str("source ", spec.name));
    TENON_ASSIGN(out.batches, LeaveOutErased(spec, std::move(out.batches), store));
    out.schema = out.batches[0].shared_schema();
  }
  return out;
}

bool Empty(const Table& rows, int column) {
  return std::ranges::all_of(rows.batches, [&](const Batch& batch) { return batch.column(column).null_count() == batch.rows(); });
}

// Texts that look like numbers or times in the new rows alone are read as the texts they were before; a column without a
// value has the type it had.
Result<Table> ReadLike(const Call& call, ingest::SourceSpec spec, const Kinds<ingest::Reader>& kinds, store::Store& store, const Schema& before) {
  TENON_ASSIGN(Table rows, ReadTable(call, spec, kinds, store));
  bool again = false;
  std::vector<table::Field> fields = rows.schema->fields();
  for (int i = 0; i < rows.schema->size(); ++i) {
    const int at = before.Find((*rows.schema)[i].name);
    if (at < 0 || before[at].type == (*rows.schema)[i].type) continue;
    if (Empty(rows, i)) {
      fields[static_cast<std::size_t>(i)] = before[at];
    } else if (before[at].type == Type::kString && !spec.remote()) {
      std::string written = before[at].name;  // as the file has it
      for (const auto& [name, old] : spec.renames) written = name == written ? old : written;
      spec.types.emplace_back(std::move(written), "string");
      again = true;
    }
  }
  if (again) return ReadLike(call, std::move(spec), kinds, store, before);
  auto schema = std::make_shared<const Schema>(std::move(fields));
  for (Batch& batch : rows.batches) batch = InSchema(batch, schema, spec);
  rows.schema = std::move(schema);
  return rows;
}

// Many small batches become few; large ones stay as they are, so that what is stored of them stays.
void Compact(std::vector<Batch>* batches) {
  std::vector<Batch> out;
  std::vector<Batch> small;
  std::int64_t rows = 0;
  const auto flush = [&] {
    if (!small.empty()) out.push_back(small.size() == 1 ? small[0] : Batch::Concat(small));
    small.clear();
    rows = 0;
  };
  for (Batch& batch : *batches) {
    if (rows + batch.rows() > kBatchRows) flush();
    rows += batch.rows();
    small.push_back(std::move(batch));
  }
  flush();
  *batches = std::move(out);
}

Result<void> Append(const Table& fresh, const ingest::SourceSpec& spec, Table* all) {
  TENON_ASSIGN(Schema schema, Evolve(*all->schema, *fresh.schema, spec));
  all->schema = std::make_shared<const Schema>(std::move(schema));
  for (Batch& batch : all->batches) batch = InSchema(batch, all->schema, spec);
  for (const Batch& batch : fresh.batches) all->batches.push_back(InSchema(batch, all->schema, spec));
  return {};
}

Json Describe(const std::string& path, const platform::FileInfo& info, std::string_view bytes) {
  Json out;
  out["path"] = path;
  out["bytes"] = info.bytes;
  out["modified"] = info.modified;
  out["hash"] = HashOf(bytes);
  return out;
}

// The files of a source against those that were read.
struct Listing {
  Json files = Json::MakeArray();   // as the record keeps them, also those that are gone
  std::vector<std::string> fresh;
  std::vector<std::string> gone;
  std::string changed;              // one that is not what it was
};

Result<Listing> Look(const ingest::SourceSpec& spec, const store::Store& store, const Json* known) {
  Listing out;
  std::map<std::string, const Json*> before;
  if (known != nullptr) {
    for (const Json& file : known->array()) before.emplace(file.StringAt("path"), &file);
  }
  TENON_ASSIGN(const std::vector<std::string> found, ingest::FindFiles(spec), Str("source ", spec.name));
  for (const std::string& path : found) {
    TENON_ASSIGN(const platform::FileInfo info, store.files().Info(path));
    const auto at = before.find(path);
    const Json* was = at == before.end() ? nullptr : at->second;
    if (was != nullptr) before.erase(at);
    if (was != nullptr && was->IntAt("bytes") == static_cast<std::int64_t>(info.bytes) && was->IntAt("modified") == info.modified) {
      out.files.Push(*was);
      continue;
    }
    TENON_ASSIGN(auto bytes, store.files().Map(path));
    Json now = Describe(path, info, bytes->view());
    if (was == nullptr) {
      out.fresh.push_back(path);
    } else if (was->StringAt("hash") != now.StringAt("hash")) {
      out.changed = path;
    }
    out.files.Push(std::move(now));
  }
  for (const auto& [path, file] : before) {
    out.gone.push_back(path);
    out.files.Push(*file);
  }
  return out;
}

std::string Literal(const table::Column& column, std::int64_t row, std::chrono::microseconds overlap) {
  const auto at = static_cast<std::size_t>(row);
  switch (column.type()) {
    case Type::kTimestamp: return Str("'", FormatTimestamp(column.ints()[at] - overlap.count()), "'::timestamp");
    case Type::kInt64: return Str(column.ints()[at]);
    case Type::kFloat64: return Str("'", column.doubles()[at], "'::float8");
    default: {
      std::string out = "'";
      for (const char c : column.Text(row)) out += c == '\'' ? "''" : std::string(1, c);
      return out + "'";
    }
  }
}

bool Below(const table::Column& column, std::int64_t row, const table::Column& other, std::int64_t at, std::int64_t less) {
  switch (column.type()) {
    case Type::kTimestamp: return column.ints()[static_cast<std::size_t>(row)] < other.ints()[static_cast<std::size_t>(at)] - less;
    case Type::kInt64: return column.ints()[static_cast<std::size_t>(row)] < other.ints()[static_cast<std::size_t>(at)];
    case Type::kFloat64: return column.doubles()[static_cast<std::size_t>(row)] < other.doubles()[static_cast<std::size_t>(at)];
    default: return column.Text(row) < other.Text(at);
  }
}

class Acquiring {
 public:
  Acquiring(const Call& call, const ingest::SourceSpec& spec, const Kinds<ingest::Reader>& kinds, store::Store& store)
      : call_(call), spec_(spec), kinds_(kinds), store_(store), settings_(HashOf(spec.ToJson().Canonical())) {}

  Result<Acquired> Run(bool full) {
    TENON_ASSIGN(auto record, store_.FindRecord(kKind, spec_.name));
    if (record && (full || record->body.StringAt("settings") != settings_)) record.reset();
    SnapshotPtr before;
    if (record && spec_.incremental()) {
      TENON_ASSIGN(before, LoadSnapshot(call_, store_, record->body.StringAt("snapshot")), Str("what was read of source ", spec_.name, " before"));
    }
    if (spec_.grows) {
      TENON_TRY(Files(before, record ? record->body.Find("files") : nullptr));
    } else if (before != nullptr && spec_.watermark == kOffset) {
      TENON_TRY(NewRecords(*before, record->body.Find("offsets")));
    } else if (before != nullptr && !spec_.watermark.empty()) {
      TENON_TRY(Newer(*before));
    } else {
      TENON_ASSIGN(all_, ReadTable(call_, spec_, kinds_, store_));
      out_.read = all_.Rows();
    }
    if (OfTopic(spec_)) SortByPlace(&all_.batches);
    if (spec_.incremental()) Compact(&all_.batches);
    auto reader = table::ReaderOver(all_.schema, std::move(all_.batches));
    TENON_ASSIGN(out_.snapshot, Snapshot(call_, *reader, spec_, store_, true));
    out_.library = all_.library;
    Json body;
    body["settings"] = settings_;
    body["snapshot"] = out_.snapshot->hash();
    body["files"] = std::move(files_);
    if (OfTopic(spec_)) {
      body["offsets"] = OffsetsOf(out_.snapshot->schema(), out_.snapshot->batches(), before != nullptr ? record->body.Find("offsets") : nullptr, all_.position);
      TENON_TRY(NoteOffsets(store_, out_.snapshot->hash(), *body.Find("offsets")));
    }
    if (!record || !(record->body == body)) TENON_TRY(store_.PutRecord(kKind, spec_.name, body));
    TENON_TRY(Promise());
    return std::move(out_);
  }

 private:
  Result<void> Files(const SnapshotPtr& before, const Json* known) {
    TENON_ASSIGN(Listing found, Look(spec_, store_, before != nullptr ? known : nullptr));
    SnapshotPtr from = before;
    if (!found.changed.empty()) {
      out_.said.push_back(Str(found.changed, " is not what it was: all files are read again"));
      from = nullptr;
      TENON_ASSIGN(found, Look(spec_, store_, nullptr));
    }
    for (const std::string& path : found.gone) out_.said.push_back(Str(path, " is gone; its rows stay"));
    out_.whole = from == nullptr;
    if (from != nullptr) all_ = {from->shared_schema(), from->batches(), ""};
    for (const std::string& path : found.fresh) {
      ingest::SourceSpec one = spec_;
      one.files = {path};
      Table rows;
      if (all_.schema == nullptr) {
        TENON_ASSIGN(rows, ReadTable(call_, one, kinds_, store_), path);
        out_.read += rows.Rows();
        all_ = std::move(rows);
        continue;
      }
      TENON_ASSIGN(rows, ReadLike(call_, one, kinds_, store_, *all_.schema), path);
      out_.read += rows.Rows();
      TENON_TRY(Append(rows, spec_, &all_), path);
      all_.library = rows.library;
    }
    files_ = std::move(found.files);
    return {};
  }

  // Of a topic: what stands behind the last record of each partition that was read.
  Result<void> NewRecords(const DatasetSnapshot& before, const Json* known) {
    TENON_TRY(before.schema().At(kPartition), "incremental");
    TENON_TRY(before.schema().At(kOffset), "incremental");
    ingest::SourceSpec one = spec_;
    one.since = SinceOf(OffsetsOf(before.schema(), before.batches(), known));
    TENON_ASSIGN(Table fresh, ReadLike(call_, one, kinds_, store_, before.schema()));
    out_.read = fresh.Rows();
    out_.whole = false;
    all_ = {before.shared_schema(), before.batches(), ""};
    all_.position = fresh.position;
    return fresh.batches.empty() ? Result<void>() : Append(fresh, spec_, &all_);
  }

  Result<void> Newer(const DatasetSnapshot& before) {
    TENON_ASSIGN(const int column, before.schema().At(spec_.watermark), "incremental.by");
    if (spec_.overlap.count() != 0 && before.schema()[column].type != Type::kTimestamp) {
      return Error(Code::kInvalidArgument, Str("incremental.overlap: '", spec_.watermark, "' is ", table::NameOf(before.schema()[column].type), ", no time"));
    }
    const table::Column* highest = nullptr;
    std::int64_t at = -1;
    for (const Batch& batch : before.batches()) {
      const table::Column& values = batch.column(column);
      for (std::int64_t i = 0; i < values.size(); ++i) {
        if (values.IsNull(i) || (highest != nullptr && !Below(*highest, at, values, i, 0))) continue;
        highest = &values;
        at = i;
      }
    }
    ingest::SourceSpec one = spec_;
    if (highest != nullptr) one.since = Literal(*highest, at, spec_.overlap);
    TENON_ASSIGN(Table fresh, ReadLike(call_, one, kinds_, store_, before.schema()));
    out_.read = fresh.Rows();
    out_.whole = highest == nullptr;
    all_ = {before.shared_schema(), {}, ""};
    if (highest != nullptr) Keep(before, fresh, column, *highest, at);
    return fresh.batches.empty() ? Result<void>() : Append(fresh, spec_, &all_);
  }

  // The rows below the point that was read from, whose key does not come again. Rows without the watermark were read again.
  void Keep(const DatasetSnapshot& before, const Table& fresh, int column, const table::Column& highest, std::int64_t at) {
    std::unordered_set<std::uint64_t> keys;
    const int key = spec_.key.empty() ? -1 : before.schema().Find(spec_.key);
    const int fresh_key = key < 0 ? -1 : fresh.schema->Find(spec_.key);
    if (fresh_key >= 0) {
      for (const std::uint64_t hash : HashRows(fresh.batches, {fresh_key}, 0)) keys.insert(hash);
    }
    for (const Batch& batch : before.batches()) {
      const table::Column& values = batch.column(column);
      const std::vector<std::uint64_t> hashes = keys.empty() ? std::vector<std::uint64_t>() : HashRows({batch}, {key}, 0);
      std::vector<std::int64_t> kept;
      for (std::int64_t i = 0; i < batch.rows(); ++i) {
        const bool below = !values.IsNull(i) && Below(values, i, highest, at, spec_.overlap.count());
        if (below && (hashes.empty() || !keys.contains(hashes[static_cast<std::size_t>(i)]))) kept.push_back(i);
      }
      if (kept.size() == static_cast<std::size_t>(batch.rows())) {
        all_.batches.push_back(batch);
      } else if (!kept.empty()) {
        all_.batches.push_back(batch.Take(kept));
      }
    }
  }

  // The freshness that was promised against the newest row.
  Result<void> Promise() {
    const std::string promise = spec_.governance.StringAt("freshness");
    if (promise.empty() || spec_.time.empty()) return {};
    TENON_ASSIGN(const std::chrono::microseconds length, ParseDuration(promise));
    TENON_ASSIGN(const table::Column times, out_.snapshot->Column(spec_.time));
    if (times.type() != Type::kTimestamp) return {};
    std::optional<std::int64_t> newest;
    for (std::int64_t i = 0; i < times.size(); ++i) {
      if (!times.IsNull(i)) newest = std::max(newest.value_or(times.ints()[static_cast<std::size_t>(i)]), times.ints()[static_cast<std::size_t>(i)]);
    }
    if (newest && call_.Now() - *newest > length.count()) {
      out_.said.push_back(Str("source ", spec_.name, " is stale: its newest row is of ", FormatTimestamp(*newest), ", promised were ", promise));
    }
    return {};
  }

  const Call& call_;
  const ingest::SourceSpec& spec_;
  const Kinds<ingest::Reader>& kinds_;
  store::Store& store_;
  std::string settings_;
  Table all_;
  Json files_ = Json::MakeArray();
  Acquired out_;
};

}  // namespace

Result<Acquired> Acquire(const Call& call, const ingest::SourceSpec& spec, const Kinds<ingest::Reader>& kinds, store::Store& store, bool full) {
  return Acquiring(call, spec, kinds, store).Run(full);
}

}  // namespace tenon::dataset
