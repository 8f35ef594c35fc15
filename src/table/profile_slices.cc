#include "table/profile_slices.h"

#include <cmath>

#include "base/text.h"

namespace tenon::table {

Result<SlicedProfile> SlicedProfile::Make(const Schema& schema, std::string_view by) {
  TENON_ASSIGN(const int at, schema.At(by));
  if (schema[at].type == Type::kEmbedding) return Error(Code::kInvalidArgument, Str("'", by, "' is an embedding; slices go by a column of values"));
  return SlicedProfile(schema, at);
}

Profile& SlicedProfile::At(const std::string& value) {
  const auto known = slices_.find(value);
  if (known != slices_.end()) return known->second;
  return slices_.try_emplace(slices_.size() < kMost ? value : "(others)", schema_).first->second;
}

void SlicedProfile::Add(const Batch& batch) {
  std::map<std::string, std::vector<std::int64_t>> rows;
  const Column& column = batch.column(by_);
  for (std::int64_t i = 0; i < batch.rows(); ++i) {
    const bool missing = column.IsNull(i) || (column.type() == Type::kFloat64 && std::isnan(column.Number(i)));
    const Json value = missing ? Json("(missing)") : column.ValueAt(i);
    rows[value.is_string() ? value.String() : value.Dump()].push_back(i);
  }
  for (const auto& [value, some] : rows) At(value).Add(batch.Take(some));
}

Result<void> SlicedProfile::Merge(const SlicedProfile& other) {
  for (const auto& [value, profile] : other.slices_) TENON_TRY(At(value).Merge(profile));
  return {};
}

}  // namespace tenon::table
