#include "table/pattern.h"

#include <fstream>
#include <sstream>

#include "base/json.h"
#include "base/testing.h"
#include "base/text.h"

namespace tenon::table {
namespace {

TEST(Pattern, FindsWhatPythonFinds) {
  std::ifstream file("tests/parity/patterns.json");
  ASSERT_TRUE(file.good()) << "run from the root of the repository";
  std::stringstream text;
  text << file.rdbuf();
  ASSERT_OK_AND_ASSIGN(const Json cases, Json::Parse(text.str(), "patterns.json"));
  ASSERT_GT(cases.array().size(), 1000u);
  for (const Json& one : cases.array()) {
    const std::string& pattern = one.array()[0].String();
    SCOPED_TRACE(Str(pattern, " in '", one.array()[1].String(), "'"));
    ASSERT_OK_AND_ASSIGN(const Pattern made, Pattern::Parse(pattern));
    const Json::Array& groups = one.array()[2].array();
    ASSERT_EQ(groups.size(), static_cast<std::size_t>(made.groups()) + 1);
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const std::string_view found = made.Find(one.array()[1].String(), static_cast<int>(g));
      EXPECT_EQ(found.data() == nullptr, groups[g].is_null()) << "group " << g;
      if (!groups[g].is_null()) EXPECT_EQ(found, groups[g].String()) << "group " << g;
    }
  }
}

TEST(Pattern, SaysWhatIsWrong) {
  const struct {
    const char* pattern;
    const char* says;
  } kCases[] = {{"(a", "a ')' is missing"},  {"a)", "')' without '('"},      {"[a", "a ']' is missing"},      {"*a", "nothing to repeat"},
                {"a**", "nothing to repeat"}, {"(?=a)", "only (?: is"},       {"\\1", "'\\1' is not understood"}, {"[b-a]", "a range goes from"},
                {"a\\", "cannot end with"},   {"a{3,2}", "the fewer first"}, {"\\xg0", "two hexadecimal"},     {"((a{999}){999}){999}", "too large"}};
  for (const auto& one : kCases) {
    const auto made = Pattern::Parse(one.pattern);
    ASSERT_CODE(kInvalidArgument, made);
    EXPECT_NE(made.error().ToString().find(one.says), std::string::npos) << made.error().ToString();
  }
  std::string deep(5000, '(');
  ASSERT_CODE(kInvalidArgument, Pattern::Parse(deep));
}

// Patterns that engines which try again take ages for.
TEST(Pattern, NoTextTakesLong) {
  const std::string text = std::string(20'000, 'a') + "b";
  for (const char* pattern : {"(a+)+$", "(a|a)*c", "(a*)*c", "(?:a?){40}a{40}c", "(.*)(.*)(.*)x"}) {
    ASSERT_OK_AND_ASSIGN(const Pattern made, Pattern::Parse(pattern));
    EXPECT_EQ(made.Find(text, 0).data(), nullptr) << pattern;
  }
}

TEST(Pattern, WholeTexts) {
  const struct {
    const char* pattern;
    const char* text;
    bool matches;
  } kCases[] = {{"[A-Z]{2}-\\d+", "AB-12", true}, {"[A-Z]{2}-\\d+", "xAB-12", false}, {"[A-Z]{2}-\\d+", "AB-12x", false}, {"a|ab", "ab", true},
                {"(?i)ab", "aB", true},             {"ab", "aB", false},                 {"", "", true},                       {"", "a", false}};
  for (const auto& one : kCases) {
    ASSERT_OK_AND_ASSIGN(const Pattern made, Pattern::Whole(one.pattern));
    EXPECT_EQ(made.Matches(one.text), one.matches) << one.pattern << " of " << one.text;
  }
  const auto wrong = Pattern::Whole("(a");
  ASSERT_CODE(kInvalidArgument, wrong);
  EXPECT_EQ(wrong.error().ToString().find("(?:"), std::string::npos) << wrong.error().ToString();
}

TEST(Pattern, BrokenUtf8IsCharactersOfItsOwn) {
  ASSERT_OK_AND_ASSIGN(const Pattern made, Pattern::Parse("a.b"));
  EXPECT_EQ(made.Find("xa\xFF" "b", 0), "a\xFF" "b");
  EXPECT_EQ(made.Find("a\xC3\xA9" "b", 0), "a\xC3\xA9" "b");
  EXPECT_EQ(made.Find("a\xC3" "b", 0), "a\xC3" "b");
}

}  // namespace
}  // namespace tenon::table
