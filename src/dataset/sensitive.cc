#include "dataset/sensitive.h"

#include <unordered_map>

#include "base/hash.h"
#include "base/text.h"
#include "platform/random.h"

namespace tenon::dataset {
namespace {

constexpr std::size_t kDigits = 32;

table::Column Pseudonyms(const table::Column& column, std::string_view key) {
  std::unordered_map<std::string, std::string> known;  // values come again
  table::ColumnBuilder out(table::Type::kString);
  for (std::int64_t i = 0; i < column.size(); ++i) {
    if (column.IsNull(i)) {
      out.AddNull();
      continue;
    }
    const auto [at, fresh] = known.try_emplace(KeyText(column, i));
    if (fresh) at->second = PseudonymOf(key, at->first);
    out.AddText(at->second);
  }
  return out.Finish();
}

}  // namespace

Result<std::string> StoreKey(store::Store& store) {
  constexpr std::size_t kBytes = 32;
  TENON_ASSIGN(auto known, store.FindRecord("secret", "pseudonyms"));
  if (known) return known->body.StringAt("key");
  TENON_ASSIGN(const std::string random, platform::RandomBytes(kBytes));
  Json body;
  body["key"] = HashOf(random);  // hexadecimal, as 32 random bytes may be no text
  TENON_TRY(store.PutRecord("secret", "pseudonyms", body));
  return body.StringAt("key");
}

std::string KeyText(const table::Column& column, std::int64_t row) {
  const Json value = column.ValueAt(row);
  return value.is_string() ? value.String() : value.Dump();
}

std::string PseudonymOf(std::string_view key, std::string_view text) { return KeyedHash(key, text).substr(0, kDigits); }

ingest::Sensitive SensitiveOf(const Json& about) {
  const Json* governance = about.Find("governance");
  const Json* sensitive = governance != nullptr && governance->is_object() ? governance->Find("sensitive") : nullptr;
  if (sensitive == nullptr) return {};
  auto parsed = ingest::ParseSensitive(*sensitive);
  return parsed.ok() ? *parsed : ingest::Sensitive{};
}

Result<std::vector<table::Batch>> Treat(const ingest::Sensitive& sensitive, std::vector<table::Batch> batches, store::Store& store) {
  if (batches.empty() || sensitive.empty()) return batches;
  const table::Schema& schema = batches[0].schema();
  bool changes = false;
  for (const auto& [column, treatment] : sensitive) {
    TENON_ASSIGN(const int at, schema.At(column), "data.sensitive");
    if (treatment == ingest::Treatment::kPseudonymise && schema[at].type == table::Type::kEmbedding) {
      return Error(Code::kInvalidArgument, Str("data.sensitive.", column, ": an embedding has no pseudonym; write drop"));
    }
    changes = changes || treatment != ingest::Treatment::kMask;
  }
  if (!changes) return batches;
  std::string key;
  std::vector<table::Field> fields;
  std::vector<std::pair<int, bool>> kept;  // column, whether it gets pseudonyms
  for (int i = 0; i < schema.size(); ++i) {
    const auto at = sensitive.find(schema[i].name);
    if (at != sensitive.end() && at->second == ingest::Treatment::kDrop) continue;
    const bool hide = at != sensitive.end() && at->second == ingest::Treatment::kPseudonymise;
    if (hide && key.empty()) {
      TENON_ASSIGN(key, StoreKey(store), "the key of pseudonyms");
    }
    kept.emplace_back(i, hide);
    fields.push_back(hide ? table::Field{schema[i].name, table::Type::kString, 0} : schema[i]);
  }
  const auto narrower = std::make_shared<const table::Schema>(std::move(fields));
  for (table::Batch& batch : batches) {
    std::vector<table::Column> columns;
    for (const auto& [i, hide] : kept) columns.push_back(hide ? Pseudonyms(batch.column(i), key) : batch.column(i));
    batch = table::Batch(narrower, std::move(columns));
  }
  return batches;
}

}  // namespace tenon::dataset
