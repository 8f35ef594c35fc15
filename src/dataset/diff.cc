#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>

#include "base/exact_sum.h"
#include "base/hash.h"
#include "base/text.h"
#include "dataset/rows_internal.h"
#include "dataset/snapshot.h"

namespace tenon::dataset {
namespace {

using table::Column;
using table::Schema;
using table::Type;

// What stands for a row when it is looked for in the other snapshot, and all of its values.
struct Row {
  std::uint64_t key;
  std::uint64_t values;
  friend auto operator<=>(const Row&, const Row&) = default;
};

std::vector<int> ColumnsIn(const Schema& of, const Schema& other) {
  std::vector<int> both;
  for (int i = 0; i < of.size(); ++i) {
    const int at = other.Find(of[i].name);
    if (at >= 0 && other[at] == of[i]) both.push_back(i);
  }
  return both;
}

std::vector<Row> RowsOf(const DatasetSnapshot& snapshot, const std::vector<int>& columns, int key) {
  const std::vector<std::uint64_t> values = HashRows(snapshot.batches(), columns, 0);
  const std::vector<std::uint64_t> keys = key < 0 ? values : HashRows(snapshot.batches(), {key}, 0);
  std::vector<Row> rows(values.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = {keys[i], values[i]};
  std::ranges::sort(rows);
  return rows;
}

struct Counts {
  std::int64_t added = 0, removed = 0, changed = 0;
};

// Goes through both, key by key. Of the rows of one key, equal ones belong to each other, then the rest in pairs.
Counts Compare(const std::vector<Row>& before, const std::vector<Row>& after) {
  Counts out;
  std::size_t i = 0, j = 0;
  while (i < before.size() || j < after.size()) {
    const std::uint64_t key = i == before.size() ? after[j].key : j == after.size() ? before[i].key : std::min(before[i].key, after[j].key);
    std::int64_t gone = 0, come = 0;
    while ((i < before.size() && before[i].key == key) || (j < after.size() && after[j].key == key)) {
      const bool has_before = i < before.size() && before[i].key == key, has_after = j < after.size() && after[j].key == key;
      if (has_before && has_after && before[i].values == after[j].values) {
        ++i, ++j;
      } else if (has_before && (!has_after || before[i].values < after[j].values)) {
        ++gone, ++i;
      } else {
        ++come, ++j;
      }
    }
    out.changed += std::min(gone, come);
    out.removed += gone - std::min(gone, come);
    out.added += come - std::min(gone, come);
  }
  return out;
}

// Missing share, mean and distinct values of a column in one snapshot, as members ending in _before or _after.
void Describe(const DatasetSnapshot& snapshot, int at, std::string_view when, Json* out) {
  std::int64_t missing = 0, values = 0;
  ExactSum sum;
  std::unordered_set<std::string_view> texts;
  const Type type = snapshot.schema()[at].type;
  for (const table::Batch& batch : snapshot.batches()) {
    const Column& column = batch.column(at);
    for (std::int64_t i = 0; i < column.size(); ++i) {
      const bool number = type != Type::kString && type != Type::kEmbedding;
      if (column.IsNull(i) || (number && std::isnan(column.Number(i)))) {
        ++missing;
        continue;
      }
      ++values;
      if (number) sum.Add(column.Number(i));
      if (type == Type::kString) texts.insert(column.Text(i));
    }
  }
  const auto name = [&](std::string_view what) { return Str(what, "_", when); };
  (*out)[name("missing")] = values + missing == 0 ? 0.0 : static_cast<double>(missing) / static_cast<double>(values + missing);
  if (type == Type::kString) {
    (*out)[name("distinct")] = texts.size();
  } else if (type != Type::kEmbedding) {
    (*out)[name("mean")] = values == 0 ? Json() : Json(sum.Value() / static_cast<double>(values));
  }
}

Json SchemaDiff(const Schema& before, const Schema& after) {
  Json added = Json::MakeArray(), removed = Json::MakeArray(), changed = Json::MakeArray();
  for (const table::Field& field : after.fields()) {
    const int at = before.Find(field.name);
    if (at < 0) {
      added.Push(field.name);
    } else if (!(before[at] == field)) {
      Json item;
      item["name"] = field.name;
      item["before"] = table::NameOf(before[at].type);
      item["after"] = table::NameOf(field.type);
      changed.Push(std::move(item));
    }
  }
  for (const table::Field& field : before.fields()) {
    if (after.Find(field.name) < 0) removed.Push(field.name);
  }
  Json out;
  out["added"] = std::move(added);
  out["removed"] = std::move(removed);
  out["changed"] = std::move(changed);
  return out;
}

}  // namespace

Result<Json> Diff(const Call& call, const DatasetSnapshot& before, const DatasetSnapshot& after) {
  TENON_TRY(call.Check());
  Json out;
  out["schema"] = SchemaDiff(before.schema(), after.schema());
  const std::vector<int> columns_before = ColumnsIn(before.schema(), after.schema()), columns_after = ColumnsIn(after.schema(), before.schema());
  const std::string key = after.about().StringAt("key");
  const int key_before = key.empty() ? -1 : before.schema().Find(key), key_after = key.empty() ? -1 : after.schema().Find(key);
  const bool by_key = key_before >= 0 && key_after >= 0 && before.schema()[key_before] == after.schema()[key_after];
  const Counts counts = Compare(RowsOf(before, columns_before, by_key ? key_before : -1), RowsOf(after, columns_after, by_key ? key_after : -1));
  TENON_TRY(call.Check());
  Json rows;
  rows["before"] = before.rows();
  rows["after"] = after.rows();
  rows["added"] = counts.added;
  rows["removed"] = counts.removed;
  rows["changed"] = counts.changed;
  out["rows"] = std::move(rows);
  Json columns = Json::MakeArray();
  for (const int at : columns_after) {
    TENON_TRY(call.Check());
    Json item;
    item["name"] = after.schema()[at].name;
    Describe(before, before.schema().Find(after.schema()[at].name), "before", &item);
    Describe(after, at, "after", &item);
    columns.Push(std::move(item));
  }
  out["columns"] = std::move(columns);
  return out;
}

}  // namespace tenon::dataset
