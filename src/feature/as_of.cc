#include "feature/as_of.h"

#include <algorithm>

#include "base/text.h"
#include "feature/as_of_internal.h"

namespace tenon::feature {

Result<void> MatchAsOf(const Call& call, const TimedKeys& asking, const TimedKeys& known, std::chrono::microseconds ttl,
                       std::span<std::int32_t> out) {
  constexpr std::size_t kMost = (std::size_t{1} << 31) - 2;
  if (asking.key.size() > kMost || known.key.size() > kMost) {
    return Error(Code::kInvalidArgument, Str("at most ", kMost, " rows a side can be joined, got ", std::max(asking.key.size(), known.key.size())));
  }
  if (asking.key.size() != asking.time.size() || known.key.size() != known.time.size() || out.size() != asking.key.size()) {
    return Error(Code::kInvalidArgument, "keys, times and places are not of one length");
  }
  TENON_TRY(call.Check());
  if (out.empty()) return {};
  if (SweepByTime(call, asking, known, ttl, out)) return {};
  TENON_ASSIGN(const bool done, MatchByCells(call, asking, known, ttl, out));
  if (done) return {};
  return MatchByParts(call, asking, known, ttl, out);
}

}  // namespace tenon::feature
