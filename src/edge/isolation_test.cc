// One model that does not come back, or fails, beside one that answers: on one thread of the server.

#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/testing.h"
#include "base/text.h"
#include "edge/server.h"
#include "edge/socket_testing_internal.h"
#include "serve/batcher.h"
#include "serve/ladder.h"
#include "serve/testing.h"

namespace tenon::edge {
namespace {

using Way = serve::testing::FaultyModel::Way;

class IsolationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(transform::AddAll(ops_));
    ASSERT_OK_AND_ASSIGN(auto made, serve::testing::MakeFaulty(ops_, "sick"));
    sick_ = made.first;
    way_ = made.second;
    ASSERT_OK_AND_ASSIGN(const auto sound, serve::testing::MakeForestServed(ops_, "sound", 1, 3, 2));
    endpoints_.Set(sound);
  }
  void TearDown() override { *way_ = Way::kFine; }

  void Start(serve::Arm arm, const char* fallback = nullptr) {
    auto route = std::make_shared<serve::Route>();
    route->name = "sick";
    if (fallback != nullptr) {
      ASSERT_OK_AND_ASSIGN(const Json json, Json::Parse(fallback));
      ASSERT_OK_AND_ASSIGN(const auto spec, serve::LadderSpec::Parse(json, "test"));
      ASSERT_OK_AND_ASSIGN(route->ladder, serve::Ladder::Make(spec, sick_, nullptr));
      arm.breaker = std::make_shared<serve::Breaker>(spec.breaker);
    }
    route->arms = {std::move(arm)};
    endpoints_.Set(std::shared_ptr<const serve::Route>(std::move(route)));
    ServerOptions options;
    options.port = 0;
    options.threads = 1;
    ASSERT_OK_AND_ASSIGN(server_, StartServer(options, endpoints_, nullptr, nullptr));
    sound_ = Ask("sound");
    ASSERT_NE(sound_.find("HTTP/1.1 200"), std::string::npos) << sound_;
  }

  int Send(std::string_view endpoint) {
    const int fd = testing::ConnectTo(server_->port());
    const std::string body = R"({"instances":[{"x0":0.5}]})";
    const std::string request = Str("POST /v1/endpoints/", endpoint, ":predict HTTP/1.1\r\nHost: t\r\nConnection: close\r\nX-Request-Id: r\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
    EXPECT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
    return fd;
  }
  static std::string Read(int fd) {
    char bytes[4096];
    std::string got;
    for (ssize_t n = 0; (n = ::recv(fd, bytes, sizeof bytes, 0)) > 0;) got.append(bytes, static_cast<std::size_t>(n));
    ::close(fd);
    return got;
  }
  std::string Ask(std::string_view endpoint) { return Read(Send(endpoint)); }
  void SoundAnswersAsBefore(int times) {
    const auto body = [](const std::string& answer) { return answer.substr(std::min(answer.size(), answer.find("\r\n\r\n"))); };  // the head has the time
    for (int i = 0; i < times; ++i) ASSERT_EQ(body(Ask("sound")), body(sound_));
  }

  Kinds<transform::Op> ops_;
  std::shared_ptr<const serve::Served> sick_;
  std::shared_ptr<std::atomic<Way>> way_;
  serve::Endpoints endpoints_;
  std::unique_ptr<Server> server_;
  std::string sound_;  // what the other model answers
};

TEST_F(IsolationTest, AModelThatIsAskedInBatchesHoldsUpNoOther) {
  serve::BatchTrial trial{.on = true};
  trial.sizes = {{.rows = 1, .micros = 1000, .exact = true, .used = true}};
  serve::BatchSpec spec;
  spec.queue_rows = 2;
  spec.timeout = {};
  serve::Arm arm{sick_, serve::Role::kChampion, 1};
  arm.batcher = std::make_shared<serve::Batcher>(sick_, spec, trial);
  const auto batcher = arm.batcher;
  Start(std::move(arm));
  *way_ = Way::kStuck;
  const int first = Send("sick");
  while (batcher->Stats().waits == serve::BatchStats{}.waits) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const int second = Send("sick"), third = Send("sick");
  while (batcher->Stats().waiting < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  SoundAnswersAsBefore(50);
  EXPECT_NE(Ask("sick").find("HTTP/1.1 503"), std::string::npos);  // what it keeps waiting is bounded
  *way_ = Way::kFine;
  for (const int fd : {first, second, third}) EXPECT_NE(Read(fd).find(R"({"value":0.5})"), std::string::npos);
}

// One that takes long and gains nothing from company: each request is a run, as many at a time as there are instances.
TEST_F(IsolationTest, AModelThatIsAskedApartHoldsUpNoOther) {
  serve::BatchTrial trial{.apart = true};
  serve::Arm arm{sick_, serve::Role::kChampion, 1};
  arm.batcher = std::make_shared<serve::Batcher>(sick_, serve::BatchSpec{.timeout = {}, .instances = 2}, trial);
  const auto batcher = arm.batcher;
  Start(std::move(arm));
  *way_ = Way::kStuck;
  const int first = Send("sick"), second = Send("sick");
  while (batcher->Stats().waiting != 0 || batcher->Stats().waits == serve::BatchStats{}.waits) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const int third = Send("sick");
  SoundAnswersAsBefore(50);
  *way_ = Way::kFine;
  for (const int fd : {first, second, third}) EXPECT_NE(Read(fd).find(R"({"value":0.5})"), std::string::npos);
  EXPECT_EQ(batcher->Stats().runs, 3);
}

TEST_F(IsolationTest, AModelWithADeadlineHoldsUpNoOther) {
  Start({sick_, serve::Role::kChampion, 1}, R"({"rungs":["default 5"],"deadline":"20ms","breaker":{"failures":1,"window":"1h","rest":"1h"}})");
  *way_ = Way::kStuck;
  EXPECT_NE(Ask("sick").find(R"({"value":5,"rung":"default"})"), std::string::npos);
  SoundAnswersAsBefore(50);
  EXPECT_NE(Ask("sick").find(R"("rung":"default")"), std::string::npos);  // its breaker is open: not even asked
}

TEST_F(IsolationTest, AModelThatFailsHarmsNoOther) {
  Start({sick_, serve::Role::kChampion, 1});
  *way_ = Way::kNotANumber;
  const std::string failed = Ask("sick");
  EXPECT_EQ(failed.find("nan"), std::string::npos) << failed;
  SoundAnswersAsBefore(50);
  *way_ = Way::kFine;
  EXPECT_NE(Ask("sick").find(R"({"value":0.5})"), std::string::npos);
}

}  // namespace
}  // namespace tenon::edge
