#include "dataset/erase.h"

#include <unistd.h>

#include <filesystem>

#include "base/testing.h"
#include "base/text.h"
#include "dataset/sensitive.h"

namespace tenon::dataset {
namespace {

using table::Batch;
using table::Column;
using table::Schema;
using table::Type;

class EraseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    files_ = platform::RealFiles();
    folder_ = Str(::testing::TempDir(), "/tenon-erase-", ::getpid(), "-", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    ASSERT_OK_AND_ASSIGN(store_, store::Store::Open(*files_, folder_, store::Store::Access::kWrite));
    spec_.name = "shop";
    spec_.key = "mail";
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  static Batch Rows(std::int64_t from, std::int64_t to) {
    std::vector<std::string> mails;
    std::vector<std::int64_t> numbers;
    for (std::int64_t i = from; i < to; ++i) {
      mails.push_back(Str("u", i, "@example.org"));
      numbers.push_back(i % 10);
    }
    return Batch(std::make_shared<const Schema>(std::vector<table::Field>{{"mail", Type::kString}, {"n", Type::kInt64}}), {Column::Of(mails), Column::Of(numbers, Type::kInt64)});
  }
  Result<SnapshotPtr> Take(std::int64_t to) {
    auto reader = table::ReaderOver(Rows(0, 1).shared_schema(), {Rows(0, to / 2), Rows(to / 2, to)});
    return Snapshot(Call(), *reader, spec_, *store_);
  }

  decltype(platform::RealFiles()) files_{};
  std::string folder_;
  std::unique_ptr<store::Store> store_;
  ingest::SourceSpec spec_;
};

TEST_F(EraseTest, LeavesOutWhatComesAgain) {
  ASSERT_OK_AND_ASSIGN(const SnapshotPtr all, Take(100));
  ASSERT_OK_AND_ASSIGN(const Erased one, ErasedOf(*store_, "shop", all->about(), "", "u70@example.org"));
  EXPECT_EQ(one.column, "mail");
  EXPECT_EQ(RowsOf(*all, one), (std::vector<std::int64_t>{70}));
  ASSERT_OK_AND_ASSIGN(bool known, Remembered(*store_, one));
  EXPECT_FALSE(known);
  ASSERT_OK(Remember(Call(), *store_, one));
  ASSERT_OK_AND_ASSIGN(known, Remembered(*store_, one));
  EXPECT_TRUE(known);
  ASSERT_OK_AND_ASSIGN(const SnapshotPtr less, Take(100));
  EXPECT_EQ(less->rows(), 99);
  EXPECT_TRUE(RowsOf(*less, one).empty());
  // Other sources keep theirs; the value is written nowhere.
  std::int64_t left_out = 0;
  ingest::SourceSpec till;
  till.name = "till";
  ASSERT_OK_AND_ASSIGN(const auto other, LeaveOutErased(till, {Rows(0, 100)}, *store_, &left_out));
  EXPECT_EQ(left_out, 0);
  ASSERT_OK_AND_ASSIGN(const auto records, store_->Records("erased"));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ((records[0].name + records[0].body.Dump()).find("u70"), std::string::npos);
  // By any other column, whose values are numbers.
  ASSERT_OK_AND_ASSIGN(const Erased threes, ErasedOf(*store_, "shop", all->about(), "n", "3"));
  EXPECT_EQ(RowsOf(*all, threes).size(), 10U);
  ASSERT_OK(Remember(Call(), *store_, threes));
  ASSERT_OK_AND_ASSIGN(const auto rest, LeaveOutErased(spec_, {Rows(0, 100)}, *store_, &left_out));
  EXPECT_EQ(left_out, 11);
  spec_.key.clear();
  ASSERT_CODE(kInvalidArgument, ErasedOf(*store_, "shop", Json(), "", "x"));
  ASSERT_OK_AND_ASSIGN(const Erased every, ErasedOf(*store_, "shop", Json(), "mail", "u0@example.org"));
  ASSERT_OK(Remember(Call(), *store_, every));
  ASSERT_CODE(kInvalidArgument, Take(1));  // no row is left
}

TEST_F(EraseTest, UnderEveryNameOfTheColumn) {
  ASSERT_OK_AND_ASSIGN(const SnapshotPtr before, Take(50));
  const auto renamed = [](std::int64_t to) {
    const Batch rows = Rows(0, to);
    return Batch(std::make_shared<const Schema>(std::vector<table::Field>{{"address", Type::kString}, {"n", Type::kInt64}}), {rows.column(0), rows.column(1)});
  };
  const auto take = [&]() -> Result<SnapshotPtr> {
    auto reader = table::ReaderOver(renamed(1).shared_schema(), {renamed(50)});
    return Snapshot(Call(), *reader, spec_, *store_);
  };
  // Erased by its old name, it is left out under the new one.
  ASSERT_OK_AND_ASSIGN(const Erased old, ErasedOf(*store_, "shop", before->about(), "", "u7@example.org"));
  EXPECT_TRUE(old.also.empty());
  ASSERT_OK(Remember(Call(), *store_, old));
  spec_.key = "address";
  spec_.renames = {{"address", "mail"}};
  ASSERT_OK_AND_ASSIGN(const SnapshotPtr after, take());
  EXPECT_EQ(after->rows(), 49);
  // By its new name it is found in versions that have the old one, and left out of rows that have it still.
  ASSERT_OK_AND_ASSIGN(const Erased fresh, ErasedOf(*store_, "shop", after->about(), "", "u9@example.org"));
  EXPECT_EQ(fresh.also, std::vector<std::string>{"mail"});
  EXPECT_EQ(RowsOf(*before, fresh), (std::vector<std::int64_t>{9}));
  EXPECT_EQ(RowsOf(*after, fresh), (std::vector<std::int64_t>{8}));
  ASSERT_OK(Remember(Call(), *store_, fresh));
  std::int64_t left_out = 0;
  ASSERT_OK_AND_ASSIGN(const auto rows, LeaveOutErased(spec_, {Rows(0, 50)}, *store_, &left_out));
  EXPECT_EQ(left_out, 2);
}

TEST_F(EraseTest, FindsPseudonyms) {
  spec_.sensitive = {{"mail", ingest::Treatment::kPseudonymise}};
  spec_.governance["sensitive"]["mail"] = "pseudonymise";
  ASSERT_OK_AND_ASSIGN(const SnapshotPtr all, Take(50));
  ASSERT_OK_AND_ASSIGN(const Erased one, ErasedOf(*store_, "shop", all->about(), "", "u7@example.org"));
  EXPECT_EQ(RowsOf(*all, one), (std::vector<std::int64_t>{7}));
  ASSERT_OK(Remember(Call(), *store_, one));
  ASSERT_OK_AND_ASSIGN(const SnapshotPtr less, Take(50));
  EXPECT_EQ(less->rows(), 49);
}

TEST_F(EraseTest, RewritesAndFollowsNames) {
  ASSERT_OK_AND_ASSIGN(const SnapshotPtr all, Take(60));
  ASSERT_OK_AND_ASSIGN(const auto record, store_->FindRecord("snapshot", all->hash()));
  ASSERT_OK_AND_ASSIGN(const Rewritten same, Rewrite(Call(), *store_, *record, *all, {}, {}));
  EXPECT_EQ(same.hash, all->hash());
  ASSERT_OK_AND_ASSIGN(const Rewritten less, Rewrite(Call(), *store_, *record, *all, {0, 29, 30, 59}, {}));
  EXPECT_NE(less.hash, all->hash());
  EXPECT_EQ(less.body.IntAt("rows"), 56);
  std::vector<std::int64_t> every;
  for (std::int64_t i = 0; i < 60; ++i) every.push_back(i);
  ASSERT_OK_AND_ASSIGN(const Rewritten none, Rewrite(Call(), *store_, *record, *all, every, {}));
  EXPECT_EQ(none.hash, "");
  ASSERT_OK(store_->RemoveRecord("snapshot", all->hash()));
  ASSERT_OK(store_->PutRecord("snapshot", less.hash, less.body));
  ASSERT_OK(NoteRewritten(*store_, all->hash(), less.hash, {0, 29, 30, 59}));
  auto gone = LoadSnapshot(Call(), *store_, all->hash());
  ASSERT_CODE(kNotFound, gone);
  EXPECT_NE(gone.error().message().find(less.hash), std::string::npos);
  ASSERT_OK_AND_ASSIGN(const SnapshotPtr rest, LoadSnapshot(Call(), *store_, less.hash));
  ASSERT_OK_AND_ASSIGN(const Column mails, rest->Column("mail"));
  EXPECT_EQ(mails.Text(0), "u1@example.org");
  EXPECT_EQ(mails.Text(28), "u31@example.org");
  ASSERT_OK(NoteRewritten(*store_, less.hash, "", {3}));
  ASSERT_OK_AND_ASSIGN(const Renamed now, NameNow(*store_, all->hash()));
  EXPECT_EQ(now.hash, "");
  EXPECT_EQ(now.gone, (std::vector<std::vector<std::int64_t>>{{0, 29, 30, 59}, {3}}));
}

}  // namespace
}  // namespace tenon::dataset
