// What every drift test promises (monitor/drift_test.h), for all of monitor/drift_tests/.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <thread>

#include "base/testing.h"
#include "base/text.h"
#include "monitor/drift_test.h"

namespace tenon::monitor {
namespace {

using table::ColumnProfile;

enum class Shape { kContinuous, kFewNumbers, kTexts };
constexpr Shape kShapes[] = {Shape::kContinuous, Shape::kFewNumbers, Shape::kTexts};

// `shift` moves the values, raises the share of missing ones and brings new texts.
ColumnProfile Sample(Shape shape, int rows, std::uint64_t seed, double shift) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(shift, 1);
  std::poisson_distribution<int> poisson(3 + 2 * shift);
  std::uniform_real_distribution<double> uniform;
  ColumnProfile out({.name = "x", .type = shape == Shape::kTexts ? table::Type::kString : table::Type::kFloat64});
  for (int i = 0; i < rows; ++i) {
    if (uniform(random) < 0.05 + 0.3 * shift) {
      out.AddMissing();
    } else if (shape == Shape::kContinuous) {
      out.AddNumber(normal(random));
    } else if (shape == Shape::kFewNumbers) {
      out.AddNumber(std::min(9, poisson(random)));
    } else {
      const bool fresh = uniform(random) < shift / 4;
      out.AddText(Str(fresh ? "new " : "city ", std::min(9, poisson(random))));
    }
  }
  return out;
}

class DriftTestContract : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ASSERT_OK(AddAll(kinds_)); }
  bool Takes(std::string_view option) const {
    const auto kind = kinds_.Find(GetParam());
    return std::ranges::any_of((*kind)->doc.options, [&](const Option& known) { return known.name == option; });
  }
  std::unique_ptr<DriftTest> Make(const Json& settings = {}) const {
    auto made = kinds_.Create(GetParam(), settings);
    EXPECT_TRUE(made.ok()) << made.error().ToString();
    return *std::move(made);
  }
  Kinds<DriftTest> kinds_;
};

TEST_P(DriftTestContract, UnchangedValuesDriftAboutAsOftenAsStated) {
  Json settings = Json::MakeObject();
  const double alpha = 0.05;
  if (Takes("alpha")) settings["alpha"] = alpha;
  if (Takes("least_change")) settings["least_change"] = 0;
  if (Takes("least_gap")) settings["least_gap"] = 0;
  const auto test = Make(settings);
  for (const Shape shape : kShapes) {
    if (!test->Suits(Sample(shape, 500, 1, 0))) continue;
    const int looks = 200;
    int drifted = 0;
    for (int look = 0; look < looks; ++look) {
      const auto seed = static_cast<std::uint64_t>(1000 + 2 * look);
      const auto verdict = test->Compare(Sample(shape, 800, seed, 0), Sample(shape, 300, seed + 1, 0));
      ASSERT_OK(verdict);
      drifted += verdict->drifted;
    }
    // Binomial: five standard deviations above. Tests of repeated values are cautious, so no lower
    // bound.
    const double stated = Takes("alpha") ? alpha : 0.001;
    EXPECT_LE(drifted, looks * stated + 5 * std::sqrt(looks * stated * (1 - stated)) + 1)
        << "shape " << static_cast<int>(shape);
  }
}

TEST_P(DriftTestContract, AlphaIsKeptNotOnlyUndercut) {
  if (GetParam() != "kolmogorov_smirnov" && GetParam() != "chi_square" && GetParam() != "missing_rate") {
    GTEST_SKIP() << "no test of significance, or one that expects new values";
  }
  Json settings = Json::MakeObject();
  settings["alpha"] = 0.1;
  settings[GetParam() == "kolmogorov_smirnov" ? "least_gap" : "least_change"] = 0;
  const auto test = Make(settings);
  const Shape shape = GetParam() == "chi_square" ? Shape::kTexts : Shape::kContinuous;
  int drifted = 0;
  for (std::uint64_t look = 0; look < 400; ++look) {
    drifted += test->Compare(Sample(shape, 2000, 7000 + 2 * look, 0), Sample(shape, 1500, 7001 + 2 * look, 0))->drifted;
  }
  EXPECT_GE(drifted, 15);
  EXPECT_LE(drifted, 75);
}

TEST_P(DriftTestContract, ShiftedValuesDrift) {
  const auto test = Make();
  for (const Shape shape : kShapes) {
    const auto reference = Sample(shape, 3000, 1, 0);
    if (!test->Suits(reference)) continue;
    for (std::uint64_t seed = 2; seed < 12; ++seed) {
      ASSERT_OK_AND_ASSIGN(const DriftVerdict verdict, test->Compare(reference, Sample(shape, 500, seed, 0.8)));
      EXPECT_TRUE(verdict.drifted) << verdict.why;
      EXPECT_FALSE(verdict.why.empty());
    }
  }
}

// Above kExactDistinct values a profile is a sketch; sketched against exact must not look like drift.
TEST_P(DriftTestContract, ASketchedReferenceIsNoDrift) {
  const auto test = Make();
  const auto reference = Sample(Shape::kContinuous, 30000, 5, 0);
  ASSERT_FALSE(reference.distinct_is_exact());
  if (!test->Suits(reference)) GTEST_SKIP() << "does not suit numbers of many values";
  for (const int rows : {400, 4000, 20000}) {
    ASSERT_OK_AND_ASSIGN(const DriftVerdict same, test->Compare(reference, Sample(Shape::kContinuous, rows, 6, 0)));
    EXPECT_FALSE(same.drifted) << rows << ": " << same.why;
    ASSERT_OK_AND_ASSIGN(const DriftVerdict moved, test->Compare(reference, Sample(Shape::kContinuous, rows, 6, 0.8)));
    EXPECT_TRUE(moved.drifted) << rows << ": " << moved.why;
  }
}

TEST_P(DriftTestContract, NothingDriftsFromNothing) {
  const auto test = Make();
  for (const Shape shape : kShapes) {
    const auto some = Sample(shape, 300, 1, 0), none = Sample(shape, 0, 1, 0);
    if (!test->Suits(some)) continue;
    ColumnProfile missing = none;
    missing.AddMissing(300);
    for (const auto& [reference, window] :
         {std::pair{&some, &none}, std::pair{&none, &some}, std::pair{&none, &none}}) {
      ASSERT_OK_AND_ASSIGN(const DriftVerdict verdict, test->Compare(*reference, *window));
      EXPECT_FALSE(verdict.drifted);
      EXPECT_NE(verdict.why.find(" has no "), std::string::npos) << verdict.why;
    }
    ASSERT_OK_AND_ASSIGN(const DriftVerdict verdict, test->Compare(missing, missing));
    EXPECT_FALSE(verdict.drifted);
  }
}

TEST_P(DriftTestContract, Constants) {
  const auto test = Make();
  for (const bool text : {false, true}) {
    const auto constant = [&](int value, int rows) {
      ColumnProfile out({.name = "x", .type = text ? table::Type::kString : table::Type::kFloat64});
      for (int i = 0; i < rows; ++i) text ? out.AddText(Str("v", value)) : out.AddNumber(value);
      return out;
    };
    if (!test->Suits(constant(1, 500))) continue;
    ASSERT_OK_AND_ASSIGN(const DriftVerdict same, test->Compare(constant(1, 500), constant(1, 300)));
    EXPECT_FALSE(same.drifted) << same.why;
    EXPECT_EQ(same.statistic, 0);
    ASSERT_OK_AND_ASSIGN(const DriftVerdict moved, test->Compare(constant(1, 500), constant(2, 300)));
    EXPECT_EQ(moved.drifted, GetParam() != "missing_rate") << moved.why;
  }
}

TEST_P(DriftTestContract, SymmetricWhereClaimed) {
  if (GetParam() == "population_stability" || GetParam() == "unseen_categories") {
    GTEST_SKIP() << "asks how the window looks from the reference";
  }
  const auto test = Make();
  for (const Shape shape : kShapes) {
    for (const int rows : {300, 9000}) {
      const auto a = Sample(shape, 700, 1, 0), b = Sample(shape, rows, 2, 0.3);
      if (!test->Suits(a) || !test->Suits(b)) continue;
      ASSERT_OK_AND_ASSIGN(const DriftVerdict there, test->Compare(a, b));
      ASSERT_OK_AND_ASSIGN(const DriftVerdict back, test->Compare(b, a));
      EXPECT_NEAR(there.statistic, back.statistic, 1e-9);
      EXPECT_NEAR(there.threshold, back.threshold, 1e-9);
    }
  }
}

TEST_P(DriftTestContract, ManyThreadsMayCompareAtOnce) {
  const auto test = Make();
  const auto reference = Sample(Shape::kTexts, 1000, 1, 0), window = Sample(Shape::kTexts, 500, 2, 0.5);
  if (!test->Suits(reference)) GTEST_SKIP() << "does not suit texts; nothing it does differs for numbers";
  const auto alone = test->Compare(reference, window);
  ASSERT_OK(alone);
  std::vector<std::string> said(4);
  {
    std::vector<std::jthread> threads;
    for (std::string& mine : said) {
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) mine = test->Compare(reference, window)->why;
      });
    }
  }
  for (const std::string& mine : said) EXPECT_EQ(mine, alone->why);
}

TEST_P(DriftTestContract, ItsExampleRuns) {
  ASSERT_OK_AND_ASSIGN(const auto* kind, kinds_.Find(GetParam()));
  ASSERT_OK_AND_ASSIGN(const Json example, Json::Parse(kind->doc.example));
  const auto test = Make(example);
  int suited = 0;
  for (const Shape shape : kShapes) {
    const auto sample = Sample(shape, 300, 1, 0);
    if (!test->Suits(sample)) continue;
    ++suited;
    ASSERT_OK(test->Compare(sample, sample));
  }
  EXPECT_GT(suited, 0);
}

std::vector<std::string> Names() {
  Kinds<DriftTest> kinds;
  return AddAll(kinds).ok() ? kinds.Names() : std::vector<std::string>{};
}

INSTANTIATE_TEST_SUITE_P(All, DriftTestContract, testing::ValuesIn(Names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace tenon::monitor
