#include <gtest/gtest.h>

#include "base/testing.h"
#include "edge/worker_internal.h"
#include "serve/testing.h"

namespace tenon::edge {
namespace {

class WorkerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(transform::AddAll(ops_));
    auto loan = serve::testing::MakeLoan(ops_);
    ASSERT_OK(loan);
    endpoints_.Set(*loan);
  }

  // What a worker answers to a request without a body.
  int Ask(Worker& worker, Method method, std::string_view path, const HttpPeer& peer) {
    HttpRequest request;
    request.method = method;
    request.path = path;
    response_.Clear();
    worker.Handle(request, peer, response_);
    return response_.status;
  }

  Kinds<transform::Op> ops_;
  serve::Endpoints endpoints_;
  HttpResponse response_;
};

TEST_F(WorkerTest, TurnsAwayWhatWaitedTooLongButNoProbe) {
  ServerOptions options;
  options.threads = 1;
  options.longest_queue = std::chrono::milliseconds(1);
  Shared shared(endpoints_, nullptr, {}, options);
  Worker worker(shared, 0);
  HttpPeer late{7}, early{7};
  late.turn_away_at = 1;
  early.turn_away_at = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(Ask(worker, Method::kGet, "/v2", early), 200);
  EXPECT_EQ(Ask(worker, Method::kGet, "/v2", late), 503);
  EXPECT_NE(response_.headers.find("Retry-After: 1\r\n"), std::string::npos);
  EXPECT_EQ(response_.body.rfind(R"({"error":"the server has more to do)", 0), 0u);
  EXPECT_EQ(Ask(worker, Method::kPost, "/v1/endpoints/loan:predict", late), 503);
  EXPECT_EQ(response_.body.rfind(R"({"error":{"code":"unavailable")", 0), 0u);
  for (const char* path : {"/healthz", "/", "/v2/health/ready", "/metrics"}) EXPECT_EQ(Ask(worker, Method::kGet, path, late), 200) << path;
  EXPECT_EQ(shared.metrics.refused(static_cast<std::size_t>(Refusal::kOverload)), 2);
  // What the loop turns away without a call of Handle counts, too.
  HttpRequest request;
  request.path = "/v2/models/loan/infer";
  EXPECT_EQ(worker.TurnedAway(request), R"({"error":"the server has more to do than it can; try again later"})");
  request.path = "/v1/endpoints/loan:predict";
  EXPECT_EQ(worker.TurnedAway(request), R"({"error":{"code":"unavailable","message":"the server has more to do than it can; try again later"}})");
  EXPECT_EQ(shared.metrics.refused(static_cast<std::size_t>(Refusal::kOverload)), 4);
}

TEST_F(WorkerTest, ABudgetIsSpentByRowsAndNotByRequests) {
  ServerOptions options;
  options.threads = 1;
  options.budget = 10;
  Shared shared(endpoints_, nullptr, {}, options);
  Worker worker(shared, 0);
  EXPECT_EQ(Ask(worker, Method::kPost, "/v1/endpoints/loan:predict", HttpPeer{7}), 411);  // let in
  worker.Spend(11);
  EXPECT_EQ(Ask(worker, Method::kPost, "/v1/endpoints/loan:predict", HttpPeer{7}), 429);
  EXPECT_EQ(Ask(worker, Method::kPost, "/v1/endpoints/loan:predict", HttpPeer{8}), 411);  // another client
  EXPECT_EQ(Ask(worker, Method::kGet, "/v1/endpoints/loan", HttpPeer{7}), 200);
}

}  // namespace
}  // namespace tenon::edge
