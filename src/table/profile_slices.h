#pragma once

#include <map>
#include <string>

#include "table/profile.h"

namespace tenon::table {

// A table's profile for each value of one column: which rows differ, and in what. Merging in any split gives the same as
// long as no more than kMost values came. One thread.
class SlicedProfile {
 public:
  static constexpr std::size_t kMost = 100;  // values; what comes beyond is "(others)"
  // not_found for a column that is not there; invalid_argument for an embedding.
  static Result<SlicedProfile> Make(const Schema& schema, std::string_view by);
  void Add(const Batch& batch);
  Result<void> Merge(const SlicedProfile& other);
  const std::map<std::string, Profile>& slices() const { return slices_; }  // by value; "(missing)" for none

 private:
  SlicedProfile(Schema schema, int by) : schema_(std::move(schema)), by_(by) {}
  Profile& At(const std::string& value);
  Schema schema_;
  int by_;
  std::map<std::string, Profile> slices_;
};

}  // namespace tenon::table
