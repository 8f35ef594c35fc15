// PMML of any maker: trees, weighted sums and models of models, read into our engines. pmml_*.cc read its parts.

#include <algorithm>

#include "base/text.h"
#include "model/importers_internal.h"
#include "model/linear.h"
#include "model/pmml_reader_internal.h"

namespace tenon::model {
namespace {

// The model among the children of PMML.
Result<const Xml::Element*> ModelIn(const Xml& xml) {
  static const std::vector<std::string> kRead = {"RegressionModel", "TreeModel", "MiningModel"};
  for (const Xml::Element* child : xml.Children(xml.root())) {
    if (std::ranges::find(kRead, child->name) != kRead.end()) return child;
  }
  for (const Xml::Element* child : xml.Children(xml.root())) {
    if (child->name.ends_with("Model") || child->name == "NeuralNetwork" || child->name == "Scorecard" || child->name == "RuleSetModel") {
      return PmmlWrong(*child, Str("the model ", child->name, " is not read; RegressionModel, TreeModel and MiningModel are"));
    }
  }
  return PmmlWrong("it has no model");
}

// What the sum of one output of a leaf or of the weights is, out of several.
using Pick = double (*)(const double* values);
double Only(const double* values) { return values[0]; }
double Second(const double* values) { return values[1]; }
double Between(const double* values) { return values[1] - values[0]; }  // two classes' scores: what decides is how far apart they are

// The one output to which a tree's leaves add; -1 when there are several.
int OnlyOutput(const Tree& tree, std::size_t width) {
  int only = -1;
  for (std::size_t i = 0; i < tree.vectors.size(); ++i) {
    if (tree.vectors[i] == 0) continue;
    const int k = static_cast<int>(i % width);
    if (only >= 0 && only != k) return -1;
    only = k;
  }
  return std::max(only, 0);
}

void SetLeaves(std::vector<Tree> trees, int outputs, Pick pick, ForestSpec* spec) {
  const auto width = static_cast<std::size_t>(outputs);
  for (Tree& tree : trees) {
    if (pick != nullptr) {
      for (Tree::Node& node : tree.nodes) {
        if (node.left >= 0) continue;
        node.value = pick(tree.vectors.data() + static_cast<std::size_t>(node.vector) * width);
        node.vector = -1;
      }
      tree.output = 0;
      tree.vectors.clear();
    } else if (const int only = OnlyOutput(tree, width); only >= 0) {
      // Every leaf adds to one output only.
      tree.output = only;
      for (Tree::Node& node : tree.nodes) {
        if (node.left >= 0) continue;
        node.value = tree.vectors[static_cast<std::size_t>(node.vector) * width + static_cast<std::size_t>(tree.output)];
        node.vector = -1;
      }
      tree.vectors.clear();
    }
    spec->trees.push_back(std::move(tree));
  }
}

class PmmlImporter final : public Importer {
 public:
  bool Knows(std::string_view bytes) const override {
    const std::string_view head = bytes.substr(0, 4096);
    return head.find("<PMML") != std::string_view::npos || head.find(":PMML") != std::string_view::npos;
  }

  Result<Imported> Import(const ImportRequest& request) const override {
    if (!request.link.empty()) return Error(Code::kInvalidArgument, "the file says how its scores become predictions; --link is for ONNX");
    TENON_ASSIGN(const Xml xml, Xml::Read(request.bytes));
    if (xml.root().name != "PMML") return PmmlWrong(Str("its outermost element is ", xml.root().name, ", not PMML"));
    const std::string_view version = Xml::At(xml.root(), "version");
    if (!version.starts_with("4.") && !version.starts_with("3.")) return PmmlWrong(Str("its version is '", version, "'; 3 and 4 are read"));
    TENON_ASSIGN(const Xml::Element* model, ModelIn(xml));
    const Xml::Element* schema = xml.Child(*model, "MiningSchema");
    if (schema == nullptr) return PmmlWrong(*model, "the model has no MiningSchema");
    PmmlInputs fields(xml, *schema, request.bytes.size());
    TENON_TRY(fields.ReadDictionary());
    PmmlScope scope;
    TENON_TRY(fields.AddDerived(xml.root(), &scope));
    TENON_ASSIGN(const auto classes, ClassesOf(request, xml, *model, fields));
    TENON_ASSIGN(PmmlSum sum, ReadPmmlModel(xml, *model, scope, classes, &fields));
    if (sum.classes != !classes.empty()) return PmmlWrong(*model, "a model that is said to be of classes is a chain that ends in a number, or the other way round");
    Imported out;
    TENON_ASSIGN(out.model, ModelOf(std::move(sum), classes, fields.features()));
    TENON_TRY(fields.Finish(&out));
    out.classes = classes;
    TENON_TRY(CheckRequest(request, *out.model, out.graph));
    TENON_ASSIGN(out.verification, ReadPmmlVerification(xml, *model, fields, out.graph.inputs, classes));
    const Xml::Element* header = xml.Child(xml.root(), "Header");
    const Xml::Element* maker = header == nullptr ? nullptr : xml.Child(*header, "Application");
    out.about["maker"] = maker == nullptr ? Str("PMML ", version) : Str("PMML ", version, " by ", Xml::At(*maker, "name"), " ", Xml::At(*maker, "version"));
    out.about["element"] = model->name;
    AddNotes(&out);
    return out;
  }

 private:
  static Result<std::vector<std::string>> ClassesOf(const ImportRequest& request, const Xml& xml, const Xml::Element& model, const PmmlInputs& fields) {
    std::vector<std::string> own;
    if (Xml::At(model, "functionName") == "classification") own = PmmlClasses(xml, model, fields);
    const Task task = own.empty() ? Task::kRegression : own.size() == 2 ? Task::kBinary : Task::kMulticlass;
    if (own.size() == 1 || own.size() > 10'000) return PmmlWrong(model, Str("it has ", own.size(), " classes"));
    if (!request.task.empty() && request.task != NameOf(task)) return Error(Code::kInvalidArgument, Str("the file is a ", NameOf(task), " model, not ", request.task));
    if (request.classes.empty()) {
      if (std::set<std::string>(own.begin(), own.end()).size() != own.size()) return PmmlWrong(model, "two classes have one name");
      return own;
    }
    // The file has names of its own: others can only be an order of them.
    if (!std::ranges::is_permutation(request.classes, own)) {
      return Error(Code::kInvalidArgument, Str("the file's classes are ", Join(own, ", "), "; --labels gives their order and names ", Join(request.classes, ", ")));
    }
    return request.classes;
  }

  static Result<std::unique_ptr<Model>> ModelOf(PmmlSum sum, const std::vector<std::string>& classes, int features) {
    const Task task = classes.empty() ? Task::kRegression : classes.size() == 2 ? Task::kBinary : Task::kMulticlass;
    const bool two_scores = task == Task::kBinary && sum.outputs == 2;
    const int outputs = task == Task::kMulticlass ? sum.outputs : 1;
    const Pick pick = task == Task::kMulticlass ? nullptr : !two_scores ? Only : sum.link == Link::kOfTask ? Between : Second;
    std::vector<double> base = sum.base;
    if (pick != nullptr) base = {pick(sum.base.data())};
    if (!sum.weights.empty()) return Weighted(std::move(sum), task, outputs, pick, std::move(base), features);
    ForestSpec spec{.task = task, .features = features, .outputs = outputs, .base = std::move(base)};
    spec.sum = Sum::kDouble;
    if (task == Task::kRegression) {
      spec.link = sum.link == Link::kIdentity ? Link::kOfTask : sum.link;
    } else {
      spec.link = sum.link == Link::kIdentity ? Link::kIdentity : Link::kOfTask;
    }
    SetLeaves(std::move(sum.trees), sum.outputs, pick, &spec);
    return MakeForest(std::move(spec));
  }

  static Result<std::unique_ptr<Model>> Weighted(PmmlSum sum, Task task, int outputs, Pick pick, std::vector<double> base, int features) {
    if (!sum.trees.empty()) return PmmlWrong("it adds trees and weighted fields in one sum, which models here do not");
    if (task == Task::kRegression && sum.link != Link::kIdentity) return PmmlWrong("weighted sums of a regression behind exp or logit are not read; ONNX has words for them");
    if (task != Task::kRegression && sum.link == Link::kIdentity) return PmmlWrong("weighted sums that are probabilities without a link are not read");
    LinearSpec spec{.task = task, .features = features, .outputs = outputs, .weights = {}, .intercept = std::move(base), .center = {}};
    const auto width = static_cast<std::size_t>(features);
    spec.weights.assign(width * static_cast<std::size_t>(outputs), 0.0);
    spec.center.assign(width, 0.0);
    for (const PmmlSum::Weight& weight : sum.weights) {
      for (std::size_t k = 0; k < static_cast<std::size_t>(outputs); ++k) {
        spec.weights[k * width + static_cast<std::size_t>(weight.feature)] += pick == nullptr ? weight.by_output[k] : pick(weight.by_output.data());
      }
    }
    return MakeLinear(std::move(spec));
  }

  static Result<void> CheckRequest(const ImportRequest& request, const Model& model, const transform::GraphSpec& graph) {
    if (model.features() != static_cast<int>(graph.features.size())) return Error(Code::kInternal, "the features of the PMML file are not as many as its model reads");
    if (request.samples == nullptr) return {};
    for (const table::Field& field : graph.inputs) {
      if (request.samples->schema().Find(field.name) < 0) {
        return Error(Code::kInvalidArgument, Str("the sample rows lack the column '", field.name, "' that the model reads", DidYouMean(field.name, request.samples->schema().Names())));
      }
    }
    return {};
  }

  static void AddNotes(Imported* out) {
    std::vector<std::string> required;
    for (const auto& [name, facts] : out->inputs.object()) {
      if (facts.BoolAt("required")) required.push_back(name);
    }
    if (!required.empty()) {
      constexpr std::size_t kShown = 12;
      const std::size_t count = required.size();
      required.resize(std::min(count, kShown));
      out->notes.push_back(Str("rows in which one of these is missing have no answer by the file, and are refused: ", Join(required, ", "), count > kShown ? ", ..." : ""));
    }
  }
};

}  // namespace

Result<void> AddPmml(Kinds<Importer>& kinds) {
  return kinds.Add("pmml",
                   {.summary = "Read a PMML file into our engines: trees, weighted sums, and models of them",
                    .when = "What R, sklearn2pmml, nyoka, SPSS, KNIME and other decision engines write: RegressionModel, TreeModel, MiningModel",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Importer>> { return std::make_unique<PmmlImporter>(); });
}

}  // namespace tenon::model
