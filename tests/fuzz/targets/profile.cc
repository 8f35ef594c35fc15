// Profiles of tables: what loads answers every question, merges, and is saved as the same.

#include "base/hash.h"
#include "fuzz/tables.h"
#include "table/profile.h"

namespace tenon::fuzz {
namespace {

std::string Summed(std::string bytes) {
  if (bytes.size() >= 8) PutAt(&bytes, bytes.size() - 8, Hash64(std::string_view(bytes).substr(0, bytes.size() - 8)));
  return bytes;
}

void Ask(const table::ColumnProfile& column) {
  (void)column.ToJson().Dump();
  (void)column.Top(10);
  (void)column.Histogram(16);
  (void)column.distinct();
  (void)column.mean_length();
  for (const double q : {0.0, 0.01, 0.5, 0.99, 1.0}) (void)column.CountAtMost(column.Quantile(q));
  (void)column.stddev();
  (void)column.skewness();
}

void CheckColumn(std::string_view bytes) {
  auto column = table::ColumnProfile::Load(bytes);
  if (!column.ok()) return CheckError(column.error());
  Ask(*column);
  const std::string first = column->Save();
  Same(Must(table::ColumnProfile::Load(first), "a column's profile that was saved").Save(), first, "a column's profile, saved and loaded");
  auto twice = table::ColumnProfile::Load(bytes);
  if (auto merged = twice->Merge(*column); merged.ok()) {
    Ask(*twice);
    const std::string saved = twice->Save();
    Same(Must(table::ColumnProfile::Load(saved), "a merged profile").Save(), saved, "a merged profile, saved and loaded");
  }
}

void CheckTable(std::string_view bytes) {
  auto profile = table::Profile::Load(bytes);
  if (!profile.ok()) return CheckError(profile.error());
  (void)profile->ToJson().Dump();
  for (const auto& column : profile->columns()) Ask(column);
  const std::string first = profile->Save();
  Same(Must(table::Profile::Load(first), "a profile that was saved").Save(), first, "a profile, saved and loaded");
}

void RunProfile(std::string_view input) {
  CheckColumn(input);
  CheckTable(input);
  const std::string repaired = Summed(std::string(input));
  CheckColumn(repaired);
  CheckTable(repaired);
  // As the one column of a table, so that the changed bytes have their sum there too.
  std::string table_bytes = Str("TnPt", '\x01', '\x03', '\x01');
  std::size_t size = repaired.size();
  for (; size >= 0x80; size >>= 7) table_bytes.push_back(static_cast<char>(size | 0x80));
  table_bytes.push_back(static_cast<char>(size));
  CheckTable(Summed(Str(table_bytes, repaired, "12345678")));
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  const auto batches = SomeBatches();
  table::Profile profile(batches[0].schema());
  for (const auto& batch : batches) profile.Add(batch);
  seeds.push_back(profile.Save());
  for (const auto& column : profile.columns()) seeds.push_back(column.Save());
  table::ColumnProfile numbers({"x", table::Type::kFloat64}), texts({"s", table::Type::kString});
  for (int i = 0; i < 5000; ++i) {
    numbers.AddNumber(i * 1.5 - 100);
    texts.AddText(Str("value number ", i % 4999));
  }
  seeds.push_back(numbers.Save());
  seeds.push_back(texts.Save());
  return seeds;
}

}  // namespace

Target MakeProfile() { return {RunProfile, Seeds}; }

}  // namespace tenon::fuzz
