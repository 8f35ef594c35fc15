// Our side of bench/asof: bench_asof tenon FOLDER obeys orders (worker.h); bench_asof peak FOLDER joins once and says how much memory
// it took. FOLDER has the columns that bench/asof wrote: keys and times as int64, values as float64.

#include <sys/resource.h>

#include <cstdio>
#include <cstring>
#include <limits>

#include "base/text.h"
#include "bench/native/worker.h"
#include "feature/as_of.h"

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

  Result<void> Read(const std::string& folder) {
    TENON_ASSIGN(asking_key, Load<std::int64_t>(folder + "/asking_key"));
    TENON_ASSIGN(asking_time, Load<std::int64_t>(folder + "/asking_time"));
    TENON_ASSIGN(known_key, Load<std::int64_t>(folder + "/known_key"));
    TENON_ASSIGN(known_time, Load<std::int64_t>(folder + "/known_time"));
    TENON_ASSIGN(value, Load<double>(folder + "/value"));
    return {};
  }
  std::size_t bytes() const { return (asking_key.size() * 2 + value.size() * 3 + asking_key.size()) * 8; }

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
  return Obey(TENON_VERSION, cases);
}

}  // namespace
}  // namespace tenon::bench

int main(int count, char** arguments) { return tenon::bench::Main(count, arguments, tenon::bench::Run); }
