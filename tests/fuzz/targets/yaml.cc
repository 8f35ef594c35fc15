// YAML as project files have it: the tree that was read survives JSON.

#include "base/json.h"
#include "fuzz/target.h"

namespace tenon::fuzz {
namespace {

void RunYaml(std::string_view input) {
  auto read = Json::ParseYaml(input, "y.yaml");
  if (!read.ok()) return CheckError(read.error());
  const Json again = Must(Json::Parse(read->Dump()), "YAML as JSON");
  Same(again.Canonical(), read->Canonical(), "YAML loses nothing as JSON");
}

std::vector<std::string> Seeds() {
  return {"a: 1\nb:\n  - x\n  - {c: 2.5, d: [true, null]}\n# comment\ne: |\n  line\n  line\nf: >-\n  folded\n  text\n",
          "- 1\n- -0x1F\n- 1e3\n- .inf\n- -.inf\n- .nan\n- ~\n- 'it''s'\n- \"\\u00e9\\n\"\n",
          "a: &anchor 1\nb: *anchor\n", "--- !tag\na: b\n...\n", "a: 1\na: 2\n", "\"a\": {\"b\": [1, 2, {\"c\": \"d\"}]}\n",
          "? a\n: b\n", "0o17", "1_000", "2024-02-29"};
}

}  // namespace

Target MakeYaml() { return {RunYaml, Seeds}; }

}  // namespace tenon::fuzz
