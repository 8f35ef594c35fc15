#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "base/testing.h"
#include "monitor/statistics_internal.h"

namespace tenon::monitor {
namespace {

Result<Json> Reference() {
  std::ifstream in("tests/parity/drift.json");
  std::ostringstream text;
  text << in.rdbuf();
  return Json::Parse(text.str(), "tests/parity/drift.json");
}

TEST(Statistics, AgreeWithSciPy) {
  ASSERT_OK_AND_ASSIGN(const Json reference, Reference());
  for (const Json& item : reference.Find("gamma_tail")->array()) {
    const double expected = item.NumberAt("tail");
    EXPECT_NEAR(GammaTail(item.NumberAt("a"), item.NumberAt("x")), expected, 1e-10 * expected + 1e-15) << item.Dump();
  }
  for (const Json& item : reference.Find("chi_square_quantile")->array()) {
    const double expected = item.NumberAt("x");
    EXPECT_NEAR(ChiSquareQuantile(item.NumberAt("tail"), item.NumberAt("degrees")), expected, 1e-7 * expected)
        << item.Dump();
  }
}

TEST(Statistics, QuantilesInvertTails) {
  for (const double tail : {0.3, 0.01, 1e-5}) {
    EXPECT_NEAR(KolmogorovTail(KolmogorovQuantile(tail, 300, 80), 300, 80), tail, 1e-9);
    EXPECT_NEAR(ChiSquareTail(ChiSquareQuantile(tail, 7), 7), tail, 1e-9);
  }
  EXPECT_NEAR(KolmogorovQuantile(0.05, 1e8, 1e8) * std::sqrt(1e8 / 2), 1.3581, 1e-3);  // the limit law's usual constant
}

table::ColumnProfile Numbers(const std::vector<double>& values) {
  table::ColumnProfile out({.name = "x", .type = table::Type::kFloat64});
  for (const double value : values) out.AddNumber(value);
  return out;
}

// A sketched profile against the exact one of the same values: the counts at borders agree.
TEST(Statistics, SketchedCountsAreExactAtBorders) {
  std::vector<double> values;
  for (int i = 0; i < 20000; ++i)
    values.push_back((i % 3 == 0 ? -1 : 1) * std::exp(0.0005 * i) + (i % 11 == 0 ? 0.5 : 0));
  const auto profile = Numbers(values);
  ASSERT_FALSE(profile.distinct_is_exact());
  for (const double x : {-300.0, -5.1, -1.0, 0.7, 1.0, 3.3, 512.0, 7000.0}) {
    const double border = SnapToBucket(x);
    EXPECT_NEAR(border, x, std::abs(x) / 128);
    double count = 0;
    for (const double value : values) count += border > 0 ? value < border : value <= border;
    EXPECT_NEAR(Below(profile, border), count, 1e-6) << border;
  }
}

TEST(Statistics, BinsHoldEveryValueOnce) {
  std::vector<double> before, after;
  for (int i = 0; i < 9000; ++i) before.push_back(std::sin(i) * 100);
  for (int i = 0; i < 700; ++i) after.push_back(std::cos(i) * 90 + 20);
  before.push_back(INFINITY);
  before.push_back(NAN);
  const auto bins = BinByQuantile(Numbers(before), Numbers(after), 10, true);
  EXPECT_EQ(bins.ReferenceTotal(), 9000);
  EXPECT_EQ(bins.WindowTotal(), 700);
  EXPECT_GT(bins.names.size(), 10u);
}

}  // namespace
}  // namespace tenon::monitor
