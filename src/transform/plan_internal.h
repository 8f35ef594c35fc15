#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "transform/graph.h"
#include "transform/keys_internal.h"

namespace tenon::transform {

// One node as it runs: its op, what the op learned, and the ports and lanes it reads and writes.
struct Node {
  std::size_t spec = 0;              // index into the spec's nodes
  std::unique_ptr<Op> op;
  std::unique_ptr<State> state;      // null: learns nothing, or not fitted yet
  const KeyOp* by_key = nullptr;     // the op, when dictionary entries may be looked up once
  bool learns = false;
  int level = 0;                     // the pass over the rows it is fitted in (learning nothing: the passes before it)
  std::vector<int> in, out;          // ports
  std::size_t in_lane = 0, out_lane = 0;  // first of its lanes in Working::lanes
  std::vector<int> vectors;          // vector outputs outside the tile, to be zeroed before the map
  bool makes_texts = false;
  bool needed = false;               // some feature depends on it
  bool staged = false;               // its outputs are features that are made from where their ones are
};

// A run of the tile that is one port's.
struct Feature {
  int port = 0;
  std::int64_t offset = 0;
  int width = 1;
  bool direct = false;  // a vector its op writes straight into the tile
};

// Where a port's values lie in a Working.
struct Place {
  std::int64_t at = -1;               // index into numbers, texts or vectors; -1: in the tile
  std::int64_t tile = -1;             // offset in a row of the tile, of direct vectors
  std::int64_t ones = -1;             // of outputs of staged nodes: index into ones
  std::vector<std::size_t> lanes;     // every lane that shows it
};

// What is known of a block's rows beyond the columns. In training: label and fold a row, or null.
struct Known {
  bool training = false;
  const double* label = nullptr;
  const std::uint8_t* fold = nullptr;
};

// How a batch's column becomes the lane of an input.
enum class How : std::uint8_t { kInPlace, kNumbers, kCodes, kTexts, kFormatted, kFloats };

// What one dictionary's entries look up as, for one input of one node.
struct Memo {
  std::weak_ptr<const table::Dictionary> dictionary;  // compared by owner, so that a reused address is noticed
  std::vector<std::int32_t> index;
};

// Memory of one thread running one program: laid out once, then reused for every block.
struct Working {
  std::shared_ptr<const int> owner;   // token of the program it is laid out for
  std::vector<double> numbers;
  std::vector<std::string_view> texts;
  std::vector<float> vectors;
  std::vector<std::int32_t> codes;    // of text inputs, kLaneRows an input
  std::vector<std::int32_t> ones;     // where in `stage` they go, kLaneRows a staged feature
  std::vector<std::int32_t> row_at;   // where in `stage` each row of a block starts
  std::vector<float> floats;          // number features, kLaneRows each
  std::vector<float> stage;           // stage_rows of the tile, all zero between two uses, and one float for ones that are nowhere
  std::vector<Lane> lanes;            // node by node: inputs, outputs
  std::vector<Lane> shown;            // of each port
  std::vector<std::vector<std::string>> made;       // of each node: texts it made, or its own working memory
  std::vector<std::vector<Memo>> memos;             // of each node and input
  std::vector<std::vector<std::string>> formatted;  // of each input: texts of values that were none
  std::vector<table::Column> columns;               // of each input: the bound batch's
  std::vector<How> how;                             // of each input
  std::int64_t rows = 0;                            // of the bound batch
  bool own = true;                                  // the inputs' lanes show the memory above, not a batch's
};

// A graph compiled: nodes in an order in which they can run, ports, lanes, features. Built once, fitted level by level,
// then immutable.
class Program {
 public:
  // Makes the ops, orders the nodes and finds the kinds of all ports. The settings in `spec` are complete afterwards.
  static Result<Program> Build(GraphSpec given, const Kinds<Op>& kinds);
  // The ports a node gives, from what it learned and the ports before it.
  Result<void> UpdatePorts(const Node& node);
  // Ports from what is fitted so far, and where every lane lies. With `tile`, the features too.
  Result<void> Layout(bool tile);

  // Makes `working` fit this program; cheap when it does already.
  void Prepare(Working& working) const;
  // Finds the wanted inputs in a batch; invalid_argument when one is missing or of another type.
  Result<void> Bind(const table::Batch& rows, std::span<const std::uint8_t> wanted, Working& working) const;
  // Lanes of the wanted inputs from rows [from, from + n) of the bound batch; n <= kLaneRows.
  void Load(Working& working, std::span<const std::uint8_t> wanted, std::int64_t from, std::int64_t n) const;
  void RunNode(std::size_t node, Working& working, std::int64_t n, const Known& known) const;

  // See FittedGraph. `known` stands for the first row.
  Result<void> Apply(const table::Batch& rows, const Known& known, float* tile, std::int64_t stride, Working& working) const;
  void ApplyRow(const double* numbers, const std::string_view* texts, float* out, Working& working) const;
  void ApplySlots(const double* const* numbers, const std::string_view* const* texts, std::int64_t n, float* tile,
                  std::int64_t stride, Working& working) const;

  Result<std::vector<Json>> Trace(const table::Batch& rows, Working& working) const;  // trace.cc

  std::vector<Port> PortsOf(const std::vector<int>& which) const;
  std::string Called(const Node& node) const;  // "node 2 (impute of age)", for errors

  GraphSpec spec;
  std::vector<Node> nodes;            // in running order
  std::vector<Port> ports;            // inputs first
  std::vector<int> source;            // of each port: the input it comes from mainly
  std::vector<Place> places;          // of each port
  std::vector<Feature> features;
  std::vector<std::string> feature_names;
  std::vector<int> feature_source;
  int width = 0;
  int levels = 0;                     // passes a fit takes
  int classes = 0;

 private:
  Result<void> Order(std::vector<Node> unordered);
  Result<void> FindFeatures();
  void PlaceLanes(bool tile);
  void Stage();
  Lane OwnLane(Working& working, std::size_t port) const;
  void SetLane(Working& working, std::size_t port, const Lane& lane) const;
  void LoadOne(Working& working, std::size_t input, std::int64_t from, std::int64_t n) const;
  bool IndicesByDictionary(std::size_t node, std::size_t input, Working& working, std::int64_t n, std::int32_t* index) const;
  void RunByKey(std::size_t node, Working& working, std::int64_t n) const;
  // Rows of the tile from the features' lanes.
  void PutNumbers(Working& working, std::int64_t n, float* tile, std::int64_t stride) const;
  void PutRows(Working& working, std::int64_t n, float* tile, std::int64_t stride, bool past_caches) const;
  void RunBlock(Working& working, std::int64_t n, const Known& known, float* tile, std::int64_t stride,
                bool past_caches = false) const;

  std::vector<int> feature_ports_;
  std::vector<std::uint8_t> wanted_;  // inputs some feature depends on
  std::int64_t number_lanes_ = 0, text_lanes_ = 0, vector_floats_ = 0;
  std::size_t lanes_ = 0;
  std::int64_t block_ = kLaneRows;    // rows a block, fewer for wide tiles, so that a block stays in the cache
  std::vector<Feature> number_features_, direct_, vector_inputs_;
  std::vector<Feature> staged_;       // features of ones; not empty: rows are put together in Working::stage
  std::int64_t stage_rows_ = 0;
  std::shared_ptr<const int> token_;
};

struct FittedGraph::Plan {
  Program program;
};
struct FittedGraph::Scratch::Memory {
  Working working;
};

}  // namespace tenon::transform
