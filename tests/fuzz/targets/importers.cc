// Models of other makers: LightGBM's text, XGBoost's JSON and UBJSON. What is taken answers any row, and is saved and loaded as
// the same; the columns it asks for are the features it has.

#include "fuzz/models.h"
#include "model/importer.h"

namespace tenon::fuzz {
namespace {

void RunImporters(std::string_view input) {
  static const Kinds<model::Importer> kinds = [] {
    Kinds<model::Importer> all;
    Must(model::AddAll(all), "the importers");
    return all;
  }();
  for (const char* name : {"lightgbm", "xgboost"}) {
    const auto importer = Must(kinds.Create(name), "an importer");
    static_cast<void>(importer->Knows(input));
    const auto imported = importer->Import({.bytes = input});
    if (!imported.ok()) {
      CheckError(imported.error());
      continue;
    }
    const model::Model& model = *imported->model;
    CheckModel(model);
    Hold(imported->graph.features.size() == static_cast<std::size_t>(model.features()), "as many features as the model reads");
    Hold(imported->graph.inputs.size() == imported->values.size(), "values for every column");
    const std::string payload = model.Save();
    Same(Must(LoadModel(model.format(), payload), "a model that was saved")->Save(), payload, "a model, saved and loaded");
  }
}

std::vector<std::string> Seeds() {
  const std::string head = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=1\n";
  const std::string tree = "Tree=0\nnum_leaves=3\nnum_cat=1\nsplit_feature=1 0\nthreshold=0 40.25\ndecision_type=1 6\nleft_child=-1 -2\nright_child=1 -3\n"
                           "leaf_value=0.5 1.5 -1\nleaf_count=30 20 50\ninternal_count=100 70\ncat_boundaries=0 1\ncat_threshold=5\nis_linear=0\n\n";
  const std::string leaf = "Tree=1\nnum_leaves=1\nnum_cat=0\nleaf_value=0.25\n\n", end = "end of trees\n\n";
  const std::string three = "tree\nnum_class=3\nnum_tree_per_iteration=3\nmax_feature_idx=1\nobjective=multiclass num_class:3\n\n";
  // {"learner": {...}} as UBJSON, with typed lists.
  const auto key = [](std::string_view name) { return std::string("L\0\0\0\0\0\0\0", 8) + static_cast<char>(name.size()) + std::string(name); };
  const auto text = [&](std::string_view name, std::string_view value) { return key(name) + "S" + key(value); };
  const auto ints = [&](std::string_view name, std::string_view bytes) { return key(name) + "[$U#U" + static_cast<char>(bytes.size()) + std::string(bytes); };
  const std::string trees = "{" + ints("default_left", std::string(1, '\0')) + ints("left_children", "\xff") + ints("right_children", "\xff") + ints("split_conditions", "\1") +
                            ints("split_indices", std::string(1, '\0')) + ints("sum_hessian", "\1") + "}";
  const std::string ubjson = "{" + key("learner") + "{" + text("attributes", "") + key("gradient_booster") + "{" + key("model") + "{" + key("gbtree_model_param") + "{" +
                             text("num_parallel_tree", "1") + text("num_trees", "1") + "}" + ints("tree_info", std::string(1, '\0')) + key("trees") + "[" + trees + "]}" + text("name", "gbtree") +
                             "}" + key("learner_model_param") + "{" + text("base_score", "5E-1") + text("num_class", "0") + text("num_feature", "2") + "}" + key("objective") + "{" +
                             text("name", "binary:logistic") + "}}" + key("version") + "[$U#U\3\3\0\0}";
  const std::string plain = R"({"default_left":[1,0,0],"left_children":[1,-1,-1],"right_children":[2,-1,-1],"split_conditions":[5E-1,-1,1],"split_indices":[1,0,0],"sum_hessian":[2,1,1]})";
  const std::string json = Str(R"({"learner":{"feature_names":["a","kind"],"gradient_booster":{"model":{"cats":{"enc":[{"values":[1.5]},{"offsets":[0,1,3],"values":[97,98,99]}]},)",
                               R"("gbtree_model_param":{"num_parallel_tree":"1","num_trees":"1"},"iteration_indptr":[0,1],"tree_info":[0],"trees":[)", plain, R"(]},"name":"gbtree"},)",
                               R"("learner_model_param":{"base_score":"0","num_class":"0","num_feature":"2","num_target":"1"},"objective":{"name":"reg:squarederror"}},"version":[3,0,0]})");
  return {head + "objective=binary sigmoid:1\nfeature_names=income kind\nfeature_infos=[0:100] 0:1:2\n\n" + tree + leaf + end + "pandas_categorical:[[\"a\",\"b\",\"c\"]]\n",
          head + "objective=regression\naverage_output\n\n" + leaf + end, three + leaf + leaf + tree + end, ubjson, json};
}

}  // namespace

Target MakeImporters() { return {RunImporters, Seeds}; }

}  // namespace tenon::fuzz
