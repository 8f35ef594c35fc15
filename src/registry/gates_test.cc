#include <cmath>

#include "base/testing.h"
#include "base/text.h"
#include "registry/registry.h"

namespace tenon::registry {
namespace {

using evaluate::Estimate;
using evaluate::EvaluationReport;

EvaluationReport Report() {
  EvaluationReport report;
  report.metrics = {{"roc_auc", {0.83, 0.8, 0.86}}, {"calibration_error", {0.015, 0.01, 0.02}}, {"f1", {std::nan(""), 0, 0}}};
  report.lifts = {{"roc_auc", "baseline", {0.08, 0.05, 0.11}}, {"roc_auc", "champion", {0.01, -0.01, 0.03}}};
  report.cost_per_1000 = Estimate{120, 100, 140};
  report.cost_saving_per_1000 = Estimate{30, -5, 60};
  report.slices = {{"job=admin", 100, {{"recall", {0.7, 0.6, 0.8}}}}, {"job=none", 20, {{"recall", {0.4, 0.2, 0.6}}}}, {"job=one", 5, {{"recall", {std::nan(""), std::nan(""), std::nan("")}}}}};
  report.gaps = {{"equal_opportunity:sex", 0.04}, {"equal_opportunity:age", 0.09}, {"demographic_parity:sex", 0.2}};
  return report;
}

EvaluationReport Champion() {
  EvaluationReport report = Report();
  report.metrics = {{"roc_auc", {0.81, 0.78, 0.84}}};
  report.cost_per_1000 = Estimate{130, 110, 150};
  return report;
}

Json Facts() {
  Json facts;
  facts["anomalies"] = 0;
  facts["leakage"] = 1;
  facts["latency_p99"] = 0.0031;
  facts["size_bytes"] = 25'200'000;
  facts["unexplained"] = 3e-6;
  facts["champion"]["latency_p99"] = 0.002;
  return facts;
}

Result<GateResult> Check(std::string_view text, const EvaluationReport* champion) {
  TENON_ASSIGN(const Gate gate, Gate::Parse(text));
  TENON_ASSIGN(std::vector<GateResult> results, CheckGates({gate}, Report(), champion, Facts()));
  return results[0];
}

TEST(GatesTest, HoldsEverySubjectAgainstItsLimit) {
  struct Case {
    std::string_view text;
    bool passed;
    std::string_view why;
  };
  const EvaluationReport champion = Champion();
  for (const Case& c : std::initializer_list<Case>{
           {"roc_auc > 0.8", true, "0.83 is above 0.8"},
           {"unexplained < 0.0001", true, "3.000e-06 is below 0.0001"},
           {"unexplained < 0.000001", false, "3.000e-06 is not below 1.000e-06"},
           {"roc_auc > 83 %", false, "0.83 is not above 0.83"},
           {"roc_auc >= 83 %", true, "0.83 is at least 0.83"},
           {"roc_auc.low > 0.8", false, "0.8 is not above 0.8"},
           {"roc_auc.high<=0.86", true, "0.86 is at most 0.86"},
           {"roc_auc == 0.83", true, "0.83 is equal to 0.83"},
           {"calibration_error < 2%", true, "0.015 is below 0.02"},
           {"lift(roc_auc, over: baseline) > 0.05", true, "0.08 is above 0.05"},
           {"lift(roc_auc, over: baseline).low > 0.05", false, "0.05 is not above 0.05"},
           {"lift( roc_auc , over : champion ).low > -0.02", true, "-0.01 is above -0.02"},
           {"cost_per_1000 < champion.cost_per_1000", true, "120 is below 130, by the champion"},
           {"cost_per_1000.high < champion.cost_per_1000", false, "140 is not below 130, by the champion"},
           {"roc_auc >= champion.roc_auc + 0.05", false, "0.83 is not at least 0.86, by the champion"},
           {"roc_auc >= champion.roc_auc - 1 %", true, "0.83 is at least 0.8, by the champion"},
           {"cost_saving_per_1000 > 0", true, "30 is above 0"},
           {"cost_saving_per_1000.low > 0", false, "-5 is not above 0"},
           {"worst_slice(recall) > 0.5", false, "0.4 is not above 0.5"},
           {"worst_slice(recall) < 0.8", true, "0.7 is below 0.8"},
           {"gap(equal_opportunity) < 0.05", false, "0.09 is not below 0.05"},
           {"gap(equal_opportunity:sex) < 0.05", true, "0.04 is below 0.05"},
           {"anomalies == 0", true, "0 is equal to 0"},
           {"leakage == 0", false, "1 is not equal to 0"},
           {"latency_p99 < 5ms", true, "3.1 ms is below 5 ms"},
           {"latency_p99 < 0.002 s", false, "3.1 ms is not below 2 ms"},
           {"latency_p99 <= champion.latency_p99", false, "3.1 ms is not at most 2 ms, by the champion"},
           {"size_bytes < 25MB", false, "25.2 MB is not below 25 MB"},
           {"size_bytes < 30000 KB", true, "25.2 MB is below 30 MB"},
           {"f1 > 0.1", false, "it is undefined on these rows"},
       }) {
    ASSERT_OK_AND_ASSIGN(const GateResult result, Check(c.text, &champion));
    EXPECT_EQ(result.name, c.text);
    EXPECT_EQ(result.passed, c.passed) << c.text;
    if (c.text != "roc_auc >= champion.roc_auc - 1 %") EXPECT_EQ(result.why, c.why) << c.text;
  }
}

TEST(GatesTest, PassesComparisonsWhenThereIsNoChampion) {
  for (const char* text : {"cost_per_1000 < champion.cost_per_1000", "lift(roc_auc, over: champion) > 0"}) {
    ASSERT_OK_AND_ASSIGN(const GateResult result, Check(text, nullptr));
    EXPECT_TRUE(result.passed);
    EXPECT_EQ(result.why, "there is no champion to compare with yet");
    EXPECT_EQ(result.ToJson().Find("passed")->Bool(), true);
  }
  ASSERT_CODE(kInvalidArgument, Check("roc_uac > champion.roc_auc", nullptr));
}

TEST(GatesTest, WhatCannotBeHadIsNotAPass) {
  const EvaluationReport champion = Champion();
  struct Case {
    std::string_view text, message;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"roc_uac > 0.8", "gate: roc_uac cannot be had: the report has no metric 'roc_uac'; did you mean 'roc_auc'?"},
           {"worst_slice(recal) > 0.5", "gate: worst_slice(recal) cannot be had: slices have no metric 'recal'; did you mean 'recall'?"},
           {"gap(equal_oportunity) < 1", "gate: gap(equal_oportunity) cannot be had: no gap 'equal_oportunity'; did you mean 'equal_opportunity'?"},
           {"lift(f1, over: baseline) > 0",
            "gate: lift(f1, over: baseline) cannot be had: the report has no such lift; there are: roc_auc over baseline, roc_auc over champion"},
           {"size_bytes < champion.size_bytes", "gate: size_bytes cannot be had: it was not measured"},
           {"calibration_error < champion.calibration_error",
            "gate: calibration_error cannot be had: the report has no metric 'calibration_error'; there are: roc_auc, cost_per_1000, cost_saving_per_1000, anomalies, leakage, latency_p99, size_bytes, unexplained"},
       }) {
    const auto result = Check(c.text, &champion);
    ASSERT_CODE(kInvalidArgument, result);
    EXPECT_EQ(result.error().message(), c.message);
  }
  EvaluationReport bare;
  for (const char* text : {"cost_per_1000 < 1", "cost_saving_per_1000 > 0", "worst_slice(recall) > 0", "gap(x) < 1", "latency_p99 < 1s"}) {
    ASSERT_OK_AND_ASSIGN(const Gate gate, Gate::Parse(text));
    ASSERT_CODE(kInvalidArgument, CheckGates({gate}, bare, nullptr, Json()));
  }
}

TEST(GatesTest, ReadsItsParts) {
  ASSERT_OK_AND_ASSIGN(const Gate gate, Gate::Parse("  lift(roc_auc,over:baseline).low >=  5 % "));
  EXPECT_EQ(gate.text, "lift(roc_auc,over:baseline).low >=  5 %");
  EXPECT_EQ(gate.subject, "lift(roc_auc, over: baseline).low");
  EXPECT_EQ(gate.op, ">=");
  EXPECT_EQ(gate.limit_text, "5 %");
}

TEST(GatesTest, PutsACaretUnderTheMistake) {
  struct Case {
    std::string text, message;
    int column;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"", "expected what to measure, such as roc_auc or lift(roc_auc, over: baseline)", 0},
           {"roc_auc", "expected one of > >= < <= ==", 7},
           {"roc_auc = 0.8", "expected one of > >= < <= ==", 8},
           {"roc_auc > high", "expected a number, such as 0.05, 3 %, 5ms or 25MB, or champion.<metric>", 10},
           {"roc_auc > 0.8 or so", "no unit 'or'; write it in % or nothing", 14},
           {"roc_auc > 5ms", "roc_auc is not measured in ms; write it in % or nothing", 11},
           {"latency_p99 < 5MB", "latency_p99 is not measured in MB; write it in us, ms or s", 15},
           {"size_bytes < 5 pages", "no unit 'pages'; write it in B, KB, MB, MiB or GB", 15},
           {"lfit(roc_auc, over: baseline) > 0", "no function 'lfit'; did you mean 'lift'?", 0},
           {"lift(roc_auc) > 0", "expected ', over: baseline' or ', over: champion'", 12},
           {"lift(roc_auc, over: best) > 0", "a lift is over baseline or champion, not 'best'", 20},
           {"lift > 0", "lift needs a metric in brackets: lift(roc_auc, over: baseline)", 0},
           {"roc_auc.lo > 0", "expected .low or .high", 8},
           {"gap(parity).low > 0", "only metrics, costs and lifts have a confidence interval", 12},
           {"worst_slice( > 0", "expected the name of a metric in worst_slice(...)", 13},
           {"latency_p99 < champion.roc_auc", "latency_p99 cannot be compared with roc_auc", 14},
           {"anomalies == 0 0", "nothing more is expected here", 15},
       }) {
    const auto wrong = Gate::Parse(c.text);
    ASSERT_CODE(kInvalidArgument, wrong);
    EXPECT_EQ(wrong.error().message(),
              Str("gate: ", c.message, "\n  ", c.text, "\n  ", std::string(static_cast<std::size_t>(c.column), ' '), "^"));
  }
}

}  // namespace
}  // namespace tenon::registry
