// Trees and weighted sums of ONNX as ours.

#include "model/onnx_native_internal.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "model/forest.h"
#include "model/linear.h"

namespace tenon::model {
namespace {

Error Not(std::string_view what) { return Error(Code::kFailedPrecondition, std::string(what)); }
Error Wrong(std::string_view what) { return Error(Code::kInvalidArgument, Str("the ONNX model's trees are damaged: ", what)); }

// What a run of Scalers before the model does to each feature: (x - offset) * scale.
struct Scaled {
  std::vector<double> offset, scale;
};

struct Chain {
  const OnnxNode* model = nullptr;
  std::vector<const OnnxNode*> after;   // from the model to the output
  std::vector<const OnnxNode*> before;  // from the model back to the input
};

bool PassesOn(const OnnxNode& node) {
  return node.op == "Identity" || (node.op == "Cast" && node.Int("to", 0) == 1) ||
         (node.op == "Reshape");
}

Result<Chain> ChainTo(const OnnxFile& file, std::string_view output) {
  Chain chain;
  std::string at(output);
  for (int steps = 0; steps < 64; ++steps) {
    const OnnxNode* node = file.Maker(at);
    if (node == nullptr) {
      if (chain.model == nullptr) return Not("no node computes its output");
      if (at != file.inputs[0].name) return Not(Str("'", at, "' is not the input"));
      return chain;
    }
    const bool model = node->domain == "ai.onnx.ml" && (node->op.starts_with("TreeEnsemble") || node->op.starts_with("Linear"));
    if (model) {
      if (chain.model != nullptr) return Not("it has two models after one another");
      chain.model = node;
    } else if (chain.model == nullptr) {
      chain.after.push_back(node);
    } else {
      chain.before.push_back(node);
    }
    if (node->in.empty()) return Not(Str("the op ", node->op, " has no input"));
    at = node->in[0];
  }
  return Not("its graph is longer than those that are read");
}

Result<Scaled> ScalingOf(const Chain& chain, int features) {
  Scaled out{std::vector<double>(static_cast<std::size_t>(features), 0.0), std::vector<double>(static_cast<std::size_t>(features), 1.0)};
  for (auto node = chain.before.rbegin(); node != chain.before.rend(); ++node) {
    if (PassesOn(**node) && (*node)->op != "Reshape") continue;
    if ((*node)->op != "Scaler") return Not(Str("the op ", (*node)->op, " before the model has no counterpart that is read"));
    const std::vector<double> offset = (*node)->Floats("offset"), scale = (*node)->Floats("scale");
    const auto at = [](const std::vector<double>& values, std::size_t f, double fallback) {
      return values.empty() ? fallback : values[values.size() == 1 ? 0 : f];
    };
    if ((offset.size() > 1 && offset.size() != out.offset.size()) || (scale.size() > 1 && scale.size() != out.scale.size())) {
      return Not("a Scaler has another number of columns than the model");
    }
    for (std::size_t f = 0; f < out.offset.size(); ++f) {
      // ((x - a) * b - c) * d = (x - (a + c / b)) * (b d)
      const double factor = out.scale[f];
      if (factor == 0) return Not("a Scaler takes a column to nothing");
      out.offset[f] += at(offset, f, 0) / factor;
      out.scale[f] = factor * at(scale, f, 1);
    }
  }
  return out;
}

// What is done to the scores behind the model node.
Result<std::string> TransformAfter(const Chain& chain) {
  std::string transform = chain.model->Text("post_transform", "NONE");
  for (auto node = chain.after.rbegin(); node != chain.after.rend(); ++node) {
    if (PassesOn(**node)) continue;
    if ((*node)->op == "Normalizer" && (*node)->Text("norm", "MAX") == "L1") {
      transform += "+L1";
    } else if ((*node)->op == "Sigmoid" && transform == "NONE") {
      transform = "LOGISTIC";
    } else if ((*node)->op == "Softmax" && transform == "NONE") {
      transform = "SOFTMAX";
    } else {
      return Not(Str("the op ", (*node)->op, " after the model has no counterpart that is read"));
    }
  }
  return transform;
}

Result<OnnxNative> ReadLinear(const OnnxFile& file, const Chain& chain, Task task, int outputs, int features) {
  static_cast<void>(file);
  TENON_ASSIGN(const Scaled scaled, ScalingOf(chain, features));
  TENON_ASSIGN(const std::string transform, TransformAfter(chain));
  const auto width = static_cast<std::size_t>(features);
  const std::vector<double> weights = chain.model->Floats("coefficients");
  std::vector<double> intercepts = chain.model->Floats("intercepts");
  const std::size_t rows = width == 0 ? 0 : weights.size() / width;
  if (rows == 0 || rows * width != weights.size()) return Not("its coefficients do not fit its input");
  if (intercepts.empty()) intercepts.assign(rows, 0);
  if (intercepts.size() != rows) return Not("its intercepts do not fit its coefficients");
  LinearSpec spec{.task = task, .features = features, .outputs = outputs};
  std::size_t first = 0;
  std::vector<double> sign(rows, 1);
  if (task == Task::kRegression) {
    if (transform != "NONE" || rows != 1) return Not(Str("a regression of ", rows, " targets with ", transform, " is not read"));
  } else if (task == Task::kBinary) {
    // Two rows: scores of both classes, each through the logistic by itself; only mirrored ones are one weighted sum.
    if (transform != "LOGISTIC" && !(transform == "LOGISTIC+L1" && rows <= 2) && !(transform == "SOFTMAX" && rows == 2)) {
      return Not(Str("a binary classifier with ", transform, " is not read"));
    }
    first = rows - 1;
    if (rows == 2) {
      for (std::size_t f = 0; f < width; ++f) {
        if (weights[f] != -weights[width + f]) return Not("its two classes have weights of their own");
      }
      if (intercepts[0] != -intercepts[1]) return Not("its two classes have intercepts of their own");
      if (transform == "SOFTMAX") sign[1] = 2;
    }
  } else if (transform != "SOFTMAX" || rows != static_cast<std::size_t>(outputs)) {
    return Not(Str("a classifier of ", rows, " classes with ", transform, " is not read"));
  }
  spec.center = scaled.offset;
  for (std::size_t k = first; k < rows; ++k) {
    for (std::size_t f = 0; f < width; ++f) spec.weights.push_back(weights[k * width + f] * scaled.scale[f] * sign[k]);
    spec.intercept.push_back(intercepts[k] * sign[k]);
  }
  OnnxNative out{.tolerance = 1e-6};
  TENON_ASSIGN(out.model, MakeLinear(std::move(spec)));
  return out;
}

// The parallel arrays of TreeEnsemble*: one entry a node.
struct Arrays {
  std::vector<std::int64_t> tree, node, feature, yes, no, missing_yes;
  std::vector<std::string> mode;
  std::vector<double> value, hits;
};

Result<std::vector<double>> FloatsOrTensor(const OnnxNode& node, const std::string& name) {
  if (const OnnxAttribute* tensor = node.Find(name + "_as_tensor"); tensor != nullptr && tensor->tensor) return tensor->tensor->Numbers();
  return node.Floats(name);
}

Result<Arrays> ReadArrays(const OnnxNode& node) {
  Arrays a;
  a.tree = node.Ints("nodes_treeids");
  a.node = node.Ints("nodes_nodeids");
  a.feature = node.Ints("nodes_featureids");
  a.yes = node.Ints("nodes_truenodeids");
  a.no = node.Ints("nodes_falsenodeids");
  a.missing_yes = node.Ints("nodes_missing_value_tracks_true");
  a.mode = node.Texts("nodes_modes");
  TENON_ASSIGN(a.value, FloatsOrTensor(node, "nodes_values"));
  TENON_ASSIGN(a.hits, FloatsOrTensor(node, "nodes_hitrates"));
  const std::size_t n = a.tree.size();
  if (n == 0 || a.node.size() != n || a.feature.size() != n || a.yes.size() != n || a.no.size() != n || a.mode.size() != n || a.value.size() != n) {
    return Wrong("its lists of nodes have different lengths");
  }
  if (a.missing_yes.empty()) a.missing_yes.assign(n, 0);
  if (a.hits.size() != n) a.hits.assign(n, 1);
  if (a.missing_yes.size() != n) return Wrong("its lists of nodes have different lengths");
  return a;
}

// Where node `id` of tree `tree` is among the nodes of ours.
using Places = std::map<std::pair<std::int64_t, std::int64_t>, std::pair<std::size_t, std::int32_t>>;

Result<void> ReadNodes(const Arrays& a, ForestSpec* spec, Places* places) {
  std::map<std::int64_t, std::size_t> trees;
  for (std::size_t i = 0; i < a.tree.size(); ++i) {
    const auto [at, fresh] = trees.try_emplace(a.tree[i], spec->trees.size());
    if (fresh) spec->trees.emplace_back();
    auto& nodes = spec->trees[at->second].nodes;
    if (!places->try_emplace({a.tree[i], a.node[i]}, std::pair(at->second, static_cast<std::int32_t>(nodes.size()))).second) {
      return Wrong(Str("node ", a.node[i], " of tree ", a.tree[i], " is there twice"));
    }
    nodes.emplace_back();
  }
  for (std::size_t i = 0; i < a.tree.size(); ++i) {
    const auto [tree, at] = places->at({a.tree[i], a.node[i]});
    Tree::Node& node = spec->trees[tree].nodes[static_cast<std::size_t>(at)];
    node.cover = static_cast<float>(std::isfinite(a.hits[i]) && a.hits[i] >= 0 ? a.hits[i] : 1);
    if (a.mode[i] == "LEAF") continue;
    const auto yes = places->find({a.tree[i], a.yes[i]}), no = places->find({a.tree[i], a.no[i]});
    if (yes == places->end() || no == places->end()) return Wrong(Str("node ", a.node[i], " of tree ", a.tree[i], " has a child that is not there"));
    node.left = yes->second.second;
    node.right = no->second.second;
    node.feature = static_cast<std::int32_t>(a.feature[i]);
    node.value = a.value[i];
    node.missing_left = a.missing_yes[i] != 0;
    if (a.mode[i] == "BRANCH_LEQ") node.split = Comparison::kAtMost;
    else if (a.mode[i] == "BRANCH_LT") node.split = Comparison::kBelow;
    else if (a.mode[i] == "BRANCH_EQ") node.split = Comparison::kEqual;
    else if (a.mode[i] == "BRANCH_GT" || a.mode[i] == "BRANCH_GTE") {
      node.split = a.mode[i] == "BRANCH_GT" ? Comparison::kAtMost : Comparison::kBelow;
      std::swap(node.left, node.right);
      node.missing_left = !node.missing_left;
    } else {
      return Not(Str("the test ", a.mode[i], " is not read"));
    }
  }
  return {};
}

// Leaves that add to one output each.
Result<void> ReadLeaves(const OnnxNode& node, const std::string& of, const Places& places, int columns, ForestSpec* spec,
                        std::vector<std::vector<std::vector<double>>>* leaves) {
  const auto tree = node.Ints(of + "_treeids"), at = node.Ints(of + "_nodeids"), to = node.Ints(of + "_ids");
  TENON_ASSIGN(const auto weight, FloatsOrTensor(node, of + "_weights"));
  if (tree.size() != at.size() || tree.size() != to.size() || tree.size() != weight.size()) return Wrong("its lists of leaves have different lengths");
  leaves->clear();
  for (const Tree& one : spec->trees) leaves->emplace_back(one.nodes.size(), std::vector<double>(static_cast<std::size_t>(columns), 0.0));
  for (std::size_t i = 0; i < tree.size(); ++i) {
    const auto found = places.find({tree[i], at[i]});
    if (found == places.end() || to[i] < 0 || to[i] >= columns) return Wrong("a leaf names a node or output that is not there");
    (*leaves)[found->second.first][static_cast<std::size_t>(found->second.second)][static_cast<std::size_t>(to[i])] += weight[i];
  }
  return {};
}

// Leaves as values where every tree adds to one output, else as vectors.
void SetLeaves(const std::vector<std::vector<std::vector<double>>>& leaves, int from, ForestSpec* spec) {
  for (std::size_t t = 0; t < spec->trees.size(); ++t) {
    Tree& tree = spec->trees[t];
    int only = -1;
    bool many = false;
    for (const auto& leaf : leaves[t]) {
      for (int k = 0; k < spec->outputs; ++k) {
        if (leaf[static_cast<std::size_t>(k + from)] == 0) continue;
        many = many || (only >= 0 && only != k);
        only = k;
      }
    }
    if (!many) {
      tree.output = std::max(only, 0);
      for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
        if (tree.nodes[i].left < 0) tree.nodes[i].value = leaves[t][i][static_cast<std::size_t>(tree.output + from)];
      }
      continue;
    }
    tree.output = Tree::kEveryOutput;
    for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
      if (tree.nodes[i].left >= 0) continue;
      tree.nodes[i].vector = static_cast<std::int32_t>(tree.vectors.size() / static_cast<std::size_t>(spec->outputs));
      tree.vectors.insert(tree.vectors.end(), leaves[t][i].begin() + from, leaves[t][i].begin() + from + spec->outputs);
    }
  }
}

Result<OnnxNative> ReadTrees(const Chain& chain, Task task, int outputs, int features) {
  for (const OnnxNode* node : chain.before) {
    if (node->op != "Identity" && !(node->op == "Cast" && node->Int("to", 0) == 1)) {
      return Not(Str("the op ", node->op, " before the trees has no counterpart that is read"));
    }
  }
  TENON_ASSIGN(const std::string transform, TransformAfter(chain));
  const OnnxNode& model = *chain.model;
  if (model.op == "TreeEnsemble") return Not("trees of the op's version 5 are not read");
  const bool classifier = model.op == "TreeEnsembleClassifier";
  ForestSpec spec{.task = task, .features = features, .outputs = outputs};
  TENON_ASSIGN(const Arrays arrays, ReadArrays(model));
  Places places;
  TENON_TRY(ReadNodes(arrays, &spec, &places));
  const std::string of = classifier ? "class" : "target";
  const auto ids = model.Ints(of + "_ids");
  const bool one_id = std::ranges::all_of(ids, [&](std::int64_t id) { return id == ids[0]; });
  int columns = 1, from = 0;
  if (classifier) {
    columns = std::max(2, outputs);
    // One id among two classes: its score is the second class's, whatever it is called.
    from = task == Task::kBinary ? (one_id && !ids.empty() ? static_cast<int>(ids[0]) : 1) : 0;
  } else {
    columns = static_cast<int>(model.Int("n_targets", 1));
    if (task == Task::kBinary && columns == 2) return Not("two targets for a binary answer are not read");
    if (columns != outputs) return Not(Str(columns, " targets for ", outputs, " outputs are not read"));
  }
  std::vector<std::vector<std::vector<double>>> leaves;
  TENON_TRY(ReadLeaves(model, of, places, columns, &spec, &leaves));
  if (from < 0 || from + outputs > columns) return Wrong("a class id is not there");
  SetLeaves(leaves, from, &spec);
  TENON_ASSIGN(auto base, FloatsOrTensor(model, "base_values"));
  if (base.size() == static_cast<std::size_t>(columns) && columns > outputs) base = {base[static_cast<std::size_t>(from)]};
  if (base.empty()) base.assign(static_cast<std::size_t>(outputs), 0.0);
  if (base.size() != static_cast<std::size_t>(outputs)) return Not(Str(base.size(), " base values for ", outputs, " outputs are not read"));
  spec.base = std::move(base);
  // The runtime adds the leaves, and then the base.
  spec.base_last = true;
  const std::string aggregate = model.Text("aggregate_function", "SUM");
  if (aggregate == "AVERAGE") {
    spec.divisor = static_cast<double>(spec.trees.size());
  } else if (aggregate != "SUM") {
    return Not(Str("the aggregate function ", aggregate, " is not read"));
  }
  if (transform == "NONE") {
    spec.link = task == Task::kRegression ? Link::kOfTask : Link::kIdentity;
  } else if (transform == "LOGISTIC") {
    spec.link = task == Task::kBinary ? Link::kOfTask : Link::kLogistic;
  } else if (transform == "SOFTMAX" && task == Task::kMulticlass) {
    spec.link = Link::kOfTask;
  } else {
    return Not(Str("trees with ", transform, " are not read"));
  }
  const auto is_float = [](double value) { return static_cast<double>(static_cast<float>(value)) == value; };
  bool floats = std::ranges::all_of(spec.base, is_float);
  for (const Tree& tree : spec.trees) {
    for (const Tree::Node& node : tree.nodes) floats = floats && (node.left >= 0 || is_float(node.value));
    floats = floats && std::ranges::all_of(tree.vectors, is_float);
  }
  spec.sum = floats ? Sum::kFloat : Sum::kDouble;
  OnnxNative out{.tolerance = transform == "NONE" && floats ? 0 : 1e-6};
  TENON_ASSIGN(out.model, MakeForest(std::move(spec)));
  return out;
}

}  // namespace

Result<OnnxNative> ReadNative(const OnnxFile& file, std::string_view output, Task task, int outputs, int features) {
  if (file.inputs.size() != 1 || file.inputs[0].type != 1) return Not("its input is no single tensor of floats");
  TENON_ASSIGN(const Chain chain, ChainTo(file, output));
  if (chain.model->op.starts_with("TreeEnsemble")) return ReadTrees(chain, task, outputs, features);
  return ReadLinear(file, chain, task, outputs, features);
}

}  // namespace tenon::model
