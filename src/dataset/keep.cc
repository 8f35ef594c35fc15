#include <algorithm>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/hash.h"
#include "dataset/keep_internal.h"
#include "dataset/rows_internal.h"

namespace tenon::dataset {
namespace {

using table::Batch;
using table::Column;
using table::Dictionary;
using table::Schema;

constexpr std::int64_t kLeastRows = 2048;
constexpr std::int64_t kMostRows = 32768;
constexpr int kCutBits = 12;                  // behind the least, one row in 4,096 ends a batch
constexpr std::size_t kLooked = 4096;         // rows that choose the anchor
constexpr std::int64_t kAlwaysCoded = 4096;   // values
constexpr std::int64_t kRowsAValue = 8;       // fewer: texts
constexpr std::size_t kMostPacks = 256;       // a version that would point into more is stored anew

int AnchorOf(const Schema& schema, const std::vector<Batch>& batches, const std::string& wanted) {
  if (const int at = wanted.empty() ? -1 : schema.Find(wanted); at >= 0) return at;
  std::vector<Batch> first;
  std::size_t rows = 0;
  for (const Batch& batch : batches) {
    if (rows >= kLooked) break;
    first.push_back(batch.Slice(0, std::min<std::int64_t>(batch.rows(), static_cast<std::int64_t>(kLooked - rows))));
    rows += static_cast<std::size_t>(first.back().rows());
  }
  int best = 0;
  std::size_t most = 0;
  for (int i = 0; i < schema.size(); ++i) {
    const std::vector<std::uint64_t> hashes = HashRows(first, {i}, 0);
    const std::size_t distinct = std::unordered_set<std::uint64_t>(hashes.begin(), hashes.end()).size();
    if (distinct > most) best = i;
    most = std::max(most, distinct);
  }
  return best;
}

// The numbers of rows in each batch. The 64 rows before a cut decide it, so that it is found again wherever they stand.
std::vector<std::int64_t> Cuts(const std::vector<std::uint64_t>& hashes) {
  std::vector<std::int64_t> out;
  std::int64_t rows = 0;
  std::uint64_t window = 0;
  for (const std::uint64_t hash : hashes) {
    window = (window << 1) + hash;
    ++rows;
    if (rows < kMostRows && (rows < kLeastRows || (window >> (64 - kCutBits)) != 0)) continue;
    out.push_back(rows);
    rows = 0;
  }
  if (rows > 0) out.push_back(rows);
  return out;
}

Column AsTexts(const Column& column) {
  if (!column.coded()) return column;
  table::ColumnBuilder builder(table::Type::kString);
  for (std::int64_t i = 0; i < column.size(); ++i) column.IsNull(i) ? builder.AddNull() : builder.AddText(column.Text(i));
  return builder.Finish();
}

// One dictionary in the order of first appearance, and the codes in it; nothing when texts are better.
class Recoder {
 public:
  explicit Recoder(std::int64_t most) : most_(most) {}

  bool Add(const Column& column) {
    std::vector<std::int32_t>& of = known_[column.dictionary().get()];
    of.resize(column.dictionary()->size(), -1);
    auto codes = std::make_shared<std::vector<std::int32_t>>(static_cast<std::size_t>(column.size()), 0);
    for (std::int64_t i = 0; i < column.size(); ++i) {
      if (column.IsNull(i)) continue;
      const auto at = static_cast<std::size_t>(i);
      std::int32_t& code = of[static_cast<std::size_t>(column.codes()[at])];
      if (code < 0) {
        code = numbers_.try_emplace(column.Text(i), static_cast<std::int32_t>(numbers_.size())).first->second;
        if (static_cast<std::size_t>(code) == values_.size()) values_.emplace_back(column.Text(i));
        if (static_cast<std::int64_t>(values_.size()) > most_) return false;
      }
      (*codes)[at] = code;
    }
    codes_.push_back(std::move(codes));
    return true;
  }

  std::vector<Column> Finish(const std::vector<Column>& parts) {
    const auto dictionary = std::make_shared<const Dictionary>(std::move(values_));
    std::vector<Column> out;
    for (std::size_t k = 0; k < parts.size(); ++k) {
      // The bits of what is null are the old column's, which is kept alive with the codes.
      auto owner = std::make_shared<const std::pair<std::shared_ptr<std::vector<std::int32_t>>, Column>>(codes_[k], parts[k]);
      out.push_back(Column::Coded(codes_[k]->data(), dictionary, parts[k].size(), parts[k].validity(), owner));
    }
    return out;
  }

 private:
  std::int64_t most_;
  std::unordered_map<const Dictionary*, std::vector<std::int32_t>> known_;
  std::unordered_map<std::string_view, std::int32_t> numbers_;  // views of the columns' own texts
  std::vector<std::string> values_;
  std::vector<std::shared_ptr<std::vector<std::int32_t>>> codes_;
};

std::vector<Column> Recoded(std::vector<Column> parts, std::int64_t rows) {
  if (std::ranges::none_of(parts, [](const Column& part) { return part.coded(); })) return parts;
  Recoder recoder(std::max(kAlwaysCoded, rows / kRowsAValue));
  if (std::ranges::all_of(parts, [&](const Column& part) { return part.coded() && recoder.Add(part); })) return recoder.Finish(parts);
  for (Column& part : parts) part = AsTexts(part);
  return parts;
}

// Finds buffers in packs that are there; one that cannot be read whole holds nothing.
class Known {
 public:
  Known(const store::Store& store, const std::vector<std::string>& like) : store_(store) {
    std::unordered_set<std::string> packs;
    for (const std::string& artifact : like) {
      const auto bytes = store.Get(artifact);
      if (!bytes || !table::IsColumnsList((*bytes)->view())) continue;
      const auto buffers = table::BuffersOf((*bytes)->view());
      if (!buffers) continue;
      for (const table::PlacedBuffer& buffer : *buffers) {
        packs.insert(buffer.pack);
        places_.emplace(buffer.checksum, buffer);
      }
    }
    if (packs.size() >= kMostPacks) places_.clear();
  }

  std::optional<table::PlacedBuffer> Find(std::string_view bytes, std::uint64_t checksum) {
    const auto [from, to] = places_.equal_range(checksum);
    for (auto it = from; it != to; ++it) {
      const table::PlacedBuffer& place = it->second;
      const auto& pack = PackOf(place.pack);
      if (pack == nullptr || place.bytes != bytes.size() || place.at > pack->view().size() || place.bytes > pack->view().size() - place.at) continue;
      if (pack->view().substr(place.at, place.bytes) == bytes) return place;
    }
    return std::nullopt;
  }

 private:
  const std::shared_ptr<const platform::Bytes>& PackOf(const std::string& name) {
    const auto [at, fresh] = packs_.try_emplace(name);
    if (fresh) {
      if (auto bytes = store_.Get(name)) at->second = *std::move(bytes);
    }
    return at->second;
  }

  const store::Store& store_;
  std::unordered_multimap<std::uint64_t, table::PlacedBuffer> places_;
  std::unordered_map<std::string, std::shared_ptr<const platform::Bytes>> packs_;
};

}  // namespace

std::vector<Batch> CutByContent(const std::shared_ptr<const Schema>& schema, const std::vector<Batch>& batches, const std::string& anchor) {
  std::int64_t rows = 0;
  for (const Batch& batch : batches) rows += batch.rows();
  std::vector<std::vector<Column>> columns;
  for (int i = 0; i < schema->size(); ++i) {
    std::vector<Column> parts;
    for (const Batch& batch : batches) parts.push_back(batch.column(i));
    columns.push_back(Recoded(std::move(parts), rows));
  }
  std::vector<Batch> whole;
  for (std::size_t k = 0; k < batches.size(); ++k) {
    std::vector<Column> of;
    for (const std::vector<Column>& parts : columns) of.push_back(parts[k]);
    whole.emplace_back(schema, std::move(of));
  }
  std::vector<Batch> out;
  std::size_t in = 0;
  std::int64_t at = 0;  // the next row of whole[in]
  for (std::int64_t left : Cuts(HashRows(batches, {AnchorOf(*schema, batches, anchor)}, 0))) {
    std::vector<Batch> parts;
    while (left > 0) {
      const std::int64_t take = std::min(left, whole[in].rows() - at);
      if (take > 0) parts.push_back(take == whole[in].rows() ? whole[in] : whole[in].Slice(at, take));
      left -= take;
      at += take;
      if (at < whole[in].rows()) continue;
      ++in;
      at = 0;
    }
    out.push_back(parts.size() == 1 ? parts[0] : Batch::Concat(parts));
  }
  return out;
}

Result<Kept> KeepRows(const Call& call, const std::shared_ptr<const Schema>& schema, const std::vector<Batch>& batches,
                      const std::vector<std::string>& like, store::Store& store) {
  TENON_TRY(call.Check());
  Known known(store, like);
  const table::ColumnsList made =
      table::WriteColumnsList(schema, batches, [&](std::string_view bytes, std::uint64_t checksum) { return known.Find(bytes, checksum); });
  Kept out;
  // The pack first: a list never points at what is not there.
  if (!made.pack.empty()) TENON_TRY(store.Put(made.pack));
  const bool fresh = !store.Has(HashOf(made.list));
  TENON_ASSIGN(out.artifact, store.Put(made.list));
  TENON_ASSIGN(out.packs, table::PacksOf(made.list));
  TENON_ASSIGN(const auto buffers, table::BuffersOf(made.list));
  for (const table::PlacedBuffer& buffer : buffers) out.bytes += buffer.bytes;
  out.added = made.pack.size() + (fresh ? made.list.size() : 0);
  return out;
}

Result<table::ColumnsFile> OpenRows(const store::Store& store, const std::string& artifact) {
  TENON_ASSIGN(auto bytes, store.Get(artifact));
  if (!table::IsColumnsList(bytes->view())) return table::OpenColumns(bytes->view(), bytes);
  TENON_ASSIGN(const std::vector<std::string> names, table::PacksOf(bytes->view()));
  std::vector<table::OwnedBytes> packs;
  for (const std::string& name : names) {
    TENON_ASSIGN(auto pack, store.Get(name));
    packs.push_back({pack->view(), pack});
  }
  return table::OpenColumnsList(bytes->view(), packs);
}

}  // namespace tenon::dataset
