// Building a program: ops, order, ports, and where everything lies. Running it: run.cc.

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "transform/plan_internal.h"

namespace tenon::transform {
namespace {

// Bytes of the tile one block writes: half of a usual second-level cache.
constexpr std::int64_t kBlockBytes = 256 * 1024;
// Bytes of the rows that are put together before they go to the tile: half of a usual first-level cache.
constexpr std::int64_t kStageBytes = 24 * 1024;

Port PortOf(const table::Field& field) {
  Port port;
  port.name = field.name;
  switch (field.type) {
    case table::Type::kString: port.kind = Port::Kind::kText; break;
    case table::Type::kEmbedding:
      port.kind = Port::Kind::kVector;
      port.width = field.width;
      break;
    case table::Type::kTimestamp: port.timestamp = true; break;
    default: break;
  }
  return port;
}

std::string Described(const NodeSpec& node, std::size_t number) {
  return Str("node ", number + 1, " (", node.op, " of ", Join(node.in, ", "), ")");
}

// Why no further node can run: a cycle, or an input nobody makes.
Error Stuck(const GraphSpec& spec, const std::vector<std::uint8_t>& placed, const std::vector<std::string>& known) {
  std::set<std::string> to_come;
  std::vector<std::string> names = known;
  for (std::size_t i = 0; i < spec.nodes.size(); ++i) {
    if (placed[i] != 0) continue;
    for (const std::string& name : spec.nodes[i].out) to_come.insert(name);
  }
  names.insert(names.end(), to_come.begin(), to_come.end());
  std::size_t first = 0;
  bool found = false;
  for (std::size_t i = 0; i < spec.nodes.size(); ++i) {
    if (placed[i] != 0) continue;
    if (!found) first = i;
    found = true;
    for (const std::string& name : spec.nodes[i].in) {
      if (std::find(names.begin(), names.end(), name) != names.end()) continue;
      return Error(Code::kInvalidArgument, Str(Described(spec.nodes[i], i), ": no column or output '", name, "'", DidYouMean(name, names)));
    }
  }
  return Error(Code::kInvalidArgument, Str(Described(spec.nodes[first], first), ": its inputs depend on its own outputs"));
}

}  // namespace

std::string Program::Called(const Node& node) const { return Described(spec.nodes[node.spec], node.spec); }

std::vector<Port> Program::PortsOf(const std::vector<int>& which) const {
  std::vector<Port> out;
  for (const int port : which) out.push_back(ports[static_cast<std::size_t>(port)]);
  return out;
}

Result<Program> Program::Build(GraphSpec given, const Kinds<Op>& kinds) {
  Program program;
  program.spec = std::move(given);
  program.token_ = std::make_shared<const int>(0);
  std::vector<Node> nodes;
  for (std::size_t i = 0; i < program.spec.nodes.size(); ++i) {
    NodeSpec& node = program.spec.nodes[i];
    const std::string called = Described(node, i);
    TENON_ASSIGN(const Kinds<Op>::Kind* kind, kinds.Find(node.op), called);
    TENON_ASSIGN(const Options options, Options::Parse(kind->doc.options, node.with, node.op), called);
    node.with = options.json();
    Node made;
    made.spec = i;
    TENON_ASSIGN(made.op, kind->make(options), called);
    for (const auto& [setting, content] : node.files) TENON_TRY(made.op->Give(setting, content), called);
    made.by_key = dynamic_cast<const KeyOp*>(made.op.get());
    nodes.push_back(std::move(made));
  }
  TENON_TRY(program.Order(std::move(nodes)));
  TENON_TRY(program.FindFeatures());
  return program;
}

Result<void> Program::Order(std::vector<Node> unordered) {
  std::map<std::string, int, std::less<>> named;
  std::vector<std::string> names;
  std::vector<int> ready;  // of each port: the passes done before it can be computed
  for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
    ports.push_back(PortOf(spec.inputs[i]));
    source.push_back(static_cast<int>(i));
    ready.push_back(0);
    names.push_back(spec.inputs[i].name);
    if (!named.try_emplace(spec.inputs[i].name, static_cast<int>(i)).second) {
      return Error(Code::kInvalidArgument, Str("the column '", spec.inputs[i].name, "' is named twice among the inputs"));
    }
  }
  std::vector<std::uint8_t> placed(unordered.size(), 0);
  for (bool progress = true; progress;) {
    progress = false;
    for (std::size_t i = 0; i < unordered.size(); ++i) {
      const NodeSpec& node_spec = spec.nodes[i];
      const bool can = placed[i] == 0 && std::all_of(node_spec.in.begin(), node_spec.in.end(),
                                                     [&](const std::string& name) { return named.contains(name); });
      if (!can) continue;
      placed[i] = 1;
      progress = true;
      Node node = std::move(unordered[i]);
      for (const std::string& name : node_spec.in) node.in.push_back(named.find(name)->second);
      const std::vector<Port> in = PortsOf(node.in);
      TENON_ASSIGN(std::vector<Port> out, node.op->Outputs(in, nullptr), Described(node_spec, i));
      if (!node_spec.out.empty() && node_spec.out.size() != out.size()) {
        return Error(Code::kInvalidArgument, Str(Described(node_spec, i), ": it has ", out.size(), " outputs, 'out' names ",
                                                 node_spec.out.size()));
      }
      node.learns = node.op->NewState(in, 0) != nullptr;
      for (const int port : node.in) node.level = std::max(node.level, ready[static_cast<std::size_t>(port)]);
      if (node.learns) levels = std::max(levels, node.level + 1);
      for (std::size_t k = 0; k < out.size(); ++k) {
        if (!node_spec.out.empty() && !node_spec.out[k].empty()) out[k].name = node_spec.out[k];
        const int port = static_cast<int>(ports.size());
        if (!named.try_emplace(out[k].name, port).second) {
          return Error(Code::kInvalidArgument, Str(Described(node_spec, i), ": there is already a '", out[k].name,
                                                   "'; name the output differently under 'out'"));
        }
        names.push_back(out[k].name);
        node.makes_texts = node.makes_texts || out[k].kind == Port::Kind::kText;
        node.out.push_back(port);
        ports.push_back(std::move(out[k]));
        source.push_back(source[static_cast<std::size_t>(node.in[0])]);
        ready.push_back(node.level + (node.learns ? 1 : 0));
      }
      nodes.push_back(std::move(node));
    }
  }
  if (nodes.size() < unordered.size()) return Stuck(spec, placed, names);
  return {};
}

Result<void> Program::FindFeatures() {
  std::map<std::string, int, std::less<>> named;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    named.emplace(ports[i].name, static_cast<int>(i));
    names.push_back(ports[i].name);
  }
  std::set<int> once;
  for (const std::string& name : spec.features) {
    const auto at = named.find(name);
    if (at == named.end()) {
      return Error(Code::kInvalidArgument, Str("feature '", name, "': no such column or output", DidYouMean(name, names)));
    }
    if (ports[static_cast<std::size_t>(at->second)].kind == Port::Kind::kText) {
      return Error(Code::kInvalidArgument, Str("feature '", name, "' is a text, and models read numbers; encode it first "
                                               "(one_hot, target_encode, text_tfidf)"));
    }
    if (!once.insert(at->second).second) {
      return Error(Code::kInvalidArgument, Str("feature '", name, "' is named twice"));
    }
    feature_ports_.push_back(at->second);
  }
  std::vector<std::uint8_t> needed(ports.size(), 0);
  for (const int port : feature_ports_) needed[static_cast<std::size_t>(port)] = 1;
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
    for (const int port : node->out) node->needed = node->needed || needed[static_cast<std::size_t>(port)] != 0;
    if (!node->needed) continue;
    for (const int port : node->in) needed[static_cast<std::size_t>(port)] = 1;
  }
  wanted_.assign(needed.begin(), needed.begin() + static_cast<std::ptrdiff_t>(spec.inputs.size()));
  return {};
}

Result<void> Program::UpdatePorts(const Node& node) {
  const std::vector<Port> in = PortsOf(node.in);
  TENON_ASSIGN(std::vector<Port> out, node.op->Outputs(in, node.state.get()), Called(node));
  if (out.size() != node.out.size()) {
    return Error(Code::kInternal, Str(Called(node), ": its number of outputs changed when it was fitted"));
  }
  for (std::size_t k = 0; k < out.size(); ++k) {
    Port& port = ports[static_cast<std::size_t>(node.out[k])];
    out[k].name = port.name;
    if (out[k].kind != port.kind) return Error(Code::kInternal, Str(Called(node), ": the kind of '", port.name, "' changed"));
    port = std::move(out[k]);
  }
  return {};
}

Result<void> Program::Layout(bool tile) {
  for (const Node& node : nodes) TENON_TRY(UpdatePorts(node));
  if (tile) {
    features.clear();
    feature_names.clear();
    feature_source.clear();
    std::int64_t offset = 0;
    for (const int at : feature_ports_) {
      const auto index = static_cast<std::size_t>(at);
      const Port& port = ports[index];
      const int parts = port.kind == Port::Kind::kVector ? port.width : 1;
      const bool direct = port.kind == Port::Kind::kVector && index >= spec.inputs.size();
      features.push_back({at, offset, parts, direct});
      for (int k = 0; k < parts; ++k) {
        const auto part = static_cast<std::size_t>(k);
        feature_names.push_back(port.kind != Port::Kind::kVector ? port.name
                                : part < port.parts.size()       ? port.parts[part]
                                                                 : Str(port.name, "[", k, "]"));
        feature_source.push_back(source[index]);
      }
      offset += parts;
    }
    width = static_cast<int>(offset);
  }
  PlaceLanes(tile);
  block_ = std::clamp<std::int64_t>(kBlockBytes / 4 / std::max<std::int64_t>(1, width), 16, kLaneRows);
  if (block_ > 64) block_ &= ~std::int64_t{63};  // whole words of validity
  if (!staged_.empty()) block_ = kLaneRows;
  stage_rows_ = std::clamp<std::int64_t>(kStageBytes / 4 / std::max<std::int64_t>(1, width), 1, kLaneRows);
  token_ = std::make_shared<const int>(0);
  return {};
}

void Program::PlaceLanes(bool tile) {
  places.assign(ports.size(), {});
  lanes_ = 0;
  number_lanes_ = text_lanes_ = vector_floats_ = 0;
  for (Node& node : nodes) {
    node.in_lane = lanes_;
    for (const int port : node.in) places[static_cast<std::size_t>(port)].lanes.push_back(lanes_++);
    node.out_lane = lanes_;
    for (const int port : node.out) places[static_cast<std::size_t>(port)].lanes.push_back(lanes_++);
  }
  number_features_.clear();
  direct_.clear();
  vector_inputs_.clear();
  staged_.clear();
  for (Node& node : nodes) node.staged = false;
  if (tile) {
    for (const Feature& feature : features) {
      const auto index = static_cast<std::size_t>(feature.port);
      if (feature.direct) {
        places[index].tile = feature.offset;
        direct_.push_back(feature);
      } else if (ports[index].kind == Port::Kind::kNumber) {
        number_features_.push_back(feature);
      } else {
        vector_inputs_.push_back(feature);
      }
    }
    Stage();
  }
  for (std::size_t i = 0; i < ports.size(); ++i) {
    switch (ports[i].kind) {
      case Port::Kind::kNumber: places[i].at = number_lanes_++ * kLaneRows; break;
      case Port::Kind::kText: places[i].at = text_lanes_++ * kLaneRows; break;
      case Port::Kind::kVector:
        if (places[i].tile >= 0) break;
        places[i].at = vector_floats_;
        vector_floats_ += ports[i].width * kLaneRows;
        break;
    }
  }
  for (Node& node : nodes) {
    node.vectors.clear();
    for (const int port : node.out) {
      const auto index = static_cast<std::size_t>(port);
      if (ports[index].kind == Port::Kind::kVector && places[index].tile < 0) node.vectors.push_back(port);
    }
  }
}

// Features of ones are put together with the numbers in rows, unless other ops write to the tile themselves: their rows
// are then zeroed, written and sent to the tile a few at a time.
void Program::Stage() {
  std::int64_t ones = 0;
  for (Node& node : nodes) {
    node.staged = node.needed && node.by_key != nullptr && node.by_key->gives_ones();
    for (const int port : node.out) {
      const Place& place = places[static_cast<std::size_t>(port)];
      node.staged = node.staged && place.tile >= 0 && place.lanes.size() == 1;  // nobody else reads it
    }
    if (node.staged) ones += static_cast<std::int64_t>(node.out.size());
  }
  if (ones == 0 || ones != static_cast<std::int64_t>(direct_.size())) {
    for (Node& node : nodes) node.staged = false;
    return;
  }
  staged_.swap(direct_);
  for (std::size_t k = 0; k < staged_.size(); ++k) {
    places[static_cast<std::size_t>(staged_[k].port)].ones = static_cast<std::int64_t>(k) * kLaneRows;
  }
}

void Program::Prepare(Working& working) const {
  if (working.owner == token_) return;
  working = Working();
  working.owner = token_;
  working.numbers.resize(static_cast<std::size_t>(number_lanes_ * kLaneRows));
  working.texts.resize(static_cast<std::size_t>(text_lanes_ * kLaneRows));
  working.vectors.resize(static_cast<std::size_t>(vector_floats_));
  working.codes.resize(spec.inputs.size() * kLaneRows);
  if (!staged_.empty()) {
    working.ones.resize(staged_.size() * kLaneRows);
    working.floats.resize(number_features_.size() * kLaneRows);
    working.stage.resize(static_cast<std::size_t>(stage_rows_ * width + 1));
    for (std::int64_t row = 0; row < kLaneRows; ++row) working.row_at.push_back(static_cast<std::int32_t>(row % stage_rows_ * width));
  }
  working.lanes.resize(lanes_);
  working.shown.resize(ports.size());
  working.made.resize(nodes.size());
  working.memos.resize(nodes.size());
  working.formatted.resize(spec.inputs.size());
  working.columns.resize(spec.inputs.size());
  working.how.resize(spec.inputs.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    working.memos[i].resize(nodes[i].in.size());
    if (nodes[i].makes_texts) working.made[i].reserve(static_cast<std::size_t>(kLaneRows) * nodes[i].out.size());
  }
  for (std::size_t i = 0; i < ports.size(); ++i) SetLane(working, i, OwnLane(working, i));
}

Lane Program::OwnLane(Working& working, std::size_t port) const {
  Lane lane;
  const std::int64_t at = places[port].at;
  if (at < 0) return lane;
  switch (ports[port].kind) {
    case Port::Kind::kNumber: lane.numbers = working.numbers.data() + at; break;
    case Port::Kind::kText: lane.texts = working.texts.data() + at; break;
    case Port::Kind::kVector:
      lane.vectors = working.vectors.data() + at;
      lane.stride = ports[port].width;
      break;
  }
  return lane;
}

void Program::SetLane(Working& working, std::size_t port, const Lane& lane) const {
  working.shown[port] = lane;
  for (const std::size_t at : places[port].lanes) working.lanes[at] = lane;
}

}  // namespace tenon::transform
