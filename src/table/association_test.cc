#include "table/association.h"

#include <cmath>
#include <random>

#include "base/testing.h"

namespace tenon::table {
namespace {

TEST(PairMoments, PearsonAgreesWithTwoPassesAndAnySplit) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  for (const double shift : {0.0, 1e6}) {
    PairMoments whole, parts[3];
    std::vector<double> x, y;
    for (int i = 0; i < 5000; ++i) {
      x.push_back(shift + normal(random));
      y.push_back(0.3 * (x.back() - shift) + normal(random));
      whole.Add(x.back(), y.back());
      parts[random() % 3].Add(x.back(), y.back());
    }
    whole.Add(NAN, 1);
    __float128 mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (int i = 0; i < 5000; ++i) mx += x[i], my += y[i];
    mx /= 5000, my /= 5000;
    for (int i = 0; i < 5000; ++i) xx += (x[i] - mx) * (x[i] - mx), yy += (y[i] - my) * (y[i] - my), xy += (x[i] - mx) * (y[i] - my);
    const double expected = static_cast<double>(xy) / std::sqrt(static_cast<double>(xx) * static_cast<double>(yy));
    EXPECT_NEAR(whole.Pearson(), expected, 1e-12);
    parts[2].Merge(parts[0]);
    parts[2].Merge(parts[1]);
    EXPECT_EQ(parts[2].Pearson(), whole.Pearson());
    EXPECT_EQ(parts[2].count(), 5000);
  }
  PairMoments constant;
  constant.Add(1, 2);
  constant.Add(1, 3);
  EXPECT_EQ(constant.Pearson(), 0);
}


TEST(PairCounts, CramersVAndInformation) {
  PairCounts even, equal, some;
  for (int a = 0; a < 2; ++a) {
    for (int b = 0; b < 2; ++b) {
      even.Add(a, b, 500);
      some.Add(a, b, a == b ? 3600 : 1400);
    }
    equal.Add(a, a, 500);
  }
  EXPECT_NEAR(even.CramersV(), 0, 1e-12);
  EXPECT_NEAR(even.MutualInformation(), 0, 1e-12);
  EXPECT_NEAR(equal.CramersV(), 1, 1e-3);
  EXPECT_NEAR(equal.MutualInformation(), 1, 1e-3);
  EXPECT_NEAR(some.CramersV(), 0.44, 1e-3);  // |3600 - 1400| / 5000
  const double p = 0.72;
  EXPECT_NEAR(some.MutualInformation(), 1 + p * std::log2(p) + (1 - p) * std::log2(1 - p), 1e-3);
  PairCounts twice = some;
  twice.Merge(some);
  EXPECT_EQ(twice.count(), 20000);
}

}  // namespace
}  // namespace tenon::table
