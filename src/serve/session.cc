#include "serve/session.h"

#include <algorithm>
#include <bit>

#include "base/hash.h"
#include "base/json.h"
#include "base/nested.h"
#include "base/text.h"
#include "base/time.h"
#include "serve/disguise.h"

namespace tenon::serve {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

constexpr double kMostWhole = 9223372036854775808.0;  // 2^63: no int64 column held more

std::string_view Wanted(table::Type type) {
  switch (type) {
    case table::Type::kBool: return "true or false";
    case table::Type::kInt64: return "a whole number";
    case table::Type::kString: return "a string";
    case table::Type::kTimestamp: return "a time such as \"2024-02-29T23:59:59Z\"";
    default: return "a number";
  }
}

// A text of the request in a message: quoted, cut where it is long.
std::string Shown(std::string_view text) {
  constexpr std::size_t kMost = 60;
  std::size_t end = std::min(text.size(), kMost);
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  std::string out;
  AppendJsonString(text.substr(0, end), &out);
  if (end < text.size()) out.insert(out.size() - 1, "...");
  return out;
}

}  // namespace

void Slots::Table::Reserve(std::size_t entries) {
  entries_.assign(std::bit_ceil(entries * 2 + 2), Entry{});
}

void Slots::Table::Add(std::string_view text, int slot) {
  const std::size_t mask = entries_.size() - 1;
  std::size_t at = Hash64(text) & mask;
  while (entries_[at].slot >= 0) at = (at + 1) & mask;
  entries_[at] = {std::string(text), slot};
}

bool Slots::Table::Has(std::string_view text, int slot, int* found) const {
  const std::size_t mask = entries_.size() - 1;
  for (std::size_t at = Hash64(text) & mask; entries_[at].slot >= 0; at = (at + 1) & mask) {
    if (entries_[at].text == text && (slot < 0 || entries_[at].slot == slot)) {
      if (found != nullptr) *found = entries_[at].slot;
      return true;
    }
  }
  return false;
}

Slots::Slots(const std::vector<Served::Field>& fields) {
  std::size_t texts = 0;
  for (const Served::Field& field : fields) texts += field.domain.size();
  names_.Reserve(fields.size());
  texts_.Reserve(texts);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    names_.Add(fields[i].name, static_cast<int>(i));
    order_.push_back(fields[i].name);
    has_domain_.push_back(!fields[i].domain.empty());
    for (const std::string& text : fields[i].domain) texts_.Add(text, static_cast<int>(i));
  }
}

int Slots::Find(std::string_view name) const {
  int slot = -1;
  return names_.Has(name, -1, &slot) ? slot : -1;
}

bool Slots::Allows(int slot, std::string_view text) const {
  return !has_domain_[static_cast<std::size_t>(slot)] || texts_.Has(text, slot, nullptr);
}

std::vector<std::string> Slots::Names() const { return order_; }

bool Slots::AnyWithin(std::string_view object) const {
  return std::ranges::any_of(order_, [object](const std::string& name) { return LiesWithin(name, object); });
}

RowReader::RowReader(const Served& served) : served_(&served), slots_(served.fields) {
  row_.numbers.assign(served.fields.size(), kMissing);
  row_.texts.assign(served.fields.size(), std::string_view());
  given_.assign(served.fields.size(), 0);
  seen_.assign(served.fields.size(), 0);
}

void RowReader::Begin(int instance) {
  instance_ = instance;
  expected_ = 0;
  seen_count_ = 0;
  row_failed_ = false;
  std::fill(given_.begin(), given_.end(), std::uint8_t{0});
  std::fill(seen_.begin(), seen_.end(), std::uint8_t{0});
}

bool RowReader::Take(int slot) {
  std::uint8_t& given = given_[static_cast<std::size_t>(slot)];
  if (given != 0) return false;
  given = 1;
  expected_ = slot + 1;
  return true;
}

int RowReader::At(std::string_view name) {
  const auto& fields = served_->fields;
  int slot = expected_;
  if (static_cast<std::size_t>(slot) >= fields.size() || fields[static_cast<std::size_t>(slot)].name != name) {
    slot = slots_.Find(name);
  }
  if (slot < 0 && passes_) return -1;
  if (slot < 0 && std::ranges::find(served_->passed, name) != served_->passed.end()) return -1;
  if (slot < 0) {
    Problem(name, Str("unknown field", DidYouMean(name, slots_.Names())));
    return -1;
  }
  if (!Take(slot)) {
    Problem(name, "given twice");
    return -1;
  }
  return slot;
}

int RowReader::TakeExpected() {
  const int slot = expected_;
  if (static_cast<std::size_t>(slot) >= served_->fields.size()) return -1;
  if (Take(slot)) return slot;
  Problem(served_->fields[static_cast<std::size_t>(slot)].name, "given twice");
  return -1;
}

void RowReader::Problem(std::string_view field, std::string problem) {
  row_failed_ = true;
  if (errors_.size() < kMostErrors) errors_.push_back({instance_, std::string(field), std::move(problem)});
}

void RowReader::ProblemBefore(std::size_t back, std::string problem) {
  row_failed_ = true;
  if (errors_.size() < kMostErrors) errors_.push_back({instance_ - static_cast<int>(back), "", std::move(problem)});
}

void RowReader::Wrong(int slot, std::string_view got) {
  const Served::Field& field = served_->fields[static_cast<std::size_t>(slot)];
  Seen(slot);
  Problem(field.name, Str("expected ", Wanted(field.type), ", got ", got));
}

void RowReader::Number(int slot, double value) {
  const Served::Field& field = served_->fields[static_cast<std::size_t>(slot)];
  const bool whole = std::trunc(value) == value;
  if (field.type == table::Type::kFloat64 || (field.type == table::Type::kInt64 && whole && std::abs(value) <= kMostWhole)) {
    Seen(slot);
    row_.numbers[static_cast<std::size_t>(slot)] = value;
    if (!(value >= field.least && value <= field.most)) CheckRange(slot, value);
    return;
  }
  if (field.type == table::Type::kInt64 && whole) return Wrong(slot, Str(FormatDouble(value), ", which takes more than 64 bits"));
  Wrong(slot, FormatDouble(value));
}

// Without extremes (both 0) anything goes.
void RowReader::CheckRange(int slot, double value) {
  const Served::Field& field = served_->fields[static_cast<std::size_t>(slot)];
  if (field.least == 0 && field.most == 0) return;
  if (served_->strict) {
    Problem(field.name, Str("out of range: ", value, field.masked ? std::string() : Str(" is not within ", field.least, " to ", field.most)));
  } else {
    ++surprises_.out_of_range;
  }
}

void RowReader::Text(int slot, std::string_view value) {
  const Served::Field& field = served_->fields[static_cast<std::size_t>(slot)];
  if (field.type == table::Type::kString) {
    Seen(slot);
    row_.texts[static_cast<std::size_t>(slot)] = value.data() == nullptr ? std::string_view("", 0) : value;
    if (value.size() > served_->most_text) {
      return Problem(field.name, Str("a text of ", value.size(), " bytes; at most ", served_->most_text, " are taken"));
    }
    if (field.bytes) {
      if (auto good = served_->predictor->graph().CheckBytes(static_cast<std::size_t>(slot), value); !good) Problem(field.name, std::string(good.error().message()));
      return;
    }
    if (slots_.Allows(slot, value)) return;
    if (served_->strict) {
      Problem(field.name, Str("unseen value ", Shown(value), field.masked ? std::string() : DidYouMean(value, field.domain)));
    } else {
      ++surprises_.unseen;
    }
    return;
  }
  Micros at = 0;
  if (field.type == table::Type::kTimestamp && ParseTimestamp(value, &at)) {
    Seen(slot);
    row_.numbers[static_cast<std::size_t>(slot)] = static_cast<double>(at);
    return;
  }
  Wrong(slot, Shown(value));
}

void RowReader::Bool(int slot, bool value) {
  if (served_->fields[static_cast<std::size_t>(slot)].type != table::Type::kBool) {
    return Wrong(slot, value ? "true" : "false");
  }
  Seen(slot);
  row_.numbers[static_cast<std::size_t>(slot)] = value ? 1 : 0;
}

bool RowReader::End() {
  if (seen_count_ == seen_.size()) return !row_failed_;
  for (std::size_t i = 0; i < seen_.size(); ++i) {
    if (seen_[i] != 0) continue;
    row_.numbers[i] = kMissing;
    row_.texts[i] = {};
    if (served_->fields[i].required) Problem(served_->fields[i].name, "missing");
  }
  return !row_failed_;
}

Rows::Rows(const Served& served) {
  const std::size_t slots = served.fields.size();
  for (const Served::Field& field : served.fields) {
    is_text_.push_back(field.type == table::Type::kString || field.type == table::Type::kEmbedding);
  }
  numbers_.resize(slots);
  texts_.resize(slots);
  number_columns_.resize(slots);
  text_columns_.resize(slots);
}

void Rows::Room(std::size_t n) {
  if (n <= room_) return;
  room_ = std::max<std::size_t>(n, room_ * 2);
  for (std::size_t i = 0; i < numbers_.size(); ++i) {
    numbers_[i].resize(room_, kMissing);
    if (is_text_[i]) texts_[i].resize(room_);
    number_columns_[i] = numbers_[i].data();
    text_columns_[i] = is_text_[i] ? texts_[i].data() : nullptr;
  }
}

void Rows::Add(const Row& row) {
  ++changes_;
  Room(size_ + 1);
  for (std::size_t i = 0; i < numbers_.size(); ++i) {
    if (is_text_[i]) {
      texts_[i][size_] = row.texts[i];
    } else {
      numbers_[i][size_] = row.numbers[i];
    }
  }
  ++size_;
}

void Rows::Reset(std::size_t n) {
  ++changes_;
  Room(n);
  for (std::size_t i = 0; i < numbers_.size(); ++i) {
    if (is_text_[i]) {
      std::fill_n(texts_[i].begin(), n, std::string_view());
    } else {
      std::fill_n(numbers_[i].begin(), n, kMissing);
    }
  }
  size_ = n;
}

void Rows::Get(std::size_t i, Row* row) const {
  row->numbers.resize(numbers_.size());
  row->texts.resize(numbers_.size());
  for (std::size_t slot = 0; slot < numbers_.size(); ++slot) {
    row->numbers[slot] = is_text_[slot] ? kMissing : numbers_[slot][i];
    row->texts[slot] = is_text_[slot] ? texts_[slot][i] : std::string_view();
  }
}

Session::Session(std::shared_ptr<const Served> served) : served_(std::move(served)), reader_(*served_), rows_(*served_) {
  contributions_.resize(served_->fields.size());
}

model::Prediction Session::Predict() {
  const Row& row = reader_.row();
  model::Prediction prediction = served_->predictor->PredictRow(row.numbers.data(), row.texts.data(), scratch_);
  if (prediction.problem != nullptr) {
    reader_.Problem("", std::string(prediction.problem->message()));
  } else if (served_->disguise.any()) {
    ApplyDisguise(*served_, row, prediction.values, &disguised_);
    prediction.values = disguised_;
    prediction.decision = served_->predictor->Decide(disguised_.data());
  }
  return prediction;
}

std::span<const float> Session::PredictRows() {
  const std::size_t n = rows_.size();
  const model::Predictor& predictor = *served_->predictor;
  const auto outputs = static_cast<std::size_t>(predictor.outputs());
  values_.resize(std::max(values_.size(), n * outputs));
  // Setting up a batch costs more than one row, and a model that reads columns takes rows alone.
  by_cheap_.assign(n, 0);
  if (n == 1 || predictor.reads_columns()) {
    for (std::size_t i = 0; i < n; ++i) {
      rows_.Get(i, &row_);
      const model::Prediction prediction = predictor.PredictRow(row_.numbers.data(), row_.texts.data(), scratch_);
      if (prediction.problem != nullptr) reader_.ProblemBefore(n - 1 - i, std::string(prediction.problem->message()));
      std::ranges::copy(prediction.values, values_.begin() + static_cast<std::ptrdiff_t>(i * outputs));
      by_cheap_[i] = prediction.cheap ? 1 : 0;
    }
  } else {
    predictor.PredictSlots(rows_.number_columns_.data(), rows_.text_columns_.data(), static_cast<std::int64_t>(n), values_.data(), scratch_);
    if (predictor.cascade() != nullptr) by_cheap_.assign(scratch_.by_cheap.begin(), scratch_.by_cheap.end());
  }
  DisguiseRows();
  return {values_.data(), n * outputs};
}

void Session::DisguiseRows() {
  const auto outputs = static_cast<std::size_t>(served_->predictor->outputs());
  for (std::size_t i = 0; i < rows_.size() && served_->disguise.any(); ++i) {
    rows_.Get(i, &row_);
    ApplyDisguise(*served_, row_, std::span<const float>(values_).subspan(i * outputs, outputs), &disguised_);
    std::ranges::copy(disguised_, values_.begin() + static_cast<std::ptrdiff_t>(i * outputs));
  }
}

std::span<const float> Session::PredictTogether(std::size_t size) {
  const std::size_t n = rows_.size();
  const model::Predictor& predictor = *served_->predictor;
  if (n == 0 || size < 2 || predictor.cascade() != nullptr || !predictor.reads_columns()) return PredictRows();
  const auto outputs = static_cast<std::size_t>(predictor.outputs());
  const std::size_t most = std::max(n, size);
  numbers_.clear();
  texts_.clear();
  for (std::size_t i = 0; i < most; ++i) {
    if (i < n) rows_.Get(i, &row_);  // the last one is repeated
    numbers_.insert(numbers_.end(), row_.numbers.begin(), row_.numbers.end());
    texts_.insert(texts_.end(), row_.texts.begin(), row_.texts.end());
  }
  values_.resize(std::max(values_.size(), most * outputs));
  // A row that the model cannot take fails them all: then each is asked alone, so that it fails alone.
  if (!predictor.PredictTogether(numbers_.data(), texts_.data(), static_cast<std::int64_t>(most), values_.data())) return PredictRows();
  by_cheap_.assign(n, 0);
  DisguiseRows();
  return {values_.data(), n * outputs};
}

Result<model::Attribution> Session::Explain(std::size_t i, int output, double* base) {
  if (rows_.size() < 2 || !served_->predictor->explains_together()) {
    rows_.Get(i, &row_);
    return ExplainRow(row_, output, base);
  }
  if (together_.changes != rows_.changes_ || i - together_.from >= together_.rows) ExplainTogether(i);
  const std::size_t at = (i - together_.from) * static_cast<std::size_t>(served_->predictor->outputs()) + static_cast<std::size_t>(output);
  contributions_.assign(together_.by_field.begin() + static_cast<std::ptrdiff_t>(at * served_->fields.size()),
                        together_.by_field.begin() + static_cast<std::ptrdiff_t>((at + 1) * served_->fields.size()));
  *base = together_.base[at];
  if (served_->disguise.any()) RoundParts(served_->disguise, &contributions_, base);
  return model::Attribution{};
}

// Rows from row `from` of rows_ on.
void Session::ExplainTogether(std::size_t from) {
  constexpr std::size_t kMost = 16;
  const model::Predictor& predictor = *served_->predictor;
  together_.from = from;
  together_.rows = std::min(kMost, rows_.size() - from);
  together_.changes = rows_.changes_;
  numbers_.clear();
  texts_.clear();
  for (std::size_t i = from; i < from + together_.rows; ++i) {
    rows_.Get(i, &row_);
    numbers_.insert(numbers_.end(), row_.numbers.begin(), row_.numbers.end());
    texts_.insert(texts_.end(), row_.texts.begin(), row_.texts.end());
  }
  together_.base.resize(together_.rows * static_cast<std::size_t>(predictor.outputs()));
  together_.by_field.resize(together_.base.size() * served_->fields.size());
  predictor.ExplainRows(numbers_.data(), texts_.data(), static_cast<std::int64_t>(together_.rows), together_.by_field.data(), together_.base.data(),
                        scratch_);
}

Result<model::Attribution> Session::ExplainRow(const Row& row, int output, double* base) {
  auto explained = served_->predictor->ExplainRow(row.numbers.data(), row.texts.data(), output, contributions_, {}, base, scratch_);
  if (explained.ok() && served_->disguise.any()) RoundParts(served_->disguise, &contributions_, base);
  return explained;
}

}  // namespace tenon::serve
