#include "pipeline/edit_project.h"

#include "base/testing.h"

namespace tenon::pipeline {
namespace {

struct Case {
  const char* name;
  const char* text;
  std::vector<std::string> path;
  const char* value;
  bool append;
  const char* expected;  // null: refused
};

class EditProjectTest : public ::testing::TestWithParam<Case> {};

TEST_P(EditProjectTest, ChangesOneMemberAndNothingElse) {
  const Case& one = GetParam();
  ASSERT_OK_AND_ASSIGN(const Json value, Json::Parse(one.value));
  const auto edited = EditProject(one.text, "tenon.yaml", {one.path, value, one.append});
  if (one.expected == nullptr) {
    ASSERT_CODE(kFailedPrecondition, edited);
    return;
  }
  ASSERT_OK(edited);
  EXPECT_EQ(*edited, one.expected);
}

INSTANTIATE_TEST_SUITE_P(
    Pipeline, EditProjectTest,
    ::testing::Values(
        Case{"new_chapter", "data: a.csv  # all\n", {"validate", "columns", "age", "min"}, "0", false, "data: a.csv  # all\nvalidate: {columns: {age: {min: 0}}}\n"},
        Case{"within_a_block", "validate:\n  # rules\n  columns:\n    age: {min: 1}  # adults\n\nsplit: time\n", {"validate", "columns", "age", "min"}, "0", false,
             "validate:\n  # rules\n  columns:\n    age: {min: 0}  # adults\n\nsplit: time\n"},
        Case{"new_in_a_block", "validate:\n  columns:\n    age: {min: 1}\n  # end\nsplit: time\n", {"validate", "columns", "state", "domain"}, R"(["a", "b c"])", false,
             "validate:\n  columns:\n    age: {min: 1}\n    state: {domain: [a, \"b c\"]}\n  # end\nsplit: time\n"},
        Case{"within_braces", "validate: {fail_on: error, columns: {age: {min: 1}}} # x\n", {"validate", "columns", "age", "max"}, "9", false,
             "validate: {fail_on: error, columns: {age: {min: 1, max: 9}}} # x\n"},
        Case{"braces_over_lines", "validate: {columns: {age: {min: 1},\n    state: {unique: true}}}\nsplit: time\n", {"validate", "columns", "age", "min"}, "2", false,
             "validate: {columns: {age: {min: 2}, state: {unique: true}}}\nsplit: time\n"},
        Case{"empty_chapter", "validate:  # later\nsplit: time\n", {"validate", "fail_on"}, R"("warning")", false, "validate:  # later\n  fail_on: warning\nsplit: time\n"},
        Case{"a_list_in_lines", "transform:\n  drop:\n    - a\n    - b\n  style: trees\n", {"transform", "drop"}, R"("c")", true, "transform:\n  drop: [a, b, c]\n  style: trees\n"},
        Case{"a_list_that_has_it", "transform: {drop: [a]}\n", {"transform", "drop"}, R"("a")", true, "transform: {drop: [a]}\n"},
        Case{"a_word_becomes_a_list", "transform: {drop: a}\n", {"transform", "drop"}, R"("b")", true, "transform: {drop: [a, b]}\n"},
        Case{"a_key_in_quotes", "validate:\n  columns:\n    \"first name\": {missing: 0}\n", {"validate", "columns", "first name", "missing"}, "0.5", false,
             "validate:\n  columns:\n    \"first name\": {missing: 0.5}\n"},
        Case{"a_hash_in_a_text", "validate:\n  expectations: ['a # b']  # c\n  fail_on: 'error' # d\n", {"validate", "fail_on"}, R"("info")", false,
             "validate:\n  expectations: ['a # b']  # c\n  fail_on: info # d\n"},
        Case{"a_comment_within_braces", "validate: {fail_on: error, # why\n  columns: {}}\n", {"validate", "fail_on"}, R"("info")", false, nullptr},
        Case{"a_path_in_a_word", "data: a.csv\n", {"data", "sensitive", "x"}, R"("mask")", false, nullptr}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tenon::pipeline
