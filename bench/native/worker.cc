#include "bench/native/worker.h"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/json.h"
#include "base/text.h"

namespace tenon::bench {
namespace {

double CpuNanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double WallNanoseconds() {
  return static_cast<double>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

Result<Json> Time(const Case& one, double seconds) {
  const double wall = WallNanoseconds();
  const double cpu = CpuNanoseconds();
  double rows = 0;
  // The clock is looked at after a while only, as a call of one row may take less than reading it.
  const std::int64_t burst = std::max<std::int64_t>(1, 256 / one.rows);
  do {
    for (std::int64_t i = 0; i < burst; ++i) TENON_TRY(one.work());
    rows += static_cast<double>(one.rows * burst);
  } while (WallNanoseconds() - wall < seconds * 1e9);
  Json out;
  out["cpu_ns"] = (CpuNanoseconds() - cpu) / rows;
  out["wall_ns"] = (WallNanoseconds() - wall) / rows;
  out["rows"] = rows;
  return out;
}

Result<Json> Answer(const Case& one, const std::string& path) {
  TENON_ASSIGN(const std::vector<double> values, one.answer());
  TENON_TRY(WriteBytes(path, values.data(), values.size() * sizeof(double)));
  Json out;
  out["values"] = values.size();
  return out;
}

Result<Json> Order(const std::string& line, const std::vector<Case>& cases) {
  std::istringstream words(line);
  std::string order, name, last;
  words >> order >> name >> last;
  for (const Case& one : cases) {
    if (one.name != name) continue;
    if (order == "time") return Time(one, std::strtod(last.c_str(), nullptr));
    if (order == "answer") return Answer(one, last);
  }
  return Error(Code::kInvalidArgument, Str("no such order or case: ", line));
}

}  // namespace

int Obey(const std::string& version, const std::vector<Case>& cases) {
  Json ready;
  ready["version"] = version;
  Json::Array names;
  for (const Case& one : cases) names.emplace_back(one.name);
  ready["cases"] = Json(std::move(names));
  std::cout << ready.Dump() << std::endl;
  std::string line;
  while (std::getline(std::cin, line) && line != "quit") {
    auto reply = Order(line, cases);
    Json error;
    if (!reply.ok()) error["error"] = reply.error().ToString();
    std::cout << (reply.ok() ? reply->Dump() : error.Dump()) << std::endl;
  }
  return 0;
}

int Main(int count, char** arguments, Result<int> (*run)(const std::vector<std::string>& words)) {
  auto status = run({arguments + 1, arguments + count});
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.error().ToString().c_str());
    return 1;
  }
  return *status;
}

Result<std::string> ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error(Code::kNotFound, Str("cannot read ", path));
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

Result<std::vector<float>> ReadFloats(const std::string& path) {
  TENON_ASSIGN(const std::string bytes, ReadText(path));
  std::vector<float> out(bytes.size() / sizeof(float));
  std::copy_n(bytes.data(), out.size() * sizeof(float), reinterpret_cast<char*>(out.data()));
  return out;
}

Result<void> WriteBytes(const std::string& path, const void* data, std::size_t size) {
  std::ofstream out(path, std::ios::binary);
  out.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
  out.flush();
  if (!out) return Error(Code::kUnavailable, Str("cannot write ", path));
  return {};
}

}  // namespace tenon::bench
