#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "feature/as_of_internal.h"
#include "platform/shared_file.h"

// Point-in-time joins by numbers: a row is its key above its time, in 63 bits, and goes to a part by it.
namespace tenon::feature {

inline constexpr std::size_t kPickedTogether = 512;

// How rows become numbers, and which part a number is in. Parts are in the order of keys, or, when keys are few, of groups of keys
// and of slices of time within them.
struct Layout {
  std::int64_t least_key = 0;
  Micros least_time = 0;        // of the known rows; all that is before counts as one moment, 0
  std::uint64_t most_key = 0;   // from the least
  std::uint64_t most_time = 0;  // from the least, which is 1
  int time_bits = 0;
  int key_bits = 0;             // keys of a part
  int slice_bits = 0;           // slices of a group of keys
  int slice_shift = 0;
  std::uint64_t slice_from = 0;
  std::size_t parts = 1;

  std::size_t slices() const { return std::size_t{1} << slice_bits; }
  // The first slice of keys and the last have what is before and after the others: whole times, where the others count from their begin.
  bool Outer(std::size_t part) const { return part % slices() == 0 || part % slices() == slices() - 1; }
  std::uint64_t BaseOf(std::size_t part) const;  // the time that 0 in a number stands for
  int TimeBitsOf(std::size_t part) const { return Outer(part) ? time_bits : slice_shift; }
};

// The layout for rows whose keys and times are within these bounds. False: more than 63 bits.
bool PlanLayout(const Bounds& bounds, const TimedKeys& known, Layout* layout);

// Some rows of one side, as numbers.
struct Picked {
  bool outside = false;  // whether any row ever seen is beyond the layout's bounds
  std::array<std::uint64_t, kPickedTogether + 8> number;
  std::array<std::uint32_t, kPickedTogether + 8> part;  // from the first wanted
  std::array<std::uint32_t, kPickedTogether + 8> row;
};

// Of the rows [begin, begin + size), at most kPickedTogether, those of the parts [from, until), in order: how many. `earliest`: the
// least time inside the bounds, 1 for known rows.
std::size_t Pick(const Layout& layout, const TimedKeys& rows, std::size_t begin, std::size_t size, std::size_t from, std::size_t until,
                 std::uint64_t earliest, Picked* out);

struct Numbers {
  const std::uint64_t* number;
  const std::uint32_t* row;
  std::size_t size;
  Numbers Sub(std::size_t from, std::size_t until) const { return {number + from, row + from, until - from}; }
};

// The last known row of a key before a part.
struct Before {
  std::uint64_t time = 0;
  std::int32_t row = kNoRow;
};

struct Part {
  Numbers known, asking;  // both in the order of rows
  int time_bits = 0;       // the lower ones of a number
  std::uint64_t base = 0;  // the time they count from
  std::uint64_t ttl = 0;
  Before* before = nullptr;  // by key; nullptr: the part has all rows of its keys
  std::int32_t* out = nullptr;
};

// Memory of one thread; grows with the largest part.
class PartWork {
 public:
  PartWork();
  ~PartWork();
  struct Memory;
  Memory& memory() { return *memory_; }

 private:
  std::unique_ptr<Memory> memory_;
};

// Answers the asking rows of a part. Takes `before` on to behind the part.
void MatchPart(const Part& part, PartWork* work);
// Only takes `before` on.
void PassPart(const Part& part);

}  // namespace tenon::feature
