#include "dataset/erase.h"

#include <algorithm>
#include <unordered_set>

#include "base/hash.h"
#include "base/text.h"
#include "dataset/keep_internal.h"
#include "dataset/rows_internal.h"
#include "dataset/sensitive.h"

namespace tenon::dataset {
namespace {

using table::Batch;
using table::Column;

constexpr std::string_view kKind = "erased";
constexpr std::string_view kRewritten = "snapshot_rewritten";
constexpr int kMostTimes = 100'000;  // that a snapshot was rewritten

std::string MarkOf(std::string_view key, std::string_view column, std::string_view text) { return KeyedHash(key, Str("erased ", column, " ", text)); }

using Renames = std::vector<std::pair<std::string, std::string>>;  // new, old: as SourceSpec has them

Renames RenamesOf(const Json& about) {
  Renames out;
  const Json* spec = about.Find("spec");
  const Json* renames = spec != nullptr && spec->is_object() ? spec->Find("rename") : nullptr;
  if (renames == nullptr || !renames->is_object()) return out;
  for (const auto& [name, old] : renames->object()) {
    if (old.is_string()) out.emplace_back(name, old.String());
  }
  return out;
}

// A column and the names it had or has, itself first.
std::vector<std::string> NamesOf(const std::string& column, const Renames& renames) {
  std::vector<std::string> out = {column};
  for (std::size_t i = 0; i < out.size(); ++i) {
    for (const auto& [name, old] : renames) {
      if (name != out[i] && old != out[i]) continue;
      const std::string& other = name == out[i] ? old : name;
      if (std::ranges::find(out, other) == out.end()) out.push_back(other);
    }
  }
  return out;
}

// The first of the names that there is; -1: none.
int FindAny(const table::Schema& schema, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (const int at = schema.Find(name); at >= 0) return at;
  }
  return -1;
}

// The marks of a source by column.
Result<std::vector<std::pair<std::string, std::unordered_set<std::string>>>> MarksOf(const store::Store& store, const std::string& source) {
  std::vector<std::pair<std::string, std::unordered_set<std::string>>> out;
  TENON_ASSIGN(const auto records, store.Records(kKind));
  for (const auto& record : records) {
    if (record.body.StringAt("source") != source) continue;
    const std::string column = record.body.StringAt("column");
    auto at = std::ranges::find(out, column, [](const auto& one) { return one.first; });
    if (at == out.end()) at = out.insert(out.end(), {column, {}});
    at->second.insert(record.body.StringAt("mark"));
  }
  return out;
}

}  // namespace

Result<Erased> ErasedOf(store::Store& store, const std::string& source, const Json& about, const std::string& column, const std::string& value) {
  Erased out{source, column.empty() ? about.StringAt("key") : column, {value}};
  if (out.column.empty()) {
    return Error(Code::kInvalidArgument, Str("source ", source, " has no key: set `key:` of the data, the column that names a row, or say by which column (--column)"));
  }
  out.also = NamesOf(out.column, RenamesOf(about));
  out.also.erase(out.also.begin());
  const ingest::Sensitive sensitive = SensitiveOf(about);
  const auto at = sensitive.find(out.column);
  if (at == sensitive.end() || at->second != ingest::Treatment::kPseudonymise) return out;
  TENON_ASSIGN(const std::string key, StoreKey(store));
  out.texts.push_back(PseudonymOf(key, value));
  return out;
}

std::vector<std::int64_t> RowsOf(const DatasetSnapshot& snapshot, const Erased& erased) {
  std::vector<std::int64_t> out;
  int at = snapshot.schema().Find(erased.column);
  if (at < 0) at = FindAny(snapshot.schema(), erased.also);
  if (at < 0) return out;
  std::int64_t begin = 0;
  for (const Batch& batch : snapshot.batches()) {
    const Column& column = batch.column(at);
    for (std::int64_t i = 0; i < column.size(); ++i) {
      if (!column.IsNull(i) && std::ranges::find(erased.texts, KeyText(column, i)) != erased.texts.end()) out.push_back(begin + i);
    }
    begin += batch.rows();
  }
  return out;
}

Result<void> Remember(const Call& call, store::Store& store, const Erased& erased) {
  TENON_ASSIGN(const std::string key, StoreKey(store));
  for (const std::string& text : erased.texts) {
    const std::string mark = MarkOf(key, erased.column, text);
    Json body;
    body["source"] = erased.source;
    body["column"] = erased.column;
    body["mark"] = mark;
    body["at"] = call.Now();
    body["actor"] = call.actor;
    TENON_TRY(store.PutRecord(kKind, Str(erased.source, "/", mark), body));
  }
  return {};
}

Result<bool> Remembered(const store::Store& store, const Erased& erased) {
  TENON_ASSIGN(const auto key, store.FindRecord("secret", "pseudonyms"));
  if (!key) return false;
  for (const std::string& text : erased.texts) {
    TENON_ASSIGN(const auto known, store.FindRecord(kKind, Str(erased.source, "/", MarkOf(key->body.StringAt("key"), erased.column, text))));
    if (known) return true;
  }
  return false;
}

Result<std::vector<Batch>> LeaveOutErased(const ingest::SourceSpec& source, std::vector<Batch> batches, store::Store& store, std::int64_t* left_out) {
  if (batches.empty()) return batches;
  TENON_ASSIGN(const auto marks, MarksOf(store, source.name));
  if (marks.empty()) return batches;
  TENON_ASSIGN(const std::string key, StoreKey(store));
  for (const auto& [name, wanted] : marks) {
    const int at = FindAny(batches[0].schema(), NamesOf(name, source.renames));
    if (at < 0) continue;
    for (Batch& batch : batches) {
      const Column& column = batch.column(at);
      std::vector<std::int64_t> kept;
      for (std::int64_t i = 0; i < column.size(); ++i) {
        if (column.IsNull(i) || !wanted.contains(MarkOf(key, name, KeyText(column, i)))) kept.push_back(i);
      }
      if (static_cast<std::int64_t>(kept.size()) == batch.rows()) continue;
      if (left_out != nullptr) *left_out += batch.rows() - static_cast<std::int64_t>(kept.size());
      batch = batch.Take(kept);
    }
  }
  return batches;
}

Result<Rewritten> Rewrite(const Call& call, store::Store& store, const store::Store::Record& record, const DatasetSnapshot& snapshot,
                          const std::vector<std::int64_t>& without, const std::vector<std::string>& like) {
  std::vector<Batch> batches;
  std::size_t next = 0;  // of `without`
  std::int64_t begin = 0, rows = 0;
  for (const Batch& batch : snapshot.batches()) {
    std::vector<std::int64_t> kept;
    const std::size_t first = next;
    for (std::int64_t i = 0; i < batch.rows(); ++i) {
      if (next < without.size() && without[next] == begin + i) {
        ++next;
      } else {
        kept.push_back(i);
      }
    }
    begin += batch.rows();
    rows += static_cast<std::int64_t>(kept.size());
    if (!kept.empty()) batches.push_back(next == first ? batch : batch.Take(kept));
  }
  Rewritten out;
  out.body = record.body;
  if (batches.empty()) return out;
  const auto& schema = snapshot.shared_schema();
  out.hash = snapshot.hash();
  if (!without.empty()) {
    TENON_ASSIGN(out.hash, HashOfTable(call, *schema, batches), "hashing the rows that stay");
  }
  const std::string key = snapshot.about().StringAt("key"), time = snapshot.about().StringAt("time");
  TENON_ASSIGN(const Kept kept, KeepRows(call, schema, CutByContent(schema, batches, key.empty() ? time : key), like, store), "storing the rows that stay");
  out.body["artifact"] = kept.artifact;
  out.body["packs"] = Json::ListOf(kept.packs);
  out.body["bytes"] = kept.bytes;
  out.body["added"] = kept.added;
  out.body["rows"] = rows;
  return out;
}

Result<Renamed> NameNow(const store::Store& store, const std::string& hash) {
  Renamed out{hash, {}};
  for (int i = 0; i < kMostTimes && !out.hash.empty(); ++i) {
    TENON_ASSIGN(const auto record, store.FindRecord(kRewritten, out.hash));
    if (!record) return out;
    std::vector<std::int64_t> gone;
    if (const Json* rows = record->body.Find("rows"); rows != nullptr && rows->is_array()) {
      for (const Json& row : rows->array()) {
        if (row.is_int()) gone.push_back(row.Int());
      }
    }
    out.gone.push_back(std::move(gone));
    out.hash = record->body.StringAt("to");
  }
  return out;
}

Result<void> NoteRewritten(store::Store& store, const std::string& before, const std::string& after, const std::vector<std::int64_t>& gone) {
  Json body;
  body["to"] = after;
  body["rows"] = Json::ListOf(gone);
  return store.PutRecord(kRewritten, before, body);
}

}  // namespace tenon::dataset
