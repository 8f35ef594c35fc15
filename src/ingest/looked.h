#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "ingest/read.h"

namespace tenon::ingest {

// How often the values of each column looked like what; those of several files add up.
using Looked = std::vector<std::array<std::int64_t, 6>>;

// Pieces of a file that is one of several: the types are by the values of all of them.
class PiecesOfMany : public Pieces {
 public:
  // As Learn; `looked` is of the files before this one, whose values are added to it.
  virtual Result<void> LearnToo(const Call& call, Looked* looked) = 0;
  Result<void> Learn(const Call& call) final {
    Looked alone;
    return LearnToo(call, &alone);
  }
};

// As LearnToo, of pieces that can; of others as Learn.
inline Result<void> LearnToo(const Call& call, Pieces& pieces, Looked* looked) {
  auto* many = dynamic_cast<PiecesOfMany*>(&pieces);
  return many != nullptr ? many->LearnToo(call, looked) : pieces.Learn(call);
}

}  // namespace tenon::ingest
