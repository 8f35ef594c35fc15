// What the transforms of a version do: every op with what it learned, and some rows before and after.

#include <algorithm>
#include <set>

#include "app/commands/all.h"
#include "feature/event_rows.h"
#include "model/bundle.h"
#include "model/predictor.h"
#include "registry/registry.h"

namespace tenon::app {
namespace {

constexpr std::size_t kMostShown = 10;  // parts of a vector, in text

struct Opened {
  std::string name;
  std::shared_ptr<const model::Bundle> bundle;
};

// A bundle file, or a version of the project's store.
Result<Opened> Open(Context& context, const Args& args) {
  std::string reference = args.Text("model");
  if (!reference.empty() && context.files.Exists(reference)) {
    TENON_ASSIGN(auto bytes, context.files.Map(reference));
    TENON_ASSIGN(auto bundle, model::Bundle::Open(bytes), reference);
    return Opened{reference, bundle};
  }
  const std::string folder = args.Text("project");
  TENON_ASSIGN(auto opened, OpenStore(context, folder, store::Store::Access::kRead));
  if (reference.empty()) {
    TENON_ASSIGN(const pipeline::Project project, pipeline::LoadProject(context.files, folder));
    reference = project.name;
  }
  const registry::Registry registry(*opened);
  TENON_ASSIGN(const registry::ModelVersion version, registry.Resolve(reference));
  TENON_ASSIGN(auto bytes, opened->Get(version.bundle), version.id());
  TENON_ASSIGN(auto bundle, model::Bundle::Open(bytes), version.id());
  return Opened{version.id(), bundle};
}

// The first of the rows that the bundle carries with their answers.
Result<table::Batch> SampleOf(const model::Bundle& bundle, const transform::FittedGraph& graph, std::int64_t most) {
  feature::RowsFromJson rows(std::make_shared<const table::Schema>(graph.inputs()));
  if (const std::string_view golden = bundle.section("golden"); !golden.empty()) {
    TENON_ASSIGN(const Json json, Json::Parse(golden, "golden"));
    if (const Json* given = json.Find("rows"); given != nullptr && given->is_array()) {
      for (const Json& row : given->array()) {
        if (rows.rows() < most) TENON_TRY(rows.Add(row), "the bundle's golden rows");
      }
    }
  }
  return rows.Finish();
}

// Ports whose values are told nowhere: sensitive inputs, and what is made from them.
std::set<std::string> HiddenPorts(const model::Bundle& bundle, const std::vector<transform::FittedNode>& nodes) {
  std::set<std::string> hidden;
  if (const Json* inputs = bundle.manifest().Find("inputs"); inputs != nullptr && inputs->is_array()) {
    for (const Json& input : inputs->array()) {
      if (input.BoolAt("masked", false)) hidden.insert(input.StringAt("name"));
    }
  }
  for (const transform::FittedNode& node : nodes) {  // in an order in which they can run
    if (std::ranges::none_of(node.in, [&](const transform::Port& port) { return hidden.contains(port.name); })) continue;
    for (const transform::Port& port : node.out) hidden.insert(port.name);
  }
  return hidden;
}

Json NodeLine(const transform::FittedNode& node, const std::vector<Json>& traces) {
  Json line;
  line["op"] = node.op;
  line["with"] = node.with;
  line["learned"] = Json::ListOf(node.words);
  for (const auto* side : {&node.in, &node.out}) {
    Json& to = line[side == &node.in ? "in" : "out"];
    to = Json::MakeArray();
    for (const transform::Port& port : *side) to.Push(port.name);
  }
  line["rows"] = Json::MakeArray();
  for (const Json& trace : traces) {
    Json row;
    for (const auto* side : {&node.in, &node.out}) {
      Json& to = row[side == &node.in ? "before" : "after"];
      to = Json::MakeObject();
      for (const transform::Port& port : *side) {
        const Json* value = trace.Find(port.name);
        if (value != nullptr) to[port.name] = *value;
      }
    }
    line["rows"].Push(std::move(row));
  }
  return line;
}

std::string Shown(const Json& value) {
  if (value.is_null()) return "missing";
  if (value.is_string()) {
    const std::string& text = value.String();
    return text.size() <= 60 ? Str("\"", text, "\"") : Str("\"", text.substr(0, 57), "...\" (", text.size(), " bytes)");
  }
  if (!value.is_object()) return FormatShort(value.Number(), 6);
  std::vector<std::string> parts;
  for (const auto& [name, part] : value.object()) {
    if (parts.size() == kMostShown) {
      parts.push_back(Str("and ", value.object().size() - kMostShown, " more"));
      break;
    }
    parts.push_back(Str(name, " ", part.is_null() ? std::string("missing") : FormatShort(part.Number(), 4)));
  }
  return parts.empty() ? "all 0" : Join(parts, ", ");
}

std::string Side(const Json& values) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : values.object()) parts.push_back(values.object().size() == 1 ? Shown(value) : Str(name, " ", Shown(value)));
  return Join(parts, ", ");
}

std::string Names(const std::vector<transform::Port>& ports) {
  std::vector<std::string> names;
  for (const transform::Port& port : ports) names.push_back(port.kind == transform::Port::Kind::kVector ? Str(port.name, " [", port.width, "]") : port.name);
  return Join(names, ", ");
}

void PrintNode(Context& context, const transform::FittedNode& node, const Json& line) {
  context.terminal.Line(Str(context.terminal.Bold(node.op), ": ", Names(node.in), " -> ", Names(node.out)));
  if (node.with.is_object() && !node.with.object().empty()) context.terminal.Line(Str("  with     ", node.with.Dump()));
  for (std::size_t i = 0; i < node.words.size(); ++i) {
    const bool each = node.words.size() == node.in.size() && node.in.size() > 1;
    context.terminal.Line(Str("  learned  ", each ? Str(node.in[i].name, ": ") : "", node.words[i]));
  }
  for (const Json& row : line.Find("rows")->array()) {
    const Json& after = *row.Find("after");
    if (!after.object().empty()) context.terminal.Line(Str("  row      ", Side(*row.Find("before")), "  ->  ", Side(after)));
  }
}

Result<int> Show(Context& context, const Args& args) {
  TENON_ASSIGN(const Opened opened, Open(context, args));
  TENON_ASSIGN(const auto graph, transform::FittedGraph::Load(opened.bundle->section("graph"), context.kits.ops), opened.name);
  TENON_ASSIGN(const table::Batch sample, SampleOf(*opened.bundle, *graph, args.Int("rows")));
  transform::FittedGraph::Scratch scratch;
  TENON_ASSIGN(const std::vector<Json> traces, graph->Trace(sample, scratch));
  const std::string only = args.Text("of");
  std::vector<transform::FittedNode> nodes = graph->Nodes();
  std::size_t shown = 0;
  std::vector<std::string> names;
  if (!context.json) {
    context.terminal.Line(Str(opened.name, ": ", graph->inputs().size(), " columns become ", graph->width(), " features by ", nodes.size(), nodes.size() == 1 ? " op" : " ops"));
  }
  const std::set<std::string> hidden = HiddenPorts(*opened.bundle, nodes);
  for (transform::FittedNode& node : nodes) {
    bool reads = only.empty();
    for (const auto* side : {&node.in, &node.out}) {
      for (const transform::Port& port : *side) {
        reads = reads || port.name == only;
        names.push_back(port.name);
      }
    }
    if (!reads) continue;
    ++shown;
    const bool secret = std::ranges::any_of(node.out, [&](const transform::Port& port) { return hidden.contains(port.name); });
    if (secret) node.words = {"of a sensitive column: not shown"};
    const Json line = NodeLine(node, secret ? std::vector<Json>() : traces);
    context.json ? context.terminal.JsonLine(line) : PrintNode(context, node, line);
  }
  if (!only.empty() && shown == 0) return Error(Code::kNotFound, Str("no op of ", opened.name, " reads or makes '", only, "'", DidYouMean(only, names)));
  return 0;
}

}  // namespace

void AddTransform(std::vector<Command>& to) {
  to.push_back({.name = "transform show",
                .summary = "Show each transform of a version: what it learned, and rows before and after",
                .example = "tenon transform show --project examples/loan-approval",
                .flags = {{.name = "model", .help = "name, name@7, name@champion, or a bundle file; the project's latest when not given"},
                          {.name = "--project", .help = "folder with tenon.yaml", .fallback = "."},
                          {.name = "--of", .help = "only ops that read or make this column"},
                          {.name = "--rows", .help = "rows to show, of those the bundle carries", .kind = Flag::Kind::kInt, .fallback = "2"}},
                .run = Show});
}

}  // namespace tenon::app
