// The tree of JSON and YAML: what was read is written and read again as the same.

#include "base/json.h"
#include "fuzz/target.h"

namespace tenon::fuzz {
namespace {

void RunJson(std::string_view input) {
  auto read = Json::Parse(input);
  if (!read.ok()) return CheckError(read.error());
  Hold(Must(Json::Parse(read->Dump()), "what Dump wrote") == *read, "Dump loses nothing");
  Hold(Must(Json::Parse(read->Pretty()), "what Pretty wrote") == *read, "Pretty loses nothing");
  const std::string canonical = read->Canonical();
  Same(Must(Json::Parse(canonical), "what Canonical wrote").Canonical(), canonical, "Canonical is its own canonical form");
}

std::vector<std::string> Seeds() {
  return {R"({"a": [1, -2.5, 1e300, 5e-324, true, false, null], "b": {"c": "\u00e9\ud83d\ude00\n\"\\"}, "": []})",
          R"([9223372036854775807, -9223372036854775808, 9223372036854775808, 0.1, -0.0, 1E+2])",
          R"(  "text"  )", "[[[[[[[[]]]]]]]]", R"({"a":1,"a":2})", "{\"gr\xC3\xBCn\":\"\xF0\x9F\x98\x80\"}"};
}

}  // namespace

Target MakeJson() { return {RunJson, Seeds}; }

}  // namespace tenon::fuzz
