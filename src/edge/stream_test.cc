// Streams of predictions, over HTTP/2 in memory and through the worker; over sockets: tests/clients/streams.py.

#include <gtest/gtest.h>

#include <algorithm>

#include "base/testing.h"
#include "base/text.h"
#include "edge/http2_testing_internal.h"
#include "edge/worker_internal.h"
#include "serve/testing.h"

namespace tenon::edge {
namespace {

const std::string kRow = R"({"age":40,"income":2500.5,"job":"baker","owner":false})";
const std::string kPath = "/v1/endpoints/loan:stream";

class StreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(transform::AddAll(ops_));
    ASSERT_OK_AND_ASSIGN(auto loan, serve::testing::MakeLoan(ops_));
    endpoints_.Set(loan);
    Make();
  }
  void Make() {
    options_.threads = 1;
    shared_ = std::make_unique<Shared>(endpoints_, nullptr, [] { return true; }, options_);
    worker_ = std::make_unique<Worker>(*shared_, 0);
  }
  std::unique_ptr<HttpStream> Open(std::initializer_list<HttpHeader> headers, Method method = Method::kPost, std::string_view path = kPath) {
    HttpRequest request;
    request.method = method;
    request.path = path;
    request.has_length = method == Method::kPost;
    for (const HttpHeader& header : headers) request.headers[request.header_count++] = header;
    response_.Clear();
    EXPECT_TRUE(worker_->Streams(request));
    return worker_->Open(request, peer_, response_);
  }
  std::string Answer() {
    HttpRequest request;
    request.method = Method::kPost;
    request.path = "/v1/endpoints/loan:predict";
    request.has_length = true;
    const std::string body = Str(R"({"instances":[)", kRow, "]}"), padded = body + std::string(64, ' ');
    request.body = std::string_view(padded).substr(0, body.size());
    response_.Clear();
    worker_->Handle(request, peer_, response_);
    const std::string& whole = response_.body;  // {"model":..,"predictions":[{..}]}
    return Str(R"({"model":"loan@1",)", whole.substr(whole.find("[{") + 2, whole.size() - whole.find("[{") - 4), "\n");
  }

  Kinds<transform::Op> ops_;
  serve::Endpoints endpoints_;
  ServerOptions options_;
  std::unique_ptr<Shared> shared_;
  std::unique_ptr<Worker> worker_;
  HttpPeer peer_{1};
  HttpResponse response_;
};

TEST_F(StreamTest, LinesAreAnsweredHoweverTheyAreCut) {
  const std::string one = Answer(), body = kRow + "\r\n\n" + kRow + "\n" + kRow;
  for (std::size_t piece = 1; piece <= body.size(); ++piece) {
    auto stream = Open({});
    ASSERT_NE(stream, nullptr) << response_.body;
    EXPECT_EQ(response_.content_type, "application/x-ndjson");
    std::string out;
    for (std::size_t at = 0; at < body.size(); at += piece) stream->Take(std::string_view(body).substr(at, piece), peer_, &out);
    EXPECT_EQ(out, one + one) << piece;
    EXPECT_FALSE(stream->over());
    stream->End(peer_, &out);
    EXPECT_EQ(out, one + one + one);
    EXPECT_TRUE(stream->over());
  }
}

TEST_F(StreamTest, StopsWhenMuchIsSaidAndGoesOn) {
  auto stream = Open({{"Accept", "text/event-stream"}});
  ASSERT_NE(stream, nullptr);
  std::string rows, out;
  const std::size_t count = 40000;
  for (std::size_t i = 0; i < count; ++i) rows += kRow + "\n";
  stream->Take(rows, peer_, &out);
  EXPECT_TRUE(stream->more());
  EXPECT_LT(out.size(), HttpStream::kMostOutput + 1000);
  stream->End(peer_, &out);
  std::string all = out;
  int rounds = 0;
  for (; stream->more(); ++rounds) {
    out.clear();
    stream->Take({}, peer_, &out);
    EXPECT_LT(out.size(), HttpStream::kMostOutput + 1000);
    all += out;
  }
  EXPECT_GT(rounds, 1);
  EXPECT_TRUE(stream->over());
  EXPECT_EQ(all.size(), count * (Answer().size() + 7));  // "data: " and one more end of a line
}

TEST_F(StreamTest, SaysWhyItEnds) {
  options_.most_body = 100;
  Make();
  std::string out;
  auto stream = Open({});
  stream->Take(std::string(200, 'x'), peer_, &out);
  EXPECT_TRUE(stream->over());
  EXPECT_NE(out.find("a line is too large"), std::string::npos);
  const auto later = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  stream = Open({});
  out.clear();
  stream->Take("{", peer_, &out);
  stream->Tick(later, &out);
  EXPECT_NE(out.find("too long to arrive"), std::string::npos) << out;
  stream = Open({});
  out.clear();
  stream->Tick(later, &out);
  EXPECT_EQ(out, "");
  stream->Tick(later + std::chrono::seconds(60), &out);
  EXPECT_NE(out.find("nothing came"), std::string::npos);
  stream = Open({{"Accept", "text/event-stream"}});
  out.clear();
  stream->Tick(later, &out);
  EXPECT_EQ(out, ":\n\n");
  stream->Drain(&out);
  EXPECT_NE(out.find("is stopping"), std::string::npos);
  stream = Open({});
  out.clear();
  endpoints_.Remove("loan");
  stream->Take(kRow.substr(0, 20) + "\n{}\n", peer_, &out);
  EXPECT_TRUE(stream->over());
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 1);
}

TEST_F(StreamTest, RefusesWhatIsNoStream) {
  const auto status = [&](std::initializer_list<HttpHeader> headers, Method method = Method::kPost, std::string_view path = kPath) {
    EXPECT_EQ(Open(headers, method, path), nullptr);
    return response_.status;
  };
  EXPECT_EQ(status({}, Method::kPost, "/v1/endpoints/nobody:stream"), 404);
  EXPECT_EQ(status({}, Method::kPost, "/v1/endpoints/:stream"), 404);
  EXPECT_EQ(status({}, Method::kPost, "/v1/models/loan:stream"), 404);
  EXPECT_EQ(status({}, Method::kGet), 405);
  EXPECT_EQ(status({{"Content-Encoding", "gzip"}}), 415);
  const HttpHeader upgrade{"Upgrade", "websocket"}, connection{"Connection", "keep-alive, Upgrade"}, version{"Sec-WebSocket-Version", "13"},
      key{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, host{"Host", "a:1"};
  EXPECT_EQ(status({upgrade, connection, key, host}, Method::kGet), 426);
  EXPECT_EQ(status({upgrade, connection, version, host}, Method::kGet), 400);
  EXPECT_EQ(status({upgrade, version, key, host}, Method::kGet), 400);
  EXPECT_EQ(status({upgrade, connection, version, key, host, {"Origin", "http://b"}}, Method::kGet), 403);
  EXPECT_NE(Open({upgrade, connection, version, key, host, {"Origin", "http://a:1"}}, Method::kGet), nullptr);
  EXPECT_EQ(response_.status, 101);
}

TEST_F(StreamTest, GoesOnOverHttp2WhileTheRequestDoes) {
  Http2Connection connection({}, *worker_);
  Http2Client client;
  const auto turn = [&] {
    for (int i = 0; i < 50; ++i) {
      connection.Receive(client.Sent(), peer_);
      std::string out;
      connection.Pump(&out);
      client.Take(out);
    }
  };
  const std::string one = Answer();
  const auto id = client.Begin(kPath, {}, "application/json");
  turn();
  EXPECT_EQ(client.At(id).head.at(":status"), "200");
  for (int i = 1; i <= 3; ++i) {
    client.Add(id, kRow + "\n", false);
    turn();
    EXPECT_EQ(client.At(id).body.size(), one.size() * static_cast<std::size_t>(i));
  }
  std::string rows;
  for (int i = 0; i < 20000; ++i) rows += kRow + "\n";
  client.Add(id, rows + kRow, true);
  for (int i = 0; i < 40 && !client.At(id).closed; ++i) turn();
  EXPECT_TRUE(client.At(id).closed);
  EXPECT_EQ(client.At(id).body.size(), one.size() * 20004);
  const auto lost = client.Begin("/v1/endpoints/nobody:stream", {}, "application/json");
  const auto open = client.Begin(kPath, {}, "application/json");
  turn();
  EXPECT_EQ(client.At(lost).head.at(":status"), "404");
  connection.Drain();
  turn();
  EXPECT_NE(client.At(open).body.find("is stopping"), std::string::npos);
}

}  // namespace
}  // namespace tenon::edge
