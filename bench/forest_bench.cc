// One row and batches through our forest and through XGBoost's C API, one thread each, equal margins checked first.
// Usage: forest_bench [trees] [depth] [features]. Prints a line a shape: processor nanoseconds a row, ours and theirs, and the ratio.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <random>

#include "model/forest.h"
#include "model/xgboost_testing_internal.h"

namespace tenon::model {
namespace {

// Processor time of the whole process, which other load on the machine disturbs least.
double Nanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// The median over repeats, in nanoseconds a row.
double Median(std::int64_t rows, const std::function<void()>& work) {
  work();
  const double first = Nanoseconds();
  work();
  const double once = std::max(Nanoseconds() - first, 100.0);
  const int loops = std::max(1, static_cast<int>(30e6 / once));
  std::vector<double> times;
  for (int repeat = 0; repeat < 9; ++repeat) {
    const double start = Nanoseconds();
    for (int i = 0; i < loops; ++i) work();
    times.push_back((Nanoseconds() - start) / (static_cast<double>(rows) * loops));
  }
  std::ranges::sort(times);
  return times[times.size() / 2];
}

struct Shape {
  int trees = 100;
  int depth = 6;
  int features = 28;
};

std::vector<float> Rows(std::int64_t n, int features, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> rows(static_cast<std::size_t>(n * features));
  for (float& x : rows) x = normal(random);
  return rows;
}

Result<void> Run(const Shape& shape) {
  TENON_ASSIGN(const XgboostLibrary xgboost, XgboostLibrary::Open());
  std::mt19937 random(1);
  constexpr std::int64_t kTraining = 20000;
  const std::vector<float> training = Rows(kTraining, shape.features, random);
  std::vector<float> labels;
  for (std::int64_t i = 0; i < kTraining; ++i) {
    const float* row = training.data() + i * shape.features;
    const float score = row[0] * row[1] + row[2] - row[3] * row[3] + std::sin(3 * row[4]) + row[5] * row[6] * row[7];
    labels.push_back(score > 0 ? 1.0F : 0.0F);
  }
  TENON_ASSIGN(void* const matrix, xgboost.Matrix(training, shape.features, labels));
  TENON_ASSIGN(void* const booster, xgboost.Train(matrix,
                                                  {{"objective", "binary:logistic"},
                                                   {"max_depth", Str(shape.depth)},
                                                   {"nthread", "1"},
                                                   {"eta", "0.1"},
                                                   {"min_child_weight", "0"},
                                                   {"tree_method", "hist"}},
                                                  shape.trees));
  TENON_ASSIGN(const std::string json, xgboost.Save(booster));
  TENON_ASSIGN(ForestSpec spec, ReadXgboost(json));
  TENON_ASSIGN(const auto model, MakeForest(std::move(spec)));
  std::printf("%s\n", model->Describe().Dump().c_str());

  for (const std::int64_t n : {1, 16, 256, 4096, 65536}) {
    const std::vector<float> rows = Rows(n, shape.features, random);
    const std::string array = XgboostLibrary::Array(rows.data(), n, shape.features);
    std::vector<float> ours(static_cast<std::size_t>(n));
    model->Margin(rows.data(), n, shape.features, ours.data());
    TENON_ASSIGN(const float* const theirs, xgboost.PredictInPlace(booster, array));
    if (std::memcmp(ours.data(), theirs, ours.size() * sizeof(float)) != 0) return Error(Code::kInternal, "the margins differ");
    const double our_time = Median(n, [&] { model->Margin(rows.data(), n, shape.features, ours.data()); });
    const double their_time = Median(n, [&] {
      if (!xgboost.PredictInPlace(booster, array)) std::abort();
    });
    std::printf("predict %6ld rows: tenon %9.1f ns/row, xgboost %9.1f ns/row, ratio %6.1f\n", static_cast<long>(n), our_time,
                their_time, their_time / our_time);
  }

  constexpr std::int64_t kExplained = 200;
  const std::vector<float> rows = Rows(kExplained, shape.features, random);
  std::vector<double> parts(static_cast<std::size_t>(shape.features) + 1);
  TENON_ASSIGN(void* const explained, xgboost.Matrix(rows, shape.features, {}));
  const double our_time = Median(kExplained, [&] {
    for (std::int64_t i = 0; i < kExplained; ++i) model->Contributions(rows.data() + i * shape.features, parts.data());
  });
  const double their_time = Median(kExplained, [&] {
    if (!xgboost.Predict(booster, explained, 2)) std::abort();
  });
  std::printf("explain %6ld rows: tenon %9.1f ns/row, xgboost %9.1f ns/row, ratio %6.1f\n", static_cast<long>(kExplained),
              our_time, their_time, their_time / our_time);
  xgboost.FreeMatrix(explained);
  xgboost.FreeMatrix(matrix);
  xgboost.Free(booster);
  return {};
}

}  // namespace
}  // namespace tenon::model

int main(int count, char** arguments) {
  tenon::model::Shape shape;
  if (count > 1) shape.trees = std::atoi(arguments[1]);
  if (count > 2) shape.depth = std::atoi(arguments[2]);
  if (count > 3) shape.features = std::atoi(arguments[3]);
  if (auto done = tenon::model::Run(shape); !done) {
    std::fprintf(stderr, "%s\n", done.error().ForPeople().c_str());
    return 1;
  }
  return 0;
}
