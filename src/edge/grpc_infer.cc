// ModelInfer and ModelStreamInfer: tensors as protobuf, straight to columns and back.

#include <bit>
#include <charconv>
#include <cstring>

#include "base/text.h"
#include "edge/grpc_internal.h"
#include "edge/protobuf_internal.h"

namespace tenon::edge {
namespace {

Error Bad(std::string text) { return Error(Code::kInvalidArgument, std::move(text)); }

Result<void> CheckText(std::string_view text, std::string_view what) {
  if (IsUtf8(text)) return {};
  return Bad(Str(what, " is not UTF-8"));
}

// Which of InferTensorContents' lists holds a datatype.
std::uint32_t ListOf(const OipDatatype& type) {
  switch (type.family) {
    case OipFamily::kBool: return 1;
    case OipFamily::kInt: return type.bytes == 8 ? 3 : 2;
    case OipFamily::kUint: return type.bytes == 8 ? 5 : 4;
    case OipFamily::kFloat: return type.bytes == 8 ? 7 : 6;
    case OipFamily::kBytes: return 8;
    default: return 0;
  }
}

double ValueOf(std::uint32_t list, std::uint64_t bits) {
  switch (list) {
    case 1: return bits != 0 ? 1 : 0;
    case 2: return static_cast<double>(static_cast<std::int32_t>(bits));
    case 3: return static_cast<double>(static_cast<std::int64_t>(bits));
    case 4: return static_cast<double>(static_cast<std::uint32_t>(bits));
    case 6: return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    case 7: return std::bit_cast<double>(bits);
    default: return static_cast<double>(bits);
  }
}

ProtoWire WireOf(std::uint32_t list) {
  return list == 6 ? ProtoWire::kFixed32 : list == 7 ? ProtoWire::kFixed64 : list == 8 ? ProtoWire::kBytes : ProtoWire::kVarint;
}

bool UnpackList(std::uint32_t list, std::string_view packed, std::vector<OipElement>& out) {
  const auto kind = list == 1 ? OipElement::Kind::kBool : OipElement::Kind::kNumber;
  if (WireOf(list) == ProtoWire::kVarint) {
    while (!packed.empty()) {
      std::uint64_t bits = 0;
      if (!ProtoReader::TakeVarint(&packed, &bits)) return false;
      out.push_back({kind, ValueOf(list, bits), {}});
    }
    return true;
  }
  const std::size_t size = list == 6 ? 4 : 8;
  if (packed.size() % size != 0) return false;
  for (; !packed.empty(); packed.remove_prefix(size)) {
    std::uint64_t bits = 0;
    for (std::size_t i = size; i-- > 0;) bits = bits << 8 | static_cast<unsigned char>(packed[i]);
    out.push_back({kind, ValueOf(list, bits), {}});
  }
  return true;
}

Result<void> ReadContents(std::string_view bytes, OipRequest& request, OipTensor& tensor) {
  const std::uint32_t list = ListOf(*tensor.type);
  if (list == 0) return Bad(Str("input '", tensor.name, "': ", tensor.type->name, " must come in raw_input_contents"));
  tensor.first = request.elements.size();
  ProtoReader reader(bytes);
  while (reader.Next()) {
    if (reader.field() < 1 || reader.field() > 8) continue;
    if (reader.field() != list) {
      if (reader.wire() == ProtoWire::kBytes && reader.field() != 8 && reader.bytes().empty()) continue;
      return Bad(Str("input '", tensor.name, "' is ", tensor.type->name, ", but its contents are of another type"));
    }
    if (list == 8) {
      if (!reader.Is(8, ProtoWire::kBytes)) break;
      request.elements.push_back({IsUtf8(reader.bytes()) ? OipElement::Kind::kText : OipElement::Kind::kBytes, 0, reader.bytes()});
    } else if (reader.wire() == ProtoWire::kBytes) {
      if (!UnpackList(list, reader.bytes(), request.elements)) return MalformedMessage(Str("the contents of input '", tensor.name, "'"));
    } else if (reader.Is(list, WireOf(list))) {  // one by one, as older writers have it
      const auto kind = list == 1 ? OipElement::Kind::kBool : OipElement::Kind::kNumber;
      request.elements.push_back({kind, ValueOf(list, reader.number()), {}});
    }
  }
  if (!reader.good()) return MalformedMessage(Str("the contents of input '", tensor.name, "'"));
  return CheckOipElements(request, tensor);
}

Result<void> ReadShape(ProtoReader& reader, OipTensor& tensor) {
  if (reader.wire() != ProtoWire::kBytes) {  // one by one, as older writers have it
    if (reader.Is(3, ProtoWire::kVarint)) return tensor.AddSize(static_cast<std::int64_t>(reader.number()));
    return {};
  }
  std::string_view packed = reader.bytes();
  std::uint64_t size = 0;
  while (!packed.empty()) {
    if (!ProtoReader::TakeVarint(&packed, &size)) return MalformedMessage("the shape of an input");
    TENON_TRY(tensor.AddSize(static_cast<std::int64_t>(size)));
  }
  return {};
}

// `like`: the datatype of the input before, which most share.
Result<void> ReadInput(std::string_view bytes, const OipDatatype* like, OipTensor& tensor) {
  std::string_view datatype;
  bool has_contents = false;
  ProtoReader reader(bytes);
  while (reader.Next()) {
    if (reader.Is(1, ProtoWire::kBytes)) {
      tensor.name = reader.bytes();
      TENON_TRY(CheckText(tensor.name, "the name of an input"));
    } else if (reader.Is(2, ProtoWire::kBytes)) {
      datatype = reader.bytes();
    } else if (reader.field() == 3) {
      TENON_TRY(ReadShape(reader, tensor));
    } else if (reader.Is(5, ProtoWire::kBytes)) {
      if (has_contents) return Bad(Str("input '", tensor.name, "' has contents twice"));
      has_contents = true;
      tensor.contents = reader.bytes();
    }
  }
  if (!reader.good()) return MalformedMessage("an input");
  if (tensor.name.empty()) return Bad("an input has no name");
  tensor.type = like != nullptr && like->name == datatype ? like : OipDatatypeNamed(datatype);
  if (tensor.type == nullptr) {
    TENON_TRY(CheckText(datatype, "the datatype of an input"));
    return Bad(Str("input '", tensor.name, "': there is no datatype '", datatype, "'"));
  }
  if (tensor.dims == 0) return Bad(Str("input '", tensor.name, "' needs a shape such as [1]"));
  return {};
}

// One entry of a map of parameters: its name, and what it holds of an int64_param or uint64_param.
Result<void> ReadParameter(std::string_view entry, std::string_view* name, std::int64_t* number) {
  ProtoReader reader(entry);
  while (reader.Next()) {
    if (reader.Is(1, ProtoWire::kBytes)) {
      *name = reader.bytes();
    } else if (reader.Is(2, ProtoWire::kBytes)) {
      ProtoReader value(reader.bytes());
      while (value.Next()) {
        if (value.Is(2, ProtoWire::kVarint) || value.Is(5, ProtoWire::kVarint)) *number = static_cast<std::int64_t>(value.number());
      }
      if (!value.good()) return MalformedMessage("a parameter");
    }
  }
  if (!reader.good()) return MalformedMessage("a parameter");
  return {};
}

Result<void> ReadOutput(std::string_view bytes, OipRequest& request) {
  OipRequest::Output output;
  output.binary = true;
  ProtoReader reader(bytes);
  while (reader.Next()) {
    if (reader.Is(1, ProtoWire::kBytes)) {
      output.name = reader.bytes();
    } else if (reader.Is(2, ProtoWire::kBytes)) {
      std::string_view name;
      std::int64_t number = 0;
      TENON_TRY(ReadParameter(reader.bytes(), &name, &number));
      if (name != "classification") continue;
      if (number < 0 || number > 65536) return Bad("classification must be 1 or more");
      output.classes = static_cast<int>(number);
    }
  }
  if (!reader.good()) return MalformedMessage("an output");
  TENON_TRY(CheckText(output.name, "the name of an output"));
  request.outputs.push_back(output);
  request.all_outputs = false;
  return {};
}

void WriteAnswer(const Lane& lane, OipMemory& memory, serve::Rung rung, std::string* out) {
  ProtoWriter writer(out);
  writer.Bytes(1, lane.served().endpoint);
  char version[16];
  const char* end = std::to_chars(version, version + sizeof version, lane.served().version).ptr;
  writer.Bytes(2, {version, static_cast<std::size_t>(end - version)});
  writer.Bytes(3, memory.request.id);
  if (rung != serve::Rung::kModel) {  // parameters["rung"].string_param
    const std::size_t entry = writer.Begin(4);
    writer.Bytes(1, "rung");
    const std::size_t value = writer.Begin(2);
    writer.Bytes(3, serve::NameOf(rung));
    writer.End(value);
    writer.End(entry);
  }
  for (const OipChosen& chosen : memory.chosen) {
    const std::size_t begin = writer.Begin(5);
    writer.Bytes(1, chosen.output->name);
    writer.Bytes(2, chosen.datatype);
    char shape[20];
    std::size_t size = 0;
    const auto add = [&](std::int64_t value) {
      auto left = static_cast<std::uint64_t>(value);
      for (; left >= 0x80; left >>= 7) shape[size++] = static_cast<char>(left | 0x80);
      shape[size++] = static_cast<char>(left);
    };
    add(memory.answers.rows);
    if (chosen.width != 0) add(chosen.width);
    writer.Bytes(3, {shape, size});
    writer.End(begin);
  }
  for (const OipChosen& chosen : memory.chosen) {
    const std::size_t begin = writer.Begin(6);
    AppendOipElements(lane, chosen, memory.answers, true, out);
    writer.End(begin);
  }
}

Result<void> Infer(Worker& worker, const RpcRequest& request, RpcResponse& response) {
  OipMemory& memory = worker.oip();
  memory.request.Clear();
  TENON_TRY(ReadOipProto(request.message, &memory.request));
  TENON_ASSIGN(Lane* lane, AskOip(worker, *request.head, memory.request.model, memory.request.version, memory.request));
  const std::string_view id = worker.RequestId(request.head->Header("x-request-id"));
  auto inferred = InferOip(worker, *lane, request.deadline, memory);
  if (!inferred.ok()) {
    worker.Count(*lane, RowOf(inferred.error().code()).http);
    return inferred;
  }
  WriteAnswer(*lane, memory, worker.lowest(), &response.message);
  if (!id.empty()) response.metadata = Str("X-Request-Id: ", id, "\r\n");
  if (worker.lowest() != serve::Rung::kModel) response.metadata += Str("Tenon-Rung: ", serve::NameOf(worker.lowest()), "\r\n");
  worker.LogKept(*lane, id);
  worker.Count(*lane, 200);
  return {};
}

}  // namespace

Error MalformedMessage(std::string_view what) { return Bad(Str(what, " is malformed: its bytes are not what api/inference.proto says")); }

void FailWith(const Error& error, RpcResponse& response) { response.Fail(error.code(), error.message()); }

Result<void> ReadOipProto(std::string_view message, OipRequest* out) {
  out->binary_outputs = true;
  ProtoReader reader(message);
  while (reader.Next()) {
    if (reader.Is(1, ProtoWire::kBytes)) {
      out->model = reader.bytes();
    } else if (reader.Is(2, ProtoWire::kBytes)) {
      out->version = reader.bytes();
    } else if (reader.Is(3, ProtoWire::kBytes)) {
      out->id = reader.bytes();
    } else if (reader.Is(4, ProtoWire::kBytes)) {
      std::string_view name;
      std::int64_t number = 0;
      TENON_TRY(ReadParameter(reader.bytes(), &name, &number));
      if (name != "timeout") continue;
      if (number < 0) return Bad("the parameter 'timeout' must be microseconds, a whole number from 0 (none)");
      out->timeout = number;
    } else if (reader.Is(5, ProtoWire::kBytes)) {
      const OipDatatype* like = out->inputs.empty() ? nullptr : out->inputs.back().type;
      TENON_TRY(ReadInput(reader.bytes(), like, out->inputs.emplace_back()));
    } else if (reader.Is(6, ProtoWire::kBytes)) {
      TENON_TRY(ReadOutput(reader.bytes(), *out));
    } else if (reader.Is(7, ProtoWire::kBytes)) {
      out->raws.push_back(reader.bytes());
    }
  }
  if (!reader.good()) return MalformedMessage("the request");
  for (const auto& [text, what] : {std::pair{out->model, "model_name"}, {out->version, "model_version"}, {out->id, "id"}}) {
    TENON_TRY(CheckText(text, what));
  }
  const std::vector<std::string_view>& raws = out->raws;
  if (!raws.empty() && raws.size() != out->inputs.size()) {
    return Bad(Str("there are ", raws.size(), " raw_input_contents for ", out->inputs.size(), " inputs"));
  }
  for (std::size_t i = 0; i < out->inputs.size(); ++i) {
    OipTensor& tensor = out->inputs[i];
    if (raws.empty()) {
      TENON_TRY(ReadContents(tensor.contents, *out, tensor));
      continue;
    }
    if (!tensor.contents.empty()) return Bad(Str("input '", tensor.name, "' has contents beside raw_input_contents"));
    TENON_TRY(SetOipRaw(*out, tensor, raws[i]));
  }
  return {};
}

namespace grpc {

void ModelInfer(Worker& worker, const RpcRequest& request, RpcResponse& response) {
  if (auto done = Infer(worker, request, response); !done.ok()) FailWith(done.error(), response);
}

// A failed request of a stream is answered within it: the others go on.
void ModelStreamInfer(Worker& worker, const RpcRequest& request, RpcResponse& response) {
  auto done = Infer(worker, request, response);
  const std::string answer = std::move(response.message);
  response.message.clear();
  ProtoWriter writer(&response.message);
  if (done.ok()) {
    writer.AlwaysBytes(2, answer);
    return;
  }
  writer.Bytes(1, done.error().message());
  if (worker.oip().request.id.empty()) return;
  const std::size_t begin = writer.Begin(2);  // by its id the client knows which one failed
  writer.Bytes(3, IsUtf8(worker.oip().request.id) ? worker.oip().request.id : std::string_view());
  writer.End(begin);
}

}  // namespace grpc
}  // namespace tenon::edge
