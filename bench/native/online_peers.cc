// The same records in other embedded stores, for bench/online.
//   bench_online_peers lmdb|rocksdb ENTITIES FOLDER

#include <lmdb.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/text.h"
#include "bench/native/online.h"
#include "bench/native/worker.h"

namespace tenon::bench {
namespace {

constexpr std::size_t kQuestions = 1 << 16;
using Row = std::array<double, kFeatures>;

// A store that fills itself and gives rows for keys; the sum of the values stands for the reading of all.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual Result<double> Read(std::span<const std::string> keys) = 0;
};

double SumOf(const void* bytes) {
  Row row;
  std::memcpy(&row, bytes, sizeof row);
  double sum = 0;
  for (const double value : row) sum += value;
  return sum;
}

Row RowOf(std::uint64_t entity) {
  Row row;
  for (std::size_t f = 0; f < kFeatures; ++f) row[f] = FeatureValue(entity, f);
  return row;
}

class Lmdb final : public Peer {
 public:
  static Result<std::unique_ptr<Peer>> Make(std::uint64_t entities, const std::string& folder) {
    auto out = std::make_unique<Lmdb>();
    bool good = mdb_env_create(&out->environment_) == 0 && mdb_env_set_mapsize(out->environment_, entities * 1200 + (1 << 24)) == 0 &&
                mdb_env_open(out->environment_, folder.c_str(), MDB_NOSYNC | MDB_NORDAHEAD, 0644) == 0;
    MDB_txn* transaction = nullptr;
    good = good && mdb_txn_begin(out->environment_, nullptr, 0, &transaction) == 0 && mdb_dbi_open(transaction, nullptr, 0, &out->table_) == 0;
    for (std::uint64_t i = 0; good && i < entities; ++i) {
      const std::string name = EntityName(i);
      Row row = RowOf(i);
      MDB_val key{name.size(), const_cast<char*>(name.data())}, value{sizeof row, &row};
      good = mdb_put(transaction, out->table_, &key, &value, MDB_APPEND) == 0;
    }
    good = good && mdb_txn_commit(transaction) == 0 && mdb_txn_begin(out->environment_, nullptr, MDB_RDONLY, &out->reader_) == 0;
    if (!good) return Error(Code::kUnavailable, "LMDB does not take the records");
    mdb_txn_reset(out->reader_);
    return out;
  }
  Result<double> Read(std::span<const std::string> keys) override {
    double sum = 0;
    if (mdb_txn_renew(reader_) != 0) return Error(Code::kUnavailable, "LMDB gives no reader");
    for (const std::string& name : keys) {
      MDB_val key{name.size(), const_cast<char*>(name.data())}, value;
      if (mdb_get(reader_, table_, &key, &value) != 0) return Error(Code::kInternal, "LMDB has lost a record");
      sum += SumOf(value.mv_data);
    }
    mdb_txn_reset(reader_);
    return sum;
  }

 private:
  MDB_env* environment_ = nullptr;
  MDB_dbi table_ = 0;
  MDB_txn* reader_ = nullptr;
};

class Rocks final : public Peer {
 public:
  static Result<std::unique_ptr<Peer>> Make(std::uint64_t entities, const std::string& folder) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    options.allow_mmap_reads = true;  // faster than its block cache when all is in memory
    rocksdb::BlockBasedTableOptions blocks;
    blocks.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    blocks.no_block_cache = true;
    blocks.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(blocks));
    auto out = std::make_unique<Rocks>();
    rocksdb::DB* opened = nullptr;
    if (!rocksdb::DB::Open(options, folder, &opened).ok()) return Error(Code::kUnavailable, "RocksDB does not open");
    out->store_.reset(opened);
    rocksdb::WriteOptions quick;
    quick.disableWAL = true;
    for (std::uint64_t i = 0; i < entities; ++i) {
      const Row row = RowOf(i);
      if (!opened->Put(quick, EntityName(i), rocksdb::Slice(reinterpret_cast<const char*>(&row), sizeof row)).ok()) return Error(Code::kUnavailable, "RocksDB does not take a record");
    }
    if (!opened->Flush({}).ok() || !opened->CompactRange({}, nullptr, nullptr).ok()) return Error(Code::kUnavailable, "RocksDB does not compact");
    return out;
  }
  Result<double> Read(std::span<const std::string> keys) override {
    const std::size_t count = keys.size();
    slices_.assign(keys.begin(), keys.end());
    values_.resize(count);
    states_.resize(count);
    if (count == 1) {
      states_[0] = store_->Get({}, store_->DefaultColumnFamily(), slices_[0], &values_[0]);
    } else {
      store_->MultiGet({}, store_->DefaultColumnFamily(), count, slices_.data(), values_.data(), states_.data());
    }
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (!states_[i].ok()) return Error(Code::kInternal, "RocksDB has lost a record");
      sum += SumOf(values_[i].data());
      values_[i].Reset();
    }
    return sum;
  }

 private:
  std::unique_ptr<rocksdb::DB> store_;
  std::vector<rocksdb::Slice> slices_;
  std::vector<rocksdb::PinnableSlice> values_;
  std::vector<rocksdb::Status> states_;
};

Result<int> Run(const std::vector<std::string>& words) {
  if (words.size() != 3) return Error(Code::kInvalidArgument, "usage: bench_online_peers lmdb|rocksdb ENTITIES FOLDER");
  const auto entities = static_cast<std::uint64_t>(std::atoll(words[1].c_str()));
  TENON_ASSIGN(auto peer, words[0] == "lmdb" ? Lmdb::Make(entities, words[2]) : Rocks::Make(entities, words[2]));
  const std::vector<std::string> keys = Questions(entities, kQuestions);
  const auto ask = [&](std::size_t together) -> Result<double> {
    double sum = 0;
    for (std::size_t at = 0; at + together <= keys.size(); at += together) {
      TENON_ASSIGN(const double part, peer->Read(std::span<const std::string>(keys).subspan(at, together)));
      sum += part;
    }
    return sum;
  };
  std::vector<Case> cases;
  for (const std::size_t together : {std::size_t{1}, std::size_t{100}}) {
    Case one;
    one.name = together == 1 ? "one" : "hundred";
    one.rows = static_cast<std::int64_t>(keys.size() / together * together);
    one.work = [&ask, together]() -> Result<void> {
      TENON_ASSIGN(const double sum, ask(together));
      return sum > 0 ? Result<void>() : Result<void>(Error(Code::kInternal, "no values"));
    };
    one.answer = [&ask, together]() -> Result<std::vector<double>> {
      TENON_ASSIGN(const double sum, ask(together));
      return std::vector<double>{sum};
    };
    cases.push_back(std::move(one));
  }
  return Obey(words[0] == "lmdb" ? Str(MDB_VERSION_MAJOR, ".", MDB_VERSION_MINOR, ".", MDB_VERSION_PATCH) : Str(ROCKSDB_MAJOR, ".", ROCKSDB_MINOR, ".", ROCKSDB_PATCH), cases);
}

}  // namespace
}  // namespace tenon::bench

int main(int count, char** arguments) { return tenon::bench::Main(count, arguments, tenon::bench::Run); }
