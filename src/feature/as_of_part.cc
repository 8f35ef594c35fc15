// One part of a join: its rows go to cells of a dozen known rows; where a row belongs among the known ones is how many of those near
// it are not above it, which is counted for eight rows at once and without a branch.

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "feature/as_of_cells_internal.h"

#define TENON_INLINE __attribute__((always_inline)) inline

namespace tenon::feature {
namespace {

constexpr std::size_t kCells = 1024;    // of a part, at most
constexpr std::size_t kRowsACell = 8;   // known ones, wished for
constexpr std::size_t kMostACell = 64;  // known ones that are ordered by counting
constexpr std::size_t kStep = 8;        // known rows compared with at a time
constexpr std::size_t kAhead = 32;      // answers whose places are fetched before
constexpr std::size_t kBeyond = 64;     // behind rows there is room for so many more
constexpr std::uint64_t kNobody = ~std::uint64_t{0};

// Vectors as the compiler has them: it makes of them what the processor a function is compiled for can do.
using Eight = std::uint64_t __attribute__((vector_size(64)));

TENON_INLINE void Load(const std::uint64_t* from, Eight* to) { std::memcpy(to, from, sizeof(Eight)); }

int Bits(std::uint64_t value) { return static_cast<int>(std::bit_width(value)); }

// Cells of numbers that are neighbours: those below the first are in it, those above the last in that.
struct Cells {
  std::uint64_t least;
  int shift;
  std::size_t size;
  TENON_INLINE std::size_t Of(std::uint64_t number) const {
    const std::uint64_t at = (number < least ? 0 : number - least) >> shift;
    return static_cast<std::size_t>(std::min<std::uint64_t>(at, size - 1));
  }
};

// The rows of one side by cell.
struct Placed {
  std::vector<std::uint64_t> number;
  std::vector<std::uint32_t> row;
  std::array<std::uint32_t, kCells + 1> begin;  // of a cell

  Numbers Sub(std::size_t cell) const { return Numbers{number.data(), row.data(), 0}.Sub(begin[cell], begin[cell + 1]); }
};

struct Level {
  Placed known, asking;
};

}  // namespace

struct PartWork::Memory {
  std::vector<std::unique_ptr<Level>> levels;
  // The known rows of the part in order, behind one that is nobody's. Of those with one number only the last is there for sure, in the
  // place of the last.
  std::vector<std::uint64_t> sorted;
  std::vector<std::uint32_t> row;
};

PartWork::PartWork() : memory_(std::make_unique<Memory>()) {}
PartWork::~PartWork() = default;

namespace {

TENON_INLINE void Place(const Numbers& from, const Cells& cells, Placed* to) {
  std::fill_n(to->begin.begin(), cells.size + 1, 0);
  std::uint32_t* next = to->begin.data() + 1;
  for (std::size_t i = 0; i < from.size; ++i) ++next[cells.Of(from.number[i])];
  std::uint32_t sum = 0;
  for (std::size_t c = 0; c < cells.size; ++c) {
    const std::uint32_t size = next[c];
    next[c] = sum;
    sum += size;
  }
  if (to->number.size() < from.size + kBeyond) {
    to->number.resize(from.size + from.size / 2 + kBeyond);
    to->row.resize(to->number.size());
  }
  std::uint64_t* number = to->number.data();
  std::uint32_t* row = to->row.data();
  for (std::size_t i = 0; i < from.size; ++i) {
    const std::uint64_t value = from.number[i];
    const std::uint32_t at = next[cells.Of(value)]++;
    number[at] = value;
    row[at] = from.row[i];
  }
}

// Answers rows whose place behind the known ones is known.
TENON_INLINE void Answer(const Part& part, const PartWork::Memory& memory, const std::uint64_t* asking, const std::uint32_t* row,
                         const std::uint64_t* place, std::size_t size) {
  const std::uint64_t mask = (std::uint64_t{1} << part.time_bits) - 1;
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint64_t found = memory.sorted[place[i]];
    const bool here = (found ^ asking[i]) >> part.time_bits == 0;
    std::int32_t answer = here ? static_cast<std::int32_t>(memory.row[place[i]]) : kNoRow;
    std::uint64_t time = part.base + (found & mask);
    if (part.before != nullptr && !here) {
      const Before& before = part.before[asking[i] >> part.time_bits];
      answer = before.row;
      time = before.time;
    }
    if (part.ttl > 0 && part.base + (asking[i] & mask) - time > part.ttl) answer = kNoRow;
    part.out[row[i]] = answer;
  }
}

// Where each of eight numbers in a row belongs among the known ones of its cells. Looks at some known ones of the cell behind as
// well, which are above.
TENON_INLINE void PlacesOf(const Cells& cells, const Placed& known, const std::uint64_t* numbers, std::size_t size, std::size_t at,
                           std::uint64_t* places) {
  const std::size_t begin = known.begin[cells.Of(numbers[0])];
  const std::size_t end = known.begin[cells.Of(numbers[size - 1]) + 1];
  Eight mine;
  Load(numbers, &mine);
  Eight even = Eight{} + (at + begin);
  Eight odd = {};
  const std::uint64_t* from = known.number.data();
  for (std::size_t j = begin; j < end; j += kStep) {
    for (std::size_t k = 0; k < kStep; k += 2) {
      even -= static_cast<Eight>(from[j + k] <= mine);
      odd -= static_cast<Eight>(from[j + k + 1] <= mine);
    }
  }
  even += odd;
  std::memcpy(places, &even, sizeof(even));
}

// All rows of a part whose cells have few.
TENON_INLINE void MatchCells(const Part& part, const Cells& cells, std::size_t at, Level* level, PartWork::Memory* memory) {
  const std::size_t size = level->known.begin[cells.size];
  std::fill_n(level->known.number.data() + size, kBeyond, kNobody);
  std::uint64_t places[8];
  for (std::size_t i = 0; i < size; i += 8) {
    const std::size_t some = std::min<std::size_t>(8, size - i);
    const std::uint64_t* numbers = level->known.number.data() + i;
    PlacesOf(cells, level->known, numbers, some, at, places);
    for (std::size_t k = 0; k < some; ++k) {
      memory->sorted[places[k]] = numbers[k];
      memory->row[places[k]] = level->known.row[i + k];
    }
  }
  const std::size_t asked = level->asking.begin[cells.size];
  for (std::size_t i = 0; i < asked; i += 8) {
    const std::size_t some = std::min<std::size_t>(8, asked - i);
    const std::uint64_t* numbers = level->asking.number.data() + i;
    const std::uint32_t* rows = level->asking.row.data() + i;
    PlacesOf(cells, level->known, numbers, some, at, places);
    for (std::size_t k = kAhead; k < kAhead + 8; ++k) __builtin_prefetch(part.out + rows[k], 1);
    Answer(part, *memory, numbers, rows, places, some);
  }
}

void MatchFrom(const Part& part, const Numbers& known, const Numbers& asking, std::size_t at, std::size_t depth, PartWork::Memory* memory);

// The rows of a part, or of a cell of one: the known ones go to `sorted` from 1 + at.
TENON_INLINE void MatchAny(const Part& part, const Numbers& known, const Numbers& asking, std::size_t at, std::size_t depth,
                           PartWork::Memory* memory) {
  std::uint64_t least = kNobody;
  std::uint64_t most = 0;
  for (std::size_t i = 0; i < known.size; ++i) {
    least = std::min(least, known.number[i]);
    most = std::max(most, known.number[i]);
  }
  if (known.size == 0 || least == most) {
    std::copy_n(known.number, known.size, memory->sorted.data() + 1 + at);
    std::copy_n(known.row, known.size, memory->row.data() + 1 + at);
    for (std::size_t i = 0; i < asking.size; ++i) {
      const std::uint64_t place = at + (asking.number[i] >= least ? known.size : 0);
      Answer(part, *memory, asking.number + i, asking.row + i, &place, 1);
    }
    return;
  }
  const std::size_t wished = std::min(kCells, std::bit_ceil(known.size / kRowsACell + 1));
  Cells cells{least, std::max(0, Bits(most - least) - Bits(wished - 1)), 0};
  cells.size = static_cast<std::size_t>((most - least) >> cells.shift) + 1;
  while (memory->levels.size() <= depth) memory->levels.push_back(std::make_unique<Level>());
  Level& level = *memory->levels[depth];
  Place(known, cells, &level.known);
  Place(asking, cells, &level.asking);
  std::uint32_t largest = 0;
  for (std::size_t c = 0; c < cells.size; ++c) largest = std::max(largest, level.known.begin[c + 1] - level.known.begin[c]);
  if (largest <= kMostACell) return MatchCells(part, cells, at, &level, memory);
  for (std::size_t c = 0; c < cells.size; ++c) {
    MatchFrom(part, level.known.Sub(c), level.asking.Sub(c), at + level.known.begin[c], depth + 1, memory);
  }
}

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))) void MatchAvx512(const Part& part, const Numbers& known, const Numbers& asking,
                                                                               std::size_t at, std::size_t depth, PartWork::Memory* memory) {
  MatchAny(part, known, asking, at, depth, memory);
}
__attribute__((target("avx2"))) void MatchAvx2(const Part& part, const Numbers& known, const Numbers& asking, std::size_t at,
                                               std::size_t depth, PartWork::Memory* memory) {
  MatchAny(part, known, asking, at, depth, memory);
}
#endif

void MatchFrom(const Part& part, const Numbers& known, const Numbers& asking, std::size_t at, std::size_t depth, PartWork::Memory* memory) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    return MatchAvx512(part, known, asking, at, depth, memory);
  }
  if (__builtin_cpu_supports("avx2")) return MatchAvx2(part, known, asking, at, depth, memory);
#endif
  MatchAny(part, known, asking, at, depth, memory);
}

}  // namespace

void MatchPart(const Part& part, PartWork* work) {
  PartWork::Memory& memory = work->memory();
  if (memory.sorted.size() < part.known.size + 1) {
    memory.sorted.resize(part.known.size + part.known.size / 2 + 1);
    memory.row.resize(memory.sorted.size());
  }
  memory.sorted[0] = kNobody;
  MatchFrom(part, part.known, part.asking, 0, 0, &memory);
  PassPart(part);
}

void PassPart(const Part& part) {
  if (part.before == nullptr) return;
  const std::uint64_t mask = (std::uint64_t{1} << part.time_bits) - 1;
  for (std::size_t i = 0; i < part.known.size; ++i) {
    Before& before = part.before[part.known.number[i] >> part.time_bits];
    const std::uint64_t time = part.base + (part.known.number[i] & mask);
    if (time >= before.time) before = {time, static_cast<std::int32_t>(part.known.row[i])};
  }
}

}  // namespace tenon::feature
