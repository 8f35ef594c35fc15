#include "pipeline/predict_views_internal.h"

#include <algorithm>

namespace tenon::pipeline {

bool FileViews::Gives(const std::string& column) const { return std::ranges::find(lacking, column) != lacking.end(); }

Result<std::unique_ptr<FileViews>> OpenFileViews(const Call& call, platform::Files& files, const Project& project, const model::Predictor& predictor,
                                                 const Kits& kits, const std::vector<std::string>& known) {
  auto out = std::make_unique<FileViews>();
  for (const feature::FeatureView& view : project.features.views) {
    for (const feature::FeatureSpec& spec : view.features) {
      const std::string column = feature::ColumnOf(view, spec);
      const bool read = std::ranges::any_of(predictor.graph().inputs(), [&](const table::Field& field) { return field.name == column; });
      if (read && std::ranges::find(known, column) == known.end()) out->lacking.push_back(column);
    }
  }
  if (out->lacking.empty()) return std::unique_ptr<FileViews>();
  TENON_ASSIGN(const auto schemas, ReadFeatureSchemas(call, files, project, kits));
  TENON_ASSIGN(out->features, OnlineFeatures::Open(files, project, schemas), "opening the features");
  out->completion = std::make_unique<Completion>(*out->features, project.online.overrides, project.problem.label);
  out->columns = out->completion->ColumnsFor(out->lacking);
  out->now = call.Now();
  return out;
}

}  // namespace tenon::pipeline
