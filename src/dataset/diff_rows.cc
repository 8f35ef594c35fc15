// Which rows came, went and changed between two snapshots.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>
#include <unordered_map>

#include "base/hash.h"
#include "dataset/diff_internal.h"
#include "dataset/rows_internal.h"

namespace tenon::dataset {
namespace {

using table::Column;
using table::Schema;
using table::Type;

constexpr std::size_t kExamples = 5;  // of each sort

// What stands for a row when it is looked for in the other snapshot, all of its values, and where it is.
struct Row {
  std::uint64_t key;
  std::uint64_t values;
  std::int64_t row;
  friend auto operator<=>(const Row&, const Row&) = default;
};

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

void Note(std::vector<std::pair<std::int64_t, std::int64_t>>* to, std::pair<std::int64_t, std::int64_t> rows) {
  to->insert(std::ranges::upper_bound(*to, rows), rows);
  if (to->size() > kExamples) to->pop_back();
}

// Goes through both, key by key. Of the rows of one key, equal ones belong to each other, then the rest in pairs.
void Match(const std::vector<Row>& before, const std::vector<Row>& after, RowChanges* out) {
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

// Calls work(i) for each i below `count`, on call.threads threads.
template <typename Work>
Result<void> Each(const Call& call, std::size_t count, const Work& work) {
  std::atomic<std::size_t> next = 0;
  const auto some = [&] {
    for (std::size_t i = next++; i < count && call.Check().ok(); i = next++) work(i);
  };
  {
    std::vector<std::jthread> helpers;
    for (int i = 1; i < std::min<int>(call.threads, static_cast<int>(count)); ++i) helpers.emplace_back(some);
    some();
  }
  return call.Check();
}

std::vector<int> AllColumns(const Side& side) {
  std::vector<int> out;
  for (int i = 0; i < (side.batches.empty() ? 0 : side.batches[0].columns()); ++i) out.push_back(i);
  return out;
}

// A hash of each batch: of all its values in their order.
Result<std::vector<std::uint64_t>> HashBatches(const Call& call, const Side& side) {
  std::vector<std::uint64_t> out(side.batches.size());
  const std::vector<int> columns = AllColumns(side);
  TENON_TRY(Each(call, side.batches.size(), [&](std::size_t i) {
    const std::vector<std::uint64_t> rows = HashRows({side.batches[i]}, columns, 0);
    out[i] = Hash64(std::string_view(reinterpret_cast<const char*>(rows.data()), rows.size() * sizeof(std::uint64_t)), rows.size());
  }));
  return out;
}

// The batches of each side that have no equal one on the other.
Result<std::pair<std::vector<std::size_t>, std::vector<std::size_t>>> Unequal(const Call& call, const Side& before, const Side& after) {
  TENON_ASSIGN(const std::vector<std::uint64_t> was, HashBatches(call, before));
  TENON_ASSIGN(const std::vector<std::uint64_t> is, HashBatches(call, after));
  std::unordered_map<std::uint64_t, std::int64_t> there;
  for (const std::uint64_t hash : was) ++there[hash];
  std::pair<std::vector<std::size_t>, std::vector<std::size_t>> out;
  for (std::size_t i = 0; i < is.size(); ++i) {
    if (const auto at = there.find(is[i]); at != there.end() && at->second > 0) {
      --at->second;
    } else {
      out.second.push_back(i);
    }
  }
  for (std::size_t i = was.size(); i-- > 0;) {
    std::int64_t& left = there[was[i]];
    if (left > 0) {
      --left;
      out.first.push_back(i);
    }
  }
  std::ranges::sort(out.first);
  return out;
}

std::int64_t RowsIn(const Side& side, const std::vector<std::size_t>& batches) {
  std::int64_t out = 0;
  for (const std::size_t i : batches) out += side.batches[i].rows();
  return out;
}

// The rows of a part, of those batches, in order.
Result<std::vector<Row>> RowsOf(const Call& call, const Side& side, const std::vector<std::size_t>& batches, int key, std::uint64_t part, std::uint64_t parts) {
  const std::vector<int> columns = AllColumns(side);
  std::vector<std::vector<Row>> found(batches.size());
  TENON_TRY(Each(call, batches.size(), [&](std::size_t k) {
    const std::size_t batch = batches[k];
    const std::vector<std::uint64_t> values = HashRows({side.batches[batch]}, columns, 0);
    const std::vector<std::uint64_t> keys = key < 0 ? values : HashRows({side.batches[batch]}, {key}, 0);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (keys[i] % parts == part) found[k].push_back({keys[i], values[i], side.begins[batch] + static_cast<std::int64_t>(i)});
    }
  }));
  std::vector<Row> rows;
  std::size_t count = 0;
  for (const auto& some : found) count += some.size();
  rows.reserve(count);
  for (auto& some : found) {
    rows.insert(rows.end(), some.begin(), some.end());
    some = {};
  }
  std::ranges::sort(rows);
  return rows;
}

}  // namespace

void RowChanges::Added(std::int64_t row) {
  Note(&added_, {row, row});
  ++added_count_;
}

void RowChanges::Removed(std::int64_t row) {
  Note(&removed_, {row, row});
  ++removed_count_;
}

void RowChanges::Changed(std::int64_t was, std::int64_t is) {
  Note(&changed_, {is, was});
  ++changed_count_;
  for (const int i : Different(was, is)) ++columns_[static_cast<std::size_t>(i)];
}

Json RowChanges::Counts() const {
  Json rows;
  rows["before"] = before_.snapshot.rows();
  rows["after"] = after_.snapshot.rows();
  rows["added"] = added_count_;
  rows["removed"] = removed_count_;
  rows["changed"] = changed_count_;
  return rows;
}

Json RowChanges::Examples(const ingest::Sensitive& hidden) const {
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

std::vector<int> RowChanges::Different(std::int64_t was, std::int64_t is) const {
  const auto [b, i] = before_.At(was);
  const auto [a, j] = after_.At(is);
  std::vector<int> out;
  for (int column = 0; column < before_.batches[b].columns(); ++column) {
    if (!Equal(before_.batches[b].column(column), i, after_.batches[a].column(column), j)) out.push_back(column);
  }
  return out;
}

Json RowChanges::Change(std::int64_t was, std::int64_t is, const ingest::Sensitive& hidden) const {
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

Result<void> CompareRows(const Call& call, const Side& before, const Side& after, int key, RowChanges* out, std::int64_t most) {
  TENON_ASSIGN(const auto unequal, Unequal(call, before, after));
  const std::int64_t rows = std::max(RowsIn(before, unequal.first), RowsIn(after, unequal.second));
  const auto parts = static_cast<std::uint64_t>(rows / most + 1);
  for (std::uint64_t part = 0; part < parts; ++part) {
    call.Report("comparing rows", static_cast<double>(part) / static_cast<double>(parts));
    TENON_ASSIGN(const std::vector<Row> was, RowsOf(call, before, unequal.first, key, part, parts));
    TENON_ASSIGN(const std::vector<Row> is, RowsOf(call, after, unequal.second, key, part, parts));
    Match(was, is, out);
  }
  return {};
}

}  // namespace tenon::dataset
