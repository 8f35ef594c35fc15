#include "serve/endpoint.h"

#include <algorithm>
#include <bit>
#include <thread>

#include "base/testing.h"
#include "model/bundle.h"
#include "serve/route.h"
#include "serve/session.h"
#include "serve/testing.h"

namespace tenon::serve {
namespace {

class StringBytes final : public platform::Bytes {
 public:
  explicit StringBytes(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string_view view() const override { return bytes_; }

 private:
  std::string bytes_;
};

class EndpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(transform::AddAll(ops_));
    ASSERT_OK(model::AddAll(formats_));
    ASSERT_OK_AND_ASSIGN(loan_, testing::MakeLoan(ops_));
  }
  // A bundle of the loan model with these golden rows.
  Result<std::shared_ptr<const Served>> Make(const std::string& golden) {
    auto manifest = Json::Parse(R"({"version":1,"name":"loan","task":"binary","label":"ok","classes":["no","yes"],"threshold":0.5,
      "calibration":{"method":"none"},"model_format":"linear","inputs":[
      {"name":"age","type":"int64","required":true,"least":18,"most":100},
      {"name":"income","type":"float64","required":false,"least":0,"most":100000},
      {"name":"job","type":"string","required":false,"domain":["clerk","baker"]},
      {"name":"owner","type":"bool","required":false},{"name":"unread","type":"string"}]})");
    if (!manifest.ok()) return std::move(manifest).error();
    const std::string bytes =
        model::Bundle::Write(*manifest, {{"graph", loan_->predictor->graph().Save()},
                                         {"model", loan_->predictor->model().Save()},
                                         {"golden", golden}});
    TENON_ASSIGN(auto bundle, model::Bundle::Open(std::make_shared<StringBytes>(bytes)));
    return MakeServed(bundle, "loans", "loan@7", 7, ops_, formats_);
  }
  float Answer(double age) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double numbers[4] = {age, nan, nan, 1};
    const std::string_view texts[4] = {{}, {}, "clerk", {}};
    return loan_->predictor->PredictRow(numbers, texts, scratch_).values[0];
  }
  Kinds<transform::Op> ops_;
  Kinds<model::Format> formats_;
  std::shared_ptr<const Served> loan_;
  model::Predictor::Scratch scratch_;
};

std::string GoldenOf(float answer) {
  return Str(R"({"rows":[{"age":40,"income":null,"job":"clerk","owner":true,"unread":"x"}],"predictions":[[)",
             static_cast<double>(answer), "]]}");
}

TEST_F(EndpointTest, IsMadeWhenGoldenRowsGiveTheRecordedBits) {
  ASSERT_OK_AND_ASSIGN(auto served, Make(GoldenOf(Answer(40))));
  EXPECT_EQ(served->endpoint, "loans");
  EXPECT_EQ(served->model, "loan@7");
  ASSERT_EQ(served->fields.size(), 4U);
  EXPECT_TRUE(served->fields[0].required);
  EXPECT_EQ(served->fields[0].least, 18);
  EXPECT_EQ(served->fields[2].domain.size(), 2U);
}

TEST_F(EndpointTest, IsRefusedForOneBit) {
  const float off = std::bit_cast<float>(std::bit_cast<std::uint32_t>(Answer(40)) ^ 1U);
  ASSERT_CODE(kFailedPrecondition, Make(GoldenOf(off)));
  ASSERT_CODE(kFailedPrecondition, Make(R"({"rows":[{"age":40}],"predictions":[[0.5,0.5]]})"));
  ASSERT_CODE(kFailedPrecondition, Make(R"({"rows":[{"age":"x"}],"predictions":[[0.5]]})"));
  ASSERT_CODE(kDataLoss, Make(R"({"rows":[{"age":40}],"predictions":[]})"));
}

TEST_F(EndpointTest, IsRefusedWhenLabelsAreMetWorse) {
  // Rows whose recorded answers are the bits this model gives, with labels that it met when it was made.
  const bool yes = Answer(40) >= 0.5F;
  const auto golden = [&](bool labelled_yes, std::string_view score) {
    const std::string one = GoldenOf(Answer(40));
    return Str(one.substr(0, one.size() - 1), R"(,"labels":[")", labelled_yes ? "yes" : "no", R"("],"score":)", score, "}");
  };
  ASSERT_OK_AND_ASSIGN(auto served, Make(golden(yes, R"({"name":"right","value":1,"least":1})")));
  EXPECT_EQ(served->golden_score, "1 of 1 right");
  const auto refused = Make(golden(!yes, R"({"name":"right","value":1,"least":1})"));
  ASSERT_CODE(kFailedPrecondition, refused);
  EXPECT_NE(refused.error().message().find("0 of its 1 labelled golden rows are decided right where 1 were"), std::string::npos) << refused.error().message();
  ASSERT_OK(Make(golden(!yes, R"({"name":"right","value":1,"least":0})")));
  const std::string one = GoldenOf(Answer(40));
  ASSERT_CODE(kDataLoss, Make(Str(one.substr(0, one.size() - 1), R"(,"labels":["yes","no"],"score":{"value":1,"least":1}})")));
}

TEST_F(EndpointTest, EndpointsFindSetAndRemove) {
  Endpoints endpoints;
  EXPECT_EQ(endpoints.Find("loan"), nullptr);
  EXPECT_TRUE(endpoints.all()->empty());
  const auto before = endpoints.revision();
  endpoints.Set(loan_);
  for (const char* name : {"zebra", "ant", "m"}) {
    auto other = std::make_shared<Served>(*loan_);
    other->endpoint = name;
    endpoints.Set(other);
  }
  EXPECT_EQ(endpoints.Find("loan")->champion(), loan_);
  EXPECT_EQ(endpoints.Find("ant")->name, "ant");
  EXPECT_EQ(endpoints.Find("nobody"), nullptr);
  EXPECT_TRUE(std::ranges::is_sorted(*endpoints.all(), {}, &Endpoints::Map::value_type::first));
  EXPECT_GT(endpoints.revision(), before);
  endpoints.Remove("loan");
  EXPECT_EQ(endpoints.Find("loan"), nullptr);
  EXPECT_EQ(endpoints.all()->size(), 3U);
}

TEST_F(EndpointTest, EndpointsLoseNoChangeOfConcurrentWriters) {
  Endpoints endpoints;
  std::vector<std::thread> writers;
  for (int t = 0; t < 4; ++t) {
    writers.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        auto served = std::make_shared<Served>(*loan_);
        served->endpoint = Str("e", t, "-", i);
        endpoints.Set(served);
      }
    });
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(endpoints.all()->size(), 200U);
}

TEST_F(EndpointTest, RowReaderFillsSlotsInAnyOrder) {
  Session session(loan_);
  RowReader& reader = session.reader();
  reader.Begin(0);
  reader.Bool(reader.At("owner"), true);
  reader.Text(reader.At("job"), "clerk");
  reader.Number(reader.At("age"), 40);
  ASSERT_TRUE(reader.End());
  EXPECT_EQ(session.Predict().values[0], Answer(40));
  reader.Begin(1);
  EXPECT_EQ(reader.At("jib"), -1);
  EXPECT_FALSE(reader.End());
  ASSERT_EQ(reader.errors().size(), 2U);
  EXPECT_EQ(reader.errors()[0].problem, "unknown field; did you mean 'job'?");
  EXPECT_EQ(reader.errors()[1].problem, "missing");
}

}  // namespace
}  // namespace tenon::serve
