#include "feature/event_rows.h"

#include <cmath>

#include "base/nested.h"
#include "base/text.h"

namespace tenon::feature {

using table::Type;

std::string WhyNotOfType(const Json& value, Type type) {
  Micros at = 0;
  switch (type) {
    case Type::kBool:
      if (value.is_null() || value.is_bool() || (value.is_int() && (value.Int() == 0 || value.Int() == 1))) return "";
      return Str("expected true or false, got ", value.Dump());
    case Type::kInt64:
      if (value.is_null() || value.is_int() || (value.is_number() && value.Number() == std::floor(value.Number()) && std::abs(value.Number()) < 0x1p62)) return "";
      return Str("expected a whole number, got ", value.Dump());
    case Type::kFloat64:
      if (value.is_null() || value.is_number()) return "";
      if (value.is_string() && (value.String() == "NaN" || value.String() == "Infinity" || value.String() == "-Infinity")) return "";
      return Str("expected a number, got ", value.Dump());
    case Type::kString:
      if (value.is_null() || value.is_string()) return "";
      return Str("expected a text, got ", value.Dump());
    case Type::kTimestamp:
      if (value.is_null() || value.is_int() || (value.is_string() && ParseTimestamp(value.String(), &at))) return "";
      return Str("expected a time such as 2024-02-29T23:59:59Z, got ", value.Dump());
    case Type::kEmbedding: return "embeddings cannot be sent as events";
  }
  return "";
}

void AddJson(const Json& value, Type type, table::ColumnBuilder* to) {
  if (value.is_null()) return to->AddNull();
  Micros at = 0;
  switch (type) {
    case Type::kBool: return to->AddInt(value.is_bool() ? value.Bool() : value.Int() != 0);
    case Type::kInt64: return to->AddInt(value.is_int() ? value.Int() : static_cast<std::int64_t>(value.Number()));
    case Type::kFloat64: return to->Add(value.Number());
    case Type::kString: return to->AddText(value.String());
    case Type::kTimestamp:
      if (value.is_int()) return to->AddInt(value.Int());
      ParseTimestamp(value.String(), &at);
      return to->AddInt(at);
    case Type::kEmbedding: return to->AddNull();
  }
}

RowsFromJson::RowsFromJson(std::shared_ptr<const table::Schema> schema) : schema_(std::move(schema)) {
  for (const table::Field& field : schema_->fields()) builders_.emplace_back(field.type, field.width);
}

Result<void> RowsFromJson::Add(const Json& object) {
  if (!object.is_object()) return Error(Code::kInvalidArgument, Str("expected an object with the source's columns, got ", object.KindName()));
  std::vector<const Json*> values;
  static const Json nothing;
  for (const table::Field& field : schema_->fields()) {
    const Json* value = FindNested(object, field.name);
    values.push_back(value == nullptr ? &nothing : value);
    if (std::string why = WhyNotOfType(*values.back(), field.type); !why.empty()) return Error(Code::kInvalidArgument, Str("column '", field.name, "': ", why));
  }
  for (std::size_t i = 0; i < values.size(); ++i) AddJson(*values[i], (*schema_)[static_cast<int>(i)].type, &builders_[i]);
  ++rows_;
  return {};
}

table::Batch RowsFromJson::Finish() {
  std::vector<table::Column> columns;
  for (table::ColumnBuilder& builder : builders_) columns.push_back(builder.Finish());
  rows_ = 0;
  return table::Batch(schema_, std::move(columns));
}

void PackValues(const ViewPlan& plan, std::span<const Value> values, RecordPacker* out) {
  out->Start();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Type type = (*plan.output())[static_cast<int>(i)].type;
    if (type == Type::kString) {
      if (values[i].text.data() != nullptr) out->SetText(i, values[i].text);
    } else if (std::isnan(values[i].number)) {
      continue;
    } else if (type == Type::kFloat64) {
      out->Set(i, values[i].number);
    } else {
      out->SetInt(i, values[i].number >= 0x1p63 ? std::numeric_limits<std::int64_t>::max() : static_cast<std::int64_t>(values[i].number));
    }
  }
}

}  // namespace tenon::feature
