#include "pipeline/partial_internal.h"

#include <atomic>

#include "base/testing.h"
#include "base/text.h"
#include "pipeline/ordered_internal.h"
#include "platform/memory_files.h"

namespace tenon::pipeline {
namespace {

const auto kSchema = std::make_shared<const table::Schema>(std::vector<table::Field>{{"a", table::Type::kInt64}});

Json Job(std::string_view what) {
  Json job;
  job["in"] = what;
  return job;
}

// Writes 20 rows of which every fifth is bad, settling after every third; from where somebody else was.
Result<void> Write(platform::Files& files, const Json& job, bool fresh = false) {
  TENON_ASSIGN(auto partial, Partial::Open(Call(), files, {"/d/out.csv", ingest::TableForm::kCsv, "/d/bad.jsonl"}, kSchema, job, fresh));
  for (std::int64_t row = partial->settled().IntAt("row", 0); row < 20; ++row) {
    TENON_TRY(row % 5 == 4 ? partial->AddBad(Str("bad ", row, "\n")) : partial->AddText(Str(row, "\n")));
    if (row % 3 != 2) continue;
    Json at;
    at["row"] = row + 1;
    TENON_TRY(partial->Settle(Call(), at));
  }
  return partial->Finish(Call());
}

constexpr std::string_view kRows = "a\n0\n1\n2\n3\n5\n6\n7\n8\n10\n11\n12\n13\n15\n16\n17\n18\n";
constexpr std::string_view kBad = "bad 4\nbad 9\nbad 14\nbad 19\n";

TEST(Partial, WholeOrNotAtAllWhereverItDies) {
  std::int64_t cuts = 0;
  int resumed = 0;
  for (bool done = false; !done; ++cuts) {
    SCOPED_TRACE(Str("cut after ", cuts));
    platform::MemoryFiles files;
    ASSERT_OK(files.MakeFolders("/d"));
    ASSERT_LT(cuts, 1000);
    files.CutAfter(cuts);
    done = Write(files, Job("x")).ok();
    files.DropUnsynced();
    if (files.Exists("/d/out.csv")) {
      ASSERT_OK_AND_ASSIGN(const std::string rows, files.Read("/d/out.csv"));
      EXPECT_EQ(rows, kRows);
    }
    {
      ASSERT_OK_AND_ASSIGN(auto partial, Partial::Open(Call(), files, {"/d/out.csv", ingest::TableForm::kCsv, "/d/bad.jsonl"}, kSchema, Job("x"), false));
      resumed += partial->settled().is_null() ? 0 : 1;
    }
    ASSERT_OK(Write(files, Job("x")));
    ASSERT_OK_AND_ASSIGN(const std::string rows, files.Read("/d/out.csv"));
    EXPECT_EQ(rows, kRows);
    ASSERT_OK_AND_ASSIGN(const std::string bad, files.Read("/d/bad.jsonl"));
    EXPECT_EQ(bad, kBad);
    ASSERT_OK_AND_ASSIGN(const auto names, files.List("/d"));
    EXPECT_EQ(names, (std::vector<std::string>{"bad.jsonl", "out.csv"}));
  }
  EXPECT_GT(resumed, 10);
}

TEST(Partial, OtherWorkBeginsAnew) {
  for (const bool fresh : {false, true}) {
    platform::MemoryFiles files;
    ASSERT_OK(files.MakeFolders("/d"));
    files.CutAfter(30);
    ASSERT_FALSE(Write(files, Job("x")).ok());
    files.Heal();
    ASSERT_OK_AND_ASSIGN(auto partial, Partial::Open(Call(), files, {"/d/out.csv", ingest::TableForm::kCsv, "/d/bad.jsonl"}, kSchema,
                                                     Job(fresh ? "x" : "y"), fresh));
    EXPECT_TRUE(partial->settled().is_null());
    ASSERT_CODE(kUnavailable, Write(files, Job("x")));  // two at once
    partial.reset();
    ASSERT_OK_AND_ASSIGN(const auto names, files.List("/d"));
    EXPECT_TRUE(names.empty()) << names.front();  // nothing was settled, so nothing stays
  }
}

TEST(Ordered, GivesOutInOrderAndStopsAtTheFirstError) {
  for (const int threads : {1, 2, 5}) {
    int next = 0;
    std::vector<int> taken;
    const auto pull = [&]() -> Result<std::optional<int>> {
      if (next == 200) return std::optional<int>();
      return std::optional<int>(next++);
    };
    const auto work = [&](int, int& item) -> Result<int> {
      if (item == 150) return Error(Code::kInvalidArgument, "150");
      return item * 2;
    };
    auto done = Ordered<int, int>::Run(threads, pull, work, [&](int& item, int twice) -> Result<void> {
      EXPECT_EQ(twice, 2 * item);
      taken.push_back(item);
      return {};
    });
    ASSERT_CODE(kInvalidArgument, done);
    ASSERT_EQ(taken.size(), 150U);
    for (int i = 0; i < 150; ++i) EXPECT_EQ(taken[static_cast<std::size_t>(i)], i);
    next = 151;
    taken.clear();
    ASSERT_OK((Ordered<int, int>::Run(threads, pull, work, [&](int& item, int) -> Result<void> {
      taken.push_back(item);
      return {};
    })));
    EXPECT_EQ(taken.size(), 49U);
    ASSERT_CODE(kCancelled, (Ordered<int, int>::Run(threads, []() -> Result<std::optional<int>> { return Error(Code::kCancelled, "pull"); }, work,
                                                    [](int&, int) -> Result<void> { return {}; })));
  }
}

}  // namespace
}  // namespace tenon::pipeline
