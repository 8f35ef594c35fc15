// gRPC without sockets: a client of HTTP/2 in memory, the server's side of the connection, and a worker behind it.

#include <random>

#include "base/testing.h"
#include "base/text.h"
#include "edge/compression_internal.h"
#include "edge/grpc_internal.h"
#include "edge/http2_stream_internal.h"
#include "edge/http2_testing_internal.h"
#include "edge/protobuf_internal.h"
#include "edge/worker_internal.h"
#include "serve/testing.h"

namespace tenon::edge {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr const char* kInfer = "/inference.GRPCInferenceService/ModelInfer";
constexpr const char* kStream = "/inference.GRPCInferenceService/ModelStreamInfer";
constexpr const char* kReady = "/inference.GRPCInferenceService/ServerReady";
constexpr const char* kWatch = "/grpc.health.v1.Health/Watch";

std::string Text(std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  return std::string{static_cast<char>(size), static_cast<char>(size >> 8), static_cast<char>(size >> 16), static_cast<char>(size >> 24)}.append(text);
}
template <typename T>
std::string Raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

struct Input {
  std::string name, datatype;
  std::int64_t rows;
  std::string raw;
  std::string contents = {};  // an InferTensorContents instead
};

std::string Request(const std::vector<Input>& inputs, const std::string& model = "loan", const std::string& id = "r1") {
  std::string out;
  ProtoWriter writer(&out);
  writer.Bytes(1, model);
  writer.Bytes(3, id);
  for (const Input& input : inputs) {
    const std::size_t begin = writer.Begin(5);
    writer.Bytes(1, input.name);
    writer.Bytes(2, input.datatype);
    const std::size_t shape = writer.Begin(3);
    auto left = static_cast<std::uint64_t>(input.rows);
    for (; left >= 0x80; left >>= 7) out.push_back(static_cast<char>(left | 0x80));
    out.push_back(static_cast<char>(left));
    writer.End(shape);
    if (!input.contents.empty()) writer.AlwaysBytes(5, input.contents);
    writer.End(begin);
  }
  for (const Input& input : inputs) {
    if (input.contents.empty()) writer.AlwaysBytes(7, input.raw);
  }
  return out;
}

std::string LoanRequest() {
  return Request({{"age", "INT64", 1, Raw<std::int64_t>(40)},
                  {"income", "FP64", 1, Raw(2500.5)},
                  {"job", "BYTES", 1, Text("baker")},
                  {"owner", "BOOL", 1, std::string(1, '\0')}});
}

// The raw_output_contents of an answer.
std::vector<std::string> Outputs(std::string_view message) {
  std::vector<std::string> out;
  for (ProtoReader reader(message); reader.Next();) {
    if (reader.Is(6, ProtoWire::kBytes)) out.emplace_back(reader.bytes());
  }
  return out;
}
float FloatOf(const std::string& bytes) {
  float value = 0;
  if (bytes.size() >= 4) std::memcpy(&value, bytes.data(), 4);
  return value;
}

class GrpcTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(transform::AddAll(ops_));
    ASSERT_OK_AND_ASSIGN(loan_, serve::testing::MakeLoan(ops_));
    endpoints_.Set(loan_);
    Start();
  }
  void Start(Http2Limits limits = {}) {
    server_.reset();
    ServerOptions options;
    options.threads = 1;
    shared_ = std::make_unique<Shared>(endpoints_, nullptr, [this] { return ready_; }, options);
    worker_ = std::make_unique<Worker>(*shared_, 0);
    server_ = std::make_unique<Http2Connection>(limits, *worker_);
  }
  // Lets bytes go both ways until there are none. What the client sends comes in pieces of `piece` bytes.
  void Exchange(Http2Client& client, std::size_t piece = 1 << 20) {
    for (int i = 0; i < 1000; ++i) {
      const std::string up = client.Sent();
      for (std::size_t at = 0; at < up.size(); at += piece) {
        server_->Receive(std::string_view(up).substr(at, piece), {.arrived = now_});
      }
      std::string down;
      server_->Pump(&down);
      if (up.empty() && down.empty()) return;
      client.Take(down);
    }
  }
  float Expected() {
    const double numbers[4] = {40, 2500.5, std::numeric_limits<double>::quiet_NaN(), 0};
    const std::string_view texts[4] = {{}, {}, "baker", {}};
    model::Predictor::Scratch scratch;
    return loan_->predictor->PredictRow(numbers, texts, scratch).values[0];
  }
  Http2Client::Reply Call(const std::string& path, std::string_view message, const std::vector<std::pair<std::string, std::string>>& more = {}) {
    Http2Client client;
    server_ = std::make_unique<Http2Connection>(Http2Limits{}, *worker_);
    const auto id = client.Ask(path, message, more);
    Exchange(client);
    return client.At(id);
  }

  Kinds<transform::Op> ops_;
  std::shared_ptr<const serve::Served> loan_;
  serve::Endpoints endpoints_;
  bool ready_ = true;
  Clock::time_point now_ = Clock::now();
  std::unique_ptr<Shared> shared_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<Http2Connection> server_;
};

TEST_F(GrpcTest, PredictsTheSameBitsHoweverTheFramesAreCut) {
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 9U, 64U, 100000U}) {
    Start();
    Http2Client client;
    const auto id = client.Ask(kInfer, LoanRequest());
    Exchange(client, piece);
    const auto& reply = client.At(id);
    ASSERT_EQ(reply.grpc(), 0) << piece << reply.problem();
    const auto outputs = Outputs(reply.Message());
    ASSERT_EQ(outputs.size(), 2U);
    EXPECT_EQ(FloatOf(outputs[0]), Expected()) << piece;
    EXPECT_EQ(outputs[1], Text(Expected() >= 0.5F ? "yes" : "no"));
    EXPECT_TRUE(reply.closed);
  }
}

TEST_F(GrpcTest, TakesTypedContentsAndRefusesBothForms) {
  std::string age, job, income;
  ProtoWriter(&age).Bytes(3, std::string{40});
  ProtoWriter(&job).Bytes(8, "baker");
  ProtoWriter(&income).Bytes(7, Raw(2500.5));
  std::string owner;
  ProtoWriter(&owner).AlwaysBytes(1, std::string(1, '\0'));
  const auto reply = Call(kInfer, Request({{"age", "INT64", 1, "", age}, {"income", "FP64", 1, "", income}, {"job", "BYTES", 1, "", job}, {"owner", "BOOL", 1, "", owner}}));
  ASSERT_EQ(reply.grpc(), 0) << reply.problem();
  EXPECT_EQ(FloatOf(Outputs(reply.Message())[0]), Expected());
  const auto both = Call(kInfer, Request({{"age", "INT64", 1, "", age}, {"income", "FP64", 1, Raw(1.0)}}));
  EXPECT_EQ(both.grpc(), 3) << both.problem();
  const auto other = Call(kInfer, Request({{"age", "INT32", 1, "", age}}));
  EXPECT_EQ(other.grpc(), 3);
  EXPECT_NE(other.problem().find("another type"), std::string::npos) << other.problem();
}

TEST_F(GrpcTest, SaysWhatIsWrong) {
  struct Case { const char* name; std::string message; int status; std::string problem; };
  const std::string age = Raw<std::int64_t>(40);
  const Case cases[] = {
      {"no model", Request({{"age", "INT64", 1, age}}, "lean"), 5, "did you mean 'loan'"},
      {"no input", Request({}), 3, "no inputs"},
      {"unknown input", Request({{"agee", "INT64", 1, age}}), 3, "did you mean 'age'"},
      {"twice", Request({{"age", "INT64", 1, age}, {"age", "INT64", 1, age}}), 3, "given twice"},
      {"datatype", Request({{"age", "INT65", 1, age}}), 3, "no datatype 'INT65'"},
      {"type", Request({{"age", "BYTES", 1, Text("x")}}), 3, "expected INT64"},
      {"size", Request({{"age", "INT64", 2, age}}), 3, "8 bytes where its shape needs 16"},
      {"negative shape", Request({{"age", "INT64", -1, age}}), 3, "not 0 or more"},
      {"huge shape", Request({{"age", "INT64", 1LL << 40, age}}), 3, "too large"},
      {"text cut", Request({{"age", "INT64", 1, age}, {"job", "BYTES", 1, Text("baker").substr(0, 6)}}), 3, "end within element 0"},
      {"huge text", Request({{"age", "INT64", 1, age}, {"job", "BYTES", 1, "\xff\xff\xff\xff"}}), 3, "end within element 0"},
      {"rows differ", Request({{"age", "INT64", 1, age}, {"income", "FP64", 2, Raw(1.0) + Raw(2.0)}}), 3, "has 2 rows"},
      {"missing field", Request({{"income", "FP64", 1, Raw(1.0)}}), 3, "field 'age': missing"},
      {"not utf-8", Request({{"age", "INT64", 1, age}, {"job", "BYTES", 1, Text("\xff")}}), 3, "not UTF-8"},
      {"id not utf-8", Request({{"age", "INT64", 1, age}}, "loan", "\xff"), 3, "not UTF-8"},
  };
  for (const Case& c : cases) {
    const auto reply = Call(kInfer, c.message);
    EXPECT_EQ(reply.grpc(), c.status) << c.name << ": " << reply.problem();
    EXPECT_NE(reply.problem().find(c.problem), std::string::npos) << c.name << ": " << reply.problem();
  }
  EXPECT_EQ(Call("/inference.GRPCInferenceService/LogSettings", "").grpc(), 12);
  EXPECT_EQ(Call("/no.Service/At", "").grpc(), 12);
  ready_ = false;
  EXPECT_EQ(Call(kInfer, LoanRequest()).grpc(), 14);
  endpoints_.Withdraw("loan");
  EXPECT_EQ(Call(kInfer, LoanRequest()).grpc(), 14);
}

// Every prefix, and every byte changed, of a request: an answer or an error, never more.
TEST_F(GrpcTest, SurvivesBytesThatAreNoMessage) {
  const std::string good = LoanRequest();
  OipRequest request;
  for (std::size_t size = 0; size < good.size(); ++size) {
    request.Clear();
    (void)ReadOipProto(std::string_view(good).substr(0, size), &request).ok();
  }
  std::mt19937_64 random(1);
  int refused = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int k = 0; k < 20; ++k) {
      std::string bad = good;
      bad[i] = static_cast<char>(random());
      request.Clear();
      OipRows rows;
      serve::Session session(loan_);
      if (ReadOipProto(bad, &request).ok() && rows.Bind(request, session.reader()).ok() && rows.rows() <= 10) {
        rows.Fill(0, rows.rows(), session);
      } else {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 100);
  const std::string bad[] = {
      "\x0a", std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11), std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11),
      "\x2a\xff\xff\xff\xff\x0f", "\x08\x01", "\x2b\x2c", std::string("\0\0", 2), "\x2a\x02\x1a\xff", "\x2a\x03\x1a\x01\xff", "\x0f"};
  for (const std::string& one : bad) {
    const auto reply = Call(kInfer, one);
    EXPECT_EQ(reply.grpc(), 3) << reply.problem();
  }
  std::string nested;
  for (int i = 0; i < 2000; ++i) {
    std::string outer;
    ProtoWriter(&outer).AlwaysBytes(5, nested);
    nested = std::move(outer);
  }
  EXPECT_EQ(Call(kInfer, nested).grpc(), 3);
}

TEST_F(GrpcTest, EndsConnectionsThatBreakTheProtocol) {
  Http2Client client;
  (void)client.Ask(kInfer, LoanRequest());
  const std::string good = client.Sent();
  std::mt19937_64 random(2);
  for (int round = 0; round < 3000; ++round) {
    std::string bad = good;
    for (std::uint64_t k = 0; k <= random() % 3; ++k) bad[kHttp2Preface.size() + random() % (bad.size() - kHttp2Preface.size())] = static_cast<char>(random());
    Http2Connection server({}, *worker_);
    server.Receive(bad, {.arrived = now_});
    std::string down;
    server.Pump(&down);
    server.Tick(now_ + 60s);
    server.Pump(&down);
    EXPECT_LT(down.size(), 4096U);
  }
}

TEST_F(GrpcTest, StreamsOneAnswerToEachRequestAndGoesOnAfterABadOne) {
  Http2Client client;
  const auto id = client.Begin(kStream);
  client.Add(id, Framed(LoanRequest()) + Framed(Request({{"agee", "INT64", 1, "12345678"}}, "loan", "bad")), false);
  Exchange(client);
  client.Add(id, Framed(LoanRequest()), true);
  Exchange(client);
  const auto& reply = client.At(id);
  EXPECT_EQ(reply.grpc(), 0);
  const std::string messages[] = {reply.Message(0), reply.Message(1), reply.Message(2)};
  ProtoReader first(messages[0]), second(messages[1]), third(messages[2]);
  ASSERT_TRUE(first.Next() && second.Next() && third.Next());
  EXPECT_EQ(first.field(), 2U);
  EXPECT_EQ(second.field(), 1U);
  EXPECT_EQ(third.field(), 2U);
  EXPECT_EQ(reply.Message(3), "none");
}

TEST_F(GrpcTest, TakesCompressedMessagesAndAnswersInKind) {
  for (const bool gzip : {true, false}) {
    std::string packed;
    ASSERT_TRUE(Deflate(LoanRequest(), gzip, &packed));
    Start();
    Http2Client client;
    const auto id = client.Begin(kInfer, {{"grpc-encoding", gzip ? "gzip" : "deflate"}});
    client.Add(id, Framed(packed, true), true);
    Exchange(client);
    EXPECT_EQ(client.At(id).grpc(), 0) << client.At(id).problem();
    EXPECT_EQ(client.At(id).head.at("grpc-encoding"), gzip ? "gzip" : "deflate");
  }
  Http2Client client;
  Start();
  const auto unknown = client.Begin(kInfer, {{"grpc-encoding", "snappy"}});
  client.Add(unknown, Framed("x", true), true);
  const auto unsaid = client.Begin(kInfer);
  client.Add(unsaid, Framed("x", true), true);
  const auto broken = client.Begin(kInfer, {{"grpc-encoding", "gzip"}});
  client.Add(broken, Framed("no gzip", true), true);
  Exchange(client);
  EXPECT_EQ(client.At(unknown).grpc(), 12);
  EXPECT_NE(client.At(unknown).head.at("grpc-accept-encoding").find("gzip"), std::string::npos);
  EXPECT_EQ(client.At(unsaid).grpc(), 13);
  EXPECT_EQ(client.At(broken).grpc(), 13);
}

TEST_F(GrpcTest, BoundsWhatAClientMaySend) {
  Start({.most_header = 2048, .most_body = 10000});
  Http2Client client;
  const auto large = client.Begin(kInfer);
  client.Add(large, Framed(std::string(10001, 'a')), true);
  const auto headers = client.Begin(kInfer, {{"a", std::string(5000, 'a')}});
  client.Add(headers, Framed(""), true);
  std::string bomb;
  ASSERT_TRUE(Deflate(std::string(1 << 20, 'a'), true, &bomb));
  const auto bombed = client.Begin(kInfer, {{"grpc-encoding", "gzip"}});
  client.Add(bombed, Framed(bomb, true), true);
  const auto two = client.Begin(kReady);
  client.Add(two, Framed("") + Framed(""), true);
  const auto none = client.Begin(kReady);
  client.Add(none, "", true);
  const auto half = client.Begin(kReady);
  client.Add(half, std::string("\0\0\0\0\5ab", 7), true);
  const auto good = client.Ask(kReady, "");
  Exchange(client);
  EXPECT_EQ(client.At(large).grpc(), 8);
  EXPECT_TRUE(client.At(headers).closed);
  EXPECT_EQ(client.At(headers).grpc(), -1);
  EXPECT_EQ(client.At(bombed).grpc(), 8);
  EXPECT_EQ(client.At(two).grpc(), 13);
  EXPECT_EQ(client.At(none).grpc(), 13);
  EXPECT_EQ(client.At(half).grpc(), 13);
  EXPECT_EQ(client.At(good).grpc(), 0);
  EXPECT_EQ(client.At(good).Message(), "\x08\x01");
}

TEST_F(GrpcTest, EndsFloodsOfFramesThatAskForNothing) {
  Http2Client resets;
  for (int i = 0; i < 1000; ++i) {
    const auto id = resets.Begin(kInfer);
    Exchange(resets);
    resets.Reset(id);
    Exchange(resets);
    if (server_->over()) break;
  }
  EXPECT_TRUE(server_->over());
  EXPECT_EQ(resets.goaway, static_cast<int>(NGHTTP2_ENHANCE_YOUR_CALM));
  Start();
  Http2Client pings;
  for (int i = 0; i < 1000; ++i) pings.Ping();
  Exchange(pings);
  EXPECT_TRUE(server_->over());
  Start();
  Http2Client patient;
  for (int i = 0; i < 1000; ++i) {
    patient.Ping();
    now_ += 20ms;
    Exchange(patient);
  }
  EXPECT_FALSE(server_->over());
  Start();
  Http2Client measuring;  // the way to us, with a ping for what it receives, within one instant
  for (int i = 0; i < 2000; ++i) {
    const auto id = measuring.Ask(kInfer, LoanRequest());
    Exchange(measuring);
    ASSERT_EQ(measuring.At(id).grpc(), 0) << i;
    measuring.Ping();
  }
  Exchange(measuring);
  EXPECT_FALSE(server_->over());
}

TEST_F(GrpcTest, KeepsDeadlines) {
  const auto late = Call(kInfer, LoanRequest(), {{"grpc-timeout", "0n"}});
  EXPECT_EQ(late.grpc(), 4) << late.problem();
  EXPECT_EQ(Call(kInfer, LoanRequest(), {{"grpc-timeout", "1H"}}).grpc(), 0);
  EXPECT_EQ(Call(kInfer, LoanRequest(), {{"grpc-timeout", "soon"}}).grpc(), 13);
  Start();
  Http2Client client;
  const auto id = client.Begin(kStream, {{"grpc-timeout", "100m"}});
  Exchange(client);
  EXPECT_EQ(client.At(id).grpc(), -1);
  server_->Tick(now_ + 200ms);
  Exchange(client);
  EXPECT_EQ(client.At(id).grpc(), 4);
}

TEST_F(GrpcTest, WatchesHealthAndEndsWhenTheServerStops) {
  Http2Client client;
  const auto id = client.Ask(kWatch, "");
  Exchange(client);
  EXPECT_EQ(client.At(id).Message(0), "\x08\x01");
  server_->Tick(now_ + 1s);
  Exchange(client);
  EXPECT_EQ(client.At(id).Message(1), "none");  // nothing changed
  ready_ = false;
  server_->Tick(now_ + 100s);
  Exchange(client);
  EXPECT_EQ(client.At(id).Message(1), "\x08\x02");
  EXPECT_EQ(client.At(id).grpc(), -1);
  server_->Drain();
  Exchange(client);
  EXPECT_EQ(client.At(id).grpc(), 14);
  EXPECT_EQ(client.goaway, static_cast<int>(NGHTTP2_NO_ERROR));
  EXPECT_TRUE(server_->over());
}

TEST_F(GrpcTest, SlowClientsAreGivenUp) {
  Http2Client slow;
  const auto half = slow.Begin(kInfer);
  slow.Add(half, std::string("\0\0\0\1\0ab", 7), false);
  Exchange(slow);
  server_->Tick(now_ + 60s);
  Exchange(slow);
  EXPECT_TRUE(slow.At(half).closed);
  // A client with a window of nothing does not take its answer.
  Start();
  Http2Client shut(0);
  const auto id = shut.Ask(kInfer, LoanRequest());
  Exchange(shut);
  EXPECT_EQ(shut.At(id).grpc(), -1);
  EXPECT_FALSE(server_->idle());
  server_->Tick(now_ + 60s);
  Exchange(shut);
  EXPECT_TRUE(shut.At(id).closed);
  EXPECT_TRUE(server_->idle());
}

TEST_F(GrpcTest, AnswersPlainRequestsOverHttp2) {
  Http2Client client;
  const auto id = client.Begin("/v2/models/loan/ready", {{":method", "GET"}}, "");
  client.Add(id, "", true);
  const auto predict = client.Begin("/v1/endpoints/loan:predict", {}, "application/json");
  client.Add(predict, R"({"instances":[{"age":40,"income":2500.5,"job":"baker","owner":false}]})", true);
  Exchange(client);
  EXPECT_EQ(client.At(id).head.at(":status"), "200");
  EXPECT_EQ(client.At(id).body, R"({"name":"loan","ready":true})");
  EXPECT_EQ(client.At(predict).head.at(":status"), "200") << client.At(predict).body;
}

TEST_F(GrpcTest, LoadsAndUnloadsInBothClientsWords) {
  std::string triton, kserve;
  ProtoWriter(&triton).Bytes(2, "loan");
  ProtoWriter(&kserve).Bytes(1, "loan");
  EXPECT_EQ(Call("/inference.GRPCInferenceService/RepositoryModelUnload", triton).grpc(), 0);
  EXPECT_EQ(endpoints_.Find("loan"), nullptr);
  EXPECT_EQ(Call("/inference.GRPCInferenceService/ModelMetadata", kserve).grpc(), 14);
  const auto loaded = Call("/inference.GRPCInferenceService/RepositoryModelLoad", kserve);
  EXPECT_EQ(loaded.grpc(), 0);
  EXPECT_EQ(loaded.Message(), "\x0a\x04loan\x10\x01");
  EXPECT_NE(endpoints_.Find("loan"), nullptr);
  EXPECT_EQ(Call("/inference.GRPCInferenceService/RepositoryModelLoad", Request({}, "nobody")).grpc(), 5);
}

TEST(Protobuf, VarintsAreExact) {
  for (const std::uint64_t value : {std::uint64_t{1}, std::uint64_t{127}, std::uint64_t{128}, ~std::uint64_t{0}}) {
    std::string bytes;
    ProtoWriter(&bytes).Number(3, value);
    ProtoReader reader(bytes);
    ASSERT_TRUE(reader.Next());
    EXPECT_EQ(reader.number(), value);
    EXPECT_FALSE(reader.Next());
    EXPECT_TRUE(reader.good());
  }
}

TEST(Grpc, TimeoutsAreRead) {
  std::chrono::nanoseconds out{};
  EXPECT_TRUE(ParseGrpcTimeout("100m", &out));
  EXPECT_EQ(out, 100ms);
  EXPECT_TRUE(ParseGrpcTimeout("99999999H", &out));
  EXPECT_GT(out, 1h);
  for (const char* bad : {"", "m", "1", "1x", "-1m", "123456789m", "1 m"}) EXPECT_FALSE(ParseGrpcTimeout(bad, &out)) << bad;
  EXPECT_EQ(GrpcMessage("a%\n\xc3\xbc"), "a%25%0A%C3%BC");
}

}  // namespace
}  // namespace tenon::edge
