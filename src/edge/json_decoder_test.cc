#include "edge/json_decoder_internal.h"

#include "base/testing.h"
#include "base/text.h"
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

// What is within objects are columns of their own, as in files of JSON lines.
TEST(JsonDecoder, TakesObjectsWithinARowApart) {
  auto served = std::make_shared<serve::Served>();
  served->fields = {{.name = "age"}, {.name = "home.city", .type = table::Type::kString, .required = false}, {.name = "home.at.floor", .required = false},
                    {.name = "tags", .type = table::Type::kString, .required = false}};
  serve::RowReader reader(*served);
  JsonDecoder decoder;
  std::string said;
  const auto read = [&](const std::string& body) {
    const std::string padded = body + std::string(64, ' ');
    said.clear();
    const bool good = decoder.ReadInstances(std::string_view(padded).substr(0, body.size()), reader, [&] {
      const serve::Row& row = reader.row();
      for (const int text : {1, 3}) said += Str(row.texts[static_cast<std::size_t>(text)].data() == nullptr ? "-" : row.texts[static_cast<std::size_t>(text)], "|");
      said += Str(row.numbers[0], "|", row.numbers[2], ";");
    });
    for (const serve::FieldError& error : reader.errors()) said += Str(error.field, ": ", error.problem.substr(0, error.problem.find(';')), ";");
    return good ? said : std::string(decoder.problem());
  };
  EXPECT_EQ(read(R"({"instances":[{"home":{"city":"Bern","at":{"floor":3}},"age":4}]})"), "Bern|-|4|3;");
  EXPECT_EQ(read(R"({"instances":[{"age":4,"home.city":"Bern","home":{"at":{"floor":3}}}]})"), "Bern|-|4|3;");
  EXPECT_EQ(read(R"({"instances":[{"age":4,"home":{"at.floor":3}}]})"), "-|-|4|3;");
  EXPECT_EQ(read(R"({"instances":[{"age":4,"home":null},{"age":5,"home":{"at":null,"city":null}}]})"), "-|-|4|NaN;-|-|5|NaN;");
  EXPECT_EQ(read(R"({"instances":[{"age":4,"tags":["a", 1.50, {"b" : null}]}]})"), "tags: expected a string, got a list;");
  EXPECT_EQ(read(R"({"instances":[{"age":4,"home":{"town":"Bern"}}]})"), "home.town: unknown field;");
  EXPECT_EQ(read(R"({"instances":[{"age":4,"house":{"city":"Bern"}}]})"), "house: unknown field;");
  EXPECT_EQ(read(R"({"instances":[{"age":4,"home":"Bern"}]})"), "home: unknown field;");
  EXPECT_EQ(read(R"({"instances":[{"age":4,"home":{"city":"Bern"},"home.city":"Thun"}]})"), "home.city: given twice;");
}

}  // namespace
}  // namespace tenon::edge
