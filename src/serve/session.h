#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serve/endpoint.h"

namespace tenon::serve {

// The names of a version's fields and the texts allowed in them, hashed. Immutable.
class Slots {
 public:
  explicit Slots(const std::vector<Served::Field>& fields);
  int Find(std::string_view name) const;                  // slot or -1
  bool Allows(int slot, std::string_view text) const;     // whether training saw it, or was too various to say
  std::vector<std::string> Names() const;
  bool AnyWithin(std::string_view object) const;          // whether a field is a member of an object of that name (base/nested.h)

 private:
  struct Entry {
    std::string text;
    int slot = -1;  // -1: free
  };
  class Table {
   public:
    void Reserve(std::size_t entries);
    void Add(std::string_view text, int slot);
    bool Has(std::string_view text, int slot, int* found) const;

   private:
    std::vector<Entry> entries_;  // a power of two, at most half full
  };
  Table names_;
  Table texts_;                   // (text, slot)
  std::vector<bool> has_domain_;
  std::vector<std::string> order_;
};

// How often requests brought what training never saw, where that is let through.
struct Surprises {
  std::int64_t out_of_range = 0;
  std::int64_t unseen = 0;
};

// Takes the fields of one row after another from whatever decodes them (JSON, tensors, a golden row), checks each
// against the schema and puts it into its slot. No allocation for a row without errors. One thread; the Served outlives it.
//   Begin(i); { At(name) and one of Number, Text, Bool, Null, Wrong } ...; if (End()) use row();
class RowReader {
 public:
  static constexpr std::size_t kMostErrors = 100;  // further ones are not collected
  explicit RowReader(const Served& served);

  void Begin(int instance);
  // The slot of a field: the expected one when the fields come in order, else looked up; -1 and an error when there is
  // none (-1 alone for what is passed over). A field given twice is an error, too.
  int At(std::string_view name);
  // From now on fields that the version does not read are passed over.
  void PassUnknown() { passes_ = true; }
  // The slot that At would try first; its name can be compared before paying for more.
  int expected() const { return expected_; }
  // Takes a slot whose name is known already; false when the row has it.
  bool Take(int slot);
  // Takes the expected slot without a name (rows given as lists); -1 when there are too many.
  int TakeExpected();
  void Number(int slot, double value);
  void Text(int slot, std::string_view value);  // kept as a view: it must live until the row is used
  void Bool(int slot, bool value);
  void Null(int) {}
  void Wrong(int slot, std::string_view got);   // what came instead, for the message: a list
  void Problem(std::string_view field, std::string problem);
  // Of a whole row, `back` rows before the last that was begun.
  void ProblemBefore(std::size_t back, std::string problem);
  // Whether the row is whole and right; fills what is missing.
  bool End();

  const Served& served() const { return *served_; }
  const Slots& slots() const { return slots_; }
  const Row& row() const { return row_; }
  bool failed() const { return !errors_.empty(); }
  std::vector<FieldError>& errors() { return errors_; }
  Surprises& surprises() { return surprises_; }

 private:
  void Seen(int slot) { seen_[static_cast<std::size_t>(slot)] = 1, ++seen_count_; }
  void CheckRange(int slot, double value);

  const Served* served_;
  Slots slots_;
  Row row_;
  std::vector<std::uint8_t> given_;  // in this row, also as null
  std::vector<std::uint8_t> seen_;   // has a value
  std::size_t seen_count_ = 0;
  int expected_ = 0;
  int instance_ = 0;
  bool row_failed_ = false;
  bool passes_ = false;
  std::vector<FieldError> errors_;
  Surprises surprises_;
};

inline bool AllFinite(const model::Prediction& prediction) {
  for (const float value : prediction.values) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

// Rows of one version kept column by column, to be predicted as one batch. Reused by its thread.
class Rows {
 public:
  explicit Rows(const Served& served);
  std::size_t size() const { return size_; }
  void Clear() {
    size_ = 0;
    ++changes_;
  }
  void Add(const Row& row);
  // n rows, all of whose values are missing; to be filled through the columns.
  void Reset(std::size_t n);
  double* numbers(int slot) {
    ++changes_;
    return numbers_[static_cast<std::size_t>(slot)].data();
  }
  // Null for slots of numbers.
  std::string_view* texts(int slot) {
    ++changes_;
    auto& column = texts_[static_cast<std::size_t>(slot)];
    return column.empty() ? nullptr : column.data();
  }
  // Row i, with all its slots.
  void Get(std::size_t i, Row* row) const;

 private:
  friend class Session;
  void Room(std::size_t n);
  std::vector<bool> is_text_;
  std::vector<std::vector<double>> numbers_;         // a column a slot, as long as the room
  std::vector<std::vector<std::string_view>> texts_;  // empty for numbers
  std::vector<const double*> number_columns_;
  std::vector<const std::string_view*> text_columns_;
  std::size_t size_ = 0, room_ = 0;
  std::uint64_t changes_ = 0;                        // so far, or so often somebody could make some
};

// One thread's working memory for one version: reads rows, predicts and explains them. Keeps the version alive.
class Session {
 public:
  explicit Session(std::shared_ptr<const Served> served);

  const Served& served() const { return *served_; }
  RowReader& reader() { return reader_; }
  // Of reader().row(); the values live until the next call. When there is a problem the reader has it among its errors.
  model::Prediction Predict();
  Rows& rows() { return rows_; }
  // Of rows(), as one batch: rows().size() x outputs() numbers, the bits that Predict gives for each. They live until the
  // next call. A row that the model cannot take is among the reader's errors, as the row of the last instance read or before.
  std::span<const float> PredictRows();
  // The same as one run of `size` rows or more, which is what those of rows() are filled up to: for models of whose rows many cost less
  // than each alone (BatchTrial). Of a model that reads columns the bits may differ from PredictRows'.
  std::span<const float> PredictTogether(std::size_t size);
  // Of a cascade: whether the cheap model gave row i of the last PredictRows.
  bool by_cheap(std::size_t i) const { return by_cheap_[i] != 0; }
  // Of the margin of `output` of reader().row() (of the prediction, where it is estimated): one number an input field, and the
  // base value. Fails only for models that read columns.
  Result<model::Attribution> Explain(int output, double* base) { return ExplainRow(reader_.row(), output, base); }
  // The same of row i of rows(), bit by bit; rows that stand together are explained together, once.
  Result<model::Attribution> Explain(std::size_t i, int output, double* base);
  const std::vector<double>& contributions() const { return contributions_; }  // of the last Explain

 private:
  std::shared_ptr<const Served> served_;
  RowReader reader_;
  Result<model::Attribution> ExplainRow(const Row& row, int output, double* base);
  void ExplainTogether(std::size_t from);

  Rows rows_;
  void DisguiseRows();

  Row row_;  // of rows_, gathered
  std::vector<double> numbers_;           // of PredictTogether, ExplainTogether: row after row
  std::vector<std::string_view> texts_;
  std::vector<float> values_;
  std::vector<std::uint8_t> by_cheap_;
  model::Predictor::Scratch scratch_;
  std::vector<double> contributions_;
  struct {
    std::size_t from = 0, rows = 0;
    std::uint64_t changes = 0;
    std::vector<double> by_field, base;  // by row and output
  } together_;                           // what was explained together last
  std::vector<float> disguised_;
};

}  // namespace tenon::serve
