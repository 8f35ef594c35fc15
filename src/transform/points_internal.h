#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "transform/columns_internal.h"

namespace tenon::transform {

// An op that takes its inputs, numbers, together as a point, and gives one vector whose width is known once it is fitted.
// `Learned` is a State made of (Settings, inputs) that has Load(bytes), width(), and means and factors an input.
template <typename Learned, typename Settings>
class PointOp : public Op {
 public:
  // The vector is named by what it holds, `parts` ("components").
  PointOp(Settings settings, std::string_view parts, std::size_t most_inputs) : settings_(std::move(settings)), parts_(parts), most_inputs_(most_inputs) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State* state) const override {
    TENON_TRY(CheckNumbers(in, most_inputs_));
    Port port{.name = in.size() == 1 ? Str(in[0].name, "_", parts_) : parts_, .kind = Port::Kind::kVector, .width = 0};
    if (state != nullptr) port.width = static_cast<int>(static_cast<const Learned*>(state)->width());
    for (int part = 0; part < port.width; ++part) port.parts.push_back(Str(port.name, "~", part + 1));
    return std::vector<Port>{std::move(port)};
  }
  std::unique_ptr<State> NewState(std::span<const Port> in, int) const override { return std::make_unique<Learned>(settings_, in.size()); }
  Result<std::unique_ptr<State>> LoadState(std::span<const Port> in, std::string_view bytes) const override {
    auto state = std::make_unique<Learned>(settings_, in.size());
    TENON_TRY(state->Load(bytes));
    return state;
  }

 protected:
  // The row's point, shifted and scaled; what is missing counts as average.
  static void Centre(const Learned& learned, std::span<const Lane> in, std::int64_t row, double* point) {
    for (std::size_t i = 0; i < in.size(); ++i) {
      const double x = in[i].numbers[row];
      point[i] = std::isfinite(x) ? (x - learned.means[i]) / learned.factors[i] : 0;
    }
  }
  const Settings& settings() const { return settings_; }

 private:
  Settings settings_;
  std::string parts_;
  std::size_t most_inputs_;
};

}  // namespace tenon::transform
