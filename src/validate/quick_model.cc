#include "validate/quick_model_internal.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <unordered_map>

#include "base/hash.h"

namespace tenon::validate {
namespace {

constexpr std::size_t kFolds = 3;
constexpr int kRounds = 12;
constexpr double kRate = 0.4;
constexpr double kRidge = 5;
constexpr std::size_t kBins = 32;
constexpr std::size_t kEnoughRows = 200;
constexpr std::size_t kMostClasses = 20;
constexpr std::size_t kMostColumns = 60;

Binned OfTexts(const table::Column& column, const std::vector<std::int64_t>& rows, std::size_t most) {
  std::unordered_map<std::uint64_t, std::int64_t> counts;
  std::vector<std::uint64_t> hashes;
  for (const std::int64_t row : rows) {
    hashes.push_back(IsMissing(column, row) ? 0 : Hash64(TextOf(column, row)) | 1);
    ++counts[hashes.back()];
  }
  counts.erase(0);
  std::vector<std::pair<std::uint64_t, std::int64_t>> order(counts.begin(), counts.end());
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.second != b.second ? a.second > b.second : a.first < b.first; });
  std::unordered_map<std::uint64_t, std::uint8_t> bin_of = {{0, 0}};
  const std::size_t kept = std::min(order.size(), most - 2);
  for (std::size_t i = 0; i < kept; ++i) bin_of[order[i].first] = static_cast<std::uint8_t>(i + 1);
  Binned out;
  out.bins = kept + 2;
  for (const std::uint64_t hash : hashes) {
    const auto at = bin_of.find(hash);
    out.bin.push_back(at != bin_of.end() ? at->second : static_cast<std::uint8_t>(kept + 1));
  }
  return out;
}

Binned OfNumbers(const table::Column& column, const std::vector<std::int64_t>& rows, std::size_t most) {
  std::vector<double> values;
  for (const std::int64_t row : rows) {
    if (!IsMissing(column, row)) values.push_back(column.Number(row));
  }
  std::sort(values.begin(), values.end());
  std::vector<double> edges;  // a value's bin is the number of edges at or below it
  for (std::size_t i = 1; i + 1 < most && !values.empty(); ++i) {
    const double edge = values[i * values.size() / (most - 1)];
    if ((edges.empty() || edge > edges.back()) && edge > values.front()) edges.push_back(edge);
  }
  Binned out;
  out.bins = edges.size() + 2;
  for (const std::int64_t row : rows) {
    if (IsMissing(column, row)) {
      out.bin.push_back(0);
      continue;
    }
    const auto at = std::upper_bound(edges.begin(), edges.end(), column.Number(row)) - edges.begin();
    out.bin.push_back(static_cast<std::uint8_t>(at + 1));
  }
  return out;
}

// Scores of all rows for one fold, learnt on the others: margins are rows x classes.
void LearnFold(const std::vector<Binned>& columns, const std::vector<int>& labels, const std::vector<std::size_t>& folds,
               std::size_t fold, std::size_t classes, std::vector<double>* margins, std::vector<double>* chances) {
  const std::size_t rows = labels.size();
  std::vector<double> share(classes, 0.5);
  double learnt = 0.5 * static_cast<double>(classes);
  for (std::size_t i = 0; i < rows; ++i) {
    if (folds[i] == fold) continue;
    share[static_cast<std::size_t>(labels[i])] += 1;
    learnt += 1;
  }
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t c = 0; c < classes; ++c) (*margins)[i * classes + c] = std::log(share[c] / learnt);
  }
  const auto soften = [&] {
    for (std::size_t i = 0; i < rows; ++i) {
      double* row = chances->data() + i * classes;
      const double* margin = margins->data() + i * classes;
      const double top = *std::max_element(margin, margin + classes);
      double sum = 0;
      for (std::size_t c = 0; c < classes; ++c) sum += row[c] = std::exp(margin[c] - top);
      for (std::size_t c = 0; c < classes; ++c) row[c] /= sum;
    }
  };
  std::vector<double> slope;
  std::vector<double> curve;
  for (int round = 0; round < kRounds; ++round) {
    for (const Binned& column : columns) {
      soften();
      slope.assign(column.bins * classes, 0);
      curve.assign(column.bins * classes, kRidge);
      for (std::size_t i = 0; i < rows; ++i) {
        if (folds[i] == fold) continue;
        const std::size_t at = column.bin[i] * classes;
        for (std::size_t c = 0; c < classes; ++c) {
          const double p = (*chances)[i * classes + c];
          slope[at + c] += (static_cast<std::size_t>(labels[i]) == c ? 1 : 0) - p;
          curve[at + c] += p * (1 - p);
        }
      }
      for (std::size_t i = 0; i < slope.size(); ++i) slope[i] *= kRate / curve[i];
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t c = 0; c < classes; ++c) (*margins)[i * classes + c] += slope[column.bin[i] * classes + c];
      }
    }
  }
  soften();
}

// Few rows make a model too sure of itself: all chances are drawn together by one power, the one under which the labels
// that were not learnt from are likeliest (temperature scaling; Guo et al. 2017).
void Temper(QuickModel* model) {
  double best_loss = std::numeric_limits<double>::infinity();
  std::vector<double> best;
  for (const double power : {1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3}) {
    std::vector<double> chances = model->chances;
    double loss = 0;
    for (std::size_t i = 0; i < model->rows.size(); ++i) {
      double* row = chances.data() + i * model->classes;
      double sum = 0;
      for (std::size_t c = 0; c < model->classes; ++c) sum += row[c] = std::pow(std::max(row[c], 1e-9), power);
      for (std::size_t c = 0; c < model->classes; ++c) row[c] /= sum;
      loss -= std::log(row[model->labels[i]]);
    }
    if (loss >= best_loss) break;
    best_loss = loss;
    best = std::move(chances);
  }
  model->chances = std::move(best);
}

}  // namespace

Binned BinsOf(const table::Column& column, const std::vector<std::int64_t>& rows, std::size_t most) {
  return column.type() == table::Type::kString ? OfTexts(column, rows, most) : OfNumbers(column, rows, most);
}

Result<QuickModel> OutOfFold(const Call& call, const Evidence& evidence, const Target& target, std::size_t most) {
  QuickModel out;
  if (!target.found || !target.classes || target.names.size() < 2 || target.names.size() > kMostClasses) return out;
  std::vector<std::int64_t> rows;
  for (std::size_t i = 0; i < target.values.size(); ++i) {
    if (std::isfinite(target.values[i])) rows.push_back(static_cast<std::int64_t>(i));
  }
  if (rows.size() < kEnoughRows) return out;
  // Work is rows x columns x classes: many classes get fewer rows.
  const std::size_t kept = std::min({rows.size(), most, std::max<std::size_t>(1000, 2 * most / target.names.size())});
  std::vector<std::size_t> folds;
  for (std::size_t i = 0; i < kept; ++i) {
    const std::int64_t row = rows[i * rows.size() / kept];
    out.rows.push_back(row);
    out.labels.push_back(static_cast<int>(target.values[static_cast<std::size_t>(row)]));
    folds.push_back(static_cast<std::size_t>(Hash64(static_cast<std::uint64_t>(row)) % kFolds));
  }
  std::vector<Binned> columns;
  for (const std::string& name : FeatureColumns(evidence)) {
    TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(name));
    const table::ColumnProfile* profile = evidence.profile->Find(name);
    const bool names_rows = column.type() == table::Type::kString && profile != nullptr && profile->distinct() > 0.5 * static_cast<double>(profile->count());
    if (column.type() == table::Type::kEmbedding || names_rows || columns.size() >= kMostColumns) continue;
    columns.push_back(BinsOf(column, out.rows, kBins));
  }
  if (columns.empty()) return QuickModel();
  out.classes = target.names.size();
  out.chances.resize(kept * out.classes);
  std::vector<double> margins(out.chances.size());
  std::vector<double> chances(out.chances.size());
  for (std::size_t fold = 0; fold < kFolds; ++fold) {
    TENON_TRY(call.Check());
    LearnFold(columns, out.labels, folds, fold, out.classes, &margins, &chances);
    for (std::size_t i = 0; i < kept; ++i) {
      if (folds[i] == fold) std::copy_n(chances.begin() + static_cast<std::ptrdiff_t>(i * out.classes), out.classes, out.chances.begin() + static_cast<std::ptrdiff_t>(i * out.classes));
    }
  }
  Temper(&out);
  return out;
}

}  // namespace tenon::validate
