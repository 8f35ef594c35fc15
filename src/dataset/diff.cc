#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/hash.h"
#include "base/text.h"
#include "dataset/diff_internal.h"
#include "dataset/sensitive.h"
#include "table/profile.h"

namespace tenon::dataset {
namespace {

using table::Column;
using table::Schema;
using table::Type;

constexpr int kBins = 10;                 // of before, with as many rows each
constexpr std::size_t kMostLevels = 1000; // of a text whose distribution is compared
constexpr double kLeastShare = 1e-4;      // of a bin without rows

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

// Missing share, mean (not of what is sensitive) and distinct values of a column in one snapshot, as members ending in _before or _after.
void Describe(const table::ColumnProfile& profile, std::string_view when, bool hidden, Json* out) {
  const auto name = [&](std::string_view what) { return Str(what, "_", when); };
  const Type type = profile.field().type;
  (*out)[name("missing")] = profile.count() == 0 ? 0.0 : static_cast<double>(profile.missing()) / static_cast<double>(profile.count());
  if (type == Type::kString) {
    (*out)[name("distinct")] = static_cast<std::int64_t>(std::llround(profile.distinct()));
  } else if (type != Type::kEmbedding && !hidden) {
    (*out)[name("mean")] = profile.count() == profile.missing() ? Json() : Json(profile.mean());
  }
}

// The levels of a text, numbered as they come; a bin each.
class Levels {
 public:
  // -1: there are too many.
  std::int64_t NumberOf(std::string_view text) {
    const auto [at, fresh] = numbers_.try_emplace(text, static_cast<std::int64_t>(numbers_.size()));
    return numbers_.size() > kMostLevels ? -1 : at->second;
  }

 private:
  std::unordered_map<std::string_view, std::int64_t> numbers_;  // views of the snapshots' own texts
};

// The number of rows of each level, those without a value first; nothing when there are too many levels.
std::vector<std::int64_t> LevelShares(const Side& side, int at, Levels* levels) {
  std::vector<std::int64_t> out(1);
  const auto count = [&](std::int64_t level, std::int64_t rows) {
    if (static_cast<std::size_t>(level) + 2 > out.size()) out.resize(static_cast<std::size_t>(level) + 2);
    out[static_cast<std::size_t>(level) + 1] += rows;
  };
  for (const table::Batch& batch : side.batches) {
    const Column& column = batch.column(at);
    std::vector<std::int64_t> of_code(column.coded() ? column.dictionary()->size() : 0);
    for (std::int64_t i = 0; i < column.size(); ++i) {
      if (column.IsNull(i)) {
        ++out[0];
      } else if (column.coded()) {
        ++of_code[static_cast<std::size_t>(column.codes()[static_cast<std::size_t>(i)])];
      } else {
        const std::int64_t level = levels->NumberOf(column.Text(i));
        if (level < 0) return {};
        count(level, 1);
      }
    }
    for (std::size_t code = 0; code < of_code.size(); ++code) {
      if (of_code[code] == 0) continue;
      const std::int64_t level = levels->NumberOf((*column.dictionary())[code]);
      if (level < 0) return {};
      count(level, of_code[code]);
    }
  }
  return out;
}

// The number of rows up to each edge and above the last, those without a value first.
std::vector<std::int64_t> NumberShares(const Side& side, int at, const std::vector<double>& edges) {
  std::vector<std::int64_t> out(edges.size() + 2);
  for (const table::Batch& batch : side.batches) {
    const Column& column = batch.column(at);
    for (std::int64_t i = 0; i < column.size(); ++i) {
      const double value = column.IsNull(i) ? std::nan("") : column.Number(i);
      if (std::isnan(value)) {
        ++out[0];
      } else {
        std::size_t bin = 1;
        for (const double edge : edges) bin += value > edge ? 1 : 0;
        ++out[bin];
      }
    }
  }
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
  Levels levels;
  std::vector<std::int64_t> was = type == Type::kString ? LevelShares(before, at, &levels) : NumberShares(before, at, edges);
  std::vector<std::int64_t> is = type == Type::kString ? LevelShares(after, at, &levels) : NumberShares(after, at, edges);
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

// The index of each column, on call.threads threads.
std::vector<Json> Moved(const Call& call, const Side& was, const Side& is, const table::Profile& before) {
  std::vector<Json> out(before.columns().size());
  std::atomic<std::size_t> next = 0;
  const auto some = [&] {
    for (std::size_t i = next++; i < out.size() && call.Check().ok(); i = next++) out[i] = Psi(was, is, static_cast<int>(i), before.columns()[i]);
  };
  std::vector<std::jthread> helpers;
  for (int i = 1; i < std::min<int>(call.threads, static_cast<int>(out.size())); ++i) helpers.emplace_back(some);
  some();
  return out;
}

}  // namespace

Result<Difference> Compare(const Call& call, const DatasetSnapshot& before, const DatasetSnapshot& after) {
  TENON_TRY(call.Check());
  const ingest::SourceSpec names = NamesOf(after);
  const auto common = CommonOf(before.schema(), after.schema(), names);
  const Side was(before, common, names), is(after, common, names);
  Difference difference;
  Json& out = difference.summary;
  out["schema"] = SchemaDiff(before.schema(), after.schema(), names);
  const std::string key = after.about().StringAt("key");
  const int by = key.empty() ? -1 : common->Find(key);
  out["key"] = by < 0 ? Json() : Json(key);
  RowChanges changes(was, is, by);
  TENON_TRY(CompareRows(call, was, is, by, &changes));
  out["rows"] = changes.Counts();
  TENON_ASSIGN(difference.before, table::ProfileOf(call, *common, was.batches));
  TENON_ASSIGN(difference.after, table::ProfileOf(call, *common, is.batches));
  const std::vector<Json> moved = Moved(call, was, is, difference.before);
  TENON_TRY(call.Check());
  const ingest::Sensitive hidden = HiddenIn(before, after, names);
  Json columns = Json::MakeArray();
  for (int at = 0; at < common->size(); ++at) {
    Json item;
    const std::string& name = (*common)[at].name;
    item["name"] = name;
    item["type"] = table::NameOf((*common)[at].type);
    Describe(difference.before.columns()[static_cast<std::size_t>(at)], "before", hidden.contains(name), &item);
    Describe(difference.after.columns()[static_cast<std::size_t>(at)], "after", hidden.contains(name), &item);
    item["psi"] = moved[static_cast<std::size_t>(at)];
    item["rows_changed"] = changes.ChangedIn(at);
    columns.Push(std::move(item));
  }
  out["columns"] = std::move(columns);
  out["examples"] = changes.Examples(hidden);
  for (const auto& [column, treatment] : hidden) difference.hidden.push_back(column);
  return difference;
}

Result<Json> Diff(const Call& call, const DatasetSnapshot& before, const DatasetSnapshot& after) {
  TENON_ASSIGN(Difference difference, Compare(call, before, after));
  return std::move(difference.summary);
}

}  // namespace tenon::dataset
