// Running a program over a batch, block by block, or over one row.

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "base/text.h"
#include "base/time.h"
#include "transform/lanes_internal.h"
#include "transform/plan_internal.h"

namespace tenon::transform {
namespace {

using table::Column;
using table::Type;

constexpr std::int64_t kLargeTile = 8 << 20;  // floats: no cache will hold it until it is read
constexpr std::int32_t kUnknown = KeyOp::kUnseen - 1;  // an entry of a memo not looked up yet

bool IsNumber(Type type) { return type == Type::kBool || type == Type::kInt64 || type == Type::kFloat64; }

// How a column of type `given` serves an input; false when it does not.
bool Fits(const table::Field& field, const Column& given, How* how) {
  switch (field.type) {
    case Type::kString:
      *how = given.type() != Type::kString ? How::kFormatted : given.coded() ? How::kCodes : How::kTexts;
      return given.type() != Type::kEmbedding;
    case Type::kEmbedding:
      *how = given.has_nulls() ? How::kFloats : How::kInPlace;
      return given.type() == Type::kEmbedding && given.width() == field.width;
    case Type::kTimestamp:
      *how = How::kNumbers;
      return given.type() == Type::kTimestamp || given.type() == Type::kInt64;
    default:
      *how = given.type() == Type::kFloat64 && !given.has_nulls() ? How::kInPlace : How::kNumbers;
      return IsNumber(given.type());
  }
}

std::string Formatted(const Column& column, std::int64_t i) {
  const auto at = static_cast<std::size_t>(i);
  switch (column.type()) {
    case Type::kBool: return column.bools()[at] != 0 ? "true" : "false";
    case Type::kInt64: return std::to_string(column.ints()[at]);
    case Type::kTimestamp: return FormatTimestamp(column.ints()[at]);
    default: return FormatDouble(column.doubles()[at]);
  }
}

// Calls visit(i) for each i < n whose bit from + i is clear.
template <typename Visit>
void EachNull(const std::uint64_t* validity, std::int64_t from, std::int64_t n, Visit visit) {
  for (std::int64_t i = 0; i < n;) {
    const std::int64_t bit = (from + i) & 63;
    const std::int64_t count = std::min<std::int64_t>(64 - bit, n - i);
    std::uint64_t nulls = ~validity[(from + i) >> 6] >> bit;
    if (count < 64) nulls &= (1ULL << count) - 1;
    for (; nulls != 0; nulls &= nulls - 1) visit(i + std::countr_zero(nulls));
    i += count;
  }
}

void Fetch(const char* from, const char* until) {
  for (; from < until; from += 64) __builtin_prefetch(from);
}

// Fetches rows [from, until) of a column: with so many columns in turns the processor does not see coming what is next.
void Fetch(const Column& column, std::int64_t from, std::int64_t until) {
  until = std::min(until, column.size());
  if (until <= from) return;
  const auto flat = [&](const auto values) {
    Fetch(reinterpret_cast<const char*>(values.data() + from), reinterpret_cast<const char*>(values.data() + until));
  };
  if (column.coded()) return flat(column.codes());
  switch (column.type()) {
    case Type::kBool: return flat(column.bools());
    case Type::kFloat64: return flat(column.doubles());
    case Type::kString:
      flat(std::span(column.offsets(), static_cast<std::size_t>(column.size())));
      return Fetch(column.bytes() + column.offsets()[from], column.bytes() + column.offsets()[until]);
    case Type::kEmbedding: return;  // long runs of one array
    default: return flat(column.ints());
  }
}

void LoadTexts(const Column& column, std::int64_t from, std::int64_t n, std::string_view* out) {
  const std::int64_t* offsets = column.offsets() + from;
  const char* bytes = column.bytes() != nullptr ? column.bytes() : "";  // a null data() would say missing
  for (std::int64_t i = 0; i < n; ++i) out[i] = {bytes + offsets[i], static_cast<std::size_t>(offsets[i + 1] - offsets[i])};
  if (column.validity() != nullptr) EachNull(column.validity(), from, n, [out](std::int64_t i) { out[i] = {}; });
}

void LoadNumbers(const Column& column, std::int64_t from, std::int64_t n, double* out) {
  const auto at = static_cast<std::size_t>(from);
  const auto count = static_cast<std::size_t>(n);
  const auto copy = [&](const auto values) {
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<double>(values[at + i]);
  };
  switch (column.type()) {
    case Type::kBool: copy(column.bools()); break;
    case Type::kFloat64: copy(column.doubles()); break;
    default: copy(column.ints()); break;
  }
  if (column.validity() == nullptr) return;
  EachNull(column.validity(), from, n, [out](std::int64_t i) { out[i] = std::numeric_limits<double>::quiet_NaN(); });
}

bool Same(const std::weak_ptr<const table::Dictionary>& held, const std::shared_ptr<const table::Dictionary>& given) {
  return !held.owner_before(given) && !given.owner_before(held);
}

// The floats of an embedding that stands as bytes in a text; all missing when it is none of that width.
void PutVector(std::string_view bytes, int width, float* to) {
  if (bytes.size() == static_cast<std::size_t>(width) * sizeof(float)) {
    std::memcpy(to, bytes.data(), bytes.size());
  } else {
    std::fill(to, to + width, std::numeric_limits<float>::quiet_NaN());
  }
}

}  // namespace

Result<void> Program::Bind(const table::Batch& rows, std::span<const std::uint8_t> wanted, Working& working) const {
  for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
    if (wanted[i] == 0) continue;
    const table::Field& field = spec.inputs[i];
    const int at = rows.schema().Find(field.name);
    if (at < 0) {
      return Error(Code::kInvalidArgument, Str("the rows have no column '", field.name, "', which the model's transforms read",
                                               DidYouMean(field.name, rows.schema().Names())));
    }
    const Column& column = rows.column(at);
    if (!Fits(field, column, &working.how[i])) {
      return Error(Code::kInvalidArgument, Str("column '", field.name, "' is ", NameOf(column.type()), ", expected ",
                                               NameOf(field.type), field.type == Type::kEmbedding ? Str(" of ", field.width) : ""));
    }
    working.columns[i] = column;
  }
  working.rows = rows.rows();
  return {};
}

void Program::Load(Working& working, std::span<const std::uint8_t> wanted, std::int64_t from, std::int64_t n) const {
  working.own = false;
  for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
    if (wanted[i] != 0) LoadOne(working, i, from, n);
  }
}

void Program::LoadOne(Working& working, std::size_t input, std::int64_t from, std::int64_t n) const {
  const Column& column = working.columns[input];
  const auto at = static_cast<std::size_t>(from);
  Lane lane = OwnLane(working, input);
  Fetch(column, from + n, from + 2 * n);
  switch (working.how[input]) {
    case How::kInPlace:  // ops do not write their inputs
      if (column.type() == Type::kFloat64) {
        lane.numbers = const_cast<double*>(column.doubles().data() + at);
      } else {
        lane.vectors = const_cast<float*>(column.floats().data() + at * static_cast<std::size_t>(column.width()));
      }
      break;
    case How::kNumbers: LoadNumbers(column, from, n, lane.numbers); break;
    case How::kCodes:
      lane.texts = nullptr;
      lane.dictionary = &column.dictionary();
      lane.codes = column.codes().data() + at;
      if (column.validity() != nullptr) {
        std::int32_t* codes = working.codes.data() + input * kLaneRows;
        std::copy(lane.codes, lane.codes + n, codes);
        EachNull(column.validity(), from, n, [codes](std::int64_t i) { codes[i] = -1; });
        lane.codes = codes;
      }
      break;
    case How::kTexts:
      LoadTexts(column, from, n, lane.texts);
      break;
    case How::kFormatted: {
      std::vector<std::string>& texts = working.formatted[input];
      texts.resize(kLaneRows);
      for (std::int64_t i = 0; i < n; ++i) {
        const auto row = static_cast<std::size_t>(i);
        const bool missing = column.IsNull(from + i) || (column.type() == Type::kFloat64 && std::isnan(column.Number(from + i)));
        if (!missing) texts[row] = Formatted(column, from + i);
        lane.texts[i] = missing ? std::string_view() : std::string_view(texts[row]);
      }
      break;
    }
    case How::kFloats: {
      const auto width_of = static_cast<std::size_t>(column.width());
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
        float* out = lane.vectors + i * width_of;
        if (column.IsNull(from + static_cast<std::int64_t>(i))) {
          std::fill(out, out + width_of, std::numeric_limits<float>::quiet_NaN());
        } else {
          std::memcpy(out, column.floats().data() + (at + i) * width_of, width_of * sizeof(float));
        }
      }
      break;
    }
  }
  SetLane(working, input, lane);
}

// Looks entries of a dictionary up once. False when the input is not coded, or its dictionary too large for the rows to
// pay back.
bool Program::IndicesByDictionary(std::size_t index, std::size_t input, Working& working, std::int64_t n, std::int32_t* found) const {
  const Node& node = nodes[index];
  const Lane& lane = working.lanes[node.in_lane + input];
  if (lane.codes == nullptr || static_cast<std::int64_t>((*lane.dictionary)->size()) > 2 * working.rows) return false;
  const std::shared_ptr<const table::Dictionary>& dictionary = *lane.dictionary;
  Memo& memo = working.memos[index][input];
  if (!Same(memo.dictionary, dictionary)) {
    memo.dictionary = dictionary;
    memo.index.assign(dictionary->size() + 1, kUnknown);
    memo.index[0] = KeyOp::kMissing;
  }
  std::int32_t* known = memo.index.data() + 1;  // of code -1 too
  std::int32_t least = 0;
  for (std::int64_t row = 0; row < n; ++row) {
    found[row] = known[lane.codes[row]];
    least = std::min(least, found[row]);
  }
  if (least > kUnknown) return true;
  for (std::int64_t row = 0; row < n; ++row) {
    const std::int32_t code = lane.codes[row];
    if (known[code] == kUnknown) known[code] = node.by_key->IndexOf(node.state.get(), input, (*dictionary)[static_cast<std::size_t>(code)]);
    found[row] = known[code];
  }
  return true;
}

void Program::RunByKey(std::size_t index, Working& working, std::int64_t n) const {
  const Node& node = nodes[index];
  const State* state = node.state.get();
  std::int32_t found[kLaneRows];
  for (std::size_t i = 0; i < node.in.size(); ++i) {
    if (!IndicesByDictionary(index, i, working, n, found)) {
      node.by_key->IndicesOf(state, i, working.lanes[node.in_lane + i], n, found);
    }
    if (!node.staged) {
      node.by_key->MapIndex(state, i, found, working.lanes[node.out_lane + i], n);
      continue;
    }
    const Place& place = places[static_cast<std::size_t>(node.out[i])];
    std::int32_t* ones = working.ones.data() + place.ones;
    node.by_key->Ones(state, i, found, n, ones);
    const auto offset = static_cast<std::int32_t>(place.tile);
    const auto nowhere = static_cast<std::int32_t>(stage_rows_ * width);
    const std::int32_t* row_at = working.row_at.data();
    for (std::int64_t row = 0; row < n; ++row) ones[row] = ones[row] < 0 ? nowhere : ones[row] + (offset + row_at[row]);
  }
}

void Program::RunNode(std::size_t index, Working& working, std::int64_t n, const Known& known) const {
  const Node& node = nodes[index];
  for (const int port : node.vectors) {
    const auto at = static_cast<std::size_t>(port);
    std::memset(working.vectors.data() + places[at].at, 0, static_cast<std::size_t>(ports[at].width * n) * sizeof(float));
  }
  const std::span<const Lane> in(working.lanes.data() + node.in_lane, node.in.size());
  const std::span<const Lane> out(working.lanes.data() + node.out_lane, node.out.size());
  std::vector<std::string>& texts = working.made[index];
  texts.clear();
  if (known.training && node.op->needs_label()) {
    node.op->MapTraining(node.state.get(), in, known.label, known.fold, out, n, &texts);
    return;
  }
  if (node.by_key != nullptr) return RunByKey(index, working, n);
  if (known.training) {
    node.op->MapTraining(node.state.get(), in, known.label, known.fold, out, n, &texts);
  } else {
    node.op->Map(node.state.get(), in, out, n, &texts);
  }
}

void Program::PutNumbers(Working& working, std::int64_t n, float* tile, std::int64_t stride) const {
  float floats[kLaneRows];
  for (const Feature& feature : number_features_) {
    ToFloats(working.shown[static_cast<std::size_t>(feature.port)].numbers, n, floats);
    float* to = tile + feature.offset;
    for (std::int64_t row = 0; row < n; ++row, to += stride) *to = floats[row];
  }
  for (const Feature& feature : vector_inputs_) {
    const Lane& lane = working.shown[static_cast<std::size_t>(feature.port)];
    for (std::int64_t row = 0; row < n; ++row) {
      std::memcpy(tile + row * stride + feature.offset, lane.vectors + row * lane.stride,
                  static_cast<std::size_t>(feature.width) * sizeof(float));
    }
  }
}

void Program::PutRows(Working& working, std::int64_t n, float* tile, std::int64_t stride, bool past_caches) const {
  float* stage = working.stage.data();
  const std::int64_t row_floats = width;
  for (std::size_t k = 0; k < number_features_.size(); ++k) {
    ToFloats(working.shown[static_cast<std::size_t>(number_features_[k].port)].numbers, n, working.floats.data() + k * kLaneRows);
  }
  const auto put_ones = [&](std::int64_t from, std::int64_t rows, float value) {
    for (std::size_t k = 0; k < staged_.size(); ++k) {
      const std::int32_t* ones = working.ones.data() + k * kLaneRows + from;
      for (std::int64_t row = 0; row < rows; ++row) stage[ones[row]] = value;
    }
  };
  for (std::int64_t from = 0; from < n; from += stage_rows_) {
    const std::int64_t rows = std::min(stage_rows_, n - from);
    for (std::size_t k = 0; k < number_features_.size(); ++k) {
      const float* value = working.floats.data() + k * kLaneRows + from;
      float* to = stage + number_features_[k].offset;
      for (std::int64_t row = 0; row < rows; ++row) to[row * row_floats] = value[row];
    }
    for (const Feature& feature : vector_inputs_) {
      const Lane& lane = working.shown[static_cast<std::size_t>(feature.port)];
      for (std::int64_t row = 0; row < rows; ++row) {
        std::memcpy(stage + row * row_floats + feature.offset, lane.vectors + (from + row) * lane.stride,
                    static_cast<std::size_t>(feature.width) * sizeof(float));
      }
    }
    put_ones(from, rows, 1.0F);
    CopyRows(stage, rows, row_floats, tile + from * stride, stride, past_caches);
    put_ones(from, rows, 0.0F);  // numbers are written over
  }
}

void Program::RunBlock(Working& working, std::int64_t n, const Known& known, float* tile, std::int64_t stride, bool past_caches) const {
  if (!direct_.empty()) {
    const auto row_bytes = static_cast<std::size_t>(width) * sizeof(float);
    if (stride == width) {
      std::memset(tile, 0, row_bytes * static_cast<std::size_t>(n));
    } else {
      for (std::int64_t row = 0; row < n; ++row) std::memset(tile + row * stride, 0, row_bytes);
    }
    for (const Feature& feature : direct_) {
      for (const std::size_t at : places[static_cast<std::size_t>(feature.port)].lanes) {
        working.lanes[at].vectors = tile + feature.offset;
        working.lanes[at].stride = stride;
      }
    }
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].needed) RunNode(i, working, n, known);
  }
  if (staged_.empty()) return PutNumbers(working, n, tile, stride);
  PutRows(working, n, tile, stride, past_caches);
}

Result<void> Program::Apply(const table::Batch& rows, const Known& known, float* tile, std::int64_t stride,
                            Working& working) const {
  if (stride < width) {
    return Error(Code::kInvalidArgument, Str("the stride is ", stride, " floats, but a row has ", width));
  }
  Prepare(working);
  TENON_TRY(Bind(rows, wanted_, working));
  const bool past_caches = !staged_.empty() && rows.rows() * stride >= kLargeTile;
  for (std::int64_t from = 0; from < rows.rows(); from += block_) {
    const std::int64_t n = std::min(block_, rows.rows() - from);
    Load(working, wanted_, from, n);
    Known here = known;
    if (here.label != nullptr) here.label += from;
    if (here.fold != nullptr) here.fold += from;
    RunBlock(working, n, here, tile + from * stride, stride, past_caches);
  }
  if (past_caches) PublishCopies();
  return {};
}

void Program::ApplyRow(const double* numbers, const std::string_view* texts, float* out, Working& working) const {
  Prepare(working);
  if (!working.own) {
    for (std::size_t i = 0; i < spec.inputs.size(); ++i) SetLane(working, i, OwnLane(working, i));
    working.own = true;
  }
  for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
    const auto at = static_cast<std::size_t>(places[i].at);
    switch (ports[i].kind) {
      case Port::Kind::kNumber: working.numbers[at] = numbers[i]; break;
      case Port::Kind::kText: working.texts[at] = texts[i]; break;
      case Port::Kind::kVector: PutVector(texts[i], ports[i].width, working.vectors.data() + at); break;
    }
  }
  RunBlock(working, 1, Known(), out, width);
}

void Program::ApplySlots(const double* const* numbers, const std::string_view* const* texts, std::int64_t n, float* tile,
                         std::int64_t stride, Working& working) const {
  Prepare(working);
  working.own = false;
  for (std::int64_t from = 0; from < n; from += block_) {
    const std::int64_t rows = std::min(block_, n - from);
    for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
      if (wanted_[i] == 0) continue;
      Lane lane = OwnLane(working, i);
      switch (ports[i].kind) {  // ops do not write their inputs
        case Port::Kind::kNumber: lane.numbers = const_cast<double*>(numbers[i] + from); break;
        case Port::Kind::kText: lane.texts = const_cast<std::string_view*>(texts[i] + from); break;
        case Port::Kind::kVector:
          for (std::int64_t row = 0; row < rows; ++row) PutVector(texts[i][from + row], ports[i].width, lane.vectors + row * lane.stride);
          break;
      }
      SetLane(working, i, lane);
    }
    RunBlock(working, rows, Known(), tile + from * stride, stride);
  }
}

}  // namespace tenon::transform
