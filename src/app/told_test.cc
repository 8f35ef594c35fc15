#include "app/told.h"

#include <gtest/gtest.h>

namespace tenon::app {
namespace {

TEST(ToldTest, SaysAFailureOnceAgainWhenItChangesAndWhenItIsOver) {
  Told told("refused");
  const auto fails = [&](const char* why) { return told.Next(Error(Code::kUnavailable, why)); };
  EXPECT_EQ(told.Next(std::string()), "");
  EXPECT_EQ(told.Next(std::string("2 answers")), "2 answers");
  EXPECT_EQ(fails("the disk is full"), "refused: the disk is full");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(fails("the disk is full"), "");
  EXPECT_EQ(fails("the disk is gone"), "refused: the disk is gone");
  EXPECT_EQ(fails("the disk is full"), "refused: the disk is full");
  EXPECT_EQ(told.Next(std::string()), "this is over: the disk is full");
  EXPECT_EQ(told.Next(std::string()), "");
  EXPECT_EQ(fails("the disk is full"), "refused: the disk is full");
  EXPECT_EQ(told.Next(std::string("3 answers")), "3 answers; this is over: the disk is full");
  EXPECT_EQ(told.Next(std::string("4 answers")), "4 answers");
  EXPECT_EQ(told.Next("5 answers", Error(Code::kDataLoss, "6 is damaged")), "5 answers; refused: 6 is damaged");
  EXPECT_EQ(told.Next("4 answers", Error(Code::kDataLoss, "6 is damaged")), "4 answers");
}

}  // namespace
}  // namespace tenon::app
