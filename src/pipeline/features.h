#pragma once

#include <string>
#include <vector>

#include "dataset/snapshot.h"
#include "feature/as_of.h"
#include "pipeline/project.h"
#include "store/store.h"

namespace tenon::pipeline {

// Fills in each view's source (the only one, when it names none) and time (the source's). invalid_argument with near names.
Result<void> BindViews(Project* project);

// The source that a view reads; BindViews has checked that it is there.
const ingest::SourceSpec& SourceOf(const Project& project, const feature::FeatureView& view);

// The rows of one source.
struct SourceRows {
  std::string source;
  std::vector<table::Batch> batches;
};

// The project's data folder, to be read; null when nothing was kept there yet.
Result<std::unique_ptr<store::Store>> StoreOf(platform::Files& files, const Project& project);

// The rows of every source that a view reads, read now. Errors as of ingest::Read.
Result<std::vector<SourceRows>> ReadViewSources(const Call& call, const Kinds<ingest::Reader>& readers, const Project& project);

// Rows that ask with every view's features beside them, as known at each row's `time` (feature/as_of.h). `sources` has the rows
// of each source that a view reads.
Result<table::Batch> WithFeatures(const Call& call, const Project& project, const table::Batch& asking, std::string_view time,
                                  const std::vector<SourceRows>& sources);

// Whether a column is a view's feature that an entity without events, or with old ones alone, has missing: a model that never met
// that in training meets it when it is served.
bool MayBeMissing(const feature::FeaturesSpec& features, std::string_view column);

// A view may not know a row's label before it is known: invalid_argument when one aggregates the label of the source that is
// learnt from without a delay of problem.label.known_after (or any), a knowledge time, or `same_instant: false`.
Result<void> CheckNoLabelLeaks(const Project& project, const table::Schema& main_source);

// The features on demand as nodes of the transform graph, over the columns of the joined rows and each other.
Result<std::vector<transform::NodeSpec>> OnDemandNodes(const feature::FeaturesSpec& features, const table::Schema& joined);

// What `tenon features test` says of one test.
struct FeatureTestResult {
  std::string view;       // "" of features on demand
  std::string test;
  int checked = 0;
  std::vector<std::string> failures;  // "row 1: amount_mean_7d is 5, expected 4"
};
// Runs the tests of the project's views with the events they give; reads no data. An error is a test that cannot be run.
Result<std::vector<FeatureTestResult>> RunFeatureTests(const Call& call, const feature::FeaturesSpec& features);

}  // namespace tenon::pipeline
