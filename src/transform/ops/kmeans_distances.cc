// Numbers to their distances from the middles of the groups that the training rows form (k-means; Lloyd 1957, started as by
// Arthur & Vassilvitskii 2007).

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "base/hash.h"
#include "transform/points_internal.h"
#include "transform/numbers_internal.h"

namespace tenon::transform {
namespace {

constexpr std::size_t kMostInputs = 128;
constexpr std::size_t kSample = 4096;

struct Settings {
  std::int64_t groups = 8;
  bool scale = true;
  bool nearest = false;
  std::int64_t seed = 0;
};

// Rows with how often each came.
struct Points {
  std::size_t inputs = 0;
  std::vector<double> values;  // row by row
  std::vector<double> weights;
  std::size_t size() const { return weights.size(); }
  const double* at(std::size_t row) const { return values.data() + row * inputs; }
};

double Squared(const double* a, const double* b, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

// A share in 0 <= . < 1 by number.
double Draw(std::uint64_t seed, std::uint64_t number) { return static_cast<double>(Hash64(number, seed) >> 11) * 0x1p-53; }

// One start and its improvement. Returns the weighted sum of squared distances.
double Cluster(const Points& points, std::size_t groups, std::uint64_t seed, std::vector<double>* centres) {
  const std::size_t n = points.inputs;
  std::vector<double> nearest(points.size(), std::numeric_limits<double>::infinity());
  centres->clear();
  for (std::size_t g = 0; g < groups; ++g) {
    double sum = 0;
    for (std::size_t i = 0; i < points.size(); ++i) sum += points.weights[i] * (g == 0 ? 1 : nearest[i]);
    double left = Draw(seed, g) * sum;
    std::size_t chosen = points.size() - 1;
    for (std::size_t i = 0; i < points.size(); ++i) {
      left -= points.weights[i] * (g == 0 ? 1 : nearest[i]);
      if (left < 0) {
        chosen = i;
        break;
      }
    }
    centres->insert(centres->end(), points.at(chosen), points.at(chosen) + n);
    for (std::size_t i = 0; i < points.size(); ++i) nearest[i] = std::min(nearest[i], Squared(points.at(i), points.at(chosen), n));
  }
  std::vector<std::size_t> of(points.size(), groups);
  double cost = 0;
  for (int round = 0; round < 100; ++round) {
    bool moved = false;
    cost = 0;
    std::vector<double> sums(groups * n);
    std::vector<double> weights(groups);
    for (std::size_t i = 0; i < points.size(); ++i) {
      std::size_t best = 0;
      double least = std::numeric_limits<double>::infinity();
      for (std::size_t g = 0; g < groups; ++g) {
        const double distance = Squared(points.at(i), centres->data() + g * n, n);
        if (distance < least) {
          least = distance;
          best = g;
        }
      }
      moved = moved || of[i] != best;
      of[i] = best;
      cost += points.weights[i] * least;
      weights[best] += points.weights[i];
      for (std::size_t k = 0; k < n; ++k) sums[best * n + k] += points.weights[i] * points.at(i)[k];
    }
    if (!moved) break;
    for (std::size_t g = 0; g < groups; ++g) {
      for (std::size_t k = 0; k < n && weights[g] > 0; ++k) (*centres)[g * n + k] = sums[g * n + k] / weights[g];
    }
  }
  return cost;
}

// The sample: of all different rows those with the least hashes, so that it does not depend on the order of rows.
class Learned final : public State {
 public:
  Learned(Settings settings, std::size_t inputs) : settings_(settings), inputs_(inputs) {}

  void Add(std::span<const Lane> in, const double*, const std::uint8_t*, std::int64_t n) override {
    std::string bytes;
    for (std::int64_t row = 0; row < n; ++row) {
      bytes.clear();
      bool whole = true;
      for (const Lane& lane : in) {
        const double value = lane.numbers[row] + 0.0;  // no -0
        whole = whole && std::abs(value) < 1e100;
        bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
      }
      if (whole) Count({Hash64(bytes, 1), bytes}, 1);
    }
  }
  Result<void> Merge(const State& other) override {
    const auto* same = dynamic_cast<const Learned*>(&other);
    if (same == nullptr || same->inputs_ != inputs_) return Error(Code::kInternal, "states of different ops were merged");
    for (const auto& [key, count] : same->sample_) Count(key, count);
    return {};
  }
  Result<void> Finish() override {
    Points points{inputs_, {}, {}};
    for (const auto& [key, count] : sample_) {
      const std::size_t from = points.values.size();
      points.values.resize(from + inputs_);
      std::memcpy(points.values.data() + from, key.second.data(), inputs_ * sizeof(double));
      points.weights.push_back(static_cast<double>(count));
    }
    sample_.clear();
    Scale(points);
    const std::size_t groups = std::min(points.size(), static_cast<std::size_t>(settings_.groups));
    if (groups == 0) return {};
    double least = std::numeric_limits<double>::infinity();
    std::vector<double> found;
    for (std::uint64_t start = 0; start < 4; ++start) {
      const double cost = Cluster(points, groups, static_cast<std::uint64_t>(settings_.seed) * 4 + start, &found);
      if (cost >= least && !centres.empty()) continue;
      least = cost;
      centres = found;
    }
    Order();
    return {};
  }
  std::vector<std::string> Words() const override {
    std::vector<std::string> out;
    for (std::size_t group = 0; group < width(); ++group) {
      std::vector<double> middle;
      for (std::size_t i = 0; i < inputs_; ++i) middle.push_back(centres[group * inputs_ + i] * factors[i] + means[i]);
      out.push_back(Str("group ", group + 1, " around ", ListedNumbers(middle)));
    }
    return out;
  }
  std::string Save() const override {
    Writer out;
    for (const double mean : means) out.F64(mean);
    for (const double factor : factors) out.F64(factor);
    out.Size(centres.size());
    for (const double value : centres) out.F64(value);
    return out.Take();
  }
  Result<void> Load(std::string_view bytes) {
    Reader in(bytes);
    means.resize(inputs_);
    factors.resize(inputs_);
    for (double& mean : means) mean = in.F64();
    for (double& factor : factors) factor = in.F64();
    centres.resize(in.Size(8));
    if (centres.size() % inputs_ != 0) in.Fail();
    for (double& value : centres) value = in.F64();
    return in.Done();
  }
  std::size_t width() const { return centres.size() / inputs_; }

  std::vector<double> means, factors;  // (x - mean) / factor; without scaling the factors are 1
  std::vector<double> centres;         // of each group, so shifted and scaled

 private:
  using Key = std::pair<std::uint64_t, std::string>;
  void Count(const Key& key, std::int64_t times) {
    if (sample_.size() >= kSample && key > sample_.rbegin()->first) return;
    sample_[key] += times;
    if (sample_.size() > kSample) sample_.erase(std::prev(sample_.end()));
  }
  void Scale(Points& points) {
    means.assign(inputs_, 0);
    factors.assign(inputs_, 1);
    double all = 0;
    for (const double weight : points.weights) all += weight;
    if (all == 0) return;
    for (std::size_t k = 0; k < inputs_; ++k) {
      for (std::size_t i = 0; i < points.size(); ++i) means[k] += points.weights[i] * points.at(i)[k];
      means[k] /= all;
      double variance = 0;
      for (std::size_t i = 0; i < points.size(); ++i) {
        const double off = points.at(i)[k] - means[k];
        variance += points.weights[i] * off * off;
      }
      variance /= all;
      if (settings_.scale && variance > 0) factors[k] = std::sqrt(variance);
      for (std::size_t i = 0; i < points.size(); ++i) {
        double& value = points.values[i * inputs_ + k];
        value = (value - means[k]) / factors[k];
      }
    }
  }
  // Groups have no order of their own: by their middles.
  void Order() {
    std::vector<std::vector<double>> rows;
    for (std::size_t g = 0; g < width(); ++g) {
      const auto from = centres.begin() + static_cast<std::ptrdiff_t>(g * inputs_);
      rows.emplace_back(from, from + static_cast<std::ptrdiff_t>(inputs_));
    }
    std::sort(rows.begin(), rows.end());
    centres.clear();
    for (const auto& row : rows) centres.insert(centres.end(), row.begin(), row.end());
  }
  Settings settings_;
  std::size_t inputs_;
  std::map<Key, std::int64_t> sample_;
};

class KmeansDistances final : public PointOp<Learned, Settings> {
 public:
  explicit KmeansDistances(Settings settings) : PointOp(settings, "groups", kMostInputs) {}

  void Map(const State* state, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    const auto& learned = *static_cast<const Learned*>(state);
    double place[kMostInputs];
    for (std::int64_t row = 0; row < n; ++row) {
      Centre(learned, in, row, place);
      float* to = out[0].vectors + row * out[0].stride;
      std::size_t best = 0;
      double least = std::numeric_limits<double>::infinity();
      for (std::size_t g = 0; g < learned.width(); ++g) {
        const double distance = std::sqrt(Squared(place, learned.centres.data() + g * in.size(), in.size()));
        if (!settings().nearest) to[g] = static_cast<float>(distance);
        if (distance < least) {
          least = distance;
          best = g;
        }
      }
      if (settings().nearest && learned.width() > 0) to[best] = 1;
    }
  }
};

}  // namespace

Result<void> AddKmeansDistances(Kinds<Op>& kinds) {
  return kinds.Add(
      "kmeans_distances",
      {.summary = "Find groups of rows by numbers, and give the distances from their middles",
       .when = "Places, customers, machine states: a linear model can then treat each region by itself, and trees see several numbers at "
               "once. Learned from a sample of 4,096 different rows that is the same in any order. Missing and infinite numbers count as "
               "average.",
       .example = R"({"groups": 4})",
       .options = {{.name = "groups", .type = Option::Type::kInt, .fallback = 8, .help = "How many; fewer when there are fewer different rows",
                    .least = 1, .most = 1024},
                   {.name = "scale", .type = Option::Type::kBool, .fallback = true, .help = "Divide each number by its standard deviation first"},
                   {.name = "as", .type = Option::Type::kText, .fallback = "distances",
                    .help = "The distance from each group's middle, or 1 for the nearest group and 0 for others", .choices = {"distances", "nearest"}},
                   {.name = "seed", .type = Option::Type::kInt, .fallback = 0, .help = "Of the starts", .least = 0, .most = 1e9}}},
      [](const Options& options) -> Result<std::unique_ptr<Op>> {
        return std::make_unique<KmeansDistances>(
            Settings{options.Int("groups"), options.Bool("scale"), options.Text("as") == "nearest", options.Int("seed")});
      });
}

}  // namespace tenon::transform
