// The `transform:` chapter of the project file.

#include "base/text.h"
#include "transform/graph.h"

namespace tenon::transform {
namespace {

Result<NodeSpec> ParseNode(const Json& json, const std::string& path, std::string_view file) {
  NodeSpec node;
  TENON_ASSIGN(Fields fields, Fields::Of(json, path, file));
  TENON_TRY(fields.Read("op", &node.op));
  TENON_TRY(fields.Read("in", &node.in));
  TENON_TRY(fields.Read("out", &node.out));
  if (const Json* with = fields.Find("with")) node.with = *with;
  TENON_TRY(fields.Done());
  if (node.op.empty()) return fields.Wrong("op", "name the op, such as impute");
  if (node.in.empty()) return fields.Wrong("in", "name the columns it reads");
  return node;
}

// One treatment of a column: `one_hot`, `{one_hot: {most: 20}}` or `{op: one_hot, with: {most: 20}}`.
Result<NodeSpec> ParseTreatment(const std::string& column, const Json& json, const std::string& path, std::string_view file) {
  NodeSpec node;
  node.in = {column};
  if (json.is_string()) {
    node.op = json.String();
    return node;
  }
  if (json.is_object() && json.Find("op") == nullptr && json.object().size() == 1) {
    node.op = json.object()[0].first;
    node.with = json.object()[0].second;
    return node;
  }
  TENON_ASSIGN(Fields fields, Fields::Of(json, path, file));
  TENON_TRY(fields.Read("op", &node.op));
  if (const Json* with = fields.Find("with")) node.with = *with;
  TENON_TRY(fields.Done());
  if (node.op.empty()) {
    return fields.Wrong("op", Str("say what to do with the column, such as {one_hot: {most: 20}}"));
  }
  return node;
}

}  // namespace

Result<TransformSpec> TransformSpec::Parse(const Json& json, std::string_view file) {
  TransformSpec spec;
  if (json.is_null()) return spec;
  if (json.is_string()) {  // transform: linear
    Json with = Json::MakeObject();
    with["style"] = json;
    return Parse(with, file);
  }
  TENON_ASSIGN(Fields fields, Fields::Of(json, "transform", file));
  TENON_TRY(fields.Read("style", &spec.style));
  if (spec.style != "auto" && spec.style != "trees" && spec.style != "linear") {
    return fields.Wrong("style", Str("expected auto, trees or linear, got '", spec.style, "'"));
  }
  TENON_TRY(fields.Read("drop", &spec.drop));
  if (const Json* nodes = fields.Find("nodes"); nodes != nullptr && !nodes->is_null()) {
    if (!nodes->is_array()) return fields.Wrong("nodes", Str("expected a list of {op, in, out, with}, got ", nodes->KindName()));
    for (const Json& item : nodes->array()) {
      TENON_ASSIGN(NodeSpec node, ParseNode(item, Str("transform.nodes[", spec.nodes.size(), "]"), file));
      spec.nodes.push_back(std::move(node));
    }
  }
  if (const Json* columns = fields.Find("columns"); columns != nullptr && !columns->is_null()) {
    if (!columns->is_object()) {
      return fields.Wrong("columns", Str("expected column names with what to do with them, got ", columns->KindName()));
    }
    for (const auto& [column, treatment] : columns->object()) {
      const std::string path = Str("transform.columns.", column);
      if (treatment.is_array()) {
        if (treatment.array().empty()) return fields.Wrong("columns", Str("'", column, "' has an empty list; write identity to keep it"));
        for (const Json& step : treatment.array()) {
          TENON_ASSIGN(NodeSpec node, ParseTreatment(column, step, path, file));
          spec.columns.emplace_back(column, std::move(node));
        }
        continue;
      }
      TENON_ASSIGN(NodeSpec node, ParseTreatment(column, treatment, path, file));
      spec.columns.emplace_back(column, std::move(node));
    }
  }
  TENON_TRY(fields.Done());
  return spec;
}

Json TransformSpec::ToJson() const {
  const auto node_json = [](const NodeSpec& node, bool inputs) {
    Json out;
    out["op"] = node.op;
    if (inputs) out["in"] = Json::ListOf(node.in);
    if (inputs && !node.out.empty()) out["out"] = Json::ListOf(node.out);
    if (!node.with.is_null()) out["with"] = node.with;
    return out;
  };
  Json out;
  out["style"] = style;
  out["drop"] = Json::ListOf(drop);
  out["nodes"] = Json::MakeArray();
  for (const NodeSpec& node : nodes) out["nodes"].Push(node_json(node, true));
  out["columns"] = Json::MakeObject();
  for (const auto& [column, node] : columns) {
    Json& steps = out["columns"][column];
    steps.Push(node_json(node, false));
  }
  return out;
}

}  // namespace tenon::transform
