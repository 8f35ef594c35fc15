#include "transform/op.h"

#include <algorithm>

#include "base/text.h"
#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

std::string_view NameOf(Port::Kind kind) {
  switch (kind) {
    case Port::Kind::kNumber: return "a number";
    case Port::Kind::kText: return "a text";
    case Port::Kind::kVector: return "a vector";
  }
  return "";
}

Result<void> CheckCount(std::span<const Port> in, std::size_t most) {
  if (in.empty()) return Error(Code::kInvalidArgument, "it needs an input; name a column under 'in'");
  if (most > 0 && in.size() > most) {
    return Error(Code::kInvalidArgument, Str("it takes at most ", most, most == 1 ? " input" : " inputs", ", got ", in.size()));
  }
  return {};
}

}  // namespace

std::unique_ptr<State> Op::NewState(std::span<const Port>, int) const { return nullptr; }

Result<std::unique_ptr<State>> Op::LoadState(std::span<const Port>, std::string_view) const {
  return Error(Code::kDataLoss, "the saved graph has a state for an op that learns nothing");
}

void Op::MapTraining(const State* state, std::span<const Lane> in, const double*, const std::uint8_t*,
                     std::span<const Lane> out, std::int64_t n, std::vector<std::string>* texts) const {
  Map(state, in, out, n, texts);
}

Result<void> Op::Give(std::string_view setting, std::shared_ptr<const std::string>) {
  return Error(Code::kInternal, Str("it was given a file for '", setting, "', which it does not read"));
}

std::vector<std::string> FileSettings(const Kinds<Op>::Kind& kind) {
  std::vector<std::string> out;
  for (const Option& option : kind.doc.options) {
    const std::string hash = Str(option.name, "_sha256");
    if (std::ranges::any_of(kind.doc.options, [&hash](const Option& other) { return other.name == hash; })) out.push_back(option.name);
  }
  return out;
}

Result<void> CheckNumbers(std::span<const Port> in, std::size_t most) {
  TENON_TRY(CheckCount(in, most));
  for (const Port& port : in) {
    if (port.kind != Port::Kind::kNumber) {
      return Error(Code::kInvalidArgument, Str("input '", port.name, "' is ", NameOf(port.kind),
                                               ", expected a number; encode it first (one_hot, ordinal, target_encode)"));
    }
  }
  return {};
}

Result<void> CheckKeys(std::span<const Port> in, std::size_t most) {
  TENON_TRY(CheckCount(in, most));
  for (const Port& port : in) {
    if (port.kind == Port::Kind::kVector) {
      return Error(Code::kInvalidArgument, Str("input '", port.name, "' is a vector, expected a text or a number"));
    }
  }
  return {};
}

}  // namespace tenon::transform
