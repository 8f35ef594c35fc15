// docs/reference/ops.md is made from the kinds. After a change: TENON_WRITE_REFERENCE=1 build/tests/transform_test
// --gtest_filter='Reference.*', from the root of the repository.

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "transform/test_rows_internal.h"

namespace tenon::transform {
namespace {

constexpr const char* kPage = "docs/reference/ops.md";

// Text of a table's cell.
std::string InCell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '<' || c == '>') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

std::string RangeOf(const Option& option) {
  const bool least = std::isfinite(option.least);
  const bool most = std::isfinite(option.most);
  if (least && most) return Str(FormatDouble(option.least), " to ", FormatDouble(option.most));
  return least ? Str("at least ", FormatDouble(option.least)) : most ? Str("at most ", FormatDouble(option.most)) : "";
}

std::string RowOf(const Option& option) {
  std::string notes = option.help;
  if (!option.choices.empty()) notes += Str(" (", Join(option.choices, ", "), ")");
  if (const std::string range = RangeOf(option); !range.empty()) notes += Str(" [", range, "]");
  const std::string fallback = option.required ? "required" : option.fallback.is_null() ? "" : Str("`", InCell(option.fallback.Dump()), "`");
  return Str("| `", option.name, "` | ", fallback, " | ", InCell(notes), " |\n");
}

std::string Rendered(const Kinds<Op>& kinds) {
  std::string out = "# Ops\n\nWhat transforms can do, made from the program's own descriptions. How they are put together is in\n"
                    "[Transforms](../05-transforms.md).\n\n| op | |\n|---|---|\n";
  for (const auto& [name, kind] : kinds.all()) out += Str("| [", name, "](#", name, ") | ", InCell(kind.doc.summary), " |\n");
  for (const auto& [name, kind] : kinds.all()) {
    out += Str("\n## ", name, "\n\n", kind.doc.summary, ".\n");
    if (!kind.doc.when.empty()) out += Str("\n*When:* ", kind.doc.when, "\n");
    out += Str("\n```json\n", kind.doc.example, "\n```\n");
    if (kind.doc.options.empty()) continue;
    out += "\n| option | default | |\n|---|---|---|\n";
    for (const Option& option : kind.doc.options) out += RowOf(option);
  }
  return out;
}

TEST(Reference, PageOfOpsIsCurrent) {
  const std::string made = Rendered(AllKinds());
  if (std::getenv("TENON_WRITE_REFERENCE") != nullptr) std::ofstream(kPage) << made;
  std::ifstream file(kPage);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(text.str() == made) << kPage << " is not what the ops say of themselves; write it again (see the head of this test)";
}

}  // namespace
}  // namespace tenon::transform
