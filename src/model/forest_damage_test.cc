// Forests from bytes that somebody made: what a checksum does not keep out.

#include "base/testing.h"
#include "model/forest.h"

namespace tenon::model {
namespace {

ForestSpec OneTest() {
  ForestSpec spec;
  spec.features = 1;
  spec.base = {0};
  Tree tree;
  tree.nodes.resize(4);
  tree.nodes[0] = {.left = 1, .right = 2, .value = 0.5, .cover = 2};
  tree.nodes[1] = {.value = -1, .cover = 1};
  tree.nodes[2] = {.value = 1, .cover = 1};
  spec.trees.push_back(tree);
  return spec;
}

TEST(ForestDamage, NodesThatNoRowReachesAreNothing) {
  ForestSpec spec = OneTest();
  ASSERT_OK_AND_ASSIGN(const auto plain, MakeForest(spec));
  // Was ranked as a test of feature 2^30, and counted as one.
  spec.trees[0].nodes[3] = {.left = 70, .right = -9, .feature = 1 << 30, .value = 0.25, .vector = 1 << 30, .cover = -1};
  ASSERT_OK_AND_ASSIGN(const auto made, MakeForest(spec));
  EXPECT_EQ(made->Save(), plain->Save());
  EXPECT_EQ(made->Describe().IntAt("features_used"), 1);
  const float row = 0.75F;
  float out = 0;
  made->Predict(&row, 1, 1, &out);
  EXPECT_EQ(out, 1.0F);
  EXPECT_EQ(Leaves(spec, &row, 1, 1), std::vector<std::int32_t>{2});
}

TEST(ForestDamage, FewBytesDoNotBecomeGigabytes) {
  ForestSpec spec = OneTest();
  Tree tree;
  tree.nodes.resize(3);
  tree.nodes[0] = {.left = 1, .right = 2, .split = Comparison::kCategory, .categories = {(1U << 24) - 1}, .cover = 2};
  for (int t = 0; t < 300; ++t) spec.trees.push_back(tree);
  ASSERT_CODE(kInvalidArgument, MakeForest(spec));

  const auto xgboost = [](const std::string& classes, const std::string& segments, const std::string& sizes) {
    return Str(R"({"learner":{"gradient_booster":{"name":"gbtree","model":{"tree_info":[0],"trees":[{"left_children":[1,-1,-1],)",
               R"("right_children":[2,-1,-1],"split_indices":[0,0,0],"split_conditions":[0,1,2],"default_left":[0,0,0],"sum_hessian":[2,1,1],)",
               R"("split_type":[1,0,0],"categories":[0,1],"categories_nodes":[0,0],"categories_segments":)", segments, R"(,"categories_sizes":)", sizes,
               R"(}]}},"learner_model_param":{"base_score":"0","num_class":")", classes,
               R"(","num_feature":"1"},"objective":{"name":"multi:softprob"}}})");
  };
  ASSERT_OK(ReadXgboost(xgboost("3", "[0,1]", "[1,1]")));
  ASSERT_CODE(kInvalidArgument, ReadXgboost(xgboost("2147483647", "[0,1]", "[1,1]")));
  ASSERT_CODE(kInvalidArgument, ReadXgboost(xgboost("3", "[0,0]", "[2,2]")));  // the same categories again and again
}

}  // namespace
}  // namespace tenon::model
