#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "base/testing.h"
#include "train/learner.h"

namespace tenon::train {
namespace {

struct Data {
  std::vector<float> values;
  std::vector<double> label;
  Matrix View(std::size_t from, std::size_t until, int features) const {
    Matrix out;
    out.values = values.data() + from * static_cast<std::size_t>(features);
    out.rows = static_cast<std::int64_t>(until - from);
    out.features = features;
    out.label = std::span(label).subspan(from, until - from);
    return out;
  }
};

// y depends on x0 * x1 (an interaction) and on whether x2 is missing; x3 is noise.
Data Interaction(std::size_t rows, bool classify) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal;
  Data out;
  for (std::size_t i = 0; i < rows; ++i) {
    const double a = normal(random), b = normal(random), c = normal(random), d = normal(random);
    const bool missing = c > 0.5;
    const double y = 2 * a * b + (missing ? 1.5 : 0) + 0.3 * normal(random);
    for (const double x : {a, b, missing ? std::nan("") : c, d}) out.values.push_back(static_cast<float>(x));
    out.label.push_back(classify ? (y > 0.4 ? 1 : 0) : 1000 + 50 * y);
  }
  return out;
}

Result<std::unique_ptr<model::Model>> TrainOn(const Data& data, const Json& settings, const Target& target, Call call = {}) {
  Kinds<Learner> kinds;
  TENON_TRY(AddAll(kinds));
  TENON_ASSIGN(const auto learner, kinds.Create("boosted_trees", settings));
  const std::size_t part = data.label.size() * 4 / 5;
  return learner->Train(call, data.View(0, part, 4), data.View(part, data.label.size(), 4), target, nullptr);
}

TEST(BoostedTrees, SameBytesForAnyNumberOfThreads) {
  const Data data = Interaction(20000, true);
  std::vector<std::string> saved;
  for (const int threads : {1, 2, 3, 4}) {
    Call call;
    call.threads = threads;
    ASSERT_OK_AND_ASSIGN(const auto model, TrainOn(data, *Json::Parse(R"({"rounds": 60, "bins": 64})"),
                                                   {model::Task::kBinary, 2}, call));
    saved.push_back(model->Save());
  }
  for (const std::string& bytes : saved) EXPECT_EQ(bytes == saved[0], true);
}

}  // namespace
}  // namespace tenon::train
