// The page: everything is escaped and nothing comes from outside. With TENON_REPORT_DIR set, the three pages are written
// there, to be looked at.

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "base/hash.h"
#include "base/testing.h"
#include "base/text.h"
#include "base/time.h"
#include "evaluate/evaluate.h"
#include "evaluate/svg.h"

namespace tenon::evaluate {
namespace {

using model::Task;

double Uniform(std::uint64_t i, std::uint64_t seed) { return static_cast<double>(Hash64(i, seed) >> 11) * 0x1p-53; }
double Normal(std::uint64_t i, std::uint64_t seed) {
  return std::sqrt(-2 * std::log(1 - Uniform(i, seed))) * std::cos(6.283185307179586 * Uniform(i, seed + 1000));
}

table::Batch RowsWith(std::size_t n) {
  std::vector<double> amount, age;
  std::vector<std::string> region, sex;
  const std::vector<std::string> regions = {"north", "south", "west", "an exceedingly long name of a region"};
  for (std::size_t i = 0; i < n; ++i) {
    amount.push_back(std::exp(5 + Normal(i, 3)));
    age.push_back(std::floor(20 + 50 * Uniform(i, 4)));
    region.push_back(regions[i % 7 % 4]);
    sex.push_back(Uniform(i, 5) < 0.4 ? "female" : "male");
  }
  auto schema = std::make_shared<table::Schema>(std::vector<table::Field>{{"amount", table::Type::kFloat64},
                                                                          {"age", table::Type::kFloat64},
                                                                          {"region", table::Type::kString},
                                                                          {"sex", table::Type::kString}});
  return table::Batch(schema, {table::Column::Of(amount), table::Column::Of(age), table::Column::Of(region), table::Column::Of(sex)});
}

Kinds<Metric> AllMetrics() {
  Kinds<Metric> kinds;
  EXPECT_TRUE(AddAll(kinds).ok());
  return kinds;
}

void AddMadeImportances(EvaluationReport* report) {
  const std::vector<std::string> names = {"debt_ratio", "credit_history", "income", "loan_amount", "age", "region", "unemployment_rate_of_industry"};
  for (std::size_t f = 0; f < names.size(); ++f) {
    EvaluationReport::Importance one{names[f], 0, {}, {}};
    for (std::size_t i = 0; i < 300; ++i) {
      const double value = Normal(i, 40 + f);
      const double contribution = value * 0.8 / static_cast<double>(f + 1) * (f % 2 == 0 ? 1 : -1) + 0.05 * Normal(i, 80 + f);
      one.sample_values.push_back(names[f] == "region" ? NAN : value);
      one.sample_contributions.push_back(contribution);
      one.mean_absolute += std::abs(contribution) / 300;
    }
    report->importances.push_back(one);
  }
}

Result<EvaluationReport> BinaryReport() {
  const std::size_t n = 3000;
  std::vector<float> predicted, rule;
  std::vector<double> actual;
  for (std::size_t i = 0; i < n; ++i) {
    const double z = -1.6 + 1.5 * Normal(i, 1);
    predicted.push_back(static_cast<float>(1 / (1 + std::exp(-z))));
    rule.push_back(z + 2 * Normal(i, 7) > -0.6 ? 0.6F : 0.1F);
    actual.push_back(Uniform(i, 2) < 1 / (1 + std::exp(-1.2 * z)) ? 1 : 0);
  }
  EvaluateSpec spec;
  spec.bootstrap = 300;
  spec.slices = {"region", "age", "amount > 500", "amount > 3000"};
  spec.fairness_groups = {"sex", "region"};
  TENON_ASSIGN(auto report, Evaluate(Call(), RowsWith(n), {Task::kBinary, 1, predicted, actual, {}, 0.31}, {"repaid", "default"},
                                     {"40", "0.8 * amount", "EUR"}, spec, {{"baseline", rule}}, AllMetrics()));
  report.subject = "boosted_trees on test";
  AddMadeImportances(&report);
  return report;
}

Json BinaryContext() {
  auto parsed = Json::ParseYaml(R"yaml(
title: Which loans will default?
project: loan-approval
question: Which applications should a clerk look at before we grant the loan?
label: default
owner: credit-risk
reasons: ["binary: the label has two values", "judged by roc_auc: 22.5% are positive"]
concerns: ["the label is known only a year after the loan"]
model: loan-approval@3
baseline: baseline
cost_unit: EUR
gates:
  - {name: "lift(roc_auc, over: baseline).low > 0.05", value: 0.142, limit: 0.05, passed: true, why: "even the low end of the interval is above the limit"}
  - {name: "calibration_error < 0.03", value: 0.041, limit: 0.03, passed: false, why: "predictions are too close to one half; try calibration: isotonic"}
  - {name: "worst_slice(recall) > 0.5", value: 0.62, limit: 0.5, passed: true}
candidates:
  - {name: boosted_trees, metric: roc_auc, value: 0.853, seconds: 4.2}
  - {name: linear, metric: roc_auc, value: 0.811, seconds: 0.8}
data: {source: "loans.csv", rows: 20000, columns: 14, snapshot: 9f2c11d0a7, split: "stratified by default, 70/15/15 by hash of row"}
anomalies:
  - {severity: warning, column: income, short_text: "4% are missing", long_text: "812 of 20,000 values; last time it was 1.1%", fix: "allow it with validate.data.income.missing, or repair the source"}
  - {severity: error, column: region, short_text: "a new value", long_text: "'<script>alert(1)</script>' was not there before", fix: "add it to the domain"}
transforms: ["income: as it is, missing kept", "region: one column a value (4)"]
lineage: {snapshot: 9f2c11d0a7, graph: 77ab02, model: 0c9d4e, code: tenon 0.1.0, seed: 1}
card: {intended_use: "Orders applications for a second look by a clerk. Not for refusing anybody by itself.", limitations: ["Applicants under 20 are not in the data", "Trained before the change of the scoring rules"]}
)yaml", "context");
  EXPECT_TRUE(parsed.ok()) << parsed.error().ToString();
  Json context = *std::move(parsed);
  for (int round = 0; round < 120; ++round) {
    Json one;
    one["round"] = round;
    one["training_loss"] = 0.28 + 0.4 * std::exp(-round / 22.0);
    one["validation_loss"] = 0.335 + 0.35 * std::exp(-round / 18.0) + 0.0004 * round;
    context["rounds"].Push(std::move(one));
  }
  return context;
}

Result<EvaluationReport> MulticlassReport() {
  const std::size_t n = 1500, classes = 4;
  std::vector<float> predicted;
  std::vector<double> actual;
  for (std::size_t i = 0; i < n; ++i) {
    double odds[4], sum = 0, best = -INFINITY, at = 0;
    for (std::size_t k = 0; k < classes; ++k) {
      const double z = 1.5 * Normal(i, 10 + k);
      odds[k] = std::exp(z);
      sum += odds[k];
      const double noisy = z + Normal(i, 20 + k) + (k == 3 ? -1.5 : 0);
      if (noisy > best) best = noisy, at = static_cast<double>(k);
    }
    for (const double o : odds) predicted.push_back(static_cast<float>(o / sum));
    actual.push_back(at);
  }
  EvaluateSpec spec;
  spec.bootstrap = 200;
  spec.slices = {"region"};
  return Evaluate(Call(), RowsWith(n), {Task::kMulticlass, 4, predicted, actual, {}, 0.5}, {"billing", "delivery", "returns", "other & unclear"},
                  {}, spec, {}, AllMetrics());
}

Result<EvaluationReport> RegressionReport() {
  const std::size_t n = 2000;
  std::vector<float> predicted, mean(n, 180000.0F);
  std::vector<double> actual;
  for (std::size_t i = 0; i < n; ++i) {
    const double price = std::exp(12 + 0.4 * Normal(i, 1));
    actual.push_back(std::round(price));
    predicted.push_back(static_cast<float>(price * (1 + 0.12 * Normal(i, 2))));
  }
  EvaluateSpec spec;
  spec.bootstrap = 200;
  spec.slices = {"region", "age"};
  TENON_ASSIGN(auto report, Evaluate(Call(), RowsWith(n), {Task::kRegression, 1, predicted, actual, {}, 0.5}, {}, {}, spec,
                                     {{"mean price", mean}}, AllMetrics()));
  AddMadeImportances(&report);
  return report;
}

void Save(const std::string& name, const std::string& page) {
  if (const char* folder = std::getenv("TENON_REPORT_DIR")) std::ofstream(std::string(folder) + "/" + name) << page;
}

// Elements that must be closed are closed in order.
::testing::AssertionResult WellFormed(const std::string& page) {
  std::vector<std::string> open;
  for (std::size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
    const std::size_t end = page.find('>', at);
    if (end == std::string::npos) return ::testing::AssertionFailure() << "a tag is not closed";
    std::string tag = page.substr(at + 1, end - at - 1);
    if (tag[0] == '!' || tag.back() == '/') continue;
    const bool closing = tag[0] == '/';
    const std::string name = tag.substr(closing ? 1 : 0, tag.find_first_of(" \n", 1) - (closing ? 1 : 0));
    if (name == "meta" || name == "br") continue;
    if (!closing) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return ::testing::AssertionFailure() << "</" << name << "> closes " << (open.empty() ? "nothing" : open.back());
    } else {
      open.pop_back();
    }
  }
  if (!open.empty()) return ::testing::AssertionFailure() << "<" << open.back() << "> stays open";
  return ::testing::AssertionSuccess();
}

TEST(ReportHtmlTest, BinaryPageHasAllParts) {
  ASSERT_OK_AND_ASSIGN(const auto report, BinaryReport());
  const std::string page = ReportHtml(report, BinaryContext());
  Save("binary.html", page);
  EXPECT_TRUE(WellFormed(page));
  for (const char* part : {"Which loans will default?", "1 of 3 gates is not passed", "Saved per 1,000 decisions", "ROC curve",
                           "Precision and recall", "Calibration", "Scores by class", "Confusion matrix", "What the model looks at",
                           "ROC AUC by slice", "Groups of sex", "Learning curve", "Findings about the data", "Intended use", "Lineage"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;alert"), std::string::npos);
  for (const char* outside : {"http://", "https://", "url(", "src=", "@import", "<link"}) {
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
  }
  EXPECT_EQ(page.find("nan"), page.find("nance")) << "a number that is none reached the page";
  EXPECT_LT(page.size(), 400'000U);
}

TEST(ReportHtmlTest, MulticlassAndRegressionPages) {
  ASSERT_OK_AND_ASSIGN(const auto classes, MulticlassReport());
  const std::string multiclass = ReportHtml(classes, Json::MakeObject());
  Save("multiclass.html", multiclass);
  EXPECT_TRUE(WellFormed(multiclass));
  EXPECT_NE(multiclass.find("Precision and recall by class"), std::string::npos);
  EXPECT_NE(multiclass.find("other &amp; unclear"), std::string::npos);
  ASSERT_OK_AND_ASSIGN(const auto values, RegressionReport());
  Json context;
  context["title"] = "House prices";
  context["question"] = "What will this house sell for?";
  context["verdict"] = "Use it for a first quote; have an agent check the top tenth.";
  const std::string regression = ReportHtml(values, context);
  Save("regression.html", regression);
  EXPECT_TRUE(WellFormed(regression));
  EXPECT_NE(regression.find("Predicted and actual"), std::string::npos);
  EXPECT_NE(regression.find("Use it for a first quote"), std::string::npos);
}

TEST(ReportHtmlTest, NothingKnownIsStillAPage) {
  const std::string page = ReportHtml(EvaluationReport(), Json());
  EXPECT_TRUE(WellFormed(page));
  EXPECT_NE(page.find("there is nothing to compare with"), std::string::npos);
}

TEST(ReportHtmlTest, ContextOfTheWrongShapeIsIgnored) {
  ASSERT_OK_AND_ASSIGN(const Json odd, Json::Parse(R"({"title":3,"gates":"all","rounds":{"a":1},"data":[1],"lineage":"x","card":7,
      "candidates":[1,null],"anomalies":[{}],"transforms":[[1]]})"));
  ASSERT_OK_AND_ASSIGN(const auto report, MulticlassReport());
  EXPECT_TRUE(WellFormed(ReportHtml(report, odd)));
}

TEST(SvgTest, TicksAreRound) {
  EXPECT_EQ(TicksOf(0, 1, 5), (std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}));
  EXPECT_EQ(TicksOf(-3, 12, 5), (std::vector<double>{0, 5, 10}));
  EXPECT_EQ(TicksOf(0, 0, 5), std::vector<double>{0});
  EXPECT_EQ(TickLabel({"", 0, 1, true}, 0.6000000000000001, 0.2), "60%");
  EXPECT_EQ(TickLabel({"", 0, 1e6, false}, 250000, 50000), "250,000");
}

TEST(SvgTest, TicksOfTimes) {
  const auto labels = [](const char* from, const char* until) {
    Micros low = 0, high = 0;
    EXPECT_TRUE(ParseTimestamp(from, &low) && ParseTimestamp(until, &high));
    const auto ticks = TimeTicksOf(static_cast<double>(low), static_cast<double>(high), 5);
    std::string out;
    for (const double tick : ticks) out += Str(out.empty() ? "" : " | ", TimeTickLabel(tick, ticks.size() > 1 ? ticks[1] - ticks[0] : 1));
    return out;
  };
  EXPECT_EQ(labels("2011-01-01", "2012-12-31"), "Jan 2011 | Jul 2011 | Jan 2012 | Jul 2012");
  EXPECT_EQ(labels("1990-06-01", "2024-06-01"), "2000 | 2010 | 2020");
  EXPECT_EQ(labels("2024-01-15", "2024-05-20"), "Feb 2024 | Mar 2024 | Apr 2024 | May 2024");
  EXPECT_EQ(labels("2024-03-01", "2024-03-09"), "2 Mar | 4 Mar | 6 Mar | 8 Mar");
  EXPECT_EQ(labels("2024-03-01 20:00:00", "2024-03-02 10:00:00"), "21:00 | 2 Mar | 03:00 | 06:00 | 09:00");
  EXPECT_EQ(labels("2024-03-01 10:00:00", "2024-03-01 10:00:40"), "10:00:00 | 10:00:10 | 10:00:20 | 10:00:30 | 10:00:40");
  EXPECT_EQ(TimeTicksOf(5, 5, 5), std::vector<double>{5});
}

}  // namespace
}  // namespace tenon::evaluate
