#include "ingest/records_internal.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"

namespace tenon::ingest {
namespace {

using table::Batch;
using table::Column;
using table::ColumnBuilder;
using table::Dictionary;
using table::Schema;
using table::Type;

constexpr std::int64_t kBatchRows = 65536;
constexpr std::size_t kMostDistinct = 65536;
constexpr std::int64_t kRowsBetweenChecks = 4096;

bool Blank(char c) { return c == ' ' || c == '\t'; }
bool Digit(char c) { return c >= '0' && c <= '9'; }

std::string_view Strip(std::string_view text) {
  while (!text.empty() && Blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && Blank(text.back())) text.remove_suffix(1);
  return text;
}

bool IsBool(std::string_view text, bool* out) {
  if (text == "true" || text == "True" || text == "TRUE") return *out = true, true;
  if (text == "false" || text == "False" || text == "FALSE") return *out = false, true;
  return false;
}

// "+5" is 5, but "+-5" is nothing.
std::string_view WithoutPlus(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && (Digit(text[1]) || text[1] == '.')) text.remove_prefix(1);
  return text;
}

// Codes such as 007 lose their zeros as numbers, and digits beyond int64 lose their last places: both stay texts.
Look LookOfNumber(std::string_view text) {
  text = WithoutPlus(text);
  const bool minus = text.front() == '-';
  const std::string_view digits = text.substr(minus ? 1 : 0);
  if (digits.empty()) return Look::kText;
  if (digits.size() > 1 && digits[0] == '0' && Digit(digits[1])) return Look::kText;
  std::int64_t whole = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (end == text.data() + text.size()) return error == std::errc() ? Look::kInt : Look::kText;
  double number = 0;
  return ParseDouble(text, &number) ? Look::kFloat : Look::kText;
}

// Distinct texts in the order of their first appearance, found by hash.
class Distinct {
 public:
  // The code of a text, or -1 once there are too many.
  std::int32_t Code(std::string_view text) {
    if (overflown_) return -1;
    if (values_.size() * 2 >= slots_.size()) Grow();
    const std::uint64_t hash = Hash64(text);
    for (std::size_t slot = hash & (slots_.size() - 1);; slot = (slot + 1) & (slots_.size() - 1)) {
      if (slots_[slot].code < 0) {
        if (values_.size() == kMostDistinct) return overflown_ = true, Forget(), -1;
        slots_[slot] = {hash, static_cast<std::int32_t>(values_.size())};
        values_.emplace_back(text);
        return slots_[slot].code;
      }
      if (slots_[slot].hash == hash && values_[static_cast<std::size_t>(slots_[slot].code)] == text) return slots_[slot].code;
    }
  }
  bool overflown() const { return overflown_; }
  std::size_t size() const { return values_.size(); }
  void Forget() {
    values_ = {};
    slots_ = {};
  }
  std::vector<std::string>& values() { return values_; }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::int32_t code = -1;
  };
  void Grow() {
    std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(std::max<std::size_t>(64, slots_.size() * 2)));
    for (const Slot& entry : old) {
      if (entry.code < 0) continue;
      std::size_t slot = entry.hash & (slots_.size() - 1);
      while (slots_[slot].code >= 0) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = entry;
    }
  }
  std::vector<std::string> values_;
  std::vector<Slot> slots_;
  bool overflown_ = false;
};

// What is known of one column after the first reading.
struct Guess : Looks {
  bool fixed = false;                  // the type is given, not inferred
  Type type = Type::kString;
  std::shared_ptr<const Dictionary> levels;
  Distinct distinct;
  std::int64_t other_form = 0;         // texts that are numbers in another form; -1: a text was none, so that it does not matter
  std::string first_other;             // of them, where and what
  bool counted_from_start = false;     // distinct holds every text of the column
};

class TextTable final : public table::BatchReader {
 public:
  TextTable(std::unique_ptr<Records> records, const SourceSpec& spec)
      : records_(std::move(records)), numbers_(records_->numbers()), missing_(spec.missing), types_(spec.types), where_(spec.Where()) {}

  Result<void> Learn(const Call& call) {
    TENON_TRY(CountLooks(call));
    TENON_TRY(Settle());
    TENON_TRY(CountLateTexts(call));
    std::vector<table::Field> fields;
    for (std::size_t i = 0; i < guesses_.size(); ++i) {
      Guess& guess = guesses_[i];
      fields.push_back({records_->names()[i], guess.type});
      dictionaries_.push_back(guess.levels);
      if (guess.type != Type::kString || guess.levels != nullptr || !guess.counted_from_start) continue;
      if (guess.distinct.overflown() || static_cast<std::int64_t>(guess.distinct.size()) * 2 > rows_) {
        guess.distinct.Forget();
      } else {
        dictionaries_.back() = std::make_shared<const Dictionary>(guess.distinct.values());
      }
    }
    schema_ = std::make_shared<const Schema>(std::move(fields));
    return records_->Rewind();
  }

  const std::shared_ptr<const Schema>& schema() const override { return schema_; }

  Result<std::optional<Batch>> Next(const Call& call) override {
    TENON_TRY(call.Check());
    if (done_) return std::optional<Batch>();
    const std::size_t columns = guesses_.size();
    std::vector<ColumnBuilder> builders;
    for (const table::Field& field : schema_->fields()) builders.emplace_back(field.type);
    std::vector<Codes> codes(columns);
    std::int64_t rows = 0;
    while (rows < kBatchRows) {
      auto more = records_->Next(&cells_);
      if (!more.ok() || !*more) done_ = true;
      if (!more.ok()) return std::move(more).error();
      if (!*more) break;
      ++rows;
      for (std::size_t i = 0; i < columns; ++i) {
        const Cell cell = i < cells_.size() ? cells_[i] : Cell{.missing = true};
        const bool fits = dictionaries_[i] != nullptr ? AddCode(i, cell, &codes[i]) : AddCell(cell, guesses_[i].type, missing_, &builders[i], numbers_);
        if (!fits) return done_ = true, Misfit(i, cell);
      }
    }
    if (rows == 0) return std::optional<Batch>();
    std::vector<Column> out;
    for (std::size_t i = 0; i < columns; ++i) {
      out.push_back(dictionaries_[i] != nullptr ? Finish(i, &codes[i]) : builders[i].Finish());
    }
    return std::optional<Batch>(Batch(schema_, std::move(out)));
  }

 private:
  struct Codes {
    std::vector<std::int32_t> codes;
    std::vector<std::uint64_t> validity;
    bool any_null = false;
  };

  Result<void> CountLooks(const Call& call) {
    while (true) {
      if (rows_ % kRowsBetweenChecks == 0) TENON_TRY(call.Check());
      TENON_ASSIGN(const bool more, records_->Next(&cells_));
      if (!more) break;
      if (cells_.size() > guesses_.size()) TENON_TRY(AddColumns(cells_.size()));
      for (std::size_t i = 0; i < cells_.size(); ++i) CountLook(i, cells_[i], &guesses_[i]);
      ++rows_;
    }
    return AddColumns(records_->names().size());
  }

  void CountLook(std::size_t column, const Cell& cell, Guess* guess) {
    const Look look = guess->fixed && guess->type == Type::kString && !IsMissing(cell, missing_) ? Look::kText
                                                                                              : LookOf(cell, missing_, numbers_);
    const bool text_so_far = guess->counted_from_start;
    ++guess->seen[static_cast<std::size_t>(look)];
    if (look == Look::kMissing || guess->levels != nullptr) return;
    if (look == Look::kText && guess->other_form >= 0 && !guess->fixed) CountOtherForm(column, cell, guess);
    // The distinct texts are counted from the first value on when that is a text; see CountLateTexts for the others.
    if (look == Look::kText && guess->Values() == 1) guess->counted_from_start = true;
    if (guess->counted_from_start || text_so_far) guess->distinct.Code(KeptText(cell));
  }

  void CountOtherForm(std::size_t column, const Cell& cell, Guess* guess) const {
    if (cell.words || !OtherForm(numbers_, Strip(cell.text))) {
      guess->other_form = -1;
      guess->first_other.clear();
    } else if (guess->other_form++ == 0) {
      guess->first_other = Str(records_->Where(), ": column '", records_->names()[column], "': ", Quoted(cell.text));
    }
  }

  Result<void> AddColumns(std::size_t count) {
    while (guesses_.size() < count) {
      Guess guess;
      const std::string& name = records_->names()[guesses_.size()];
      for (const Declared& declared : records_->declared()) {
        if (declared.column != name) continue;
        guess.fixed = true;
        guess.type = declared.type;
        guess.levels = declared.levels;
      }
      for (const auto& [column, type] : types_) {
        if (column != name) continue;
        TENON_ASSIGN(guess.type, table::TypeNamed(type), Str(where_, ".types.", column));
        if (guess.type == Type::kEmbedding) {
          return Error(Code::kInvalidArgument, Str(where_, ".types.", column, ": text files cannot give embeddings"));
        }
        guess.fixed = true;
        guess.levels = nullptr;
      }
      guesses_.push_back(std::move(guess));
    }
    return {};
  }

  Result<void> Settle() {
    for (const auto& [column, type] : types_) {
      if (std::ranges::find(records_->names(), column) == records_->names().end()) {
        return Error(Code::kInvalidArgument,
                     Str(where_, ".types.", column, ": no column '", column, "'", DidYouMean(column, records_->names())));
      }
    }
    for (std::size_t i = 0; i < guesses_.size(); ++i) {
      Guess& guess = guesses_[i];
      if (guess.fixed) continue;
      guess.type = guess.Inferred();
      if (guess.other_form <= 0 || guess.Values() != guess.other_form + guess.Numbers()) continue;
      return Error(Code::kInvalidArgument, Str(guess.first_other, " is a number in another form than the file's first rows said. Write ", WayOut(numbers_),
                                               " when all numbers of the file are written so, or `types: {", records_->names()[i], ": string}` when these are texts"));
    }
    return {};
  }

  // Columns whose first values looked like numbers but which are texts after all: their distinct texts are counted in
  // a reading of its own, which most files do not need.
  Result<void> CountLateTexts(const Call& call) {
    std::vector<std::size_t> late;
    for (std::size_t i = 0; i < guesses_.size(); ++i) {
      const Guess& guess = guesses_[i];
      if (guess.type == Type::kString && guess.levels == nullptr && !guess.counted_from_start && guess.Values() > 0) {
        late.push_back(i);
      }
    }
    if (late.empty()) return {};
    TENON_TRY(records_->Rewind());
    for (std::int64_t row = 0; row < rows_; ++row) {
      if (row % kRowsBetweenChecks == 0) TENON_TRY(call.Check());
      TENON_ASSIGN(const bool more, records_->Next(&cells_));
      if (!more) break;
      for (const std::size_t i : late) {
        if (i >= cells_.size() || IsMissing(cells_[i], missing_)) continue;
        guesses_[i].distinct.Code(KeptText(cells_[i]));
        guesses_[i].counted_from_start = true;
      }
    }
    return {};
  }

  bool AddCode(std::size_t i, const Cell& cell, Codes* out) {
    const std::size_t at = out->codes.size();
    if (at % 64 == 0) out->validity.push_back(0);
    if (IsMissing(cell, missing_)) {
      out->any_null = true;
      out->codes.push_back(0);
      return true;
    }
    // Levels of the file are found through the same table, which is filled with them first.
    Distinct& distinct = guesses_[i].distinct;
    if (distinct.size() == 0) {
      for (const std::string& level : *dictionaries_[i]) distinct.Code(level);
    }
    const std::int32_t code = distinct.Code(KeptText(cell));
    if (code < 0 || static_cast<std::size_t>(code) >= dictionaries_[i]->size()) return false;
    out->validity.back() |= 1ULL << (at % 64);
    out->codes.push_back(code);
    return true;
  }

  Column Finish(std::size_t i, Codes* codes) {
    auto owner = std::make_shared<Codes>(std::move(*codes));
    return Column::Coded(owner->codes.data(), dictionaries_[i], static_cast<std::int64_t>(owner->codes.size()),
                         owner->any_null ? owner->validity.data() : nullptr, owner);
  }

  Error Misfit(std::size_t i, const Cell& cell) const {
    const std::string where = Str(records_->Where(), ": column '", records_->names()[i], "': ", Quoted(cell.text));
    if (guesses_[i].levels != nullptr) {
      return Error(Code::kInvalidArgument,
                   Str(where, " is none of the declared values", DidYouMean(cell.text, *guesses_[i].levels)));
    }
    if (guesses_[i].fixed) {
      return Error(Code::kInvalidArgument,
                   Str(where, " is no ", table::NameOf(guesses_[i].type), "; write `types: {", records_->names()[i],
                       ": string}`, or add it to `missing` when it stands for no value", OtherForm(numbers_, Strip(cell.text)) ? Str("; it would be a number with ", WayOut(numbers_)) : std::string()));
    }
    return Error(Code::kUnavailable, Str(where, " was not there a moment ago: the file changed while it was read"));
  }

  std::unique_ptr<Records> records_;
  NumberForm numbers_;
  std::vector<std::string> missing_;
  std::vector<std::pair<std::string, std::string>> types_;
  std::string where_;
  std::vector<Guess> guesses_;
  std::vector<std::shared_ptr<const Dictionary>> dictionaries_;  // null: not coded
  std::vector<Cell> cells_;
  std::shared_ptr<const Schema> schema_;
  std::int64_t rows_ = 0;
  bool done_ = false;
};

}  // namespace

Type Looks::Inferred() const {
  const auto n = [&](Look look) { return seen[static_cast<std::size_t>(look)]; };
  const std::int64_t all = Values();
  if (all == 0 || n(Look::kText) > 0) return Type::kString;
  if (n(Look::kBool) == all) return Type::kBool;
  if (n(Look::kInt) == all) return Type::kInt64;
  if (n(Look::kInt) + n(Look::kFloat) == all) return Type::kFloat64;
  return n(Look::kTime) == all ? Type::kTimestamp : Type::kString;
}

std::string_view KeptText(const Cell& cell) { return cell.exact ? cell.text : Strip(cell.text); }

bool IsMissing(const Cell& cell, const std::vector<std::string>& missing) {
  if (cell.missing) return true;
  const std::string_view text = Strip(cell.text);
  return std::ranges::any_of(missing, [&](const std::string& word) { return word == text; });
}

bool AddCell(const Cell& cell, Type type, const std::vector<std::string>& missing, ColumnBuilder* builder, const NumberForm& numbers) {
  if (IsMissing(cell, missing)) return builder->AddNull(), true;
  std::string_view text = Strip(cell.text);
  std::string buffer;
  if (!numbers.plain() && (type == Type::kInt64 || type == Type::kFloat64)) {
    const auto plain = Plain(numbers, text, &buffer);
    if (!plain) return false;
    text = *plain;
  }
  switch (type) {
    case Type::kBool: {
      bool value = text == "1";
      if (!value && text != "0" && !IsBool(text, &value)) return false;
      return builder->AddInt(value ? 1 : 0), true;
    }
    case Type::kInt64: {
      std::int64_t value = 0;
      return ParseInt64(WithoutPlus(text), &value) && (builder->AddInt(value), true);
    }
    case Type::kFloat64: {
      double value = 0;
      return ParseDouble(WithoutPlus(text), &value) && (builder->Add(value), true);
    }
    case Type::kTimestamp: {
      Micros value = 0;
      return ParseTimestamp(text, &value) && (builder->AddInt(value), true);
    }
    default: return builder->AddText(KeptText(cell)), true;
  }
}

Look LookOf(const Cell& cell, const std::vector<std::string>& missing, const NumberForm& numbers) {
  if (cell.missing) return Look::kMissing;
  const std::string_view text = Strip(cell.text);
  // Few values begin like a number; the others need no attempt to read them as one.
  const char first = text.empty() ? '\0' : text.front();
  const bool numeric = Digit(first) || first == '-' || first == '+' || first == '.';
  if (numeric && !cell.words) {
    std::string buffer;
    const auto plain = Plain(numbers, text, &buffer);
    if (const Look look = plain ? LookOfNumber(*plain) : Look::kText; look != Look::kText) {
      const bool said_missing = std::ranges::any_of(missing, [&](const std::string& word) { return word == text; });
      return said_missing ? Look::kMissing : look;
    }
  }
  if (std::ranges::any_of(missing, [&](const std::string& word) { return word == text; })) return Look::kMissing;
  Micros at = 0;
  if (text.size() >= 10 && Digit(first) && text[4] == '-' && ParseTimestamp(text, &at)) return Look::kTime;
  if (cell.words || text.size() > 9) return Look::kText;
  bool value = false;
  double number = 0;
  if (IsBool(text, &value)) return Look::kBool;
  return ParseDouble(text, &number) && !(numeric) ? Look::kFloat : Look::kText;  // "inf", "-nan"
}

std::string Quoted(std::string_view text) {
  constexpr std::size_t kShown = 60;
  if (text.size() <= kShown) return Str("'", text, "'");
  std::size_t cut = kShown;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
  return Str("'", text.substr(0, cut), "...'");
}

Result<std::unique_ptr<table::BatchReader>> ReadRecords(const Call& call, std::unique_ptr<Records> records,
                                                        const SourceSpec& spec) {
  auto out = std::make_unique<TextTable>(std::move(records), spec);
  TENON_TRY(out->Learn(call));
  return std::unique_ptr<table::BatchReader>(std::move(out));
}

}  // namespace tenon::ingest
