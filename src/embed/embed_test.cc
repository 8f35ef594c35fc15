// The C ABI through the shared library, against serve/ in this program.

#include <bit>
#include <cmath>
#include <cstring>

#include "embed/allocations_testing_internal.h"
#include "tenon.h"
#include "base/hash.h"
#include "base/testing.h"
#include "serve/session.h"
#include "serve/testing.h"

namespace tenon::embed {
namespace {

void Manifest(const serve::Served& served, Json* out) {
  Json& manifest = *out;
  manifest["name"] = served.endpoint;
  manifest["task"] = std::string(NameOf(served.predictor->task()));
  manifest["classes"] = Json::ListOf(served.predictor->classes());
  manifest["model_format"] = std::string(served.predictor->model().format());
  manifest["threshold"] = 0.5;
  for (const auto& field : served.fields) {
    Json input;
    input["name"] = field.name;
    input["required"] = field.required;
    input["least"] = field.least;
    input["most"] = field.most;
    if (!field.domain.empty()) input["domain"] = Json::ListOf(field.domain);
    manifest["inputs"].Push(std::move(input));
  }
}

std::string BundleOf(const serve::Served& served, std::string_view note = "", std::string golden = "") {
  Json manifest;
  Manifest(served, &manifest);
  manifest["note"] = std::string(note);
  std::map<std::string, std::string> sections = {{"graph", served.predictor->graph().Save()}, {"model", served.predictor->model().Save()}};
  if (!golden.empty()) sections["golden"] = std::move(golden);
  return model::Bundle::Write(manifest, sections);
}

class Loan : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(transform::AddAll(ops_));
    ASSERT_OK_AND_ASSIGN(served_, serve::testing::MakeLoan(ops_));
    bytes_ = BundleOf(*served_);
    tn_error error;
    ASSERT_EQ(tn_open(bytes_.data(), bytes_.size(), &model_, &error), TN_OK) << error.message;
    ASSERT_EQ(tn_session_open(model_, &session_, &error), TN_OK) << error.message;
  }
  void TearDown() override {
    tn_close(model_);  // before its session, which keeps what it needs
    tn_session_close(session_);
  }

  static std::array<tn_value, 4> Row(double age, double income, const char* job, double owner) {
    return {tn_value{age, nullptr, 0}, tn_value{income, nullptr, 0}, tn_value{0, job, job == nullptr ? 0 : std::strlen(job)}, tn_value{owner, nullptr, 0}};
  }

  Kinds<transform::Op> ops_;
  std::shared_ptr<const serve::Served> served_;
  std::string bytes_;
  tn_model* model_ = nullptr;
  tn_session* session_ = nullptr;
};

TEST_F(Loan, Describes) {
  EXPECT_EQ(tn_abi(), TN_ABI);
  EXPECT_STREQ(tn_version(), TENON_VERSION);
  EXPECT_STREQ(tn_name(model_), "loan");
  EXPECT_EQ(tn_task_of(model_), TN_BINARY);
  EXPECT_EQ(tn_outputs(model_), 1);
  ASSERT_EQ(tn_classes(model_), 2);
  EXPECT_STREQ(tn_class_at(model_, 1), "yes");
  EXPECT_EQ(tn_class_at(model_, 2), nullptr);
  EXPECT_EQ(tn_threshold(model_), 0.5);
  ASSERT_EQ(tn_inputs(model_), 4);
  const std::array<int, 4> types = {TN_WHOLE, TN_NUMBER, TN_TEXT, TN_BOOL};
  tn_input input;
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(tn_input_at(model_, i, &input, nullptr), TN_OK);
    EXPECT_STREQ(input.name, served_->fields[i].name.c_str());
    EXPECT_EQ(input.type, types[i]);
    EXPECT_EQ(input.required, i == 0);
  }
  tn_error error;
  EXPECT_EQ(tn_input_at(model_, 4, &input, &error), TN_INVALID_ARGUMENT);
  EXPECT_STREQ(error.message, "no input 4: the model has 4");
  EXPECT_STREQ(tn_domain_at(model_, 2, 1), "baker");
  EXPECT_EQ(tn_domain_at(model_, 2, 2), nullptr);
  EXPECT_NE(std::strstr(tn_manifest(model_), "\"model_format\":\"linear\""), nullptr);
}

TEST_F(Loan, AnswersAsTheServiceBitForBit) {
  serve::Session here(served_);
  std::vector<tn_value> rows;
  std::vector<float> wanted;
  for (int i = 0; i < 200; ++i) {
    const char* job = i % 3 == 0 ? "clerk" : i % 3 == 1 ? "zookeeper" : nullptr;
    const double income = i % 7 == 0 ? NAN : i * 31.7;
    const auto row = Row(18 + i % 60, income, job, i % 2);
    rows.insert(rows.end(), row.begin(), row.end());
    auto& reader = here.reader();
    reader.Begin(0);
    reader.Number(reader.At("age"), 18 + i % 60);
    if (!std::isnan(income)) reader.Number(reader.At("income"), income);
    if (job != nullptr) reader.Text(reader.At("job"), job);
    reader.Bool(reader.At("owner"), i % 2 == 1);
    ASSERT_TRUE(reader.End());
    wanted.push_back(here.Predict().values[0]);
    float one = -1;
    std::int32_t decision = -2;
    tn_error error;
    ASSERT_EQ(tn_predict(session_, row.data(), &one, &decision, &error), TN_OK) << error.message;
    EXPECT_EQ(std::bit_cast<std::uint32_t>(one), std::bit_cast<std::uint32_t>(wanted.back()));
    EXPECT_EQ(decision, wanted.back() >= 0.5F ? 1 : 0);
    double base = 0, their_base = 0;
    std::array<double, 4> parts;
    ASSERT_EQ(tn_explain(session_, row.data(), 0, parts.data(), &base, &error), TN_OK) << error.message;
    ASSERT_OK(here.Explain(0, &their_base));
    const auto& theirs = here.contributions();
    EXPECT_EQ(base, their_base);
    for (int k = 0; k < 4; ++k) EXPECT_EQ(parts[k], theirs[k]);
  }
  std::vector<float> many(200);
  std::vector<std::int32_t> decisions(200);
  ASSERT_EQ(tn_predict_many(session_, rows.data(), 200, many.data(), decisions.data(), nullptr), TN_OK);
  EXPECT_EQ(std::memcmp(many.data(), wanted.data(), 200 * sizeof(float)), 0);
}

TEST_F(Loan, SaysWhatIsWrong) {
  tn_error error;
  float value = 7;
  auto row = Row(NAN, 1000, "clerk", 0.5);
  EXPECT_EQ(tn_predict(session_, row.data(), &value, nullptr, &error), TN_INVALID_ARGUMENT);
  EXPECT_STREQ(error.message, "row 0: owner: expected true or false, got 0.5; age: missing");
  EXPECT_EQ(value, 7);
  const auto right = Row(40, 1000, "clerk", 1);
  EXPECT_EQ(tn_predict(session_, right.data(), &value, nullptr, &error), TN_OK) << "an error must not stay: " << error.message;
  std::vector<tn_value> rows(right.begin(), right.end());
  const auto wrong = Row(40.5, 1000, "clerk", 1);
  rows.insert(rows.end(), wrong.begin(), wrong.end());
  std::array<float, 2> two;
  EXPECT_EQ(tn_predict_many(session_, rows.data(), 2, two.data(), nullptr, &error), TN_INVALID_ARGUMENT);
  EXPECT_STREQ(error.message, "row 1: age: expected a whole number, got 40.5");
  EXPECT_EQ(tn_predict(nullptr, right.data(), &value, nullptr, nullptr), TN_INVALID_ARGUMENT);
  EXPECT_EQ(tn_predict(session_, nullptr, &value, nullptr, nullptr), TN_INVALID_ARGUMENT);
  EXPECT_EQ(tn_predict(session_, right.data(), nullptr, nullptr, nullptr), TN_INVALID_ARGUMENT);
  double base = 0;
  std::array<double, 4> parts;
  EXPECT_EQ(tn_explain(session_, right.data(), 1, parts.data(), &base, &error), TN_INVALID_ARGUMENT);
  EXPECT_STREQ(error.message, "no output 1: the model has 1");
  tn_model* none = nullptr;
  EXPECT_EQ(tn_open_file("/no/such.tenon", &none, &error), TN_NOT_FOUND);
  EXPECT_EQ(none, nullptr);
  EXPECT_EQ(tn_inputs(nullptr), 0);
  EXPECT_STREQ(tn_name(nullptr), "");
  tn_close(nullptr);
  tn_session_close(nullptr);
}

TEST_F(Loan, PredictsAndExplainsWithoutAllocating) {
#ifndef TENON_COUNTS_ALLOCATIONS
  GTEST_SKIP() << "a sanitizer counts its own";
#else
  const std::int64_t at_first = Allocations();
  int* volatile one = new int(1);
  delete one;
  ASSERT_GT(Allocations(), at_first) << "nothing is counted";
  tn_error error;
  float value = 0;
  double base = 0;
  std::array<double, 4> parts;
  std::array<tn_value, 4> row = Row(33, 1200, "a job that training never saw, and longer than any it did see", 1);
  const std::int64_t before = Allocations();
  for (int i = 0; i < 1000; ++i) {
    row[0].number = 20 + i % 50;
    ASSERT_EQ(tn_predict(session_, row.data(), &value, nullptr, &error), TN_OK);
    ASSERT_EQ(tn_explain(session_, row.data(), 0, parts.data(), &base, &error), TN_OK);
  }
  EXPECT_EQ(Allocations() - before, 0);
#endif
}

TEST_F(Loan, EveryDamageIsRefused) {
  tn_error error;
  tn_model* opened = nullptr;
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    std::string damaged = bytes_;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
    ASSERT_NE(tn_open(damaged.data(), damaged.size(), &opened, &error), TN_OK) << "byte " << i;
    ASSERT_TRUE(error.code == TN_DATA_LOSS || error.code == TN_FAILED_PRECONDITION) << error.code << ' ' << error.message;
    ASSERT_EQ(opened, nullptr);
  }
  for (std::size_t size = 0; size < bytes_.size(); size += 1 + size / 16) {
    ASSERT_EQ(tn_open(bytes_.data(), size, &opened, &error), TN_DATA_LOSS) << size;
  }
  const std::string longer = bytes_ + "x";
  ASSERT_EQ(tn_open(longer.data(), longer.size(), &opened, &error), TN_DATA_LOSS);
}

// Bundles whose checksums are right and whose sections are not: what a hostile or broken writer makes.
TEST_F(Loan, DamageUnderRightChecksumsIsRefusedOrHarmless) {
  Json manifest;
  Manifest(*served_, &manifest);
  const std::string graph = served_->predictor->graph().Save(), model = served_->predictor->model().Save();
  std::uint64_t draw = 1;
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string damaged_graph = graph, damaged_model = model;
    for (int k = 0; k < 3; ++k) {
      draw = Hash64(draw);
      std::string& one = draw % 2 == 0 ? damaged_graph : damaged_model;
      one[(draw >> 8) % one.size()] = static_cast<char>(draw >> 40);
    }
    const std::string bytes = model::Bundle::Write(manifest, {{"graph", damaged_graph}, {"model", damaged_model}});
    tn_model* opened = nullptr;
    tn_error error;
    if (tn_open(bytes.data(), bytes.size(), &opened, &error) != TN_OK) {
      ++refused;
      ASSERT_EQ(opened, nullptr);
      ASSERT_GT(std::strlen(error.message), 0U);
      continue;
    }
    tn_close(opened);
  }
  EXPECT_GT(refused, 2900);
}

TEST_F(Loan, GoldenRowsMustComeOut) {
  const std::string wrong = BundleOf(*served_, "", R"({"rows":[{"age":40}],"predictions":[[0.123]]})");
  tn_model* opened = nullptr;
  tn_error error;
  EXPECT_EQ(tn_open(wrong.data(), wrong.size(), &opened, &error), TN_FAILED_PRECONDITION);
  EXPECT_NE(std::strstr(error.message, "golden row 0 gives"), nullptr) << error.message;
}

TEST_F(Loan, ItsSha256IsOpenSsls) {
  for (std::size_t extra = 0; extra < 130; ++extra) {
    const std::string bytes = BundleOf(*served_, std::string(extra, 'x'));
    tn_model* opened = nullptr;
    ASSERT_EQ(tn_open(bytes.data(), bytes.size(), &opened, nullptr), TN_OK);
    EXPECT_EQ(tn_sha256(opened), HashOf(bytes)) << bytes.size();
    tn_close(opened);
  }
}

TEST(Forest, SeveralClassesGiveAsManyNumbers) {
  Kinds<transform::Op> ops;
  ASSERT_OK(transform::AddAll(ops));
  ASSERT_OK_AND_ASSIGN(auto served, serve::testing::MakeForestServed(ops, "f", 5, 30, 4, 3));
  const std::string bytes = BundleOf(*served);
  tn_model* model = nullptr;
  tn_session* session = nullptr;
  tn_error error;
  ASSERT_EQ(tn_open(bytes.data(), bytes.size(), &model, &error), TN_OK) << error.message;
  ASSERT_EQ(tn_session_open(model, &session, &error), TN_OK);
  ASSERT_EQ(tn_outputs(model), 3);
  EXPECT_EQ(tn_task_of(model), TN_MULTICLASS);
  serve::Session here(served);
  std::array<tn_value, 5> row{};
  for (int i = 0; i < 100; ++i) {
    here.reader().Begin(0);
    for (int f = 0; f < 5; ++f) {
      row[f].number = static_cast<double>(Hash64(static_cast<std::uint64_t>(i * 5 + f)) >> 40) / (1 << 24);
      here.reader().Number(here.reader().TakeExpected(), row[f].number);
    }
    ASSERT_TRUE(here.reader().End());
    std::array<float, 3> values;
    std::int32_t decision = -2;
    ASSERT_EQ(tn_predict(session, row.data(), values.data(), &decision, &error), TN_OK) << error.message;
    const auto wanted = here.Predict();
    EXPECT_EQ(std::memcmp(values.data(), wanted.values.data(), sizeof values), 0);
    EXPECT_EQ(decision, wanted.decision);
  }
  tn_session_close(session);
  tn_close(model);
}

}  // namespace
}  // namespace tenon::embed
