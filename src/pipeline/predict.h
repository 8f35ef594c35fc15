#pragma once

#include <string>

#include "model/predictor.h"
#include "pipeline/kits.h"
#include "pipeline/project.h"
#include "platform/files.h"

namespace tenon::pipeline {

struct PredictSpec {
  std::string in;        // a file, a pattern or a folder of files, an address (ingest/place.h), or "-"
  std::string out;       // or "-"
  std::string form;      // of "-": csv or jsonl
  Json connect;          // settings of an address' place; null: those of the project's source
  std::string bad_rows;  // where rows that cannot be read go, as JSON lines; "": the first of them is an error
  std::string model;     // "loan-approval@3", with the hash of its bundle: what an interrupted run must have been of
  std::string bundle;
  bool fresh = false;    // begin anew even where an interrupted run could go on
};

struct PredictedFile {
  std::int64_t rows = 0;     // in the output
  std::int64_t bad = 0;      // left out
  std::int64_t resumed = 0;  // of `rows`: that an interrupted run had done
  double seconds = 0;
};

// Predicts every row of a source, with call.threads threads, in memory that hangs on the threads and not on the rows, with
// the same code that answers requests: the same row gives the same bits, and the same rows the same output on any number
// of threads. Writes the input's columns and: binary `probability` (of the positive class) and `decision`; multiclass
// `probability_<class>` of each class and `decision`; regression `value`. From CSV to CSV the input's rows stay as they
// were written. They are read as the project's source is; rows that lack an input the project's `sql` makes are put
// through that first. Input columns are read as the types they had in training.
//
// `out` appears whole or not at all; its ending says the format. Until then rows lie in "<out>.partial", what is settled
// in "<out>.partial.job", and rows that would not come a second time in "<out>.partial.in" (docs/formats/partial.md): the
// same call after a crash goes on from there. Rows for standard output are written as they come, and never gone on with.
// Errors: invalid_argument naming the missing column, or the file, line and value that do not fit; unavailable when
// another process writes the same output, or nobody reads standard output.
Result<PredictedFile> PredictFile(const Call& call, platform::Files& files, const Project& project,
                                  const model::Predictor& predictor, const Kits& kits, const PredictSpec& spec);

}  // namespace tenon::pipeline
