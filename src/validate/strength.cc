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

// Rows that share their category and fold are alike in all that follows, so they are counted once and then looked at as
// one: that is what keeps many classes cheap.
struct Grouped {
  std::size_t classes = 0;
  std::vector<std::size_t> category;  // of each group
  std::vector<double> rows;           // of each group
  std::vector<double> of_class;       // group x class: its rows
  std::vector<double> category_rows;
};

Grouped GroupRows(const std::vector<std::int32_t>& categories, std::size_t count, const std::vector<int>& folds,
                  const std::vector<double>& labels, const std::vector<std::size_t>& class_at, std::size_t classes) {
  Grouped out;
  out.classes = classes;
  out.category_rows.assign(count, 0);
  std::vector<std::int32_t> group_at(count * kFolds, -1);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto category = static_cast<std::size_t>(categories[i]);
    std::int32_t& group = group_at[category * kFolds + static_cast<std::size_t>(folds[i])];
    if (group < 0) {
      group = static_cast<std::int32_t>(out.category.size());
      out.category.push_back(category);
      out.rows.push_back(0);
      out.of_class.resize(out.of_class.size() + classes, 0);
    }
    out.category_rows[category] += 1;
    out.rows[static_cast<std::size_t>(group)] += 1;
    const std::size_t c = class_at[static_cast<std::size_t>(labels[i])];
    if (c < classes) out.of_class[static_cast<std::size_t>(group) * classes + c] += 1;
  }
  return out;
}

// The area under the ROC curve of class `c` against the rest, each group scored by the share of the class in its category
// over the other folds, drawn a little to the overall share.
double AreaOfClass(const Grouped& grouped, std::size_t c, double share) {
  std::vector<double> in_category(grouped.category_rows.size(), 0);
  const std::size_t groups = grouped.rows.size();
  for (std::size_t g = 0; g < groups; ++g) in_category[grouped.category[g]] += grouped.of_class[g * grouped.classes + c];
  std::vector<double> score(groups);
  std::vector<std::size_t> order(groups);
  std::iota(order.begin(), order.end(), 0U);
  for (std::size_t g = 0; g < groups; ++g) {
    const std::size_t category = grouped.category[g];
    score[g] = (in_category[category] - grouped.of_class[g * grouped.classes + c] + share) /
               (grouped.category_rows[category] - grouped.rows[g] + 1);
  }
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return score[a] < score[b]; });
  double below = 0;  // rows of the rest with a lower score
  double won = 0;
  double positives = 0;
  for (std::size_t i = 0; i < groups;) {
    double here = 0;
    double rest = 0;
    const double at = score[order[i]];
    for (; i < groups && score[order[i]] == at; ++i) {
      const double of_class = grouped.of_class[order[i] * grouped.classes + c];
      here += of_class;
      rest += grouped.rows[order[i]] - of_class;
    }
    won += here * (below + rest / 2);
    below += rest;
    positives += here;
  }
  return positives > 0 && below > 0 ? won / (positives * below) : 0.5;
}

// Numbers to predict: the mean of the label for each row's category, over the rows of the other folds.
std::vector<double> OutOfFoldMeans(const std::vector<std::int32_t>& categories, std::size_t count,
                                   const std::vector<int>& folds, const std::vector<double>& labels) {
  std::vector<double> sums(count * kFolds, 0);
  std::vector<double> rows(count * kFolds, 0);
  std::vector<double> category_sums(count, 0);
  std::vector<double> category_rows(count, 0);
  const auto at = [&](std::size_t i) { return static_cast<std::size_t>(categories[i]) * kFolds + static_cast<std::size_t>(folds[i]); };
  for (std::size_t i = 0; i < labels.size(); ++i) {
    sums[at(i)] += labels[i];
    rows[at(i)] += 1;
    category_sums[static_cast<std::size_t>(categories[i])] += labels[i];
    category_rows[static_cast<std::size_t>(categories[i])] += 1;
  }
  const double mean = std::accumulate(labels.begin(), labels.end(), 0.0) / static_cast<double>(labels.size());
  std::vector<double> out(labels.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto category = static_cast<std::size_t>(categories[i]);
    out[i] = (category_sums[category] - sums[at(i)] + mean) / (category_rows[category] - rows[at(i)] + 1);
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
  std::vector<std::size_t> class_at(target.names.size(), largest.size());
  for (std::size_t c = 0; c < largest.size(); ++c) class_at[largest[c]] = c;
  const Grouped grouped = GroupRows(categories, count, folds, labels, class_at, largest.size());
  double sum = 0;
  double weight = 0;
  for (std::size_t c = 0; c < largest.size(); ++c) {
    const double of_class = rows[largest[c]];
    sum += of_class * AreaOfClass(grouped, c, of_class / static_cast<double>(labels.size()));
    weight += of_class;
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
