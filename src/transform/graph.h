#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "table/batch.h"
#include "table/profile.h"
#include "transform/op.h"

namespace tenon::transform {

// One use of an op, as data: {"op":"impute","in":["age"],"out":["age_filled"],"with":{"method":"median"}}.
struct NodeSpec {
  std::string op;
  std::vector<std::string> in;
  std::vector<std::string> out;  // "" : named by the op
  Json with;                     // the op's settings
  // Contents of the files that settings name, by the setting; not part of the data (`with` has their hashes).
  std::vector<std::pair<std::string, std::shared_ptr<const std::string>>> files = {};
};

// The whole of the transforms: nodes in any order whose inputs can be had, and the ports the model reads, in order.
struct GraphSpec {
  std::vector<table::Field> inputs;    // the raw columns it reads
  std::vector<NodeSpec> nodes;
  std::vector<std::string> features;   // number or vector ports
  Json ToJson() const;
  static Result<GraphSpec> FromJson(const Json& json);
};

// What the user wrote under `transform:` and what the graph is for.
struct TransformSpec {
  std::string style = "auto";            // auto | trees | linear: how raw columns become features by default
  std::vector<NodeSpec> nodes;           // the user's own nodes, before the defaults
  std::vector<std::string> drop;         // raw columns left out
  std::vector<std::pair<std::string, NodeSpec>> columns;  // column -> what to do with it instead of the default
  static Result<TransformSpec> Parse(const Json& json, std::string_view file);
  Json ToJson() const;
};

// The default graph for a table: by type and distribution of each column. For trees: numbers as they are (missing kept),
// few-valued texts one-hot, many-valued ones target-encoded out of fold and counted, long texts TF-IDF, timestamps as
// date parts. For linear: imputed with indicator, skewed ones logged, scaled; one-hot. Columns that cannot help
// (constant, identifier-like, the label, the split column) are left out; `why` gets a line a column, for people.
Result<GraphSpec> AutoGraph(const table::Schema& schema, const table::Profile& training, const TransformSpec& spec,
                            std::string_view label, const std::vector<std::string>& leave_out, std::string_view learner_style,
                            std::vector<std::string>* why);

// A node as it was fitted: its settings complete, its ports by name.
struct FittedNode {
  std::string op;
  Json with;
  std::vector<Port> in, out;
  std::string learned;      // as its op saves it (docs/formats/graph.md); empty when it learns nothing
  std::vector<std::string> words;  // the same for people
};

// A fitted graph and the plan compiled from it: the same code in training, evaluation, batch and serving. Immutable;
// any number of threads may apply it at once, each with its own Scratch.
class FittedGraph {
 public:
  // Working memory of one thread. Grows on first use, then stays.
  class Scratch {
   public:
    Scratch();
    ~Scratch();
    Scratch(Scratch&&) noexcept;

   private:
    friend class FittedGraph;
    struct Memory;
    std::unique_ptr<Memory> memory_;
  };

  ~FittedGraph();

  const GraphSpec& spec() const;
  const std::vector<table::Field>& inputs() const;         // the raw columns, in the order of the slots
  int width() const;                                       // floats a row of the tile
  const std::vector<std::string>& feature_names() const;   // `width` of them: "age", "job=admin"
  // Which input column each feature comes from mainly (index into inputs()), for grouping explanations.
  const std::vector<int>& feature_source() const;

  // Whether input i is base64 of bytes, such as a picture's, to an op that reads it.
  bool TakesBytes(std::size_t i) const;
  // Whether its ops can make something of such a value: invalid_argument, fit to follow the column's name ("is a damaged PNG: ...").
  Result<void> CheckBytes(std::size_t i, std::string_view value) const;

  // Writes rows() x width() floats, `stride` floats from row to row. The batch has the inputs by name, with the types
  // of inputs() or ones that convert without loss (int64 to float64, any to string); extra columns are ignored.
  // Missing columns are invalid_argument.
  Result<void> Apply(const table::Batch& rows, float* tile, std::int64_t stride, Scratch& scratch) const;
  // The same for rows it was fitted on (out-of-fold where an op asks for it). label and fold: one a row.
  Result<void> ApplyTraining(const table::Batch& rows, const double* label, const std::uint8_t* fold, float* tile,
                             std::int64_t stride, Scratch& scratch) const;
  // One row from slots, as a request is decoded: numbers[i] for number inputs (NaN missing), texts[i] for text inputs
  // (null data() missing), i as in inputs(). No allocation once the scratch is warm, unless an op makes texts.
  void ApplyRow(const double* numbers, const std::string_view* texts, float* out, Scratch& scratch) const;
  // The same for n rows whose slots are kept column by column: numbers[i] points at n numbers of number input i, texts[i] at
  // n texts of text input i; the others may be null. Bit-equal to ApplyRow on each row.
  void ApplySlots(const double* const* numbers, const std::string_view* const* texts, std::int64_t n, float* tile,
                  std::int64_t stride, Scratch& scratch) const;

  // The nodes in an order in which they can run, for exporters.
  std::vector<FittedNode> Nodes() const;
  // What every port holds for a row, by name: a number, a text, null, or of a vector its parts that are not 0 by theirs. At most kLaneRows
  // rows. For people who want to see what transforms do.
  Result<std::vector<Json>> Trace(const table::Batch& rows, Scratch& scratch) const;
  std::string Save() const;  // canonical: equal graphs give equal bytes. docs/formats/graph.md
  static Result<std::shared_ptr<const FittedGraph>> Load(std::string_view bytes, const Kinds<Op>& kinds);

 private:
  friend Result<std::shared_ptr<const FittedGraph>> Fit(const Call&, const GraphSpec&, const std::vector<table::Batch>&,
                                                        std::span<const double>, std::span<const std::uint8_t>, int,
                                                        const Kinds<Op>&);
  struct Plan;
  explicit FittedGraph(std::unique_ptr<const Plan> plan);
  std::unique_ptr<const Plan> plan_;
};

// Fits every node in dependency order, one pass over the rows a level, on call.threads threads; the result does not
// depend on their number. label: numeric label a row or empty; fold: fold a row or empty; classes: as for NewState.
// Errors: invalid_argument naming the node (unknown op, port, setting; a cycle; a text port among the features).
Result<std::shared_ptr<const FittedGraph>> Fit(const Call& call, const GraphSpec& spec, const std::vector<table::Batch>& rows,
                                               std::span<const double> label, std::span<const std::uint8_t> fold, int classes,
                                               const Kinds<Op>& kinds);

}  // namespace tenon::transform
