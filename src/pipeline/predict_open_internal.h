#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipeline/kits.h"
#include "pipeline/predict.h"
#include "pipeline/predict_rows_internal.h"
#include "pipeline/predict_views_internal.h"
#include "pipeline/project.h"

namespace tenon::pipeline {

// The rows to predict, opened in the best way there is, and the columns that the output begins with.
struct Opened {
  std::shared_ptr<const void> keeper;  // of copies of files; outlives the rows
  std::unique_ptr<RowSource> rows;
  std::vector<table::Field> fields;
  std::unique_ptr<FileViews> views;    // may be null
  bool anew = false;                   // what was done before was of other rows
  Json work;                           // what they are of: the same rows come again where this is the same
};

// `kept`: where a copy of the rows may be kept when they cannot be had a second time; "": nowhere, and then they are not copied.
Result<Opened> OpenRows(const Call& call, platform::Files& files, const Project& project, const model::Predictor& predictor, const Kits& kits,
                        const PredictSpec& spec, ingest::TableForm form, const std::string& kept);

}  // namespace tenon::pipeline
