#include "table/profile.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/hash.h"
#include "base/text.h"
#include "table/profile_internal.h"

namespace tenon::table {
namespace {

std::uint64_t KeyOf(double value) { return std::bit_cast<std::uint64_t>(value + 0.0); }  // -0 becomes 0

// The nearest integer; the ends of the range for what lies beyond.
std::int64_t WholeOf(double value) {
  if (value >= 0x1p63) return std::numeric_limits<std::int64_t>::max();
  if (value <= -0x1p63) return std::numeric_limits<std::int64_t>::min();
  return std::llround(value);
}

}  // namespace

ColumnProfile::State::State(const State& other)
    : field(other.field), count(other.count), missing(other.missing),
      infinities{other.infinities[0], other.infinities[1]}, zeros(other.zeros), negatives(other.negatives),
      least(other.least), most(other.most), shortest(other.shortest), longest(other.longest), length(other.length),
      weekly(other.weekly), norms(other.norms ? std::make_unique<ColumnProfile>(*other.norms) : nullptr),
      numbers(other.numbers), texts(other.texts),
      number_sketches(other.number_sketches ? std::make_unique<NumberSketches>(*other.number_sketches) : nullptr),
      text_sketches(other.text_sketches ? std::make_unique<TextSketches>(*other.text_sketches) : nullptr) {}

double ColumnProfile::State::ValueOf(std::uint64_t key) const {
  return whole() ? static_cast<double>(static_cast<std::int64_t>(key)) : std::bit_cast<double>(key);
}

std::string ColumnProfile::State::TextOf(std::uint64_t key) const {
  switch (field.type) {
    case Type::kBool: return key != 0 ? "true" : "false";
    case Type::kTimestamp: return FormatTimestamp(static_cast<std::int64_t>(key));
    case Type::kInt64: return std::to_string(static_cast<std::int64_t>(key));
    default: return FormatDouble(std::bit_cast<double>(key));
  }
}

void ColumnProfile::State::AddFinite(double value, std::uint64_t key, std::int64_t times) {
  if (finite() == 0) {
    least = most = value;
  } else {
    least = std::min(least, value);
    most = std::max(most, value);
  }
  count += times;
  zeros += value == 0 ? times : 0;
  negatives += value < 0 ? times : 0;
  Tally(value, key, times);
}

void ColumnProfile::State::Tally(double value, std::uint64_t key, std::int64_t times) {
  if (number_sketches == nullptr) {
    numbers.Add(key, times);
    if (numbers.size() > kExactDistinct) CollapseNumbers();
    return;
  }
  NumberSketches& to = *number_sketches;
  to.moments.Add(value, times);
  to.histogram.Add(value, times);
  const std::uint64_t code = Mix(key);
  to.distinct.Add(code);
  to.frequent.Add(&code, times);
}

void ColumnProfile::State::AddText(std::string_view text, std::int64_t times) {
  const auto size = static_cast<std::int64_t>(text.size());
  shortest = present() == 0 ? size : std::min(shortest, size);
  longest = std::max(longest, size);
  length += size * times;
  count += times;
  TallyText(text, Hash64(text), times);
}

void ColumnProfile::State::TallyText(std::string_view text, std::uint64_t hash, std::int64_t times) {
  if (text_sketches == nullptr) {
    texts.Add(text, hash, times);
    if (texts.size() > kExactDistinct) CollapseTexts();
    return;
  }
  // The hash, then the length and the first bytes, made to look random by the hash.
  std::uint64_t code[kTextCode / 8] = {hash};
  char head[kTextHead + 1] = {};
  head[0] = static_cast<char>(static_cast<std::uint8_t>(std::min<std::size_t>(text.size(), 255)));
  if (text.size() <= 16 && text.size() >= 8) {  // the usual length, without a call for a few bytes
    std::memcpy(head + 1, text.data(), 8);
    std::memcpy(head + text.size() - 7, text.data() + text.size() - 8, 8);
  } else {
    std::copy_n(text.data(), std::min(text.size(), kTextHead), head + 1);
  }
  std::memcpy(code + 1, head, sizeof head);
  for (std::uint64_t word = 1; word <= 3; ++word) code[word] ^= Mix(hash + word);
  text_sketches->distinct.Add(hash);
  text_sketches->frequent.Add(code, times);
}

void ColumnProfile::State::CollapseNumbers() {
  number_sketches = std::make_unique<NumberSketches>();
  const NumberCounts exact = std::move(numbers);
  numbers.Clear();
  Absorb(exact);
}

void ColumnProfile::State::CollapseTexts() {
  text_sketches = std::make_unique<TextSketches>();
  const TextCounts exact = std::move(texts);
  texts.Clear();
  Absorb(exact);
}

void ColumnProfile::State::Absorb(const NumberCounts& exact) {
  for (const NumberCounts::Entry& entry : exact.slots()) {
    if (entry.count != 0) Tally(ValueOf(entry.key), entry.key, entry.count);
  }
  Settle();
}

void ColumnProfile::State::Absorb(const TextCounts& exact) {
  for (const TextCounts::Entry& entry : exact.entries()) TallyText(entry.text, entry.hash, entry.count);
  Settle();
}

void ColumnProfile::State::Settle() {
  if (number_sketches != nullptr) number_sketches->frequent.Settle();
  if (text_sketches != nullptr) text_sketches->frequent.Settle();
}

std::vector<std::pair<double, std::int64_t>> ColumnProfile::State::Sorted() const {
  std::vector<std::pair<double, std::int64_t>> out;
  out.reserve(numbers.size());
  for (const NumberCounts::Entry& entry : numbers.slots()) {
    if (entry.count != 0) out.emplace_back(ValueOf(entry.key), entry.count);
  }
  std::sort(out.begin(), out.end());
  return out;
}

Moments ColumnProfile::State::AllMoments() const {
  if (number_sketches != nullptr) return number_sketches->moments;
  Moments out;
  for (const NumberCounts::Entry& entry : numbers.slots()) {
    if (entry.count != 0) out.Add(ValueOf(entry.key), entry.count);
  }
  return out;
}

ColumnProfile::ColumnProfile(Field field) : state_(std::make_unique<State>()) { state_->field = std::move(field); }
ColumnProfile::~ColumnProfile() = default;
ColumnProfile::ColumnProfile(const ColumnProfile& other) : state_(std::make_unique<State>(*other.state_)) {}
ColumnProfile::ColumnProfile(ColumnProfile&&) noexcept = default;
ColumnProfile& ColumnProfile::operator=(ColumnProfile&&) noexcept = default;

const Field& ColumnProfile::field() const { return state_->field; }

void ColumnProfile::AddNumber(double value) {
  State& state = *state_;
  if (std::isnan(value) || !state.numeric()) {
    AddMissing();
  } else if (std::isinf(value)) {
    ++state.count;
    ++state.infinities[value < 0 ? 1 : 0];
  } else if (state.whole()) {
    const std::int64_t whole = WholeOf(value);
    state.AddFinite(static_cast<double>(whole), static_cast<std::uint64_t>(whole), 1);
    if (state.field.type == Type::kTimestamp) state.AddMoment(whole, 1);
  } else {
    state.AddFinite(value + 0.0, KeyOf(value), 1);
  }
  state.Settle();
}

void ColumnProfile::AddText(std::string_view value) {
  if (state_->field.type != Type::kString) return AddMissing();
  state_->AddText(value, 1);
  state_->Settle();
}

void ColumnProfile::AddMissing(std::int64_t count) {
  state_->count += count;
  state_->missing += count;
}

Result<void> ColumnProfile::Merge(const ColumnProfile& other) {
  if (&other == this) return Merge(ColumnProfile(other));
  State& to = *state_;
  const State& from = *other.state_;
  if (to.field.type != from.field.type) {
    return Error(Code::kInvalidArgument, Str("the profile of '", to.field.name, "' is of ", NameOf(to.field.type),
                                             ", the other is of ", NameOf(from.field.type), "; profile both as one type"));
  }
  if (from.finite() > 0 && from.numeric()) {
    to.least = to.finite() == 0 ? from.least : std::min(to.least, from.least);
    to.most = to.finite() == 0 ? from.most : std::max(to.most, from.most);
  }
  if (from.present() > 0) {
    to.shortest = to.present() == 0 ? from.shortest : std::min(to.shortest, from.shortest);
    to.longest = std::max(to.longest, from.longest);
  }
  to.count += from.count;
  to.missing += from.missing;
  to.infinities[0] += from.infinities[0];
  to.infinities[1] += from.infinities[1];
  to.zeros += from.zeros;
  to.negatives += from.negatives;
  to.length += from.length;
  if (!from.weekly.empty()) {
    to.weekly.resize(from.weekly.size());
    for (std::size_t i = 0; i < from.weekly.size(); ++i) to.weekly[i] += from.weekly[i];
  }
  if (from.norms != nullptr) {
    if (to.norms == nullptr) to.norms = std::make_unique<ColumnProfile>(from.norms->field());
    TENON_TRY(to.norms->Merge(*from.norms));
  }
  // Sketches absorb exact counts; exact counts collapse when there are too many together.
  if (from.number_sketches != nullptr && to.number_sketches == nullptr) to.CollapseNumbers();
  if (from.text_sketches != nullptr && to.text_sketches == nullptr) to.CollapseTexts();
  if (from.number_sketches != nullptr) {
    to.number_sketches->moments.Merge(from.number_sketches->moments);
    to.number_sketches->histogram.Merge(from.number_sketches->histogram);
    to.number_sketches->distinct.Merge(from.number_sketches->distinct);
    to.number_sketches->frequent.Merge(from.number_sketches->frequent);
  }
  if (from.text_sketches != nullptr) {
    to.text_sketches->distinct.Merge(from.text_sketches->distinct);
    to.text_sketches->frequent.Merge(from.text_sketches->frequent);
  }
  to.Absorb(from.numbers);
  to.Absorb(from.texts);
  return {};
}

}  // namespace tenon::table
