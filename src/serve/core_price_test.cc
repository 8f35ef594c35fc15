#include "serve/core_price.h"

#include "base/testing.h"

namespace tenon::serve {
namespace {

TEST(CorePriceTest, ReadsANumberAndItsUnit) {
  ASSERT_OK_AND_ASSIGN(const CorePrice price, CorePrice::Parse(" 0.04  EUR "));
  EXPECT_EQ(price.hour, 0.04);
  EXPECT_EQ(price.unit, "EUR");
  ASSERT_OK_AND_ASSIGN(const CorePrice bare, CorePrice::Parse("2"));
  EXPECT_EQ(bare.hour, 2);
  EXPECT_EQ(bare.unit, "");
  for (const char* wrong : {"", "EUR", "0", "-1 EUR", "nan", "inf EUR", "1 2", "1 EUR 2", "1 EUR USD"}) ASSERT_CODE(kInvalidArgument, CorePrice::Parse(wrong));
}

}  // namespace
}  // namespace tenon::serve
