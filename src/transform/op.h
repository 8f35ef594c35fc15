#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/kinds.h"
#include "table/column.h"

namespace tenon::transform {

// What stands between two ops: the type of a lane.
struct Port {
  enum class Kind : std::uint8_t { kNumber, kText, kVector };
  std::string name;
  Kind kind = Kind::kNumber;
  int width = 1;                        // of vectors
  std::vector<std::string> parts = {};  // names of a vector's parts ("job=admin"), `width` of them
  bool timestamp = false;               // a number that is microseconds since 1970
};

// Up to kLaneRows values of one port, as ops see them. Numbers: doubles, NaN is missing; bools are 0/1, timestamps
// microseconds. Texts: views, a null data() is missing; or codes into a dictionary, -1 is missing, where the input came
// dictionary-coded (then `texts` is null). Vectors: row-major floats, `stride` floats from row to row. The memory is
// the plan's; it is valid during the call only, but for a dictionary whose pointer is copied.
struct Lane {
  double* numbers = nullptr;
  std::string_view* texts = nullptr;
  const std::int32_t* codes = nullptr;
  const std::shared_ptr<const table::Dictionary>* dictionary = nullptr;
  float* vectors = nullptr;
  std::int64_t stride = 0;

  std::string_view Text(std::int64_t i) const {
    if (codes == nullptr) return texts[i];
    return codes[i] < 0 ? std::string_view() : std::string_view((**dictionary)[static_cast<std::size_t>(codes[i])]);
  }
};
inline constexpr std::int64_t kLaneRows = 256;

// What a full pass over the training rows learned. Mergeable: adding rows and merging in any split and any order gives
// the same Save() bytes, bit for bit (sums are ExactSum). One thread.
class State {
 public:
  virtual ~State() = default;
  // n training rows. `label` is the numeric label (class index, or value), `fold` the row's fold; both null when the
  // graph is fitted without a label.
  virtual void Add(std::span<const Lane> in, const double* label, const std::uint8_t* fold, std::int64_t n) = 0;
  virtual Result<void> Merge(const State& other) = 0;  // of the same op with the same settings
  // Called once after the last Merge, before Save and Map: derive what Map needs (sort, cut, look-up tables).
  virtual Result<void> Finish() { return {}; }
  virtual std::string Save() const = 0;                // binary or JSON, versioned by the graph
  // After Finish or a load: what was learned, for people; a line an input where each is treated by itself.
  virtual std::vector<std::string> Words() const { return {}; }
};

// One node of a transform graph: an optional pass over the data, then a map of rows. Immutable; Map may be called from
// any number of threads. A kind is one file of ops/.
class Op {
 public:
  virtual ~Op() = default;
  // How many inputs it takes and of which kind is checked here: invalid_argument naming the input. `state` is null
  // before the fit: then widths and parts may still be unknown (width 0).
  virtual Result<std::vector<Port>> Outputs(std::span<const Port> in, const State* state) const = 0;
  // Null: needs no pass. `in` as for Outputs; `classes` is the number of label classes, 0 for a regression or no label.
  virtual std::unique_ptr<State> NewState(std::span<const Port> in, int classes) const;
  virtual Result<std::unique_ptr<State>> LoadState(std::span<const Port> in, std::string_view bytes) const;
  // n <= kLaneRows rows. Unseen values, nulls and infinities have a defined result; it never fails and, for number and
  // vector lanes, never allocates. Text results that are not views of the inputs are kept alive in `texts`.
  // Vector outputs come zeroed.
  virtual void Map(const State* state, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
                   std::vector<std::string>* texts) const = 0;
  // The map for rows the op was fitted on, where that must differ (out-of-fold encodings). The default is Map.
  virtual void MapTraining(const State* state, std::span<const Lane> in, const double* label, const std::uint8_t* fold,
                           std::span<const Lane> out, std::int64_t n, std::vector<std::string>* texts) const;
  virtual bool needs_label() const { return false; }
  // Whether its texts are base64 of bytes, such as a picture's: who gets the bytes themselves hands it their base64. Then CheckBytes says whether
  // Map can make something of a value: invalid_argument, fit to follow the column's name.
  virtual bool takes_bytes() const { return false; }
  virtual Result<void> CheckBytes(const State*, std::string_view) const { return {}; }
  // Before the fit, the content of a file that one of its settings names (see FileSettings). What it needs of it later
  // becomes part of its state, so that a fitted graph needs no file. invalid_argument when the content will not do.
  virtual Result<void> Give(std::string_view setting, std::shared_ptr<const std::string> content);
};

// The settings of a kind that name files: those beside which there is one of the same name with "_sha256" at its end.
std::vector<std::string> FileSettings(const Kinds<Op>::Kind& kind);

Result<void> AddAll(Kinds<Op>& kinds);

}  // namespace tenon::transform
