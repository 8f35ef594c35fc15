// PMML by hand: what each way of the file's becomes, asked row by row.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/testing.h"
#include "base/text.h"
#include "model/exporter.h"
#include "model/importer.h"
#include "model/predictor.h"
#include "transform/op.h"

namespace tenon::model {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

constexpr std::string_view kHead =
    R"(<PMML version="4.4"><DataDictionary><DataField name="x" optype="continuous" dataType="double"/><DataField name="k" optype="categorical" dataType="string"/>)"
    R"(<DataField name="y" optype="continuous" dataType="double"/><DataField name="c" optype="categorical" dataType="string"><Value value="no"/><Value value="yes"/></DataField></DataDictionary>)";
std::string Schema(std::string_view target) { return Str("<MiningSchema><MiningField name=\"", target, R"(" usageType="target"/><MiningField name="x"/><MiningField name="k"/></MiningSchema>)"); }
std::string Whole(std::string_view model) { return Str(kHead, model, "</PMML>"); }
std::string TreeOf(std::string_view settings, std::string_view nodes) { return Whole(Str("<TreeModel functionName=\"regression\" ", settings, ">", Schema("y"), nodes, "</TreeModel>")); }

constexpr std::string_view kTwo =
    R"(<Node id="0" score="9" defaultChild="2"><True/><Node id="1" score="1"><SimplePredicate field="x" operator="lessOrEqual" value="5.3"/></Node><Node id="2" score="2"><SimplePredicate field="x" operator="greaterThan" value="5.3"/></Node></Node>)";

Result<Imported> Import(std::string_view text) {
  Kinds<Importer> kinds;
  TENON_TRY(AddAll(kinds));
  TENON_ASSIGN(const auto importer, ChooseImporter(kinds, "", text));
  return importer->Import({.bytes = text});
}

struct Asked {
  std::shared_ptr<const Predictor> predictor;
  Json inputs;
  // The last (or only) number of the answer.
  double At(double x, std::string_view k) const {
    Predictor::Scratch scratch;
    const auto& fields = predictor->graph().inputs();
    std::vector<double> numbers(fields.size(), x);
    std::vector<std::string_view> texts(fields.size(), k);
    return static_cast<double>(predictor->PredictRow(numbers.data(), texts.data(), scratch).values.back());
  }
};

Result<Asked> Ask(std::string_view text) {
  TENON_ASSIGN(Imported imported, Import(text));
  Kinds<transform::Op> ops;
  TENON_TRY(transform::AddAll(ops));
  std::vector<table::Column> columns;
  for (const table::Field& field : imported.graph.inputs) {
    table::ColumnBuilder builder(field.type);
    field.type == table::Type::kString ? builder.AddText("a") : builder.Add(1);
    columns.push_back(builder.Finish());
  }
  const table::Batch rows(std::make_shared<const table::Schema>(imported.graph.inputs), std::move(columns));
  TENON_ASSIGN(auto graph, transform::Fit(Call(), imported.graph, {rows}, {}, {}, 0, ops));
  return Asked{Predictor::Make(graph, std::move(imported.model), {}, 0.5, imported.classes), imported.inputs};
}

TEST(Pmml, MissingValuesGoWhereTheStrategySays) {
  struct Case {
    std::string settings;
    double low, high, missing;
  };
  for (const Case& one : {Case{R"(missingValueStrategy="defaultChild")", 1, 2, 2}, Case{R"(missingValueStrategy="lastPrediction")", 1, 2, 9},
                          Case{R"(noTrueChildStrategy="returnLastPrediction")", 1, 2, 9}}) {
    ASSERT_OK_AND_ASSIGN(const Asked asked, Ask(TreeOf(one.settings, kTwo)));
    EXPECT_EQ(asked.At(5.3, "a"), one.low) << one.settings;  // 5.3 is no float: it must be at most itself all the same
    EXPECT_EQ(asked.At(5.31, "a"), one.high) << one.settings;
    EXPECT_EQ(asked.At(kNone, "a"), one.missing) << one.settings;
    EXPECT_FALSE(asked.inputs.Find("x")->BoolAt("required")) << one.settings;
  }
  for (const char* settings : {"", R"(missingValueStrategy="nullPrediction")"}) {
    ASSERT_OK_AND_ASSIGN(const Asked asked, Ask(TreeOf(settings, kTwo)));
    EXPECT_TRUE(asked.inputs.Find("x")->BoolAt("required")) << settings;
  }
}

TEST(Pmml, PredicatesOfEveryKind) {
  struct Case {
    std::string predicate;
    double x;
    std::string_view k;
    bool holds;
  };
  const std::string both = R"(<SimplePredicate field="x" operator="greaterThan" value="1"/><SimplePredicate field="k" operator="equal" value="a"/>)";
  const auto compound = [&](const char* how) { return Str("<CompoundPredicate booleanOperator=\"", how, "\">", both, "</CompoundPredicate>"); };
  const std::string set = R"(<SimpleSetPredicate field="k" booleanOperator="isIn"><Array type="string" n="2">a "b \"c"</Array></SimpleSetPredicate>)";
  const std::string outside = R"(<SimpleSetPredicate field="k" booleanOperator="isNotIn"><Array type="string" n="1">a</Array></SimpleSetPredicate>)";
  for (const Case& one : std::vector<Case>{{compound("and"), 2, "a", true}, {compound("and"), 1, "a", false}, {compound("and"), kNone, "a", false}, {compound("and"), 2, "b", false},
                                           {compound("or"), 0, "a", true}, {compound("or"), kNone, "a", true}, {compound("or"), kNone, "b", false}, {compound("xor"), 2, "a", false},
                                           {compound("xor"), 2, "b", true}, {compound("surrogate"), kNone, "a", true}, {compound("surrogate"), 0, "a", false},
                                           {set, 0, "a", true}, {set, 0, "b \"c", true}, {set, 0, "c", false}, {outside, 0, "a", false}, {outside, 0, "never seen", true},
                                           {outside, 0, {}, false}, {R"(<SimplePredicate field="k" operator="isMissing"/>)", 0, {}, true},
                                           {R"(<SimplePredicate field="k" operator="isMissing"/>)", 0, "a", false}, {R"(<SimplePredicate field="x" operator="isNotMissing"/>)", kNone, "a", false},
                                           {R"(<SimplePredicate field="x" operator="notEqual" value="3"/>)", 3, "a", false}, {R"(<SimplePredicate field="x" operator="notEqual" value="3"/>)", 4, "a", true}}) {
    ASSERT_OK_AND_ASSIGN(const Asked asked, Ask(TreeOf("", Str("<Node score=\"0\"><True/><Node score=\"1\">", one.predicate, "</Node><Node score=\"0\"><True/></Node></Node>"))));
    EXPECT_EQ(asked.At(one.x, one.k), one.holds ? 1 : 0) << one.predicate << " of " << one.x << ", " << one.k;
  }
}

TEST(Pmml, ChainsEndInALink) {
  const std::string sum = Str(R"(<MiningModel functionName="regression"><MiningSchema><MiningField name="x"/></MiningSchema><Output><OutputField name="s" feature="predictedValue"/></Output>)",
                              R"(<Targets><Target rescaleConstant="-1" rescaleFactor="0.5"/></Targets><Segmentation multipleModelMethod="sum"><Segment><True/>)",
                              R"(<TreeModel functionName="regression" missingValueStrategy="defaultChild"><MiningSchema/>)", kTwo, "</TreeModel></Segment></Segmentation></MiningModel>");
  ASSERT_OK_AND_ASSIGN(const Asked asked, Ask(Whole(Str("<MiningModel functionName=\"classification\">", Schema("c"), R"(<Segmentation multipleModelMethod="modelChain"><Segment><True/>)", sum,
                                                        R"(</Segment><Segment><True/><RegressionModel functionName="classification" normalizationMethod="logit"><MiningSchema/><RegressionTable intercept="0.25" targetCategory="yes">)",
                                                        R"(<NumericPredictor name="s" coefficient="2"/></RegressionTable><RegressionTable intercept="0" targetCategory="no"/></RegressionModel></Segment></Segmentation></MiningModel>)"))));
  EXPECT_NEAR(asked.At(1, "a"), 1 / (1 + std::exp(-(2 * (1 * 0.5 - 1) + 0.25))), 1e-7);
  EXPECT_NEAR(asked.At(9, "a"), 1 / (1 + std::exp(-(2 * (2 * 0.5 - 1) + 0.25))), 1e-7);
}

TEST(Pmml, WhatIsWrittenIsReadAsTheSame) {
  Kinds<Exporter> exporters;
  ASSERT_OK(AddAll(exporters));
  ASSERT_OK_AND_ASSIGN(const auto exporter, exporters.Create("pmml"));
  for (const std::string& text : {TreeOf(R"(missingValueStrategy="defaultChild")", kTwo),
                                  TreeOf("noTrueChildStrategy=\"returnLastPrediction\"", R"(<Node score="3"><True/><Node score="1"><SimplePredicate field="k" operator="equal" value="a&lt;&amp;b"/></Node><Node score="2"><SimplePredicate field="x" operator="lessThan" value="0"/></Node></Node>)"),
                                  Whole(Str("<RegressionModel functionName=\"regression\">", Schema("y"), R"(<RegressionTable intercept="1"><NumericPredictor name="x" coefficient="2"/></RegressionTable></RegressionModel>)"))}) {
    ASSERT_OK_AND_ASSIGN(const Asked first, Ask(text));
    ASSERT_OK_AND_ASSIGN(const std::string written, exporter->Export(*first.predictor, "m@1"));
    ASSERT_OK_AND_ASSIGN(const Asked again, Ask(written));
    for (const double x : {-1.0, 0.0, 5.299999, 5.3, 5.3000001, 7.0}) {
      for (const std::string_view k : {"a", "a<&b"}) EXPECT_EQ(first.At(x, k), again.At(x, k)) << x << " " << k << "\n" << written;
    }
  }
}

TEST(Pmml, RefusesWithTheLineAndTheReason) {
  for (const auto& [text, why] : std::vector<std::pair<std::string, std::string>>{
           {TreeOf(R"(missingValueStrategy="weightedConfidence")", kTwo), "weightedConfidence"},
           {TreeOf("", R"(<Node score="1"><True/><Node score="1"><SimplePredicate field="x" operator="lessThan" value="1"/></Node></Node>)"), "may all be false"},
           {TreeOf("", R"(<Node score="1"><True/><Node score="1"><SimplePredicate field="xx" operator="lessThan" value="1"/></Node><Node score="1"><True/></Node></Node>)"), "no field 'xx'"},
           {TreeOf("", R"(<Node score="many"><True/></Node>)"), "'many', not a number"},
           {Whole("<NeuralNetwork/>"), "NeuralNetwork is not read"},
           {Whole(""), "no model"},
           {R"(<PMML version="2.0"/>)", "version is '2.0'"},
           {std::string("<PMML version=\"4.4\">"), "damaged"}}) {
    const auto imported = Import(text);
    ASSERT_FALSE(imported.ok()) << text;
    EXPECT_EQ(imported.error().code(), Code::kInvalidArgument);
    EXPECT_NE(imported.error().message().find(why), std::string::npos) << imported.error().message();
  }
}

// Each node is needed in two places, by those who have a value and by those who have none: a few lines of the file are a million nodes.
TEST(Pmml, AFileOfFewLinesIsNoTreeOfMillions) {
  std::string nodes = R"(<Node id="n0" score="3"><True/></Node>)";
  for (int i = 1; i <= 18; ++i) {
    nodes = Str("<Node id=\"n", i, "\" score=\"1\" defaultChild=\"n", i - 1, R"("><True/><Node score="1"><SimplePredicate field="x" operator="lessThan" value=")", i,
                R"("/></Node><Node score="2"><SimplePredicate field="x" operator="lessThan" value=")", i, R"(.5"/></Node>)", nodes, "</Node>");
    if (i == 4) ASSERT_OK(Import(TreeOf(R"(missingValueStrategy="defaultChild")", nodes)));
  }
  const auto made = Import(TreeOf(R"(missingValueStrategy="defaultChild")", nodes));
  ASSERT_CODE(kInvalidArgument, made);
  EXPECT_NE(made.error().message().find("very much larger than the file"), std::string::npos) << made.error().message();
}

}  // namespace
}  // namespace tenon::model
