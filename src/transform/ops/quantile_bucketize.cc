// Numbers to the number of a bucket; the buckets hold about equally many training rows.

#include <algorithm>
#include <cmath>

#include "transform/buckets_internal.h"
#include "transform/columns_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

struct Learned {
  std::int64_t buckets = 10;
  Quantiles quantiles;
  std::vector<double> edges;  // inner ones, ascending

  void Add(const Lane& in, const double*, const std::uint8_t*, std::int64_t n) { quantiles.Add(in, n); }
  void Merge(const Learned& other) { quantiles.Merge(other.quantiles); }
  void Finish() {
    if (quantiles.count() == 0) return;
    std::vector<double> shares;
    for (std::int64_t i = 0; i <= buckets; ++i) shares.push_back(static_cast<double>(i) / static_cast<double>(buckets));
    std::vector<double> all = quantiles.At(shares);
    // Edges that coincide make one: no bucket is empty. Rounding is noise below 1e-8, as scikit-learn has it.
    for (const double edge : all) {
      if (edges.empty() || edge - edges.back() > 1e-8) edges.push_back(edge);
    }
    edges.erase(edges.begin());
    if (!edges.empty()) edges.pop_back();
  }
  std::string Words() const { return Str(edges.size() + 1, " buckets, cut at ", ListedNumbers(edges)); }
  void Save(Writer& out) const {
    SaveEdges(edges, out);
  }
  void Load(Reader& in) {
    LoadEdges(in, &edges);
  }
};

class QuantileBucketize final : public EachNumber<Learned> {
 public:
  explicit QuantileBucketize(Learned fresh) : EachNumber("bucket", std::move(fresh)) {}

 private:
  void MapColumn(const Learned& learned, const double* in, double* out, std::int64_t n) const override {
    MapToBuckets(learned.edges, in, out, n);
  }
};

}  // namespace

Result<void> AddQuantileBucketize(Kinds<Op>& kinds) {
  return kinds.Add("quantile_bucketize",
                   {.summary = "Put numbers into buckets of about equally many training rows",
                    .when = "A linear model should follow a curve (then one_hot), or numbers are to be crossed. Missing stays "
                            "missing; values outside the training range are in the outer buckets.",
                    .example = R"({"buckets": 8})",
                    .options = {{.name = "buckets", .type = Option::Type::kInt, .fallback = 10, .help = "How many", .least = 2,
                                 .most = 10000}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     Learned fresh;
                     fresh.buckets = options.Int("buckets");
                     return std::make_unique<QuantileBucketize>(std::move(fresh));
                   });
}

}  // namespace tenon::transform
