#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

// One side of a comparison in a process of its own. The driver (bench/benchlib.py) gives orders a line at a time and
// gets a line of JSON back, so that it can let the sides take turns. The Python peers speak the same (peers/worker.py):
//   time CASE SECONDS   repeats the work until it took that long -> {"cpu_ns","wall_ns","rows"}: nanoseconds a row
//   answer CASE FILE    writes the answer as float64 -> {"values"}
//   quit
namespace tenon::bench {

struct Case {
  std::string name;
  std::int64_t rows = 1;                             // that one call of `work` goes through
  std::function<Result<void>()> work;
  std::function<Result<std::vector<double>>()> answer;  // what is compared with the other side before timing
};

// Says it is ready and what it is, and obeys until told to quit or its input ends. The exit status.
int Obey(const std::string& version, const std::vector<Case>& cases);

// The whole of a worker's main: `run` with the words of the command line; its status, or 1 when its error was told.
int Main(int count, char** arguments, Result<int> (*run)(const std::vector<std::string>& words));

// A whole file of one type of number.
Result<std::vector<float>> ReadFloats(const std::string& path);
Result<std::string> ReadText(const std::string& path);
Result<void> WriteBytes(const std::string& path, const void* data, std::size_t size);

}  // namespace tenon::bench
