#pragma once

#include <string>
#include <vector>

#include "pipeline/import_loss.h"
#include "pipeline/kits.h"
#include "registry/registry.h"
#include "store/store.h"

namespace tenon::pipeline {

// What to bring in, as the user said it.
struct ImportSpec {
  std::string file;                   // the model, or the folder of a SavedModel
  std::string python = "python3";     // which converts SavedModels
  std::string name;                   // of the model it becomes
  std::string format;                 // kind of importer; "": by the file's bytes
  std::string samples;                // rows of the inputs, any file that can be read; "": none
  std::vector<std::string> outputs;   // columns of the samples: what the maker's own library answered to them
  std::string label;                  // column of the samples that is the label; left out of the inputs
  std::vector<std::string> classes;
  std::string task, link;
  double tolerance = 1e-6;            // of recorded outputs, as a part of max(1, their size)
  double threshold = 0.5;
  std::string against;                // "net@1": a version that answers the same question, beside which it may not be worse on the labelled samples
  std::string metric;                 // in which that is measured; "": by the task
  double most_loss = 0.002;           // the upper end of the paired interval of the loss
};

struct ImportedVersion {
  registry::ModelVersion version;
  std::string format;                 // what runs it: forest, linear, onnx
  std::int64_t rows = 0;              // compared
  double difference = 0;              // the largest found
  std::string compared_with;          // "recorded outputs", "ONNX Runtime 1.32.0"; "": nothing
  std::vector<std::string> notes;
  ImportLoss loss;                    // beside `against`
};

// Reads the file, checks its answers on the sample rows (against those recorded, or the file's own runtime), and registers a
// version whose bundle carries golden rows. Without samples rows are made near the model's thresholds, for the golden rows.
// Registered with the samples' profile, or none; with a failed gate when it loses too much beside `against`. invalid_argument naming the row and both values when answers differ.
Result<ImportedVersion> ImportModel(const Call& call, store::Store& store, const Kits& kits, const ImportSpec& spec);

}  // namespace tenon::pipeline
