#include <array>
#include <cmath>
#include <optional>

#include "model/forest.h"

namespace tenon::model {
namespace {

constexpr int kMostClasses = 1 << 20;

Error Wrong(std::string_view what) { return Error(Code::kInvalidArgument, Str("this is not an XGBoost model that can be read: ", what)); }

// Walks down objects by name; null when one is missing.
const Json* At(const Json& json, std::initializer_list<std::string_view> path) {
  const Json* at = &json;
  for (std::string_view key : path) {
    at = at->Find(key);
    if (at == nullptr) return nullptr;
  }
  return at;
}

// Parameters are written as texts ("28") or as numbers, depending on the version.
Result<double> NumberAt(const Json& json, std::initializer_list<std::string_view> path) {
  const Json* at = At(json, path);
  const std::string name(*(path.end() - 1));
  double value = 0;
  if (at == nullptr) return Wrong(Str(name, " is missing"));
  if (at->is_number()) return at->Number();
  if (at->is_string() && ParseDouble(at->String(), &value)) return value;
  return Wrong(Str(name, " is not a number"));
}

Result<int> CountAt(const Json& json, std::initializer_list<std::string_view> path) {
  TENON_ASSIGN(const double value, NumberAt(json, path));
  if (!(value >= 0 && value <= 2147483647.0) || value != std::floor(value)) {
    return Wrong(Str(*(path.end() - 1), " is ", value, ", not a count"));
  }
  return static_cast<int>(value);
}

struct Objective {
  std::string_view name;
  Task task;
  bool logit;  // whether base_score is a probability
  Link link = Link::kOfTask;  // kExp: base_score is what the exponential gives
};

// Those whose predictions follow from the margins by the links that models here have.
constexpr std::array<Objective, 16> kObjectives = {{
    {"binary:logistic", Task::kBinary, true},
    {"reg:logistic", Task::kBinary, true},
    {"binary:logitraw", Task::kBinary, false},
    {"multi:softprob", Task::kMulticlass, false},
    {"multi:softmax", Task::kMulticlass, false},
    {"reg:squarederror", Task::kRegression, false},
    {"reg:squaredlogerror", Task::kRegression, false},
    {"reg:pseudohubererror", Task::kRegression, false},
    {"reg:absoluteerror", Task::kRegression, false},
    {"reg:quantileerror", Task::kRegression, false},
    {"count:poisson", Task::kRegression, false, Link::kExp},
    {"reg:gamma", Task::kRegression, false, Link::kExp},
    {"reg:tweedie", Task::kRegression, false, Link::kExp},
    {"rank:pairwise", Task::kRegression, false},
    {"rank:ndcg", Task::kRegression, false},
    {"rank:map", Task::kRegression, false},
}};

Result<Objective> ObjectiveOf(const Json& learner) {
  const Json* name = At(learner, {"objective", "name"});
  if (name == nullptr || !name->is_string()) return Wrong("objective.name is missing");
  std::vector<std::string> known;
  for (const Objective& objective : kObjectives) {
    if (objective.name == name->String()) return objective;
    known.emplace_back(objective.name);
  }
  return Wrong(Str("the objective ", name->String(), " has a link that models here do not have; there are: ", Join(known, ", ")));
}

// "5E-1" (to 3.0) or "[3.9E-1,8.5E-1]" (from 3.1), in the units of the objective.
Result<std::vector<float>> BaseScores(const Json& learner, const Objective& objective, int outputs) {
  const Json* score = At(learner, {"learner_model_param", "base_score"});
  if (score == nullptr) return Wrong("base_score is missing");
  std::string text = score->is_string() ? score->String() : score->Dump();
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  std::vector<float> base;
  for (const std::string& part : Split(text, ',')) {
    double value = 0;
    if (!ParseDouble(Trim(part), &value)) return Wrong(Str("base_score '", part, "' is not a number"));
    base.push_back(static_cast<float>(value));
  }
  if (base.size() == 1) base.resize(static_cast<std::size_t>(outputs), base[0]);
  if (base.size() != static_cast<std::size_t>(outputs)) {
    return Wrong(Str("base_score has ", base.size(), " numbers for ", outputs, " outputs"));
  }
  if (objective.logit) {
    constexpr float kLeast = 1e-6F;  // XGBoost's own bound
    for (float& value : base) {
      value = std::min(std::max(value, kLeast), 1.0F - kLeast);
      value = -std::log(1.0F / value - 1.0F);
    }
  }
  if (objective.link == Link::kExp) {
    for (float& value : base) {
      if (!(value > 0)) return Wrong(Str("base_score is ", value, "; with ", objective.name, " it is above 0"));
      value = std::log(value);
    }
  }
  return base;
}

// A list of `count` numbers; booleans count as 0 and 1.
Result<std::vector<double>> Numbers(const Json& tree, std::string_view key, std::optional<std::size_t> count) {
  const Json* list = tree.Find(key);
  if (list == nullptr || !list->is_array()) return Wrong(Str(key, " is missing"));
  std::vector<double> values;
  values.reserve(list->array().size());
  for (const Json& value : list->array()) {
    if (value.is_bool()) {
      values.push_back(value.Bool() ? 1 : 0);
    } else if (value.is_number()) {
      values.push_back(value.Number());
    } else {
      return Wrong(Str(key, " holds ", value.KindName()));
    }
  }
  if (count && values.size() != *count) return Wrong(Str(key, " has ", values.size(), " values for ", *count, " nodes"));
  return values;
}

Result<void> ReadCategories(const Json& json, Tree* tree) {
  if (json.Find("categories_nodes") == nullptr) return {};
  TENON_ASSIGN(const auto nodes, Numbers(json, "categories_nodes", std::nullopt));
  TENON_ASSIGN(const auto segments, Numbers(json, "categories_segments", nodes.size()));
  TENON_ASSIGN(const auto sizes, Numbers(json, "categories_sizes", nodes.size()));
  TENON_ASSIGN(const auto categories, Numbers(json, "categories", std::nullopt));
  double taken = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const double end = segments[i] + sizes[i];
    taken += sizes[i];
    if (!(nodes[i] >= 0 && nodes[i] < static_cast<double>(tree->nodes.size()) && segments[i] >= 0 && sizes[i] >= 0 &&
          end <= static_cast<double>(categories.size()) && taken <= static_cast<double>(categories.size()))) {
      return Wrong("categories_nodes, categories_segments and categories_sizes do not fit each other");
    }
    Tree::Node& node = tree->nodes[static_cast<std::size_t>(nodes[i])];
    for (auto c = static_cast<std::size_t>(segments[i]); c < static_cast<std::size_t>(end); ++c) {
      if (!(categories[c] >= 0 && categories[c] < 16777216)) return Wrong(Str("there is a category ", categories[c]));
      node.categories.push_back(static_cast<std::uint32_t>(categories[c]));
    }
  }
  return {};
}

// The leaves of a tree with vectors (multi_strategy=multi_output_tree): from 3.1 on a list of their own, which a leaf's right child
// names a place in; before, a vector for every node.
Result<void> ReadVectors(const Json& json, int width, const std::vector<double>& right, Tree* tree) {
  const auto outputs = static_cast<std::size_t>(width);
  const bool listed = json.Find("leaf_weights") != nullptr;
  TENON_ASSIGN(auto weights, listed ? Numbers(json, "leaf_weights", std::nullopt) : Numbers(json, "base_weights", tree->nodes.size() * outputs));
  if (weights.size() % outputs != 0) return Wrong(Str("leaf_weights has ", weights.size(), " values, not whole vectors of ", width));
  for (double& weight : weights) weight = static_cast<double>(static_cast<float>(weight));
  for (std::size_t i = 0; i < tree->nodes.size(); ++i) {
    Tree::Node& node = tree->nodes[i];
    if (node.left >= 0) continue;
    const double at = listed ? right[i] : static_cast<double>(i);
    if (!(at >= 0 && at < static_cast<double>(weights.size() / outputs))) return Wrong(Str("the leaf ", i, " names vector ", at, " of ", weights.size() / outputs));
    node.value = 0;
    node.right = -1;
    node.vector = static_cast<std::int32_t>(at);
  }
  tree->vectors = std::move(weights);
  tree->output = Tree::kEveryOutput;
  return {};
}

Result<Tree> ReadTree(const Json& json, int outputs) {
  const Json* lefts = json.Find("left_children");
  if (lefts == nullptr || !lefts->is_array()) return Wrong("left_children is missing");
  const std::size_t count = lefts->array().size();
  int width = 1;
  if (At(json, {"tree_param", "size_leaf_vector"}) != nullptr) {
    TENON_ASSIGN(width, CountAt(json, {"tree_param", "size_leaf_vector"}));
    if (width > 1 && width != outputs) return Wrong(Str("its leaves are vectors of ", width, " numbers; it has ", outputs, " outputs"));
  }
  TENON_ASSIGN(const auto left, Numbers(json, "left_children", count));
  TENON_ASSIGN(const auto right, Numbers(json, "right_children", count));
  TENON_ASSIGN(const auto feature, Numbers(json, "split_indices", count));
  TENON_ASSIGN(const auto condition, Numbers(json, "split_conditions", count));
  TENON_ASSIGN(const auto default_left, Numbers(json, "default_left", count));
  TENON_ASSIGN(const auto cover, Numbers(json, "sum_hessian", count));
  std::vector<double> type(count);
  if (json.Find("split_type") != nullptr) {
    TENON_ASSIGN(type, Numbers(json, "split_type", count));
  }
  const auto within = [](double value) { return value >= -1 && value <= 2147483647.0; };
  Tree tree;
  tree.nodes.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (!within(left[i]) || !within(right[i])) return Wrong(Str("node ", i, " has a child out of range"));
    Tree::Node& node = tree.nodes[i];
    node.left = static_cast<std::int32_t>(left[i]);
    node.right = static_cast<std::int32_t>(right[i]);
    node.value = static_cast<double>(static_cast<float>(condition[i]));
    node.cover = static_cast<float>(cover[i]);
    if (node.left < 0) continue;
    if (!within(feature[i])) return Wrong(Str("node ", i, " tests a feature out of range"));
    node.feature = static_cast<std::int32_t>(feature[i]);
    node.missing_left = default_left[i] != 0;
    if (type[i] == 1) node.split = Comparison::kCategory;
  }
  TENON_TRY(ReadCategories(json, &tree));
  if (width > 1) TENON_TRY(ReadVectors(json, width, right, &tree));
  return tree;
}

// How many of the trees to keep: an early-stopped model's best iteration is the last that counts.
Result<std::size_t> TreesKept(const Json& learner, const Json& model, std::size_t trees, int outputs) {
  const Json* best = At(learner, {"attributes", "best_iteration"});
  if (best == nullptr) return trees;
  TENON_ASSIGN(const int iteration, CountAt(learner, {"attributes", "best_iteration"}));
  const auto rounds = static_cast<std::size_t>(iteration) + 1;
  if (const Json* starts = model.Find("iteration_indptr"); starts != nullptr && starts->is_array()) {
    if (rounds >= starts->array().size() || !starts->array()[rounds].is_int()) return trees;
    return std::min(trees, static_cast<std::size_t>(std::max<std::int64_t>(0, starts->array()[rounds].Int())));
  }
  int parallel = 1;
  if (At(model, {"gbtree_model_param", "num_parallel_tree"}) != nullptr) {
    TENON_ASSIGN(parallel, CountAt(model, {"gbtree_model_param", "num_parallel_tree"}));
  }
  return std::min(trees, rounds * static_cast<std::size_t>(std::max(parallel, 1)) * static_cast<std::size_t>(outputs));
}

Result<ForestSpec> Read(const Json& json) {
  const Json* learner = json.Find("learner");
  if (learner == nullptr) return Wrong("there is no learner in it; save the model as JSON");
  const Json* booster = At(*learner, {"gradient_booster", "name"});
  if (booster == nullptr || !booster->is_string() || booster->String() != "gbtree") {
    return Wrong("only the booster gbtree can be read, not dart or gblinear");
  }
  TENON_ASSIGN(const Objective objective, ObjectiveOf(*learner));
  TENON_ASSIGN(const int classes, CountAt(*learner, {"learner_model_param", "num_class"}));
  if (classes > kMostClasses) return Wrong(Str("num_class is ", classes, "; at most ", kMostClasses, " can be read"));
  ForestSpec spec;
  spec.task = objective.task;
  spec.link = objective.link;
  TENON_ASSIGN(spec.features, CountAt(*learner, {"learner_model_param", "num_feature"}));
  spec.outputs = std::max(1, classes);
  if (At(*learner, {"learner_model_param", "num_target"}) != nullptr) {
    TENON_ASSIGN(const int targets, CountAt(*learner, {"learner_model_param", "num_target"}));
    if (targets > 1) return Wrong(Str("it predicts ", targets, " targets at once; a model here predicts one: train one a target"));
  }
  TENON_ASSIGN(const auto base, BaseScores(*learner, objective, spec.outputs));
  spec.base.assign(base.begin(), base.end());

  const Json* model = At(*learner, {"gradient_booster", "model"});
  const Json* trees = model == nullptr ? nullptr : model->Find("trees");
  if (trees == nullptr || !trees->is_array()) return Wrong("trees is missing");
  TENON_ASSIGN(const auto outputs, Numbers(*model, "tree_info", trees->array().size()));
  TENON_ASSIGN(const std::size_t kept, TreesKept(*learner, *model, trees->array().size(), spec.outputs));
  for (std::size_t t = 0; t < kept; ++t) {
    TENON_ASSIGN(Tree tree, ReadTree(trees->array()[t], spec.outputs), Str("reading tree ", t));
    if (tree.output == Tree::kEveryOutput) {
      spec.trees.push_back(std::move(tree));
      continue;
    }
    if (!(outputs[t] >= 0 && outputs[t] < spec.outputs)) return Wrong(Str("tree_info names output ", outputs[t]));
    tree.output = static_cast<int>(outputs[t]);
    spec.trees.push_back(std::move(tree));
  }
  return spec;
}

}  // namespace

Result<ForestSpec> ReadXgboost(std::string_view json) {
  TENON_ASSIGN(const Json parsed, Json::Parse(json, "XGBoost model"));
  return Read(parsed);
}

Result<ForestSpec> ReadXgboostParsed(const Json& json) { return Read(json); }

}  // namespace tenon::model
