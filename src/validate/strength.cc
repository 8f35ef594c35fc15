// How strongly one column alone tells the label.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "base/hash.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

constexpr int kFolds = 5;
constexpr std::size_t kFewValues = 64;
constexpr std::size_t kMostClasses = 24;

// Average ranks from 1, equal values sharing theirs.
std::vector<double> RanksOf(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t i = 0; i < order.size();) {
    std::size_t j = i;
    while (j < order.size() && values[order[j]] == values[order[i]]) ++j;
    const double rank = 0.5 * static_cast<double>(i + j + 1);
    for (; i < j; ++i) ranks[order[i]] = rank;
  }
  return ranks;
}

double Correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const auto n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

// The area under the ROC curve of each class against the rest, from one ranking.
std::vector<double> AreasOf(const std::vector<double>& values, const std::vector<double>& classes, std::size_t class_count) {
  const std::vector<double> ranks = RanksOf(values);
  std::vector<double> rank_sums(class_count, 0);
  std::vector<double> rows(class_count, 0);
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    rank_sums[static_cast<std::size_t>(classes[i])] += ranks[i];
    rows[static_cast<std::size_t>(classes[i])] += 1;
  }
  std::vector<double> areas(class_count, 0.5);
  const auto n = static_cast<double>(values.size());
  for (std::size_t c = 0; c < class_count; ++c) {
    const double others = n - rows[c];
    if (rows[c] > 0 && others > 0) areas[c] = (rank_sums[c] - rows[c] * (rows[c] + 1) / 2) / (rows[c] * others);
  }
  return areas;
}

// The column's numbers in rank order, missing ones at one end.
double OfNumbers(const Target& target, const std::vector<double>& labels, std::vector<double> values, double missing_as) {
  for (double& value : values) {
    if (std::isnan(value)) value = missing_as;
  }
  if (!target.classes) return std::abs(Correlation(RanksOf(values), RanksOf(labels)));
  const std::vector<double> areas = AreasOf(values, labels, target.names.size());
  std::vector<double> rows(target.names.size(), 0);
  for (const double label : labels) rows[static_cast<std::size_t>(label)] += 1;
  double sum = 0;
  for (std::size_t c = 0; c < areas.size(); ++c) sum += rows[c] * std::max(areas[c], 1 - areas[c]);
  return sum / static_cast<double>(labels.size());
}

// The mean of `outcome` for each row's category, over the rows of the other folds, drawn a little to the overall mean.
std::vector<double> OutOfFoldMeans(const std::vector<std::int32_t>& categories, std::size_t count,
                                   const std::vector<int>& folds, const std::vector<double>& outcome) {
  std::vector<double> sums(count * kFolds, 0);
  std::vector<double> rows(count * kFolds, 0);
  for (std::size_t i = 0; i < outcome.size(); ++i) {
    const std::size_t at = static_cast<std::size_t>(categories[i]) * kFolds + static_cast<std::size_t>(folds[i]);
    sums[at] += outcome[i];
    rows[at] += 1;
  }
  const double mean = std::accumulate(outcome.begin(), outcome.end(), 0.0) / static_cast<double>(outcome.size());
  std::vector<double> encoded(count * kFolds);
  for (std::size_t category = 0; category < count; ++category) {
    for (std::size_t fold = 0; fold < kFolds; ++fold) {
      double sum = mean;
      double n = 1;
      for (std::size_t other = 0; other < kFolds; ++other) {
        if (other == fold) continue;
        sum += sums[category * kFolds + other];
        n += rows[category * kFolds + other];
      }
      encoded[category * kFolds + fold] = sum / n;
    }
  }
  std::vector<double> out(outcome.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = encoded[static_cast<std::size_t>(categories[i]) * kFolds + static_cast<std::size_t>(folds[i])];
  }
  return out;
}

double OfCategories(const Target& target, const std::vector<double>& labels, const std::vector<std::int32_t>& categories,
                    std::size_t count, const std::vector<int>& folds) {
  if (!target.classes) {
    return std::max(0.0, Correlation(RanksOf(OutOfFoldMeans(categories, count, folds, labels)), RanksOf(labels)));
  }
  std::vector<double> rows(target.names.size(), 0);
  for (const double label : labels) rows[static_cast<std::size_t>(label)] += 1;
  std::vector<std::size_t> largest(target.names.size());
  std::iota(largest.begin(), largest.end(), 0U);
  std::stable_sort(largest.begin(), largest.end(), [&](std::size_t a, std::size_t b) { return rows[a] > rows[b]; });
  largest.resize(std::min(largest.size(), kMostClasses));
  double sum = 0;
  double weight = 0;
  std::vector<double> outcome(labels.size());
  for (const std::size_t c : largest) {
    for (std::size_t i = 0; i < labels.size(); ++i) outcome[i] = labels[i] == static_cast<double>(c) ? 1 : 0;
    sum += rows[c] * AreasOf(OutOfFoldMeans(categories, count, folds, outcome), outcome, 2)[1];
    weight += rows[c];
  }
  return weight > 0 ? std::max(0.5, sum / weight) : 0.5;
}

}  // namespace

double StrengthOf(const Evidence& evidence, const Target& target, const table::Column& column,
                  const std::vector<std::int64_t>& rows) {
  const double nothing = target.classes ? 0.5 : 0;
  if (rows.size() < 20 || column.type() == table::Type::kEmbedding) return nothing;
  std::vector<double> labels;
  std::vector<int> folds;
  std::vector<double> numbers;
  std::vector<std::int32_t> categories;
  std::unordered_map<std::uint64_t, std::int32_t> known;
  const bool text = column.type() == table::Type::kString;
  const std::size_t most_categories = text ? rows.size() / 2 : kFewValues;
  for (const std::int64_t row : rows) {
    const auto at = static_cast<std::size_t>(row);
    labels.push_back(target.values[at]);
    const bool folded = evidence.split != nullptr && at < evidence.split->fold.size();
    folds.push_back(folded ? evidence.split->fold[at] % kFolds : static_cast<int>(Hash64(static_cast<std::uint64_t>(row)) % kFolds));
    const bool missing = IsMissing(column, row);
    if (!text) numbers.push_back(missing ? std::numeric_limits<double>::quiet_NaN() : column.Number(row));
    if (known.size() <= most_categories) {
      const std::uint64_t value = missing ? 0 : text ? Hash64(column.Text(row)) : std::bit_cast<std::uint64_t>(numbers.back());
      categories.push_back(known.try_emplace(Hash64(value, missing ? 1 : 2), static_cast<std::int32_t>(known.size())).first->second);
    }
  }
  double strength = nothing;
  if (!text) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    strength = OfNumbers(target, labels, numbers, -kInfinity);
    const bool any_missing = std::any_of(numbers.begin(), numbers.end(), [](double x) { return std::isnan(x); });
    if (any_missing) strength = std::max(strength, OfNumbers(target, labels, numbers, kInfinity));
  }
  // Nearly all different: an identifier or free text, about which means say nothing.
  if (known.size() <= most_categories && known.size() > 1) {
    strength = std::max(strength, OfCategories(target, labels, categories, known.size(), folds));
  }
  return strength;
}

}  // namespace tenon::validate
