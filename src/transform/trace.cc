// What every port of a program holds, for people.

#include <cmath>

#include "base/text.h"
#include "base/time.h"
#include "transform/plan_internal.h"

namespace tenon::transform {
namespace {

Json NumberOf(const Port& port, double value) {
  if (std::isnan(value)) return {};
  if (!port.timestamp || !(std::abs(value) < 9e18)) return Json(value);
  return Json(FormatTimestamp(static_cast<std::int64_t>(value)));
}

// The parts that are not 0 by their names.
Json VectorOf(const Port& port, const float* values) {
  Json out = Json::MakeObject();
  for (int part = 0; part < port.width; ++part) {
    const auto at = static_cast<std::size_t>(part);
    if (values[part] == 0) continue;
    const std::string name = at < port.parts.size() ? port.parts[at] : Str(port.name, "[", part, "]");
    out[name] = std::isnan(values[part]) ? Json() : Json(static_cast<double>(values[part]));
  }
  return out;
}

}  // namespace

Result<std::vector<Json>> Program::Trace(const table::Batch& rows, Working& working) const {
  if (rows.rows() > kLaneRows) return Error(Code::kInvalidArgument, Str("at most ", kLaneRows, " rows are shown, got ", rows.rows()));
  Prepare(working);
  TENON_TRY(Bind(rows, wanted_, working));
  const std::int64_t n = rows.rows();
  Load(working, wanted_, 0, n);
  std::vector<float> tile(static_cast<std::size_t>(n * width) + 1);
  RunBlock(working, n, Known(), tile.data(), width);
  std::vector<Json> out(static_cast<std::size_t>(n), Json::MakeObject());
  std::vector<std::uint8_t> known(ports.size());
  for (std::size_t i = 0; i < spec.inputs.size(); ++i) known[i] = wanted_[i];
  for (const Node& node : nodes) {
    for (const int port : node.out) known[static_cast<std::size_t>(port)] = node.needed ? 1 : 0;
  }
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (known[i] == 0) continue;
    const Port& port = ports[i];
    const Lane& lane = working.shown[i];
    for (std::int64_t row = 0; row < n; ++row) {
      Json& value = out[static_cast<std::size_t>(row)][port.name];
      if (port.kind == Port::Kind::kNumber) {
        value = NumberOf(port, lane.numbers[row]);
      } else if (port.kind == Port::Kind::kText) {
        if (const std::string_view text = lane.Text(row); text.data() != nullptr) value = std::string(text);
      } else if (places[i].tile >= 0) {
        value = VectorOf(port, tile.data() + row * width + places[i].tile);
      } else {
        value = VectorOf(port, lane.vectors + row * lane.stride);
      }
    }
  }
  return out;
}

}  // namespace tenon::transform
