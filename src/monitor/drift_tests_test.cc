#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "base/testing.h"
#include "base/text.h"
#include "monitor/drift_test.h"
#include "monitor/statistics_internal.h"

namespace tenon::monitor {
namespace {

using table::ColumnProfile;

Result<Json> Reference() {
  std::ifstream in("tests/parity/drift.json");
  std::ostringstream text;
  text << in.rdbuf();
  return Json::Parse(text.str(), "tests/parity/drift.json");
}

ColumnProfile NumbersOf(const Json& list) {
  ColumnProfile out({.name = "x", .type = table::Type::kFloat64});
  for (const Json& item : list.array()) out.AddNumber(item.Number());
  return out;
}

ColumnProfile CategoriesOf(const Json& counts) {
  ColumnProfile out({.name = "x", .type = table::Type::kString});
  for (std::size_t i = 0; i < counts.array().size(); ++i) {
    for (int n = 0; n < static_cast<int>(counts.array()[i].Number()); ++n) out.AddText(Str("value ", i));
  }
  return out;
}

ColumnProfile MissingOf(std::int64_t missing, std::int64_t rows) {
  ColumnProfile out({.name = "x", .type = table::Type::kFloat64});
  out.AddMissing(missing);
  for (std::int64_t i = missing; i < rows; ++i) out.AddNumber(static_cast<double>(i % 5));
  return out;
}

class DriftTests : public testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(AddAll(kinds_)); }
  Result<DriftVerdict> Compare(std::string_view name, std::string_view settings, const ColumnProfile& reference,
                               const ColumnProfile& window) {
    TENON_ASSIGN(const Json json, Json::Parse(settings));
    TENON_ASSIGN(const auto test, kinds_.Create(name, json));
    return test->Compare(reference, window);
  }
  Kinds<DriftTest> kinds_;
};

TEST_F(DriftTests, AgreeWithSciPy) {
  ASSERT_OK_AND_ASSIGN(const Json reference, Reference());
  for (const Json& item : reference.Find("numbers")->array()) {
    SCOPED_TRACE(item.StringAt("name"));
    const auto a = NumbersOf(*item.Find("a")), b = NumbersOf(*item.Find("b"));
    ASSERT_OK_AND_ASSIGN(const DriftVerdict verdict, Compare("kolmogorov_smirnov", R"({"alpha": 0.05})", a, b));
    EXPECT_NEAR(verdict.statistic, item.NumberAt("gap"), 1e-12);
    // SciPy takes the exact law of one sample of n m / (n + m) values; ours is its approximation.
    const double p = KolmogorovTail(verdict.statistic, static_cast<double>(a.count()), static_cast<double>(b.count()));
    EXPECT_NEAR(p, item.NumberAt("p"), 0.03 * item.NumberAt("p") + 1e-4);
    EXPECT_EQ(verdict.drifted, item.NumberAt("p") < 0.05);
  }
  for (const Json& item : reference.Find("categories")->array()) {
    SCOPED_TRACE(item.StringAt("name"));
    const auto a = CategoriesOf(*item.Find("a")), b = CategoriesOf(*item.Find("b"));
    ASSERT_OK_AND_ASSIGN(const DriftVerdict verdict, Compare("chi_square", R"({"alpha": 0.05})", a, b));
    EXPECT_NEAR(verdict.statistic, item.NumberAt("chi_square"), 1e-9 * item.NumberAt("chi_square"));
    EXPECT_EQ(verdict.drifted, item.NumberAt("p") < 0.05);
    ASSERT_OK_AND_ASSIGN(const DriftVerdict distance, Compare("jensen_shannon", "{}", a, b));
    EXPECT_NEAR(distance.statistic, item.NumberAt("distance"), 1e-9);
  }
  for (const Json& item : reference.Find("missing")->array()) {
    SCOPED_TRACE(item.Dump());
    const auto a = MissingOf(item.IntAt("missing_a"), item.IntAt("rows_a")),
               b = MissingOf(item.IntAt("missing_b"), item.IntAt("rows_b"));
    ASSERT_OK_AND_ASSIGN(const DriftVerdict verdict,
                         Compare("missing_rate", R"({"alpha": 0.05, "least_change": 0})", a, b));
    EXPECT_NEAR(verdict.statistic, item.NumberAt("chi_square"), 1e-9);
    EXPECT_EQ(verdict.drifted, item.NumberAt("p") < 0.05);
  }
}

TEST_F(DriftTests, PopulationStabilityIsItsFormula) {
  const auto a = CategoriesOf(*Json::Parse("[500, 300, 200]")), b = CategoriesOf(*Json::Parse("[200, 300, 500]"));
  ASSERT_OK_AND_ASSIGN(const DriftVerdict verdict, Compare("population_stability", "{}", a, b));
  const double p = 500.5 / 1001.5, q = 200.5 / 1001.5;  // half a row is added to each
  EXPECT_NEAR(verdict.statistic, 2 * (p - q) * std::log(p / q), 1e-12);
  EXPECT_TRUE(verdict.drifted);
  EXPECT_EQ(verdict.threshold, 0.2);
  EXPECT_NE(verdict.why.find("value 0 went from 50 % to 20 %"), std::string::npos) << verdict.why;
}

TEST_F(DriftTests, RareCategoriesArePooled) {
  // Thirty categories of one row on either side say nothing, one by one.
  ColumnProfile a({.name = "x", .type = table::Type::kString}), b = a;
  for (int i = 0; i < 100; ++i) a.AddText("usual"), b.AddText("usual");
  for (int i = 0; i < 30; ++i) a.AddText(Str("a", i)), b.AddText(Str("b", i));
  ASSERT_OK_AND_ASSIGN(const DriftVerdict verdict, Compare("chi_square", "{}", a, b));
  EXPECT_EQ(verdict.statistic, 0);
  EXPECT_FALSE(verdict.drifted);
}

TEST_F(DriftTests, UnseenCategories) {
  ColumnProfile reference({.name = "x", .type = table::Type::kString}), window = reference, rare = reference;
  for (int i = 0; i < 1000; ++i) reference.AddText(Str("city ", i % 20));
  for (int i = 0; i < 300; ++i) window.AddText(i % 10 == 0 ? "Atlantis" : "city 3");
  ASSERT_OK_AND_ASSIGN(const DriftVerdict verdict, Compare("unseen_categories", "{}", reference, window));
  EXPECT_DOUBLE_EQ(verdict.statistic, 0.1);
  EXPECT_TRUE(verdict.drifted);
  EXPECT_NE(verdict.why.find("'Atlantis'"), std::string::npos) << verdict.why;
  // Where a third of the reference came once only, new values are no news.
  for (int i = 0; i < 500; ++i) rare.AddText(Str("street ", i));
  for (int i = 0; i < 1000; ++i) rare.AddText("main street");
  ColumnProfile next({.name = "x", .type = table::Type::kString});
  for (int i = 0; i < 200; ++i) next.AddText(i % 4 == 0 ? Str("lane ", i) : "main street");
  ASSERT_OK_AND_ASSIGN(const DriftVerdict expected, Compare("unseen_categories", "{}", rare, next));
  EXPECT_DOUBLE_EQ(expected.statistic, 0.25);
  EXPECT_FALSE(expected.drifted);
}

TEST_F(DriftTests, NumbersCannotBeComparedWithTexts) {
  ColumnProfile numbers({.name = "x", .type = table::Type::kFloat64}),
      texts({.name = "x", .type = table::Type::kString});
  numbers.AddNumber(1);
  texts.AddText("1");
  ASSERT_CODE(kInvalidArgument, Compare("kolmogorov_smirnov", "{}", numbers, texts));
}

}  // namespace
}  // namespace tenon::monitor
