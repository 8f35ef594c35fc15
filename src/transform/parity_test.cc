// Our ops against scikit-learn's numbers, recorded by tests/parity/transform_reference.py.

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "base/testing.h"
#include "transform/test_rows_internal.h"

namespace tenon::transform {
namespace {

std::vector<double> Doubles(const Json& list) {
  std::vector<double> out;
  for (const Json& item : list.array()) out.push_back(item.is_null() ? kNaN : item.Number());
  return out;
}

table::Batch BatchOf(const Json& columns) {
  std::vector<table::Field> fields;
  std::vector<table::Column> made;
  for (const Json& column : columns.array()) {
    bool text = false;
    for (const Json& item : column.array()) text = text || item.is_string();
    table::ColumnBuilder builder(text ? table::Type::kString : table::Type::kFloat64);
    for (const Json& item : column.array()) {
      if (item.is_null()) {
        builder.AddNull();
      } else if (text) {
        builder.AddText(item.String());
      } else {
        builder.Add(item.Number());
      }
    }
    fields.push_back({Str("c", fields.size()), text ? table::Type::kString : table::Type::kFloat64});
    made.push_back(builder.Finish());
  }
  return table::Batch(std::make_shared<const table::Schema>(std::move(fields)), std::move(made));
}

void Compare(const Json& one) {
  const Kinds<Op> kinds = AllKinds();
  const table::Batch rows = BatchOf(*one.Find("columns"));
  GraphSpec spec;
  spec.inputs = rows.schema().fields();
  NodeSpec node;
  node.op = one.StringAt("op");
  node.in = rows.schema().Names();
  node.with = *one.Find("with");
  node.files = FilesOf(kinds, node.op, node.with);
  ASSERT_OK_AND_ASSIGN(auto op, kinds.Create(node.op, node.with));
  for (const auto& [setting, content] : node.files) {
    const auto given = op->Give(setting, content);
    if (!given.ok() && given.error().code() == Code::kUnavailable) GTEST_SKIP() << given.error().message();
    ASSERT_OK(given);
  }
  std::vector<Port> in;
  for (const table::Field& field : spec.inputs) {
    in.push_back({.name = field.name, .kind = field.type == table::Type::kString ? Port::Kind::kText : Port::Kind::kNumber});
  }
  ASSERT_OK_AND_ASSIGN(const auto ports, op->Outputs(in, nullptr));
  for (const Port& port : ports) spec.features.push_back(port.name);
  spec.nodes.push_back(std::move(node));

  std::vector<double> label;
  std::vector<std::uint8_t> fold;
  if (!one.Find("label")->is_null()) {
    label = Doubles(*one.Find("label"));
    for (const Json& item : one.Find("fold")->array()) fold.push_back(static_cast<std::uint8_t>(item.Int()));
  }
  ASSERT_OK_AND_ASSIGN(const auto graph, Fit(Call(), spec, {rows}, label, fold, static_cast<int>(one.IntAt("classes")), kinds));
  const auto width = static_cast<std::size_t>(graph->width());
  std::vector<float> tile(width * static_cast<std::size_t>(rows.rows()));
  FittedGraph::Scratch scratch;
  if (one.BoolAt("training")) {
    ASSERT_OK(graph->ApplyTraining(rows, label.data(), fold.data(), tile.data(), graph->width(), scratch));
  } else {
    ASSERT_OK(graph->Apply(rows, tile.data(), graph->width(), scratch));
  }
  const double within = one.NumberAt("within");
  const Json::Array& expected = one.Find("expected")->array();
  ASSERT_EQ(expected.size(), static_cast<std::size_t>(rows.rows()));
  for (std::size_t row = 0; row < expected.size(); ++row) {
    const std::vector<double> theirs = Doubles(expected[row]);
    ASSERT_EQ(theirs.size(), width) << Join(graph->feature_names(), " | ");
    for (std::size_t i = 0; i < width; ++i) {
      const auto ours = static_cast<double>(tile[row * width + i]);
      if (std::isnan(theirs[i])) {
        ASSERT_TRUE(std::isnan(ours)) << "row " << row << ", " << graph->feature_names()[i];
      } else {
        ASSERT_NEAR(ours, theirs[i], within * std::max(1.0, std::abs(theirs[i]))) << "row " << row << ", " << graph->feature_names()[i];
      }
    }
  }
}

void CompareAll(const char* path, std::size_t least) {
  std::ifstream file(path);
  ASSERT_TRUE(file.good()) << "run from the root of the repository";
  std::stringstream text;
  text << file.rdbuf();
  ASSERT_OK_AND_ASSIGN(const Json json, Json::Parse(text.str(), path));
  const Json::Array& cases = json.Find("cases")->array();
  ASSERT_GE(cases.size(), least);
  for (const Json& one : cases) {
    SCOPED_TRACE(one.StringAt("name"));
    Compare(one);
  }
}

TEST(TransformParity, ScikitLearn) { CompareAll("tests/parity/transform.json", 50); }
// tests/parity/embedding_reference.py
TEST(TransformParity, OnnxRuntimeAndTokenizers) { CompareAll("tests/parity/embeddings.json", 8); }

}  // namespace
}  // namespace tenon::transform
