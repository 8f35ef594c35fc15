#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/testing.h"
#include "base/text.h"
#include "ingest/read.h"

namespace tenon::ingest {
namespace {

class Folder : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = Str(::testing::TempDir(), "/tenon-ingest-", ::getpid(), "-", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
    ASSERT_OK(AddAll(kinds_));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Put(const std::string& name, std::string_view bytes) { std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes; }

  Result<table::Batch> ReadFile(const std::string& name, std::string_view bytes, const std::string& options = "") {
    Put(name, bytes);
    return ReadYaml(Str("{read: ", name, options.empty() ? "" : ", ", options, "}"));
  }
  Result<table::Batch> ReadYaml(const std::string& yaml) {
    TENON_ASSIGN(const Json json, Json::ParseYaml(yaml, "test.yaml"));
    TENON_ASSIGN(const SourceSpec spec, SourceSpec::Parse(json, folder_, "test.yaml"));
    TENON_ASSIGN(auto rows, Read(Call(), spec, kinds_));
    return table::ReadAll(Call(), *rows);
  }
  static std::string Types(const table::Batch& batch) {
    std::string out;
    for (const table::Field& field : batch.schema().fields()) out += Str(out.empty() ? "" : " ", field.name, ":", table::NameOf(field.type));
    return out;
  }
  static std::string Show(const table::Batch& batch) {
    std::string out;
    for (std::int64_t i = 0; i < batch.rows(); ++i) {
      for (int c = 0; c < batch.columns(); ++c) out += Str(c > 0 ? "|" : i > 0 ? " / " : "", batch.column(c).ValueAt(i).Dump());
    }
    return out;
  }

  std::string folder_;
  Kinds<Reader> kinds_;
};

// A form of numbers that comes after the rows by which it is guessed is told, with where and what to write.
TEST_F(Folder, NumbersInAnotherFormThanTheFirstRowsAreTold) {
  std::string points = "a;b\n", commas = points, quoted = "a,b\n";
  for (int i = 0; i < 300; ++i) {
    points += Str(i, ".5;x\n");
    commas += Str(i, ",5;x\n");
    quoted += Str(i, ",x\n");
  }
  const auto told = [&](const std::string& text, const std::string& options = "") {
    const auto read = ReadFile("late.csv", text, options);
    return read.ok() ? Types(*read) : std::string(read.error().message());
  };
  const std::string late = told(points + "1.234,5;x\n");
  for (const char* part : {"late.csv:302: column 'a': '1.234,5'", "`decimal: \",\"` and `thousands: \".\"`", "types: {a: string}"}) EXPECT_NE(late.find(part), std::string::npos) << late;
  EXPECT_NE(told(commas + "1234.5;x\n").find("late.csv:302: column 'a': '1234.5'"), std::string::npos) << told(commas + "1234.5;x\n");
  EXPECT_NE(told(quoted + "\"1,234.50\",x\n").find("late.csv:302: column 'a': '1,234.50'"), std::string::npos);
  EXPECT_NE(told(points + "1.234,5;x\n", "types: {a: float64}").find("it would be a number with `decimal:"), std::string::npos);
  EXPECT_NE(told("a;b\n1,5;1.5\n2,5;2.5\n").find("late.csv:2: column 'a': '1,5' is a number in another form"), std::string::npos);  // neither is sure
  // What was said holds, and so do columns that have other texts, and values of which nobody can be sure.
  EXPECT_EQ(told(points + "1.234,5;x\n", "types: {a: string}"), "a:string b:string");
  EXPECT_EQ(told(points + "1.234,5;x\n", "decimal: '.'"), "a:string b:string");
  EXPECT_EQ(told(points + "1.234,5;x\nten;y\n"), "a:string b:string");
  EXPECT_EQ(told(points + "1,234;x\n"), "a:string b:string");
  EXPECT_EQ(told(quoted + "\"1,5\",x\n"), "a:string b:string");
}

TEST_F(Folder, ReadsWhatIsFound) {
  struct Case {
    const char* name;
    std::string_view bytes;
    const char* options;
    const char* types;
    const char* rows;
  };
  for (const Case& c : std::vector<Case>{
           {"plain", "a,b\n1,x\n2,y\n", "", "a:int64 b:string", R"(1|"x" / 2|"y")"},
           {"no line end at the end", "a,b\n1,x\n2,y", "", "a:int64 b:string", R"(1|"x" / 2|"y")"},
           {"line ends of Windows", "a,b\r\n1,x\r\n2,y\r\n", "", "a:int64 b:string", R"(1|"x" / 2|"y")"},
           {"line ends of three kinds", "a,b\n1,x\r\n2,y\r3,z", "", "a:int64 b:string", R"(1|"x" / 2|"y" / 3|"z")"},
           {"byte order mark", "\xEF\xBB\xBF" "a,b\n1,x\n", "", "a:int64 b:string", R"(1|"x")"},
           {"decimal commas", "a;b\n1,5;x\n2,5;y\n", "", "a:float64 b:string", R"(1.5|"x" / 2.5|"y")"},
           {"decimal commas and points between thousands", "a;b\n1.234.567,5;1.234\n-2,25;-17\n", "", "a:float64 b:int64", "1234567.5|1234 / -2.25|-17"},
           {"what may be thousands tells nothing", "a;b\n1,234;x\n", "", "a:string b:string", R"("1,234"|"x")"},
           {"commas between thousands", "a,b\n\"1,234.50\",\"2,000\"\n12,3\n", "", "a:float64 b:int64", "1234.5|2000 / 12.0|3"},
           {"thousands as declared", "a;b\n1 234;x\n12;y\n", "thousands: ' '", "a:int64 b:string", R"(1234|"x" / 12|"y")"},
           {"groups are of three", "a;b\n1,234;1,23\n12,345;4\n", "thousands: ','", "a:int64 b:string", R"(1234|"1,23" / 12345|"4")"},
           {"decimal commas as declared, where points are none", "a;b\n1,5;1.5\n2;1,5\n", "decimal: ','", "a:float64 b:string", R"(1.5|"1.5" / 2.0|"1,5")"},
           {"decimal commas of a given type", "a;b\n1,500;x\n2,500;y\n", "decimal: ',', types: {a: float64}", "a:float64 b:string", R"(1.5|"x" / 2.5|"y")"},
           {"a list is no number", "a;b\n1,2,3;1,5\n4;2\n", "", "a:string b:float64", R"("1,2,3"|1.5 / "4"|2.0)"},
           {"backslashes before quotes", "a,b\n1,\"x \\\"y\\\", z\"\n2,\"\\\\\"\n", "", "a:int64 b:string", R"(1|"x \"y\", z" / 2|"\\")"},
           {"backslashes as declared", "a,b\n1,x\\,y\n2,\\N\n", "escape: \"\\\\\"", "a:int64 b:string", R"(1|"x,y" / 2|null)"},
           {"backslashes are ordinary otherwise", "a,b\n1,C:\\x\n2,\"C:\\y\"\n", "", "a:int64 b:string", R"(1|"C:\\x" / 2|"C:\\y")"},
           {"tabs", "a\tb\n1\tx y\n", "", "a:int64 b:string", R"(1|"x y")"},
           {"bars", "a|b\n1|x,y\n", "", "a:int64 b:string", R"(1|"x,y")"},
           {"runs of blanks", "  1  2.5 \n 3   4\n", "format: csv, separator: blanks, columns: [a, b]", "a:int64 b:float64", "1|2.5 / 3|4.0"},
           {"quotes", "a,b\n1,\"x, \"\"y\"\"\n z\"\n", "", "a:int64 b:string", R"(1|"x, \"y\"\n z")"},
           {"blanks around quotes", "a, \"b\" ,c\n1, \"x, y\" ,2\n", "", "a:int64 b:string c:int64", R"(1|"x, y"|2)"},
           {"quoted numbers", "\"a\",\"b\"\n\"1\",\"2.5\"\n", "", "a:int64 b:float64", "1|2.5"},
           {"quoting off", "a\tb\n1\t\"x\n2\ty\"\n", "quote: ''", "a:int64 b:string", R"(1|"\"x" / 2|"y\"")"},
           {"comments and empty lines", "# made by hand\na,b\n\n1,2\n # more\n3,4\n", "comment: '#'", "a:int64 b:int64", "1|2 / 3|4"},
           {"blanks around values", "a,b,c\n 1 , 2.5 , x y \n", "", "a:int64 b:float64 c:string", R"(1|2.5|"x y")"},
           {"missing words", "a,b,c\n1, ?,x\n,2,NA\nNaN,3,y\n", "", "a:int64 b:int64 c:string", R"(1|null|"x" / null|2|null / null|3|"y")"},
           {"own missing words", "a,b\n1,NA\n-9,x\n", "missing: [-9]", "a:int64 b:string", R"(1|"NA" / null|"x")"},
           {"codes keep their zeros", "a,b\n007,1\n1,0\n", "", "a:string b:int64", R"("007"|1 / "1"|0)"},
           {"0.5 and 0 are numbers", "a,b\n0.5,0\n-0.5,10\n", "", "a:float64 b:int64", "0.5|0 / -0.5|10"},
           {"digits beyond 64 bits", "a,b\n12345678901234567890,1\n1,2\n", "", "a:string b:int64", R"("12345678901234567890"|1 / "1"|2)"},
           {"plus and exponents", "a,b\n+5,1e3\n6,-2.5E-1\n", "", "a:int64 b:float64", "5|1000.0 / 6|-0.25"},
           {"truth", "a,b\ntrue,FALSE\nFalse,TRUE\n", "", "a:bool b:bool", "true|false / false|true"},
           {"truth and numbers", "a,b\ntrue,1\n0,2\n", "", "a:string b:int64", R"("true"|1 / "0"|2)"},
           {"times", "a,b\n2024-02-29,2024-02-29 23:59:59\n2024-03-01,\n", "", "a:timestamp b:timestamp",
            R"("2024-02-29T00:00:00Z"|"2024-02-29T23:59:59Z" / "2024-03-01T00:00:00Z"|null)"},
           {"no day of that name", "a,b\n2023-02-29,1\n", "header: true", "a:string b:int64", R"("2023-02-29"|1)"},
           {"nothing but missing", "a,b\n1,\n2,NA\n", "", "a:int64 b:string", "1|null / 2|null"},
           {"types said", "a,b\n1,2\n", "types: {a: string, b: float64}", "a:string b:float64", R"("1"|2.0)"},
           {"renamed", "a,b\n1,2\n", "columns: [x, y]", "x:int64 y:int64", "1|2"},
           {"named", "1,x\n2,y\n", "columns: [n, t]", "n:int64 t:string", R"(1|"x" / 2|"y")"},
           {"header said", "x,y\nx,z\n", "header: true", "x:string y:string", R"("x"|"z")"},
           {"no header said", "x,y\nx,z\n", "header: false, columns: [a, b]", "a:string b:string", R"("x"|"y" / "x"|"z")"},
           {"a line before the header", "Report of May\na,b\n1,2\n", "skip: 1", "a:int64 b:int64", "1|2"},
           {"header only", "a,b\n", "header: true", "a:string b:string", ""},
           {"one column", "a\n1\n2\n", "", "a:int64", "1 / 2"},
           {"Latin-1", "a,b\n1,caf\xE9\n", "encoding: latin-1", "a:int64 b:string", "1|\"caf\xC3\xA9\""},
           {"Windows-1252", "a,b\n1,5 \x80\n", "encoding: windows-1252", "a:int64 b:string", "1|\"5 \xE2\x82\xAC\""},
           {"UTF-16", std::string_view("\xFF\xFE" "a\0,\0b\0\n\0" "1\0,\0\xE9\0\n\0", 18), "", "a:int64 b:string", "1|\"\xC3\xA9\""},
           {"UTF-16 without a mark", std::string_view("\0a\0,\0b\0\n\0" "1\0,\0x\0\n", 16), "", "a:int64 b:string", R"(1|"x")"}}) {
    SCOPED_TRACE(c.name);
    ASSERT_OK_AND_ASSIGN(table::Batch batch, ReadFile("t.csv", c.bytes, c.options));
    EXPECT_EQ(Types(batch), c.types);
    EXPECT_EQ(Show(batch), c.rows);
  }
}

TEST_F(Folder, SaysWhatIsWrongAndWhere) {
  struct Case {
    std::string_view bytes;
    const char* options;
    std::vector<const char*> said;
  };
  for (const Case& c : std::vector<Case>{
           {"a,b\n1,\"x\ny\"\n2,3,4\n", "", {"t.csv:4: 3 values, but 2 columns", "'4'"}},
           {"a,b\n1\n", "separator: ','", {"t.csv:2: 1 value, but 2 columns"}},
           {"a,b\n1,\"x\n", "", {"t.csv:2", "never closed", "quote"}},
           {"a,b\n1,\"x\"y\n", "", {"t.csv:2", "'y'", "stands behind the quote"}},
           {"", "", {"t.csv", "empty"}},
           {" \n\n", "", {"empty"}},
           {"a,a\n1,2\n", "", {"columns 1 and 2 are both named 'a'"}},
           {"a,,c\n1,2,3\n", "", {"column 2 of 3 has no name", "columns: [...]"}},
           {"1,2\n3,4\n", "", {"no names", "1, 2", "2 columns"}},
           {"1,2\n3,4\n", "columns: [a, b, c]", {"`columns` names 3 columns, but a row has 2 values"}},
           {"a,b\n1,2\n", "columns: [x]", {"names 1 columns", "2"}},
           {"a,b\n1,caf\xE9\n", "", {"t.csv:2: not UTF-8", "latin-1"}},
           {std::string_view("a,b\n1,x\0y\n", 10), "", {"t.csv:2: holds a zero byte"}},
           {std::string_view("\xFF\xFE" "a\0,\0b\0\n\0" "1\0,\0\0\0\n\0", 18), "", {"t.csv:2: holds a zero byte"}},
           {"a,b\n1,x\n", "types: {b: int64}", {"t.csv:2: column 'b': 'x' is no int64"}},
           {"a,b\n1,x\n", "types: {c: int64}", {"no column 'c'"}},
           {"a,b\n1,x\n", "types: {a: int}", {"types", "no type 'int'", "int64"}},
           {"a,b\n1,x\n", "seperator: ';'", {"seperator", "did you mean 'separator'"}},
           {"a,b\n1,x\n", "colums: [a]", {"test.yaml:1", "colums", "did you mean 'columns'"}},
           {"a,b\n1,x\n", "separator: ';;'", {"separator", "';;'"}},
           {"a,b\n1,x\n", "key: c", {"key: no column 'c'"}},
           {"a,b\n1,x\n", "encoding: utf8", {"encoding", "utf-8"}},
           {"a,b\n1,x\n", "format: cvs", {"no kind 'cvs'", "there are: arff, arrow, csv"}}}) {
    SCOPED_TRACE(Str(c.bytes, " ", c.options));
    auto batch = ReadFile("t.csv", c.bytes, c.options);
    ASSERT_FALSE(batch.ok()) << Show(*batch);
    for (const char* said : c.said) EXPECT_NE(batch.error().ForPeople().find(said), std::string::npos) << batch.error().ForPeople();
  }
  ASSERT_CODE(kNotFound, ReadYaml("read: none.csv"));
  ASSERT_CODE(kNotFound, ReadYaml("read: none-*.csv"));
}

TEST_F(Folder, TypesAreThoseOfAllRows) {
  std::string bytes = "a,b\n";
  for (int i = 0; i < 200000; ++i) bytes += Str(i, ",", i % 10, "\n");
  bytes += "abc,10\n";
  ASSERT_OK_AND_ASSIGN(table::Batch batch, ReadFile("t.csv", bytes));
  EXPECT_EQ(Types(batch), "a:string b:int64");
  EXPECT_EQ(batch.rows(), 200001);
  EXPECT_EQ(batch.column(0).Text(200000), "abc");
  EXPECT_FALSE(batch.column(0).coded());
}

TEST_F(Folder, FewTextsShareOneDictionary) {
  std::string bytes = "a,b\n";
  for (int i = 0; i < 150000; ++i) bytes += Str(i < 70000 ? Str(i % 100) : Str("x", i % 3), ",", i % 3 == 0 ? "" : i % 2 == 0 ? "even" : "odd", "\n");
  Put("t.csv", bytes);
  ASSERT_OK_AND_ASSIGN(SourceSpec spec, SourceSpec::Parse(Json("t.csv"), folder_, ""));
  ASSERT_OK_AND_ASSIGN(auto rows, Read(Call(), spec, kinds_));
  std::int64_t count = 0;
  std::shared_ptr<const table::Dictionary> first[2];
  while (true) {
    ASSERT_OK_AND_ASSIGN(auto batch, rows->Next(Call()));
    if (!batch) break;
    EXPECT_LE(batch->rows(), 65536);
    for (int c = 0; c < 2; ++c) {
      ASSERT_TRUE(batch->column(c).coded());
      if (count == 0) first[c] = batch->column(c).dictionary();
      EXPECT_EQ(batch->column(c).dictionary(), first[c]);
    }
    for (std::int64_t i = 0; i < batch->rows(); i += 97) {
      const std::int64_t n = count + i;
      EXPECT_EQ(batch->column(0).Text(i), n < 70000 ? Str(n % 100) : Str("x", n % 3));
      EXPECT_EQ(batch->column(1).IsNull(i), n % 3 == 0);
    }
    count += batch->rows();
  }
  EXPECT_EQ(count, 150000);
  EXPECT_EQ(first[0]->size(), 103u);
  EXPECT_EQ(*first[1], (table::Dictionary{"odd", "even"}));
}

TEST_F(Folder, FilesFollowOneAnother) {
  Put("a-1.csv", "x,y\n1,a\n");
  Put("a-2.csv", "x,y\n2.5,b\n");
  ASSERT_OK_AND_ASSIGN(table::Batch batch, ReadYaml("read: a-*.csv"));
  EXPECT_EQ(Types(batch), "x:float64 y:string");
  EXPECT_EQ(Show(batch), R"(1.0|"a" / 2.5|"b")");
  Put("a-3.csv", "x,z\n3,c\n");
  auto wrong = ReadYaml("read: a-*.csv");
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.error().message().find("a-3.csv:1: other columns (x, z)"), std::string::npos) << wrong.error().message();
}

TEST_F(Folder, JsonRows) {
  ASSERT_OK_AND_ASSIGN(table::Batch lines, ReadFile("t.jsonl", "{\"a\":1,\"b\":\"x\"}\n{\"b\":\"7\",\"c\":{\"d\":[1, 2]},\"a\":2.5}\n\n{\"a\":null,\"t\":\"2024-02-29\",\"f\":true}"));
  EXPECT_EQ(Types(lines), "a:float64 b:string c.d:string t:timestamp f:bool");
  EXPECT_EQ(Show(lines), R"(1.0|"x"|null|null|null / 2.5|"7"|"[1,2]"|null|null / null|null|null|"2024-02-29T00:00:00Z"|true)");
  ASSERT_OK_AND_ASSIGN(table::Batch list, ReadFile("t.json", "[\n {\"a\": 1,\n  \"b\": \"}\\\"{\"},\n {\"a\": 2, \"b\": null}\n]\n"));
  EXPECT_EQ(Show(list), R"(1|"}\"{" / 2|null)");
  for (const auto& [bytes, said] : std::vector<std::pair<const char*, const char*>>{
           {"{\"a\":1}\n{\"a\":\n", "t.json:2"}, {"{\"a\":1}\n[1]", "t.json:2: a row is an object, not '[1]'"}, {"[{\"a\":1}", "t.json:1: the list is not closed"},
           {"{\"a\":1,\"a\":2}", "'a' comes twice"}, {"{\"a\":1}\n{\"a\":tru}", "t.json:2"}, {"", "empty"}, {"[{\"a\":1} {\"a\":2}]", "comma"}}) {
    auto wrong = ReadFile("t.json", bytes);
    ASSERT_FALSE(wrong.ok()) << bytes;
    EXPECT_NE(wrong.error().ForPeople().find(said), std::string::npos) << wrong.error().ForPeople();
  }
}

TEST_F(Folder, JsonWithinJson) {
  Put("t.jsonl", R"({"id":1,"user":null,"none":null}
{"id":2,"user":{"name":"Ann","at":{"city":"Ulm"}},"tags":["x","y"],"none":null}
{"id":3,"user":{"name":"Bo","age":7},"tags":[],"user.b":1}
)");
  ASSERT_OK_AND_ASSIGN(const table::Batch flat, ReadYaml("read: t.jsonl"));
  EXPECT_EQ(Types(flat), "id:int64 user.name:string user.at.city:string tags:string user.age:int64 user.b:int64 none:string");
  EXPECT_EQ(Show(flat), R"(1|null|null|null|null|null|null / 2|"Ann"|"Ulm"|"[\"x\",\"y\"]"|null|null|null / 3|"Bo"|null|"[]"|7|1|null)");
  ASSERT_OK_AND_ASSIGN(const table::Batch paths, ReadYaml("{read: t.jsonl, paths: {city: user.at.city, tag: 'tags[1]', who: user.name}}"));
  EXPECT_EQ(Types(paths), "city:string tag:string who:string id:int64 tags:string user.age:int64 user.b:int64 none:string");
  EXPECT_EQ(Show(paths), R"(null|null|null|1|null|null|null|null / "Ulm"|"y"|"Ann"|2|"[\"x\",\"y\"]"|null|null|null / null|null|"Bo"|3|"[]"|7|1|null)");
  ASSERT_OK_AND_ASSIGN(const table::Batch text, ReadYaml("{read: t.jsonl, nested: text, paths: {age: user.age}}"));
  EXPECT_EQ(Types(text), "age:int64 id:int64 user:string none:string tags:string user.b:int64");
  for (const char* wrong : {"a..b", "a[x]", "[0]", "a[-1]", "a.", "", "a[0"}) {
    auto read = ReadYaml(Str("{read: t.jsonl, paths: {x: '", wrong, "'}}"));
    ASSERT_FALSE(read.ok()) << wrong;
    EXPECT_NE(read.error().message().find("expected keys and places such as"), std::string::npos) << read.error().message();
  }
  std::string many;
  for (int i = 0; i < 5000; ++i) many += Str("{\"by_id\":{\"k", i, "\":1}}\n");
  Put("many.jsonl", many);
  auto read = ReadYaml("read: many.jsonl");
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.error().message().find("many.jsonl:4097: more than 4,096 columns, the last of them 'by_id.k4096'"), std::string::npos) << read.error().message();
  ASSERT_OK(ReadYaml("{read: many.jsonl, nested: text}"));
  Put("twice.jsonl", R"({"a":{"b":1},"a.b":2})");
  EXPECT_NE(ReadYaml("read: twice.jsonl").error().message().find("twice.jsonl:1: 'a.b' comes twice"), std::string::npos);
}

TEST_F(Folder, ArffRows) {
  ASSERT_OK_AND_ASSIGN(table::Batch batch, ReadFile("t.arff", "% c\n@relation t\n@ATTRIBUTE 'a b' numeric\n@attribute c {x, 'y z', NA}\n@attribute d integer\n"
      "@attribute s string\n@attribute t date \"yyyy-MM-dd\"\n@data\n1,'y z',?,\"it''s\",2024-02-29\n% c\n?,NA,3,'a\\'b','2024-03-01'\n"));
  EXPECT_EQ(Types(batch), "a b:float64 c:string d:int64 s:string t:timestamp");
  EXPECT_EQ(Show(batch), R"(1.0|"y z"|null|"it''s"|"2024-02-29T00:00:00Z" / null|"NA"|3|"a'b"|"2024-03-01T00:00:00Z")");
  EXPECT_EQ(batch.column(1).dictionary()->size(), 3u);
  for (const auto& [bytes, said] : std::vector<std::pair<const char*, const char*>>{
           {"@attribute a numeric\n@data\n{0 1}\n", "t.arff:3: sparse"}, {"@attribute a {x}\n@data\ny\n", "t.arff:3: column 'a': 'y' is none of the declared"},
           {"@attribute a numeric\n@data\n1,2\n", "t.arff:3: 2 values, but 1 attributes"}, {"@attribute a relational\n@data\n", "relational"},
           {"@attribute a numeric\n", "no @data"}, {"@attribute a numeric\n@data\nx\n", "'x' is no float64"}, {"x,y\n", "t.arff:1"}}) {
    auto wrong = ReadFile("t.arff", bytes);
    ASSERT_FALSE(wrong.ok()) << bytes;
    EXPECT_NE(wrong.error().ForPeople().find(said), std::string::npos) << wrong.error().ForPeople();
  }
}

TEST_F(Folder, SqlOverTheRows) {
  Put("t.csv", "town,n\nGraz,3\nOslo,1\nGraz,2\n");
  ASSERT_OK_AND_ASSIGN(table::Batch sums, ReadYaml("{read: t.csv, sql: 'select town, sum(n) as n, count(*) > 1 as many from data group by town order by n desc'}"));
  EXPECT_EQ(Types(sums), "town:string n:int64 many:bool");
  EXPECT_EQ(Show(sums), R"("Graz"|5|true / "Oslo"|1|false)");
  for (const char* sql : {"select * from read_csv(''t.csv'')", "selekt", "drop table data", "select nothing from data", "copy data to ''x.csv''",
                          "select 1; select 2", "set threads=1"}) {
    auto wrong = ReadYaml(Str("{read: t.csv, sql: '", sql, "'}"));
    ASSERT_FALSE(wrong.ok()) << sql;
  }
}

TEST_F(Folder, WritesWhatItReads) {
  table::ColumnBuilder a(table::Type::kInt64), b(table::Type::kFloat64), c(table::Type::kString), d(table::Type::kTimestamp), e(table::Type::kBool);
  const std::vector<std::string> texts = {"plain", "a,b", "say \"x\"", "two\nlines", " blank ", "\xC3\xA9"};
  for (int i = 0; i < 6; ++i) {
    i == 1 ? a.AddNull() : a.AddInt(i - 3);
    i == 2 ? b.AddNull() : b.Add(i == 0 ? 0.1 : i == 3 ? static_cast<double>(0.3f) : 1e300 / (i + 1));
    i == 4 ? c.AddNull() : c.AddText(texts[static_cast<std::size_t>(i)]);
    i == 3 ? d.AddNull() : d.AddInt(1'700'000'000'123'456 + i);
    i == 5 ? e.AddNull() : e.AddInt(i % 2);
  }
  const auto schema = std::make_shared<const table::Schema>(std::vector<table::Field>{
      {"a", table::Type::kInt64}, {"b, \"c\"", table::Type::kFloat64}, {"c", table::Type::kString}, {"d", table::Type::kTimestamp}, {"e", table::Type::kBool}});
  const table::Batch batch(schema, {a.Finish(), b.Finish(), c.Finish(), d.Finish(), e.Finish()});
  for (const std::string name : {"t.csv", "t.jsonl", "t.parquet"}) {
    SCOPED_TRACE(name);
    ASSERT_OK_AND_ASSIGN(auto writer, OpenWriter(folder_ + "/" + name, schema));
    ASSERT_OK(writer->Write(Call(), batch.Slice(0, 2)));
    EXPECT_FALSE(std::filesystem::exists(folder_ + "/" + name));
    ASSERT_OK(writer->Write(Call(), batch.Slice(2, 4)));
    ASSERT_OK(writer->Finish());
    ASSERT_OK_AND_ASSIGN(table::Batch again, ReadYaml("read: " + name));
    EXPECT_EQ(Types(again), Types(batch));
    EXPECT_EQ(Show(again), Show(batch));
  }
  {
    ASSERT_OK_AND_ASSIGN(auto dropped, OpenWriter(folder_ + "/u.csv", schema));
    ASSERT_OK(dropped->Write(Call(), batch));
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 3);
  ASSERT_CODE(kInvalidArgument, OpenWriter(folder_ + "/u.xls", schema));
}

TEST_F(Folder, DamagedPacking) {
  ASSERT_CODE(kDataLoss, ReadFile("t.csv.gz", std::string_view("\x1F\x8B\x08\0\0\0\0\0\0\x03xxxx", 14)));
}

TEST_F(Folder, StandardInputIsSpooled) {
  Put("t.jsonl", "{\"a\":1}\n{\"a\":2}\n");
  const int kept = ::dup(0);
  const int file = ::open((folder_ + "/t.jsonl").c_str(), O_RDONLY);
  ASSERT_GE(::dup2(file, 0), 0);
  auto batch = ReadYaml("read: '-'");
  ::dup2(kept, 0);
  ::close(kept);
  ::close(file);
  ASSERT_OK(batch);
  EXPECT_EQ(Show(*batch), "1 / 2");
}

TEST_F(Folder, FormatsAreFoundByTheFirstBytes) {
  for (const auto& [bytes, rows] : std::vector<std::pair<const char*, const char*>>{
           {"a,b\n1,2\n", "1|2"}, {"{\"a\":1,\"b\":2}", "1|2"}, {"[{\"a\":1,\"b\":2}]", "1|2"}, {"@relation r\n@attribute a integer\n@data\n5\n", "5"}}) {
    ASSERT_OK_AND_ASSIGN(table::Batch batch, ReadFile("unnamed", bytes));
    EXPECT_EQ(Show(batch), rows);
  }
}

TEST_F(Folder, StopsWhenAsked) {
  Put("t.csv", "a,b\n1,2\n");
  std::stop_source source;
  Call call;
  call.stop = source.get_token();
  source.request_stop();
  ASSERT_OK_AND_ASSIGN(SourceSpec spec, SourceSpec::Parse(Json("t.csv"), folder_, ""));
  ASSERT_CODE(kCancelled, Read(call, spec, kinds_));
}

TEST(SourceSpecTest, Forms) {
  for (const auto& [yaml, json] : std::vector<std::pair<const char*, const char*>>{
           {"a.csv", R"({"name":"data","read":["a.csv"]})"},
           {"{read: [a.csv, b.csv], separator: ';', missing: ['-'], key: id, owner: risk}",
            R"({"name":"data","read":["a.csv","b.csv"],"options":{"separator":";"},"missing":["-"],"key":"id","governance":{"owner":"risk"}})"},
           {"{loans: {read: a.parquet, types: {x: string}, time: at}}", R"({"name":"loans","read":["a.parquet"],"types":{"x":"string"},"time":"at"})"},
           {"{loans: a.csv}", R"({"name":"loans","read":["a.csv"]})"}, {"{raed: a.csv, key: x}", ""}, {"[1]", ""}, {"{read: []}", ""},
           {"{a: {read: x}, b: {read: y}}", ""}, {"{read: 'ftp://x/y'}", ""}}) {
    ASSERT_OK_AND_ASSIGN(const Json given, Json::ParseYaml(yaml, "t.yaml"));
    auto spec = SourceSpec::Parse(given, "/data", "t.yaml");
    if (*json == '\0') {
      ASSERT_FALSE(spec.ok()) << yaml;
      continue;
    }
    ASSERT_OK(spec);
    EXPECT_EQ(spec->folder, "/data");
    Json expected = *Json::Parse(json);
    if (expected.Find("missing") == nullptr) expected["missing"] = Json::ListOf(SourceSpec().missing);
    EXPECT_EQ(spec->ToJson().Canonical(), expected.Canonical());
  }
}

}  // namespace
}  // namespace tenon::ingest
