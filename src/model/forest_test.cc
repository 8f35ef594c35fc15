#include "model/forest.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <random>
#include <sstream>

#include "base/testing.h"
#include "model/forest_internal.h"
#include "model/xgboost_testing_internal.h"

namespace tenon::model {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

struct Data {
  std::vector<float> rows;
  std::vector<float> labels;
  std::int64_t columns = 0;
  std::vector<const char*> types;
  std::int64_t size() const { return static_cast<std::int64_t>(rows.size()) / columns; }
};

// Numbers with noise and holes; every fifth column has categories when asked for.
Data Generated(std::int64_t n, std::int64_t columns, int classes, double missing, bool categories, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<double> uniform;
  Data data;
  data.columns = columns;
  for (std::int64_t i = 0; i < n; ++i) {
    double score = 0;
    for (std::int64_t f = 0; f < columns; ++f) {
      const bool category = categories && f % 5 == 0;
      const float x = category ? static_cast<float>(random() % (f == 0 ? 70 : 6)) : std::round(normal(random) * 100) / 50;
      score += category ? (static_cast<int>(x) % 3 == 1 ? 1.0 : -0.5) : std::sin(static_cast<double>(x) * (1 + f % 3));
      data.rows.push_back(uniform(random) < missing ? kNan : x);
    }
    const double noisy = score + static_cast<double>(normal(random));
    if (classes == 0) data.labels.push_back(static_cast<float>(noisy));
    if (classes == 2) data.labels.push_back(noisy > 0 ? 1.0F : 0.0F);
    if (classes > 2) data.labels.push_back(std::fmod(std::abs(std::floor(static_cast<float>(noisy))), static_cast<float>(classes)));
  }
  if (categories) {
    for (std::int64_t f = 0; f < columns; ++f) data.types.push_back(f % 5 == 0 ? "c" : "q");
  }
  return data;
}

std::string Unzipped(const std::string& path) {
  std::string text;
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return text;
  char buffer[1 << 16];
  for (int got = gzread(file, buffer, sizeof(buffer)); got > 0; got = gzread(file, buffer, sizeof(buffer))) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  gzclose(file);
  return text;
}

// Tab-separated, the label first.
Data Higgs(std::int64_t most) {
  Data data;
  data.columns = 28;
  std::istringstream lines(Unzipped("../shared/data/lightgbm_higgs_sample/binary.train.gz"));
  std::string line;
  while (static_cast<std::int64_t>(data.labels.size()) < most && std::getline(lines, line)) {
    const std::vector<std::string> parts = Split(line, '\t');
    if (parts.size() != 29) continue;
    data.labels.push_back(std::stof(parts[0]));
    for (std::size_t f = 1; f < 29; ++f) data.rows.push_back(std::stof(parts[f]));
  }
  return data;
}

// Numbers, then the class's name.
Data Segment() {
  Data data;
  data.columns = 19;
  std::ifstream lines("../shared/data/segment/segment.arff");
  std::vector<std::string> classes;
  std::string line;
  while (std::getline(lines, line)) {
    const std::vector<std::string> parts = Split(Trim(line), ',');
    if (parts.size() != 20 || line[0] == '@') continue;
    for (std::size_t f = 0; f < 19; ++f) data.rows.push_back(std::stof(parts[f]));
    const auto found = std::ranges::find(classes, parts[19]);
    data.labels.push_back(static_cast<float>(found - classes.begin()));
    if (found == classes.end()) classes.push_back(parts[19]);
  }
  return data;
}

// The six numbers among the columns of Adult.
Data Adult(std::int64_t most) {
  Data data;
  data.columns = 6;
  std::istringstream lines(Unzipped("../shared/data/adult_income/adult-train.csv.gz"));
  std::string line;
  while (static_cast<std::int64_t>(data.labels.size()) < most && std::getline(lines, line)) {
    const std::vector<std::string> parts = Split(line, ',');
    if (parts.size() != 15) continue;
    std::vector<float> row;
    for (const std::size_t f : {0, 2, 4, 10, 11, 12}) {
      double value = 0;
      if (ParseDouble(Trim(parts[f]), &value)) row.push_back(static_cast<float>(value));
    }
    if (row.size() != 6) continue;
    data.rows.insert(data.rows.end(), row.begin(), row.end());
    data.labels.push_back(parts[14].find('>') != std::string::npos ? 1.0F : 0.0F);
  }
  return data;
}

testing::AssertionResult SameBits(const std::vector<float>& ours, const std::vector<float>& theirs) {
  if (ours.size() != theirs.size()) return testing::AssertionFailure() << ours.size() << " against " << theirs.size();
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (std::memcmp(&ours[i], &theirs[i], sizeof(float)) != 0) {
      return testing::AssertionFailure() << "at " << i << ": " << ours[i] << " against " << theirs[i];
    }
  }
  return testing::AssertionSuccess();
}

std::vector<float> Margins(const Model& model, const float* rows, std::int64_t n, std::int64_t stride) {
  std::vector<float> out(static_cast<std::size_t>(n * model.outputs()));
  model.Margin(rows, n, stride, out.data());
  return out;
}

// Rows that hit the edges of tests: thresholds themselves, their neighbours, both zeros, infinities, NaN, odd categories.
std::vector<float> EdgeRows(const ForestSpec& spec, std::int64_t n) {
  std::vector<std::vector<float>> values(static_cast<std::size_t>(spec.features),
                                         {0.0F, -0.0F, kNan, 1e30F, -1e30F, -1.0F, 1e-45F, 0.5F, -0.5F, 16777216.0F, 2000.0F});
  for (const Tree& tree : spec.trees) {
    for (const Tree::Node& node : tree.nodes) {
      if (node.left < 0 || node.split == Comparison::kCategory) continue;
      auto& list = values[static_cast<std::size_t>(node.feature)];
      const auto cut = static_cast<float>(node.value);
      for (const float x : {cut, std::nextafter(cut, -kInf), std::nextafter(cut, kInf)}) list.push_back(x);
    }
  }
  std::mt19937 random(7);
  std::vector<float> rows;
  for (std::int64_t i = 0; i < n; ++i) {
    for (const auto& list : values) rows.push_back(list[random() % list.size()]);
  }
  return rows;
}

struct ParityCase {
  std::string name;
  Data data;
  std::vector<std::pair<const char*, std::string>> parameters;
  int rounds = 20;
};

std::vector<ParityCase> ParityCases() {
  std::vector<ParityCase> cases;
  const std::vector<std::pair<const char*, std::string>> common = {{"nthread", "1"}, {"seed", "3"}, {"tree_method", "hist"}};
  const auto add = [&](std::string name, Data data, std::vector<std::pair<const char*, std::string>> parameters, int rounds) {
    parameters.insert(parameters.end(), common.begin(), common.end());
    cases.push_back({std::move(name), std::move(data), std::move(parameters), rounds});
  };
  add("binary", Generated(1200, 20, 2, 0.0, false, 1), {{"objective", "binary:logistic"}, {"max_depth", "6"}}, 30);
  add("missing", Generated(1200, 20, 2, 0.2, false, 2), {{"objective", "binary:logistic"}, {"max_depth", "6"}}, 30);
  add("regression", Generated(1200, 9, 0, 0.1, false, 3), {{"objective", "reg:squarederror"}, {"max_depth", "4"}}, 30);
  add("stumps", Generated(2000, 9, 0, 0.1, false, 4), {{"objective", "reg:squarederror"}, {"max_depth", "1"}}, 10);
  add("deep", Generated(2000, 12, 2, 0.1, false, 5), {{"objective", "binary:logistic"}, {"max_depth", "14"}}, 5);
  add("long paths", Generated(3000, 40, 2, 0.0, false, 12),
      {{"objective", "binary:logistic"}, {"max_depth", "30"}, {"min_child_weight", "0"}, {"colsample_bynode", "0.3"}}, 3);
  add("leafwise", Generated(2000, 12, 2, 0.1, false, 6),
      {{"objective", "binary:logistic"}, {"max_depth", "0"}, {"max_leaves", "60"}, {"grow_policy", "lossguide"}}, 20);
  add("fine cuts", Generated(4000, 4, 2, 0.05, false, 7),
      {{"objective", "binary:logistic"}, {"max_depth", "8"}, {"max_bin", "2000"}, {"min_child_weight", "0.1"}}, 25);
  add("classes", Generated(1200, 10, 4, 0.1, false, 8), {{"objective", "multi:softprob"}, {"num_class", "4"}}, 12);
  add("random forest", Generated(1200, 10, 2, 0.1, false, 9),
      {{"objective", "binary:logistic"}, {"num_parallel_tree", "4"}, {"subsample", "0.7"}, {"colsample_bynode", "0.6"}}, 5);
  add("categories", Generated(1500, 12, 2, 0.1, true, 10),
      {{"objective", "binary:logistic"}, {"max_cat_to_onehot", "4"}, {"max_depth", "6"}}, 20);
  add("one-hot categories", Generated(1500, 12, 3, 0.1, true, 11),
      {{"objective", "multi:softprob"}, {"num_class", "3"}, {"max_cat_to_onehot", "100"}}, 10);
  add("higgs", Higgs(2000), {{"objective", "binary:logistic"}, {"max_depth", "6"}}, 40);
  add("segment", Segment(), {{"objective", "multi:softmax"}, {"num_class", "7"}}, 15);
  add("adult", Adult(3000), {{"objective", "binary:logistic"}, {"max_depth", "8"}}, 30);
  return cases;
}

void CompareContributions(const Model& model, const std::vector<float>& rows, std::int64_t stride, std::int64_t n,
                          const std::vector<float>& theirs, double tolerance) {
  const auto width = static_cast<std::size_t>((model.features() + 1) * model.outputs());
  std::vector<double> ours(width);
  double worst = 0, worst_sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const float* row = rows.data() + i * stride;
    model.Contributions(row, ours.data());
    const std::vector<float> margin = Margins(model, row, 1, stride);
    double size = 1;
    for (double part : ours) size = std::max(size, std::abs(part));
    for (std::size_t j = 0; j < width; ++j) {
      const auto other = static_cast<double>(theirs[static_cast<std::size_t>(i) * width + j]);
      worst = std::max(worst, std::abs(ours[j] - other) / size);
    }
    for (std::size_t k = 0; k < margin.size(); ++k) {
      double sum = 0;
      for (std::size_t j = 0; j < width / margin.size(); ++j) sum += ours[k * (width / margin.size()) + j];
      worst_sum = std::max(worst_sum, std::abs(sum - static_cast<double>(margin[k])) / size);
    }
  }
  EXPECT_LT(worst, tolerance);
  EXPECT_LT(worst_sum, 2e-6);
}

void Compare(const XgboostLibrary& xgboost, const ParityCase& a) {
  ASSERT_OK_AND_ASSIGN(void* const matrix, xgboost.Matrix(a.data.rows, a.data.columns, a.data.labels, a.data.types));
  ASSERT_OK_AND_ASSIGN(void* const booster, xgboost.Train(matrix, a.parameters, a.rounds));
  ASSERT_OK_AND_ASSIGN(const std::string saved, xgboost.Save(booster));
  ASSERT_OK_AND_ASSIGN(const ForestSpec spec, ReadXgboost(saved));
  ASSERT_OK_AND_ASSIGN(const auto model, MakeForest(spec));

  for (const bool edges : {false, true}) {
    SCOPED_TRACE(edges ? "edges" : "training rows");
    const std::vector<float> rows = edges ? EdgeRows(spec, 700) : a.data.rows;
    const std::int64_t n = static_cast<std::int64_t>(rows.size()) / a.data.columns;
    ASSERT_OK_AND_ASSIGN(void* const asked, xgboost.Matrix(rows, a.data.columns, {}, a.data.types));
    ASSERT_OK_AND_ASSIGN(const auto margins, xgboost.Predict(booster, asked, 1));
    EXPECT_TRUE(SameBits(Margins(*model, rows.data(), n, a.data.columns), margins));
    for (const KernelKind& kind : KernelKinds()) {
      SCOPED_TRACE(kind.name);
      if (const auto with = MakeForestWith(spec, kind.name)) {
        EXPECT_TRUE(SameBits(Margins(**with, rows.data(), n, a.data.columns), margins));
      }
    }
    std::vector<float> alone;
    for (std::int64_t i = 0; i < n; ++i) {
      for (const float x : Margins(*model, rows.data() + i * a.data.columns, 1, a.data.columns)) alone.push_back(x);
    }
    EXPECT_TRUE(SameBits(alone, margins));

    ASSERT_OK_AND_ASSIGN(const auto leaves, xgboost.Predict(booster, asked, 6));
    const std::vector<std::int32_t> ours = Leaves(spec, rows.data(), n, a.data.columns);
    ASSERT_EQ(ours.size(), leaves.size());
    std::int64_t different = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) different += ours[i] != static_cast<std::int32_t>(leaves[i]) ? 1 : 0;
    EXPECT_EQ(different, 0);

    constexpr std::int64_t kExplained = 40;  // XGBoost takes long for these
    const std::vector<float> few(rows.begin(), rows.begin() + kExplained * a.data.columns);
    ASSERT_OK_AND_ASSIGN(void* const explained, xgboost.Matrix(few, a.data.columns, {}, a.data.types));
    ASSERT_OK_AND_ASSIGN(const auto contributions, xgboost.Predict(booster, explained, 2));
    // XGBoost multiplies and divides along a path in floats, whose errors grow with its length.
    CompareContributions(*model, few, a.data.columns, kExplained, contributions, a.name == "long paths" ? 5e-5 : 1e-5);
    xgboost.FreeMatrix(explained);

    if (model->task() != Task::kRegression && a.name != "segment") {
      ASSERT_OK_AND_ASSIGN(const auto probabilities, xgboost.Predict(booster, asked, 0));
      std::vector<float> predicted(margins.size());
      model->Predict(rows.data(), n, a.data.columns, predicted.data());
      float worst = 0;
      for (std::size_t i = 0; i < predicted.size(); ++i) worst = std::max(worst, std::abs(predicted[i] - probabilities[i]) / probabilities[i]);
      EXPECT_LE(worst, 1.2e-7F);
    }
    xgboost.FreeMatrix(asked);
  }
  xgboost.Free(booster);
  xgboost.FreeMatrix(matrix);
}

TEST(Forest, EqualsXgboostBitForBit) {
  auto xgboost = XgboostLibrary::Open();
  if (!xgboost) GTEST_SKIP() << xgboost.error().ToString();
  for (const ParityCase& a : ParityCases()) {
    SCOPED_TRACE(a.name);
    if (a.data.labels.empty()) {
      std::cout << "[ SKIPPED  ] " << a.name << ": ../shared/data is not there\n";
      continue;
    }
    Compare(*xgboost, a);
  }
}

}  // namespace
}  // namespace tenon::model
