#include "table/expression.h"

#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "base/testing.h"
#include "base/text.h"

namespace tenon::table {
namespace {

Batch Rows() {
  ColumnBuilder amount(Type::kFloat64), city(Type::kString), good(Type::kBool), at(Type::kTimestamp), visits(Type::kInt64);
  amount.Add(12.5); amount.AddNull(); amount.Add(-3); amount.Add(std::numeric_limits<double>::quiet_NaN());
  city.AddText("Köln"); city.AddText("Bern"); city.AddNull(); city.AddText("");
  good.AddInt(1); good.AddInt(0); good.AddNull(); good.AddInt(1);
  at.AddInt(1709251199250000); at.AddNull(); at.AddInt(-1); at.AddInt(0);  // 2024-02-29T23:59:59.25Z
  visits.AddInt(3); visits.AddInt(0); visits.AddInt(-7); visits.AddNull();
  auto schema = std::make_shared<const Schema>(std::vector<Field>{{"amount", Type::kFloat64},
                                                                  {"city", Type::kString},
                                                                  {"good", Type::kBool},
                                                                  {"at", Type::kTimestamp},
                                                                  {"visits", Type::kInt64},
                                                                  {"net amount", Type::kInt64},
                                                                  {"vector", Type::kEmbedding, 2}});
  ColumnBuilder vectors(Type::kEmbedding, 2);
  for (int i = 0; i < 4; ++i) vectors.AddNull();
  return Batch(schema, {amount.Finish(), city.Finish(), good.Finish(), at.Finish(), visits.Finish(),
                        Column::Of(std::vector<std::int64_t>{1, 2, 3, 4}), vectors.Finish()});
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
           {"visits / visits", "[1.0,null,1.0,null]"},
           {"NOT good AND amount > 0", "[false,null,false,false]"},
           {"good OR amount > 0", "[true,null,null,true]"},
           {"amount IS NULL", "[false,true,false,true]"},
           {"city IS NOT NULL", "[true,true,false,true]"},
           {"city || '!'", R"(["Köln!","Bern!",null,"!"])"},
           {"CONCAT(city, city)", R"(["KölnKöln","BernBern","",""])"},
           {"LENGTH(city)", "[4.0,4.0,null,0.0]"},
           {"REGEXP_MATCHES(city, '^[A-Z].+n$')", "[true,true,null,false]"},
           {"REGEXP_FULL_MATCH(city, 'er|(?:)')", "[false,false,null,true]"},
           {"CASE WHEN amount > 0 THEN 'in' WHEN amount < 0 THEN 'out' ELSE '-' END", R"(["in","-","out","-"])"},
           {"CASE city WHEN 'Bern' THEN 1 WHEN 'Köln' THEN 2 END", "[2.0,1.0,null,null]"},
           {"CASE visits WHEN 3 THEN city ELSE 'x' END", R"(["Köln","x","x","x"])"},
           {"amount IN (0, 12.5, NULL)", "[true,null,null,null]"},
           {"city IN ('Bern', city)", "[true,true,null,true]"},
           {"city BETWEEN 'A' AND 'C'", "[false,true,null,false]"},
           {"NOT good", "[false,true,null,false]"},
           {"YEAR(at) * 100 + MONTH(at)", "[202402.0,null,196912.0,197001.0]"},
           {"at > '2000-01-01'", "[true,null,false,false]"},
           {"at + 0.75", R"(["2024-03-01T00:00:00Z",null,"1970-01-01T00:00:00.749999Z","1970-01-01T00:00:00.75Z"])"},
           {"at - TIMESTAMP '1970-01-01'", "[1709251199.25,null,-1e-06,0.0]"},
           {"HOUR(at)", "[23.0,null,23.0,0.0]"},
           {"\"net amount\" % 2 = 0", "[false,true,false,true]"},
           {"LOWER(UPPER(city))", R"(["köln","bern",null,""])"},
           {"COALESCE(NULLIF(city, ''), 'none')", R"(["Köln","Bern","none","none"])"},
           {"NULL", "[null,null,null,null]"},
           {"CASE WHEN good THEN NULL ELSE city END", R"([null,"Bern",null,null])"},
           {"COALESCE(NULL, NULL) || 'x'", "[null,null,null,null]"},
           {"- - visits", "[3.0,0.0,-7.0,null]"},
           {"1 + -- 2", "[3.0,3.0,3.0,3.0]"},
       }) {
    const auto values = Values(c.text);
    EXPECT_EQ(values.ok() ? *values : "error", c.values) << c.text << (values.ok() ? "" : values.error().ToString());
  }
}

TEST(ExpressionTest, HasTypesAndInputs) {
  const Batch rows = Rows();
  ASSERT_OK_AND_ASSIGN(const Expression expression, Expression::Parse("city = 'x' OR amount < visits AND amount > 0", rows.schema()));
  EXPECT_EQ(expression.type(), Type::kBool);
  EXPECT_EQ(expression.inputs(), (std::vector<std::string>{"city", "amount", "visits"}));
  EXPECT_EQ(expression.text(), "city = 'x' OR amount < visits AND amount > 0");
  ASSERT_OK_AND_ASSIGN(const Expression time, Expression::Parse("CASE WHEN good THEN at ELSE '2024-01-01' END", rows.schema()));
  EXPECT_EQ(time.type(), Type::kTimestamp);
  ASSERT_OK_AND_ASSIGN(const Expression constant, Expression::Parse("1", Schema()));
  EXPECT_TRUE(constant.inputs().empty());
}

TEST(ExpressionTest, PutsACaretUnderTheMistake) {
  struct Case {
    std::string text, message;
    int column;  // of the caret, from 0
  };
  const Schema schema = Rows().schema();
  for (const Case& c : std::initializer_list<Case>{
           {"", "the expression is empty", 0},
           {"1 + amuont * 2", "no column 'amuont'; did you mean 'amount'?", 4},
           {"'ö' = citi", "no column 'citi'; did you mean 'city'?", 6},
           {"REGEXP_MATCHES(city, city)", "the pattern of REGEXP_MATCHES is written out as a text, such as '[A-Z]+'", 21},
           {"REGEXP_MATCHES(city, '(a')", "the pattern '(a': a ')' is missing at character 3", 21},
           {"1 + FLOR(2)", "no function FLOR; did you mean FLOOR?", 4},
           {"amount + city", "'+' takes a number, and this is a text", 9},
           {"good * 2", "'*' takes a number, and this is a truth value; write CASE WHEN .. THEN 1 ELSE 0 END", 0},
           {"amount AND good", "AND takes a truth value, and this is a number; write for example .. <> 0", 0},
           {"city = 3", "'=' takes values of one type: this is a number, and another is a text", 7},
           {"vector", "column 'vector' is an embedding, which expressions cannot compute with", 0},
           {"amount < 1 < 2", "comparisons do not chain; write a < b AND b < c, or put brackets", 11},
           {"SUBSTR(city)", "SUBSTR has 1 argument here; it is used as SUBSTR(text, position [, count])", 0},
           {"amount IN 3", "expected '(' after IN, not '3'", 10},
           {"CASE WHEN good 1 END", "expected THEN after the condition of WHEN, not '1'", 15},
           {"(1 + 2", "expected ')' to close the bracket, not the end", 6},
           {"1 2", "expected an operator or the end, not '2'", 2},
           {"1 + ", "expected a value, not the end", 4},
           {"'open", "this text has no closing quote (')", 0},
           {"1 ? 2", "'?' has no meaning here", 2},
           {"at > 'soon'", "'soon' is not a timestamp; write for example '2024-02-29 12:30:00'", 5},
           {"case > 1", "expected a value, not '>'", 5},
           {"CASE good > 1", "'>' takes values of one type: this is a number, and another is a truth value", 12},
           {"CASE good END", "expected WHEN, not 'END'", 10},
           {"amount > then", "expected a value, not THEN; a column of this name is written \"then\"", 9},
           {"1e999", "'1e999' is no number of 64 bits", 0},
           {"12abc", "a number runs into a name; put an operator between them, or the name in double quotes", 2},
       }) {
    const auto wrong = Expression::Parse(c.text, schema);
    ASSERT_CODE(kInvalidArgument, wrong);
    EXPECT_EQ(wrong.error().message(), Str(c.message, "\n  ", c.text, "\n  ", std::string(static_cast<std::size_t>(c.column), ' '), "^"));
  }
  const auto lines = Expression::Parse("amount +\n  citi\n  + 1", schema);
  ASSERT_CODE(kInvalidArgument, lines);
  EXPECT_EQ(lines.error().message(), "no column 'citi'; did you mean 'city'?\n    citi\n    ^");
  ASSERT_CODE(kInvalidArgument, Expression::Parse("'\xff'", schema));
}

TEST(ExpressionTest, RefusesWhatWouldExhaustTheStack) {
  const Schema schema({{"a", Type::kFloat64}});
  const auto repeat = [](std::string_view text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
  };
  ASSERT_OK(Expression::Parse("a" + repeat(" + a", 200), schema));
  ASSERT_CODE(kInvalidArgument, Expression::Parse("a" + repeat(" + a", 100'000), schema));
  ASSERT_CODE(kInvalidArgument, Expression::Parse(repeat("(", 100'000), schema));
  ASSERT_CODE(kInvalidArgument, Expression::Parse(repeat("- ", 100'000) + "a", schema));
  ASSERT_CODE(kInvalidArgument, Expression::Parse(repeat("NOT ", 100'000) + "TRUE", schema));
  ASSERT_CODE(kInvalidArgument, Expression::Parse(repeat("CASE ", 100'000), schema));
  ASSERT_CODE(kInvalidArgument, Expression::Parse(repeat("ABS(", 100'000), schema));
}

// Rows alone, in a batch that spans several blocks, and from dictionary-coded texts: the same bits.
TEST(ExpressionTest, ARowAndABatchGiveTheSameBits) {
  constexpr int kRows = 700;
  ColumnBuilder a(Type::kFloat64), b(Type::kFloat64), s(Type::kString);
  std::vector<double> a_lane, b_lane;
  std::vector<std::int32_t> codes;
  const auto words = std::make_shared<const Dictionary>(Dictionary{"", "Köln", "a much longer text than any small buffer"});
  std::vector<std::uint64_t> valid((kRows + 63) / 64);
  for (int i = 0; i < kRows; ++i) {
    const double value = std::sin(i) * 1000;
    i % 7 == 0 ? a.AddNull() : a.Add(value);
    b.Add(i % 11 == 0 ? 0 : value / 3);
    a_lane.push_back(i % 7 == 0 ? std::numeric_limits<double>::quiet_NaN() : value);
    b_lane.push_back(i % 11 == 0 ? 0 : value / 3);
    codes.push_back(i % 3);
    i % 5 == 0 ? s.AddNull() : s.AddText((*words)[static_cast<std::size_t>(i % 3)]);
    if (i % 5 != 0) valid[static_cast<std::size_t>(i / 64)] |= 1ULL << (i % 64);
  }
  auto schema = std::make_shared<const Schema>(std::vector<Field>{{"a", Type::kFloat64}, {"b", Type::kFloat64}, {"s", Type::kString}});
  const Column plain = s.Finish();
  const Batch batch(schema, {a.Finish(), b.Finish(), plain});
  const Batch coded(schema, {batch.column(0), batch.column(1), Column::Coded(codes.data(), words, kRows, valid.data(), words)});
  for (const std::string_view text : {"a / b + LN(a) * POW(b, 3)", "CASE WHEN a > b THEN SQRT(a) ELSE -a % 7 END", "a > 0 AND b > 0",
                                      "ROUND(a, 2) IN (b, a)", "LENGTH(s) * a"}) {
    ASSERT_OK_AND_ASSIGN(const Expression expression, Expression::Parse(text, *schema));
    const Column whole = expression.Evaluate(batch);
    const Column whole_coded = expression.Evaluate(coded);
    for (int i = 0; i < kRows; ++i) {
      const std::string_view s_lane = plain.IsNull(i) ? std::string_view() : plain.Text(i);
      std::vector<const double*> numbers;
      std::vector<const std::string_view*> texts;
      for (const std::string& name : expression.inputs()) {
        numbers.push_back(name == "a" ? &a_lane[static_cast<std::size_t>(i)] : name == "b" ? &b_lane[static_cast<std::size_t>(i)] : nullptr);
        texts.push_back(name == "s" ? &s_lane : nullptr);
      }
      double alone = 0;
      std::vector<std::string> scratch;
      expression.Evaluate(numbers, texts, 1, &alone, nullptr, &scratch);
      const double in_batch = whole.Number(i);
      const double in_coded = whole_coded.Number(i);
      ASSERT_EQ(std::memcmp(&alone, &in_batch, sizeof alone), 0) << text << " row " << i;
      ASSERT_EQ(std::memcmp(&alone, &in_coded, sizeof alone), 0) << text << " row " << i;
    }
  }
  ASSERT_OK_AND_ASSIGN(const Expression made, Expression::Parse("UPPER(s) || REPLACE(s, 'a', '<a>') || 'x'", *schema));
  const Column whole = made.Evaluate(batch);
  for (int i = 0; i < kRows; ++i) {
    const Column alone = made.Evaluate(batch.Slice(i, 1));
    ASSERT_EQ(alone.ValueAt(0), whole.ValueAt(i)) << i;
  }
}

TEST(ExpressionTest, TheLastTimesOfAllStayTheLast) {
  const auto schema = std::make_shared<const Schema>(std::vector<Field>{{"at", Type::kTimestamp}});
  constexpr std::int64_t kEnds[] = {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()};
  const Batch rows(schema, {Column::Of(std::vector<std::int64_t>(std::begin(kEnds), std::end(kEnds)), Type::kTimestamp)});
  ASSERT_OK_AND_ASSIGN(const Expression expression, Expression::Parse("at", *schema));
  const Column column = expression.Evaluate(rows);
  EXPECT_EQ(column.ints()[0], kEnds[0]);
  EXPECT_EQ(column.ints()[1], kEnds[1]);
}

// Every example of the reference: | `expression` | `JSON` | ... |
TEST(ExpressionTest, TheReferenceIsTrue) {
  std::ifstream file("docs/reference/expressions.md");
  if (!file) GTEST_SKIP() << "docs/reference/expressions.md is not below the current folder";
  int examples = 0;
  for (std::string line; std::getline(file, line);) {
    for (std::size_t at = line.find("\\|"); at != std::string::npos; at = line.find("\\|")) line.erase(at, 1);
    const std::size_t middle = line.find("` | `");
    const std::size_t end = line.find("` |", middle == std::string::npos ? 0 : middle + 5);
    if (!line.starts_with("| `") || middle == std::string::npos || end == std::string::npos) continue;
    const std::string text = line.substr(3, middle - 3);
    const std::string expected = line.substr(middle + 5, end - middle - 5);
    if (!expected.empty() && (std::isalpha(static_cast<unsigned char>(expected[0])) != 0) && expected != "null" &&
        expected != "true" && expected != "false") {
      continue;
    }
    SCOPED_TRACE(text);
    ASSERT_OK_AND_ASSIGN(const Expression expression, Expression::Parse(text, Schema()));
    const auto schema = std::make_shared<const Schema>(std::vector<Field>{{"one", Type::kFloat64}});
    const Column value = expression.Evaluate(Batch(schema, {Column::Of(std::vector<double>{1})}));
    ASSERT_OK_AND_ASSIGN(const Json json, Json::Parse(expected));
    const Json got = value.ValueAt(0);
    EXPECT_TRUE(got == json || (got.is_number() && json.is_number() && got.Number() == json.Number())) << got.Dump();
    ++examples;
  }
  EXPECT_GE(examples, 50);
}

}  // namespace
}  // namespace tenon::table
