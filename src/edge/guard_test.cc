#include "edge/guard.h"

#include <gtest/gtest.h>

#include "base/hash.h"

namespace tenon::edge {
namespace {

const std::string kText = "tenon_abcdefgh_" + std::string(43, 'x');

std::shared_ptr<const govern::Rules> RulesWith(std::vector<std::string> scopes, Micros expires = 0) {
  govern::KeyRecord key;
  key.name = "app";
  key.id = "abcdefgh";
  key.digest = HashOf(kText);
  key.scopes = *govern::Scopes::Of(scopes);
  key.expires = expires;
  return std::make_shared<const govern::Rules>(govern::RulesOf({key}, true, true, *govern::Scopes::Of({"explain"})));
}

TEST(GuardTest, NeedsFollowMethodAndPath) {
  struct Case {
    Method method;
    std::string_view path;
    Need need;
  };
  for (const Case& c : std::initializer_list<Case>{{Method::kGet, "/", Need::kNothing},
                                                   {Method::kGet, "/healthz", Need::kNothing},
                                                   {Method::kGet, "/docs", Need::kNothing},
                                                   {Method::kGet, "/openapi.json", Need::kKnown},
                                                   {Method::kGet, "/v2/health/ready", Need::kNothing},
                                                   {Method::kGet, "/metrics", Need::kMetrics},
                                                   {Method::kGet, "/v2/models/a/stats", Need::kMetrics},
                                                   {Method::kGet, "/v2/models/a", Need::kKnown},
                                                   {Method::kPost, "/v1/endpoints/a:predict", Need::kPredict},
                                                   {Method::kPost, "/v1/models/a:explain", Need::kExplain},
                                                   {Method::kGet, "/v1/endpoints/a:stream", Need::kPredict},
                                                   {Method::kPost, "/v1/endpoints/a:stream", Need::kPredict},
                                                   {Method::kPost, "/v2/models/a/versions/1/infer", Need::kPredict},
                                                   {Method::kPost, "/v2/repository/index", Need::kKnown},
                                                   {Method::kPost, "/v2/repository/models/a/load", Need::kAdmin},
                                                   {Method::kPost, "/v1/endpoints/a%3Aexplain", Need::kAdmin},
                                                   {Method::kDelete, "/v1/endpoints/a", Need::kAdmin},
                                                   {Method::kPost, "/inference.GRPCInferenceService/ModelInfer", Need::kPredict},
                                                   {Method::kPost, "/inference.GRPCInferenceService/RepositoryModelUnload", Need::kAdmin},
                                                   {Method::kPost, "/grpc.health.v1.Health/Check", Need::kNothing}}) {
    EXPECT_EQ(static_cast<int>(NeedOf(c.method, c.path)), static_cast<int>(c.need)) << c.path;
  }
}

TEST(GuardTest, LetsInByKeyAndScope) {
  govern::Access access;
  Guard guard(&access);
  Asker asker;
  const HttpPeer peer{7};
  EXPECT_EQ(guard.Check("", "", peer, Need::kAdmin, &asker), Guard::Verdict::kIn);  // nobody has a key
  EXPECT_EQ(asker.hash, 7u);
  access.Set(RulesWith({"predict"}));
  guard.Refresh();
  for (int again = 0; again < 2; ++again) {  // the second time from memory
    EXPECT_EQ(guard.Check("Bearer " + kText, "", peer, Need::kPredict, &asker), Guard::Verdict::kIn);
    EXPECT_EQ(asker.name, "app");
    EXPECT_EQ(guard.Check("", kText, peer, Need::kPredict, &asker), Guard::Verdict::kIn);
    EXPECT_EQ(guard.Check("bearer  " + kText, "", peer, Need::kKnown, &asker), Guard::Verdict::kIn);
    EXPECT_EQ(guard.Check("", kText, peer, Need::kExplain, &asker), Guard::Verdict::kForbidden);
    std::string wrong = kText;
    wrong.back() = 'y';
    EXPECT_EQ(guard.Check("", wrong, peer, Need::kPredict, &asker), Guard::Verdict::kUnknown);
    EXPECT_EQ(guard.Check("", "tenon_abcdefgi_" + std::string(43, 'x'), peer, Need::kPredict, &asker), Guard::Verdict::kUnknown);
  }
  EXPECT_EQ(guard.Check("", "", peer, Need::kPredict, &asker), Guard::Verdict::kUnknown);
  EXPECT_EQ(guard.Check("Basic abc", "", peer, Need::kPredict, &asker), Guard::Verdict::kUnknown);
  EXPECT_EQ(guard.Check("Bearer ", "", peer, Need::kPredict, &asker), Guard::Verdict::kUnknown);
  EXPECT_EQ(guard.Check("", "", peer, Need::kNothing, &asker), Guard::Verdict::kIn);
  EXPECT_EQ(guard.Check("", "nonsense", peer, Need::kNothing, &asker), Guard::Verdict::kIn);
}

TEST(GuardTest, AKeyEnds) {
  govern::Access access;
  access.Set(RulesWith({"all"}, 1));
  Guard guard(&access);
  Asker asker;
  EXPECT_EQ(guard.Check("", kText, {}, Need::kPredict, &asker), Guard::Verdict::kUnknown);
  EXPECT_NE(guard.problem().find("ended at 1970"), std::string::npos);
}

TEST(GuardTest, ACertificateStandsForAKey) {
  govern::Access access;
  access.Set(RulesWith({"predict"}));
  Guard guard(&access);
  Asker asker;
  HttpPeer peer{7, "billing"};
  EXPECT_EQ(guard.Check("", "", peer, Need::kExplain, &asker), Guard::Verdict::kIn);
  EXPECT_EQ(asker.name, "cert:billing");
  EXPECT_EQ(guard.Check("", "", peer, Need::kPredict, &asker), Guard::Verdict::kForbidden);
  peer.certificate = "selling";
  EXPECT_EQ(guard.Check("", "", peer, Need::kExplain, &asker), Guard::Verdict::kIn);
  EXPECT_EQ(asker.name, "cert:selling");
  // A key that is wrong is not made good by a certificate.
  EXPECT_EQ(guard.Check("", "nonsense", peer, Need::kExplain, &asker), Guard::Verdict::kUnknown);
}

}  // namespace
}  // namespace tenon::edge
