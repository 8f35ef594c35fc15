// The profile of a table, for bench/profile.
//   bench_profile write FOLDER ROWS      NAME.f64 (NaN missing), NAME.i64, NAME.i32 with the texts in NAME.levels (-1 missing)
//   bench_profile tenon FOLDER THREADS

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <map>
#include <random>
#include <sstream>

#include "base/text.h"
#include "bench/native/worker.h"
#include "table/profile.h"

namespace tenon::bench {
namespace {

constexpr std::int64_t kBatch = 65536;

template <typename T>
Result<void> WriteColumn(const std::string& path, const std::vector<T>& values) {
  return WriteBytes(path, values.data(), values.size() * sizeof(T));
}

// Few values come often and many seldom, as names and codes do.
std::int32_t Skewed(std::mt19937_64& random, int levels) {
  const double unit = std::uniform_real_distribution<double>(0, 1)(random);
  return static_cast<std::int32_t>(unit * unit * unit * levels);
}

Result<void> Write(const std::string& folder, std::int64_t rows) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform(0, 1000);
  const double none = std::numeric_limits<double>::quiet_NaN();
  const std::map<std::string, std::function<double(std::int64_t)>> floats = {
      {"f0", [&](std::int64_t) { return normal(random); }},
      {"f1", [&](std::int64_t) { return random() % 20 == 0 ? none : uniform(random); }},
      {"f2", [&](std::int64_t) { return std::exp(normal(random)); }},
      {"f3", [&](std::int64_t) { return random() % 10 < 8 ? 0.0 : std::round(uniform(random)); }},
      {"f4", [&](std::int64_t) { return std::round(uniform(random) * 100) / 100; }}};
  for (const auto& [name, value] : floats) {
    std::vector<double> values;
    for (std::int64_t i = 0; i < rows; ++i) values.push_back(value(i));
    TENON_TRY(WriteColumn(Str(folder, "/", name, ".f64"), values));
  }
  std::vector<std::int64_t> ages, keys;
  for (std::int64_t i = 0; i < rows; ++i) ages.push_back(static_cast<std::int64_t>(18 + random() % 70));
  for (std::int64_t i = 0; i < rows; ++i) keys.push_back(1000000 + i * 7);
  TENON_TRY(WriteColumn(folder + "/i0.i64", ages));
  TENON_TRY(WriteColumn(folder + "/i1.i64", keys));
  int number = 0;
  for (const int levels : {50, 1000, 50000}) {
    std::vector<std::int32_t> codes;
    for (std::int64_t i = 0; i < rows; ++i) codes.push_back(random() % 50 == 0 ? -1 : Skewed(random, levels));
    TENON_TRY(WriteColumn(Str(folder, "/s", number, ".i32"), codes));
    std::string texts;
    for (int level = 0; level < levels; ++level) texts += Str("value-", level, "\n");
    TENON_TRY(WriteBytes(Str(folder, "/s", number++, ".levels"), texts.data(), texts.size()));
  }
  return {};
}

template <typename T>
std::vector<T> Values(const std::string& bytes) {
  std::vector<T> out(bytes.size() / sizeof(T));
  std::copy_n(bytes.data(), out.size() * sizeof(T), reinterpret_cast<char*>(out.data()));
  return out;
}

Result<table::Column> LoadColumn(const std::filesystem::path& path) {
  TENON_ASSIGN(const std::string bytes, ReadText(path));
  if (path.extension() == ".i64") return table::Column::Of(Values<std::int64_t>(bytes));
  if (path.extension() == ".f64") {
    table::ColumnBuilder builder(table::Type::kFloat64);
    for (const double value : Values<double>(bytes)) std::isnan(value) ? builder.AddNull() : builder.Add(value);
    return builder.Finish();
  }
  auto levels = path;
  TENON_ASSIGN(const std::string lines, ReadText(levels.replace_extension(".levels")));
  std::vector<std::string> texts;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) texts.push_back(line);
  table::ColumnBuilder builder(table::Type::kString);
  for (const std::int32_t code : Values<std::int32_t>(bytes)) {
    code < 0 ? builder.AddNull() : builder.AddText(texts[static_cast<std::size_t>(code)]);
  }
  return builder.Finish();
}

Result<table::Batch> Load(const std::string& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".levels") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<table::Field> fields;
  std::vector<table::Column> columns;
  for (const auto& path : paths) {
    TENON_ASSIGN(table::Column column, LoadColumn(path), "reading " + path.string());
    fields.push_back({path.stem(), column.type()});
    columns.push_back(std::move(column));
  }
  return table::Batch(std::make_shared<const table::Schema>(std::move(fields)), std::move(columns));
}

// Ten numbers a column, as peers/profile_peers.py gives them: rows, missing, least, most, mean, deviation, distinct, quartiles.
std::vector<double> Summary(const table::Profile& profile) {
  std::vector<double> out;
  for (const table::ColumnProfile& column : profile.columns()) {
    const bool number = column.numeric();
    const double none = std::numeric_limits<double>::quiet_NaN();
    for (const double value : {static_cast<double>(column.count()), static_cast<double>(column.missing()), number ? column.min() : none,
                               number ? column.max() : none, number ? column.mean() : none, number ? column.stddev() : none,
                               column.distinct(), number ? column.Quantile(0.25) : none, number ? column.Quantile(0.5) : none,
                               number ? column.Quantile(0.75) : none}) {
      out.push_back(value);
    }
  }
  return out;
}

Result<int> Run(const std::vector<std::string>& words) {
  if (words.size() != 3) return Error(Code::kInvalidArgument, "usage: see the head of bench/native/profile.cc");
  if (words[0] == "write") {
    TENON_TRY(Write(words[1], std::atoll(words[2].c_str())));
    return 0;
  }
  TENON_ASSIGN(const table::Batch rows, Load(words[1]));
  std::vector<table::Batch> batches;
  for (std::int64_t from = 0; from < rows.rows(); from += kBatch) batches.push_back(rows.Slice(from, std::min(kBatch, rows.rows() - from)));
  Call call;
  call.threads = std::atoi(words[2].c_str());
  // With the answers that a report asks for, as the others compute theirs.
  const auto profile = [&]() -> Result<std::vector<double>> {
    TENON_ASSIGN(const table::Profile done, table::ProfileOf(call, rows.schema(), batches));
    std::vector<double> summary = Summary(done);
    std::size_t top = 0;  // none of a column whose values are all different
    for (const table::ColumnProfile& column : done.columns()) top += column.Top(10).size();
    return top == 0 ? std::vector<double>() : summary;
  };
  Case one;
  one.name = "profile";
  one.rows = rows.rows() * rows.columns();
  one.answer = profile;
  one.work = [&]() -> Result<void> {
    TENON_ASSIGN(const std::vector<double> summary, profile());
    return summary.empty() ? Result<void>(Error(Code::kInternal, "no summary")) : Result<void>();
  };
  return Obey(Str(TENON_VERSION, ", ", words[2], " threads"), {one});
}

}  // namespace
}  // namespace tenon::bench

int main(int count, char** arguments) { return tenon::bench::Main(count, arguments, tenon::bench::Run); }
