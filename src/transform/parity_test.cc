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

table::Batch BatchOf(const Json& columns, bool times) {
  std::vector<table::Field> fields;
  std::vector<table::Column> made;
  for (const Json& column : columns.array()) {
    bool text = false;
    for (const Json& item : column.array()) text = text || item.is_string();
    const table::Type type = text ? table::Type::kString : times ? table::Type::kTimestamp : table::Type::kFloat64;
    table::ColumnBuilder builder(type);
    for (const Json& item : column.array()) {
      if (item.is_null()) {
        builder.AddNull();
      } else if (text) {
        builder.AddText(item.String());
      } else if (times) {
        builder.AddInt(item.Int());
      } else {
        builder.Add(item.Number());
      }
    }
    fields.push_back({Str("c", fields.size()), type});
    made.push_back(builder.Finish());
  }
  return table::Batch(std::make_shared<const table::Schema>(std::move(fields)), std::move(made));
}

// The op of a case over all columns, or over what `before` makes of each; what it gives are the features, a text by its place in `order`.
void AddNodes(const Json& one, const Kinds<Op>& kinds, GraphSpec* spec, bool* unavailable) {
  NodeSpec node;
  node.op = one.StringAt("op");
  node.with = *one.Find("with");
  node.files = FilesOf(kinds, node.op, node.with);
  std::vector<Port> in;
  const Json* before = one.Find("before");
  for (const table::Field& field : spec->inputs) {
    if (before != nullptr) {
      spec->nodes.push_back({before->StringAt("op"), {field.name}, {Str(field.name, "_before")}, *before->Find("with")});
      in.push_back({.name = Str(field.name, "_before"), .kind = Port::Kind::kVector, .width = 0});
    } else {
      in.push_back({.name = field.name, .kind = field.type == table::Type::kString ? Port::Kind::kText : Port::Kind::kNumber, .timestamp = field.type == table::Type::kTimestamp});
    }
    node.in.push_back(in.back().name);
  }
  ASSERT_OK_AND_ASSIGN(auto op, kinds.Create(node.op, node.with));
  for (const auto& [setting, content] : node.files) {
    const auto given = op->Give(setting, content);
    *unavailable = !given.ok() && given.error().code() == Code::kUnavailable;
    if (*unavailable) return;
    ASSERT_OK(given);
  }
  ASSERT_OK_AND_ASSIGN(const auto ports, op->Outputs(in, nullptr));
  spec->nodes.push_back(std::move(node));
  for (const Port& port : ports) {
    if (port.kind != Port::Kind::kText) {
      spec->features.push_back(port.name);
      continue;
    }
    Json with;
    with["order"] = *one.Find("order");
    spec->nodes.push_back({"ordinal", {port.name}, {Str(port.name, "_at")}, with});
    spec->features.push_back(Str(port.name, "_at"));
  }
}

void Compare(const Json& one) {
  const Kinds<Op> kinds = AllKinds();
  const table::Batch rows = BatchOf(*one.Find("columns"), one.BoolAt("times"));
  GraphSpec spec;
  spec.inputs = rows.schema().fields();
  bool unavailable = false;
  AddNodes(one, kinds, &spec, &unavailable);
  if (unavailable) GTEST_SKIP() << "its library is not installed";

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
// tests/parity/transform_more_reference.py
TEST(TransformParity, CategoryEncodersAndOthers) { CompareAll("tests/parity/transform_more.json", 36); }
// tests/parity/evidence_reference.py
TEST(TransformParity, WeightsOfEvidenceAndHashedCrosses) { CompareAll("tests/parity/evidence.json", 13); }
// tests/parity/embedding_reference.py
TEST(TransformParity, OnnxRuntimeAndTokenizers) { CompareAll("tests/parity/embeddings.json", 8); }
// tests/parity/picture_reference.py
TEST(TransformParity, OnnxRuntimeAndPillow) { CompareAll("tests/parity/pictures.json", 3); }

}  // namespace
}  // namespace tenon::transform
