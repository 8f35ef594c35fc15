// LightGBM's text files (Booster.save_model): blocks of key=value lines, a block a tree.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "model/importers_internal.h"

namespace tenon::model {
namespace {

using Block = std::map<std::string, std::string, std::less<>>;

constexpr int kMostLeaves = 1 << 20;

Error Wrong(std::string_view what) { return Error(Code::kInvalidArgument, Str("this is not a LightGBM model that can be read: ", what)); }

std::string_view At(const Block& block, std::string_view key) {
  const auto at = block.find(key);
  return at == block.end() ? std::string_view() : std::string_view(at->second);
}

Result<std::vector<double>> Numbers(const Block& block, std::string_view key, std::size_t count) {
  const auto at = block.find(key);
  std::vector<double> out;
  out.reserve(count);
  std::string_view text = at == block.end() ? std::string_view() : Trim(at->second);
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    double value = 0;
    if (word == "inf" || word == "-inf") {
      value = word[0] == '-' ? -HUGE_VAL : HUGE_VAL;
    } else if (!ParseDouble(word, &value)) {
      return Wrong(Str(key, " has '", word.substr(0, 40), "', which is no number"));
    }
    out.push_back(value);
    text.remove_prefix(word.size());
    text = Trim(text);
  }
  if (out.size() != count) return Wrong(Str(key, " has ", out.size(), " numbers, ", count, " were expected; the file is cut off or damaged"));
  return out;
}

Result<int> Count(const Block& block, std::string_view key, int least, int most) {
  std::int64_t value = 0;
  if (!ParseInt64(Trim(At(block, key)), &value)) return Wrong(Str(key, " is missing or no number"));
  if (value < least || value > most) return Wrong(Str(key, " is ", value, "; expected ", least, " to ", most));
  return static_cast<int>(value);
}

struct File {
  Block head;
  bool mean = false;             // average_output: a forest whose trees are averaged
  std::vector<Block> trees;
  std::string categories;        // pandas_categorical
  bool whole = false;            // "end of trees" was there
};

File Parse(std::string_view text) {
  File file;
  Block* block = &file.head;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line == "end of trees") {
      file.whole = true;
      block = nullptr;
    }
    if (line.starts_with("pandas_categorical:")) file.categories = line.substr(19);
    if (line == "average_output") file.mean = true;
    if (block == nullptr) continue;
    if (line.starts_with("Tree=")) {
      file.trees.emplace_back();
      block = &file.trees.back();
    }
    if (const std::size_t equals = line.find('='); equals != std::string_view::npos) {
      block->insert_or_assign(std::string(line.substr(0, equals)), std::string(line.substr(equals + 1)));
    }
  }
  return file;
}

struct Objective {
  std::string name;
  Task task = Task::kRegression;
  Link link = Link::kOfTask;
  double scale = 1;              // of the scores, before the link
};

// "binary sigmoid:1": a word and its settings.
Result<Objective> ReadObjective(std::string_view text, int classes) {
  const std::vector<std::string> words = Split(Trim(text), ' ');
  Objective out{.name = words.empty() ? "" : words[0]};
  double sigmoid = 1;
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "sqrt") return Wrong("its objective takes the root of the label (reg_sqrt), which links here do not undo");
    if (words[i].starts_with("sigmoid:") && !ParseDouble(std::string_view(words[i]).substr(8), &sigmoid)) return Wrong("sigmoid is no number");
  }
  static const std::vector<std::string> kPlain = {"regression", "regression_l1", "l2", "l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg"};
  static const std::vector<std::string> kExp = {"poisson", "gamma", "tweedie"};
  if (out.name == "binary") {
    out.task = Task::kBinary;
    out.scale = sigmoid;
  } else if (out.name == "cross_entropy" || out.name == "xentropy") {
    out.task = Task::kBinary;
  } else if (out.name == "multiclass" || out.name == "softmax") {
    out.task = Task::kMulticlass;
  } else if (out.name == "multiclassova") {
    out.task = Task::kMulticlass;
    out.link = Link::kLogistic;
    out.scale = sigmoid;
  } else if (std::ranges::find(kExp, out.name) != kExp.end()) {
    out.link = Link::kExp;
  } else if (std::ranges::find(kPlain, out.name) == kPlain.end()) {
    return Wrong(Str("the objective '", out.name, "' has a link that models here do not have; there are: binary, cross_entropy, multiclass, multiclassova, ",
                     Join(kPlain, ", "), ", ", Join(kExp, ", ")));
  }
  if ((out.task == Task::kMulticlass) != (classes > 1)) return Wrong(Str("the objective ", out.name, " has ", classes, " classes"));
  return out;
}

void SetCategories(const std::vector<double>& words, std::size_t from, std::size_t to, Tree::Node* node) {
  for (std::size_t word = from; word < to; ++word) {
    const auto bits = static_cast<std::uint32_t>(words[word]);
    for (std::uint32_t bit = 0; bit < 32; ++bit) {
      if ((bits >> bit & 1) != 0) node->categories.push_back(static_cast<std::uint32_t>(word - from) * 32 + bit);
    }
  }
}

// A child is a test, or ~leaf; tests come first among our nodes.
std::int32_t Child(double child, std::size_t tests) {
  return child >= 0 ? static_cast<std::int32_t>(child) : static_cast<std::int32_t>(tests) + ~static_cast<std::int32_t>(child);
}

Result<void> ReadTests(const Block& block, std::size_t tests, Tree* tree) {
  TENON_ASSIGN(const auto feature, Numbers(block, "split_feature", tests));
  TENON_ASSIGN(const auto threshold, Numbers(block, "threshold", tests));
  TENON_ASSIGN(const auto decision, Numbers(block, "decision_type", tests));
  TENON_ASSIGN(const auto left, Numbers(block, "left_child", tests));
  TENON_ASSIGN(const auto right, Numbers(block, "right_child", tests));
  TENON_ASSIGN(const auto covers, Numbers(block, "internal_count", tests));
  TENON_ASSIGN(const int sets, Count(block, "num_cat", 0, kMostLeaves));
  std::vector<double> boundaries, words;
  if (sets > 0) {
    TENON_ASSIGN(boundaries, Numbers(block, "cat_boundaries", static_cast<std::size_t>(sets) + 1));
    if (!(boundaries.back() >= 0 && boundaries.back() < 1 << 26)) return Wrong("cat_boundaries is damaged");
    TENON_ASSIGN(words, Numbers(block, "cat_threshold", static_cast<std::size_t>(boundaries.back())));
    if (!std::ranges::all_of(words, [](double word) { return word >= 0 && word < 0x1p32; })) return Wrong("cat_threshold has a number that is no set of 32 categories");
  }
  const auto nodes = static_cast<double>(tree->nodes.size());
  for (std::size_t i = 0; i < tests; ++i) {
    Tree::Node& node = tree->nodes[i];
    if (!(left[i] < nodes && right[i] < nodes && left[i] >= -nodes && right[i] >= -nodes && feature[i] >= 0 && feature[i] < 1e9)) {
      return Wrong(Str("test ", i, " has a child or feature out of range"));
    }
    node.left = Child(left[i], tests);
    node.right = Child(right[i], tests);
    node.feature = static_cast<std::int32_t>(feature[i]);
    node.cover = static_cast<float>(covers[i]);
    if (!(decision[i] >= 0 && decision[i] < 256)) return Wrong(Str("test ", i, " has the decision_type ", decision[i]));
    const auto flags = static_cast<unsigned>(decision[i]);
    const bool left_by_default = (flags & 2U) != 0;
    const unsigned missing = flags >> 2 & 3U;
    if ((flags & 1U) != 0) {
      // There: a member goes left, anything else and NaN right. Here a member goes right.
      const double set = threshold[i];
      if (!(set >= 0 && set < sets)) return Wrong(Str("test ", i, " names the categories ", set, " of ", sets));
      const double from = boundaries[static_cast<std::size_t>(set)], to = boundaries[static_cast<std::size_t>(set) + 1];
      if (!(from >= 0 && from <= to && to <= static_cast<double>(words.size()))) return Wrong("cat_boundaries is damaged");
      std::swap(node.left, node.right);
      node.split = Comparison::kCategoryCut;
      node.missing_left = true;
      SetCategories(words, static_cast<std::size_t>(from), static_cast<std::size_t>(to), &node);
      continue;
    }
    node.split = Comparison::kAtMost;
    node.value = threshold[i];
    node.zero_missing = missing == 1;
    node.missing_left = missing == 0 ? 0 <= threshold[i] : left_by_default;  // without missing values NaN counts as 0
  }
  return {};
}

Result<Tree> ReadTree(const Block& block, double scale) {
  if (const std::string_view linear = Trim(At(block, "is_linear")); !linear.empty() && linear != "0") {
    return Wrong("its leaves are linear models (linear_tree); train it without");
  }
  TENON_ASSIGN(const int leaves, Count(block, "num_leaves", 1, kMostLeaves));
  const std::size_t tests = static_cast<std::size_t>(leaves) - 1;
  TENON_ASSIGN(const auto values, Numbers(block, "leaf_value", tests + 1));
  std::vector<double> covers(tests + 1, 1.0);
  if (tests > 0) {
    TENON_ASSIGN(covers, Numbers(block, "leaf_count", tests + 1));
  }
  Tree tree;
  tree.nodes.resize(2 * tests + 1);
  for (std::size_t i = 0; i <= tests; ++i) {
    tree.nodes[tests + i].value = values[i] * scale;
    tree.nodes[tests + i].cover = static_cast<float>(covers[i]);
  }
  if (tests > 0) TENON_TRY(ReadTests(block, tests, &tree));
  return tree;
}

// Categories by feature: those of data frames are listed in the order of their columns.
Result<void> NameCategories(const File& file, std::vector<SourceFeature>* features, std::vector<std::string>* notes) {
  if (file.categories.empty() || Trim(file.categories) == "null") return {};
  auto lists = Json::Parse(file.categories, "pandas_categorical");
  if (!lists || !lists->is_array()) return Wrong("pandas_categorical is no list");
  if (lists->array().empty()) return {};
  const std::vector<std::string> infos = Split(Trim(At(file.head, "feature_infos")), ' ');
  std::vector<std::size_t> categorical;
  for (std::size_t i = 0; i < infos.size() && i < features->size(); ++i) {
    if (!infos[i].empty() && infos[i][0] != '[' && infos[i] != "none") categorical.push_back(i);
  }
  if (categorical.size() != lists->array().size()) {
    notes->push_back(Str("the file lists the categories of ", lists->array().size(), " columns and has ", categorical.size(),
                         " categorical ones: which are whose cannot be told, so requests must bring their numbers"));
    return {};
  }
  for (std::size_t i = 0; i < categorical.size(); ++i) {
    const Json& list = lists->array()[i];
    if (!list.is_array()) return Wrong("pandas_categorical is no list of lists");
    (*features)[categorical[i]].categories = list.array();
  }
  return {};
}

class LightgbmImporter final : public Importer {
 public:
  bool Knows(std::string_view bytes) const override { return bytes.starts_with("tree\n") || bytes.starts_with("tree\r\n"); }

  Result<Imported> Import(const ImportRequest& request) const override {
    if (!Knows(request.bytes)) return Wrong("it does not begin with the line 'tree'; save it with Booster.save_model");
    const File file = Parse(request.bytes);
    if (!file.whole) return Wrong("the line 'end of trees' is missing; the file is cut off");
    TENON_ASSIGN(const int classes, Count(file.head, "num_class", 1, 100000));
    TENON_ASSIGN(const int outputs, Count(file.head, "num_tree_per_iteration", 1, 100000));
    TENON_ASSIGN(const int last, Count(file.head, "max_feature_idx", 0, 1 << 24));
    TENON_ASSIGN(const Objective objective, ReadObjective(At(file.head, "objective"), classes));
    if (outputs != classes) return Wrong(Str("it has ", classes, " classes and ", outputs, " trees an iteration"));
    ForestSpec spec;
    spec.task = objective.task;
    spec.link = objective.link;
    spec.features = last + 1;
    spec.outputs = outputs;
    spec.base.assign(static_cast<std::size_t>(outputs), 0.0);
    spec.sum = Sum::kDouble;
    for (std::size_t t = 0; t < file.trees.size(); ++t) {
      TENON_ASSIGN(Tree tree, ReadTree(file.trees[t], objective.scale), Str("reading tree ", t));
      tree.output = static_cast<int>(t % static_cast<std::size_t>(outputs));
      spec.trees.push_back(std::move(tree));
    }
    if (file.mean) spec.divisor = static_cast<double>(std::max<std::size_t>(1, file.trees.size() / static_cast<std::size_t>(outputs)));
    const std::string_view named = Trim(At(file.head, "feature_names"));
    std::vector<std::string> own = named.empty() ? std::vector<std::string>() : Split(named, ' ');
    // Without names of its own LightGBM numbers the columns, which then are the samples' in their order.
    const bool numbered = std::ranges::all_of(own, [&](const std::string& name) { return name.starts_with("Column_"); });
    if (numbered && request.samples != nullptr) own.clear();
    TENON_ASSIGN(const auto names, FeatureNames(std::move(own), request.samples, spec.features));
    std::vector<SourceFeature> features;
    for (const std::string& name : names) features.push_back({name, {}});
    std::vector<std::string> notes;
    TENON_TRY(NameCategories(file, &features, &notes));
    TENON_ASSIGN(Imported out, ImportForest(request, std::move(spec), features, {}));
    out.notes = std::move(notes);
    out.tolerance = 1e-6;  // the same margins; its links are in doubles
    out.about["maker"] = Str("LightGBM, file version ", At(file.head, "version"));
    out.about["objective"] = At(file.head, "objective");
    return out;
  }
};

}  // namespace

Result<void> AddLightgbm(Kinds<Importer>& kinds) {
  return kinds.Add("lightgbm",
                   {.summary = "Read a model that LightGBM saved as text",
                    .when = "Booster.save_model; numbers and categories, gbdt, dart and rf; its margins are given exactly",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Importer>> { return std::make_unique<LightgbmImporter>(); });
}

}  // namespace tenon::model
