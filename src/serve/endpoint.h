#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/call.h"
#include "model/predictor.h"
#include "table/profile.h"

namespace tenon::serve {

class RowReader;

// How answers are made less exact, so that asking often does not copy the model. Decisions follow the numbers that are
// told. By default nothing is changed, to the bit.
struct Disguise {
  int round = -1;             // decimals; -1: as they are
  double laplace = 0;         // scale of the noise added; 0: none. The same row gets the same noise, so that asking
                              // again does not average it away
  std::uint64_t secret = 0;   // what the noise depends on beside the row
  bool any() const { return round >= 0 || laplace > 0; }
};

// One model version ready to answer: the predictor, where a request's fields go, what is allowed in them. Immutable.
struct Served {
  std::string endpoint;       // "loan-approval"
  std::string model;          // "loan-approval@3"
  int version = 0;
  std::shared_ptr<const model::Predictor> predictor;
  struct Field {
    std::string name;
    table::Type type = table::Type::kFloat64;
    bool required = true;     // no missing value in training: a request must bring it
    double least = 0, most = 0;     // of numbers: the extremes seen in training, widened; outside is "out of range"
    std::vector<std::string> domain;  // of few-valued texts: values seen in training
    std::vector<std::int64_t> shape;  // of texts that carry a tensor (base64 or nested lists); empty: plain
    std::string element;              // of those: what the tensor's numbers are ("float", "uint8"); empty: not known
    bool bytes = false;               // a text that is base64 of bytes, a picture's; who brings bytes has them turned into it
    bool masked = false;              // sensitive: what training saw of it is told to nobody
    bool hashed = false;              // in a log: its texts are not those that were asked
  };
  std::vector<Field> fields;  // in slot order (graph().inputs())
  std::vector<std::string> passed;  // fields that requests may bring though this model does not read them
  std::vector<double> score_edges;  // of a regression: between its training predictions' twentieths, ascending
  int golden_rows = 0;        // that proved it
  std::string golden_score;   // how well it does on their labels: "58 of 64 right"; "": there are none
  // What requests may bring at most, beyond what fits into a body.
  std::int64_t most_instances = std::numeric_limits<std::int64_t>::max();
  std::size_t most_text = std::numeric_limits<std::size_t>::max();  // bytes of one value
  Disguise disguise;
  bool strict = false;        // whether out of range and unseen values are refused or only counted
};

// What must be so before it answers: every golden row of the bundle gives exactly the recorded bits, and their labels are met
// as well as when the bundle was made. failed_precondition naming the row and both values, or both scores, otherwise.
Result<std::shared_ptr<const Served>> MakeServed(std::shared_ptr<const model::Bundle> bundle, std::string_view endpoint,
                                                 std::string_view model, int version, const Kinds<transform::Op>& ops,
                                                 const Kinds<model::Format>& formats);

// A golden row (an object, as the bundle's section has it) into the reader, between its Begin and End. Texts are views of it.
void ReadGoldenRow(const Json& row, RowReader& reader);

// Whether requests made for `now` can be answered by `next`, too: it must not require a field that those do not bring, nor
// read one as another type, nor answer another question. failed_precondition naming what differs.
Result<void> CheckReplaces(const Served& now, const Served& next);

// A value that a request got wrong.
struct FieldError {
  int instance = 0;
  std::string field;
  std::string problem;  // "expected a number, got \"abc\"", "missing", "unknown field; did you mean 'pirat'?"
};

// One decoded row: slots as FittedGraph::ApplyRow wants them. Reused from request to request by its owner (a thread).
struct Row {
  std::vector<double> numbers;
  std::vector<std::string_view> texts;  // into the request's bytes or `held`
};

}  // namespace tenon::serve
