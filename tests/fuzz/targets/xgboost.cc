// XGBoost's JSON: what is read makes a forest, or is refused; it answers any row.

#include "fuzz/models.h"
#include "model/forest.h"

namespace tenon::fuzz {
namespace {

void RunXgboost(std::string_view input) {
  auto spec = model::ReadXgboost(input);
  if (!spec.ok()) return CheckError(spec.error());
  auto model = model::MakeForest(*std::move(spec));
  if (!model.ok()) return CheckError(model.error());
  CheckModel(**model);
  const std::string payload = (*model)->Save();
  const auto again = Must(LoadModel("forest", payload), "a forest that was saved");
  Same(again->Save(), payload, "a forest, saved and loaded");
}

std::string Model(std::string_view objective, std::string_view classes, std::string_view base, std::string_view trees, std::string_view info) {
  return Str(R"({"learner":{"attributes":{"best_iteration":"0"},"gradient_booster":{"model":{"gbtree_model_param":{"num_parallel_tree":"1","num_trees":"1"},)",
             R"("iteration_indptr":[0,1],"tree_info":[)", info, R"(],"trees":[)", trees, R"(]},"name":"gbtree"},"learner_model_param":{"base_score":")", base,
             R"(","num_class":")", classes, R"(","num_feature":"2","num_target":"1"},"objective":{"name":")", objective, R"("}},"version":[3,0,0]})");
}

std::vector<std::string> Seeds() {
  const std::string tree =
      R"({"base_weights":[0,0,0,0,0],"categories":[1,3],"categories_nodes":[1],"categories_segments":[0],"categories_sizes":[2],"default_left":[1,0,0,0,0],)"
      R"("id":0,"left_children":[1,3,-1,-1,-1],"right_children":[2,4,-1,-1,-1],"loss_changes":[1,1,0,0,0],"parents":[2147483647,0,0,1,1],)"
      R"("split_conditions":[5E-1,1,-2.5E-1,1E-1,2E-1],"split_indices":[0,1,0,0,0],"split_type":[0,1,0,0,0],"sum_hessian":[1E1,6,4,3,3],)"
      R"("tree_param":{"num_deleted":"0","num_feature":"2","num_nodes":"5","size_leaf_vector":"1"}})";
  const std::string leaf =
      R"({"default_left":[0],"left_children":[-1],"right_children":[-1],"split_conditions":[1],"split_indices":[0],"sum_hessian":[1]})";
  return {Model("binary:logistic", "0", "5E-1", tree, "0"), Model("reg:squarederror", "0", "[2.5E0]", tree + "," + leaf, "0,0"),
          Model("multi:softprob", "3", "[1E-1,2E-1,3E-1]", leaf + "," + leaf + "," + tree, "0,1,2"), Model("rank:ndcg", "0", "0", leaf, "0")};
}

}  // namespace

Target MakeXgboost() { return {RunXgboost, Seeds}; }

}  // namespace tenon::fuzz
