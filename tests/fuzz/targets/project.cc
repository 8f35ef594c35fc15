// The project file: any text gives a project, or an error that names the file; the same as YAML and as JSON.

#include "fuzz/target.h"
#include "pipeline/project.h"

namespace tenon::fuzz {
namespace {

std::string Verdict(std::string_view text) {
  const auto project = pipeline::ParseProject(text, "folder", "tenon.yaml");
  if (!project.ok()) {
    CheckError(project.error());
    return "refused";
  }
  std::string out = Str(project->name, project->source.ToJson().Dump(), project->transform.ToJson().Dump(), project->evaluate.ToJson().Dump(),
                        project->problem.ToJson().Dump(), project->validate.ToJson().Dump());
  for (const auto& gate : project->gates) out += gate.text;
  return out;
}

void RunProject(std::string_view input) {
  const std::string verdict = Verdict(input);
  const auto tree = Json::ParseYaml(input, "tenon.yaml");
  if (!tree.ok()) return Hold(verdict == "refused", "what is no YAML is no project");
  // Longer keys than this are none to YAML.
  if (const std::string json = tree->Dump(); json.size() < 1000) Same(Verdict(json), verdict, "a project as YAML and as JSON");
}

std::vector<std::string> Seeds() {
  return {R"(name: loan
owner: risk
problem:
  question: Will it be repaid?
  task: binary
  label: {column: approved, positive: "yes", known_after: 7d}
  costs: {false_positive: 4 EUR, false_negative: 0.8 * amount}
data:
  read: [a.csv, "b*.csv.gz"]
  separator: ";"
  missing: ["", "?"]
  types: {zip: string}
  key: id
  time: at
validate:
  fail_on: error
  columns: {age: {min: 0, max: 120}}
  expectations: [age >= 18]
split: {method: time, on: at, test: 0.2, validation: 0.1}
transform:
  style: trees
  drop: [name]
  nodes:
    - {op: clip, in: [age], out: [age_c], with: {low: 0, high: 99}}
train:
  learners: [linear, boosted_trees]
  boosted_trees: {rounds: 100, learning_rate: 0.1}
  seed: 7
evaluate: {slices: [sex, "age > 60"], fairness_groups: [race], bootstrap: 200}
gates: [roc_auc >= 0.7, "lift(roc_auc, over: baseline).low > 0", latency_p99 < 5ms]
serve: {endpoint: loan, strict: true, rate: 100}
monitor: {every: 1h}
card: {intended_use: deciding}
)",
          "name: a\nproblem: {label: y}\ndata: d.csv\n",
          R"({"name":"a-b","problem":{"label":"y"},"data":{"train":{"read":"d.parquet","sql":"SELECT * FROM data"}},"gates":["rmse < 3 %"]})",
          "name: a\nproblem: {labl: y}\ndata: d.csv\n"};
}

}  // namespace

Target MakeProject() { return {RunProject, Seeds}; }

}  // namespace tenon::fuzz
