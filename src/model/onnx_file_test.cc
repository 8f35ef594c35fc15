#include "platform/onnx_file.h"

#include <cmath>

#include "base/testing.h"
#include "model/forest.h"
#include "model/importer.h"
#include "model/onnx_native_internal.h"
#include "model/onnx_writer_internal.h"
#include "model/ubjson_internal.h"

namespace tenon::model {
namespace {

ForestSpec Stump() {
  ForestSpec spec;
  spec.features = 2;
  spec.base = {0.5};
  Tree tree;
  tree.nodes.resize(3);
  tree.nodes[0] = {.left = 1, .right = 2, .feature = 1, .value = 0.1, .split = Comparison::kAtMost};
  tree.nodes[1].value = -1;
  tree.nodes[2].value = 2;
  spec.trees.push_back(tree);
  spec.sum = Sum::kDouble;
  return spec;
}

std::string Written() {
  OnnxWriter writer;
  writer.Input("x", OnnxWriter::kFloat, 2);
  auto margin = writer.Trees("x", Stump());
  EXPECT_TRUE(margin.ok());
  writer.Output(*margin, "value", OnnxWriter::kFloat, 1);
  return writer.Finish("stump@1");
}

TEST(OnnxFile, ReadsWhatTheWriterWrote) {
  const std::string bytes = Written();
  ASSERT_OK_AND_ASSIGN(const OnnxFile file, OnnxFile::Read(bytes));
  ASSERT_EQ(file.inputs.size(), 1U);
  EXPECT_EQ(file.inputs[0].name, "x");
  EXPECT_EQ(file.inputs[0].shape, (std::vector<std::int64_t>{-1, 2}));
  const OnnxNode* trees = file.Maker("t1");
  ASSERT_NE(trees, nullptr);
  EXPECT_EQ(trees->op, "TreeEnsembleRegressor");
  // 0.1 lies between two floats: at most the lower one.
  EXPECT_EQ(trees->Floats("nodes_values")[0], static_cast<double>(std::nextafter(0.1F, 0.0F)));
  EXPECT_EQ(file.WithoutMaps(), bytes);
}

TEST(OnnxFile, EveryCutAndEveryFlippedBitGivesAnAnswer) {
  const std::string bytes = Written();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto read = OnnxFile::Read(std::string_view(bytes).substr(0, size));
    if (size + 20 < bytes.size()) EXPECT_FALSE(read.ok()) << size;  // the last fields are the versions of the ops
  }
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto read = OnnxFile::Read(flipped);
    if (read.ok()) static_cast<void>(read->WithoutMaps());
  }
}

TEST(Ubjson, ReadsTypedListsAndRefusesCutOnes) {
  // {"a": [$d#U\x02 1.0f 2.0f], "b": "x", "c": [true, null]}
  std::string bytes = std::string("{U\x01" "a[$d#U\x02", 10) + std::string("\x3F\x80\0\0\x40\0\0\0", 8) + std::string("U\x01" "bSU\x01x", 7) + "U\x01" "c[TZ]}";
  ASSERT_OK_AND_ASSIGN(const Json json, ReadUbjson(bytes));
  EXPECT_EQ(json.Dump(), R"({"a":[1.0,2.0],"b":"x","c":[true,null]})");
  for (std::size_t size = 0; size < bytes.size(); ++size) ASSERT_CODE(kInvalidArgument, ReadUbjson(std::string_view(bytes).substr(0, size)));
  ASSERT_CODE(kInvalidArgument, ReadUbjson("[$U#L\x7F\x7F\x7F\x7F\x7F\x7F\x7F\x7F"));  // more values than there are bytes
}

std::string LightgbmText() {
  return "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=1\nobjective=binary sigmoid:1\n"
         "feature_names=income kind\nfeature_infos=[0:100] 0:1:2\n\nTree=0\nnum_leaves=3\nnum_cat=1\nsplit_feature=1 0\n"
         "threshold=0 40.25\ndecision_type=1 6\nleft_child=-1 -2\nright_child=1 -3\nleaf_value=0.5 1.5 -1\nleaf_count=30 20 50\n"
         "internal_count=100 70\ncat_boundaries=0 1\ncat_threshold=5\nis_linear=0\n\nend of trees\n\npandas_categorical:[[\"a\",\"b\",\"c\"]]\n";
}

TEST(Lightgbm, CategoriesAndMissingValuesGoWhereTheyGoThere) {
  Kinds<Importer> kinds;
  ASSERT_OK(AddAll(kinds));
  const std::string text = LightgbmText();
  ASSERT_OK_AND_ASSIGN(const auto importer, ChooseImporter(kinds, "", text));
  ASSERT_OK_AND_ASSIGN(const Imported imported, importer->Import({.bytes = text}));
  EXPECT_EQ(imported.graph.inputs[1].type, table::Type::kString);
  EXPECT_EQ(imported.graph.features, (std::vector<std::string>{"income", "kind_place"}));
  const float nan = std::nanf("");
  struct Case {
    float income, kind, margin;
  };
  // The set 5 is {0, 2}: left; anything else right. There 40.25 and less goes left, and NaN by default too (6: zero is missing).
  for (const Case& one : {Case{1, 0, 0.5F}, Case{1, 2, 0.5F}, Case{1, 1, 1.5F}, Case{41, 1, -1}, Case{40.25F, nan, 1.5F}, Case{1, -1, 1.5F},
                          Case{1, 77, 1.5F}, Case{nan, 1, 1.5F}, Case{0, 1, 1.5F}}) {
    const float row[2] = {one.income, one.kind};
    float margin = 0;
    imported.model->Margin(row, 1, 2, &margin);
    EXPECT_EQ(margin, one.margin) << one.income << " " << one.kind;
  }
}

TEST(Lightgbm, NumbersOutOfTheirRangesAreRefused) {
  Kinds<Importer> kinds;
  ASSERT_OK(AddAll(kinds));
  ASSERT_OK_AND_ASSIGN(const auto importer, kinds.Create("lightgbm"));
  for (const auto& [was, is] : {std::pair<std::string, std::string>{"cat_threshold=5", "cat_threshold=-5"}, {"cat_threshold=5", "cat_threshold=1e300"}, {"decision_type=1 6", "decision_type=1 -inf"},
                               {"split_feature=1 0", "split_feature=9 0"}, {"split_feature=1 0", "split_feature=999999999 0"}, {"max_feature_idx=1\n", "max_feature_idx=16777215\n"},
                               {"[\"a\",", "[7,"}}) {
    std::string text = LightgbmText();
    text.replace(text.find(was), was.size(), is);
    ASSERT_CODE(kInvalidArgument, importer->Import({.bytes = text}));
  }
}

TEST(Lightgbm, EveryCutIsRefused) {
  Kinds<Importer> kinds;
  ASSERT_OK(AddAll(kinds));
  const std::string text = LightgbmText();
  ASSERT_OK_AND_ASSIGN(const auto importer, kinds.Create("lightgbm"));
  const std::size_t end = text.find("end of trees") + 12;
  for (std::size_t size = 0; size < end; ++size) ASSERT_CODE(kInvalidArgument, importer->Import({.bytes = std::string_view(text).substr(0, size)}));
}

}  // namespace
}  // namespace tenon::model
