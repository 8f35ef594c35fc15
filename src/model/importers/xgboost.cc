// XGBoost's own files: JSON, and UBJSON, which it writes by default.

#include <algorithm>

#include "model/importers_internal.h"
#include "model/ubjson_internal.h"

namespace tenon::model {
namespace {

// Texts lie one after another as bytes with offsets between them; numbers are themselves.
Result<std::vector<Json>> Categories(const Json& encoding) {
  std::vector<Json> out;
  const Json* values = encoding.Find("values");
  if (values == nullptr || !values->is_array()) return out;
  const Json* offsets = encoding.Find("offsets");
  if (offsets == nullptr) return values->array();
  std::string bytes;
  const Error damaged(Code::kInvalidArgument, "the model's categories are damaged");
  if (!offsets->is_array()) return damaged.Clone();
  for (const Json& value : values->array()) {
    if (!value.is_number() || !(value.Number() >= -128 && value.Number() < 256)) return damaged.Clone();
    bytes.push_back(static_cast<char>(static_cast<int>(value.Number())));
  }
  if (!std::ranges::all_of(offsets->array(), &Json::is_number)) return damaged.Clone();
  for (std::size_t i = 1; i < offsets->array().size(); ++i) {
    const double from = offsets->array()[i - 1].Number(), to = offsets->array()[i].Number();
    if (!(from >= 0 && from <= to && to <= static_cast<double>(bytes.size()))) return damaged.Clone();
    out.emplace_back(bytes.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from)));
  }
  return out;
}

std::vector<std::string> Texts(const Json* list) {
  std::vector<std::string> out;
  if (list == nullptr || !list->is_array()) return out;
  for (const Json& item : list->array()) out.push_back(item.is_string() ? item.String() : item.Dump());
  return out;
}

class XgboostImporter final : public Importer {
 public:
  bool Knows(std::string_view bytes) const override {
    return bytes.starts_with("{L") || bytes.substr(0, 4096).find("\"learner\"") != std::string_view::npos;
  }

  Result<Imported> Import(const ImportRequest& request) const override {
    Json json;
    if (request.bytes.starts_with("{L")) {
      TENON_ASSIGN(json, ReadUbjson(request.bytes));
    } else {
      TENON_ASSIGN(json, Json::Parse(request.bytes, "XGBoost model"));
    }
    TENON_ASSIGN(ForestSpec spec, ReadXgboostParsed(json));
    const Json& learner = *json.Find("learner");
    TENON_ASSIGN(const auto names, FeatureNames(Texts(learner.Find("feature_names")), request.samples, spec.features));
    std::vector<SourceFeature> features;
    for (const std::string& name : names) features.push_back({name, {}});
    const Json* model = learner.Find("gradient_booster") == nullptr ? nullptr : learner.Find("gradient_booster")->Find("model");
    const Json* cats = model == nullptr ? nullptr : model->Find("cats");
    if (const Json* encodings = cats == nullptr ? nullptr : cats->Find("enc"); encodings != nullptr && encodings->is_array()) {
      for (std::size_t i = 0; i < encodings->array().size() && i < features.size(); ++i) {
        TENON_ASSIGN(features[i].categories, Categories(encodings->array()[i]));
      }
    }
    TENON_ASSIGN(Imported out, ImportForest(request, std::move(spec), features, {}));
    const std::vector<std::string> version = Texts(json.Find("version"));
    out.about["maker"] = version.empty() ? "XGBoost" : Str("XGBoost ", Join(version, "."));
    out.about["objective"] = learner.Find("objective")->StringAt("name");
    if (const Json* best = learner.Find("attributes"); best != nullptr && best->Find("best_iteration") != nullptr) {
      out.notes.push_back(Str("only the trees up to its best iteration, ", TextOf(*best->Find("best_iteration")), ", are taken"));
    }
    return out;
  }

 private:
  static std::string TextOf(const Json& value) { return value.is_string() ? value.String() : value.Dump(); }
};

}  // namespace

Result<void> AddXgboost(Kinds<Importer>& kinds) {
  return kinds.Add("xgboost",
                   {.summary = "Read a model that XGBoost saved, as JSON or UBJSON",
                    .when = "Booster.save_model or XGBClassifier.save_model; gbtree, answers with XGBoost's bits",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Importer>> { return std::make_unique<XgboostImporter>(); });
}

}  // namespace tenon::model
