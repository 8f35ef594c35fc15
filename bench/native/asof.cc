// Our side of bench/asof: bench_asof tenon FOLDER obeys orders (worker.h); bench_asof peak FOLDER joins once and says how much memory
// it took. FOLDER has the columns that bench/asof wrote: keys and times as int64, values as float64.

#include <sys/resource.h>

#include <cstdio>
#include <cstring>
#include <limits>

#include "base/text.h"
#include "bench/native/worker.h"
#include "feature/as_of.h"
#include "table/batch.h"

namespace tenon::bench {
namespace {

template <typename T>
Result<std::vector<T>> Load(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return Error(Code::kNotFound, Str("no file ", path));
  std::fseek(file, 0, SEEK_END);
  std::vector<T> out(static_cast<std::size_t>(std::ftell(file)) / sizeof(T));
  std::rewind(file);
  const std::size_t read = std::fread(out.data(), sizeof(T), out.size(), file);
  std::fclose(file);
  if (read != out.size()) return Error(Code::kDataLoss, Str(path, " ends too early"));
  return out;
}

struct Work {
  std::vector<std::int64_t> asking_key, asking_time, known_key, known_time;
  std::vector<double> value, out;
  std::vector<std::int32_t> rows;
  table::Batch asking_rows, joined;
  std::vector<table::Batch> known_rows;
  std::shared_ptr<const feature::ViewPlan> plan;

  Result<void> Read(const std::string& folder) {
    TENON_ASSIGN(asking_key, Load<std::int64_t>(folder + "/asking_key"));
    TENON_ASSIGN(asking_time, Load<std::int64_t>(folder + "/asking_time"));
    TENON_ASSIGN(known_key, Load<std::int64_t>(folder + "/known_key"));
    TENON_ASSIGN(known_time, Load<std::int64_t>(folder + "/known_time"));
    TENON_ASSIGN(value, Load<double>(folder + "/value"));
    return {};
  }
  std::size_t bytes() const { return (asking_key.size() * 2 + value.size() * 3 + asking_key.size()) * 8; }

  // The same as what a user writes: a view of the latest value, joined to rows that ask.
  Result<void> MakeView() {
    using table::Column;
    using table::Type;
    asking_rows = table::Batch(std::make_shared<const table::Schema>(std::vector<table::Field>{{"who", Type::kInt64}, {"when", Type::kTimestamp}}),
                               {Column::Of(asking_key), Column::Of(asking_time, Type::kTimestamp)});
    known_rows = {table::Batch(std::make_shared<const table::Schema>(std::vector<table::Field>{{"who", Type::kInt64}, {"at", Type::kTimestamp}, {"value", Type::kFloat64}}),
                               {Column::Of(known_key), Column::Of(known_time, Type::kTimestamp), Column::Of(value)})};
    Json json;
    json["entity"] = "who";
    json["time"] = "at";
    json["latest"] = "value";
    TENON_ASSIGN(feature::FeatureView view, feature::FeatureView::Parse("known", json, "bench"));
    TENON_ASSIGN(plan, feature::ViewPlan::Make(std::move(view), known_rows[0].schema()));
    return {};
  }
  Result<void> JoinView(int threads) {
    if (plan == nullptr) TENON_TRY(MakeView());
    Call call;
    call.threads = threads;
    const feature::ViewRows of{plan, &known_rows};
    TENON_ASSIGN(joined, feature::JoinAsOf(call, asking_rows, "when", {&of, 1}));
    return {};
  }
  std::vector<double> Joined() const {
    std::vector<double> values;
    const table::Column column = joined.column(2);
    for (std::int64_t i = 0; i < column.size(); ++i) values.push_back(column.Number(i));
    return values;
  }

  Result<void> Join(int threads) {
    Call call;
    call.threads = threads;
    rows.resize(asking_key.size());
    TENON_TRY(feature::MatchAsOf(call, {asking_key, asking_time}, {known_key, known_time}, {}, rows));
    out.resize(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      out[i] = rows[i] == feature::kNoRow ? std::numeric_limits<double>::quiet_NaN() : value[static_cast<std::size_t>(rows[i])];
    }
    return {};
  }
};

Result<int> Run(const std::vector<std::string>& words) {
  if (words.size() != 2 || (words[0] != "tenon" && words[0] != "peak")) return Error(Code::kInvalidArgument, "usage: bench_asof tenon|peak FOLDER");
  Work work;
  TENON_TRY(work.Read(words[1]));
  if (words[0] == "peak") {
    TENON_TRY(work.Join(1));
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("{\"peak\": %ld, \"inputs_and_output\": %zu}\n", usage.ru_maxrss * 1024, work.bytes());
    return 0;
  }
  const auto n = static_cast<std::int64_t>(work.asking_key.size());
  std::vector<Case> cases;
  for (const int threads : {1, 2}) {
    cases.push_back({Str("join_", threads), n, [&work, threads] { return work.Join(threads); }, [&work, threads]() -> Result<std::vector<double>> {
                       TENON_TRY(work.Join(threads));
                       return work.out;
                     }});
  }
  cases.push_back({"view_1", n, [&work] { return work.JoinView(1); }, [&work]() -> Result<std::vector<double>> {
                     TENON_TRY(work.JoinView(1));
                     return work.Joined();
                   }});
  return Obey(TENON_VERSION, cases);
}

}  // namespace
}  // namespace tenon::bench

int main(int count, char** arguments) { return tenon::bench::Main(count, arguments, tenon::bench::Run); }
