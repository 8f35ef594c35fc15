// Answers that come later, over real sockets: order, clients that go away, and the end of the server.

#include "edge/later.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <thread>

#include "base/mutex.h"
#include "base/testing.h"
#include "edge/socket_testing_internal.h"
#include "base/text.h"
#include "edge/compression_internal.h"
#include "edge/http2_testing_internal.h"
#include "edge/http_server.h"

namespace tenon::edge {
namespace {

using namespace std::chrono_literals;

// What test and handlers share: who waits, by the path.
class Waiters {
 public:
  void Add(const std::string& path, HttpLater::Wake wake) {
    const MutexLock lock(mutex_);
    waiting_.insert_or_assign(path, std::move(wake));
    changed_.NotifyAll();
  }
  void Gone(const std::string& path) {
    const MutexLock lock(mutex_);
    gone_.push_back(path);
    changed_.NotifyAll();
  }
  // From the test's thread, when the request has come that far.
  void Wake(const std::string& path) {
    HttpLater::Wake wake;
    {
      const MutexLock lock(mutex_);
      while (!waiting_.contains(path)) changed_.Wait(mutex_);
      wake = waiting_.at(path);
    }
    wake();
  }
  bool IsGone(const std::string& path) {
    const auto until = std::chrono::steady_clock::now() + 20s;
    const MutexLock lock(mutex_);
    while (std::ranges::find(gone_, path) == gone_.end()) {
      if (!changed_.WaitUntil(mutex_, until)) return false;
    }
    return true;
  }
  void Await(const std::string& path) {
    const MutexLock lock(mutex_);
    while (!waiting_.contains(path)) changed_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  Condition changed_;
  std::map<std::string, HttpLater::Wake> waiting_ TENON_GUARDED_BY(mutex_);
  std::vector<std::string> gone_ TENON_GUARDED_BY(mutex_);
};

class Held final : public HttpLater {
 public:
  Held(const HttpPeer& peer, Waiters& waiters, std::string path, int again) : HttpLater(peer), again(again), waiters_(waiters), path_(std::move(path)) {
    waiters_.Add(path_, wake());
  }
  ~Held() override { waiters_.Gone(path_); }
  int again;  // times that it waits on

 private:
  Waiters& waiters_;
  const std::string path_;
};

// "/now" is answered at once, all else when it is woken; "/twice..." when it is woken twice.
class Handler final : public HttpHandler {
 public:
  explicit Handler(Waiters& waiters) : waiters_(waiters) {}
  void Handle(const HttpRequest& request, const HttpPeer& peer, HttpResponse& response) override {
    if (request.path == "/now") {
      response.body = "now";
    } else {
      response.later = std::make_unique<Held>(peer, waiters_, std::string(request.path), request.path.starts_with("/twice") ? 1 : 0);
    }
  }
  void Resume(const HttpRequest& request, const HttpPeer&, std::unique_ptr<HttpLater> what, HttpResponse& response) override {
    if (static_cast<Held&>(*what).again-- > 0) {
      response.later = std::move(what);
      return;
    }
    response.body = Str(request.path, " ", request.body, " ", request.Header("x-own"));
  }
  RpcKind KindOf(std::string_view path) const override { return path == "/s/Stream" ? RpcKind::kStream : RpcKind::kUnary; }
  void Call(const RpcRequest& request, const HttpPeer& peer, RpcResponse& response) override {
    response.later = std::make_unique<Held>(peer, waiters_, Str(request.head->path, "/", request.message), 0);
  }
  void ResumeCall(const RpcRequest& request, const HttpPeer&, std::unique_ptr<HttpLater>, RpcResponse& response) override {
    response.message = Str("answer to ", request.message);
  }

 private:
  Waiters& waiters_;
};

class Socket {
 public:
  explicit Socket(int port) {
    fd_ = testing::ConnectTo(port);
    EXPECT_GE(fd_, 0);
  }
  ~Socket() { Close(); }
  Socket(const Socket&) = delete;
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void Send(std::string_view bytes) { EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size())); }
  void Ask(const std::string& path, const std::string& body = "") {
    Send(Str("POST ", path, " HTTP/1.1\r\nHost: t\r\nX-Own: mine\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
  }
  // The bodies of so many answers, in the order they came; fewer when the connection ends before.
  std::vector<std::string> Bodies(std::size_t n) {
    std::vector<std::string> bodies;
    while (bodies.size() < n) {
      const std::size_t head = held_.find("\r\n\r\n"), length = held_.find("Content-Length: ");
      const std::size_t size = head == std::string::npos ? 0 : static_cast<std::size_t>(std::atoll(held_.c_str() + length + 16));
      if (head != std::string::npos && held_.size() >= head + 4 + size) {
        last_head_ = held_.substr(0, head);
        bodies.push_back(held_.substr(head + 4, size));
        held_.erase(0, head + 4 + size);
      } else if (!More()) {
        break;
      }
    }
    return bodies;
  }
  std::string Some() {
    held_.clear();
    More();
    return held_;
  }
  bool Ended() { return held_.empty() && !More(); }
  const std::string& last_head() const { return last_head_; }

 private:
  bool More() {
    char bytes[4096];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    held_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }
  int fd_;
  std::string held_, last_head_;
};

class LaterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ServerOptions options;
    options.port = 0;
    options.threads = 1;
    ASSERT_OK_AND_ASSIGN(server_, ListenHttp(options, [this](int) { return std::make_unique<Handler>(waiters_); }));
  }
  int port() const { return server_->port(); }
  Waiters waiters_;
  std::unique_ptr<Server> server_;
};

TEST_F(LaterTest, AnswersWhenItIsWokenAndOthersMeanwhile) {
  Socket slow(port()), other(port());
  slow.Ask("/slow", "body");
  waiters_.Await("/slow");
  other.Ask("/now");
  EXPECT_EQ(other.Bodies(1), std::vector<std::string>{"now"});
  waiters_.Wake("/slow");
  EXPECT_EQ(slow.Bodies(1), std::vector<std::string>{"/slow body mine"});
  slow.Ask("/now");  // the connection goes on
  EXPECT_EQ(slow.Bodies(1), std::vector<std::string>{"now"});
  EXPECT_TRUE(waiters_.IsGone("/slow"));
}

TEST_F(LaterTest, MayWaitOn) {
  Socket client(port());
  client.Ask("/twice");
  waiters_.Wake("/twice");
  Socket other(port());
  other.Ask("/now");  // the first call is handled by now
  EXPECT_EQ(other.Bodies(1).size(), 1U);
  waiters_.Wake("/twice");
  EXPECT_EQ(client.Bodies(1), std::vector<std::string>{"/twice  mine"});
}

TEST_F(LaterTest, KeepsTheOrderOfPipelinedRequests) {
  Socket client(port());
  const auto line = [](const char* path) { return Str("POST ", path, " HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\n", path[1]); };
  client.Send(Str(line("/now"), line("/a"), line("/now"), line("/b"), line("/now")));
  waiters_.Await("/a");
  client.Send(line("/c"));  // while one waits: it is read later
  waiters_.Wake("/a");
  waiters_.Wake("/b");
  waiters_.Wake("/c");
  EXPECT_EQ(client.Bodies(6), (std::vector<std::string>{"now", "/a a ", "now", "/b b ", "now", "/c c "}));
}

TEST_F(LaterTest, ChunkedBodiesAreThereAgain) {
  Socket client(port());
  client.Send("POST /chunks HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
  waiters_.Wake("/chunks");
  EXPECT_EQ(client.Bodies(1), std::vector<std::string>{"/chunks abcdefg "});
}

TEST_F(LaterTest, AClientThatGoesIsForgotten) {
  Socket client(port());
  client.Ask("/left");
  waiters_.Await("/left");
  client.Close();
  EXPECT_TRUE(waiters_.IsGone("/left"));
  waiters_.Wake("/left");  // nothing any more
  Socket other(port());    // at the same place in the slab
  other.Ask("/other");
  waiters_.Await("/other");
  waiters_.Wake("/left");  // which must not answer this one
  waiters_.Wake("/other");
  EXPECT_EQ(other.Bodies(1), std::vector<std::string>{"/other  mine"});
  // One that had sent more than it waits for, too.
  Socket eager(port());
  eager.Ask("/eager");
  waiters_.Await("/eager");
  eager.Ask("/further");
  eager.Close();
  EXPECT_TRUE(waiters_.IsGone("/eager"));
}

TEST_F(LaterTest, StoppingWaitsForThem) {
  Socket client(port()), idle(port());
  client.Ask("/waits");
  waiters_.Await("/waits");
  std::thread stop([&] { server_->Stop(20s); });
  EXPECT_TRUE(idle.Ended());  // it has begun to stop
  waiters_.Wake("/waits");
  EXPECT_EQ(client.Bodies(1), std::vector<std::string>{"/waits  mine"});
  EXPECT_NE(client.last_head().find("Connection: close"), std::string::npos);
  EXPECT_TRUE(client.Ended());
  client.Close();
  stop.join();
}

TEST_F(LaterTest, StoppingEndsWithThoseThatAreNeverWoken) {
  Socket client(port());
  client.Ask("/never");
  waiters_.Await("/never");
  server_->Stop(50ms);
  EXPECT_TRUE(waiters_.IsGone("/never"));
  EXPECT_TRUE(client.Ended());
  waiters_.Wake("/never");  // the loop is gone
}

// Over HTTP/2 each stream waits by itself.
class LaterHttp2Test : public LaterTest {
 protected:
  void Exchange(Socket& socket, Http2Client& client) {
    if (const std::string bytes = client.Sent(); !bytes.empty()) socket.Send(bytes);
  }
  void Until(Socket& socket, Http2Client& client, std::int32_t id) {
    while (!client.At(id).closed) {
      const std::string got = socket.Some();
      if (got.empty()) return;
      client.Take(got);
      Exchange(socket, client);
    }
  }
};

TEST_F(LaterHttp2Test, StreamsAreAnsweredAsTheyAreWoken) {
  Socket socket(port());
  Http2Client client;
  const auto first = client.Begin("/first", {}, "text/plain"), second = client.Begin("/second", {}, "text/plain");
  client.Add(first, "1", true);
  client.Add(second, "2", true);
  const auto call = client.Ask("/s/Unary", "x");
  Exchange(socket, client);
  waiters_.Wake("/second");
  Until(socket, client, second);
  EXPECT_EQ(client.At(second).body, "/second 2 ");
  EXPECT_FALSE(client.At(first).closed);
  waiters_.Wake("/s/Unary/x");
  Until(socket, client, call);
  EXPECT_EQ(client.At(call).Message(), "answer to x");
  EXPECT_EQ(client.At(call).grpc(), 0);
  waiters_.Wake("/first");
  Until(socket, client, first);
  EXPECT_EQ(client.At(first).body, "/first 1 ");
}

TEST_F(LaterHttp2Test, MessagesOfACallAreAnsweredInOrder) {
  Socket socket(port());
  Http2Client client;
  const auto call = client.Begin("/s/Stream");
  client.Add(call, Framed("a") + Framed("b"), true);
  Exchange(socket, client);
  waiters_.Wake("/s/Stream/a");
  waiters_.Wake("/s/Stream/b");
  Until(socket, client, call);
  EXPECT_EQ(client.At(call).Message(0), "answer to a");
  EXPECT_EQ(client.At(call).Message(1), "answer to b");
  EXPECT_EQ(client.At(call).grpc(), 0);
}

TEST_F(LaterHttp2Test, AResetOrAPassedDeadlineForgetsIt) {
  Socket socket(port());
  Http2Client client;
  const auto reset = client.Begin("/reset", {}, "text/plain");
  client.Add(reset, "", true);
  Exchange(socket, client);
  waiters_.Await("/reset");
  client.Reset(reset);
  Exchange(socket, client);
  EXPECT_TRUE(waiters_.IsGone("/reset"));
  const auto late = client.Ask("/s/Unary", "late", {{"grpc-timeout", "100m"}});
  Exchange(socket, client);
  Until(socket, client, late);
  EXPECT_EQ(client.At(late).grpc(), 4);
  EXPECT_TRUE(waiters_.IsGone("/s/Unary/late"));
}

// A kilobyte each, compressed, and a megabyte while it waits: what a connection keeps is bounded by what it is, not by what was sent.
TEST_F(LaterHttp2Test, WhatWaitsIsBoundedByWhatItIsUncompressed) {
  ServerOptions options;
  options.port = 0;
  options.threads = 1;
  options.most_body = 1 << 20;
  ASSERT_OK_AND_ASSIGN(server_, ListenHttp(options, [this](int) { return std::make_unique<Handler>(waiters_); }));
  Socket socket(port());
  Http2Client client;
  std::vector<std::int32_t> ids;
  std::string message;
  for (int i = 0; i < 16; ++i) {
    message = Str(i, std::string((1 << 20) - 8, 'w'));
    std::string packed;
    ASSERT_TRUE(Deflate(message, true, &packed));
    ids.push_back(client.Begin("/s/Unary", {{"grpc-encoding", "gzip"}}));
    client.Add(ids.back(), Framed(packed, true), true);
    Exchange(socket, client);
  }
  Until(socket, client, ids.back());
  EXPECT_EQ(client.At(ids.back()).grpc(), 8) << client.At(ids.back()).problem();
  EXPECT_FALSE(client.At(ids[0]).closed);
  EXPECT_FALSE(client.At(ids[9]).closed);
  EXPECT_TRUE(waiters_.IsGone("/s/Unary/" + message));
}

TEST_F(LaterHttp2Test, StoppingWaitsForThem) {
  Socket socket(port());
  Http2Client client;
  const auto id = client.Begin("/waits", {}, "text/plain");
  client.Add(id, "w", true);
  Exchange(socket, client);
  waiters_.Await("/waits");
  std::thread stop([&] { server_->Stop(20s); });
  while (client.goaway < 0) client.Take(socket.Some());
  waiters_.Wake("/waits");
  Until(socket, client, id);
  EXPECT_EQ(client.At(id).body, "/waits w ");
  socket.Close();
  stop.join();
}

}  // namespace
}  // namespace tenon::edge
