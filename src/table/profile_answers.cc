// What a column's profile answers: statistics, quantiles, frequent values.

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/hash.h"
#include "base/text.h"
#include "table/profile_internal.h"

namespace tenon::table {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::uint64_t Word(const std::string& code, std::size_t from) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < 8; ++i) out |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(code[from + i])) << (8 * i);
  return out;
}

// The text of a code, shortened when it does not fit; false when the code cannot be one.
bool DecodeText(const std::string& code, std::string* out) {
  const std::uint64_t hash = Word(code, 0);
  std::string plain = code.substr(8);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const std::uint64_t noise = Mix(hash + i / 8 + 1);
    plain[i] = static_cast<char>(static_cast<std::uint8_t>(plain[i]) ^ static_cast<std::uint8_t>(noise >> (8 * (i % 8))));
  }
  const auto length = static_cast<std::size_t>(static_cast<std::uint8_t>(plain[0]));
  if (length <= kTextHead) {
    *out = plain.substr(1, length);
    return Hash64(*out) == hash;
  }
  std::size_t size = kTextHead;  // not in the midst of a character
  while (size > 0 && !IsUtf8(std::string_view(plain).substr(1, size)) && size > kTextHead - 4) --size;
  *out = plain.substr(1, size) + "\xE2\x80\xA6";
  return IsUtf8(*out);
}

bool NumberBelongs(std::size_t bucket, const std::string& code) {
  return FrequentSketch::BucketOf(Word(code, 0)) == bucket;
}

bool TextBelongs(std::size_t bucket, const std::string& code) {
  std::string text;
  return FrequentSketch::BucketOf(Word(code, 0)) == bucket && DecodeText(code, &text);
}

}  // namespace

std::int64_t ColumnProfile::count() const { return state_->count; }
std::int64_t ColumnProfile::missing() const { return state_->missing; }
bool ColumnProfile::numeric() const { return state_->numeric(); }
std::int64_t ColumnProfile::zeros() const { return state_->zeros; }
std::int64_t ColumnProfile::negatives() const { return state_->negatives + state_->infinities[1]; }
std::int64_t ColumnProfile::infinities() const { return state_->infinities[0] + state_->infinities[1]; }

double ColumnProfile::min() const {
  const State& state = *state_;
  if (!state.numeric() || state.present() == 0) return kNaN;
  if (state.infinities[1] > 0) return -kInfinity;
  return state.finite() > 0 ? state.least : kInfinity;
}

double ColumnProfile::max() const {
  const State& state = *state_;
  if (!state.numeric() || state.present() == 0) return kNaN;
  if (state.infinities[0] > 0) return kInfinity;
  return state.finite() > 0 ? state.most : -kInfinity;
}

double ColumnProfile::mean() const { return numeric() ? state_->AllMoments().Mean(state_->finite()) : kNaN; }
double ColumnProfile::stddev() const {
  return numeric() ? std::sqrt(state_->AllMoments().Variance(state_->finite())) : kNaN;
}
double ColumnProfile::skewness() const { return numeric() ? state_->AllMoments().Skewness(state_->finite()) : kNaN; }

double ColumnProfile::Quantile(double q) const {
  const State& state = *state_;
  if (!state.numeric() || state.present() == 0) return kNaN;
  // The position among the sorted values, between two of them in general.
  const double position = std::clamp(q, 0.0, 1.0) * static_cast<double>(state.present() - 1);
  const double last_finite = static_cast<double>(state.present() - state.infinities[0] - 1);
  if (position < static_cast<double>(state.infinities[1])) return -kInfinity;
  if (position > last_finite) return kInfinity;
  auto before = static_cast<double>(state.infinities[1]);
  if (state.number_sketches == nullptr) {
    const auto values = state.Sorted();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double after = before + static_cast<double>(values[i].second);
      if (position <= after - 1) return values[i].first;
      if (position < after && i + 1 < values.size()) {
        const double share = position - (after - 1);
        return values[i].first * (1 - share) + values[i + 1].first * share;
      }
      before = after;
    }
    return state.most;
  }
  for (const LogHistogram::Bucket& bucket : state.number_sketches->histogram.Buckets()) {
    before += static_cast<double>(bucket.count);
    if (position < before) return std::clamp(bucket.low / 2 + bucket.high / 2, state.least, state.most);
  }
  return state.most;
}

double ColumnProfile::CountAtMost(double x) const {
  const State& state = *state_;
  if (!state.numeric() || std::isnan(x)) return 0;
  if (x == kInfinity) return static_cast<double>(state.present());
  auto sum = static_cast<double>(state.infinities[1]);
  if (state.finite() == 0 || x < state.least) return sum;
  if (x >= state.most) return sum + static_cast<double>(state.finite());
  if (state.number_sketches == nullptr) {
    for (const NumberCounts::Entry& entry : state.numbers.slots()) {
      if (entry.count != 0 && state.ValueOf(entry.key) <= x) sum += static_cast<double>(entry.count);
    }
    return sum;
  }
  for (const LogHistogram::Bucket& bucket : state.number_sketches->histogram.Buckets()) {
    const double low = std::max(bucket.low, state.least);
    const double high = std::min(bucket.high, state.most);
    if (x < low) break;
    const double share = x >= high || high <= low ? 1 : (x - low) / (high - low);
    sum += share * static_cast<double>(bucket.count);
  }
  return sum;
}

std::vector<Bin> ColumnProfile::Histogram(int bins) const {
  const State& state = *state_;
  std::vector<Bin> out;
  if (!state.numeric() || state.finite() == 0 || bins < 1) return out;
  const double low = state.least;
  const double high = state.most;
  if (low == high) return {{low, high, static_cast<double>(state.finite())}};
  const auto edge = [&](int i) { return i == bins ? high : low * (1 - static_cast<double>(i) / bins) + high * (static_cast<double>(i) / bins); };
  for (int i = 0; i < bins; ++i) out.push_back({edge(i), edge(i + 1), 0});
  // The bin whose lower end is the last at or below x.
  const auto bin_of = [&](double x) {
    const auto after = std::upper_bound(out.begin(), out.end(), x, [](double value, const Bin& bin) { return value < bin.low; });
    return static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, after - out.begin() - 1));
  };
  if (state.number_sketches == nullptr) {
    for (const auto& [value, count] : state.Sorted()) out[bin_of(value)].count += static_cast<double>(count);
    return out;
  }
  // A bucket's values are spread evenly over the bins it touches.
  for (const LogHistogram::Bucket& bucket : state.number_sketches->histogram.Buckets()) {
    const double from = std::max(bucket.low, low);
    const double until = std::min(bucket.high, high);
    const std::size_t first = bin_of(from);
    const std::size_t last = bin_of(until);
    const auto count = static_cast<double>(bucket.count);
    if (first == last || until <= from) {
      out[first].count += count;
      continue;
    }
    for (std::size_t i = first; i <= last; ++i) {
      const double overlap = std::min(until, out[i].high) - std::max(from, out[i].low);
      out[i].count += count * std::max(0.0, overlap) / (until - from);
    }
  }
  return out;
}

double ColumnProfile::distinct() const {
  const State& state = *state_;
  double out = (state.infinities[0] > 0 ? 1 : 0) + (state.infinities[1] > 0 ? 1 : 0);
  if (state.number_sketches != nullptr) {
    out += state.number_sketches->distinct.Estimate();
  } else if (state.text_sketches != nullptr) {
    out += state.text_sketches->distinct.Estimate();
  } else {
    return out + static_cast<double>(state.numbers.size() + state.texts.size());
  }
  // It is known to lie between these.
  return std::clamp(std::round(out), static_cast<double>(kExactDistinct + 1), static_cast<double>(state.present()));
}

bool ColumnProfile::distinct_is_exact() const {
  return state_->number_sketches == nullptr && state_->text_sketches == nullptr;
}

std::vector<Frequency> ColumnProfile::Top(int most) const {
  const State& state = *state_;
  std::vector<Frequency> out;
  for (const NumberCounts::Entry& entry : state.numbers.slots()) {
    if (entry.count != 0) out.push_back({state.TextOf(entry.key), static_cast<double>(entry.count)});
  }
  for (const TextCounts::Entry& entry : state.texts.entries()) {
    out.push_back({entry.text, static_cast<double>(entry.count)});
  }
  if (state.number_sketches != nullptr) {
    for (const FrequentSketch::Found& found : state.number_sketches->frequent.Decode(NumberBelongs)) {
      const std::uint64_t key = Unmix(Word(found.code, 0));
      const double value = state.ValueOf(key);
      if (value >= state.least && value <= state.most) out.push_back({state.TextOf(key), found.count});
    }
  }
  if (state.text_sketches != nullptr) {
    for (const FrequentSketch::Found& found : state.text_sketches->frequent.Decode(TextBelongs)) {
      std::string text;
      if (DecodeText(found.code, &text)) out.push_back({std::move(text), found.count});
    }
  }
  if (state.infinities[0] > 0) out.push_back({"Infinity", static_cast<double>(state.infinities[0])});
  if (state.infinities[1] > 0) out.push_back({"-Infinity", static_cast<double>(state.infinities[1])});
  const auto before = [](const Frequency& a, const Frequency& b) {
    return a.count != b.count ? a.count > b.count : a.value < b.value;
  };
  const auto kept = std::min(out.size(), static_cast<std::size_t>(std::max(most, 0)));
  std::partial_sort(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(kept), out.end(), before);
  out.resize(kept);
  return out;
}

std::int64_t ColumnProfile::shortest() const { return state_->shortest; }
std::int64_t ColumnProfile::longest() const { return state_->longest; }
double ColumnProfile::mean_length() const {
  if (state_->field.type != Type::kString || state_->present() == 0) return 0;
  return static_cast<double>(state_->length) / static_cast<double>(state_->present());
}

std::vector<std::int64_t> ColumnProfile::Weekly() const {
  if (state_->field.type != Type::kTimestamp) return {};
  return state_->weekly.empty() ? std::vector<std::int64_t>(168) : state_->weekly;
}

const ColumnProfile* ColumnProfile::norms() const { return state_->norms.get(); }

Json ColumnProfile::ToJson() const {
  constexpr int kBins = 32;
  constexpr int kTop = 20;
  Json out = Json::MakeObject();
  out["name"] = field().name;
  out["type"] = NameOf(field().type);
  out["count"] = count();
  out["missing"] = missing();
  if (field().type == Type::kEmbedding) {
    if (norms() != nullptr) out["norms"] = norms()->ToJson();
    return out;
  }
  if (field().type == Type::kTimestamp) out["weekly"] = Json::ListOf(Weekly());
  out["distinct"] = distinct();
  out["distinct_is_exact"] = distinct_is_exact();
  if (numeric()) {
    out["min"] = min();
    out["max"] = max();
    out["mean"] = mean();
    out["stddev"] = stddev();
    out["skewness"] = skewness();
    out["zeros"] = zeros();
    out["negatives"] = negatives();
    out["infinities"] = infinities();
    Json quantiles = Json::MakeArray();
    for (const double q : {0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99}) {
      Json point = Json::MakeObject();
      point["q"] = q;
      point["value"] = Quantile(q);
      quantiles.Push(std::move(point));
    }
    out["quantiles"] = std::move(quantiles);
    Json bins = Json::MakeArray();
    for (const Bin& bin : Histogram(kBins)) {
      Json one = Json::MakeObject();
      one["low"] = bin.low;
      one["high"] = bin.high;
      one["count"] = bin.count;
      bins.Push(std::move(one));
    }
    out["histogram"] = std::move(bins);
  } else {
    out["shortest"] = shortest();
    out["longest"] = longest();
    out["mean_length"] = mean_length();
  }
  Json top = Json::MakeArray();
  for (const Frequency& frequency : Top(kTop)) {
    Json one = Json::MakeObject();
    one["value"] = frequency.value;
    one["count"] = frequency.count;
    top.Push(std::move(one));
  }
  out["top"] = std::move(top);
  return out;
}

}  // namespace tenon::table
