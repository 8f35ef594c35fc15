#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/testing.h"
#include "base/text.h"
#include "ingest/looked.h"
#include "ingest/read.h"

namespace tenon::ingest {
namespace {

class InPieces : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = Str(::testing::TempDir(), "/tenon-pieces-", ::getpid(), ".csv");
    ASSERT_OK(AddAll(kinds_));
  }
  void TearDown() override { std::filesystem::remove(path_); }

  Result<std::unique_ptr<Pieces>> Open(std::string_view bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    spec_.paths = {path_};
    return ReadPieces(Call(), spec_, kinds_);
  }

  static std::string Show(const table::Batch& batch) {
    std::string out;
    for (std::int64_t i = 0; i < batch.rows(); ++i) out += batch.RowAt(i).Dump() + "\n";
    return out;
  }

  // All rows, read in steps of so many bytes, each begun where Start guesses, and again where that was wrong.
  static std::string InSteps(const Pieces& pieces, std::uint64_t step, int* again) {
    std::string out;
    std::uint64_t at = pieces.begin();
    for (std::uint64_t from = pieces.begin(); from < pieces.end(); from += step) {
      const std::uint64_t to = std::min(from + step, pieces.end());
      auto piece = pieces.Read(Call(), from == pieces.begin() ? from : pieces.Start(from), to, {});
      if (piece.ok() && piece->begin != at) {
        ++*again;
        piece = pieces.Read(Call(), at, std::max(at, to), {});
      }
      if (!piece.ok()) return piece.error().ToString();
      out += Show(piece->rows);
      at = piece->end;
    }
    return out;
  }

  std::string path_;
  SourceSpec spec_;
  Kinds<Reader> kinds_;
};

TEST_F(InPieces, ANumberInAnotherFormIsToldWithItsPlace) {
  std::string text = "a;b\n";
  for (int i = 0; i < 300; ++i) text += Str(i, ".5;x\n");
  ASSERT_OK_AND_ASSIGN(auto pieces, Open(text + "1.234,5;x\n"));
  const auto learned = pieces->Learn(Call());
  ASSERT_FALSE(learned.ok());
  EXPECT_NE(learned.error().message().find(path_ + ":302: column 'a': '1.234,5' is a number in another form"), std::string_view::npos) << learned.error().message();
  ASSERT_OK_AND_ASSIGN(pieces, Open(text + "1.234,5;x\nten;y\n"));
  ASSERT_OK(pieces->Learn(Call()));
}

struct Case {
  const char* name;
  std::string_view bytes;
  bool guesses_wrong;  // some begin where no row does
};

TEST_F(InPieces, AnyStepGivesTheRowsOfTheWhole) {
  for (const Case& c : std::vector<Case>{
           {"plain", "a,b\n1,x\n22,yy\n333,zzz\n4,\n", false},
           {"no end of line at the end", "a,b\n1,x\n22,yy", false},
           {"both line ends", "a,b\r\n1,x\r\n22,yy\r\n333,zzz\r\n", false},
           {"empty lines", "a,b\n\n1,x\n\n\n22,yy\n\n", true},
           {"old line ends", "a,b\r1,x\r22,yy\r333,zzz\r", true},
           {"a mark", "\xEF\xBB\xBF" "a,b\n1,x\n22,yy\n", false},
           {"lines within quotes", "a,b\n1,\"x\ny\n2,z\"\n22,\"\n\n\n\"\n3,\"say \"\"no\nno\"\"\"\n4,u\n", true},
           {"letters of several bytes", "a,b\n1,\xC3\xA9\xC3\xA9\xC3\xA9\n22,\xE2\x82\xAC\xE2\x82\xAC\n", false},
       }) {
    SCOPED_TRACE(c.name);
    ASSERT_OK_AND_ASSIGN(auto pieces, Open(c.bytes));
    ASSERT_NE(pieces, nullptr);
    ASSERT_OK(pieces->Learn(Call()));
    ASSERT_OK_AND_ASSIGN(auto reader, Read(Call(), spec_, kinds_));
    ASSERT_OK_AND_ASSIGN(const table::Batch whole, table::ReadAll(Call(), *reader));
    EXPECT_EQ(pieces->schema()->fields(), whole.schema().fields());
    int again = 0;
    for (std::uint64_t step = 1; step <= c.bytes.size(); ++step) EXPECT_EQ(InSteps(*pieces, step, &again), Show(whole)) << "step " << step;
    EXPECT_EQ(again > 0, c.guesses_wrong);
  }
}

TEST_F(InPieces, BadRowsAreLeftOutWithTheirPlace) {
  spec_.types = {{"a", "float64"}};
  ASSERT_OK_AND_ASSIGN(auto pieces, Open("a,b\n1,x\noops,y\n2\n3,z,z\n\n4,\"u\" v\n\xFF,w\n5,t\n"));
  ASSERT_OK_AND_ASSIGN(const Piece piece, pieces->Read(Call(), pieces->begin(), pieces->end(), {}));
  EXPECT_EQ(Show(piece.rows), "{\"a\":1.0,\"b\":\"x\"}\n{\"a\":5.0,\"b\":\"t\"}\n");
  EXPECT_EQ(piece.texts, (std::vector<std::string_view>{"1,x", "5,t"}));
  std::string bad;
  for (const BadRow& row : piece.bad) bad += Str(row.line, "|", row.problem.substr(0, 24), "|", row.text, "\n");
  EXPECT_EQ(bad,
            "2|column 'a': 'oops' is no|oops,y\n"
            "3|1 value, but 2 columns; |2\n"
            "4|3 values, but 2 columns;|3,z,z\n"
            "6|'v' stands behind the qu|4,\"u\" v\n"
            "7|not UTF-8; write `encodi|\xFF,w\n");
  EXPECT_EQ(piece.lines, 8);
  EXPECT_EQ(pieces->lines_before(), 1);
}

TEST_F(InPieces, PackedAndInOtherEncodings) {
  // "a,b\n1,2\n" as the program zstd packs it, and in UTF-16.
  ASSERT_OK_AND_ASSIGN(auto packed, Open(std::string_view("\x28\xB5\x2F\xFD\x04\x58\x41\x00\x00\x61\x2C\x62\x0A\x31\x2C\x32\x0A\x35\xE7\xCA\xCE", 21)));
  ASSERT_OK_AND_ASSIGN(auto wide, Open(std::string_view("\xFF\xFE" "a\0,\0b\0\n\0" "1\0,\0" "2\0\n\0", 18)));
  for (const auto* pieces : {packed.get(), wide.get()}) {
    ASSERT_NE(pieces, nullptr);
    ASSERT_OK_AND_ASSIGN(const Piece piece, pieces->Read(Call(), pieces->begin(), pieces->end(), {}));
    EXPECT_EQ(Show(piece.rows), "{\"a\":\"1\",\"b\":\"2\"}\n");
  }
}

TEST_F(InPieces, TypesByAllFiles) {
  ASSERT_OK_AND_ASSIGN(auto first, Open("a,b\n1,\n"));
  Looked looked;
  ASSERT_OK(LearnToo(Call(), *first, &looked));
  EXPECT_EQ((*first->schema())[0].type, table::Type::kInt64);
  ASSERT_OK_AND_ASSIGN(auto second, Open("a,b\n2.5,true\n"));
  ASSERT_OK(LearnToo(Call(), *second, &looked));
  EXPECT_EQ((*second->schema())[0].type, table::Type::kFloat64);
  EXPECT_EQ((*second->schema())[1].type, table::Type::kBool);
  ASSERT_OK_AND_ASSIGN(auto third, Open("a,b\nx,\n"));
  ASSERT_OK(LearnToo(Call(), *third, &looked));
  EXPECT_EQ((*third->schema())[0].type, table::Type::kString);
  EXPECT_EQ((*third->schema())[1].type, table::Type::kBool);
}

TEST_F(InPieces, OnlyTheColumnsAskedFor) {
  spec_.types = {{"b", "float64"}};
  ASSERT_OK_AND_ASSIGN(auto pieces, Open("a,b,c\nx,1,y\nx,2,y\n"));
  ASSERT_OK_AND_ASSIGN(const Piece piece, pieces->Read(Call(), pieces->begin(), pieces->end(), {1}));
  EXPECT_EQ(Show(piece.rows), "{\"b\":1.0}\n{\"b\":2.0}\n");
  EXPECT_TRUE(pieces->plain());
}

TEST_F(InPieces, WhatCannotBeReadSo) {
  ASSERT_CODE(kDataLoss, Open("\x1F\x8B\x08"));
  spec_.sql = "SELECT 1 AS a";
  ASSERT_OK_AND_ASSIGN(auto asked, Open("a,b\n1,2\n"));
  EXPECT_EQ(asked, nullptr);
}

}  // namespace
}  // namespace tenon::ingest
