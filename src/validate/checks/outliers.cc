// Rows that stand far from all others: an isolation forest (Liu, Ting, Zhou 2008) finds them, their density confirms. Rows that stand where
// others do not: their local outlier factor.

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
constexpr std::size_t kDensityReference = 1000;
constexpr std::size_t kDensityNeighbours = 20;
constexpr double kFactor = 4;            // local outlier factor: 1 is usual

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
std::vector<std::pair<double, std::size_t>> Neighbours(const std::vector<Point>& points, const std::vector<std::size_t>& reference, std::size_t me, std::size_t most) {
  std::vector<std::pair<double, std::size_t>> out;
  for (const std::size_t other : reference) {
    if (other != me) out.emplace_back(Distance(points[me], points[other]), other);
  }
  const std::size_t kept = std::min(most, out.size());
  std::partial_sort(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(kept), out.end());
  out.resize(kept);
  return out;
}

// How much further a row is from its neighbours than these are from theirs (Breunig et al. 2000, with one distance each).
double Sparseness(const std::vector<Point>& points, const std::vector<std::size_t>& reference, std::size_t me) {
  const auto near = Neighbours(points, reference, me, kNeighbours);
  if (near.empty()) return 0;
  double theirs = 0;
  for (const auto& [distance, other] : near) theirs += Neighbours(points, reference, other, kNeighbours).back().first;
  return near.back().first / std::max(theirs / static_cast<double>(near.size()), 1e-9);
}

// The rows that are looked at, as points of the numbers of each.
struct Table {
  std::vector<std::int64_t> rows;
  std::vector<std::string> names;
  std::vector<Point> points;
  std::vector<table::Column> columns;
};

Result<Table> TableOf(const Evidence& evidence) {
  Table out;
  out.rows = SomeRows(evidence, kMostRows);
  out.points.resize(out.rows.size());
  for (const std::string& name : FeatureColumns(evidence)) {
    const table::ColumnProfile* profile = evidence.profile->Find(name);
    if (profile == nullptr || out.names.size() >= kMostColumns || profile->distinct() < 10) continue;
    if (profile->field().type != table::Type::kFloat64 && profile->field().type != table::Type::kInt64) continue;
    const double middle = profile->Quantile(0.5);
    double spread = profile->Quantile(0.95) - profile->Quantile(0.05);
    if (!(spread > 0)) spread = profile->stddev();
    if (!(spread > 0) || !std::isfinite(spread) || !std::isfinite(middle)) continue;
    TENON_ASSIGN(table::Column column, evidence.snapshot->Column(name));
    out.names.push_back(name);
    for (std::size_t i = 0; i < out.rows.size(); ++i) {
      const double value = IsMissing(column, out.rows[i]) ? middle : std::clamp(column.Number(out.rows[i]), -1e300, 1e300);
      out.points[i].push_back(std::asinh(std::clamp(4 * (value - middle) / spread, -1e300, 1e300)));  // long tails are usual; between infinities is no distance
    }
    out.columns.push_back(std::move(column));
  }
  return out;
}

// Indices spread evenly over n.
std::vector<std::size_t> Spread(std::size_t n, std::size_t most) {
  std::vector<std::size_t> out;
  const std::size_t kept = std::min(n, most);
  for (std::size_t i = 0; i < kept; ++i) out.push_back(i * n / kept);
  return out;
}

// Rows that an isolation forest tells apart at once and that are far from their neighbours. In order of their scores.
Result<std::vector<std::size_t>> Isolated(const Call& call, const Table& table) {
  const std::vector<double> scores = Isolation(table.points);
  std::vector<std::size_t> order(table.rows.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  const std::vector<std::size_t> reference = Spread(table.rows.size(), kReference);
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < std::min(kCandidates, order.size()) && scores[order[i]] >= kIsolated; ++i) {
    TENON_TRY(call.Check());
    if (Sparseness(table.points, reference, order[i]) >= kSparse) out.push_back(order[i]);
  }
  return out;
}

// Rows whose surroundings are much emptier than those of their neighbours: the local outlier factor (Breunig et al. 2000) among some of the
// rows. It finds what lies between the others, where no cut of one column tells a row apart. Largest factors first.
Result<std::vector<std::size_t>> Sparse(const Call& call, const Table& table) {
  const std::vector<std::size_t> reference = Spread(table.rows.size(), kDensityReference);
  using Near = std::vector<std::pair<double, std::size_t>>;
  std::vector<Near> near(table.rows.size());
  for (std::size_t i = 0; i < near.size(); ++i) {
    if (i % 256 == 0) TENON_TRY(call.Check());
    near[i] = Neighbours(table.points, reference, i, kDensityNeighbours);
    if (near[i].size() < kDensityNeighbours) return std::vector<std::size_t>();
  }
  std::vector<double> reaches;
  for (const std::size_t r : reference) reaches.push_back(near[r].back().first);
  std::nth_element(reaches.begin(), reaches.begin() + static_cast<std::ptrdiff_t>(reaches.size() / 2), reaches.end());
  const double least = 0.2 * reaches[reaches.size() / 2];  // values that come again and again have no density
  if (!(least > 0)) return std::vector<std::size_t>();
  std::vector<double> spacing(near.size());  // one over the local reachability density
  for (std::size_t i = 0; i < near.size(); ++i) {
    double sum = 0;
    for (const auto& [distance, other] : near[i]) sum += std::max({near[other].back().first, distance, least});
    spacing[i] = sum / static_cast<double>(near[i].size());
  }
  std::vector<std::pair<double, std::size_t>> found;
  for (std::size_t i = 0; i < near.size(); ++i) {
    double density = 0;
    for (const auto& one : near[i]) density += 1 / spacing[one.second];
    const double factor = spacing[i] * density / static_cast<double>(near[i].size());
    if (factor >= kFactor) found.emplace_back(-factor, i);
  }
  std::ranges::sort(found);
  std::vector<std::size_t> out;
  if (found.size() * 200 > near.size() + 200) return out;  // of many it is how the data are
  for (const auto& [factor, i] : found) out.push_back(i);
  return out;
}

class Outliers final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    if (evidence.snapshot->rows() < static_cast<std::int64_t>(kEnoughRows)) return out;
    TENON_ASSIGN(const Table table, TableOf(evidence));
    if (table.names.empty()) return out;
    TENON_ASSIGN(const std::vector<std::size_t> isolated, Isolated(call, table));
    const ingest::Sensitive sensitive = dataset::SensitiveOf(evidence.snapshot->about());
    const auto value = [&](std::size_t i, std::size_t c) { return sensitive.contains(table.names[c]) ? std::string("***") : TextOf(table.columns[c], table.rows[i]); };
    const std::string looked = FormatCount(static_cast<std::int64_t>(table.rows.size()));
    const char* const fix = "look whether they are real; wrong ones belong corrected at the source, and a bound under validate.columns keeps them out";
    if (!isolated.empty()) {
      std::vector<std::string> shown;
      for (const std::size_t i : isolated) {
        if (shown.size() >= 5) break;
        const Point& point = table.points[i];
        const auto most = static_cast<std::size_t>(std::max_element(point.begin(), point.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }) - point.begin());
        shown.push_back(Str("row ", table.rows[i] + 1, " (", table.names[most], " is ", value(i, most), ")"));
      }
      out.push_back({"", "", Severity::kInfo, Str(isolated.size(), isolated.size() == 1 ? " row" : " rows", " far from all others"),
                     Str("of ", looked, " rows looked at, these are told apart at once by an isolation forest and lie ", FormatShort(kSparse),
                         " times as far from their neighbours as these from theirs: ", Join(shown, ", "), isolated.size() > 5 ? " and more" : ""), fix});
    }
    TENON_ASSIGN(std::vector<std::size_t> sparse, Sparse(call, table));
    std::erase_if(sparse, [&](std::size_t i) { return std::ranges::find(isolated, i) != isolated.end(); });
    if (sparse.empty()) return out;
    std::vector<std::string> shown;
    for (std::size_t s = 0; s < std::min<std::size_t>(5, sparse.size()); ++s) {
      std::vector<std::string> values;
      for (std::size_t c = 0; c < std::min<std::size_t>(4, table.names.size()); ++c) values.push_back(Str(table.names[c], " ", value(sparse[s], c)));
      shown.push_back(Str("row ", table.rows[sparse[s]] + 1, " (", Join(values, ", "), table.names.size() > 4 ? ", ..." : "", ")"));
    }
    out.push_back({"", "", Severity::kInfo, Str(sparse.size(), sparse.size() == 1 ? " row" : " rows", " where others are not"),
                   Str("of ", looked, " rows looked at, the surroundings of these are ", FormatShort(kFactor), " times as empty as those of their ", kDensityNeighbours,
                       " neighbours (local outlier factor): ", Join(shown, ", "), sparse.size() > 5 ? " and more" : ""), fix});
    return out;
  }
};

}  // namespace

Result<void> AddOutliers(Kinds<Check>& kinds) {
  return kinds.Add("outliers",
                   {.summary = "Find rows that stand far from all others, by isolation, and rows where others are not, by density",
                    .when = "Numbers; a poisoned or mistyped row is seldom like any other",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Outliers>(); });
}

}  // namespace tenon::validate
