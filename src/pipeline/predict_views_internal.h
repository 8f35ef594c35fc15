#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/predictor.h"
#include "pipeline/complete.h"
#include "pipeline/kits.h"
#include "pipeline/project.h"
#include "platform/files.h"

namespace tenon::pipeline {

// The features of views that the model reads and a file lacks: they are looked up online for its rows, as for requests.
struct FileViews {
  std::vector<std::string> lacking;
  std::unique_ptr<OnlineFeatures> features;
  std::unique_ptr<Completion> completion;
  Completion::Columns columns;
  Micros now = 0;

  bool Gives(const std::string& column) const;
};

// Null when a file with the columns `known` lacks none.
Result<std::unique_ptr<FileViews>> OpenFileViews(const Call& call, platform::Files& files, const Project& project, const model::Predictor& predictor,
                                                 const Kits& kits, const std::vector<std::string>& known);

}  // namespace tenon::pipeline
