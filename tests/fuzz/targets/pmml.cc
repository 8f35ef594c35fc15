// PMML files: what is taken answers any row, and is saved and loaded as the same; the ports it asks for are made by its graph.

#include "fuzz/models.h"
#include "model/importer.h"
#include "platform/xml.h"

namespace tenon::fuzz {
namespace {

void RunPmml(std::string_view input) {
  static const Kinds<model::Importer> kinds = [] {
    Kinds<model::Importer> all;
    Must(model::AddAll(all), "the importers");
    return all;
  }();
  const auto importer = Must(kinds.Create("pmml"), "the importer");
  static_cast<void>(importer->Knows(input));
  const auto imported = importer->Import({.bytes = input});
  if (!imported.ok()) return CheckError(imported.error());
  const model::Model& model = *imported->model;
  CheckModel(model);
  Hold(imported->graph.features.size() == static_cast<std::size_t>(model.features()), "as many features as the model reads");
  Hold(imported->graph.inputs.size() == imported->values.size(), "values for every column");
  const std::string payload = model.Save();
  Same(Must(LoadModel(model.format(), payload), "a model that was saved")->Save(), payload, "a model, saved and loaded");
  const auto& check = imported->verification;
  Hold(check.answers.empty() || static_cast<std::int64_t>(check.answers.size()) == check.rows.rows() * model.outputs(), "an answer for every row and output");
}

std::vector<std::string> Seeds() {
  const std::string head = R"(<PMML version="4.4"><DataDictionary><DataField name="x" optype="continuous" dataType="double"/><DataField name="k" optype="categorical" dataType="string"><Value value="a"/><Value value="b"/></DataField>)"
                           R"(<DataField name="y" optype="continuous" dataType="double"/><DataField name="c" optype="categorical" dataType="string"><Value value="no"/><Value value="yes"/></DataField></DataDictionary>)";
  const std::string derived = R"(<TransformationDictionary><DerivedField name="n" optype="continuous" dataType="double"><NormContinuous field="x" mapMissingTo="1"><LinearNorm orig="0" norm="0"/><LinearNorm orig="1" norm="2"/></NormContinuous></DerivedField>)"
                              R"(<DerivedField name="m" optype="continuous" dataType="double"><MapValues outputColumn="t" defaultValue="0" dataType="double"><FieldColumnPair field="k" column="f"/><InlineTable><row><f>a</f><t>1</t></row></InlineTable></MapValues></DerivedField>)"
                              R"(<DerivedField name="d" optype="categorical" dataType="string"><Discretize field="x"><DiscretizeBin binValue="low"><Interval closure="openClosed" rightMargin="1"/></DiscretizeBin></Discretize></DerivedField>)"
                              R"(<DerivedField name="i" optype="continuous" dataType="double"><Apply function="if"><Apply function="lessThan"><FieldRef field="x"/><Constant>1</Constant></Apply><Constant>1</Constant><FieldRef field="x" mapMissingTo="3"/></Apply></DerivedField></TransformationDictionary>)";
  const auto schema = [](const std::string& target) { return Str("<MiningSchema><MiningField name=\"", target, R"(" usageType="target"/><MiningField name="x"/><MiningField name="k"/></MiningSchema>)"); };
  const std::string trees = R"(<Node score="1" id="r" defaultChild="2"><True/><Node id="1" score="2"><CompoundPredicate booleanOperator="surrogate"><SimplePredicate field="n" operator="lessThan" value="1"/><SimplePredicate field="k" operator="equal" value="a"/></CompoundPredicate></Node>)"
                            R"(<Node id="2" score="3"><True/><Node id="3" score="4"><SimpleSetPredicate field="k" booleanOperator="isIn"><Array type="string" n="2">a "b"</Array></SimpleSetPredicate></Node><Node id="4" score="5"><SimplePredicate field="d" operator="isMissing"/></Node></Node></Node>)";
  const auto tree = [&](const std::string& strategy) { return Str("<TreeModel functionName=\"regression\" noTrueChildStrategy=\"returnLastPrediction\" missingValueStrategy=\"", strategy, "\">", schema("y"), trees, "</TreeModel>"); };
  const std::string leaf = R"(<TreeModel functionName="classification"><MiningSchema/><Node score="no"><True/><ScoreDistribution value="no" recordCount="3"/><ScoreDistribution value="yes" recordCount="1"/></Node></TreeModel>)";
  const std::string end = "</PMML>";
  return {head + derived + tree("defaultChild") + end, head + derived + tree("lastPrediction") + end, head + derived + tree("none") + end,
          head + R"(<MiningModel functionName="classification">)" + schema("c") + R"(<Segmentation multipleModelMethod="modelChain"><Segment><True/><MiningModel functionName="regression"><MiningSchema><MiningField name="x"/></MiningSchema><Output><OutputField name="s" feature="predictedValue"/></Output>)" +
              R"(<Targets><Target rescaleConstant="1"/></Targets><Segmentation multipleModelMethod="sum"><Segment><True/>)" + tree("none") + R"(</Segment></Segmentation></MiningModel></Segment><Segment><True/><RegressionModel functionName="classification" normalizationMethod="logit"><MiningSchema/>)" +
              R"(<RegressionTable intercept="0" targetCategory="yes"><NumericPredictor name="s" coefficient="1"/></RegressionTable><RegressionTable intercept="0" targetCategory="no"/></RegressionModel></Segment></Segmentation></MiningModel>)" + end,
          head + derived + R"(<MiningModel functionName="classification">)" + schema("c") + R"(<Segmentation multipleModelMethod="selectFirst"><Segment><SimplePredicate field="i" operator="greaterThan" value="2"/>)" + leaf + "</Segment><Segment><True/>" + leaf + "</Segment></Segmentation></MiningModel>" + end,
          head + derived + R"(<RegressionModel functionName="regression">)" + schema("y") + R"(<RegressionTable intercept="1"><NumericPredictor name="x" exponent="2" coefficient="2"/><CategoricalPredictor name="k" value="a" coefficient="1"/><PredictorTerm coefficient="1"><FieldRef field="m"/><FieldRef field="x"/></PredictorTerm></RegressionTable>)" +
              R"(<ModelVerification><VerificationFields><VerificationField field="x"/><VerificationField field="k"/><VerificationField field="y" precision="1E-3"/></VerificationFields><InlineTable><row><x>1</x><k>a</k><y>5</y></row></InlineTable></ModelVerification></RegressionModel>)" + end};
}

}  // namespace

Target MakePmml() { return {RunPmml, Seeds}; }

}  // namespace tenon::fuzz
