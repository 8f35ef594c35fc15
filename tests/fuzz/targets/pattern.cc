// Regular expressions: a pattern, a line's end, a text. What is found lies in the text, and any pattern takes little time.

#include "fuzz/target.h"
#include "table/pattern.h"

namespace tenon::fuzz {
namespace {

void RunPattern(std::string_view input) {
  if (input.size() > 600) return;
  const std::size_t line = input.find('\n');
  const auto pattern = table::Pattern::Parse(input.substr(0, line));
  if (!pattern.ok()) return CheckError(pattern.error());
  const std::string text(line == std::string_view::npos ? std::string_view("aab 12 \xC3\xA4") : input.substr(line + 1));
  const std::string_view whole = pattern->Find(text, 0);
  for (int group = 0; group <= pattern->groups(); ++group) {
    const std::string_view found = pattern->Find(text, group);
    if (found.data() == nullptr) continue;
    Hold(whole.data() != nullptr, "a group is found with the whole");
    Hold(found.data() >= text.data() && found.data() + found.size() <= text.data() + text.size(), "what is found lies in the text");
    Hold(found.data() >= whole.data() && found.data() + found.size() <= whole.data() + whole.size(), "a group lies in the whole");
  }
}

std::vector<std::string> Seeds() {
  return {"(a|b)*c{2,3}?[^x-z\\d]\\bq$\nabcabccc q", "(?i)^\\s*(?:([a-z]+)-(\\d{1,4}))\nAb-12", "(((a?){9}){9})b\naaaaaaaaaaaaaaaaab",
          "\\x41.\\W\\S\\B+?\nA\xC3\xA4 b", "[]a]|[^]]\n]"};
}

}  // namespace

Target MakePattern() { return {RunPattern, Seeds}; }

}  // namespace tenon::fuzz
