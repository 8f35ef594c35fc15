#include "dataset/keep_internal.h"

#include <unistd.h>

#include <filesystem>

#include "base/testing.h"
#include "base/text.h"
#include "dataset/history.h"
#include "dataset/snapshot.h"

namespace tenon::dataset {
namespace {

using table::Batch;
using table::Column;
using table::ColumnBuilder;
using table::Schema;
using table::Type;

class KeepTest : public ::testing::Test {
 protected:
  void SetUp() override {
    files_ = platform::RealFiles();
    folder_ = Str(::testing::TempDir(), "/tenon-keep-", ::getpid(), "-", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    Reopen();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Reopen() {
    store_.reset();
    auto store = store::Store::Open(*files_, folder_, store::Store::Access::kWrite);
    ASSERT_OK(store);
    store_ = *std::move(store);
  }
  // A row a number: an identifier, a text that few share, a text of many, a value.
  static Batch Rows(const std::vector<std::int64_t>& ids, double shift = 0) {
    static const auto schema = std::make_shared<const Schema>(
        std::vector<table::Field>{{"id", Type::kInt64}, {"town", Type::kString}, {"note", Type::kString}, {"x", Type::kFloat64}});
    static const auto towns = std::make_shared<const table::Dictionary>(table::Dictionary{"Oslo", "Bonn", "Graz"});
    ColumnBuilder id(Type::kInt64), note(Type::kString), x(Type::kFloat64);
    auto codes = std::make_shared<std::vector<std::int32_t>>();
    for (const std::int64_t i : ids) {
      id.AddInt(i);
      codes->push_back(static_cast<std::int32_t>(i * 7 % 3));
      i % 11 == 0 ? note.AddNull() : note.AddText(Str("n", i * i));
      x.Add(static_cast<double>(i) / 3 + shift);
    }
    const auto size = static_cast<std::int64_t>(ids.size());
    return Batch(schema, {id.Finish(), Column::Coded(codes->data(), towns, size, nullptr, codes), note.Finish(), x.Finish()});
  }
  static std::vector<std::int64_t> Ids(std::int64_t from, std::int64_t to) {
    std::vector<std::int64_t> out;
    for (std::int64_t i = from; i < to; ++i) out.push_back(i);
    return out;
  }
  std::int64_t Added(const std::vector<Batch>& batches) {
    ingest::SourceSpec spec;
    spec.key = "id";
    auto reader = table::ReaderOver(batches[0].shared_schema(), batches);
    auto snapshot = Snapshot(Call(), *reader, spec, *store_);
    EXPECT_TRUE(snapshot.ok());
    if (!snapshot.ok()) return -1;
    EXPECT_EQ((*snapshot)->hash(), InMemory(batches)->hash());  // what is kept is what was given
    EXPECT_EQ(InMemory((*snapshot)->batches())->hash(), (*snapshot)->hash());
    last_ = (*snapshot)->hash();
    auto record = store_->FindRecord("snapshot", last_);
    EXPECT_TRUE(record.ok() && *record);
    return record.ok() && *record ? (*record)->body.IntAt("added") : -1;
  }
  std::unique_ptr<platform::Files> files_;
  std::string folder_, last_;
  std::unique_ptr<store::Store> store_;
};

TEST_F(KeepTest, StoresOnlyWhatChanged) {
  const std::int64_t all = Added({Rows(Ids(0, 100'000))});
  EXPECT_GT(all, 2'000'000);
  // 1,000 rows behind the end, whatever batches they come in.
  EXPECT_LT(Added({Rows(Ids(0, 77'777)), Rows(Ids(77'777, 101'000))}), all / 10);
  std::vector<std::int64_t> inserted = Ids(0, 50'000);
  for (std::int64_t i = 0; i < 1000; ++i) inserted.push_back(1'000'000 + i);
  for (std::int64_t i = 50'000; i < 100'000; ++i) inserted.push_back(i);
  EXPECT_LT(Added({Rows(inserted)}), all / 8);
  EXPECT_LT(Added({Rows(Ids(999, 100'000))}), all / 8);  // the oldest are gone; the towns come in the same order
  const std::int64_t column = Added({Rows(Ids(0, 100'000), 0.5)});
  EXPECT_GT(column, 800'000);
  EXPECT_LT(column, 900'000);  // of one column, 8 bytes a row
}

TEST_F(KeepTest, EqualRowsAddNothingAndAreReadByPieces) {
  Added({Rows(Ids(0, 20'000))});
  const std::string first = last_;
  Added({Rows(Ids(0, 30'000))});
  Reopen();
  ASSERT_OK_AND_ASSIGN(const SnapshotPtr loaded, LoadSnapshot(Call(), *store_, last_));
  EXPECT_EQ(InMemory(loaded->batches())->hash(), last_);
  EXPECT_GT(loaded->batches().size(), 2u);
  EXPECT_EQ(loaded->batches()[0].column(1).dictionary(), loaded->batches().back().column(1).dictionary());
  ASSERT_OK_AND_ASSIGN(const Json artifacts, ArtifactsOf(*store_, last_));
  EXPECT_EQ(artifacts.object().size(), 3u);  // the list, its own pack, the pack of the one before
}

TEST_F(KeepTest, ADamagedPackIsWrittenAgain) {
  Added({Rows(Ids(0, 20'000))});
  ASSERT_OK_AND_ASSIGN(const Json artifacts, ArtifactsOf(*store_, last_));
  const std::string path = store_->PathOf(artifacts.StringAt("rows.1"));
  ASSERT_OK_AND_ASSIGN(std::string bytes, files_->Read(path));
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_OK(files_->Write(path, bytes));
  Reopen();
  ASSERT_CODE(kDataLoss, LoadSnapshot(Call(), *store_, last_));
  Reopen();
  Added({Rows(Ids(0, 20'000))});
  Reopen();
  ASSERT_OK(LoadSnapshot(Call(), *store_, last_));
  ASSERT_OK_AND_ASSIGN(const auto findings, store_->Check(Call()));
  EXPECT_TRUE(findings.empty());
}

TEST_F(KeepTest, SnapshotsStoredWholeAreStillRead) {
  const std::vector<Batch> batches = {Rows(Ids(0, 500)), Rows(Ids(500, 700))};
  const SnapshotPtr plain = InMemory(batches);
  Json body;
  ASSERT_OK_AND_ASSIGN(body["artifact"], store_->Put(table::WriteColumns(plain->shared_schema(), batches)));
  body["source"] = "data";
  body["rows"] = 700;
  ASSERT_OK(store_->PutRecord("snapshot", plain->hash(), body));
  ASSERT_OK_AND_ASSIGN(const SnapshotPtr loaded, LoadSnapshot(Call(), *store_, plain->hash()));
  EXPECT_EQ(InMemory(loaded->batches())->hash(), plain->hash());
}

TEST_F(KeepTest, HistoryKnowsWhatWasWhen) {
  Call call;
  ASSERT_CODE(kNotFound, AsOf(*store_, "shop", "1"));
  ASSERT_OK(NoteVersion(call, *store_, "shop", "aa"));
  ASSERT_OK(NoteVersion(call, *store_, "shop", "aa"));
  ASSERT_OK(NoteVersion(call, *store_, "shop", "bb"));
  ASSERT_OK(NoteVersion(call, *store_, "shop", "aa"));  // it is again what it was
  ASSERT_OK_AND_ASSIGN(const auto versions, HistoryOf(*store_, "shop"));
  ASSERT_EQ(versions.size(), 3u);
  EXPECT_EQ(versions[2].snapshot, "aa");
  ASSERT_OK_AND_ASSIGN(const SourceVersion second, AsOf(*store_, "shop", "2"));
  EXPECT_EQ(second.snapshot, "bb");
  ASSERT_OK_AND_ASSIGN(const SourceVersion then, AsOf(*store_, "shop", FormatTimestamp(versions[1].at)));
  EXPECT_LE(then.at, versions[1].at);
  ASSERT_OK_AND_ASSIGN(const SourceVersion later, AsOf(*store_, "shop", "2999-01-01"));
  EXPECT_EQ(later.version, 3);
  ASSERT_CODE(kNotFound, AsOf(*store_, "shop", "1970-01-02"));
  ASSERT_CODE(kNotFound, AsOf(*store_, "shop", "4"));
  ASSERT_CODE(kInvalidArgument, AsOf(*store_, "shop", "yesterday"));
}

}  // namespace
}  // namespace tenon::dataset
