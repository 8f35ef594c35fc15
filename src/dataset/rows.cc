#include "dataset/rows_internal.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "base/hash.h"
#include "base/text.h"

namespace tenon::dataset {
namespace {

using table::Batch;
using table::Column;
using table::Type;

constexpr std::uint64_t kNullHash = 0x9AE16A3B2F90404FULL;
constexpr std::size_t kBlock = 1 << 16;

std::uint64_t Bits(double value) {
  if (std::isnan(value)) return std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN());
  return std::bit_cast<std::uint64_t>(value);
}

// As Bits, for rows that are compared: -0.0 equals 0.0.
std::uint64_t EqualBits(double value) { return value == 0 ? 0 : Bits(value); }

void HashColumn(const Column& column, std::uint64_t seed, std::uint64_t* out) {
  const std::int64_t rows = column.size();
  std::vector<std::uint64_t> of_code;
  if (column.coded()) {
    for (const std::string& value : *column.dictionary()) of_code.push_back(Hash64(value, seed));
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto at = static_cast<std::size_t>(i);
    std::uint64_t hash = Hash64(kNullHash, seed);
    if (!column.IsNull(i)) {
      switch (column.type()) {
        case Type::kString: hash = column.coded() ? of_code[static_cast<std::size_t>(column.codes()[at])] : Hash64(column.Text(i), seed); break;
        case Type::kFloat64: hash = Hash64(EqualBits(column.doubles()[at]), seed); break;
        case Type::kBool: hash = Hash64(static_cast<std::uint64_t>(column.bools()[at]), seed); break;
        case Type::kEmbedding: {
          const auto width = static_cast<std::size_t>(column.width());
          std::string bytes;
          for (const float value : column.floats().subspan(at * width, width)) {
            const std::uint64_t bits = EqualBits(static_cast<double>(value));
            bytes.append(reinterpret_cast<const char*>(&bits), sizeof bits);
          }
          hash = Hash64(bytes, seed);
          break;
        }
        default: hash = Hash64(static_cast<std::uint64_t>(column.ints()[at]), seed);
      }
    }
    out[i] += hash;  // a sum: the order of the columns does not matter, their names are in the seed
  }
}

// Two streams a column: the values of all rows (zero or empty under a null), and the numbers of the null rows.
class ColumnStream {
 public:
  void Add(const Column& column) {
    const std::int64_t rows = column.size();
    const bool nulls = column.has_nulls();
    for (std::int64_t i = 0; i < rows; ++i) {
      const bool null = nulls && column.IsNull(i);
      if (null) Put(&nulls_, static_cast<std::uint64_t>(row_ + i));
      AddValue(column, i, null);
      if (values_.size() >= kBlock) Flush();
    }
    row_ += rows;
    Flush();
  }
  std::string Hex() const { return value_hash_.Hex() + null_hash_.Hex(); }

 private:
  static void Put(std::string* out, std::uint64_t value) { out->append(reinterpret_cast<const char*>(&value), sizeof value); }
  void AddValue(const Column& column, std::int64_t i, bool null) {
    const auto at = static_cast<std::size_t>(i);
    switch (column.type()) {
      case Type::kString: {
        const std::string_view text = null ? std::string_view() : column.Text(i);
        Put(&values_, text.size());
        values_.append(text);
        break;
      }
      case Type::kFloat64: Put(&values_, null ? 0 : Bits(column.doubles()[at])); break;
      case Type::kBool: values_.push_back(!null && column.bools()[at] != 0 ? '\1' : '\0'); break;
      case Type::kEmbedding: {
        const auto width = static_cast<std::size_t>(column.width());
        for (const float value : column.floats().subspan(at * width, width)) Put(&values_, null ? 0 : Bits(static_cast<double>(value)));
        break;
      }
      default: Put(&values_, null ? 0 : static_cast<std::uint64_t>(column.ints()[at]));
    }
  }
  void Flush() {
    value_hash_.Add(values_);
    null_hash_.Add(nulls_);
    values_.clear();
    nulls_.clear();
  }
  ContentHash value_hash_, null_hash_;
  std::string values_, nulls_;
  std::int64_t row_ = 0;
};

}  // namespace

std::vector<std::uint64_t> HashRows(const std::vector<Batch>& batches, const std::vector<int>& columns, std::uint64_t seed) {
  std::size_t rows = 0;
  for (const Batch& batch : batches) rows += static_cast<std::size_t>(batch.rows());
  std::vector<std::uint64_t> out(rows, 0);
  std::size_t at = 0;
  for (const Batch& batch : batches) {
    for (const int i : columns) HashColumn(batch.column(i), Hash64(batch.schema()[i].name, seed), out.data() + at);
    at += static_cast<std::size_t>(batch.rows());
  }
  for (std::uint64_t& hash : out) hash = Hash64(hash, seed);
  return out;
}

Result<std::string> HashOfTable(const Call& call, const table::Schema& schema, const std::vector<Batch>& batches) {
  const auto columns = static_cast<std::size_t>(schema.size());
  std::vector<std::string> parts(columns);
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> stopped = false;
  const auto work = [&] {
    for (std::size_t i = next++; i < columns && !stopped; i = next++) {
      ColumnStream stream;
      for (const Batch& batch : batches) {
        if (!call.Check().ok()) stopped = true;
        if (stopped) return;
        stream.Add(batch.column(static_cast<int>(i)));
      }
      parts[i] = stream.Hex();
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (int i = 1; i < std::min<int>(call.threads, schema.size()); ++i) helpers.emplace_back(work);
    work();
  }
  TENON_TRY(call.Check());
  std::int64_t rows = 0;
  for (const Batch& batch : batches) rows += batch.rows();
  ContentHash all;
  all.AddSized("tenon snapshot 1");
  all.AddSized(schema.ToJson().Canonical());
  all.AddSized(Str(rows));
  for (const std::string& part : parts) all.AddSized(part);
  return all.Hex();
}

}  // namespace tenon::dataset
