#pragma once

#include <string>
#include <vector>

#include "model/packed_forest.h"
#include "pipeline/kits.h"
#include "pipeline/project.h"
#include "registry/registry.h"

namespace tenon::pipeline {

// How a version is made smaller, and how much worse it may be.
struct CompressSpec {
  model::LeafBits leaves = model::LeafBits::kHalf;
  double prune = 0;          // tests whose two leaves differ by less than this in the margin become leaves; 0: none
  bool fewest = false;       // as few trees as keep the metric on the validation rows
  std::int64_t trees = 0;    // so many trees; 0: all
  std::string metric;        // "": the one the version was judged by
  double most_loss = 0.002;  // of the metric on the test rows: the upper end of the paired interval of the loss
  bool slim = false;         // without the reference of drift
};

struct CompressedVersion {
  registry::ModelVersion version;  // gates_passed says whether it kept the metric
  std::string from;                // "fraud@7"
  std::string metric;
  evaluate::Estimate loss;         // of the metric on the test rows, paired; negative: it became better
  double before = 0, after = 0;    // the metric
  std::int64_t bundle_before = 0, bundle_after = 0, model_before = 0, model_after = 0;  // bytes
  std::int64_t trees_before = 0, trees_after = 0, leaves_before = 0, leaves_after = 0;
  double largest_change = 0;       // of a prediction on the test rows
  bool passed() const { return version.gates_passed; }
  Json ToJson() const;
};

// Makes a new version of a forest's in fewer bytes, from the rows that the old one was judged on, with golden rows of its own
// and "compressed_from" in its lineage. Transforms, calibration and threshold stay. failed_precondition when the model
// is no forest, or its rows are not in the store.
Result<CompressedVersion> Compress(const Call& call, const Project& project, store::Store& store, const Kits& kits,
                                   std::string_view reference, const CompressSpec& spec);

}  // namespace tenon::pipeline
