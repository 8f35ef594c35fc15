// Predictions in batches over real HTTP and gRPC, with a model that takes as long as the test wants.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/testing.h"
#include "edge/socket_testing_internal.h"
#include "base/text.h"
#include "edge/server.h"
#include "edge/worker_internal.h"
#include "serve/batcher.h"
#include "serve/testing.h"

namespace tenon::edge {
namespace {

using namespace std::chrono_literals;
using Way = serve::testing::FaultyModel::Way;

// One request a connection, whose answer is read when it is asked for.
class Asked {
 public:
  Asked(int port, const std::string& method, const std::string& path, const std::string& body = "", const std::string& headers = "") {
    fd_ = testing::ConnectTo(port);
    if (fd_ < 0) return;
    const std::string request = Str(method, " ", path, " HTTP/1.1\r\nHost: t\r\nConnection: close\r\n", headers, "Content-Length: ", body.size(), "\r\n\r\n", body);
    (void)!::send(fd_, request.data(), request.size(), MSG_NOSIGNAL);
  }
  ~Asked() { ::close(fd_); }
  Asked(const Asked&) = delete;
  std::string Read() {
    char bytes[4096];
    std::string got;
    for (ssize_t n = 0; (n = ::recv(fd_, bytes, sizeof bytes, 0)) > 0;) got.append(bytes, static_cast<std::size_t>(n));
    return got;
  }

 private:
  int fd_;
};

class BatchingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(transform::AddAll(ops_));
    ASSERT_OK_AND_ASSIGN(auto made, serve::testing::MakeFaulty(ops_, "price"));
    served_ = made.first;
    way_ = made.second;
  }
  void TearDown() override { *way_ = Way::kFine; }
  void Start(serve::BatchSpec spec = {}, const char* fallback = nullptr) {
    serve::BatchTrial trial{.on = true};
    for (const int size : {1, 2, 4, 8}) trial.sizes.push_back({.rows = size, .micros = 1000.0 + size, .exact = true, .used = true});
    batcher_ = std::make_shared<serve::Batcher>(served_, spec, trial);
    auto route = std::make_shared<serve::Route>();
    route->name = "price";
    serve::Arm arm{served_, serve::Role::kChampion, 1};
    arm.batching = std::make_shared<const serve::BatchTrial>(trial);
    arm.batcher = batcher_;
    if (fallback != nullptr) {
      ASSERT_OK_AND_ASSIGN(const Json json, Json::Parse(fallback));
      ASSERT_OK_AND_ASSIGN(const auto ladder, serve::LadderSpec::Parse(json, "test"));
      ASSERT_OK_AND_ASSIGN(route->ladder, serve::Ladder::Make(ladder, served_, nullptr));
      arm.breaker = std::make_shared<serve::Breaker>(ladder.breaker);
    }
    route->arms = {arm};
    endpoints_.Set(std::shared_ptr<const serve::Route>(route));
    ServerOptions options;
    options.port = 0;
    options.threads = 2;
    options.most_body = most_body_;
    options.completion = completion_;
    ASSERT_OK_AND_ASSIGN(server_, StartServer(options, endpoints_, nullptr, nullptr));
  }
  std::string Ask(const std::string& method, const std::string& path, const std::string& body = "", const std::string& headers = "") {
    return Asked(server_->port(), method, path, body, headers).Read();
  }
  static std::string Instance(double x) { return Str(R"({"instances":[{"x0":)", x, "}]}"); }
  // A request that the model is at, and does not come back from.
  std::unique_ptr<Asked> Occupy() {
    *way_ = Way::kStuck;
    auto first = std::make_unique<Asked>(server_->port(), "POST", "/v1/endpoints/price:predict", Instance(0.5));
    while (batcher_->Stats().waits == serve::BatchStats{}.waits) std::this_thread::sleep_for(1ms);
    return first;
  }
  void AwaitRows(std::int64_t n) {
    while (batcher_->Stats().waiting != n) std::this_thread::sleep_for(1ms);
  }

  std::int64_t most_body_ = 8 << 20;
  RowCompletion* completion_ = nullptr;
  Kinds<transform::Op> ops_;
  std::shared_ptr<const serve::Served> served_;
  std::shared_ptr<std::atomic<Way>> way_;
  std::shared_ptr<serve::Batcher> batcher_;
  serve::Endpoints endpoints_;
  std::unique_ptr<Server> server_;
};

TEST_F(BatchingTest, RequestsOfAllProtocolsAreAskedTogether) {
  Start();
  const auto first = Occupy();
  Asked own(server_->port(), "POST", "/v1/endpoints/price:predict", R"({"instances":[{"x0":1.5},{"x0":2.5}]})");
  Asked v1(server_->port(), "POST", "/v1/models/price:predict", Instance(3.5));
  Asked v2(server_->port(), "POST", "/v2/models/price/infer", R"({"inputs":[{"name":"x0","datatype":"FP64","shape":[1,1],"data":[4.5]}]})");
  Asked vertex(server_->port(), "POST", "/v1/projects/p/locations/l/endpoints/price:predict", Instance(5.5));
  AwaitRows(5);
  EXPECT_NE(Ask("GET", "/healthz").find("200 OK"), std::string::npos);  // the threads are free meanwhile
  EXPECT_NE(Ask("GET", "/metrics").find("\ntenon_batch_waiting_rows{endpoint=\"price\",model=\"price@1\"} 5\n"), std::string::npos);
  *way_ = Way::kFine;
  EXPECT_NE(first->Read().find(R"("predictions":[{"value":0.5}])"), std::string::npos);
  EXPECT_NE(own.Read().find(R"("predictions":[{"value":1.5},{"value":2.5}])"), std::string::npos);
  EXPECT_NE(v1.Read().find(R"("predictions":[3.5])"), std::string::npos);
  EXPECT_NE(v2.Read().find(R"("data":[4.5])"), std::string::npos);
  EXPECT_NE(vertex.Read().find("5.5"), std::string::npos);
  const std::string metrics = Ask("GET", "/metrics");
  for (const char* line : {"\ntenon_batch_rows_bucket{endpoint=\"price\",model=\"price@1\",le=\"4\"} 1\n", "\ntenon_batch_rows_bucket{endpoint=\"price\",model=\"price@1\",le=\"8\"} 2\n",
                           "\ntenon_batch_rows_sum{endpoint=\"price\",model=\"price@1\"} 6\n", "\ntenon_batch_padding_rows_total{endpoint=\"price\",model=\"price@1\"} 3\n",
                           "\ntenon_batch_queue_seconds_count{endpoint=\"price\",model=\"price@1\"} 5\n", "nv_inference_exec_count{model=\"price\",version=\"1\"} 2\n",
                           "nv_inference_count{model=\"price\",version=\"1\"} 6\n", "\ntenon_batching{endpoint=\"price\",model=\"price@1\"} 1\n"}) {
    EXPECT_NE(metrics.find(line), std::string::npos) << line << metrics;
  }
  EXPECT_NE(Ask("GET", "/v1/endpoints/price").find(R"("batching":{"on":true)"), std::string::npos);
}

TEST_F(BatchingTest, AFullQueueIs503WithTheReason) {
  Start({.queue_rows = 1});
  const auto first = Occupy();
  Asked waits(server_->port(), "POST", "/v1/endpoints/price:predict", Instance(1));
  AwaitRows(1);
  const std::string refused = Ask("POST", "/v1/endpoints/price:predict", Instance(2));
  EXPECT_NE(refused.find("HTTP/1.1 503"), std::string::npos) << refused;
  EXPECT_NE(refused.find("Retry-After: 1"), std::string::npos) << refused;
  EXPECT_NE(refused.find("serve.batching.queue.rows is 1"), std::string::npos) << refused;
  const std::string of_v2 = Ask("POST", "/v2/models/price/infer", R"({"inputs":[{"name":"x0","datatype":"FP64","shape":[1,1],"data":[4.5]}]})");
  EXPECT_NE(of_v2.find("HTTP/1.1 503"), std::string::npos) << of_v2;
  EXPECT_NE(Ask("GET", "/metrics").find("model=\"price@1\",reason=\"full\"} 2\n"), std::string::npos);
  *way_ = Way::kFine;
  EXPECT_NE(waits.Read().find(R"({"value":1})"), std::string::npos);
}

TEST_F(BatchingTest, ARequestSaysHowLongItWaits) {
  Start({.timeout = 0s});
  const auto first = Occupy();
  const auto infer = [](const char* timeout) {
    return Str(R"({"parameters":{"timeout":)", timeout, R"(,"priority":1},"inputs":[{"name":"x0","datatype":"FP64","shape":[1,1],"data":[4.5]}]})");
  };
  const std::string late = Ask("POST", "/v2/models/price/infer", infer("20000"));
  EXPECT_NE(late.find("HTTP/1.1 504"), std::string::npos) << late;
  EXPECT_NE(late.find("the deadline passed while it waited for the model"), std::string::npos) << late;
  for (const char* wrong : {"-1", "\"1s\"", "1.5"}) {
    const std::string refused = Ask("POST", "/v2/models/price/infer", infer(wrong));
    EXPECT_NE(refused.find("HTTP/1.1 400"), std::string::npos) << refused;
    EXPECT_NE(refused.find("'timeout' must be microseconds"), std::string::npos) << refused;
  }
  Asked in_time(server_->port(), "POST", "/v2/models/price/infer", infer("9223372036854775807"));
  AwaitRows(1);
  EXPECT_NE(Ask("GET", "/metrics").find("model=\"price@1\",reason=\"deadline\"} 1\n"), std::string::npos);
  *way_ = Way::kFine;
  EXPECT_NE(in_time.Read().find(R"("data":[4.5])"), std::string::npos);
  EXPECT_NE(first->Read().find("200 OK"), std::string::npos);
}

TEST_F(BatchingTest, WrongRowsAreRefusedWithoutWaiting) {
  Start();
  const auto first = Occupy();
  std::string many = R"({"instances":[)";
  for (int i = 0; i < 5000; ++i) many += R"({"x0":1},)";
  many += R"({"x0":"no number"}]})";
  const std::string refused = Ask("POST", "/v1/endpoints/price:predict", many);
  EXPECT_NE(refused.find("HTTP/1.1 400"), std::string::npos) << refused;
  EXPECT_NE(refused.find("instance 5000"), std::string::npos) << refused;
}

TEST_F(BatchingTest, ManyRowsOfOneRequest) {
  Start();
  std::string many = R"({"instances":[)";
  for (int i = 0; i < 10000; ++i) many += Str(i == 0 ? "" : ",", R"({"x0":)", i, "}");
  many += "]}";
  const std::string answer = Ask("POST", "/v1/endpoints/price:predict", many);
  EXPECT_NE(answer.find(R"({"value":4095},{"value":4096})"), std::string::npos);
  EXPECT_TRUE(answer.ends_with(R"({"value":9999}]})")) << answer.substr(answer.size() - 50);
}

TEST_F(BatchingTest, LinesOfAStreamAreAskedTogether) {
  Start({.delay = 10s});  // a run begins when it is full
  std::string lines;
  for (int i = 0; i < 8; ++i) lines += Str(i == 3 ? "{\"x0\":\"no number\"}\n" : "", R"({"x0":)", i, ".5}\n");
  const std::string answer = Ask("POST", "/v1/endpoints/price:stream", lines);
  std::size_t at = 0;
  for (const char* want : {R"("value":0.5})", R"("value":2.5})", "\"error\"", R"("value":3.5})", R"("value":7.5})"}) {
    at = answer.find(want, at);
    ASSERT_NE(at, std::string::npos) << want << answer;
  }
  EXPECT_EQ(batcher_->Stats().runs, 1);
  EXPECT_EQ(batcher_->Stats().rows, 8);
}

TEST_F(BatchingTest, MessagesOfAWebSocketAreAskedTogether) {
  Start({.delay = 10s});  // a run begins when it is full
  std::string bytes = "GET /v1/endpoints/price:stream HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  const auto frame = [&bytes](unsigned char first, std::string_view text) {  // masked with zeros
    bytes += {static_cast<char>(first), static_cast<char>(0x80 | text.size()), '\0', '\0', '\0', '\0'};
    bytes += text;
  };
  for (int i = 0; i < 8; ++i) {
    if (i == 3) frame(0x81, R"({"x0":"no number"})");
    frame(0x81, Str(R"({"x0":)", i, ".5}"));
  }
  frame(0x89, "behind them");
  frame(0x88, "");
  const int fd = testing::ConnectTo(server_->port());
  ASSERT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  std::string answer;
  char some[4096];
  for (ssize_t n = 0; (n = ::recv(fd, some, sizeof some, 0)) > 0;) answer.append(some, static_cast<std::size_t>(n));
  ::close(fd);
  std::size_t at = 0;
  for (const char* want : {"101 Switching", R"("value":0.5})", R"("value":2.5})", "\"error\"", R"("value":3.5})", R"("value":7.5})", "behind them"}) {
    at = answer.find(want, at);
    ASSERT_NE(at, std::string::npos) << want << answer;
  }
  EXPECT_EQ(batcher_->Stats().runs, 1);
  EXPECT_EQ(batcher_->Stats().rows, 8);
}

// Gives each row another number than the one before, so that an answer tells which look-up it is from.
class Counting final : public RowCompletion {
 public:
  bool Completes(const std::vector<std::string>&) const override { return true; }
  Result<void> Complete(std::vector<Json>& rows, const std::vector<std::string>&, bool) override {
    for (Json& row : rows) {
      row = Json::MakeObject();
      row["x0"] = ++looked_up;
    }
    return {};
  }
  std::vector<View> Views() const override { return {}; }
  std::atomic<int> looked_up{0};
};

TEST_F(BatchingTest, FeaturesAreLookedUpOnceHoweverLongTheAnswerTakes) {
  Counting counting;
  completion_ = &counting;
  Start();
  const auto first = Occupy();
  Asked own(server_->port(), "POST", "/v1/endpoints/price:predict", R"({"instances":[{},{}]})");
  AwaitRows(2);
  Asked v1(server_->port(), "POST", "/v1/models/price:predict", R"({"instances":[{}]})");
  AwaitRows(3);
  Asked v2(server_->port(), "POST", "/v2/models/price/infer", R"({"inputs":[{"name":"entity","datatype":"INT64","shape":[1],"data":[9]}]})");
  AwaitRows(4);
  EXPECT_EQ(counting.looked_up, 5);
  *way_ = Way::kFine;
  EXPECT_NE(first->Read().find(R"("predictions":[{"value":1}])"), std::string::npos);
  EXPECT_NE(own.Read().find(R"("predictions":[{"value":2},{"value":3}])"), std::string::npos);
  EXPECT_NE(v1.Read().find(R"("predictions":[4])"), std::string::npos);
  const std::string of_v2 = v2.Read();
  EXPECT_NE(of_v2.find("[5"), std::string::npos) << of_v2;
  EXPECT_EQ(counting.looked_up, 5);
  server_.reset();
}

TEST_F(BatchingTest, AStreamIsAsLongAsItLikes) {
  most_body_ = 100;  // of one message
  Start();
  std::string lines;
  for (int i = 0; i < 40; ++i) lines += Str(R"({"x0":)", i, "}\n");
  const std::string answer = Ask("POST", "/v1/endpoints/price:stream", lines);
  EXPECT_NE(answer.find("HTTP/1.1 200"), std::string::npos) << answer;
  EXPECT_NE(answer.find(R"("value":0})"), std::string::npos) << answer;
  EXPECT_NE(answer.find(R"("value":39})"), std::string::npos) << answer;
  EXPECT_NE(Ask("POST", "/v1/endpoints/price:predict", Str(R"({"instances":[)", std::string(200, ' '), "]}")).find("HTTP/1.1 413"), std::string::npos);
  EXPECT_NE(Ask("POST", "/v1/endpoints/price:stream", std::string(200, ' ')).find("a line is too large"), std::string::npos);
}

TEST_F(BatchingTest, ClientsThatGoAreLeftOut) {
  Start();
  const auto first = Occupy();
  {
    Asked gone(server_->port(), "POST", "/v1/endpoints/price:predict", Instance(1));
    AwaitRows(1);
  }
  while (Ask("GET", "/metrics").find("tenon_http_requests_in_flight 2\n") == std::string::npos) std::this_thread::sleep_for(1ms);  // the first and this one
  Asked stays(server_->port(), "POST", "/v1/endpoints/price:predict", Instance(2));
  AwaitRows(2);
  *way_ = Way::kFine;
  EXPECT_NE(stays.Read().find(R"({"value":2})"), std::string::npos);
  EXPECT_EQ(batcher_->Stats().refused[static_cast<std::size_t>(serve::BatchRefusal::kGone)], 1);
  EXPECT_EQ(batcher_->Stats().rows, 2);
}

TEST_F(BatchingTest, FinishesOnTheVersionItBeganWith) {
  Start();
  const auto first = Occupy();
  Asked waits(server_->port(), "POST", "/v1/endpoints/price:predict", Instance(7));
  AwaitRows(1);
  auto next = std::make_shared<serve::Served>(*served_);
  next->version = 2;
  next->model = "price@2";
  endpoints_.Set(std::shared_ptr<const serve::Served>(next));
  *way_ = Way::kFine;  // of both: it is the same model
  EXPECT_NE(Ask("POST", "/v1/endpoints/price:predict", Instance(8)).find(R"({"model":"price@2","predictions":[{"value":8}]})"), std::string::npos);
  EXPECT_NE(waits.Read().find(R"({"model":"price@1","predictions":[{"value":7}]})"), std::string::npos);
}

TEST_F(BatchingTest, ALateModelIsAnsweredByALowerRung) {
  Start({}, R"({"rungs":["default 3"],"deadline":"300ms"})");
  const auto first = Occupy();
  const std::string late = Ask("POST", "/v1/endpoints/price:predict", Instance(1));
  EXPECT_NE(late.find("Tenon-Rung: default"), std::string::npos) << late;
  EXPECT_NE(late.find(R"({"value":3,"rung":"default"})"), std::string::npos) << late;
}

TEST_F(BatchingTest, StoppingAnswersWhatWaits) {
  Start();
  const auto first = Occupy();
  Asked waits(server_->port(), "POST", "/v1/endpoints/price:predict", Instance(1));
  AwaitRows(1);
  std::thread stop([&] { server_->Stop(20s); });
  *way_ = Way::kFine;
  EXPECT_NE(waits.Read().find(R"({"value":1})"), std::string::npos);
  stop.join();
}

}  // namespace
}  // namespace tenon::edge
