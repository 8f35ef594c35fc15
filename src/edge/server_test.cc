#include "edge/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/testing.h"
#include "edge/socket_testing_internal.h"
#include "base/text.h"
#include "edge/compression_internal.h"
#include "serve/testing.h"

namespace tenon::edge {
namespace {

// A plain blocking client.
class Client {
 public:
  explicit Client(int port) {
    fd_ = testing::ConnectTo(port);
    connected_ = fd_ >= 0;
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;

  bool connected() const { return connected_; }
  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  struct Reply {
    int status = 0;  // 0: the connection ended
    std::string head, body;
  };
  Reply Read() {
    Reply reply;
    std::size_t end = 0;
    while ((end = held_.find("\r\n\r\n")) == std::string::npos) {
      if (!More()) return reply;
    }
    reply.head = held_.substr(0, end + 2);
    held_.erase(0, end + 4);
    reply.status = std::atoi(reply.head.c_str() + 9);
    const std::size_t at = reply.head.find("Content-Length: ");
    const std::size_t size = at == std::string::npos ? 0 : static_cast<std::size_t>(std::atoll(reply.head.c_str() + at + 16));
    while (held_.size() < size) {
      if (!More()) return reply;
    }
    reply.body = held_.substr(0, size);
    held_.erase(0, size);
    return reply;
  }
  // The connection was closed by the other side, with nothing more to read.
  bool Ended() { return held_.empty() && !More(); }
  Reply Get(const std::string& path) {
    Send("GET " + path + " HTTP/1.1\r\nHost: t\r\n\r\n");
    return Read();
  }
  Reply Post(const std::string& path, const std::string& body, const std::string& headers = "") {
    Send("POST " + path + " HTTP/1.1\r\nHost: t\r\n" + headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return Read();
  }

 private:
  bool More() {
    char bytes[65536];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    held_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }
  int fd_;
  bool connected_ = false;
  std::string held_;
};

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(transform::AddAll(ops_));
    ASSERT_OK_AND_ASSIGN(loan_, serve::testing::MakeLoan(ops_));
    endpoints_.Set(loan_);
    Start({});
  }
  void Start(ServerOptions options) {
    server_.reset();
    options.port = 0;
    if (options.threads == 0) options.threads = 2;
    ASSERT_OK_AND_ASSIGN(server_, StartServer(options, endpoints_, nullptr, [this] { return ready_.load(); }));
  }
  // What the predictor itself says of a row.
  float Expected(double age, double income, std::string_view job, double owner) {
    const double numbers[4] = {age, income, std::numeric_limits<double>::quiet_NaN(), owner};
    const std::string_view texts[4] = {{}, {}, job, {}};
    return loan_->predictor->PredictRow(numbers, texts, scratch_).values[0];
  }
  Json Parsed(const std::string& text) {
    auto json = Json::Parse(text, "answer");
    EXPECT_TRUE(json.ok()) << text;
    return json.ok() ? *std::move(json) : Json();
  }

  Kinds<transform::Op> ops_;
  std::shared_ptr<const serve::Served> loan_;
  serve::Endpoints endpoints_;
  std::atomic<bool> ready_{true};
  model::Predictor::Scratch scratch_;
  std::unique_ptr<Server> server_;
};

const std::string kPredict = "/v1/endpoints/loan:predict";
const std::string kRow = R"({"age":40,"income":2500.5,"job":"baker","owner":false})";

TEST_F(ServerTest, PredictsTheSameBitsAsThePredictor) {
  Client client(server_->port());
  const auto reply = client.Post(kPredict, R"({"instances":[)" + kRow + R"(,{"owner":true,"job":"clerk","age":61},[25,1e3,null,null]]})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json body = Parsed(reply.body);
  EXPECT_EQ(body.StringAt("model"), "loan@1");
  const auto& predictions = body.Find("predictions")->array();
  ASSERT_EQ(predictions.size(), 3U);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const float expected[] = {Expected(40, 2500.5, "baker", 0), Expected(61, nan, "clerk", 1), Expected(25, 1000, {}, nan)};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(static_cast<float>(predictions[i].NumberAt("probability")), expected[i]) << reply.body;
    EXPECT_EQ(predictions[i].StringAt("decision"), expected[i] >= 0.5F ? "yes" : "no");
  }
}

TEST_F(ServerTest, ExplainsWithNumbersThatAddUpToTheMargin) {
  Client client(server_->port());
  const auto reply = client.Post("/v1/endpoints/loan:explain", R"({"instances":[)" + kRow + "]}");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json body = Parsed(reply.body);
  const Json& row = body.Find("predictions")->array()[0];
  double sum = row.NumberAt("base");
  for (const auto& [name, value] : row.Find("contributions")->object()) sum += value.Number();
  const double p = row.NumberAt("probability");
  EXPECT_NEAR(sum, std::log(p / (1 - p)), 1e-4) << reply.body;
}

TEST_F(ServerTest, SaysWhatIsWrongWithAField) {
  struct Case { const char* name; std::string row; std::string field; std::string problem; };
  const Case cases[] = {
      {"unknown", R"({"age":40,"incom":1})", "incom", "did you mean 'income'"},
      {"missing", R"({"income":1})", "age", "missing"},
      {"null is missing", R"({"age":null})", "age", "missing"},
      {"number as string", R"({"age":"40"})", "age", "expected a whole number, got \"40\""},
      {"fraction", R"({"age":40.5})", "age", "expected a whole number, got 40.5"},
      {"beyond 64 bits", R"({"age":1e30})", "age", "which takes more than 64 bits"},
      {"bool as number", R"({"age":40,"owner":1})", "owner", "expected true or false, got 1"},
      {"number as bool", R"({"age":true})", "age", "expected a whole number, got true"},
      {"number for a text", R"({"age":40,"job":5})", "job", "expected a string, got 5"},
      {"list", R"({"age":[1,{"a":[2]}]})", "age", "got a list"},
      {"object", R"({"age":{"b":null}})", "age", "got an object"},
      {"twice, out of order", R"({"income":1,"age":40,"income":2})", "income", "given twice"},
      {"twice", R"({"age":40,"age":41})", "age", "given twice"},
  };
  Client client(server_->port());
  for (const Case& c : cases) {
    const auto reply = client.Post(kPredict, R"({"instances":[)" + kRow + "," + c.row + "]}");
    EXPECT_EQ(reply.status, 400) << c.name;
    const Json body = Parsed(reply.body);
    const Json* error = body.Find("error");
    ASSERT_NE(error, nullptr) << reply.body;
    EXPECT_EQ(error->StringAt("code"), "invalid_argument");
    ASSERT_NE(error->Find("fields"), nullptr) << c.name << reply.body;
    const Json& first = error->Find("fields")->array()[0];
    EXPECT_EQ(first.IntAt("instance"), 1) << c.name;
    EXPECT_EQ(first.StringAt("field"), c.field) << c.name;
    EXPECT_NE(first.StringAt("problem").find(c.problem), std::string::npos) << c.name << ": " << first.StringAt("problem");
    const auto v1 = client.Post("/v1/models/loan:predict", R"({"instances":[)" + c.row + "]}");
    EXPECT_EQ(v1.status, 400);
    EXPECT_TRUE(Parsed(v1.body).Find("error")->is_string()) << v1.body;
  }
}

TEST_F(ServerTest, DeepNestingEndsTheRequestOnly) {
  Client client(server_->port());
  const std::string open(200000, '[');
  const std::string closed = open + std::string(open.size(), ']');
  for (const std::string& value : {open, closed}) {
    for (const char* key : {"age", "nobody"}) {
      const auto reply = client.Post(kPredict, Str(R"({"instances":[{")", key, R"(":)", value, "}]}"));
      EXPECT_EQ(reply.status, 400) << key;
    }
  }
  EXPECT_EQ(client.Post(kPredict, R"({"instances":[)" + kRow + "]}").status, 200);
}

TEST_F(ServerTest, StrictnessDecidesOnUnseenValues) {
  Client client(server_->port());
  const std::string row = R"({"instances":[{"age":400,"job":"bakr"}]})";
  EXPECT_EQ(client.Post(kPredict, row).status, 200);
  const std::string metrics = client.Get("/metrics").body;
  EXPECT_NE(metrics.find("tenon_values_out_of_range_total{endpoint=\"loan\",model=\"loan@1\"} 1\n"), std::string::npos);
  EXPECT_NE(metrics.find("tenon_values_unseen_total{endpoint=\"loan\",model=\"loan@1\"} 1\n"), std::string::npos);
  auto strict = std::make_shared<serve::Served>(*loan_);
  strict->strict = true;
  endpoints_.Set(strict);
  const auto reply = client.Post(kPredict, row);
  EXPECT_EQ(reply.status, 400);
  EXPECT_NE(reply.body.find("out of range"), std::string::npos) << reply.body;
  EXPECT_NE(reply.body.find("did you mean 'baker'"), std::string::npos) << reply.body;
}

TEST_F(ServerTest, SurvivesBodiesThatAreNoRequests) {
  std::string deep(5000, '[');
  const std::string bodies[] = {"", "{", "nonsense", "[]", "5", "null", R"({"instances":5})", R"({"instances":[]})", R"({"instances":[5]})",
                                R"({"instances":[{"age":NaN}]})", R"({"instances":[{"age":40,"income":1e999}]})",
                                R"({"instances":[{"age":nul}]})", R"({"instances":[{"age":40]})", R"({"instances":[{"age":40}]} x)",
                                R"({"instances":[{"age":40}]}{})", R"({"instances":[{"age":40}],"instances":[]})", R"({"instance":[]})",
                                "{\"instances\":[{\"age\":40,\"job\":\"\xff\xfe\"}]}", R"({"instances":[{"age":40,"job":"a)",
                                R"({"instances":)" + deep, deep, R"({"instances":[{"age":)" + deep + std::string(5000, ']') + "}]}",
                                R"({"instances":[{"age":040}]})", R"({"instances":[{"age":+4}]})", R"({"instances":[{'age':4}]})",
                                R"({"instances":[[40]]})", R"({"instances":[{"age":40,}]})", R"({"instances":[{"age":40},]})"};
  Client client(server_->port());
  for (const std::string& body : bodies) {
    const auto reply = client.Post(kPredict, body);
    ASSERT_EQ(reply.status, 400) << body.substr(0, 100) << " -> " << reply.body;
    const Json json = Parsed(reply.body);
    EXPECT_GT(json.Find("error")->StringAt("message").size(), 10U) << reply.body;
  }
  EXPECT_EQ(client.Post(kPredict, R"({"instances":[)" + kRow + "]}").status, 200);
}

TEST_F(ServerTest, AnswersHoweverTheRequestIsCut) {
  Client client(server_->port());
  const std::string body = R"({"instances":[)" + kRow + "]}";
  const std::string whole = client.Post(kPredict, body).body;
  const std::string chunked = "POST " + kPredict + " HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n" +
                              body.substr(0, 16) + "\r\n" + [&] {
                                char size[8];
                                std::snprintf(size, sizeof size, "%zx", body.size() - 16);
                                return std::string(size);
                              }() + "\r\n" + body.substr(16) + "\r\n0\r\n\r\n";
  for (char c : chunked) client.Send(std::string_view(&c, 1));
  const auto reply = client.Read();
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, whole);
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  Client client(server_->port());
  std::string many;
  for (int i = 0; i < 500; ++i) {
    const std::string body = Str(R"({"instances":[{"age":)", 20 + i % 50, "}]}");
    many += Str("POST ", kPredict, " HTTP/1.1\r\nHost: t\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
  }
  std::thread sender([&] { client.Send(many); });
  for (int i = 0; i < 500; ++i) {
    const auto reply = client.Read();
    ASSERT_EQ(reply.status, 200) << i;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    EXPECT_EQ(static_cast<float>(Parsed(reply.body).Find("predictions")->array()[0].NumberAt("probability")),
              Expected(20 + i % 50, nan, {}, nan));
  }
  sender.join();
}

TEST_F(ServerTest, KeepsOrEndsConnectionsAsAsked) {
  Client client(server_->port());
  client.Send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_NE(client.Read().head.find("Connection: keep-alive"), std::string::npos);
  client.Send("GET /healthz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
  EXPECT_NE(client.Read().head.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(client.Ended());
  Client brief(server_->port());
  brief.Send("HEAD /healthz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
  const auto head = brief.Read();
  EXPECT_EQ(head.status, 200);
  EXPECT_NE(head.head.find("Content-Length: 18"), std::string::npos);
  EXPECT_TRUE(head.body.empty());
}

TEST_F(ServerTest, RefusesWithTheStatusThatFits) {
  struct Case { const char* name; std::string bytes; int status; };
  const Case cases[] = {
      {"no route", "GET /nowhere HTTP/1.1\r\nHost: t\r\n\r\n", 404},
      {"no endpoint", "POST /v1/endpoints/lean:predict HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}", 404},
      {"no verb", "POST /v1/endpoints/loan:foretell HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}", 404},
      {"wrong method", "GET /v1/endpoints/loan:predict HTTP/1.1\r\nHost: t\r\n\r\n", 405},
      {"delete", "DELETE /healthz HTTP/1.1\r\nHost: t\r\n\r\n", 405},
      {"no length", "POST /v1/endpoints/loan:predict HTTP/1.1\r\nHost: t\r\n\r\n", 411},
      {"too large", "POST /v1/endpoints/loan:predict HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999\r\n\r\n", 413},
      {"bad request", "GET /\r\n\r\n", 400},
      {"long target", "GET /" + std::string(10000, 'a') + " HTTP/1.1\r\nHost: t\r\n\r\n", 414},
      {"large headers", "GET / HTTP/1.1\r\nHost: t\r\nA: " + std::string(20000, 'a') + "\r\n\r\n", 431},
      {"unknown coding", "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
  };
  for (const Case& c : cases) {
    Client client(server_->port());
    client.Send(c.bytes);
    const auto reply = client.Read();
    EXPECT_EQ(reply.status, c.status) << c.name << reply.body;
    EXPECT_NE(Parsed(reply.body).Find("error"), nullptr) << c.name;
    if (c.status == 405) EXPECT_NE(reply.head.find("Allow: "), std::string::npos) << c.name;
  }
}

TEST_F(ServerTest, TellsTheClientToContinue) {
  Client client(server_->port());
  const std::string body = R"({"instances":[)" + kRow + "]}";
  client.Send(Str("POST ", kPredict, " HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: ", body.size(), "\r\n\r\n"));
  EXPECT_EQ(client.Read().status, 100);
  client.Send(body);
  EXPECT_EQ(client.Read().status, 200);
}

TEST_F(ServerTest, ReadsLargeBodiesAndWritesLargeAnswers) {
  Client client(server_->port());
  std::string body = R"({"instances":[)";
  constexpr int kRows = 40000;
  for (int i = 0; i < kRows; ++i) body += (i == 0 ? "" : ",") + kRow;
  body += "]}";
  std::thread sender([&] {
    client.Send(Str("POST ", kPredict, " HTTP/1.1\r\nHost: t\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
  });
  const auto reply = client.Read();
  sender.join();
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(Parsed(reply.body).Find("predictions")->array().size(), static_cast<std::size_t>(kRows));
}

TEST_F(ServerTest, ClosesIdleAndSlowClients) {
  Start({.idle = std::chrono::seconds(1), .slow = std::chrono::seconds(1)});
  Client idle(server_->port()), slow(server_->port());
  slow.Send("POST /v1/endpoints/loan:predict HTTP/1.1\r\nHost: t\r\nContent-Le");
  EXPECT_EQ(slow.Read().status, 408);
  EXPECT_TRUE(slow.Ended());
  EXPECT_TRUE(idle.Ended());
}

TEST_F(ServerTest, LimitsTheRateOfAClient) {
  Start({.rate = 0.001});
  Client client(server_->port());
  EXPECT_EQ(client.Get("/v2").status, 200);
  const auto second = client.Get("/v2");
  EXPECT_EQ(second.status, 429);
  EXPECT_NE(second.head.find("Retry-After: "), std::string::npos);
  EXPECT_EQ(client.Get("/healthz").status, 200);  // a probe is never one too many
}

TEST_F(ServerTest, SwapsVersionsUnderRequestsWithoutAFailure) {
  std::atomic<bool> end{false};
  std::atomic<int> failed{0}, asked{0};
  std::vector<std::thread> clients;
  for (int t = 0; t < 2; ++t) {
    clients.emplace_back([&] {
      Client client(server_->port());
      while (!end.load()) {
        const auto reply = client.Post(kPredict, R"({"instances":[)" + kRow + "]}");
        if (reply.status != 200) ++failed;
        ++asked;
      }
    });
  }
  for (int version = 2; version < 100 || asked.load() < 50; ++version) {
    auto next = serve::testing::MakeLoan(ops_, version);
    ASSERT_OK(next);
    endpoints_.Set(*next);
  }
  end = true;
  for (auto& thread : clients) thread.join();
  EXPECT_EQ(failed.load(), 0);
  endpoints_.Remove("loan");
  Client client(server_->port());
  EXPECT_EQ(client.Post(kPredict, "{}").status, 404);
}

TEST_F(ServerTest, SurvivesRunningOutOfFileDescriptors) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  Client known(server_->port());
  EXPECT_EQ(known.Get("/healthz").status, 200);
  const int next = ::dup(0);
  ::close(next);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(next + 3);
  std::vector<std::unique_ptr<Client>> crowd;
  crowd.push_back(std::make_unique<Client>(server_->port()));
  crowd.push_back(std::make_unique<Client>(server_->port()));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(known.Get("/healthz").status, 200);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  crowd.clear();
  Client later(server_->port());
  EXPECT_EQ(later.Get("/healthz").status, 200);
}

TEST_F(ServerTest, StopsGracefully) {
  Client idle(server_->port()), busy(server_->port());
  EXPECT_EQ(idle.Get("/healthz").status, 200);
  EXPECT_EQ(busy.Get("/healthz").status, 200);
  const std::string body = R"({"instances":[)" + kRow + "]}";
  busy.Send(Str("POST ", kPredict, " HTTP/1.1\r\nHost: t\r\nContent-Length: ", body.size(), "\r\n\r\n", body.substr(0, 10)));
  // The rest of the request comes while the server is stopping.
  std::thread rest([&] {
    EXPECT_TRUE(idle.Ended());
    busy.Send(body.substr(10));
    const auto reply = busy.Read();
    EXPECT_EQ(reply.status, 200);
    EXPECT_NE(reply.head.find("Connection: close"), std::string::npos);
  });
  // A first answer makes sure that the half request has been read.
  server_->Stop(std::chrono::seconds(10));
  rest.join();
  server_->Stop(std::chrono::seconds(10));
}

TEST_F(ServerTest, SaysWhetherItIsReady) {
  Client client(server_->port());
  EXPECT_EQ(client.Get("/healthz").status, 200);
  EXPECT_EQ(client.Get("/v2/health/ready").body, R"({"live":true,"ready":true})");
  ready_ = false;
  EXPECT_EQ(client.Get("/healthz").status, 503);
  EXPECT_EQ(client.Get("/v2/health/ready").status, 503);
  EXPECT_EQ(client.Get("/v2/health/live").status, 200);
  EXPECT_EQ(client.Get("/v1/models/loan").status, 503);
}

TEST_F(ServerTest, DescribesItsEndpoints) {
  Client client(server_->port());
  const Json all = Parsed(client.Get("/v1/endpoints").body);
  ASSERT_EQ(all.Find("endpoints")->array().size(), 1U);
  const Json one = Parsed(client.Get("/v1/endpoints/loan").body);
  EXPECT_EQ(one, all.Find("endpoints")->array()[0]);
  EXPECT_EQ(one.Find("fields")->array().size(), 4U);
  EXPECT_EQ(one.Find("fields")->array()[2].Find("domain")->array().size(), 2U);
}

TEST_F(ServerTest, EveryProtocolAsksTheRouteWhichArmAnswers) {
  ASSERT_OK_AND_ASSIGN(auto second, serve::testing::MakeLoan(ops_, 2));
  ASSERT_OK_AND_ASSIGN(auto dark, serve::testing::MakeLoan(ops_, 3));
  auto keyed = [](const std::shared_ptr<const serve::Served>& served) {
    auto out = std::make_shared<serve::Served>(*served);
    out->passed = {"customer"};
    return out;
  };
  auto route = std::make_shared<serve::Route>();
  route->name = "loan";
  route->sticky = "customer";
  route->arms = {{keyed(loan_), serve::Role::kChampion, 1}, {keyed(second), serve::Role::kChallenger, 0.5}, {keyed(dark), serve::Role::kDark, 0}};
  endpoints_.Set(std::shared_ptr<const serve::Route>(route));
  Client client(server_->port());
  int challenger = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string key = Str("c-", i);
    const bool taken = route->Choose(key) == 1;
    const std::string row = R"({"customer" : ")" + key + R"(","age":40,"income":2500.5,"job":"baker","owner":false})";
    const Json body = Parsed(client.Post(kPredict, R"({"instances":[)" + row + "]}").body);
    EXPECT_EQ(body.StringAt("model"), taken ? "loan@2" : "loan@1") << key;
    const std::string header = "Tenon-Key: " + key + "\r\n";
    EXPECT_EQ(Parsed(client.Post(kPredict, R"({"instances":[)" + kRow + "]}", header).body).StringAt("model"), body.StringAt("model"));
    const std::string tensors =
        R"({"parameters":{"customer":")" + key + R"("},"inputs":[{"name":"age","datatype":"INT64","shape":[1],"data":[40]}]})";
    EXPECT_EQ(Parsed(client.Post("/v2/models/loan/infer", tensors).body).StringAt("model_version"), taken ? "2" : "1");
    const auto& v1 = Parsed(client.Post("/v1/models/loan:predict", R"({"instances":[)" + kRow + "]}", header).body);
    EXPECT_EQ(v1.Find("predictions")->array()[0], body.Find("predictions")->array()[0]);
    challenger += taken ? 1 : 0;
  }
  EXPECT_NEAR(challenger, 100, 35);
  const std::string body = R"({"instances":[)" + kRow + "]}";
  EXPECT_EQ(Parsed(client.Post(kPredict, body, "Tenon-Version: 3\r\n").body).StringAt("model"), "loan@3");
  EXPECT_EQ(Parsed(client.Post("/v1/endpoints/loan@3:predict", body).body).StringAt("model"), "loan@3");
  EXPECT_EQ(client.Post("/v1/endpoints/loan@4:predict", body).status, 404);
  EXPECT_EQ(client.Get("/v2/models/loan/versions/3/ready").status, 200);
  const std::string metrics = client.Get("/metrics").body;
  EXPECT_NE(metrics.find(R"(tenon_arm_share{endpoint="loan",model="loan@2",role="challenger"} 0.5)"), std::string::npos);
  EXPECT_NE(metrics.find(R"(tenon_arm_share{endpoint="loan",model="loan@1",role="champion"} 0.5)"), std::string::npos);
}

TEST_F(ServerTest, AKeyChoosesTheSameArmHoweverItIsSpelled) {
  ASSERT_OK_AND_ASSIGN(auto second, serve::testing::MakeLoan(ops_, 2));
  auto route = std::make_shared<serve::Route>();
  route->name = "loan";
  route->sticky = "customer";
  for (const auto& served : {loan_, second}) {
    auto keyed = std::make_shared<serve::Served>(*served);
    keyed->passed = {"customer"};
    route->arms.push_back({keyed, served == loan_ ? serve::Role::kChampion : serve::Role::kChallenger, served == loan_ ? 1 : 0.5});
  }
  endpoints_.Set(std::shared_ptr<const serve::Route>(route));
  Client client(server_->port());
  const auto plain = [&](const std::string& key) {
    return Parsed(client.Post(kPredict, R"({"instances":[{"customer":)" + key + R"(,"age":40}]})").body).StringAt("model");
  };
  const auto tensor = [&](const std::string& datatype, const std::string& key) {
    const std::string body = R"({"inputs":[{"name":"customer","datatype":")" + datatype + R"(","shape":[1],"data":[)" + key +
                             R"(]},{"name":"age","datatype":"INT64","shape":[1],"data":[40]}]})";
    return "loan@" + Parsed(client.Post("/v2/models/loan/infer", body).body).StringAt("model_version");
  };
  for (int i = 0; i < 40; ++i) {
    const std::string number = std::to_string(i), model = plain(number);
    EXPECT_EQ(model, route->Choose(number) == 1 ? "loan@2" : "loan@1") << number;
    EXPECT_EQ(plain(number + ".0"), model);
    EXPECT_EQ(plain("\"" + number + "\""), model);
    EXPECT_EQ(tensor("INT64", number), model);
    EXPECT_EQ(tensor("FP64", number + ".0"), model);
    EXPECT_EQ(tensor("BYTES", "\"" + number + "\""), model);
    EXPECT_EQ(plain("\"caf\\u00e9" + number + "\""), tensor("BYTES", "\"caf\xC3\xA9" + number + "\""));
  }
  for (const char* truth : {"true", "false"}) EXPECT_EQ(plain(truth), tensor("BOOL", truth));
}

TEST_F(ServerTest, AnswersEveryRequestWhileSharesChange) {
  ASSERT_OK_AND_ASSIGN(auto second, serve::testing::MakeLoan(ops_, 2));
  std::atomic<bool> done{false};
  std::thread changes([&] {
    for (int i = 0; i < 200; ++i) {
      auto route = std::make_shared<serve::Route>();
      route->name = "loan";
      route->arms = {{i % 3 == 0 ? second : loan_, serve::Role::kChampion, 1}, {i % 3 == 0 ? loan_ : second, serve::Role::kChallenger, (i % 10) / 10.0}};
      endpoints_.Set(std::shared_ptr<const serve::Route>(std::move(route)));
    }
    done = true;
  });
  Client client(server_->port());
  int asked = 0;
  while (!done || asked < 200) {
    ASSERT_EQ(client.Post(kPredict, R"({"instances":[)" + kRow + "]}").status, 200);
    ++asked;
  }
  changes.join();
}

TEST_F(ServerTest, RefusesAPortInUse) {
  ServerOptions options;
  options.port = server_->port();
  ASSERT_CODE(kAlreadyExists, StartServer(options, endpoints_, nullptr, {}));
  options.address = "not an address";
  ASSERT_CODE(kInvalidArgument, StartServer(options, endpoints_, nullptr, {}));
}

TEST_F(ServerTest, SpeaksTheOpenInferenceProtocol) {
  Client client(server_->port());
  EXPECT_EQ(Parsed(client.Get("/v2").body).StringAt("name"), "tenon");
  const Json model = Parsed(client.Get("/v2/models/loan").body);
  EXPECT_EQ(model.Find("inputs")->array()[0].StringAt("datatype"), "INT64");
  EXPECT_EQ(model.Find("outputs")->array()[0].StringAt("name"), "probability");
  const std::string json = R"({"id":"7","inputs":[{"name":"age","shape":[2],"datatype":"INT64","data":[40,25]},)"
                           R"({"name":"income","shape":[2,1],"datatype":"FP64","data":[[2500.5],[null]]},)"
                           R"({"name":"job","shape":[2],"datatype":"BYTES","data":["baker","clerk"]},)"
                           R"({"name":"owner","shape":[2],"datatype":"BOOL","data":[false,true]}]})";
  const auto reply = client.Post("/v2/models/loan/infer", json);
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json body = Parsed(reply.body);
  EXPECT_EQ(body.StringAt("id"), "7");
  EXPECT_EQ(body.StringAt("model_version"), "1");
  const Json& probability = body.Find("outputs")->array()[0];
  EXPECT_EQ(static_cast<float>(probability.Find("data")->array()[0].Number()), Expected(40, 2500.5, "baker", 0));
  EXPECT_EQ(static_cast<float>(probability.Find("data")->array()[1].Number()),
            Expected(25, std::numeric_limits<double>::quiet_NaN(), "clerk", 1));
  EXPECT_EQ(client.Get("/v2/models/loan/versions/2").status, 404);
  EXPECT_EQ(client.Post("/v2/models/loan/versions/1/infer", json).status, 200);
  const Json stats = Parsed(client.Get("/v2/models/loan/stats").body);
  EXPECT_EQ(stats.Find("model_stats")->array()[0].IntAt("inference_count"), 4);
  EXPECT_EQ(Parsed(client.Post("/v2/repository/index", "").body).array()[0].StringAt("state"), "READY");
  EXPECT_EQ(Parsed(client.Get("/v2/models/loan/config").body).Find("input")->array()[2].StringAt("data_type"), "TYPE_STRING");
  const auto unknown = client.Get("/v2/models/other");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_TRUE(Parsed(unknown.body).Find("error")->is_string());
}

template <typename T>
std::string Raw(T value) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}

TEST_F(ServerTest, TakesAndGivesBinaryTensors) {
  Client client(server_->port());
  const std::string json = R"({"parameters":{"binary_data_output":true},"inputs":[)"
                           R"({"name":"age","shape":[1],"datatype":"INT64","parameters":{"binary_data_size":8}},)"
                           R"({"name":"job","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":9}}]})";
  const std::string raw = Raw<std::int64_t>(40) + Raw<std::uint32_t>(5) + "baker";
  const auto reply = client.Post("/v2/models/loan/infer", json + raw, Str("Inference-Header-Content-Length: ", json.size(), "\r\n"));
  ASSERT_EQ(reply.status, 200) << reply.body;
  const std::size_t at = reply.head.find("Inference-Header-Content-Length: ");
  ASSERT_NE(at, std::string::npos);
  const auto size = static_cast<std::size_t>(std::atoll(reply.head.c_str() + at + 33));
  float probability = 0;
  std::memcpy(&probability, reply.body.data() + size, 4);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(probability, Expected(40, nan, "baker", nan));
  for (const std::string& wrong : {raw + "x", raw.substr(1), std::string()}) {
    const auto bad = client.Post("/v2/models/loan/infer", json + wrong, Str("Inference-Header-Content-Length: ", json.size(), "\r\n"));
    EXPECT_EQ(bad.status, 400) << wrong.size();
  }
  EXPECT_EQ(client.Post("/v2/models/loan/infer", json, "Inference-Header-Content-Length: 99999\r\n").status, 400);
}

TEST_F(ServerTest, TakesOneTensorForAllNumbers) {
  for (int outputs : {0, 1, 3}) {
    auto forest = serve::testing::MakeForestServed(ops_, Str("forest", outputs), 3, 9, 3, outputs);
    ASSERT_OK(forest);
    endpoints_.Set(*forest);
    Client client(server_->port());
    const auto tile = client.Post(Str("/v2/models/forest", outputs, "/infer"),
                                  R"({"inputs":[{"name":"input","shape":[2,3],"datatype":"FP32","data":[[0.5,0.25,0.75],[0.1,0.2,0.3]]}]})");
    ASSERT_EQ(tile.status, 200) << tile.body;
    const auto rows = client.Post(Str("/v1/endpoints/forest", outputs, ":predict"),
                                  R"({"instances":[{"x0":0.5,"x1":0.25,"x2":0.75},[0.1,0.2,0.3]]})");
    ASSERT_EQ(rows.status, 200) << rows.body;
    const Json tensors = Parsed(tile.body);
    const Json list = Parsed(rows.body);
    const Json& first = tensors.Find("outputs")->array()[0];
    const Json& row = list.Find("predictions")->array()[1];
    const auto& data = first.Find("data")->array();
    if (outputs == 0) EXPECT_EQ(data[1].Number(), row.NumberAt("value"));
    if (outputs == 1) EXPECT_EQ(data[1].Number(), row.NumberAt("probability"));
    if (outputs == 3) EXPECT_EQ(data[5].Number(), row.Find("probabilities")->NumberAt("class2"));
  }
}

TEST_F(ServerTest, TakesAndGivesCompressedBodies) {
  Client client(server_->port());
  const std::string body = R"({"instances":[)" + kRow + "]}";
  for (bool gzip : {true, false}) {
    const std::string coding = Str("Content-Encoding: ", gzip ? "gzip" : "deflate", "\r\n");
    std::string packed;
    ASSERT_TRUE(Deflate(body, gzip, &packed));
    EXPECT_EQ(client.Post(kPredict, packed, coding).body, client.Post(kPredict, body).body);
    EXPECT_EQ(client.Post(kPredict, packed.substr(0, packed.size() - 1), coding).status, 400);
    EXPECT_EQ(client.Post(kPredict, packed + "x", coding).status, 400);
    ASSERT_TRUE(Deflate(std::string(9 << 20, ' '), gzip, &packed));
    EXPECT_EQ(client.Post(kPredict, packed, coding).status, 413);
  }
  EXPECT_EQ(client.Post(kPredict, body, "Content-Encoding: br\r\n").status, 415);
  client.Send("GET /metrics HTTP/1.1\r\nHost: t\r\nAccept-Encoding: gzip\r\n\r\n");
  const auto reply = client.Read();
  EXPECT_NE(reply.head.find("Content-Encoding: gzip"), std::string::npos);
  std::string page;
  bool too_large = false;
  ASSERT_TRUE(Inflate(reply.body, 1 << 20, &page, &too_large));
  EXPECT_NE(page.find("process_cpu_seconds_total"), std::string::npos);
}

TEST_F(ServerTest, MetricsAreWellFormed) {
  Client client(server_->port());
  EXPECT_EQ(client.Post(kPredict, R"({"instances":[)" + kRow + "," + kRow + "]}").status, 200);
  EXPECT_EQ(client.Post(kPredict, "{").status, 400);
  const std::string page = client.Get("/metrics").body;
  for (const char* line : {"tenon_requests_total{endpoint=\"loan\",model=\"loan@1\",code=\"200\"} 1\n",
                           "tenon_requests_total{endpoint=\"loan\",model=\"loan@1\",code=\"400\"} 1\n",
                           "tenon_predictions_total{endpoint=\"loan\",model=\"loan@1\"} 2\n",
                           "tenon_request_seconds_bucket{endpoint=\"loan\",model=\"loan@1\",le=\"+Inf\"} 2\n",
                           "nv_inference_count{model=\"loan\",version=\"1\"} 2\n", "tenon_http_requests_in_flight 1\n"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line << page;
  }
  EXPECT_EQ(page.back(), '\n');
  const std::string_view since = "\nprocess_start_time_seconds ";
  const std::size_t at = page.find(since);
  ASSERT_NE(at, std::string::npos);
  const double began = std::stod(page.substr(at + since.size())), now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_LE(began, now);
  EXPECT_GT(began, now - 24 * 3600);
  // Each line is a comment, or a name, its labels and a number.
  const std::regex form("#.*|[a-z_][a-z0-9_]*(\\{[a-z0-9_]+=\"([^\"\\\\]|\\\\.)*\"(,[a-z0-9_]+=\"([^\"\\\\]|\\\\.)*\")*\\})? (-?[0-9.]+(e[-+]?[0-9]+)?|[+-]Inf|NaN)");
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) EXPECT_TRUE(line.empty() || std::regex_match(line, form)) << line;
}

}  // namespace
}  // namespace tenon::edge
