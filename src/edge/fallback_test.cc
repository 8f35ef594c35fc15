// Fallback, shadows and labels over real HTTP.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <limits>

#include "base/testing.h"
#include "base/text.h"
#include "edge/http2_testing_internal.h"
#include "edge/protobuf_internal.h"
#include "edge/server.h"
#include "edge/worker_internal.h"
#include "serve/ladder.h"
#include "serve/testing.h"

namespace tenon::edge {
namespace {

using Way = serve::testing::FaultyModel::Way;

// One request a connection.
std::string Ask(int port, const std::string& method, const std::string& path, const std::string& body = "", const std::string& headers = "") {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  timeval limit{20, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::string got;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = Str(method, " ", path, " HTTP/1.1\r\nHost: t\r\nConnection: close\r\n", headers, "Content-Length: ", body.size(), "\r\n\r\n", body);
    if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
      char bytes[4096];
      for (ssize_t n = 0; (n = ::recv(fd, bytes, sizeof bytes, 0)) > 0;) got.append(bytes, static_cast<std::size_t>(n));
    }
  }
  ::close(fd);
  return got;
}

class FallbackTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(transform::AddAll(ops_));
    ASSERT_OK_AND_ASSIGN(auto made, serve::testing::MakeFaulty(ops_, "price"));
    served_ = made.first;
    way_ = made.second;
  }
  void TearDown() override { *way_ = Way::kFine; }
  void Start(const char* fallback, bool degraded = false, serve::InferenceLog* log = nullptr) {
    ASSERT_OK_AND_ASSIGN(const Json json, Json::Parse(fallback));
    ASSERT_OK_AND_ASSIGN(const auto spec, serve::LadderSpec::Parse(json, "test"));
    auto route = std::make_shared<serve::Route>();
    route->name = "price";
    route->degraded = degraded;
    ASSERT_OK_AND_ASSIGN(route->ladder, serve::Ladder::Make(spec, served_, nullptr));
    route->arms = {{served_, serve::Role::kChampion, 1, std::make_shared<serve::Breaker>(spec.breaker)}};
    endpoints_.Set(std::shared_ptr<const serve::Route>(std::move(route)));
    ServerOptions options;
    options.port = 0;
    options.threads = 1;
    ASSERT_OK_AND_ASSIGN(server_, StartServer(options, endpoints_, log, [] { return true; }));
  }
  std::string Predict(double x) { return Ask(server_->port(), "POST", "/v1/endpoints/price:predict", Str(R"({"instances":[{"x0":)", x, "}]}")); }
  bool Has(const std::string& answer, std::string_view part) { return answer.find(part) != std::string::npos; }

  Kinds<transform::Op> ops_;
  std::shared_ptr<const serve::Served> served_;
  std::shared_ptr<std::atomic<Way>> way_;
  serve::Endpoints endpoints_;
  std::unique_ptr<Server> server_;
};

TEST_F(FallbackTest, EachAnswerSaysWhichRungGaveIt) {
  Start(R"({"rungs":["cache 1h","rule \"x0 * 10\"","default 5"],"breaker":{"failures":1000}})");
  std::string answer = Predict(7);
  EXPECT_TRUE(Has(answer, R"({"value":7}])")) << answer;
  EXPECT_FALSE(Has(answer, "Tenon-Rung"));
  *way_ = Way::kNotANumber;
  answer = Predict(7);
  EXPECT_TRUE(Has(answer, R"({"value":7,"rung":"cache"})")) << answer;
  EXPECT_TRUE(Has(answer, "Tenon-Rung: cache"));
  answer = Predict(8);
  EXPECT_TRUE(Has(answer, R"({"value":80,"rung":"rule"})")) << answer;
  answer = Ask(server_->port(), "POST", "/v2/models/price/infer", R"({"inputs":[{"name":"x0","datatype":"FP64","shape":[1],"data":[8]}]})");
  EXPECT_TRUE(Has(answer, "[80]") && Has(answer, "Tenon-Rung: rule")) << answer;
  answer = Ask(server_->port(), "POST", "/v1/models/price:predict", R"({"instances":[{"x0":8}]})");
  EXPECT_TRUE(Has(answer, "80") && Has(answer, "Tenon-Rung: rule")) << answer;
  *way_ = Way::kFine;
  EXPECT_TRUE(Has(Predict(9), R"({"value":9}])"));
  const std::string metrics = Ask(server_->port(), "GET", "/metrics");
  EXPECT_TRUE(Has(metrics, R"(tenon_rung_answers_total{endpoint="price",model="price@1",rung="rule"} 3)")) << metrics;
  EXPECT_TRUE(Has(metrics, R"(tenon_rung_answers_total{endpoint="price",model="price@1",rung="model"} 2)"));
}

TEST_F(FallbackTest, TheLogNamesTheRungOfEachAnswer) {
  auto files = platform::RealFiles();
  std::string folder = "/tmp/tenon-stand-in-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  ASSERT_OK_AND_ASSIGN(const auto log, serve::OpenInferenceLog(*files, folder));
  Start(R"({"rungs":["default 5"],"breaker":{"failures":1000}})", true, log.get());
  EXPECT_TRUE(Has(Predict(7), R"({"value":7,"rung":"last_good"}])"));
  *way_ = Way::kNotANumber;
  EXPECT_TRUE(Has(Predict(8), R"({"value":5,"rung":"default"}])"));
  server_.reset();
  ASSERT_OK(log->Flush());
  std::vector<serve::LogEntry> entries;
  ASSERT_OK(serve::ReadInferenceLog(Call(), *files, folder, "price", 0, std::numeric_limits<Micros>::max(), [&](const auto&, const serve::LogEntry& entry) {
    entries.push_back(entry);
    return true;
  }));
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].model, "price@1");
  EXPECT_EQ(entries[0].rung, serve::Rung::kLastGood);
  EXPECT_EQ(entries[0].values, std::vector<float>{7});
  EXPECT_EQ(entries[1].model, "price@1");
  EXPECT_EQ(entries[1].rung, serve::Rung::kDefault);
  EXPECT_EQ(entries[1].values, std::vector<float>{5});
  std::filesystem::remove_all(folder);
}

TEST_F(FallbackTest, AnswersOfGrpcNameTheirRungToo) {
  Start(R"({"rungs":["rule \"x0 * 10\""],"breaker":{"failures":1000}})");
  ServerOptions options;
  options.threads = 1;
  Shared shared(endpoints_, nullptr, [] { return true; }, options);
  Worker worker(shared, 0);
  std::string message, eight(8, '\0');
  const double x = 8;
  std::memcpy(eight.data(), &x, sizeof x);
  ProtoWriter writer(&message);
  writer.Bytes(1, "price");
  const std::size_t input = writer.Begin(5);
  writer.Bytes(1, "x0");
  writer.Bytes(2, "FP64");
  writer.Bytes(3, "\1");
  writer.End(input);
  writer.Bytes(7, eight);
  const auto ask = [&] {
    Http2Connection connection({}, worker);
    Http2Client client;
    const auto id = client.Ask("/inference.GRPCInferenceService/ModelInfer", message);
    for (int i = 0; i < 5; ++i) {
      connection.Receive(client.Sent(), HttpPeer{1});
      std::string out;
      connection.Pump(&out);
      client.Take(out);
    }
    return client.At(id);
  };
  Http2Client::Reply reply = ask();
  EXPECT_EQ(reply.grpc(), 0) << reply.problem();
  EXPECT_FALSE(reply.head.contains("tenon-rung"));
  *way_ = Way::kNotANumber;
  reply = ask();
  EXPECT_EQ(reply.grpc(), 0) << reply.problem();
  EXPECT_EQ(reply.head["tenon-rung"], "rule");
  EXPECT_TRUE(Has(reply.Message(), "\x0a\x04rung\x12\x06\x1a\x04rule"));  // parameters: key, value {string_param}
  HttpRequest request;
  request.method = Method::kPost;
  request.path = "/v1/endpoints/price:stream";
  const std::string line = R"({"x0":8})" + std::string(64, ' ');
  request.body = std::string_view(line).substr(0, 8);
  HttpResponse response;
  worker.Handle(request, HttpPeer{1}, response);
  EXPECT_EQ(response.body, R"({"model":"price@1","value":80,"rung":"rule"})");
}

TEST_F(FallbackTest, ABreakerStopsAskingAndAProbeClosesIt) {
  Start(R"({"rungs":["default 5"],"breaker":{"failures":2,"window":"1h","rest":"1ms"}})");
  *way_ = Way::kNotANumber;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Has(Predict(7), R"("rung":"default")"));
  EXPECT_TRUE(Has(Ask(server_->port(), "GET", "/metrics"), R"(tenon_breaker_open{endpoint="price",model="price@1"} 1)"));
  *way_ = Way::kFine;
  std::string answer;
  for (int i = 0; i < 2000 && !Has(answer, R"({"value":7}])"); ++i) answer = Predict(7);
  EXPECT_TRUE(Has(answer, R"({"value":7}])")) << answer;
  EXPECT_TRUE(Has(Ask(server_->port(), "GET", "/metrics"), R"(tenon_breaker_open{endpoint="price",model="price@1"} 0)"));
}

TEST_F(FallbackTest, AStuckModelIsLeftAtTheDeadline) {
  Start(R"({"rungs":["default 5"],"deadline":"20ms","breaker":{"failures":1000}})");
  EXPECT_TRUE(Has(Predict(7), "\"value\":"));  // on a busy machine a thread may be slow to start, too
  *way_ = Way::kStuck;
  EXPECT_TRUE(Has(Predict(7), R"({"value":5,"rung":"default"})"));
  EXPECT_TRUE(Has(Predict(7), R"({"value":5,"rung":"default"})"));
  *way_ = Way::kFine;
  std::string answer;
  for (int i = 0; i < 2000 && !Has(answer, R"({"value":7}])"); ++i) answer = Predict(7);
  EXPECT_TRUE(Has(answer, R"({"value":7}])")) << answer;
}

TEST_F(FallbackTest, WithoutAnAnswerTheRequestIsRefused) {
  Start(R"({"rungs":["cache 1h"],"breaker":{"failures":1000}})");
  *way_ = Way::kNotANumber;
  EXPECT_TRUE(Has(Predict(7), "HTTP/1.1 503")) << Predict(7);
  EXPECT_TRUE(Has(Ask(server_->port(), "POST", "/v2/models/price/infer", R"({"inputs":[{"name":"x0","datatype":"FP64","shape":[1],"data":[8]}]})"), "HTTP/1.1 503"));
  EXPECT_TRUE(Has(Ask(server_->port(), "POST", "/v1/models/price:predict", R"({"instances":[{"x0":8}]})"), "HTTP/1.1 503"));
}

// The cheap model is sure of what is below 5; the costly one fails as it is told.
TEST_F(FallbackTest, ACascadeSaysItsStageAboveAndBelowOfIt) {
  ASSERT_OK_AND_ASSIGN(const auto plain, serve::testing::MakeForestServed(ops_, "price", 1, 1, 1));
  const auto& graph = plain->predictor->shared_graph();
  model::ForestSpec stump{model::Task::kBinary, 1, 1, {0}, {}};
  model::Tree tree;
  tree.nodes = {{.left = 1, .right = 2, .feature = 0, .value = 5.0F, .cover = 2}, {.value = -3.0F, .cover = 1}, {.value = 0.0F, .cover = 1}};
  stump.trees.push_back(tree);
  ASSERT_OK_AND_ASSIGN(std::shared_ptr<const model::Model> small, model::MakeForest(std::move(stump)));
  const std::vector<std::string> classes = {"no", "yes"};
  const auto costly = model::Predictor::Make(graph, std::make_unique<serve::testing::FaultyModel>(way_, model::Task::kBinary), {}, 0.5, classes);
  auto served = std::make_shared<serve::Served>(*plain);
  ASSERT_OK_AND_ASSIGN(served->predictor, model::Predictor::MakeCascade(costly, model::Predictor::Make(graph, small, {}, 0.5, classes),
                                                                         model::Sureness::AtLeast(model::Task::kBinary, 2.0, 0.5), "small", "large"));
  served_ = std::move(served);
  Start(R"({"rungs":["rule \"x0 > 7\""],"breaker":{"failures":1000}})");
  const std::string both = R"({"instances":[{"x0":1},{"x0":9}]})";
  const auto ask = [&] { return Ask(server_->port(), "POST", "/v1/endpoints/price:predict", both); };
  std::string answer = ask();
  EXPECT_TRUE(Has(answer, R"("stage":"small"})") && Has(answer, R"("stage":"large"})") && Has(answer, "Tenon-Stage: small=1 large=1")) << answer;
  EXPECT_FALSE(Has(answer, "rung"));
  *way_ = Way::kNotANumber;
  answer = ask();
  EXPECT_TRUE(Has(answer, R"("stage":"small"})") && Has(answer, R"("rung":"rule"})") && Has(answer, "Tenon-Stage: small\r\n")) << answer;
  EXPECT_FALSE(Has(answer, "large")) << answer;
  const std::string metrics = Ask(server_->port(), "GET", "/metrics");
  EXPECT_TRUE(Has(metrics, R"(tenon_stage_answers_total{endpoint="price",model="price@1",stage="cheap"} 2)")) << metrics;
  EXPECT_TRUE(Has(metrics, R"(tenon_stage_answers_total{endpoint="price",model="price@1",stage="costly"} 1)")) << metrics;
}

TEST_F(FallbackTest, LabelsAreCheckedAndKept) {
  auto files = platform::RealFiles();
  std::string folder = "/tmp/tenon-labels-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  serve::FeedbackLog labels(*files, folder);
  endpoints_.Set(served_);
  ServerOptions options;
  options.port = 0;
  options.threads = 1;
  options.feedback = &labels;
  ASSERT_OK_AND_ASSIGN(server_, StartServer(options, endpoints_, nullptr, [] { return true; }));
  const auto post = [&](const char* body) { return Ask(server_->port(), "POST", "/v1/endpoints/price:feedback", body); };
  EXPECT_TRUE(Has(post(R"({"labels":[{"id":"a","label":7.5},{"id":"b","instance":2,"label":"8"}]})"), "202 Accepted"));
  EXPECT_TRUE(Has(post(R"({"labels":[{"id":"a","label":"cheap"}]})"), "is not a number"));
  EXPECT_TRUE(Has(post(R"({"labels":[{"id":"a"}]})"), "HTTP/1.1 400"));
  EXPECT_TRUE(Has(post(R"({"labels":[{"id":"a","label":1,"lable":2}]})"), "did you mean"));
  EXPECT_TRUE(Has(post("[]"), "HTTP/1.1 400"));
  ASSERT_OK(labels.Sync());
  std::vector<serve::Feedback> kept;
  ASSERT_OK(serve::ReadFeedback(*files, folder, "price", 0, [&](serve::Feedback feedback) { kept.push_back(std::move(feedback)); }));
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_EQ(kept[0].label, "7.5");
  EXPECT_EQ(kept[1].instance, 2);
}

}  // namespace
}  // namespace tenon::edge
