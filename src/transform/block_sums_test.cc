#include "transform/block_sums_internal.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/exact_sum.h"
#include "base/testing.h"

namespace tenon::transform {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Blocks of n numbers whose exponents lie within `span` of `top`, some of them missing or zero.
std::vector<double> Block(std::size_t n, int top, int span, unsigned seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> mantissa(1, 2);
  std::vector<double> values;
  for (std::size_t i = 0; i < n; ++i) {
    const double size = std::ldexp(mantissa(random), top - static_cast<int>(random() % static_cast<unsigned>(span + 1)));
    const unsigned kind = random() % 10;
    values.push_back(kind == 0 ? kNan : kind == 1 ? (random() % 2 == 0 ? 0.0 : -0.0) : random() % 2 == 0 ? size : -size);
  }
  return values;
}

void ExpectSums(const std::vector<double>& values, bool squared) {
  BlockSums block;
  ASSERT_TRUE(SumBlock(values.data(), static_cast<std::int64_t>(values.size()), squared, &block));
  ExactSum sum, squares, ours, our_squares;
  std::int64_t count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    ++count;
    sum.Add(value);
    squares.AddProduct(value, value);
  }
  for (const double part : block.sum) ours.Add(part);
  for (const double part : block.squares) our_squares.Add(part);
  EXPECT_EQ(block.count, count);
  EXPECT_EQ(ours.Save(), sum.Save());
  if (squared) EXPECT_EQ(our_squares.Save(), squares.Save());
}

TEST(BlockSums, AddUpToTheExactSums) {
  unsigned seed = 0;
  for (const std::size_t n : {1, 7, 8, 9, 64, 255, 256}) {
    for (const int top : {-260, -3, 0, 20, 290}) {
      for (const int span : {0, 5, 16, 30}) {
        SCOPED_TRACE(testing::Message() << n << " numbers of 2^" << top << ", span " << span);
        ExpectSums(Block(n, top, span, ++seed), false);
        ExpectSums(Block(n, top, span, ++seed), true);
      }
    }
  }
  ExpectSums(std::vector<double>(256, std::nextafter(2.0, 1.0)), true);  // every bit set, all of one sign
  ExpectSums(std::vector<double>(100, 0.0), true);
  ExpectSums(std::vector<double>(100, kNan), true);
  ExpectSums({}, true);
}

TEST(BlockSums, SayNothingOfNumbersTooFarApart) {
  BlockSums block;
  for (const std::vector<double>& values :
       {std::vector<double>{1, std::numeric_limits<double>::infinity()}, {1e300, 1e-300, 1.1}, {1e-200}, {1e200},
        {std::numeric_limits<double>::denorm_min()}, {1e20, 1e-20 / 3}}) {
    EXPECT_FALSE(SumBlock(values.data(), static_cast<std::int64_t>(values.size()), true, &block)) << values[0];
  }
  const std::vector<double> many(257, 1.0);
  EXPECT_FALSE(SumBlock(many.data(), 257, true, &block));
}

}  // namespace
}  // namespace tenon::transform
