#include "frame/problem.h"

#include "base/testing.h"

namespace tenon::frame {
namespace {

table::Schema Of(table::Type type) { return table::Schema({{"y", type}}); }

ProblemSpec Asking(std::string task = "auto", std::string positive = "") {
  ProblemSpec spec;
  spec.label = "y";
  spec.task = std::move(task);
  spec.positive = std::move(positive);
  return spec;
}

TEST(FrameTest, SettlesTheTaskByTheLabelsValues) {
  struct Case {
    std::string name;
    table::Column label;
    table::Type type;
    std::string task;
    std::string positive;
  };
  const std::vector<Case> cases = {
      {"yes and no", table::Column::Of(std::vector<std::string>{"no", "yes", "no"}), table::Type::kString, "binary", "yes"},
      {"the rarer one", table::Column::Of(std::vector<std::string>{"a", "b", "b"}), table::Type::kString, "binary", "a"},
      {"zero and one", table::Column::Of(std::vector<std::int64_t>{0, 1, 1}), table::Type::kInt64, "binary", "1"},
      {"three numbers", table::Column::Of(std::vector<std::int64_t>{10, 2, 1}), table::Type::kInt64, "multiclass", ""},
      {"fractions", table::Column::Of(std::vector<double>{0.5, 1.25}), table::Type::kFloat64, "regression", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ASSERT_OK_AND_ASSIGN(ProblemCard card, Frame(Call(), Asking(), Of(c.type), c.label));
    EXPECT_EQ(card.task, c.task);
    if (!c.positive.empty()) EXPECT_EQ(card.classes[1], c.positive);
    ASSERT_OK_AND_ASSIGN(ProblemCard again, ProblemCard::FromJson(card.ToJson()));
    EXPECT_EQ(again.ToJson(), card.ToJson());
  }
}

TEST(FrameTest, SortsNumericClassesByValue) {
  ASSERT_OK_AND_ASSIGN(ProblemCard card, Frame(Call(), Asking(), Of(table::Type::kInt64),
                                               table::Column::Of(std::vector<std::int64_t>{10, 2, 1})));
  EXPECT_EQ(card.classes, (std::vector<std::string>{"1", "2", "10"}));
  EXPECT_EQ(EncodeLabel(card, table::Column::Of(std::vector<std::int64_t>{10, 1})), (std::vector<double>{2, 0}));
}

TEST(FrameTest, RefusesWhatCannotBeLearnt) {
  const auto one = table::Column::Of(std::vector<std::string>{"a", "a"});
  ASSERT_CODE(kInvalidArgument, Frame(Call(), Asking(), Of(table::Type::kString), one));
  const auto texts = table::Column::Of(std::vector<std::string>{"a", "b"});
  ASSERT_CODE(kInvalidArgument, Frame(Call(), Asking("regression"), Of(table::Type::kString), texts));
  ASSERT_CODE(kInvalidArgument, Frame(Call(), Asking("auto", "c"), Of(table::Type::kString), texts));
  ASSERT_CODE(kNotFound, Frame(Call(), Asking(), table::Schema({{"x", table::Type::kString}}), texts));
}

TEST(FrameTest, ACardThatIsNoneIsRefused) {
  for (const char* text : {R"({"class_rows":["x"]})", R"({"class_rows":[1.5]})", R"({"class_rows":7})"}) {
    SCOPED_TRACE(text);
    ASSERT_OK_AND_ASSIGN(const Json json, Json::Parse(text));
    ASSERT_CODE(kInvalidArgument, ProblemCard::FromJson(json));
  }
}

TEST(FrameTest, ReadsCostsWithUnits) {
  ASSERT_OK_AND_ASSIGN(Json json, Json::ParseYaml("label: {column: y, positive: 1}\n"
                                                  "costs: {false_positive: 4 EUR, false_negative: \"0.8 * amount EUR\"}\n",
                                                  "t.yaml"));
  ASSERT_OK_AND_ASSIGN(ProblemSpec spec, ProblemSpec::Parse(json, "t.yaml"));
  EXPECT_EQ(spec.false_positive, "4");
  EXPECT_EQ(spec.false_negative, "0.8 * amount");
  EXPECT_EQ(spec.cost_unit, "EUR");
  EXPECT_EQ(spec.positive, "1");
}

}  // namespace
}  // namespace tenon::frame
