// The default graph: which column is treated how, and why; and the `transform:` chapter that changes it.

#include <algorithm>
#include <cstring>

#include "base/testing.h"
#include "transform/test_rows_internal.h"

namespace tenon::transform {
namespace {

using table::Type;

// A table with a column of every sort.
table::Batch Table() {
  const std::int64_t n = 600;
  std::vector<table::Field> fields = {{"row_id", Type::kInt64},   {"age", Type::kInt64},      {"income", Type::kFloat64},
                                      {"rooms", Type::kInt64},    {"constant", Type::kInt64}, {"empty", Type::kFloat64},
                                      {"job", Type::kString},     {"city", Type::kString},    {"code", Type::kString},
                                      {"message", Type::kString}, {"at", Type::kTimestamp},   {"store_id", Type::kInt64},
                                      {"label", Type::kInt64}};
  std::vector<table::ColumnBuilder> columns;
  for (const table::Field& field : fields) columns.emplace_back(field.type);
  const std::vector<std::string> words = {"late", "fine", "refund", "thanks", "wrong", "order", "again", "never", "please", "now"};
  for (std::int64_t i = 0; i < n; ++i) {
    const auto draw = [i](std::uint64_t what) { return static_cast<std::int64_t>(Hash64(static_cast<std::uint64_t>(i), what) % 1'000'000); };
    columns[0].AddInt(1000 + i);
    columns[1].AddInt(18 + draw(1) % 60);
    draw(2) % 10 == 0 ? columns[2].AddNull() : columns[2].Add(std::exp(static_cast<double>(draw(3)) / 100'000.0));
    columns[3].AddInt(draw(4) % 5);
    columns[4].AddInt(7);
    columns[5].AddNull();
    columns[6].AddText(Str("job", draw(5) % 8));
    columns[7].AddText(Str("city", draw(6) % 150));
    columns[8].AddText(Str("x", i, "-", draw(7)));
    std::string message;
    for (int k = 0; k < 6; ++k) message += Str(k > 0 ? " " : "", k == 5 && i % 3 == 0 ? "and so on and on " : "", words[static_cast<std::size_t>(draw(10 + static_cast<std::uint64_t>(k))) % words.size()]);
    columns[9].AddText(message);
    columns[10].AddInt(1'600'000'000'000'000 + draw(8) * 100'000'000);
    columns[11].AddInt(draw(9) % 120);
    columns[12].AddInt(draw(20) % 2);
  }
  std::vector<table::Column> made;
  for (auto& column : columns) made.push_back(column.Finish());
  return table::Batch(std::make_shared<const table::Schema>(std::move(fields)), std::move(made));
}

struct Auto {
  GraphSpec spec;
  std::vector<std::string> why;
  std::string Why(std::string_view column) const {
    for (const std::string& line : why) {
      if (line.starts_with(Str(column, ":"))) return line;
    }
    return "";
  }
  std::string OpsOf(const std::string& column) const {
    std::vector<std::string> ops;
    std::vector<std::string> ports = {column};
    for (const NodeSpec& node : spec.nodes) {
      if (std::find(ports.begin(), ports.end(), node.in[0]) == ports.end()) continue;
      ops.push_back(node.op);
      ports.insert(ports.end(), node.out.begin(), node.out.end());
    }
    return Join(ops, " ");
  }
};

Auto Graph(std::string_view style, std::string_view yaml = "{}", std::string_view label = "label") {
  const table::Batch rows = Table();
  const auto profile = table::ProfileOf(Call(), rows.schema(), {rows});
  EXPECT_TRUE(profile.ok());
  const auto json = Json::ParseYaml(yaml, "tenon.yaml");
  EXPECT_TRUE(json.ok());
  const auto spec = TransformSpec::Parse(*json, "tenon.yaml");
  EXPECT_TRUE(spec.ok()) << spec.error().ToString();
  Auto out;
  auto graph = AutoGraph(rows.schema(), *profile, *spec, label, {}, style, &out.why);
  EXPECT_TRUE(graph.ok()) << graph.error().ToString();
  out.spec = *std::move(graph);
  return out;
}

bool Reads(const GraphSpec& spec, std::string_view column) {
  for (const table::Field& field : spec.inputs) {
    if (field.name == column) return true;
  }
  return false;
}

TEST(AutoGraph, ForTrees) {
  const Auto graph = Graph("trees");
  for (const char* left_out : {"row_id", "constant", "empty", "code", "label"}) {
    EXPECT_FALSE(Reads(graph.spec, left_out)) << left_out;
    if (std::string_view(left_out) != "label") EXPECT_NE(graph.Why(left_out).find("left out"), std::string::npos) << left_out;
  }
  EXPECT_EQ(graph.OpsOf("age"), "");
  EXPECT_EQ(graph.OpsOf("income"), "") << "missing stays missing";
  EXPECT_EQ(graph.OpsOf("job"), "one_hot");
  EXPECT_EQ(graph.OpsOf("city"), "target_encode frequency");
  EXPECT_EQ(graph.OpsOf("store_id"), "target_encode frequency");
  EXPECT_EQ(graph.OpsOf("message"), "text_tfidf");
  EXPECT_EQ(graph.OpsOf("at"), "date_parts");
  EXPECT_EQ(graph.why.size(), 12u) << "a line a column";
}

TEST(AutoGraph, ForLinearModels) {
  const Auto graph = Graph("linear");
  EXPECT_EQ(graph.OpsOf("age"), "impute standard_scale");
  EXPECT_EQ(graph.OpsOf("income"), "impute log standard_scale");
  EXPECT_NE(std::find(graph.spec.features.begin(), graph.spec.features.end(), "income_missing"), graph.spec.features.end());
  EXPECT_EQ(graph.OpsOf("rooms"), "one_hot");
  EXPECT_EQ(graph.OpsOf("job"), "one_hot");
  EXPECT_EQ(graph.OpsOf("city"), "one_hot target_encode");
}

TEST(AutoGraph, WithoutALabelNothingReadsOne) {
  const Auto graph = Graph("trees", "{}", "");
  for (const NodeSpec& node : graph.spec.nodes) EXPECT_NE(node.op, "target_encode");
}

TEST(AutoGraph, FitsAndAppliesInBothStyles) {
  const table::Batch rows = Table();
  const Kinds<Op> kinds = AllKinds();
  std::vector<double> label;
  std::vector<std::uint8_t> fold;
  for (std::int64_t i = 0; i < rows.rows(); ++i) {
    label.push_back(rows.column(12).Number(i));
    fold.push_back(static_cast<std::uint8_t>(i % 5));
  }
  for (const char* style : {"trees", "linear"}) {
    SCOPED_TRACE(style);
    const Auto graph = Graph(style);
    ASSERT_OK_AND_ASSIGN(const auto fitted, Fit(Call(), graph.spec, {rows}, label, fold, 2, kinds));
    EXPECT_EQ(TileOf(*fitted, rows), TileByRow(*fitted, rows));
    if (std::string_view(style) == "trees") continue;
    const std::string tile = TileOf(*fitted, rows);
    for (std::size_t i = 0; i < tile.size(); i += 4) {
      float value = 0;
      std::memcpy(&value, tile.data() + i, 4);
      ASSERT_TRUE(std::isfinite(value)) << fitted->feature_names()[i / 4 % static_cast<std::size_t>(fitted->width())];
      ASSERT_LT(std::abs(value), 50) << fitted->feature_names()[i / 4 % static_cast<std::size_t>(fitted->width())];
    }
  }
}

TEST(AutoGraph, TheProjectFileHasItsWay) {
  const Auto graph = Graph("trees", R"(
style: linear
drop: [age]
columns:
  job: {ordinal: {unseen: -2}}
  income: [{impute: {method: mean, indicator: true}}, log]
  city: drop
nodes:
  - {op: expression, in: [income, age], out: [ratio], with: {text: income / age}}
)");
  EXPECT_EQ(graph.OpsOf("job"), "ordinal");
  EXPECT_EQ(graph.OpsOf("city"), "");
  EXPECT_FALSE(Reads(graph.spec, "city"));
  EXPECT_EQ(graph.OpsOf("rooms"), "one_hot") << "linear, whatever the learner";
  const auto& features = graph.spec.features;
  for (const char* name : {"ratio", "income_log", "income_missing", "job_ordinal"}) {
    EXPECT_NE(std::find(features.begin(), features.end(), name), features.end()) << name;
  }
  EXPECT_EQ(std::find(features.begin(), features.end(), "age_scaled"), features.end()) << "dropped, read by the ratio only";
  const table::Batch rows = Table();
  std::vector<double> label(600, 1);
  ASSERT_OK(Fit(Call(), graph.spec, {rows}, label, {}, 2, AllKinds()));
}

TEST(AutoGraph, SaysWhatIsWrong) {
  const table::Batch rows = Table();
  ASSERT_OK_AND_ASSIGN(const auto profile, table::ProfileOf(Call(), rows.schema(), {rows}));
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"drop: [agee]", "did you mean 'age'"},
      {"columns: {jobb: one_hot}", "did you mean 'job'"},
      {"columns: {label: one_hot}", "the label"},
      {"nodes: [{op: log, in: [label], out: [x]}]", "the label"},
      {"nodes: [{op: log, in: [agee], out: [x]}]", "did you mean 'age'"},
      {"nodes: [{op: log, in: [age]}]", "name the outputs"},
  };
  for (const auto& [yaml, says] : cases) {
    SCOPED_TRACE(yaml);
    ASSERT_OK_AND_ASSIGN(const Json json, Json::ParseYaml(yaml, "tenon.yaml"));
    ASSERT_OK_AND_ASSIGN(const TransformSpec spec, TransformSpec::Parse(json, "tenon.yaml"));
    const auto graph = AutoGraph(rows.schema(), profile, spec, "label", {}, "trees", nullptr);
    ASSERT_FALSE(graph.ok());
    EXPECT_NE(graph.error().ForPeople().find(says), std::string::npos) << graph.error().ToString();
  }
}

TEST(TransformSpec, ReadsWhatItWritesAndRefusesTheRest) {
  ASSERT_OK_AND_ASSIGN(const Json json, Json::ParseYaml("style: trees\ndrop: id\ncolumns: {a: [text_clean, {one_hot: {most: 3}}], b: {op: log}}\n"
                                                        "nodes: [{op: cross, in: [a, b], out: ab}]\n", "t"));
  ASSERT_OK_AND_ASSIGN(const TransformSpec spec, TransformSpec::Parse(json, "t"));
  ASSERT_EQ(spec.columns.size(), 3u);
  EXPECT_EQ(spec.columns[1].second.with.IntAt("most"), 3);
  ASSERT_OK_AND_ASSIGN(const TransformSpec again, TransformSpec::Parse(spec.ToJson(), "t"));
  EXPECT_EQ(again.ToJson().Canonical(), spec.ToJson().Canonical());
  for (const char* wrong : {"style: forest", "stile: trees", "columns: [a]", "columns: {a: {one_hot: 1, log: 2}}", "columns: {a: []}",
                            "nodes: {op: log}", "nodes: [{op: log}]", "nodes: [{in: [a]}]"}) {
    SCOPED_TRACE(wrong);
    ASSERT_OK_AND_ASSIGN(const Json bad, Json::ParseYaml(wrong, "t"));
    ASSERT_CODE(kInvalidArgument, TransformSpec::Parse(bad, "t"));
  }
}

}  // namespace
}  // namespace tenon::transform
