#include "edge/json_decoder_internal.h"

#include "base/testing.h"
#include "serve/testing.h"

namespace tenon::edge {
namespace {

// Bodies that broke a rule of JSON in a way that was let through, or ended the request with an exception.
TEST(JsonDecoder, RefusesWhatIsNearlyJson) {
  struct Case {
    const char* name;
    std::string body;
  };
  Kinds<transform::Op> ops;
  ASSERT_OK(transform::AddAll(ops));
  ASSERT_OK_AND_ASSIGN(const auto loan, serve::testing::MakeLoan(ops));
  serve::RowReader reader(*loan);
  JsonDecoder decoder;
  const auto read = [&](const std::string& body) {
    const std::string padded = body + std::string(64, ' ');
    return decoder.ReadInstances(std::string_view(padded).substr(0, body.size()), reader, [] {});
  };
  ASSERT_TRUE(read(R"({"instances":[[30,null,null,null]]})")) << decoder.problem();
  for (const Case& each : {Case{"null, a form feed, null: threw", "{\"instances\":[[30,null,null\fnull]]}"},
                           Case{"null and a letter", R"({"instances":[[30,null,nullx,null]]})"},
                           Case{"in a field that nobody knows", "{\"instances\":[{\"age\":30,\"what\":null\fnull}]}"}}) {
    SCOPED_TRACE(each.name);
    EXPECT_FALSE(read(each.body));
    EXPECT_NE(decoder.problem().find("not JSON"), std::string::npos) << decoder.problem();
  }
}

}  // namespace
}  // namespace tenon::edge
