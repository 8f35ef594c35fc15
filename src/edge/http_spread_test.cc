#include "edge/http_spread_internal.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/testing.h"
#include "edge/http_server.h"
#include "edge/socket_testing_internal.h"

namespace tenon::edge {
namespace {

class HttpSpreadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int& wake : wakes_) wake = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  }
  void TearDown() override {
    for (const int wake : wakes_) ::close(wake);
  }
  bool Rang(int loop) {
    std::uint64_t count = 0;
    return ::read(wakes_[static_cast<std::size_t>(loop)], &count, sizeof count) > 0;
  }
  std::array<int, 3> wakes_{};
  std::vector<HttpSpread::Newcomer> given_;
};

TEST_F(HttpSpreadTest, GivesToTheLoopWithTheFewestAndKeepsAmongEquals) {
  HttpSpread spread({wakes_.begin(), wakes_.end()});
  EXPECT_TRUE(spread.Keep(1, {10, {}}));   // 0 1 0
  EXPECT_FALSE(spread.Keep(1, {11, {}}));  // 1 1 0
  EXPECT_FALSE(spread.Keep(1, {12, {}}));  // 1 1 1
  EXPECT_TRUE(spread.Keep(1, {13, {}}));   // 1 2 1
  spread.Left(2);                          // 1 2 0
  EXPECT_FALSE(spread.Keep(0, {14, {}}));  // 1 2 1
  EXPECT_TRUE(Rang(0) && !Rang(1) && Rang(2));
  spread.Take(2, &given_);
  ASSERT_EQ(given_.size(), 2U);
  EXPECT_EQ(given_[0].fd, 12);
  EXPECT_EQ(given_[1].fd, 14);
  spread.Take(2, &given_);
  EXPECT_TRUE(given_.empty());
}

TEST_F(HttpSpreadTest, ALoopThatStopsIsGivenNothingAndGivesNothing) {
  HttpSpread spread({wakes_.begin(), wakes_.end()});
  EXPECT_TRUE(spread.Keep(0, {10, {}}));
  EXPECT_FALSE(spread.Keep(0, {11, {}}));  // to 1
  spread.Close(1, &given_);
  ASSERT_EQ(given_.size(), 1U);
  EXPECT_EQ(given_[0].fd, 11);
  spread.Left(1);
  EXPECT_FALSE(spread.Keep(0, {12, {}}));  // to 2
  EXPECT_TRUE(spread.Keep(0, {13, {}}));   // 1 has none, and stops
  EXPECT_TRUE(spread.Keep(1, {14, {}}));
  EXPECT_TRUE(spread.Keep(1, {15, {}}));
}

// Loops that accept, take and stop at any time: whatever was accepted is with exactly one of them.
TEST_F(HttpSpreadTest, LosesNoneAndDoublesNoneWhileLoopsStop) {
  constexpr int kEach = 3000;
  HttpSpread spread({wakes_.begin(), wakes_.end()});
  std::array<std::atomic<int>, 3 * kEach> seen{};
  std::vector<std::thread> loops;
  for (std::size_t loop = 0; loop < 3; ++loop) {
    loops.emplace_back([&, loop] {
      std::vector<HttpSpread::Newcomer> given;
      const auto adopt = [&] {
        for (const auto& newcomer : given) ++seen[static_cast<std::size_t>(newcomer.fd)];
      };
      for (int i = 0; i < kEach; ++i) {
        const int fd = static_cast<int>(loop) * kEach + i;
        if (spread.Keep(loop, {fd, {}})) ++seen[static_cast<std::size_t>(fd)];
        if (i % 7 == 0) spread.Take(loop, &given), adopt();
        if (i == kEach / 3 * static_cast<int>(loop + 1) - 1) spread.Close(loop, &given), adopt();
        given.clear();
      }
    });
  }
  for (std::thread& loop : loops) loop.join();
  for (std::size_t i = 0; i < seen.size(); ++i) ASSERT_EQ(seen[i].load(), 1) << i;
}

class Counting final : public HttpHandler {
 public:
  explicit Counting(std::atomic<int>& answered) : answered_(answered) {}
  void Handle(const HttpRequest&, const HttpPeer&, HttpResponse& response) override {
    ++answered_;
    response.body = "{}";
  }

 private:
  std::atomic<int>& answered_;
};

struct Counted {
  std::array<std::atomic<int>, 4> loops{};
  std::unique_ptr<Server> server;
  std::vector<int> clients;

  Counted() {
    ServerOptions options;
    options.port = 0;
    options.threads = 4;
    auto made = ListenHttp(options, [this](int thread) { return std::make_unique<Counting>(loops[static_cast<std::size_t>(thread)]); });
    EXPECT_TRUE(made.ok());
    server = *std::move(made);
  }
  ~Counted() {
    for (const int fd : clients) ::close(fd);
  }
  void Connect(int count) {
    for (int i = 0; i < count; ++i) clients.push_back(testing::ConnectTo(server->port()));
  }
  void Send() const {
    static constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: t\r\n\r\n";
    for (const int fd : clients) ASSERT_EQ(::send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL), static_cast<ssize_t>(kRequest.size()));
  }
  int Answered() const {
    int answered = 0;
    for (const int fd : clients) {
      std::array<char, 4096> bytes;
      const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), 0);
      if (got > 0 && std::string_view(bytes.data(), static_cast<std::size_t>(got)).starts_with("HTTP/1.1 200")) ++answered;
    }
    return answered;
  }
};

TEST(HttpServerSpreadTest, EveryLoopHasAsManyConnections) {
  Counted counted;
  counted.Connect(64);
  for (int round = 0; round < 3; ++round) {
    counted.Send();
    EXPECT_EQ(counted.Answered(), 64);
  }
  for (const auto& loop : counted.loops) EXPECT_EQ(loop.load(), 3 * 16);
}

TEST(HttpServerSpreadTest, ConnectionsUnderWayBetweenLoopsAreAnsweredByAServerThatStops) {
  for (int round = 0; round < 40; ++round) {
    Counted counted;
    counted.Connect(40);
    counted.Send();
    std::thread stop([&] { counted.server->Stop(std::chrono::seconds(20)); });
    EXPECT_EQ(counted.Answered(), 40) << "round " << round;
    for (const int fd : counted.clients) ::close(fd);
    counted.clients.clear();
    stop.join();
  }
}

}  // namespace
}  // namespace tenon::edge
