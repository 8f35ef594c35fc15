// Frames of HTTP/2 by hand: what a client may not send, what it is told then, and how answers follow the windows it gives.

#include "edge/http2_internal.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "edge/http2_frames_internal.h"
#include "edge/http2_testing_internal.h"

namespace tenon::edge {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// Says what was asked. "/big" is answered with a megabyte. "/probe" may not be turned away.
class Echo final : public HttpHandler {
 public:
  void Handle(const HttpRequest& request, const HttpPeer&, HttpResponse& response) override {
    ++handled;
    response.body = request.path == "/big" ? std::string(1 << 20, 'b') : Str(request.path, " ", request.Header("x"), " ", request.body);
  }
  RpcKind KindOf(std::string_view path) const override { return path == "/s/Echo" ? RpcKind::kUnary : path == "/s/Stream" ? RpcKind::kStream : RpcKind::kUnknown; }
  void Call(const RpcRequest& request, const HttpPeer&, RpcResponse& response) override {
    ++handled;
    if (request.message == "busy") {
      response.Fail(Code::kResourceExhausted, "one after the other");
      response.retry = std::chrono::milliseconds(1500);
      return;
    }
    response.message = request.message == "big" ? std::string(1 << 20, 'b') : Str(request.message, "!");
  }
  bool MayWait(const HttpRequest& request) const override { return request.path != "/probe"; }
  std::string_view TurnedAway(const HttpRequest& request) override {
    ++turned_away;
    return HttpHandler::TurnedAway(request);
  }
  int handled = 0, turned_away = 0;
};

std::string Raw(FrameType type, std::uint8_t flags, std::int32_t stream, std::string_view payload) {
  std::string out;
  AppendFrameHead(payload.size(), type, flags, stream, &out);
  return out.append(payload);
}
std::string Number(std::uint32_t value) {
  std::string out;
  Append32(value, &out);
  return out;
}
std::string Setting(std::uint16_t name, std::uint32_t value) { return std::string{static_cast<char>(name >> 8), static_cast<char>(name)} + Number(value); }

HeaderList Post(HeaderList more = {}, const std::string& path = "/") {
  HeaderList all = {{":method", "POST"}, {":scheme", "http"}, {":path", path}, {":authority", "t"}};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}
HeaderList Stream() { return Post({{"content-type", "application/grpc"}, {"te", "trailers"}}, "/s/Stream"); }
HeaderList Rpc() { return Post({{"content-type", "application/grpc"}, {"te", "trailers"}}, "/s/Echo"); }

class Http2Test : public ::testing::Test {
 protected:
  void SetUp() override { Start(); }
  void Start() {
    connection_ = std::make_unique<Http2Connection>(Http2Limits{.most_header = 4000, .most_body = 3 << 20}, echo_);
    peer_ = std::make_unique<HpackPeer>();
    answers_ = std::make_unique<HpackPeer>();
    Give(std::string(kHttp2Preface) + Raw(FrameType::kSettings, 0, 0, ""));
    Take();
  }
  void Give(std::string_view bytes, std::int64_t turn_away_at = 0) { connection_->Receive(bytes, {.turn_away_at = turn_away_at, .arrived = now_}); }
  std::string Block(const HeaderList& headers) { return peer_->Write(headers); }
  std::string Headers(std::int32_t stream, const HeaderList& headers, std::uint8_t flags = kEndHeaders | kEndStream) {
    return Raw(FrameType::kHeaders, flags, stream, Block(headers));
  }

  struct Told {
    FrameHead head;
    std::string payload;
    HeaderList headers;
    std::uint32_t number() const { return payload.size() < 4 ? 0 : Read32(payload.data() + (head.type == static_cast<std::uint8_t>(FrameType::kGoaway) ? 4 : 0)); }
    bool is(FrameType type) const { return head.type == static_cast<std::uint8_t>(type); }
    bool end() const { return (head.flags & kEndStream) != 0; }
    std::string at(std::string_view name) const {
      for (const auto& [key, value] : headers) {
        if (key == name) return value;
      }
      return "none";
    }
  };
  std::vector<Told> Take() {
    std::string sent;
    while (true) {
      const std::size_t before = sent.size();
      std::string more;
      connection_->Pump(&more);
      sent += more;
      if (sent.size() == before) break;
    }
    std::vector<Told> told;
    for (std::string_view rest = sent; rest.size() >= kFrameHead;) {
      Told one{ReadFrameHead(rest.data()), {}, {}};
      one.payload = rest.substr(kFrameHead, one.head.size);
      EXPECT_EQ(one.payload.size(), one.head.size);
      EXPECT_LE(one.head.size, kMostFrame);
      if (one.is(FrameType::kHeaders)) EXPECT_TRUE(answers_->Read(one.payload, &one.headers));
      rest.remove_prefix(kFrameHead + one.head.size);
      told.push_back(std::move(one));
    }
    return told;
  }
  // Of all that was said.
  static std::string Body(const std::vector<Told>& told, std::int32_t stream) {
    std::string body;
    for (const Told& one : told) {
      if (one.is(FrameType::kData) && one.head.stream == stream) body += one.payload;
    }
    return body;
  }
  // "goaway 1", "reset 8" or "" for neither.
  static std::string Complaint(const std::vector<Told>& told) {
    for (const Told& one : told) {
      if (one.is(FrameType::kGoaway)) return Str("goaway ", one.number());
      if (one.is(FrameType::kReset)) return Str("reset ", one.number());
    }
    return "";
  }

  Echo echo_;
  Clock::time_point now_ = Clock::now();
  std::unique_ptr<Http2Connection> connection_;
  std::unique_ptr<HpackPeer> peer_, answers_;
};

TEST_F(Http2Test, EndsWhatBreaksTheProtocolByItsRules) {
  struct Case { const char* name; std::string bytes, complaint; };
  const std::string post = Block(Post());
  const auto frame = [](FrameType type, std::uint8_t flags, std::int32_t stream, std::string_view payload) { return Raw(type, flags, stream, payload); };
  const Case cases[] = {
      {"a frame too large", frame(FrameType::kPing, 0, 0, "").replace(0, 3, std::string("\0\x40\1", 3)), "goaway 6"},
      {"data of no stream", frame(FrameType::kData, 0, 0, "a"), "goaway 1"},
      {"data of a stream that never was", frame(FrameType::kData, 0, 1, "a"), "goaway 1"},
      {"data that is all padding and more", frame(FrameType::kHeaders, kEndHeaders, 1, post) + frame(FrameType::kData, kPadded, 1, "\5abc"), "goaway 1"},
      {"headers of stream 0", frame(FrameType::kHeaders, kEndHeaders, 0, post), "goaway 1"},
      {"headers of a stream of the server's", frame(FrameType::kHeaders, kEndHeaders, 2, post), "goaway 1"},
      {"padding longer than the headers", frame(FrameType::kHeaders, kEndHeaders | kPadded, 1, "\x7f\x82"), "goaway 1"},
      {"headers that are no block", frame(FrameType::kHeaders, kEndHeaders, 1, "\x80"), "goaway 9"},
      {"a stream that ended is opened again", frame(FrameType::kHeaders, kEndHeaders | kEndStream, 3, post) + frame(FrameType::kHeaders, kEndHeaders, 1, post), "goaway 5"},
      {"another frame between headers", frame(FrameType::kHeaders, 0, 1, post) + frame(FrameType::kPing, 0, 0, "12345678"), "goaway 1"},
      {"a continuation of another stream", frame(FrameType::kHeaders, 0, 1, post) + frame(FrameType::kContinuation, kEndHeaders, 3, ""), "goaway 1"},
      {"a continuation of nothing", frame(FrameType::kContinuation, kEndHeaders, 1, post), "goaway 1"},
      {"a priority too short", frame(FrameType::kPriority, 0, 1, "1234"), "goaway 6"},
      {"a priority on itself", frame(FrameType::kPriority, 0, 1, std::string("\0\0\0\1\0", 5)), "goaway 1"},
      {"a reset too short", frame(FrameType::kHeaders, kEndHeaders, 1, post) + frame(FrameType::kReset, 0, 1, "12"), "goaway 6"},
      {"a reset of a stream that never was", frame(FrameType::kReset, 0, 1, Number(8)), "goaway 1"},
      {"settings of a stream", frame(FrameType::kSettings, 0, 1, ""), "goaway 1"},
      {"settings cut", frame(FrameType::kSettings, 0, 0, "12345"), "goaway 6"},
      {"an acknowledgement that says more", frame(FrameType::kSettings, kAck, 0, Setting(1, 1)), "goaway 6"},
      {"a push that is neither", frame(FrameType::kSettings, 0, 0, Setting(2, 2)), "goaway 1"},
      {"more settings than there are", frame(FrameType::kSettings, 0, 0, [] {
         std::string all;
         for (int i = 0; i < 33; ++i) all += Setting(4, 65535);
         return all;
       }()), "goaway 11"},
      {"a window too large", frame(FrameType::kSettings, 0, 0, Setting(4, 0x80000000U)), "goaway 3"},
      {"frames too small", frame(FrameType::kSettings, 0, 0, Setting(5, 16383)), "goaway 1"},
      {"a push from a client", frame(FrameType::kPushPromise, kEndHeaders, 1, post), "goaway 1"},
      {"a ping of a stream", frame(FrameType::kPing, 0, 1, "12345678"), "goaway 1"},
      {"a ping too short", frame(FrameType::kPing, 0, 0, "1234567"), "goaway 6"},
      {"a goodbye of a stream", frame(FrameType::kGoaway, 0, 1, "12345678"), "goaway 1"},
      {"a window that does not grow", frame(FrameType::kWindowUpdate, 0, 0, Number(0)), "goaway 1"},
      {"a window beyond what there is", frame(FrameType::kWindowUpdate, 0, 0, Number(0x7fffffff)), "goaway 3"},
      {"a stream's window that does not grow", frame(FrameType::kHeaders, kEndHeaders, 1, post) + frame(FrameType::kWindowUpdate, 0, 1, Number(0)), "reset 1"},
      {"a stream's window beyond what there is", frame(FrameType::kHeaders, kEndHeaders, 1, post) + frame(FrameType::kWindowUpdate, 0, 1, Number(0x7fffffff)), "reset 3"},
      {"a window of a stream that never was", frame(FrameType::kWindowUpdate, 0, 1, Number(1)), "goaway 1"},
      {"data after the end", frame(FrameType::kHeaders, kEndHeaders, 1, HpackPeer().Write(Rpc())) + frame(FrameType::kData, kEndStream, 1, "") + frame(FrameType::kData, 0, 1, "a"), "reset 5"},
      {"frames nobody knows", frame(static_cast<FrameType>(99), 0xff, 5, "?"), ""},
      {"a reset that is known", frame(FrameType::kHeaders, kEndHeaders, 1, post) + frame(FrameType::kReset, 0, 1, Number(8)) + frame(FrameType::kReset, 0, 1, Number(8)), ""},
  };
  for (const Case& c : cases) {
    Start();
    Give(c.bytes);
    EXPECT_EQ(Complaint(Take()), c.complaint) << c.name;
    EXPECT_EQ(connection_->over(), c.complaint.starts_with("goaway")) << c.name;
  }
  // What a connection begins with.
  for (const std::string& bytes : {std::string(kHttp2Preface) + Raw(FrameType::kPing, 0, 0, "12345678"), std::string("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")}) {
    Http2Connection other({}, echo_);
    other.Receive(bytes, {.arrived = now_});
    std::string out;
    other.Pump(&out);
    EXPECT_TRUE(other.over());
  }
}

TEST_F(Http2Test, ResetsRequestsThatAreMalformed) {
  struct Case { const char* name; HeaderList headers; };
  const auto without = [](std::string_view name) {
    HeaderList all = Post();
    std::erase_if(all, [&](const auto& one) { return one.first == name; });
    return all;
  };
  HeaderList behind = {{"x", "1"}};
  for (const auto& one : Post()) behind.push_back(one);
  const Case cases[] = {{"a capital", Post({{"X-Big", "1"}})},
                        {"a blank in a name", Post({{"x y", "1"}})},
                        {"no name", Post({{"", "1"}})},
                        {"a line end in a value", Post({{"x", "1\r\nset-cookie: a"}})},
                        {"a zero in a value", Post({{"x", std::string("1\0", 2)}})},
                        {"a blank around a value", Post({{"x", " 1"}})},
                        {"connection", Post({{"connection", "close"}})},
                        {"transfer-encoding", Post({{"transfer-encoding", "chunked"}})},
                        {"te of another kind", Post({{"te", "gzip"}})},
                        {"an unknown pseudo-header", Post({{":color", "red"}})},
                        {"the path twice", Post({{":path", "/other"}})},
                        {"a pseudo-header behind", behind},
                        {"no method", without(":method")},
                        {"no path", without(":path")},
                        {"no scheme", without(":scheme")},
                        {"an empty path", Post({}, "")},
                        {"a path that is none", Post({}, "other")},
                        {"two lengths", Post({{"content-length", "1"}, {"content-length", "2"}})},
                        {"a length that is none", Post({{"content-length", "-1"}})}};
  for (const Case& c : cases) {
    Start();
    Give(Headers(1, c.headers));
    EXPECT_EQ(Complaint(Take()), "reset 1") << c.name;
    Give(Headers(3, Post({{"x", "fine"}})));
    EXPECT_EQ(Body(Take(), 3), "/ fine ") << c.name;  // the others are still answered
  }
  EXPECT_EQ(echo_.handled, static_cast<int>(std::size(cases)));
}

TEST_F(Http2Test, ABodyIsAsLongAsItSays) {
  struct Case { const char* name; std::vector<std::string> pieces; std::string said, complaint; };
  const Case cases[] = {{"as said", {"ab", "c"}, "3", ""}, {"shorter", {"ab"}, "3", "reset 1"}, {"longer", {"ab", "cd"}, "3", "reset 1"}, {"none", {""}, "3", "reset 1"}};
  for (const Case& c : cases) {
    Start();
    std::string bytes = Headers(1, Post({{"content-length", c.said}}), kEndHeaders);
    for (std::size_t i = 0; i < c.pieces.size(); ++i) bytes += Raw(FrameType::kData, i + 1 == c.pieces.size() ? kEndStream : 0, 1, c.pieces[i]);
    Give(bytes);
    const auto told = Take();
    EXPECT_EQ(Complaint(told), c.complaint) << c.name;
    EXPECT_EQ(Body(told, 1), c.complaint.empty() ? "/  abc" : "") << c.name;
  }
}

TEST_F(Http2Test, ReadsPaddingPrioritiesContinuationsAndTrailersHoweverTheyAreCut) {
  const std::string block = Block(Post({{"x", "7"}}));
  std::string bytes = Raw(FrameType::kHeaders, kPadded | kHasPriority, 1, std::string("\4\0\0\0\0\20", 6) + block.substr(0, 5) + std::string(4, '\0'));
  bytes += Raw(FrameType::kContinuation, 0, 1, block.substr(5, 3)) + Raw(FrameType::kContinuation, kEndHeaders, 1, block.substr(8));
  bytes += Raw(FrameType::kData, kPadded, 1, std::string("\3one\0\0\0", 7)) + Raw(FrameType::kData, kPadded, 1, std::string("\0two", 4));
  bytes += Headers(1, {{"checksum", "1"}}, kEndHeaders | kEndStream);
  for (const std::size_t piece : {1U, 2U, 5U, 11U, 1000U}) {
    Start();
    for (std::size_t at = 0; at < bytes.size(); at += piece) Give(std::string_view(bytes).substr(at, piece));
    const auto told = Take();
    EXPECT_EQ(Complaint(told), "") << piece;
    EXPECT_EQ(Body(told, 1), "/ 7 onetwo") << piece;
  }
  for (const std::uint8_t flags : {kEndHeaders, static_cast<std::uint8_t>(kEndHeaders | kEndStream)}) {  // trailers that go on; with a pseudo-header
    Start();
    Give(Headers(1, Post(), kEndHeaders));
    Give(Headers(1, flags == kEndHeaders ? HeaderList{{"a", "b"}} : HeaderList{{":path", "/x"}}, flags));
    EXPECT_EQ(Complaint(Take()), "reset 1");
  }
}

// A head that comes again byte by byte is not read again; whatever comes between, it is never mistaken for another.
TEST_F(Http2Test, RepeatedHeadsSayWhatTheySaid) {
  std::int32_t id = 1;
  for (int round = 0; round < 60; ++round, id += 2) {
    const std::string which = round % 7 == 3 ? "b" : round % 5 == 1 ? Str("c", round) : "a";
    Give(Headers(id, Post({{"x", which}}, round % 11 == 4 ? "/other" : "/")));
    EXPECT_EQ(Body(Take(), id), Str(round % 11 == 4 ? "/other " : "/ ", which, " ")) << round;
  }
}

TEST_F(Http2Test, AnswersACallInThreeFramesOfFewBytes) {
  std::size_t last = 0;
  for (std::int32_t id = 1; id < 9; id += 2) {
    Give(Headers(id, Rpc(), kEndHeaders) + Raw(FrameType::kData, kEndStream, id, Framed("hello")));
    const auto told = Take();
    ASSERT_EQ(told.size(), 3U);
    EXPECT_EQ(told[0].at(":status"), "200");
    EXPECT_EQ(told[0].at("content-type"), "application/grpc");
    EXPECT_EQ(told[1].payload, Framed("hello!"));
    EXPECT_EQ(told[2].at("grpc-status"), "0");
    EXPECT_TRUE(told[2].end());
    last = told[0].payload.size() + told[2].payload.size();
  }
  EXPECT_EQ(last, 3U);
  EXPECT_TRUE(connection_->idle());
}

TEST_F(Http2Test, FollowsTheWindowsThatAClientGives) {
  Give(Raw(FrameType::kSettings, 0, 0, Setting(4, 10)));
  Give(Headers(1, Rpc(), kEndHeaders) + Raw(FrameType::kData, kEndStream, 1, Framed("0123456789")));
  auto told = Take();
  EXPECT_EQ(Body(told, 1).size(), 10U);
  Give(Raw(FrameType::kWindowUpdate, 0, 1, Number(3)));
  EXPECT_EQ(Body(Take(), 1).size(), 3U);
  Give(Raw(FrameType::kSettings, 0, 0, Setting(4, 4)));  // six less than before: nothing more may be sent
  Give(Raw(FrameType::kWindowUpdate, 0, 1, Number(6)));
  EXPECT_EQ(Body(Take(), 1).size(), 0U);
  Give(Raw(FrameType::kSettings, 0, 0, Setting(4, 100)));
  told = Take();
  EXPECT_EQ(Body(told, 1), "89!");
  EXPECT_EQ(told.back().at("grpc-status"), "0");
  // A large answer goes until the connection's window is used up, to all streams in turn, and on when there is more.
  Start();
  Give(Raw(FrameType::kSettings, 0, 0, Setting(4, 1 << 22)));
  Give(Headers(1, Post({}, "/big")));  // one by one: each block refers to those before
  Give(Headers(3, Post({}, "/big")));
  told = Take();
  EXPECT_EQ(Body(told, 1).size() + Body(told, 3).size(), 65535U);
  EXPECT_GT(Body(told, 1).size(), 30000U);
  EXPECT_GT(Body(told, 3).size(), 30000U);
  std::size_t sizes[2] = {Body(told, 1).size(), Body(told, 3).size()};
  while (!connection_->idle()) {
    Give(Raw(FrameType::kWindowUpdate, 0, 0, Number(100000)));
    told = Take();
    ASSERT_FALSE(told.empty());
    sizes[0] += Body(told, 1).size();
    sizes[1] += Body(told, 3).size();
  }
  EXPECT_EQ(sizes[0], std::size_t{1} << 20);
  EXPECT_EQ(sizes[1], std::size_t{1} << 20);
}

TEST_F(Http2Test, GivesAWindowAsBytesAreTaken) {
  Give(Headers(1, Post(), kEndHeaders));
  std::size_t told = 0;
  for (int i = 0; i < 2 * 64; ++i) {  // two megabytes, which its window of one takes as it is replaced
    Give(Raw(FrameType::kData, 0, 1, std::string(kMostFrame, 'a')));
    for (const Told& one : Take()) told += one.is(FrameType::kWindowUpdate) && one.head.stream == 1 ? one.number() : 0;
  }
  EXPECT_GE(told, std::size_t{3} << 19);
}

TEST_F(Http2Test, WhoMakesUsResetStreamsIsCountedAsWhoResetsThem) {
  std::string bytes;
  for (std::int32_t id = 1; id < 2 * 300; id += 2) bytes += Headers(id, Post(), kEndHeaders) + Raw(FrameType::kWindowUpdate, 0, id, Number(0));
  Give(bytes);
  EXPECT_EQ(Complaint(Take()), "reset 1");  // so many may be mistakes
  bytes.clear();
  for (std::int32_t id = 601; id < 2 * 600; id += 2) bytes += Headers(id, Post(), kEndHeaders) + Raw(FrameType::kWindowUpdate, 0, id, Number(0));
  Give(bytes);
  const auto told = Take();
  EXPECT_TRUE(std::ranges::any_of(told, [](const Told& one) { return one.is(FrameType::kGoaway) && one.number() == 11; }));
}

TEST_F(Http2Test, BoundsStreamsAndHeaders) {
  std::string bytes;
  for (std::int32_t id = 1; id < 2 * 300; id += 2) bytes += Headers(id, Post(), kEndHeaders);
  Give(bytes);
  auto told = Take();
  EXPECT_EQ(std::ranges::count_if(told, [](const Told& one) { return one.is(FrameType::kReset) && one.number() == 7; }), 300 - 256);
  Start();
  std::string block = Raw(FrameType::kHeaders, 0, 1, "");
  for (int i = 0; i < 200; ++i) block += Raw(FrameType::kContinuation, 0, 1, std::string(1000, '\x82'));
  Give(block);
  EXPECT_EQ(Complaint(Take()), "goaway 11");
  Start();
  Give(Raw(FrameType::kHeaders, 0, 1, Block(Post())));
  connection_->Tick(now_ + 60s);  // headers that do not come to an end
  EXPECT_EQ(Complaint(Take()), "goaway 11");
}

// A byte now and then is progress, but no reason to wait for ever.
TEST_F(Http2Test, WhoSendsOrTakesLittleByLittleIsNotWaitedFor) {
  const auto rounds = [&](const auto& give) {
    for (int round = 0; round < 10; ++round) {
      now_ += 9s;
      give();
      connection_->Tick(now_);
      if (const std::string complaint = Complaint(Take()); !complaint.empty()) return Str(complaint, " after ", round + 1);
    }
    return std::string("none");
  };
  Give(Headers(1, Post(), kEndHeaders));
  EXPECT_EQ(rounds([&] { Give(Raw(FrameType::kData, 0, 1, "a")); }), "reset 8 after 2");
  Start();
  Give(Headers(1, Post(), kEndHeaders));
  EXPECT_EQ(rounds([&] {
              for (int i = 0; i < 9; ++i) Give(Raw(FrameType::kData, 0, 1, std::string(kMostFrame, 'a')));  // the least speed
            }), "none");
  Start();
  Give(Raw(FrameType::kSettings, 0, 0, Setting(4, 1)) + Headers(1, Rpc(), kEndHeaders) + Raw(FrameType::kData, kEndStream, 1, Framed("a long one, of which a byte at a time is taken")));
  Take();
  EXPECT_EQ(rounds([&] { Give(Raw(FrameType::kWindowUpdate, 0, 1, Number(1))); }), "reset 8 after 2");
  // A stream may be silent between its messages, not within one.
  Start();
  Give(Headers(1, Stream(), kEndHeaders) + Raw(FrameType::kData, 0, 1, Framed("one")));
  EXPECT_EQ(Body(Take(), 1), Framed("one!"));
  EXPECT_EQ(rounds([] {}), "none");
  Give(Raw(FrameType::kData, 0, 1, Framed("two") + Framed("three").substr(0, 7)));
  EXPECT_EQ(Body(Take(), 1), Framed("two!"));
  EXPECT_EQ(rounds([] {}), "reset 8 after 2");
}

TEST_F(Http2Test, SaysWhatItKeeps) {
  EXPECT_EQ(connection_->held(), 0U);
  Give(Headers(1, Post(), kEndHeaders));
  for (int i = 0; i < 32; ++i) Give(Raw(FrameType::kData, 0, 1, std::string(kMostFrame, 'a')));
  EXPECT_EQ(connection_->held(), 32 * kMostFrame);
  Give(Raw(FrameType::kReset, 0, 1, Number(8)));
  EXPECT_EQ(connection_->held(), 0U);
  Give(Raw(FrameType::kSettings, 0, 0, Setting(4, 0)) + Headers(3, Post({}, "/big")));  // whose answer nobody takes
  Take();
  connection_->Tick(now_ + 1s);
  EXPECT_GE(connection_->held(), std::size_t{1} << 20);
  Give(Raw(FrameType::kReset, 0, 3, Number(8)));
  connection_->Tick(now_ + 2s);
  EXPECT_EQ(connection_->held(), 0U);
}

TEST_F(Http2Test, AStreamWhoseClientIsAlwaysBehindKeepsOnlyWhatIsNotSent) {
  const std::string message(16000, 'a');
  Give(Raw(FrameType::kWindowUpdate, 0, 0, Number(1 << 30)) + Raw(FrameType::kSettings, 0, 0, Setting(4, 20000)) + Headers(1, Stream(), kEndHeaders));
  std::size_t sent = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string framed = Framed(message);
    Give(Raw(FrameType::kData, 0, 1, framed));
    if (i >= 3) Give(Raw(FrameType::kWindowUpdate, 0, 1, Number(static_cast<std::uint32_t>(framed.size() + 1))));
    const auto told = Take();
    ASSERT_EQ(Complaint(told), "") << i;
    sent += Body(told, 1).size();
  }
  EXPECT_GT(sent, std::size_t{15} << 20);
  connection_->Tick(now_);
  EXPECT_LT(connection_->held(), std::size_t{1} << 20);
}

TEST_F(Http2Test, TurnsAwayInTheWordsOfTheProtocolWithoutAsking) {
  const std::int64_t past = 1;
  std::string bytes = Headers(1, Rpc(), kEndHeaders);
  bytes += Raw(FrameType::kData, kEndStream, 1, Framed("hello"));
  bytes += Headers(3, Post());
  bytes += Headers(5, Rpc(), kEndHeaders);
  bytes += Headers(7, Post({}, "/probe"));
  bytes += Headers(9, Rpc(), kEndHeaders);
  bytes += Raw(FrameType::kData, kEndStream, 9, Framed("hello"));
  Give(bytes, past);
  const auto told = Take();
  EXPECT_EQ(echo_.handled, 1);
  EXPECT_EQ(echo_.turned_away, 4);
  int calls = 0;
  for (const Told& one : told) {
    if (!one.is(FrameType::kHeaders) || one.head.stream % 4 != 1) continue;
    ++calls;
    EXPECT_TRUE(one.end());  // nothing but the status
    EXPECT_EQ(one.at(":status"), "200");
    EXPECT_EQ(one.at("grpc-status"), "14");
    EXPECT_EQ(one.at("grpc-message"), "the server has more to do than it can; try again later");
    EXPECT_EQ(one.at("grpc-retry-pushback-ms"), "1000");
  }
  EXPECT_EQ(calls, 3);
  const auto plain = std::ranges::find_if(told, [](const Told& one) { return one.is(FrameType::kHeaders) && one.head.stream == 3; });
  ASSERT_NE(plain, told.end());
  EXPECT_EQ(plain->at(":status"), "503");
  EXPECT_EQ(plain->at("retry-after"), "1");
  EXPECT_NE(Body(told, 3).find("unavailable"), std::string::npos);
  EXPECT_EQ(plain->at("content-length"), Str(Body(told, 3).size()));
  EXPECT_EQ(Body(told, 7), "/probe  ");
  // The one whose body was not sent yet is told to keep it.
  EXPECT_TRUE(std::ranges::any_of(told, [](const Told& one) { return one.is(FrameType::kReset) && one.head.stream == 5 && one.number() == 0; }));
  EXPECT_TRUE(connection_->idle());
  // What comes of it still is nothing, and later calls are answered.
  Give(Raw(FrameType::kData, kEndStream, 5, Framed("hello")));
  EXPECT_EQ(Complaint(Take()), "");
  Give(Headers(11, Rpc(), kEndHeaders) + Raw(FrameType::kData, kEndStream, 11, Framed("hello")));
  EXPECT_EQ(Body(Take(), 11), Framed("hello!"));
}

TEST_F(Http2Test, SaysWhenToComeBack) {
  Give(Headers(1, Rpc(), kEndHeaders) + Raw(FrameType::kData, kEndStream, 1, Framed("busy")));
  const auto told = Take();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].at("grpc-status"), "8");
  EXPECT_EQ(told[0].at("grpc-retry-pushback-ms"), "1500");
}

TEST_F(Http2Test, ItsMemoryHangsNotOnHowMuchIsAskedAtOnce) {
  // Errors are longer than what asks for them: they are bounded by the streams there may be.
  std::string bytes;
  for (std::int32_t id = 1; id < 2 * 20000; id += 2) bytes += Headers(id, Post({{"content-type", "application/grpc"}}, "/" + std::string(2000, 'x')));
  Give(bytes);
  std::size_t most = 0, all = 0;
  while (true) {
    std::string some;
    connection_->Pump(&some);
    if (some.empty()) break;
    most = std::max(most, some.size());
    all += some.size();
  }
  EXPECT_LT(most, std::size_t{3} << 20);
  EXPECT_LT(all, std::size_t{4} << 20);
}

}  // namespace
}  // namespace tenon::edge
