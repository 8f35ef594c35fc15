// A loop that is asked for more than it can do.

#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "edge/http2_testing_internal.h"
#include "edge/http_server.h"
#include "edge/socket_testing_internal.h"

namespace tenon::edge {
namespace {

using Clock = std::chrono::steady_clock;

// Each answer takes a millisecond. "/probe" may not be turned away.
class Slow final : public HttpHandler {
 public:
  void Handle(const HttpRequest&, const HttpPeer&, HttpResponse& response) override {
    const auto began = Clock::now();
    while (Clock::now() - began < std::chrono::milliseconds(1)) {
    }
    response.body = "{}";
  }
  RpcKind KindOf(std::string_view) const override { return RpcKind::kUnary; }
  void Call(const RpcRequest&, const HttpPeer&, RpcResponse& response) override {
    const auto began = Clock::now();
    while (Clock::now() - began < std::chrono::milliseconds(1)) {
    }
    response.message = "m";
  }
  bool MayWait(const HttpRequest& request) const override { return request.path != "/probe"; }
};

class HttpLoopQueueTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ServerOptions options;
    options.port = 0;
    options.threads = 1;
    options.longest_queue = std::chrono::milliseconds(5);
    options.most_connections = 256;
    auto made = ListenHttp(options, [](int) { return std::make_unique<Slow>(); });
    ASSERT_TRUE(made.ok());
    server_ = *std::move(made);
  }
  void TearDown() override {
    for (const int fd : clients_) ::close(fd);
  }
  static void Send(int fd, std::string_view path) {
    const std::string request = "GET " + std::string(path) + " HTTP/1.1\r\nHost: t\r\n\r\n";
    ASSERT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  }
  // The status of one answer; 0: the connection ended.
  static int Read(int fd) {
    std::array<char, 4096> bytes;
    const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), 0);
    return got < 13 ? 0 : std::atoi(bytes.data() + 9);
  }
  // As many clients that have asked before; for what may not be turned away, however slow this machine is just now.
  void Connect(int count) {
    for (int i = 0; i < count; ++i) {
      clients_.push_back(testing::ConnectTo(server_->port()));
      Send(clients_.back(), "/probe");
      ASSERT_EQ(Read(clients_.back()), 200);
    }
  }
  // Once the loop has forgotten that there was more than it could do, it answers again.
  static void AwaitAnswer(int fd) {
    int status = 503;
    for (int i = 0; status == 503 && i < 100; ++i) {
      Send(fd, "/");
      status = Read(fd);
    }
    EXPECT_EQ(status, 200);
  }
  // Each client asks again as soon as it is answered, so often in all, and then hears the last answers.
  std::map<int, int> Press(int requests, std::string_view path = "/") {
    std::map<int, int> statuses;
    std::vector<pollfd> waits;
    for (const int fd : clients_) Send(fd, path), waits.push_back({fd, POLLIN, 0});
    int sent = static_cast<int>(clients_.size()), heard = 0;
    while (heard < sent && ::poll(waits.data(), waits.size(), 20'000) > 0) {
      for (pollfd& one : waits) {
        if ((one.revents & POLLIN) == 0) continue;
        ++statuses[Read(one.fd)];
        ++heard;
        if (sent >= requests) continue;
        Send(one.fd, path);
        ++sent;
      }
    }
    EXPECT_EQ(heard, sent);
    return statuses;
  }

  std::unique_ptr<Server> server_;
  std::vector<int> clients_;
};

TEST_F(HttpLoopQueueTest, AnswersWhatIsInTimeTurnsAwayTheRestAndForgetsNone) {
  Connect(64);
  auto statuses = Press(1000);  // of each other some 64 ms behind, where 5 may be waited
  EXPECT_GT(statuses[200], 20);
  EXPECT_GT(statuses[503], 10);
  EXPECT_EQ(statuses[200] + statuses[503], 1000);
  AwaitAnswer(clients_[0]);
}

TEST_F(HttpLoopQueueTest, ProbesAreNeverTurnedAwayNorLeftUnread) {
  Connect(64);
  EXPECT_EQ(Press(600, "/probe"), (std::map<int, int>{{200, 600}}));
}

TEST_F(HttpLoopQueueTest, RefusesTheRestOfABurstThatComesOnOneConnection) {
  const int fd = testing::ConnectTo(server_->port());
  clients_.push_back(fd);
  std::string requests;
  for (int i = 0; i < 200; ++i) requests += i == 199 ? "GET /probe HTTP/1.1\r\nHost: t\r\n\r\n" : "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}";
  ASSERT_EQ(::send(fd, requests.data(), requests.size(), MSG_NOSIGNAL), static_cast<ssize_t>(requests.size()));
  std::string got;
  std::array<char, 65536> bytes;
  const auto count = [&](std::string_view what) {
    int found = 0;
    for (std::size_t at = got.find(what); at != std::string::npos; at = got.find(what, at + 1)) ++found;
    return found;
  };
  while (count("HTTP/1.1 ") < 200) {
    const ssize_t size = ::recv(fd, bytes.data(), bytes.size(), 0);
    ASSERT_GT(size, 0);
    got.append(bytes.data(), static_cast<std::size_t>(size));
  }
  // They came together, so that only the first can be in time; but the probe, last of all, is answered.
  EXPECT_GE(count("HTTP/1.1 200"), 2);
  EXPECT_GT(count("HTTP/1.1 503"), 100);
  EXPECT_EQ(count("HTTP/1.1 200") + count("HTTP/1.1 503"), 200);
  EXPECT_EQ(count("Retry-After: 1\r\n"), count("HTTP/1.1 503"));
  EXPECT_EQ(count(R"({"error":{"code":"unavailable","message":"the server has more to do than it can; try again later"}})"), count("HTTP/1.1 503"));
  EXPECT_GT(got.rfind("HTTP/1.1 200"), got.rfind("HTTP/1.1 503"));
  AwaitAnswer(fd);
}

// A client of gRPC on a connection of its own.
class Caller {
 public:
  explicit Caller(int port) : fd_(testing::ConnectTo(port)) {}
  ~Caller() { ::close(fd_); }
  Caller(const Caller&) = delete;
  int fd() const { return fd_; }
  void Call(std::string_view path) {
    id_ = client_.Ask(std::string(path), "");
    const std::string bytes = client_.Sent();
    ASSERT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  // Takes what has come; the status of the call when it has ended, -1 before, -2 when the connection did.
  int Take() {
    std::array<char, 65536> bytes;
    const ssize_t size = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (size <= 0) return -2;
    client_.Take({bytes.data(), static_cast<std::size_t>(size)});
    return client_.At(id_).closed ? client_.At(id_).grpc() : -1;
  }
  const Http2Client::Reply& reply() { return client_.At(id_); }

 private:
  int fd_;
  Http2Client client_;
  std::int32_t id_ = 0;
};

TEST_F(HttpLoopQueueTest, CallsOfGrpcAreTurnedAwayToo) {
  constexpr int kCalls = 1000;
  std::vector<std::unique_ptr<Caller>> callers;
  std::vector<pollfd> waits;
  for (int i = 0; i < 64; ++i) {
    callers.push_back(std::make_unique<Caller>(server_->port()));
    callers.back()->Call("/probe");
    int status = -1;
    while (status == -1) status = callers.back()->Take();
    ASSERT_EQ(status, 0);
    waits.push_back({callers.back()->fd(), POLLIN, 0});
  }
  for (const auto& caller : callers) caller->Call("/s/Work");
  std::map<int, int> statuses;
  int sent = 64, heard = 0;
  while (heard < sent && ::poll(waits.data(), waits.size(), 20'000) > 0) {
    for (std::size_t i = 0; i < waits.size(); ++i) {
      if ((waits[i].revents & POLLIN) == 0) continue;
      const int status = callers[i]->Take();
      if (status == -1) continue;
      ASSERT_NE(status, -2);
      ++heard;
      ++statuses[status];
      if (status == 14) EXPECT_EQ(callers[i]->reply().head.at("grpc-retry-pushback-ms"), "1000");
      if (sent >= kCalls) continue;
      ++sent;
      callers[i]->Call("/s/Work");
    }
  }
  EXPECT_EQ(heard, kCalls);
  EXPECT_GT(statuses[0], 20);
  EXPECT_GT(statuses[14], 10);
  EXPECT_EQ(statuses[0] + statuses[14], kCalls);
  // Probes are answered in the midst of it.
  for (const auto& caller : callers) caller->Call("/s/Work");
  Caller probe(server_->port());
  probe.Call("/probe");
  int status = -1;
  while (status == -1) status = probe.Take();
  EXPECT_EQ(status, 0);
}

TEST_F(HttpLoopQueueTest, HasNoMoreConnectionsThanItMay) {
  Connect(256);
  const int more = testing::ConnectTo(server_->port());
  EXPECT_EQ(Read(more), 503);
  EXPECT_EQ(Read(more), 0);
  ::close(more);
  ::close(clients_.back());
  clients_.pop_back();
  for (int status = 503; status != 200;) {  // it may not have heard yet that one is gone
    const int fd = testing::ConnectTo(server_->port());
    constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: t\r\n\r\n";
    (void)!::send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL);  // which may be closed already
    status = Read(fd);
    ::close(fd);
  }
}

TEST_F(HttpLoopQueueTest, ClientsThatGiveUpWhileTheyWaitHarmNobody) {
  Connect(64);
  for (int round = 0; round < 4; ++round) {
    Press(300);
    for (const int fd : clients_) Send(fd, "/");
    for (std::size_t i = 0; i < clients_.size(); i += 2) {
      ::close(clients_[i]);
      clients_[i] = testing::ConnectTo(server_->port());
      Send(clients_[i], "/");
    }
    for (const int fd : clients_) {
      const int status = Read(fd);
      EXPECT_TRUE(status == 200 || status == 503) << status;
    }
  }
}

TEST_F(HttpLoopQueueTest, StopsInTheMiddleOfIt) {
  Connect(64);
  Press(300);
  for (int i = 0; i < 20; ++i) {
    for (const int fd : clients_) Send(fd, "/");
  }
  server_->Stop(std::chrono::seconds(5));
  for (const int fd : clients_) {
    const int status = Read(fd);
    EXPECT_TRUE(status == 200 || status == 503) << status;
  }
}

}  // namespace
}  // namespace tenon::edge
