#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"
#include "table/batch.h"
#include "transform/graph.h"

namespace tenon::model {

// What the user gave beside the file.
struct ImportRequest {
  std::string_view bytes;               // the whole file
  const table::Batch* samples = nullptr;  // rows of input columns, in the model's order where the file has no names; may be null
  std::string task;                     // binary, multiclass, regression; "": as the file says
  std::string link;                     // identity, logistic, softmax: how outputs become predictions; "": as the file says
  std::vector<std::string> classes;     // in the order of the outputs; empty: the file's, or "0", "1", ...
};

// Rows that a file brings along, with its maker's answers to them: what Predictor::PredictBatch gives, or the names of the classes.
struct Verification {
  table::Batch rows;                    // the inputs; no rows: the file brings none
  std::vector<double> answers;          // rows x outputs; empty: labels are there instead
  std::vector<std::string> labels;
  double tolerance = 1e-6;              // as a part of max(1, the answer's size)
};

// A model of another maker, read into ours, and what a request must bring for it.
struct Imported {
  std::unique_ptr<Model> model;
  transform::GraphSpec graph;           // input columns, and the ops that make the model's features of them
  std::vector<std::string> classes;     // empty: regression
  Json inputs = Json::MakeObject();     // name -> {"required", "domain", "shape"}, what is known of it
  Json about = Json::MakeObject();      // for lineage: maker, objective, sizes
  std::vector<std::string> notes;       // for people
  std::vector<std::vector<double>> values;  // of each input: numbers near which its answers change, to make rows of
  double tolerance = 0;                 // how far `model` may be from the maker's own answers; 0: equal bits
  // The same file run by its own runtime, when `model` is a translation of it: asked about the same input columns.
  std::unique_ptr<Model> reference;
  std::string reference_problem;        // why there is none
  Verification verification;
};

// Reads models of one format. Nothing of the file is run while it is read (an ONNX file is run when it is asked).
class Importer {
 public:
  virtual ~Importer() = default;
  virtual bool Knows(std::string_view bytes) const = 0;  // whether the file looks like its format
  // invalid_argument saying what is wrong with the file, or what cannot be said in ours.
  virtual Result<Imported> Import(const ImportRequest& request) const = 0;
};

Result<void> AddAll(Kinds<Importer>& kinds);

// The importer by its kind's name, or, without one, the one that knows the bytes. invalid_argument listing what there is.
Result<std::unique_ptr<Importer>> ChooseImporter(const Kinds<Importer>& kinds, std::string_view name, std::string_view bytes);

}  // namespace tenon::model
