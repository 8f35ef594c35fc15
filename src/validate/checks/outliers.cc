// Rows that stand far from all others: an isolation forest (Liu, Ting, Zhou 2008) finds them, their density confirms.

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>

#include "base/text.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

constexpr std::size_t kMostRows = 20000;
constexpr std::size_t kEnoughRows = 100;
constexpr std::size_t kMostColumns = 50;
constexpr int kTrees = 100;
constexpr std::size_t kSample = 256;
constexpr int kDepth = 8;                // log2 of the sample
constexpr double kIsolated = 0.72;       // a score: 0.5 is usual, 1 alone at the first cut
constexpr std::size_t kNeighbours = 10;
constexpr std::size_t kReference = 2000; // rows among which neighbours are looked for
constexpr double kSparse = 5;            // times as far to its neighbours as these to theirs
constexpr std::size_t kCandidates = 50;

using Point = std::vector<double>;

double UsualDepth(double n) {
  if (n <= 1) return 0;
  return 2 * (std::log(n - 1) + 0.5772156649) - 2 * (n - 1) / n;
}

// Uniform in 0..1 and below n from the generator's bits: the same numbers with every library.
double Unit(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

struct Node {
  int column = -1;
  double cut = 0;
  int left = -1, right = -1;
  double depth = 0;  // of a leaf: with what is expected below it
};

int Grow(const std::vector<Point>& points, std::vector<std::size_t> rows, int depth, std::mt19937_64& random, std::vector<Node>* tree) {
  const int at = static_cast<int>(tree->size());
  tree->emplace_back();
  const std::size_t columns = points[0].size();
  for (std::size_t tries = 0; rows.size() > 1 && depth < kDepth && tries < 8; ++tries) {
    const std::size_t column = random() % columns;
    double low = points[rows[0]][column];
    double high = low;
    for (const std::size_t row : rows) {
      low = std::min(low, points[row][column]);
      high = std::max(high, points[row][column]);
    }
    if (low == high) continue;
    const double cut = low + Unit(random) * (high - low);
    const auto middle = std::partition(rows.begin(), rows.end(), [&](std::size_t row) { return points[row][column] <= cut; });
    std::vector<std::size_t> left(rows.begin(), middle);
    std::vector<std::size_t> right(middle, rows.end());
    if (left.empty() || right.empty()) continue;
    const int l = Grow(points, std::move(left), depth + 1, random, tree);
    const int r = Grow(points, std::move(right), depth + 1, random, tree);
    (*tree)[static_cast<std::size_t>(at)] = {static_cast<int>(column), cut, l, r, 0};
    return at;
  }
  (*tree)[static_cast<std::size_t>(at)].depth = depth + UsualDepth(static_cast<double>(rows.size()));
  return at;
}

std::vector<double> Isolation(const std::vector<Point>& points) {
  std::mt19937_64 random(1);
  std::vector<double> depth(points.size(), 0);
  const std::size_t sample = std::min(kSample, points.size());
  for (int t = 0; t < kTrees; ++t) {
    std::vector<std::size_t> rows;
    for (std::size_t i = 0; i < sample; ++i) rows.push_back(random() % points.size());
    std::vector<Node> tree;
    Grow(points, std::move(rows), 0, random, &tree);
    for (std::size_t i = 0; i < points.size(); ++i) {
      std::size_t at = 0;
      while (tree[at].column >= 0) at = static_cast<std::size_t>(points[i][static_cast<std::size_t>(tree[at].column)] <= tree[at].cut ? tree[at].left : tree[at].right);
      depth[i] += tree[at].depth;
    }
  }
  for (double& one : depth) one = std::exp2(-one / kTrees / UsualDepth(static_cast<double>(sample)));
  return depth;
}

double Distance(const Point& a, const Point& b) {
  double sum = 0;
  for (std::size_t c = 0; c < a.size(); ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
  return std::sqrt(sum);
}

// The distances to the nearest of the reference, and who they are.
std::vector<std::pair<double, std::size_t>> Neighbours(const std::vector<Point>& points, const std::vector<std::size_t>& reference, std::size_t me) {
  std::vector<std::pair<double, std::size_t>> out;
  for (const std::size_t other : reference) {
    if (other != me) out.emplace_back(Distance(points[me], points[other]), other);
  }
  const std::size_t kept = std::min(kNeighbours, out.size());
  std::partial_sort(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(kept), out.end());
  out.resize(kept);
  return out;
}

// How much further a row is from its neighbours than these are from theirs (Breunig et al. 2000, with one distance each).
double Sparseness(const std::vector<Point>& points, const std::vector<std::size_t>& reference, std::size_t me) {
  const auto near = Neighbours(points, reference, me);
  if (near.empty()) return 0;
  double theirs = 0;
  for (const auto& [distance, other] : near) theirs += Neighbours(points, reference, other).back().first;
  return near.back().first / std::max(theirs / static_cast<double>(near.size()), 1e-9);
}

class Outliers final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    const std::int64_t all = evidence.snapshot->rows();
    if (all < static_cast<std::int64_t>(kEnoughRows)) return out;
    const std::vector<std::int64_t> rows = SomeRows(evidence, kMostRows);
    std::vector<std::string> names;
    std::vector<Point> points(rows.size());
    for (const std::string& name : FeatureColumns(evidence)) {
      const table::ColumnProfile* profile = evidence.profile->Find(name);
      if (profile == nullptr || names.size() >= kMostColumns || profile->distinct() < 10) continue;
      if (profile->field().type != table::Type::kFloat64 && profile->field().type != table::Type::kInt64) continue;
      const double middle = profile->Quantile(0.5);
      double spread = profile->Quantile(0.95) - profile->Quantile(0.05);
      if (!(spread > 0)) spread = profile->stddev();
      if (!(spread > 0) || !std::isfinite(spread) || !std::isfinite(middle)) continue;
      TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(name));
      names.push_back(name);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const double value = IsMissing(column, rows[i]) ? middle : std::clamp(column.Number(rows[i]), -1e300, 1e300);
        points[i].push_back(std::asinh(4 * (value - middle) / spread));  // long tails are usual
      }
    }
    if (names.empty()) return out;
    const std::vector<double> scores = Isolation(points);
    TENON_TRY(call.Check());
    std::vector<std::size_t> order(rows.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    std::vector<std::size_t> reference;
    const std::size_t others = std::min(kReference, rows.size());
    for (std::size_t i = 0; i < others; ++i) reference.push_back(i * rows.size() / others);
    const ingest::Sensitive sensitive = dataset::SensitiveOf(evidence.snapshot->about());
    std::vector<std::string> shown;
    std::int64_t found = 0;
    for (std::size_t i = 0; i < std::min(kCandidates, order.size()) && scores[order[i]] >= kIsolated; ++i) {
      TENON_TRY(call.Check());
      if (Sparseness(points, reference, order[i]) < kSparse) continue;
      const Point& point = points[order[i]];
      const auto most = static_cast<std::size_t>(std::max_element(point.begin(), point.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }) - point.begin());
      TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(names[most]));
      const std::string value = sensitive.contains(names[most]) ? "***" : TextOf(column, rows[order[i]]);
      if (++found <= 5) shown.push_back(Str("row ", rows[order[i]] + 1, " (", names[most], " is ", value, ")"));
    }
    if (found == 0) return out;
    out.push_back({"", "", Severity::kInfo, Str(FormatCount(found), found == 1 ? " row" : " rows", " far from all others"),
                   Str("of ", FormatCount(static_cast<std::int64_t>(rows.size())), " rows looked at, these are told apart at once by an isolation forest and lie ", FormatShort(kSparse),
                       " times as far from their neighbours as these from theirs: ", Join(shown, ", "), found > 5 ? " and more" : ""),
                   "look whether they are real; wrong ones belong corrected at the source, and a bound under validate.columns keeps them out"});
    return out;
  }
};

}  // namespace

Result<void> AddOutliers(Kinds<Check>& kinds) {
  return kinds.Add("outliers",
                   {.summary = "Find rows that stand far from all others",
                    .when = "Numbers; a poisoned or mistyped row is seldom like any other",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Outliers>(); });
}

}  // namespace tenon::validate
