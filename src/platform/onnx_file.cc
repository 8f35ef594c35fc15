#include "platform/onnx_file.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <set>

#include "base/text.h"
#include "platform/proto.h"

namespace tenon::platform {
namespace {

using Form = ProtoReader::Form;

constexpr std::size_t kMostBytes = std::size_t{1} << 30;
constexpr int kMostDepth = 16;         // of graphs within graphs
constexpr std::size_t kMostNodes = 1 << 20;
constexpr std::int64_t kFloat = 1, kString = 8, kDouble = 11;

Error Wrong(std::string_view what) { return Error(Code::kInvalidArgument, Str("this is not an ONNX model that can be read: ", what)); }
Error Refused(std::string_view what) { return Error(Code::kInvalidArgument, Str("this ONNX model is refused: ", what)); }

// Bits of an element; 0: a type that is not known.
std::int64_t BitsOf(std::int64_t type) {
  switch (type) {
    case 2: case 3: case 9: case 17: case 18: case 19: case 20: return 8;
    case 4: case 5: case 10: case 16: return 16;
    case 1: case 6: case 12: return 32;
    case 7: case 11: case 13: case 14: return 64;
    case 15: return 128;
    case 21: case 22: case 23: return 4;
    default: return 0;
  }
}

// What is known while the parts are read.
struct Reading {
  std::set<std::string, std::less<>> functions;  // domains with functions of the file
  std::size_t nodes = 0;
};

void AddVarints(ProtoReader& field, std::vector<std::int64_t>* out) {
  if (field.form() == Form::kVarint) {
    out->push_back(field.whole_number());
    return;
  }
  ProtoReader packed(field.bytes());
  std::uint64_t value = 0;
  while (!packed.empty() && packed.Varint(&value)) out->push_back(static_cast<std::int64_t>(value));
}

template <typename T>
void AddFixed(const ProtoReader& field, std::vector<double>* out) {
  const std::string_view bytes = field.bytes();
  for (std::size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof(T));
    out->push_back(static_cast<double>(value));
  }
}

std::size_t Varints(const ProtoReader& field) {
  if (field.form() == Form::kVarint) return 1;
  return static_cast<std::size_t>(std::ranges::count_if(field.bytes(), [](char c) { return (c & 0x80) == 0; }));
}

Result<OnnxTensor> ReadTensor(std::string_view message) {
  OnnxTensor tensor{.message = message};
  ProtoReader field(message);
  std::size_t raw = 0, values = 0;
  bool has_raw = false, outside = false;
  while (field.Next()) {
    switch (field.number()) {
      case 1: AddVarints(field, &tensor.dims); break;
      case 2: tensor.type = field.whole_number(); break;
      case 4: values += field.form() == Form::kFixed32 ? 1 : field.bytes().size() / 4; break;
      case 5: case 7: case 11: values += Varints(field); break;
      case 6: values += 1; break;
      case 8: tensor.name = field.bytes(); break;
      case 9: raw += field.bytes().size(), has_raw = true; break;
      case 10: values += field.form() == Form::kFixed64 ? 1 : field.bytes().size() / 8; break;
      case 13: outside = true; break;
      case 14: outside = outside || field.whole_number() != 0; break;
      default: break;
    }
  }
  const std::string called = Str("the tensor '", tensor.name, "'");
  if (field.failed()) return Wrong(Str(called, " is cut off or damaged"));
  if (outside) return Refused(Str(called, " keeps its data in another file, which could be any file; save the model as one file"));
  const std::int64_t bits = BitsOf(tensor.type);
  if (bits == 0 && tensor.type != kString) return Wrong(Str(called, " has the unknown type ", tensor.type));
  std::int64_t count = 1;
  for (const std::int64_t dim : tensor.dims) {
    if (dim < 0 || (dim > 0 && count > static_cast<std::int64_t>(kMostBytes) / dim)) {
      return Refused(Str(called, " has a dimension of ", dim, ", more than any file holds"));
    }
    count *= dim;
  }
  if (has_raw && static_cast<std::int64_t>(raw) != (count * bits + 7) / 8) {
    return Wrong(Str(called, " needs ", (count * bits + 7) / 8, " bytes by its dimensions and has ", raw));
  }
  const std::int64_t wanted = bits == 4 ? (count + 1) / 2 : bits == 128 || tensor.type == 14 ? 2 * count : count;
  if (!has_raw && static_cast<std::int64_t>(values) != wanted && static_cast<std::int64_t>(values) != count) {
    return Wrong(Str(called, " needs ", count, " values by its dimensions and has ", values));
  }
  return tensor;
}

Result<void> ReadGraph(std::string_view message, int depth, Reading* reading, OnnxFile* out);

Result<OnnxAttribute> ReadAttribute(std::string_view message, int depth, Reading* reading) {
  OnnxAttribute attribute;
  ProtoReader field(message);
  while (field.Next()) {
    switch (field.number()) {
      case 1: attribute.name = field.bytes(); break;
      case 2: attribute.f = static_cast<double>(field.single()); break;
      case 3: attribute.i = field.whole_number(); break;
      case 4: attribute.s = field.bytes(); break;
      case 5: case 10: {
        TENON_ASSIGN(OnnxTensor tensor, ReadTensor(field.bytes()));
        attribute.tensor = std::move(tensor);
        break;
      }
      case 6: case 11: TENON_TRY(ReadGraph(field.bytes(), depth + 1, reading, nullptr)); break;
      case 7:
        if (field.form() == Form::kFixed32) {
          attribute.floats.push_back(static_cast<double>(field.single()));
        } else {
          AddFixed<float>(field, &attribute.floats);
        }
        break;
      case 8: AddVarints(field, &attribute.ints); break;
      case 9: attribute.strings.emplace_back(field.bytes()); break;
      case 22: case 23: return Refused("it has sparse tensors in attributes");
      default: break;
    }
  }
  if (field.failed()) return Wrong(Str("the attribute '", attribute.name, "' is cut off or damaged"));
  return attribute;
}

Result<OnnxNode> ReadNode(std::string_view message, int depth, Reading* reading) {
  if (++reading->nodes > kMostNodes) return Refused(Str("it has more than ", kMostNodes, " nodes"));
  OnnxNode node;
  ProtoReader field(message);
  while (field.Next()) {
    switch (field.number()) {
      case 1: node.in.emplace_back(field.bytes()); break;
      case 2: node.out.emplace_back(field.bytes()); break;
      case 3: node.name = field.bytes(); break;
      case 4: node.op = field.bytes(); break;
      case 7: node.domain = field.bytes(); break;
      case 5: {
        TENON_ASSIGN(OnnxAttribute attribute, ReadAttribute(field.bytes(), depth, reading), Str("the node '", node.name, "'"));
        node.attributes.push_back(std::move(attribute));
        break;
      }
      default: break;
    }
  }
  if (field.failed()) return Wrong(Str("the node '", node.name, "' is cut off or damaged"));
  if (node.domain == "ai.onnx") node.domain.clear();
  static constexpr std::string_view kKnown[] = {"", "ai.onnx.ml", "com.microsoft"};
  if (std::ranges::find(kKnown, node.domain) == std::end(kKnown) && !reading->functions.contains(node.domain)) {
    return Refused(Str("the node '", node.name, "' is the op ", node.op, " of the domain ", node.domain,
                       ", which is none of ONNX; ops that bring their own code are not run"));
  }
  return node;
}

Result<OnnxPort> ReadPort(std::string_view message) {
  OnnxPort port;
  ProtoReader field(message);
  while (field.Next()) {
    if (field.number() == 1) port.name = field.bytes();
    if (field.number() != 2) continue;
    ProtoReader type(field.bytes());
    while (type.Next()) {
      if (type.number() != 1) continue;
      ProtoReader tensor(type.bytes());
      while (tensor.Next()) {
        if (tensor.number() == 1) port.type = tensor.whole_number();
        if (tensor.number() != 2) continue;
        port.ranked = true;
        ProtoReader shape(tensor.bytes());
        while (shape.Next()) {
          std::int64_t size = -1;
          ProtoReader dim(shape.bytes());
          while (dim.Next()) {
            if (dim.number() == 1) size = dim.whole_number();
          }
          port.shape.push_back(size > 0 ? size : -1);
        }
        if (shape.failed()) return Wrong(Str("the shape of '", port.name, "' is damaged"));
      }
    }
  }
  if (field.failed()) return Wrong(Str("the input or output '", port.name, "' is cut off or damaged"));
  return port;
}

// `out` is null for graphs within graphs, which are only checked.
Result<void> ReadGraph(std::string_view message, int depth, Reading* reading, OnnxFile* out) {
  if (depth > kMostDepth) return Refused(Str("its graphs are nested more than ", kMostDepth, " deep"));
  ProtoReader field(message);
  while (field.Next()) {
    switch (field.number()) {
      case 1: {
        TENON_ASSIGN(OnnxNode node, ReadNode(field.bytes(), depth, reading));
        if (out != nullptr) out->nodes.push_back(std::move(node));
        break;
      }
      case 5: {
        TENON_ASSIGN(OnnxTensor tensor, ReadTensor(field.bytes()));
        if (out != nullptr) out->constants.push_back(std::move(tensor));
        break;
      }
      case 11: case 12: {
        TENON_ASSIGN(OnnxPort port, ReadPort(field.bytes()));
        if (out != nullptr) (field.number() == 11 ? out->inputs : out->outputs).push_back(std::move(port));
        break;
      }
      case 15: {  // SparseTensorProto: values and indices are tensors
        ProtoReader sparse(field.bytes());
        while (sparse.Next()) {
          if (sparse.number() <= 2) TENON_TRY(ReadTensor(sparse.bytes()));
        }
        break;
      }
      default: break;
    }
  }
  if (field.failed()) return Wrong("its graph is cut off or damaged");
  return {};
}

}  // namespace

Result<std::vector<double>> OnnxTensor::Numbers() const {
  std::vector<double> out;
  ProtoReader field(message);
  while (field.Next()) {
    switch (field.number()) {
      case 4: field.form() == Form::kFixed32 ? out.push_back(static_cast<double>(field.single())) : AddFixed<float>(field, &out); break;
      case 10: AddFixed<double>(field, &out); break;
      case 5: case 7: {
        std::vector<std::int64_t> values;
        AddVarints(field, &values);
        for (const std::int64_t value : values) out.push_back(static_cast<double>(value));
        break;
      }
      case 9:
        if (type == kFloat) AddFixed<float>(field, &out);
        if (type == kDouble) AddFixed<double>(field, &out);
        if (type == 6) AddFixed<std::int32_t>(field, &out);
        if (type == 7) AddFixed<std::int64_t>(field, &out);
        if (type == 2 || type == 9) AddFixed<std::uint8_t>(field, &out);
        break;
      default: break;
    }
  }
  std::int64_t count = 1;
  for (const std::int64_t dim : dims) count *= dim;
  if (static_cast<std::int64_t>(out.size()) != count) return Wrong(Str("the tensor '", name, "' has a type that is not read here: ", type));
  return out;
}

const OnnxAttribute* OnnxNode::Find(std::string_view attribute) const {
  const auto at = std::ranges::find(attributes, attribute, &OnnxAttribute::name);
  return at == attributes.end() ? nullptr : &*at;
}
std::int64_t OnnxNode::Int(std::string_view attribute, std::int64_t fallback) const {
  const OnnxAttribute* found = Find(attribute);
  return found == nullptr ? fallback : found->i;
}
double OnnxNode::Float(std::string_view attribute, double fallback) const {
  const OnnxAttribute* found = Find(attribute);
  return found == nullptr ? fallback : found->f;
}
std::string OnnxNode::Text(std::string_view attribute, std::string_view fallback) const {
  const OnnxAttribute* found = Find(attribute);
  return found == nullptr ? std::string(fallback) : found->s;
}
std::vector<double> OnnxNode::Floats(std::string_view attribute) const {
  const OnnxAttribute* found = Find(attribute);
  return found == nullptr ? std::vector<double>() : found->floats;
}
std::vector<std::int64_t> OnnxNode::Ints(std::string_view attribute) const {
  const OnnxAttribute* found = Find(attribute);
  return found == nullptr ? std::vector<std::int64_t>() : found->ints;
}
std::vector<std::string> OnnxNode::Texts(std::string_view attribute) const {
  const OnnxAttribute* found = Find(attribute);
  return found == nullptr ? std::vector<std::string>() : found->strings;
}

Result<OnnxFile> OnnxFile::Read(std::string_view bytes) {
  if (bytes.size() > kMostBytes) return Refused(Str("it has ", bytes.size(), " bytes, more than ", kMostBytes));
  OnnxFile file{.bytes = bytes};
  Reading reading;
  std::vector<std::string_view> graphs, functions;
  bool opset = false;
  ProtoReader field(bytes);
  while (field.Next()) {
    if (field.number() == 2) file.producer = field.bytes();
    if (field.number() == 7 && field.form() == Form::kBytes) graphs.push_back(field.bytes());
    if (field.number() == 8) opset = true;
    if (field.number() == 25) functions.push_back(field.bytes());
  }
  if (field.failed()) return Wrong("its bytes are not Protocol Buffers; it is cut off or damaged");
  if (graphs.size() != 1 || !opset) return Wrong("it has no graph, or does not say its version of the ops");
  for (const std::string_view function : functions) {
    ProtoReader part(function);
    while (part.Next()) {
      if (part.number() == 10) reading.functions.emplace(part.bytes());
    }
  }
  for (const std::string_view function : functions) {
    ProtoReader part(function);
    while (part.Next()) {
      if (part.number() == 7) TENON_TRY(ReadNode(part.bytes(), 1, &reading), "a function of the file");
      if (part.number() == 11) TENON_TRY(ReadAttribute(part.bytes(), 1, &reading), "a function of the file");
    }
    if (part.failed()) return Wrong("a function of the file is damaged");
  }
  TENON_TRY(ReadGraph(graphs[0], 0, &reading, &file));
  std::erase_if(file.inputs, [&](const OnnxPort& port) { return file.Constant(port.name) != nullptr; });
  if (file.outputs.empty()) return Wrong("it has no output");
  return file;
}

const OnnxTensor* OnnxFile::Constant(std::string_view name) const {
  const auto at = std::ranges::find(constants, name, &OnnxTensor::name);
  return at == constants.end() ? nullptr : &*at;
}

const OnnxNode* OnnxFile::Maker(std::string_view value) const {
  for (const OnnxNode& node : nodes) {
    if (std::ranges::find(node.out, value) != node.out.end()) return &node;
  }
  return nullptr;
}

int OnnxFile::Readers(std::string_view value) const {
  auto count = std::ranges::count(outputs, value, &OnnxPort::name);
  for (const OnnxNode& node : nodes) count += std::ranges::count(node.in, value);
  return static_cast<int>(count);
}

std::string OnnxFile::WithoutMaps() const {
  if (std::ranges::none_of(nodes, [](const OnnxNode& node) { return node.op == "ZipMap"; })) return std::string(bytes);
  ProtoWriter out;
  ProtoReader model(bytes);
  while (model.Next()) {
    if (model.number() != 7) {
      out.Copy(model.whole());
      continue;
    }
    ProtoWriter graph;
    ProtoReader part(model.bytes());
    std::size_t at = 0;
    while (part.Next()) {
      if (part.number() == 1) {
        if (nodes[at++].op != "ZipMap") graph.Copy(part.whole());
        continue;
      }
      if (part.number() != 12) {
        graph.Copy(part.whole());
        continue;
      }
      ProtoReader port(part.bytes());
      std::string name;
      while (port.Next()) {
        if (port.number() == 1) name = port.bytes();
      }
      const OnnxNode* maker = Maker(name);
      if (maker == nullptr || maker->op != "ZipMap" || maker->in.empty()) {
        graph.Copy(part.whole());
        continue;
      }
      ProtoWriter elements, type, tensor;  // a tensor of floats; the runtime finds out its shape
      elements.Varint(1, static_cast<std::uint64_t>(kFloat));
      type.Bytes(1, elements.bytes());
      tensor.Bytes(1, maker->in[0]);
      tensor.Bytes(2, type.bytes());
      graph.Bytes(12, tensor.bytes());
    }
    out.Bytes(7, graph.bytes());
  }
  return out.Take();
}

}  // namespace tenon::platform
