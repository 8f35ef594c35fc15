#include "table/expression.h"

#include <cmath>

#include "base/testing.h"

namespace tenon::table {
namespace {

Batch Rows() {
  ColumnBuilder amount(Type::kFloat64), city(Type::kString), good(Type::kBool), at(Type::kTimestamp), visits(Type::kInt64);
  amount.Add(12.5); amount.AddNull(); amount.Add(-3); amount.Add(0);
  city.AddText("Köln"); city.AddText("Bern"); city.AddNull(); city.AddText("");
  good.AddInt(1); good.AddInt(0); good.AddNull(); good.AddInt(1);
  at.AddInt(1709251199250000); at.AddNull(); at.AddInt(-1); at.AddInt(0);  // 2024-02-29T23:59:59.25Z
  visits.AddInt(3); visits.AddInt(0); visits.AddInt(-7); visits.AddNull();
  auto schema = std::make_shared<const Schema>(std::vector<Field>{{"amount", Type::kFloat64},
                                                                  {"city", Type::kString},
                                                                  {"good", Type::kBool},
                                                                  {"at", Type::kTimestamp},
                                                                  {"visits", Type::kInt64}});
  return Batch(schema, {amount.Finish(), city.Finish(), good.Finish(), at.Finish(), visits.Finish()});
}

// The values of the rows as JSON.
Result<std::string> Values(std::string_view text) {
  const Batch rows = Rows();
  TENON_ASSIGN(const Expression expression, Expression::Parse(text, rows.schema()));
  const Column column = expression.Evaluate(rows);
  Json out = Json::MakeArray();
  for (std::int64_t i = 0; i < column.size(); ++i) out.Push(column.ValueAt(i));
  return out.Dump();
}

TEST(ExpressionTest, ComputesRows) {
  struct Case {
    std::string_view text, values;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"1 + 2 * 3", "[7.0,7.0,7.0,7.0]"},
           {"amount / visits", "[4.166666666666667,null,0.42857142857142855,null]"},
           {"NOT good AND amount > 0", "[false,null,false,false]"},
           {"city || '!'", R"(["Köln!","Bern!",null,"!"])"},
           {"LENGTH(city)", "[4.0,4.0,null,0.0]"},
           {"CASE WHEN amount > 0 THEN 'in' WHEN amount < 0 THEN 'out' ELSE '-' END", R"(["in","-","out","-"])"},
           {"CASE city WHEN 'Bern' THEN 1 WHEN 'Köln' THEN 2 END", "[2.0,1.0,null,null]"},
           {"CASE visits WHEN 3 THEN city ELSE 'x' END", R"(["Köln","x","x","x"])"},
           {"amount IN (0, 12.5, NULL)", "[true,null,null,true]"},
           {"YEAR(at) * 100 + MONTH(at)", "[202402.0,null,196912.0,197001.0]"},
       }) {
    ASSERT_OK_AND_ASSIGN(const std::string values, Values(c.text));
    EXPECT_EQ(values, c.values) << c.text;
  }
}

TEST(ExpressionTest, PutsACaretUnderTheMistake) {
  const Schema schema({{"amount", Type::kFloat64}, {"city", Type::kString}});
  const auto wrong = Expression::Parse("1 + amuont * 2", schema);
  ASSERT_CODE(kInvalidArgument, wrong);
  EXPECT_EQ(wrong.error().message(), "no column 'amuont'; did you mean 'amount'?\n  1 + amuont * 2\n      ^");
}

}  // namespace
}  // namespace tenon::table
