// ModelVerification: rows and answers by which a PMML file can be checked.

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "model/pmml_reader_internal.h"

namespace tenon::model {
namespace {

constexpr std::size_t kMostRows = 10'000;

std::string_view Local(std::string_view column) { return column.substr(column.find(':') + 1); }

// The names under which the model tells the probability of each class, and its value or class.
struct Told {
  std::map<std::string, std::string, std::less<>> probability;  // class -> name
  std::vector<std::string> value;
};
Told ToldBy(const Xml& xml, const Xml::Element& model, const std::string& target) {
  Told out;
  std::vector<const Xml::Element*> open = {&model};
  while (!open.empty()) {
    const Xml::Element* at = open.back();
    open.pop_back();
    if (at->name == "OutputField") {
      const std::string_view feature = Xml::At(*at, "feature", "predictedValue");
      if (feature == "probability") out.probability.try_emplace(std::string(Xml::At(*at, "value")), Xml::At(*at, "name"));
      if (feature == "predictedValue" && Xml::At(*at, "isFinalResult", "true") == "true") out.value.emplace_back(Xml::At(*at, "name"));
    }
    if (at->name == "Node" || at->name == "RegressionTable") continue;
    for (const Xml::Element* child : xml.Children(*at)) open.push_back(child);
  }
  out.value.insert(out.value.begin(), target);
  return out;
}

class Reader {
 public:
  Reader(const Xml& xml, const Xml::Element& element) : xml_(xml) {
    if (const Xml::Element* fields = xml.Child(element, "VerificationFields"); fields != nullptr) {
      for (const Xml::Element* field : xml.Children(*fields, "VerificationField")) {
        const std::string name(Xml::At(*field, "field"));
        column_[name] = Local(Xml::At(*field, "column", name));
        double precision = 0;
        if (ParseDouble(Xml::At(*field, "precision"), &precision) && precision > 0 && precision < 1) precision_[name] = precision;
      }
    }
    if (const Xml::Element* table = xml.Child(element, "InlineTable"); table != nullptr) rows_ = xml.Children(*table, "row");
    rows_.resize(std::min(rows_.size(), kMostRows));
  }

  std::size_t rows() const { return rows_.size(); }
  bool Has(const std::string& field) const { return column_.contains(field); }
  double Precision(const std::string& field) const { return precision_.contains(field) ? precision_.at(field) : 1e-6; }
  // A cell; null where there is none.
  const std::string* Cell(std::size_t row, const std::string& field) const {
    const auto at = column_.find(field);
    const Xml::Element* cell = at == column_.end() ? nullptr : xml_.Child(*rows_[row], at->second);
    return cell == nullptr ? nullptr : &cell->text;
  }

  Result<table::Column> Input(const table::Field& field) const {
    table::ColumnBuilder builder(field.type);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const std::string* cell = Cell(i, field.name);
      double value = 0;
      if (cell == nullptr || (cell->empty() && field.type != table::Type::kString)) {
        builder.AddNull();
      } else if (field.type == table::Type::kString) {
        builder.AddText(*cell);
      } else if (field.type == table::Type::kBool && (*cell == "true" || *cell == "false")) {
        builder.AddInt(*cell == "true" ? 1 : 0);
      } else if (!ParseDouble(Trim(*cell), &value)) {
        return PmmlWrong(*rows_[i], Str("ModelVerification has '", cell->substr(0, 60), "' for the number '", field.name, "'"));
      } else if (field.type == table::Type::kBool) {
        builder.AddInt(value != 0 ? 1 : 0);
      } else {
        builder.Add(value);
      }
    }
    return builder.Finish();
  }

  Result<double> Answer(std::size_t row, const std::string& field) const {
    const std::string* cell = Cell(row, field);
    double value = 0;
    if (cell == nullptr || !ParseDouble(Trim(*cell), &value)) return PmmlWrong(*rows_[row], Str("ModelVerification has no number for '", field, "'"));
    return value;
  }

 private:
  const Xml& xml_;
  std::map<std::string, std::string, std::less<>> column_;
  std::map<std::string, double, std::less<>> precision_;
  std::vector<const Xml::Element*> rows_;
};

}  // namespace

Result<Verification> ReadPmmlVerification(const Xml& xml, const Xml::Element& model, const PmmlInputs& fields, const std::vector<table::Field>& inputs,
                                          const std::vector<std::string>& classes) {
  Verification out;
  const Xml::Element* element = xml.Child(model, "ModelVerification");
  if (element == nullptr) return out;
  const Reader reader(xml, *element);
  if (reader.rows() == 0) return out;
  const Told told = ToldBy(xml, model, fields.target());
  std::vector<std::string> names;
  for (std::size_t k = classes.size() == 2 ? 1 : 0; k < classes.size(); ++k) {
    const auto at = told.probability.find(classes[k]);
    if (at != told.probability.end() && reader.Has(at->second)) names.push_back(at->second);
  }
  const auto value = std::ranges::find_if(told.value, [&](const std::string& name) { return reader.Has(name); });
  const std::size_t wanted = classes.empty() ? 0 : classes.size() == 2 ? 1 : classes.size();
  if (classes.empty() && value != told.value.end()) names = {*value};
  const bool labels = !classes.empty() && names.size() != wanted;
  if (labels && value == told.value.end()) return out;
  if (names.empty() && !labels) return out;
  for (std::size_t row = 0; row < reader.rows(); ++row) {
    if (labels) {
      const std::string* label = reader.Cell(row, *value);
      if (label == nullptr) return PmmlWrong(*element, Str("ModelVerification has no '", *value, "' in row ", row + 1));
      out.labels.push_back(*label);
      continue;
    }
    for (const std::string& name : names) {
      TENON_ASSIGN(const double answer, reader.Answer(row, name));
      out.answers.push_back(answer);
      out.tolerance = std::max(out.tolerance, reader.Precision(name));
    }
  }
  std::vector<table::Column> columns;
  for (const table::Field& field : inputs) {
    TENON_ASSIGN(table::Column column, reader.Input(field));
    columns.push_back(std::move(column));
  }
  out.rows = table::Batch(std::make_shared<const table::Schema>(inputs), std::move(columns));
  return out;
}

}  // namespace tenon::model
