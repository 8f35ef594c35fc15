#include "transform/graph.h"

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "transform/plan_internal.h"

namespace tenon::transform {
namespace {

// docs/formats/graph.md
constexpr std::string_view kMagic = "TENONGRF";
constexpr std::int64_t kVersion = 1;

Result<NodeSpec> NodeFrom(const Json& json, std::string_view path) {
  NodeSpec node;
  TENON_ASSIGN(Fields fields, Fields::Of(json, path));
  TENON_TRY(fields.Read("op", &node.op));
  TENON_TRY(fields.Read("in", &node.in));
  TENON_TRY(fields.Read("out", &node.out));
  if (const Json* with = fields.Find("with")) node.with = *with;
  TENON_TRY(fields.Done());
  if (node.op.empty()) return fields.Wrong("op", "name the op, such as impute");
  return node;
}

}  // namespace

Json GraphSpec::ToJson() const {
  Json out = Json::MakeObject();
  out["inputs"] = table::Schema(inputs).ToJson();
  out["nodes"] = Json::MakeArray();
  for (const NodeSpec& node : nodes) {
    Json item;
    item["op"] = node.op;
    item["in"] = Json::ListOf(node.in);
    if (!node.out.empty()) item["out"] = Json::ListOf(node.out);
    if (!node.with.is_null()) item["with"] = node.with;
    out["nodes"].Push(std::move(item));
  }
  out["features"] = Json::ListOf(features);
  return out;
}

Result<GraphSpec> GraphSpec::FromJson(const Json& json) {
  GraphSpec spec;
  TENON_ASSIGN(Fields fields, Fields::Of(json, "graph"));
  if (const Json* inputs = fields.Find("inputs")) {
    TENON_ASSIGN(const table::Schema schema, table::Schema::FromJson(*inputs), "graph.inputs");
    spec.inputs = schema.fields();
  }
  if (const Json* nodes = fields.Find("nodes")) {
    if (!nodes->is_array()) return fields.Wrong("nodes", Str("expected a list, got ", nodes->KindName()));
    for (const Json& item : nodes->array()) {
      TENON_ASSIGN(NodeSpec node, NodeFrom(item, Str("graph.nodes[", spec.nodes.size(), "]")));
      spec.nodes.push_back(std::move(node));
    }
  }
  TENON_TRY(fields.Read("features", &spec.features));
  TENON_TRY(fields.Done());
  for (const table::Field& field : spec.inputs) {
    if (field.width < 0 || field.width > 1 << 20) {
      return fields.Wrong("inputs", Str("column '", field.name, "' has the width ", field.width));
    }
  }
  return spec;
}

FittedGraph::Scratch::Scratch() : memory_(std::make_unique<Memory>()) {}
FittedGraph::Scratch::~Scratch() = default;
FittedGraph::Scratch::Scratch(Scratch&&) noexcept = default;

FittedGraph::FittedGraph(std::unique_ptr<const Plan> plan) : plan_(std::move(plan)) {}
FittedGraph::~FittedGraph() = default;

const GraphSpec& FittedGraph::spec() const { return plan_->program.spec; }
const std::vector<table::Field>& FittedGraph::inputs() const { return plan_->program.spec.inputs; }
int FittedGraph::width() const { return plan_->program.width; }
const std::vector<std::string>& FittedGraph::feature_names() const { return plan_->program.feature_names; }
const std::vector<int>& FittedGraph::feature_source() const { return plan_->program.feature_source; }

bool FittedGraph::TakesBytes(std::size_t i) const {
  const auto takes = [i](const Node& node) { return node.op->takes_bytes() && std::ranges::find(node.in, static_cast<int>(i)) != node.in.end(); };
  return std::ranges::any_of(plan_->program.nodes, takes);
}

Result<void> FittedGraph::CheckBytes(std::size_t i, std::string_view value) const {
  for (const Node& node : plan_->program.nodes) {
    if (!node.op->takes_bytes() || std::ranges::find(node.in, static_cast<int>(i)) == node.in.end()) continue;
    TENON_TRY(node.op->CheckBytes(node.state.get(), value));
  }
  return {};
}

Result<void> FittedGraph::Apply(const table::Batch& rows, float* tile, std::int64_t stride, Scratch& scratch) const {
  return plan_->program.Apply(rows, Known(), tile, stride, scratch.memory_->working);
}

Result<void> FittedGraph::ApplyTraining(const table::Batch& rows, const double* label, const std::uint8_t* fold, float* tile,
                                        std::int64_t stride, Scratch& scratch) const {
  return plan_->program.Apply(rows, {true, label, fold}, tile, stride, scratch.memory_->working);
}

void FittedGraph::ApplyRow(const double* numbers, const std::string_view* texts, float* out, Scratch& scratch) const {
  plan_->program.ApplyRow(numbers, texts, out, scratch.memory_->working);
}

std::vector<FittedNode> FittedGraph::Nodes() const {
  const Program& program = plan_->program;
  std::vector<FittedNode> out;
  for (const Node& node : program.nodes) {
    const NodeSpec& spec = program.spec.nodes[node.spec];
    out.push_back({spec.op, spec.with, program.PortsOf(node.in), program.PortsOf(node.out), node.learns ? node.state->Save() : std::string(), node.learns ? node.state->Words() : std::vector<std::string>()});
  }
  return out;
}

void FittedGraph::ApplySlots(const double* const* numbers, const std::string_view* const* texts, std::int64_t n, float* tile,
                             std::int64_t stride, Scratch& scratch) const {
  plan_->program.ApplySlots(numbers, texts, n, tile, stride, scratch.memory_->working);
}

Result<std::vector<Json>> FittedGraph::Trace(const table::Batch& rows, Scratch& scratch) const {
  return plan_->program.Trace(rows, scratch.memory_->working);
}

std::string FittedGraph::Save() const {
  const Program& program = plan_->program;
  std::vector<const Node*> by_spec(program.nodes.size());
  for (const Node& node : program.nodes) by_spec[node.spec] = &node;
  Writer out;
  out.I64(kVersion);
  out.Text(program.spec.ToJson().Canonical());
  out.I64(program.classes);
  for (const Node* node : by_spec) {
    out.U8(node->learns ? 1 : 0);
    if (node->learns) out.Text(node->state->Save());
  }
  out.I64(static_cast<std::int64_t>(Hash64(out.bytes())));
  return Str(kMagic, out.bytes());
}

Result<std::shared_ptr<const FittedGraph>> FittedGraph::Load(std::string_view bytes, const Kinds<Op>& kinds) {
  if (!bytes.starts_with(kMagic) || bytes.size() < kMagic.size() + 16) {
    return Error(Code::kDataLoss, "these bytes are not a saved transform graph");
  }
  const std::string_view body = bytes.substr(kMagic.size(), bytes.size() - kMagic.size() - 8);
  Reader check(bytes.substr(bytes.size() - 8));
  if (static_cast<std::uint64_t>(check.I64()) != Hash64(body)) {
    return Error(Code::kDataLoss, "the saved transform graph is damaged: its checksum does not match");
  }
  Reader in(body);
  if (const std::int64_t version = in.I64(); version != kVersion) {
    return Error(Code::kFailedPrecondition, Str("the transform graph has format version ", version, "; this program reads ",
                                                kVersion, ", so fit it again or use the program that wrote it"));
  }
  TENON_ASSIGN(const Json json, Json::Parse(in.Text(), "saved graph"));
  TENON_ASSIGN(GraphSpec spec, GraphSpec::FromJson(json));
  TENON_ASSIGN(Program program, Program::Build(std::move(spec), kinds), "loading a transform graph");
  program.classes = static_cast<int>(in.I64());
  std::vector<std::string_view> states(program.nodes.size());
  std::vector<std::uint8_t> learned(program.nodes.size());
  for (std::size_t i = 0; i < states.size(); ++i) {
    learned[i] = in.U8();
    if (learned[i] != 0) states[i] = in.Text();
  }
  TENON_TRY(in.Done());
  // In running order: what a node's state means may depend on the ports before it.
  for (Node& node : program.nodes) {
    if ((learned[node.spec] != 0) != node.learns) {
      return Error(Code::kDataLoss, Str(program.Called(node), ": its learned state is missing or too much"));
    }
    if (node.learns) {
      TENON_ASSIGN(node.state, node.op->LoadState(program.PortsOf(node.in), states[node.spec]), program.Called(node));
    }
    TENON_TRY(program.UpdatePorts(node));
  }
  TENON_TRY(program.Layout(true));
  auto plan = std::make_unique<const Plan>(Plan{std::move(program)});
  return std::shared_ptr<const FittedGraph>(new FittedGraph(std::move(plan)));
}

}  // namespace tenon::transform
