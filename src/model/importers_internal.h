#pragma once

#include <string>
#include <vector>

#include "model/forest.h"
#include "model/importer.h"

namespace tenon::model {

// One feature that a forest of another maker reads: a number, or a category that it numbered.
struct SourceFeature {
  std::string name;
  std::vector<Json> categories;   // in the order of their numbers; empty: the number itself
};

// Names for `count` features: the file's own, the samples' columns in their order, or f0, f1, ... invalid_argument when the
// samples lack one, or are not as many.
Result<std::vector<std::string>> FeatureNames(std::vector<std::string> own, const table::Batch* samples, int count);
// The classes as asked for, else `own`, else numbers; checks that they are as many.
Result<std::vector<std::string>> ClassNames(const ImportRequest& request, std::vector<std::string> own, Task task, int outputs);
// A forest over such features: graph, inputs, values near its thresholds, classes.
Result<Imported> ImportForest(const ImportRequest& request, ForestSpec spec, const std::vector<SourceFeature>& features,
                              std::vector<std::string> own_classes);

}  // namespace tenon::model
