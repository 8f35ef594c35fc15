// Numbers to the number of the bucket they fall into, by given edges.

#include <algorithm>
#include <cmath>

#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

struct Learned {
  std::vector<double> edges;  // ascending
  void Add(const Lane&, const double*, const std::uint8_t*, std::int64_t) {}
  void Merge(const Learned&) {}
  void Finish() {}
  void Save(Writer&) const {}
  void Load(Reader&) {}
};

class Bucketize final : public EachNumber<Learned> {
 public:
  explicit Bucketize(Learned fresh) : EachNumber("bucket", std::move(fresh), false) {}

 private:
  void MapColumn(const Learned& learned, const double* in, double* out, std::int64_t n) const override {
    const auto& edges = learned.edges;
    for (std::int64_t i = 0; i < n; ++i) {
      const auto at = std::upper_bound(edges.begin(), edges.end(), in[i]);
      out[i] = std::isnan(in[i]) ? in[i] : static_cast<double>(at - edges.begin());
    }
  }
};

}  // namespace

Result<void> AddBucketize(Kinds<Op>& kinds) {
  return kinds.Add("bucketize",
                   {.summary = "Put numbers into buckets between given edges",
                    .when = "The edges mean something (legal age limits, tariff classes). Bucket 0 lies below the first edge; an "
                            "edge belongs to the bucket above it; missing stays missing. Follow with one_hot for linear models.",
                    .example = R"({"edges": [18, 30, 65]})",
                    .options = {{.name = "edges", .type = Option::Type::kNumberList, .help = "The edges, ascending", .required = true}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     Learned fresh{options.NumberList("edges")};
                     for (std::size_t i = 1; i < fresh.edges.size(); ++i) {
                       if (!(fresh.edges[i - 1] < fresh.edges[i])) {
                         return Error(Code::kInvalidArgument, Str("bucketize: the edges must ascend, but ", fresh.edges[i],
                                                                  " follows ", fresh.edges[i - 1]));
                       }
                     }
                     return std::make_unique<Bucketize>(std::move(fresh));
                   });
}

}  // namespace tenon::transform
