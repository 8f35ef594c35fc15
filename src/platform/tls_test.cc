#include "platform/tls.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/testing.h"
#include "base/text.h"
#include "platform/post.h"

namespace tenon::platform {
namespace {

using State = TlsSession::State;

class TlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/tls-XXXXXX";
    folder_ = ::mkdtemp(name);
    ASSERT_EQ(std::system(Str("cd ", folder_, " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout key.pem -out cert.pem "
                              "-subj /CN=service -addext subjectAltName=DNS:localhost 2>/dev/null").c_str()), 0);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string In(std::string_view name) { return JoinPath(folder_, name); }

  Result<std::unique_ptr<TlsServer>> Server(std::string ca = "") { return MakeTlsServer(*files_, {In("cert.pem"), In("key.pem"), std::move(ca)}, {"http/1.1"}); }

  // Moves what one has to say to the other; gives the state and plain bytes.
  static State Move(TlsSession& from, TlsSession& to, std::string* plain) {
    const std::string bytes = from.output();
    from.output().clear();
    std::string room(bytes.size() + TlsSession::kSlack, '\0');
    std::size_t size = 0;
    const State state = to.Decrypt(bytes, room.data(), room.size(), &size);
    plain->append(room, 0, size);
    return state;
  }

  std::unique_ptr<Files> files_ = RealFiles();
  std::string folder_;
};

TEST_F(TlsTest, CarriesBytesBothWaysAndEnds) {
  auto server = Server();
  ASSERT_OK(server);
  auto ours = (*server)->NewSession();
  auto theirs = MakeTlsClient(*files_, "localhost", In("cert.pem"));
  ASSERT_OK(theirs);
  std::string a, b;
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(Move(**theirs, *ours, &a), State::kOpen);
    EXPECT_EQ(Move(*ours, **theirs, &b), State::kOpen);
  }
  ASSERT_TRUE(ours->ready());
  ASSERT_TRUE((*theirs)->ready());
  EXPECT_EQ((*theirs)->peer(), "service");
  const std::string large(300'000, 'x');
  (*theirs)->Encrypt("hello");
  (*theirs)->Encrypt(large);
  // Cut into small pieces, as a network may.
  const std::string bytes = (*theirs)->output();
  (*theirs)->output().clear();
  std::string room(1000 + TlsSession::kSlack, '\0'), got;
  for (std::size_t at = 0; at < bytes.size(); at += 1000) {
    std::size_t size = 0;
    ASSERT_EQ(ours->Decrypt(std::string_view(bytes).substr(at, 1000), room.data(), room.size(), &size), State::kOpen);
    got.append(room, 0, size);
  }
  EXPECT_EQ(got, "hello" + large);
  ours->Close();
  b.clear();
  EXPECT_EQ(Move(*ours, **theirs, &b), State::kClosed);
}

TEST_F(TlsTest, WhatIsNoTlsFails) {
  auto server = Server();
  ASSERT_OK(server);
  const auto feed = [&](std::string_view bytes) {
    auto session = (*server)->NewSession();
    std::string room(bytes.size() + TlsSession::kSlack, '\0');
    std::size_t size = 0;
    return session->Decrypt(bytes, room.data(), room.size(), &size);
  };
  EXPECT_EQ(feed("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), State::kPlain);
  EXPECT_EQ(feed("POST /x HTTP/1.1\r\n\r\n"), State::kPlain);
  EXPECT_EQ(feed("SSH-2.0-OpenSSH_9.2\r\n"), State::kFailed);
  EXPECT_EQ(feed(std::string(4096, '\xff')), State::kFailed);
  std::uint64_t state = 1;
  for (int round = 0; round < 300; ++round) {  // never anything but open or failed, and nothing comes out
    std::string bytes = "\x16\x03\x01";
    for (int i = 0; i < 200; ++i) bytes += static_cast<char>((state = state * 6364136223846793005U + 1442695040888963407U) >> 56);
    EXPECT_NE(feed(bytes), State::kClosed);
  }
}

TEST_F(TlsTest, ABrokenRecordEndsTheSession) {
  auto server = Server();
  ASSERT_OK(server);
  auto ours = (*server)->NewSession();
  auto theirs = MakeTlsClient(*files_, "localhost", In("cert.pem"));
  ASSERT_OK(theirs);
  std::string a, b;
  for (int i = 0; i < 4; ++i) {
    (void)Move(**theirs, *ours, &a);
    (void)Move(*ours, **theirs, &b);
  }
  (*theirs)->Encrypt("hello");
  (*theirs)->output().back() = static_cast<char>((*theirs)->output().back() ^ 1);
  EXPECT_EQ(Move(**theirs, *ours, &a), State::kFailed);
  EXPECT_EQ(a, "");
  EXPECT_FALSE(ours->problem().empty());
}

TEST_F(TlsTest, AClientTrustsOnlyWhomItShould) {
  auto server = Server();
  ASSERT_OK(server);
  for (const auto& [host, ca] : std::initializer_list<std::pair<std::string, std::string>>{{"elsewhere.example", In("cert.pem")}, {"localhost", ""}}) {
    auto ours = (*server)->NewSession();
    auto theirs = MakeTlsClient(*files_, host, ca);
    ASSERT_OK(theirs);
    std::string a, b;
    State state = State::kOpen;
    for (int i = 0; i < 4 && state == State::kOpen; ++i) {
      (void)Move(**theirs, *ours, &a);
      state = Move(*ours, **theirs, &b);
    }
    EXPECT_EQ(state, State::kFailed) << host;
  }
}

TEST_F(TlsTest, FilesThatAreWrongAreNamed) {
  ASSERT_OK(files_->Write(In("empty.pem"), ""));
  ASSERT_CODE(kNotFound, MakeTlsServer(*files_, {In("gone.pem"), In("key.pem"), ""}, {"http/1.1"}));
  ASSERT_CODE(kInvalidArgument, MakeTlsServer(*files_, {In("empty.pem"), In("key.pem"), ""}, {"http/1.1"}));
  ASSERT_CODE(kInvalidArgument, MakeTlsServer(*files_, {In("cert.pem"), In("cert.pem"), ""}, {"http/1.1"}));
  ASSERT_CODE(kInvalidArgument, Server(In("key.pem")));
  auto server = Server();
  ASSERT_OK(server);
  auto again = (*server)->Reload();
  ASSERT_OK(again);
  EXPECT_FALSE(*again);
  ASSERT_OK(files_->Write(In("key.pem"), "broken"));
  for (int i = 0; i < 3; ++i) ASSERT_CODE(kInvalidArgument, (*server)->Reload());  // for as long as it is so
  EXPECT_NE((*server)->NewSession(), nullptr);
}

TEST(UrlTest, TakesWhatItShould) {
  struct Case {
    std::string text, host, path;
    int port;
    bool tls;
  };
  for (const Case& c : std::initializer_list<Case>{{"http://a", "a", "/", 80, false}, {"https://a.b:8/c?d", "a.b", "/c?d", 8, true}, {"http://[::1]:4318/v1", "::1", "/v1", 4318, false}, {"https://[::1]", "::1", "/", 443, true}}) {
    auto url = ParseUrl(c.text);
    ASSERT_OK(url);
    EXPECT_EQ(url->host, c.host);
    EXPECT_EQ(url->path, c.path);
    EXPECT_EQ(url->port, c.port);
    EXPECT_EQ(url->tls, c.tls);
  }
  for (const char* text : {"", "a", "ftp://a", "http://", "http://:80", "http://a:0", "http://a:65536", "http://a:b", "http://u:p@a", "http://a b", "http://a/\r\nX: y", "http://[::1", "http://[::1]x"}) {
    ASSERT_CODE(kInvalidArgument, ParseUrl(text));
  }
}

}  // namespace
}  // namespace tenon::platform
