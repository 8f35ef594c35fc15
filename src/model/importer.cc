#include "model/importer.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.h"
#include "model/forest_internal.h"
#include "model/importers_internal.h"

namespace tenon::model {
namespace {

constexpr std::size_t kMostValues = 64;
constexpr int kMostFeatures = 1 << 17;

// Up to kMostValues thresholds of every feature, evenly from the sorted ones.
std::vector<std::vector<double>> ThresholdsOf(const ForestSpec& spec) {
  std::vector<std::set<double>> all(static_cast<std::size_t>(spec.features));
  for (const Tree& tree : spec.trees) {
    for (const Tree::Node& node : tree.nodes) {
      if (node.left < 0) continue;
      auto& values = all[static_cast<std::size_t>(node.feature)];
      for (const std::uint32_t category : node.categories) values.insert(static_cast<double>(category));
      if (node.categories.empty() && std::isfinite(node.value)) values.insert(node.value);
    }
  }
  std::vector<std::vector<double>> out;
  for (const auto& values : all) {
    const std::vector<double> sorted(values.begin(), values.end());
    std::vector<double> kept;
    const std::size_t n = std::min(sorted.size(), kMostValues);
    for (std::size_t i = 0; i < n; ++i) kept.push_back(sorted[i * sorted.size() / n]);
    out.push_back(std::move(kept));
  }
  return out;
}

std::string TextOf(const Json& value) { return value.is_string() ? value.String() : value.Dump(); }

}  // namespace

Result<std::vector<std::string>> FeatureNames(std::vector<std::string> own, const table::Batch* samples, int count) {
  if (count > kMostFeatures) return Error(Code::kInvalidArgument, Str("the model reads ", count, " features; each is a column of a request, of which there may be ", kMostFeatures));
  if (own.empty() && samples != nullptr) {
    own = samples->schema().Names();
    if (static_cast<int>(own.size()) != count) {
      return Error(Code::kInvalidArgument, Str("the model reads ", count, " features and does not name them; the sample rows have ", own.size(),
                                               " columns (", Join(own, ", "), "), which must be the features in their order"));
    }
  }
  if (own.empty()) {
    for (int i = 0; i < count; ++i) own.push_back(Str("f", i));
  }
  if (static_cast<int>(own.size()) != count) {
    return Error(Code::kInvalidArgument, Str("the file names ", own.size(), " features for a model of ", count));
  }
  std::set<std::string> seen;
  for (const std::string& name : own) {
    if (name.empty() || !seen.insert(name).second) return Error(Code::kInvalidArgument, Str("the feature name '", name, "' is empty or there twice"));
    if (samples != nullptr && samples->schema().Find(name) < 0) {
      return Error(Code::kInvalidArgument, Str("the sample rows lack the column '", name, "' that the model reads", DidYouMean(name, samples->schema().Names())));
    }
  }
  return own;
}

Result<std::vector<std::string>> ClassNames(const ImportRequest& request, std::vector<std::string> own, Task task, int outputs) {
  const std::size_t wanted = task == Task::kRegression ? 0 : task == Task::kBinary ? 2 : static_cast<std::size_t>(outputs);
  std::vector<std::string> names = request.classes.empty() ? std::move(own) : request.classes;
  if (names.empty()) {
    for (std::size_t i = 0; i < wanted; ++i) names.push_back(Str(i));
  }
  if (names.size() != wanted) {
    return Error(Code::kInvalidArgument, Str("the model is ", NameOf(task), " with ", wanted, " classes; ", names.size(), " are named: ", Join(names, ", ")));
  }
  if (std::set<std::string>(names.begin(), names.end()).size() != names.size()) {
    return Error(Code::kInvalidArgument, Str("two classes have one name: ", Join(names, ", ")));
  }
  return names;
}

Result<Imported> ImportForest(const ImportRequest& request, ForestSpec spec, const std::vector<SourceFeature>& features,
                              std::vector<std::string> own_classes) {
  Imported out;
  if (!request.task.empty() && request.task != NameOf(spec.task)) {
    return Error(Code::kInvalidArgument, Str("the file is a ", NameOf(spec.task), " model, not ", request.task));
  }
  if (!request.link.empty()) return Error(Code::kInvalidArgument, "the file says how its scores become predictions; --link is for ONNX");
  TENON_TRY(CheckForest(spec), "checking the trees");  // what lies below goes by their numbers
  out.values = ThresholdsOf(spec);
  for (std::size_t i = 0; i < features.size(); ++i) {
    const SourceFeature& feature = features[i];
    const bool text = !feature.categories.empty() && feature.categories[0].is_string();
    if (!std::ranges::all_of(feature.categories, [&](const Json& value) { return text ? value.is_string() : value.is_number(); })) {
      return Error(Code::kInvalidArgument, Str("the categories of '", feature.name, "' are neither all texts nor all numbers"));
    }
    out.graph.inputs.push_back({.name = feature.name, .type = text ? table::Type::kString : table::Type::kFloat64});
    if (feature.categories.empty()) {
      out.graph.features.push_back(feature.name);
      continue;
    }
    std::vector<std::string> order;
    for (const Json& value : feature.categories) order.push_back(TextOf(value));
    Json with;
    with["order"] = Json::ListOf(order);
    with["unseen"] = -1.0;
    const std::string place = Str(feature.name, "_place");
    out.graph.nodes.push_back({.op = "ordinal", .in = {feature.name}, .out = {place}, .with = with});
    out.graph.features.push_back(place);
    if (text) {
      out.inputs[feature.name]["domain"] = Json::ListOf(order);
    } else {
      out.values[i].clear();
      for (const Json& value : feature.categories) out.values[i].push_back(value.Number());
    }
  }
  TENON_ASSIGN(out.classes, ClassNames(request, std::move(own_classes), spec.task, spec.outputs));
  out.about["trees"] = spec.trees.size();
  TENON_ASSIGN(out.model, MakeForest(std::move(spec)));
  return out;
}

Result<std::unique_ptr<Importer>> ChooseImporter(const Kinds<Importer>& kinds, std::string_view name, std::string_view bytes) {
  if (!name.empty()) return kinds.Create(name);
  for (const std::string& kind : kinds.Names()) {
    TENON_ASSIGN(auto importer, kinds.Create(kind));
    if (importer->Knows(bytes)) return importer;
  }
  return Error(Code::kInvalidArgument, Str("the file looks like no model that can be imported; say --format, one of: ", Join(kinds.Names(), ", ")));
}

}  // namespace tenon::model
