// Whole columns into a profile: in blocks that stay in the first-level cache while each statistic takes its turn.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/hash.h"
#include "table/profile_internal.h"

namespace tenon::table {
namespace {

constexpr std::uint64_t kSign = 1ULL << 63;
constexpr std::uint64_t kInfinityBits = 0x7FFULL << 52;

// The validity of rows from, from + 1, ... from + 63; from is a multiple of 64.
std::uint64_t ValidWord(const Column& values, std::int64_t from) {
  const std::int64_t rows = std::min<std::int64_t>(64, values.size() - from);
  const std::uint64_t there = rows == 64 ? ~0ULL : (1ULL << rows) - 1;
  return values.validity() == nullptr ? there : values.validity()[from >> 6] & there;
}

struct Extremes {
  double low, high;
  std::int64_t zeros, negatives;
};

Extremes Survey(const double* values, std::size_t size) {
  constexpr std::size_t kLanes = 4;  // that one comparison need not wait for the last
  double low[kLanes];
  double high[kLanes];
  std::fill_n(low, kLanes, values[0]);
  std::fill_n(high, kLanes, values[0]);
  std::int64_t zeros = 0;
  std::int64_t negatives = 0;
  const auto look = [&](std::size_t lane, double value) {
    low[lane] = value < low[lane] ? value : low[lane];
    high[lane] = value > high[lane] ? value : high[lane];
    const auto bits = std::bit_cast<std::uint64_t>(value);
    zeros += bits == 0 ? 1 : 0;
    negatives += static_cast<std::int64_t>(bits >> 63);
  };
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) look(lane, values[i + lane]);
  }
  for (; i < size; ++i) look(0, values[i]);
  return {*std::min_element(low, low + kLanes), *std::max_element(high, high + kLanes), zeros, negatives};
}

// A text of at most 16 bytes, by its first and last bytes; with its length they are all of it.
struct ShortText {
  std::uint64_t head = 0, tail = 0;
};
ShortText ShortOf(const char* bytes, std::size_t size) {
  ShortText out;
  if (size >= 8) {
    std::memcpy(&out.head, bytes, 8);
    std::memcpy(&out.tail, bytes + size - 8, 8);
  } else if (size >= 4) {
    std::uint32_t head = 0;
    std::uint32_t tail = 0;
    std::memcpy(&head, bytes, 4);
    std::memcpy(&tail, bytes + size - 4, 4);
    out.head = head | static_cast<std::uint64_t>(tail) << 32;
  } else if (size > 0) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes[i])); };
    out.head = byte(0) | byte(size / 2) << 8 | byte(size - 1) << 16;
  }
  return out;
}

// Counts short texts that come again soon, so that hashing and sketching are done once for many.
class Recent {
 public:
  static constexpr std::size_t kMostBytes = 16;
  struct Entry {
    ShortText text;
    std::int64_t row = 0;
    std::uint32_t size = 0, count = 0;
  };
  // Another count for the text of this row; what had to make way for it, when anything had to.
  Entry Count(const ShortText& text, std::uint32_t size, std::int64_t row) {
    const std::uint64_t mixed = (text.head ^ (text.tail * 0x9E3779B97F4A7C15ULL) ^ size) * 0xD1B54A32D192ED03ULL;
    Entry& entry = entries_[mixed >> (64 - kBits)];
    if (entry.text.head == text.head && entry.text.tail == text.tail && entry.size == size && entry.count > 0) {
      ++entry.count;
      return {};
    }
    const Entry old = entry;
    entry = {text, row, size, 1};
    return old;
  }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  static constexpr int kBits = 11;
  std::vector<Entry> entries_ = std::vector<Entry>(1 << kBits);
};

}  // namespace

struct ColumnProfile::State::Block {
  static constexpr std::int64_t kRows = 512;
  std::size_t size = 0;                 // values and keys, none missing
  std::uint64_t keys[kRows];
  double values[kRows];                 // -0 is 0
  double others[kRows];                 // values without zeros, or codes
  std::uint64_t codes[kRows];
  Moments::Cells cells;
};

void ColumnProfile::State::AddKeys(Block* block) {
  const std::size_t size = block->size;
  if (size == 0) return;
  const Extremes seen = Survey(block->values, size);
  least = finite() == 0 ? seen.low : std::min(least, seen.low);
  most = finite() == 0 ? seen.high : std::max(most, seen.high);
  zeros += seen.zeros;
  negatives += seen.negatives;
  count += static_cast<std::int64_t>(size);
  std::size_t from = 0;
  if (number_sketches == nullptr) {
    from = numbers.AddBlock({block->keys, size}, kExactDistinct);
    if (numbers.size() <= kExactDistinct) return;
    CollapseNumbers();
    if (from == size) return;
  }
  NumberSketches& to = *number_sketches;
  std::span<const double> rest(block->values + from, size - from);
  if (seen.zeros > 0) {
    std::size_t kept = 0;
    for (const double value : rest) {
      block->others[kept] = value;
      kept += value != 0 ? 1 : 0;
    }
    to.histogram.AddZeros(static_cast<std::int64_t>(rest.size() - kept));
    rest = {block->others, kept};
  }
  to.moments.AddBlock(rest, &block->cells);
  to.histogram.AddBlock(rest);
  for (std::size_t i = from; i < size; ++i) block->codes[i] = Mix(block->keys[i]);
  const std::span<const std::uint64_t> codes(block->codes + from, size - from);
  to.distinct.AddBlock(codes);
  to.frequent.AddBlock(codes);
}

void ColumnProfile::State::AddDoubles(const Column& values) {
  const std::span<const double> doubles = values.doubles();
  Block block;
  for (std::int64_t from = 0; from < values.size(); from += 64) {
    const std::uint64_t valid = ValidWord(values, from);
    const double* at = doubles.data() + from;
    const auto rows = static_cast<std::size_t>(std::min<std::int64_t>(64, values.size() - from));
    std::size_t size = block.size;
    for (std::size_t i = 0; i < rows; ++i) {
      const double value = at[i] + 0.0;
      const auto bits = std::bit_cast<std::uint64_t>(value);
      block.values[size] = value;
      block.keys[size] = bits;
      size += (valid >> i & 1) & ((bits & ~kSign) < kInfinityBits ? 1U : 0U);
    }
    if (size - block.size != rows) {  // the others, one by one: mostly there are none
      for (std::size_t i = 0; i < rows; ++i) {
        if ((valid >> i & 1) == 0 || std::isnan(at[i])) {
          ++count;
          ++missing;
        } else if (std::isinf(at[i])) {
          ++count;
          ++infinities[at[i] < 0 ? 1 : 0];
        }
      }
    }
    block.size = size;
    if (size + 64 > Block::kRows || from + 64 >= values.size()) {
      AddKeys(&block);
      block.size = 0;
    }
  }
  if (number_sketches != nullptr) number_sketches->moments.Drain(&block.cells);
}

void ColumnProfile::State::AddWholes(const Column& values) {
  const std::uint8_t* bools = field.type == Type::kBool ? values.bools().data() : nullptr;
  const std::int64_t* ints = field.type == Type::kBool ? nullptr : values.ints().data();
  Block block;
  for (std::int64_t from = 0; from < values.size(); from += 64) {
    const std::uint64_t valid = ValidWord(values, from);
    const std::int64_t rows = std::min<std::int64_t>(64, values.size() - from);
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t whole = bools != nullptr ? bools[from + i] : ints[from + i];
      block.keys[block.size] = static_cast<std::uint64_t>(whole);
      block.values[block.size] = static_cast<double>(whole);
      block.size += valid >> i & 1;
    }
    const std::int64_t none = rows - std::popcount(valid);
    count += none;
    missing += none;
    if (block.size + 64 > Block::kRows || from + 64 >= values.size()) {
      AddKeys(&block);
      block.size = 0;
    }
  }
  if (number_sketches != nullptr) number_sketches->moments.Drain(&block.cells);
}

void ColumnProfile::Add(const Column& values) {
  assert(values.type() == state_->field.type);
  State& state = *state_;
  switch (state.field.type) {
    case Type::kEmbedding:
      state.count += values.size();
      state.missing += values.null_count();
      return;
    case Type::kString: state.AddTexts(values); break;
    case Type::kFloat64: state.AddDoubles(values); break;
    default: state.AddWholes(values);
  }
  state.Settle();
}

void ColumnProfile::State::AddTexts(const Column& values) {
  // Counting codes touches each entry once; a dictionary far larger than the batch is not worth a pass.
  if (!values.coded() || static_cast<std::int64_t>(values.dictionary()->size()) > 4 * values.size()) return AddPlainTexts(values);
  std::vector<std::int64_t> counts(values.dictionary()->size());
  const std::span<const std::int32_t> codes = values.codes();
  std::int64_t none = 0;
  for (std::int64_t i = 0; i < values.size(); ++i) {
    if (values.IsNull(i)) {
      ++none;
    } else {
      ++counts[static_cast<std::size_t>(codes[static_cast<std::size_t>(i)])];
    }
  }
  count += none;
  missing += none;
  for (std::size_t code = 0; code < counts.size(); ++code) {
    if (counts[code] > 0) AddText((*values.dictionary())[code], counts[code]);
  }
}

void ColumnProfile::State::AddPlainTexts(const Column& values) {
  constexpr std::int64_t kEnoughRows = 1024;  // below, counting first costs more than it saves
  if (values.coded() || values.size() < kEnoughRows) {
    for (std::int64_t i = 0; i < values.size(); ++i) {
      if (values.IsNull(i)) {
        ++count;
        ++missing;
      } else {
        AddText(values.Text(i), 1);
      }
    }
    return;
  }
  Recent recent;
  const auto settle = [&](const Recent::Entry& entry) {
    if (entry.count == 0) return;
    const std::string_view text = values.Text(entry.row);
    TallyText(text, Hash64(text), entry.count);
  };
  const std::int64_t* offsets = values.offsets();
  const char* bytes = values.bytes();
  std::int64_t none = 0;
  std::int64_t short_one = present() == 0 ? std::numeric_limits<std::int64_t>::max() : shortest;
  for (std::int64_t i = 0; i < values.size(); ++i) {
    if (values.IsNull(i)) {
      ++none;
      continue;
    }
    const std::int64_t size = offsets[i + 1] - offsets[i];
    short_one = std::min(short_one, size);
    longest = std::max(longest, size);
    length += size;
    const auto bytes_here = static_cast<std::size_t>(size);
    if (bytes_here <= Recent::kMostBytes) {
      settle(recent.Count(ShortOf(bytes + offsets[i], bytes_here), static_cast<std::uint32_t>(size), i));
    } else {
      const std::string_view text(bytes + offsets[i], bytes_here);
      TallyText(text, Hash64(text), 1);
    }
  }
  if (none < values.size()) shortest = short_one;
  count += values.size();
  missing += none;
  for (const Recent::Entry& entry : recent.entries()) settle(entry);
}

}  // namespace tenon::table
