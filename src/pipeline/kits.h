#pragma once

#include "evaluate/metric.h"
#include "ingest/read.h"
#include "model/exporter.h"
#include "model/importer.h"
#include "model/model.h"
#include "monitor/drift_test.h"
#include "train/learner.h"
#include "transform/op.h"
#include "validate/check.h"

namespace tenon::pipeline {

// All the kinds a whole flow needs. Made once at start, then only read.
struct Kits {
  Kinds<ingest::Reader> readers;
  Kinds<validate::Check> checks;
  Kinds<transform::Op> ops;
  Kinds<model::Format> formats;
  Kinds<model::Importer> importers;
  Kinds<model::Exporter> exporters;
  Kinds<train::Learner> learners;
  Kinds<evaluate::Metric> metrics;
  Kinds<monitor::DriftTest> drift_tests;
  static Result<Kits> Make();
};

}  // namespace tenon::pipeline
