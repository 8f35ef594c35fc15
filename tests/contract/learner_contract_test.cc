// What every learner promises (train/learner.h), for all of train/learners/.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <stop_token>
#include <vector>

#include "base/testing.h"
#include "train/learner.h"

namespace tenon::train {
namespace {

constexpr int kFeatures = 5;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Features: signal, its noisy double, a constant, one that is mostly missing, one that is always missing.
struct Data {
  std::vector<float> values;
  std::vector<double> label, weight;
  Matrix View(std::size_t from, std::size_t until) const {
    Matrix out;
    out.values = values.data() + from * kFeatures;
    out.rows = static_cast<std::int64_t>(until - from);
    out.features = kFeatures;
    out.label = std::span(label).subspan(from, until - from);
    if (!weight.empty()) out.weight = std::span(weight).subspan(from, until - from);
    return out;
  }
};

Data Make(model::Task task, std::size_t rows) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  Data out;
  for (std::size_t i = 0; i < rows; ++i) {
    const double signal = normal(random);
    const double y = signal + 0.5 * normal(random);
    const double rare = i % 7 == 0 ? signal : kNaN;
    for (const double x : {signal, 2 * signal + normal(random), 4.0, rare, kNaN})
      out.values.push_back(static_cast<float>(x));
    out.label.push_back(task == model::Task::kRegression ? 1e3 * y
                        : task == model::Task::kBinary   ? y > 0.3
                                                         : (y > -0.5) + (y > 0.5));
  }
  return out;
}

Target TargetOf(model::Task task) {
  return {task, task == model::Task::kRegression ? 0 : task == model::Task::kBinary ? 2 : 3};
}

// Quick settings: what is checked does not hang on the number of rounds.
Json Quick(const std::string& learner) {
  Json out = Json::MakeObject();
  if (learner == "boosted_trees") out["rounds"] = 12;
  return out;
}

class LearnerContract : public testing::TestWithParam<std::tuple<std::string, model::Task>> {
 protected:
  void SetUp() override {
    ASSERT_OK(AddAll(kinds_));
    data_ = Make(task(), 3000);
  }
  const std::string& name() const { return std::get<0>(GetParam()); }
  model::Task task() const { return std::get<1>(GetParam()); }
  Result<std::unique_ptr<model::Model>> Train(const Call& call, const Matrix& rows, const Matrix& validation) {
    TENON_ASSIGN(const auto learner, kinds_.Create(name(), Quick(name())));
    return learner->Train(call, rows, validation, TargetOf(task()), nullptr);
  }
  Matrix rows() const { return data_.View(0, 2400); }
  Matrix validation() const { return data_.View(2400, 3000); }

  Kinds<Learner> kinds_;
  Data data_;
};

TEST_P(LearnerContract, SameBytesAgainAndForAnyNumberOfThreads) {
  Call call;
  call.seed = 77;
  ASSERT_OK_AND_ASSIGN(const auto first, Train(call, rows(), validation()));
  ASSERT_OK_AND_ASSIGN(const auto again, Train(call, rows(), validation()));
  EXPECT_TRUE(first->Save() == again->Save());
  for (const int threads : {2, 3}) {
    call.threads = threads;
    ASSERT_OK_AND_ASSIGN(const auto threaded, Train(call, rows(), validation()));
    EXPECT_TRUE(first->Save() == threaded->Save()) << threads << " threads";
  }
}

TEST_P(LearnerContract, LearnsMoreThanNothing) {
  if (name() == "baseline") GTEST_SKIP() << "the baseline learns nothing, on purpose";
  ASSERT_OK_AND_ASSIGN(const auto baseline, kinds_.Create("baseline"));
  ASSERT_OK_AND_ASSIGN(const auto constant, baseline->Train({}, rows(), validation(), TargetOf(task()), nullptr));
  ASSERT_OK_AND_ASSIGN(const auto model, Train({}, rows(), validation()));
  const auto loss = [&](const model::Model& judged) {
    const Matrix on = validation();
    std::vector<float> answers(static_cast<std::size_t>(on.rows * judged.outputs()));
    judged.Predict(on.values, on.rows, kFeatures, answers.data());
    double sum = 0;
    for (std::size_t i = 0; i < on.label.size(); ++i) {
      const auto outputs = static_cast<std::size_t>(judged.outputs());
      if (task() == model::Task::kRegression) {
        sum += std::abs(static_cast<double>(answers[i]) - on.label[i]);
      } else if (outputs == 1) {
        sum += std::abs(static_cast<double>(answers[i]) - on.label[i]);
      } else {
        sum += 1 - static_cast<double>(answers[i * outputs + static_cast<std::size_t>(on.label[i])]);
      }
    }
    return sum;
  };
  EXPECT_LT(loss(*model), 0.95 * loss(*constant));
}

TEST_P(LearnerContract, SavedAndLoadedItAnswersTheSame) {
  ASSERT_OK_AND_ASSIGN(const auto model, Train({}, rows(), validation()));
  Kinds<model::Format> formats;
  ASSERT_OK(model::AddAll(formats));
  ASSERT_OK_AND_ASSIGN(const auto format, formats.Create(model->format()));
  ASSERT_OK_AND_ASSIGN(const auto loaded, format->Load(model->Save()));
  EXPECT_EQ(model->task(), task());
  EXPECT_EQ(model->features(), kFeatures);
  EXPECT_EQ(model->outputs(), task() == model::Task::kMulticlass ? 3 : 1);
  const Matrix on = validation();
  const auto size = static_cast<std::size_t>(on.rows * model->outputs());
  std::vector<float> before(size), after(size);
  model->Predict(on.values, on.rows, kFeatures, before.data());
  loaded->Predict(on.values, on.rows, kFeatures, after.data());
  EXPECT_EQ(before, after);
  for (const float value : before) EXPECT_TRUE(std::isfinite(value));
}

TEST_P(LearnerContract, WorksWithoutValidationRows) { ASSERT_OK(Train({}, rows(), {})); }

TEST_P(LearnerContract, AWeightCountsAsSoManyRows) {
  Data doubled = data_, weighted = data_;
  weighted.weight.assign(data_.label.size(), 1.0);
  for (std::size_t i = 0; i < 1200; ++i) weighted.weight[i] = 0;
  ASSERT_OK_AND_ASSIGN(const auto by_weight, Train({}, weighted.View(0, 2400), validation()));
  ASSERT_OK_AND_ASSIGN(const auto by_rows, Train({}, doubled.View(1200, 2400), validation()));
  // Sampling may differ; the answers must be alike, and unlike those of all rows weighing the same by no more.
  float a = 0, b = 0;
  if (task() == model::Task::kMulticlass) GTEST_SKIP() << "one number a row is enough to compare";
  double apart = 0, spread = 0;
  for (std::int64_t i = 0; i < 200; ++i) {
    by_weight->Margin(validation().values + i * kFeatures, 1, kFeatures, &a);
    by_rows->Margin(validation().values + i * kFeatures, 1, kFeatures, &b);
    apart += std::abs(static_cast<double>(a) - static_cast<double>(b));
    spread += std::abs(static_cast<double>(b));
  }
  EXPECT_LT(apart, 0.15 * spread);
}

TEST_P(LearnerContract, StopsWhenAsked) {
  std::stop_source source;
  source.request_stop();
  Call call;
  call.stop = source.get_token();
  ASSERT_CODE(kCancelled, Train(call, rows(), validation()));
}

TEST_P(LearnerContract, StopsInTheMidst) {
  if (name() == "baseline") GTEST_SKIP() << "it has no midst";
  std::stop_source source;
  Call call;
  call.stop = source.get_token();
  ASSERT_OK_AND_ASSIGN(const auto learner, kinds_.Create(name()));
  int rounds = 0;
  ASSERT_CODE(kCancelled, learner->Train(call, rows(), validation(), TargetOf(task()), [&](const Round&) {
    if (++rounds == 2) source.request_stop();
  }));
  EXPECT_LE(rounds, 3);
}

TEST_P(LearnerContract, KeepsTheDeadline) {
  Call call;
  call.deadline = std::chrono::steady_clock::time_point::min();
  ASSERT_CODE(kDeadlineExceeded, Train(call, rows(), validation()));
}

TEST_P(LearnerContract, RefusesWhatCannotBeLearned) {
  ASSERT_CODE(kInvalidArgument, Train({}, data_.View(0, 0), validation()));
  for (const double label : {kNaN, std::numeric_limits<double>::infinity()}) {
    Data broken = data_;
    broken.label[7] = label;
    ASSERT_CODE(kInvalidArgument, Train({}, broken.View(0, 2400), validation()));
    broken = data_;
    broken.label[2500] = label;
    ASSERT_CODE(kInvalidArgument, Train({}, rows(), broken.View(2400, 3000)));
  }
  for (const double weight : {-1.0, kNaN}) {
    Data broken = data_;
    broken.weight.assign(data_.label.size(), 1.0);
    broken.weight[3] = weight;
    ASSERT_CODE(kInvalidArgument, Train({}, broken.View(0, 2400), validation()));
  }
  Data weightless = data_;
  weightless.weight.assign(data_.label.size(), 0.0);
  ASSERT_CODE(kInvalidArgument, Train({}, weightless.View(0, 2400), {}));
  Matrix short_of_labels = rows();
  short_of_labels.label = short_of_labels.label.first(10);
  ASSERT_CODE(kInvalidArgument, Train({}, short_of_labels, validation()));
  if (task() == model::Task::kRegression) return;
  for (const double label : {0.5, -1.0, 3.0}) {
    Data broken = data_;
    broken.label[7] = label;
    ASSERT_CODE(kInvalidArgument, Train({}, broken.View(0, 2400), validation()));
  }
  Data one = data_;
  for (double& label : one.label) label = 1;
  ASSERT_CODE(kInvalidArgument, Train({}, one.View(0, 2400), {}));
}

TEST_P(LearnerContract, AConstantLabelIsLearnedByARegression) {
  if (task() != model::Task::kRegression) GTEST_SKIP() << "one class is an error";
  Data constant = data_;
  for (double& label : constant.label) label = 42;
  ASSERT_OK_AND_ASSIGN(const auto model, Train({}, constant.View(0, 2400), constant.View(2400, 3000)));
  float answer = 0;
  model->Predict(data_.values.data(), 1, kFeatures, &answer);
  EXPECT_NEAR(answer, 42, 1e-4);
}

TEST_P(LearnerContract, ItsTableIsValidAndItsExampleRuns) {
  ASSERT_OK_AND_ASSIGN(const auto* kind, kinds_.Find(name()));
  for (const Option& option : kind->doc.options) {
    SCOPED_TRACE(option.name);
    EXPECT_LE(option.least, option.most);
    EXPECT_FALSE(option.help.empty());
    if (option.search.empty()) continue;
    if (option.search == "choice") {
      EXPECT_GE(option.choices.size(), 2u);
      continue;
    }
    EXPECT_LT(option.search_least, option.search_most);
    EXPECT_GE(option.search_least, option.least);
    EXPECT_LE(option.search_most, option.most);
    if (option.search == "log") EXPECT_GT(option.search_least, 0);
  }
  ASSERT_OK_AND_ASSIGN(const Json example, Json::Parse(kind->doc.example));
  ASSERT_OK_AND_ASSIGN(const auto learner, kinds_.Create(name(), example));
  EXPECT_TRUE(learner->style() == "trees" || learner->style() == "linear");
  ASSERT_OK(learner->Train({}, data_.View(0, 400), data_.View(400, 600), TargetOf(task()), nullptr));
}

std::vector<std::string> Names() {
  Kinds<Learner> kinds;
  return AddAll(kinds).ok() ? kinds.Names() : std::vector<std::string>{};
}

INSTANTIATE_TEST_SUITE_P(All, LearnerContract,
                         testing::Combine(testing::ValuesIn(Names()),
                                          testing::Values(model::Task::kBinary, model::Task::kMulticlass,
                                                          model::Task::kRegression)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" + std::string(model::NameOf(std::get<1>(info.param)));
                         });

}  // namespace
}  // namespace tenon::train
