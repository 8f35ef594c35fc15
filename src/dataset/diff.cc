#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/exact_sum.h"
#include "base/hash.h"
#include "base/text.h"
#include "dataset/evolve.h"
#include "dataset/rows_internal.h"
#include "dataset/sensitive.h"
#include "dataset/snapshot.h"
#include "table/profile.h"

namespace tenon::dataset {
namespace {

using table::Column;
using table::Schema;
using table::Type;

constexpr std::size_t kExamples = 5;      // of each sort
constexpr int kBins = 10;                 // of before, with as many rows each
constexpr std::size_t kMostLevels = 1000; // of a text whose distribution is compared
constexpr double kLeastShare = 1e-4;      // of a bin without rows

// A snapshot in the columns that both have, under their newer names and in the wider type.
struct Side {
  const DatasetSnapshot& snapshot;
  std::vector<table::Batch> batches;
  std::vector<std::int64_t> begins;

  Side(const DatasetSnapshot& from, const std::shared_ptr<const Schema>& common, const ingest::SourceSpec& names) : snapshot(from) {
    std::int64_t rows = 0;
    for (const table::Batch& batch : from.batches()) {
      batches.push_back(InSchema(batch, common, names));
      begins.push_back(rows);
      rows += batch.rows();
    }
  }
  // The batch of a row, and the row's place in it.
  std::pair<std::size_t, std::int64_t> At(std::int64_t row) const {
    const auto batch = static_cast<std::size_t>(std::ranges::upper_bound(begins, row) - begins.begin() - 1);
    return {batch, row - begins[batch]};
  }
};

// What stands for a row when it is looked for in the other snapshot, all of its values, and where it is.
struct Row {
  std::uint64_t key;
  std::uint64_t values;
  std::int64_t row;
  friend auto operator<=>(const Row&, const Row&) = default;
};

ingest::SourceSpec NamesOf(const DatasetSnapshot& after) {
  ingest::SourceSpec out;
  const Json* spec = after.about().Find("spec");
  const Json* renames = spec != nullptr && spec->is_object() ? spec->Find("rename") : nullptr;
  if (renames == nullptr || !renames->is_object()) return out;
  for (const auto& [name, old] : renames->object()) {
    if (old.is_string()) out.renames.emplace_back(name, old.String());
  }
  return out;
}

// Where a column of `after` stood before, under its name or its old one; -1: nowhere.
int Before(const Schema& before, const Schema& after, const std::string& name, const ingest::SourceSpec& names) {
  if (const int at = before.Find(name); at >= 0) return at;
  for (const auto& [renamed, old] : names.renames) {
    if (renamed == name && after.Find(old) < 0) return before.Find(old);
  }
  return -1;
}

bool Widens(Type a, Type b) { return (a == Type::kInt64 && b == Type::kFloat64) || (a == Type::kFloat64 && b == Type::kInt64); }

std::shared_ptr<const Schema> CommonOf(const Schema& before, const Schema& after, const ingest::SourceSpec& names) {
  std::vector<table::Field> fields;
  for (const table::Field& field : after.fields()) {
    const int at = Before(before, after, field.name, names);
    if (at < 0) continue;
    table::Field common = field;
    if (Widens(before[at].type, field.type)) common.type = Type::kFloat64;
    if (common.type == Type::kFloat64 || (before[at].type == field.type && before[at].width == field.width)) {
      if (before[at].type == field.type || Widens(before[at].type, field.type)) fields.push_back(std::move(common));
    }
  }
  return std::make_shared<const Schema>(std::move(fields));
}

std::vector<Row> RowsOf(const Side& side, int key) {
  std::vector<int> columns;
  for (int i = 0; i < (side.batches.empty() ? 0 : side.batches[0].columns()); ++i) columns.push_back(i);
  const std::vector<std::uint64_t> values = HashRows(side.batches, columns, 0);
  const std::vector<std::uint64_t> keys = key < 0 ? values : HashRows(side.batches, {key}, 0);
  std::vector<Row> rows(values.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = {keys[i], values[i], static_cast<std::int64_t>(i)};
  std::ranges::sort(rows);
  return rows;
}

bool Equal(const Column& a, std::int64_t i, const Column& b, std::int64_t j) {
  if (a.IsNull(i) || b.IsNull(j)) return a.IsNull(i) == b.IsNull(j);
  const auto x = static_cast<std::size_t>(i), y = static_cast<std::size_t>(j);
  const auto same = [](double p, double q) { return p == q || (std::isnan(p) && std::isnan(q)); };
  switch (a.type()) {
    case Type::kString: return a.Text(i) == b.Text(j);
    case Type::kFloat64: return same(a.doubles()[x], b.doubles()[y]);
    case Type::kBool: return (a.bools()[x] != 0) == (b.bools()[y] != 0);
    case Type::kEmbedding: {
      const auto width = static_cast<std::size_t>(a.width());
      for (std::size_t k = 0; k < width; ++k) {
        if (!same(static_cast<double>(a.floats()[x * width + k]), static_cast<double>(b.floats()[y * width + k]))) return false;
      }
      return true;
    }
    default: return a.ints()[x] == b.ints()[y];
  }
}

// What either snapshot calls sensitive, under old names and new ones.
ingest::Sensitive HiddenIn(const DatasetSnapshot& before, const DatasetSnapshot& after, const ingest::SourceSpec& names) {
  ingest::Sensitive out = SensitiveOf(after.about());
  out.merge(SensitiveOf(before.about()));
  for (const auto& [renamed, old] : names.renames) {
    if (out.contains(renamed)) out.emplace(old, ingest::Treatment::kMask);
    if (out.contains(old)) out.emplace(renamed, ingest::Treatment::kMask);
  }
  return out;
}

// Counts what happened to rows, and keeps the first of each sort.
class Changes {
 public:
  Changes(const Side& before, const Side& after, int key) : before_(before), after_(after), key_(key), columns_(before.batches.empty() ? 0 : static_cast<std::size_t>(before.batches[0].columns())) {}

  void Added(std::int64_t row) { Note(&added_, {row, row}); ++added_count_; }
  void Removed(std::int64_t row) { Note(&removed_, {row, row}); ++removed_count_; }
  void Changed(std::int64_t was, std::int64_t is) {
    Note(&changed_, {is, was});
    ++changed_count_;
    for (const int i : Different(was, is)) ++columns_[static_cast<std::size_t>(i)];
  }

  Json Counts() const {
    Json rows;
    rows["before"] = before_.snapshot.rows();
    rows["after"] = after_.snapshot.rows();
    rows["added"] = added_count_;
    rows["removed"] = removed_count_;
    rows["changed"] = changed_count_;
    return rows;
  }
  std::int64_t ChangedIn(int column) const { return columns_[static_cast<std::size_t>(column)]; }

  Json Examples(const ingest::Sensitive& hidden) const {
    const auto whole = [&](const Side& side, const std::vector<std::pair<std::int64_t, std::int64_t>>& of) {
      Json list = Json::MakeArray();
      for (const auto& [row, same] : of) {
        const auto [batch, at] = side.At(row);
        Json values = side.snapshot.batches()[batch].RowAt(at);
        for (const auto& [column, treatment] : hidden) {
          if (values.Find(column) != nullptr) values[column] = "***";
        }
        list.Push(std::move(values));
      }
      return list;
    };
    Json out;
    out["added"] = whole(after_, added_);
    out["removed"] = whole(before_, removed_);
    Json list = Json::MakeArray();
    for (const auto& [is, was] : changed_) list.Push(Change(was, is, hidden));
    out["changed"] = std::move(list);
    return out;
  }

 private:
  static void Note(std::vector<std::pair<std::int64_t, std::int64_t>>* to, std::pair<std::int64_t, std::int64_t> rows) {
    to->insert(std::ranges::upper_bound(*to, rows), rows);
    if (to->size() > kExamples) to->pop_back();
  }
  std::vector<int> Different(std::int64_t was, std::int64_t is) const {
    const auto [b, i] = before_.At(was);
    const auto [a, j] = after_.At(is);
    std::vector<int> out;
    for (int column = 0; column < before_.batches[b].columns(); ++column) {
      if (!Equal(before_.batches[b].column(column), i, after_.batches[a].column(column), j)) out.push_back(column);
    }
    return out;
  }
  Json Change(std::int64_t was, std::int64_t is, const ingest::Sensitive& hidden) const {
    const auto [b, i] = before_.At(was);
    const auto [a, j] = after_.At(is);
    const Schema& schema = after_.batches[a].schema();
    const auto shown = [&](const table::Batch& batch, int column, std::int64_t row) { return hidden.contains(schema[column].name) ? Json("***") : batch.column(column).ValueAt(row); };
    Json out;
    out["key"] = key_ < 0 ? Json() : shown(after_.batches[a], key_, j);
    Json columns = Json::MakeObject();
    for (const int column : Different(was, is)) {
      Json pair = Json::MakeArray();
      pair.Push(shown(before_.batches[b], column, i));
      pair.Push(shown(after_.batches[a], column, j));
      columns[schema[column].name] = std::move(pair);
    }
    out["columns"] = std::move(columns);
    return out;
  }

  const Side& before_;
  const Side& after_;
  int key_;
  std::int64_t added_count_ = 0, removed_count_ = 0, changed_count_ = 0;
  std::vector<std::int64_t> columns_;
  std::vector<std::pair<std::int64_t, std::int64_t>> added_, removed_, changed_;  // by row number
};

// Goes through both, key by key. Of the rows of one key, equal ones belong to each other, then the rest in pairs.
void Compare(const std::vector<Row>& before, const std::vector<Row>& after, Changes* out) {
  std::vector<std::int64_t> gone, come;
  std::size_t i = 0, j = 0;
  while (i < before.size() || j < after.size()) {
    const std::uint64_t key = i == before.size() ? after[j].key : j == after.size() ? before[i].key : std::min(before[i].key, after[j].key);
    gone.clear();
    come.clear();
    while ((i < before.size() && before[i].key == key) || (j < after.size() && after[j].key == key)) {
      const bool has_before = i < before.size() && before[i].key == key, has_after = j < after.size() && after[j].key == key;
      if (has_before && has_after && before[i].values == after[j].values) {
        ++i, ++j;
      } else if (has_before && (!has_after || before[i].values < after[j].values)) {
        gone.push_back(before[i++].row);
      } else {
        come.push_back(after[j++].row);
      }
    }
    const std::size_t pairs = std::min(gone.size(), come.size());
    for (std::size_t k = 0; k < pairs; ++k) out->Changed(gone[k], come[k]);
    for (std::size_t k = pairs; k < gone.size(); ++k) out->Removed(gone[k]);
    for (std::size_t k = pairs; k < come.size(); ++k) out->Added(come[k]);
  }
}

// Missing share, mean and distinct values of a column in one snapshot, as members ending in _before or _after.
void Describe(const Side& side, int at, std::string_view when, Json* out) {
  std::int64_t missing = 0, values = 0;
  ExactSum sum;
  std::unordered_set<std::string_view> texts;
  const Type type = side.batches.empty() ? Type::kFloat64 : side.batches[0].schema()[at].type;
  for (const table::Batch& batch : side.batches) {
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

// Rows of one snapshot by bin: of numbers those up to each edge and the rest, of texts those of each level; last what is missing.
std::vector<std::int64_t> Shares(const Side& side, int at, const std::vector<double>& edges, std::unordered_map<std::string, std::size_t>* levels) {
  std::vector<std::int64_t> out(edges.size() + 1);
  std::int64_t missing = 0;
  const auto count = [&](std::size_t bin) {
    if (bin >= out.size()) out.resize(bin + 1);
    ++out[bin];
  };
  for (const table::Batch& batch : side.batches) {
    const Column& column = batch.column(at);
    const bool text = column.type() == Type::kString;
    for (std::int64_t i = 0; i < column.size(); ++i) {
      if (column.IsNull(i) || (!text && std::isnan(column.Number(i)))) {
        ++missing;
      } else if (text) {
        count(levels->try_emplace(std::string(column.Text(i)), levels->size()).first->second);
        if (levels->size() > kMostLevels) return {};
      } else {
        count(static_cast<std::size_t>(std::ranges::lower_bound(edges, column.Number(i)) - edges.begin()));
      }
    }
  }
  out.insert(out.begin(), missing);
  return out;
}

// Population stability index of a column: the sum of (q - p) ln(q / p) over tenths of before, or levels. Null for vectors and for
// texts of too many levels.
Json Psi(const Side& before, const Side& after, int at, const table::ColumnProfile& profile) {
  const Type type = profile.field().type;
  if (type == Type::kEmbedding) return {};
  std::vector<double> edges;
  for (int k = 1; k < kBins && type != Type::kString; ++k) {
    const double edge = profile.Quantile(static_cast<double>(k) / kBins);
    if (!std::isnan(edge) && (edges.empty() || edge > edges.back())) edges.push_back(edge);
  }
  std::unordered_map<std::string, std::size_t> levels;
  std::vector<std::int64_t> was = Shares(before, at, edges, &levels), is = Shares(after, at, edges, &levels);
  if (was.empty() || is.empty() || before.snapshot.rows() == 0 || after.snapshot.rows() == 0) return {};
  was.resize(std::max(was.size(), is.size()));
  is.resize(was.size());
  double psi = 0;
  for (std::size_t k = 0; k < was.size(); ++k) {
    if (was[k] == 0 && is[k] == 0) continue;
    const double p = std::max(kLeastShare, static_cast<double>(was[k]) / static_cast<double>(before.snapshot.rows()));
    const double q = std::max(kLeastShare, static_cast<double>(is[k]) / static_cast<double>(after.snapshot.rows()));
    psi += (q - p) * std::log(q / p);
  }
  return psi;
}

Json SchemaDiff(const Schema& before, const Schema& after, const ingest::SourceSpec& names) {
  Json added = Json::MakeArray(), removed = Json::MakeArray(), changed = Json::MakeArray(), renamed = Json::MakeArray();
  std::vector<bool> found(static_cast<std::size_t>(before.size()), false);
  for (const table::Field& field : after.fields()) {
    const int at = Before(before, after, field.name, names);
    if (at < 0) {
      added.Push(field.name);
      continue;
    }
    found[static_cast<std::size_t>(at)] = true;
    if (before[at].name != field.name) {
      Json item;
      item["before"] = before[at].name;
      item["after"] = field.name;
      renamed.Push(std::move(item));
    }
    if (before[at].type == field.type && before[at].width == field.width) continue;
    Json item;
    item["name"] = field.name;
    item["before"] = table::NameOf(before[at].type);
    item["after"] = table::NameOf(field.type);
    item["widened"] = before[at].type == Type::kInt64 && field.type == Type::kFloat64;
    changed.Push(std::move(item));
  }
  for (int i = 0; i < before.size(); ++i) {
    if (!found[static_cast<std::size_t>(i)]) removed.Push(before[i].name);
  }
  Json out;
  out["added"] = std::move(added);
  out["removed"] = std::move(removed);
  out["renamed"] = std::move(renamed);
  out["changed"] = std::move(changed);
  return out;
}

}  // namespace

Result<Json> Diff(const Call& call, const DatasetSnapshot& before, const DatasetSnapshot& after) {
  TENON_TRY(call.Check());
  const ingest::SourceSpec names = NamesOf(after);
  const auto common = CommonOf(before.schema(), after.schema(), names);
  const Side was(before, common, names), is(after, common, names);
  Json out;
  out["schema"] = SchemaDiff(before.schema(), after.schema(), names);
  const std::string key = after.about().StringAt("key");
  const int by = key.empty() ? -1 : common->Find(key);
  out["key"] = by < 0 ? Json() : Json(key);
  Changes changes(was, is, by);
  Compare(RowsOf(was, by), RowsOf(is, by), &changes);
  TENON_TRY(call.Check());
  out["rows"] = changes.Counts();
  TENON_ASSIGN(const table::Profile profile, table::ProfileOf(call, *common, was.batches));
  Json columns = Json::MakeArray();
  for (int at = 0; at < common->size(); ++at) {
    TENON_TRY(call.Check());
    Json item;
    item["name"] = (*common)[at].name;
    item["type"] = table::NameOf((*common)[at].type);
    Describe(was, at, "before", &item);
    Describe(is, at, "after", &item);
    item["psi"] = Psi(was, is, at, profile.columns()[static_cast<std::size_t>(at)]);
    item["rows_changed"] = changes.ChangedIn(at);
    columns.Push(std::move(item));
  }
  out["columns"] = std::move(columns);
  out["examples"] = changes.Examples(HiddenIn(before, after, names));
  return out;
}

}  // namespace tenon::dataset
