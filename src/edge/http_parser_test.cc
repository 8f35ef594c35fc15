#include "edge/http_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tenon::edge {
namespace {

using Kind = HttpOutcome::Kind;

struct Parsed {
  HttpOutcome outcome;
  std::string path, query, body;
  bool keep_alive = false;
  int continues = 0;
};

// Feeds the bytes in the given cuts, each time from a fresh copy, as when the buffer moves.
Parsed ParseCut(const std::string& bytes, const std::vector<std::size_t>& cuts, const HttpLimits& limits = {}) {
  Parsed parsed;
  HttpProgress progress;
  HttpRequest request;
  std::string held;
  std::size_t from = 0;
  for (std::size_t i = 0; i <= cuts.size(); ++i) {
    const std::size_t to = i < cuts.size() ? cuts[i] : bytes.size();
    std::string moved = held + bytes.substr(from, to - from);
    held.assign(held.size(), 'Z');  // views into the old place would show it
    held = std::move(moved);
    from = to;
    parsed.outcome = ParseRequest(limits, progress, held.data(), held.size(), request);
    if (parsed.outcome.kind == Kind::kContinue) ++parsed.continues;
    if (parsed.outcome.kind == Kind::kDone || parsed.outcome.kind == Kind::kBad) break;
  }
  if (parsed.outcome.kind == Kind::kDone) {
    parsed.path = request.path;
    parsed.query = request.query;
    parsed.body = request.body;
    parsed.keep_alive = request.keep_alive;
  }
  return parsed;
}

struct Good {
  const char* name;
  std::string bytes;
  std::string path;
  std::string query;
  std::string body;
  bool keep_alive = true;
};

std::vector<Good> GoodOnes() {
  return {
      {"plain", "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n", "/a", "b=c", "", true},
      {"empty line before", "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "/", "", "", true},
      {"length", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "/p", "", "hello", true},
      {"zero length", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "/p", "", "", true},
      {"chunks", "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\n wo\r\n0\r\n\r\n", "/p", "",
       "hello wo", true},
      {"trailers", "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n", "/p", "",
       "0123456789", true},
      {"close", "GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n", "/", "", "", false},
      {"1.0", "GET / HTTP/1.0\r\n\r\n", "/", "", "", false},
      {"1.0 kept", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "/", "", "", true},
      {"absolute", "GET http://host:80/a/b?q HTTP/1.1\r\nHost: host\r\n\r\n", "/a/b", "q", "", true},
      {"absolute without path", "GET http://host?q HTTP/1.1\r\nHost: host\r\n\r\n", "/", "q", "", true},
      {"star", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "*", "", "", true},
      {"blanks around a value", "GET / HTTP/1.1\r\nHost: \t x \t\r\nX:\r\n\r\n", "/", "", "", true},
      {"1.2 is read as 1.1", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", "/", "", "", true},
  };
}

TEST(HttpParser, ReadsGoodRequestsHoweverTheyAreCut) {
  for (const Good& good : GoodOnes()) {
    const std::string next = "GET /next";
    std::vector<std::size_t> every;
    for (std::size_t i = 1; i < good.bytes.size(); ++i) every.push_back(i);
    std::vector<std::vector<std::size_t>> cuttings = {{}, every};
    for (std::size_t i = 1; i < good.bytes.size(); ++i) cuttings.push_back({i});
    for (const auto& cuts : cuttings) {
      const Parsed parsed = ParseCut(good.bytes + (cuts.empty() ? next : ""), cuts);
      ASSERT_EQ(parsed.outcome.kind, Kind::kDone) << good.name << ": " << parsed.outcome.problem;
      EXPECT_EQ(parsed.outcome.consumed, good.bytes.size()) << good.name;
      EXPECT_EQ(parsed.path, good.path) << good.name;
      EXPECT_EQ(parsed.query, good.query) << good.name;
      EXPECT_EQ(parsed.body, good.body) << good.name;
      EXPECT_EQ(parsed.keep_alive, good.keep_alive) << good.name;
    }
  }
}

struct BadOne {
  const char* name;
  std::string bytes;
  int status;
};

std::vector<BadOne> BadOnes() {
  const std::string post = "POST /p HTTP/1.1\r\nHost: x\r\n";
  return {
      {"two lengths", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
      {"two equal lengths", post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
      {"length list", post + "Content-Length: 5, 5\r\n\r\n", 400},
      {"negative length", post + "Content-Length: -1\r\n\r\n", 400},
      {"plus length", post + "Content-Length: +5\r\n\r\n", 400},
      {"hexadecimal length", post + "Content-Length: 0x5\r\n\r\n", 400},
      {"empty length", post + "Content-Length:\r\n\r\n", 400},
      {"length and chunked", post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"chunked and length", post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
      {"two codings", post + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {"chunked twice", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"hidden coding", post + "Transfer-Encoding: xchunked\r\n\r\n", 501},
      {"chunked in 1.0", "POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"blank before the colon", post + "Content-Length : 5\r\n\r\n", 400},
      {"folded header", post + "X: a\r\n b\r\n\r\n", 400},
      {"bare LF", "GET / HTTP/1.1\nHost: x\n\n", 400},
      {"bare LF in headers", "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", 400},
      {"CR in a value", "GET / HTTP/1.1\r\nHost: x\rY: z\r\n\r\n", 400},
      {"NUL in a value", std::string("GET / HTTP/1.1\r\nHost: x\0y\r\n\r\n", 29), 400},
      {"NUL in the target", std::string("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 28), 400},
      {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"no colon", "GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400},
      {"no name", "GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n", 400},
      {"no version", "GET /\r\nHost: x\r\n\r\n", 400},
      {"blank in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"no slash", "GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"fragment", "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"lower-case version", "GET / http/1.1\r\nHost: x\r\n\r\n", 400},
      {"HTTP/2", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
      {"unknown method", "BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501},
      {"method with a bracket", "G[T / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"expectation", post + "Expect: tea\r\n\r\n", 417},
      {"two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"chunk size", post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"chunk too long for its size", post + "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", 400},
      {"chunk size with a sign", post + "Transfer-Encoding: chunked\r\n\r\n+2\r\nab\r\n0\r\n\r\n", 400},
      {"chunk line with LF", post + "Transfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n", 400},
      {"chunk extension with LF", post + "Transfer-Encoding: chunked\r\n\r\n2;\nab\r\n0\r\n\r\n", 400},
      {"endless chunk line", post + "Transfer-Encoding: chunked\r\n\r\n2;" + std::string(400, 'x'), 400},
      {"bad trailer", post + "Transfer-Encoding: chunked\r\n\r\n0\r\nno colon\r\n\r\n", 400},
      {"body too large", post + "Content-Length: 1001\r\n\r\n", 413},
      {"chunks too large", post + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n", 413},
      {"target too long", "GET /" + std::string(300, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
      {"endless target", "GET /" + std::string(3000, 'a'), 414},
      {"headers too large", "GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(3000, 'a'), 431},
      {"too many headers",
       [] {
         std::string all = "GET / HTTP/1.1\r\nHost: x\r\n";
         for (int i = 0; i < 120; ++i) all += "A: 1\r\n";
         return all + "\r\n";
       }(),
       431},
  };
}

TEST(HttpParser, RefusesBadRequestsHoweverTheyAreCut) {
  HttpLimits limits;
  limits.head_bytes = 1000;
  limits.target_bytes = 200;
  limits.body_bytes = 1000;
  for (const BadOne& bad : BadOnes()) {
    std::vector<std::size_t> every;
    for (std::size_t i = 1; i < bad.bytes.size(); ++i) every.push_back(i);
    for (const auto& cuts : {std::vector<std::size_t>{}, every}) {
      const Parsed parsed = ParseCut(bad.bytes, cuts, limits);
      ASSERT_EQ(parsed.outcome.kind, Kind::kBad) << bad.name;
      EXPECT_EQ(parsed.outcome.status, bad.status) << bad.name << ": " << parsed.outcome.problem;
    }
  }
}

TEST(HttpParser, AsksForMoreUntilTheEnd) {
  for (const Good& good : GoodOnes()) {
    for (std::size_t size = 0; size < good.bytes.size(); ++size) {
      HttpProgress progress;
      HttpRequest request;
      std::string part = good.bytes.substr(0, size);
      EXPECT_EQ(ParseRequest({}, progress, part.data(), part.size(), request).kind, Kind::kMore) << good.name << " at " << size;
    }
  }
}

TEST(HttpParser, SaysOnceThatTheClientMayContinue) {
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n";
  const Parsed parsed = ParseCut(head + "abc", {head.size() - 1, head.size(), head.size() + 1});
  EXPECT_EQ(parsed.outcome.kind, Kind::kDone);
  EXPECT_EQ(parsed.continues, 1);
  EXPECT_EQ(parsed.body, "abc");
}

TEST(HttpParser, FindsHeadersAndTokens) {
  HttpProgress progress;
  HttpRequest request;
  std::string bytes = "GET / HTTP/1.1\r\nHost: x\r\nAccept-ENCODING: br, GZIP;q=1\r\n\r\n";
  ASSERT_EQ(ParseRequest({}, progress, bytes.data(), bytes.size(), request).kind, Kind::kDone);
  EXPECT_TRUE(HasToken(request.Header("accept-encoding"), "gzip"));
  EXPECT_FALSE(HasToken(request.Header("accept-encoding"), "gz"));
  EXPECT_EQ(request.Header("cookie").data(), nullptr);
}

TEST(HttpParser, DecodesPercent) {
  char out[16];
  std::size_t size = 0;
  ASSERT_TRUE(DecodePercent("a%2Fb%20", out, &size));
  EXPECT_EQ(std::string(out, size), "a/b ");
  for (const char* bad : {"%", "%4", "%zz", "%00"}) EXPECT_FALSE(DecodePercent(bad, out, &size)) << bad;
}

}  // namespace
}  // namespace tenon::edge
