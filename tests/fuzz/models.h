#pragma once

// Kinds, and what a loaded model must do whatever its bytes were.

#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/target.h"
#include "model/model.h"
#include "transform/op.h"

namespace tenon::fuzz {

inline const Kinds<transform::Op>& Ops() {
  static const Kinds<transform::Op> kinds = [] {
    Kinds<transform::Op> all;
    Must(transform::AddAll(all), "the ops");
    return all;
  }();
  return kinds;
}

inline const Kinds<model::Format>& Formats() {
  static const Kinds<model::Format> kinds = [] {
    Kinds<model::Format> all;
    Must(model::AddAll(all), "the formats");
    return all;
  }();
  return kinds;
}

inline Result<std::unique_ptr<model::Model>> LoadModel(std::string_view format, std::string_view payload) {
  TENON_ASSIGN(auto reader, Formats().Create(format));
  return reader->Load(payload);
}

inline std::string Bits(const float* values, std::size_t count) {
  return std::string(reinterpret_cast<const char*>(values), count * sizeof(float));
}

// It answers any row, alone as among others, and its attributions add up to its margin. Models of so many features that
// one row is megabytes are only asked for what they are.
inline void CheckModel(const model::Model& model) {
  Hold(!model.Describe().Dump().empty(), "a model describes itself");
  Hold(model.features() >= 0 && model.outputs() >= 1, "a model has a size");
  if (model.features() > 4096 || model.outputs() > 256) return;
  const float odd[] = {0.0F, -0.0F, 1.0F, -1.0F, 3.0F, 16777217.0F, 1e30F, -1e30F, std::numeric_limits<float>::quiet_NaN(),
                       std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), 0.5F, 31.0F};
  constexpr std::size_t kRows = 19;
  const auto width = static_cast<std::size_t>(model.features()), outputs = static_cast<std::size_t>(model.outputs());
  std::vector<float> rows(kRows * width + 1);
  for (std::size_t i = 0; i < kRows * width; ++i) rows[i] = odd[(i * 7 + i / width) % std::size(odd)];
  std::vector<float> all(kRows * outputs), margins(kRows * outputs), one(outputs);
  const auto stride = static_cast<std::int64_t>(width);
  model.Predict(rows.data(), kRows, stride, all.data());
  model.Margin(rows.data(), kRows, stride, margins.data());
  std::vector<double> parts(outputs * (width + 1));
  for (std::size_t row = 0; row < kRows; ++row) {
    model.Predict(rows.data() + row * width, 1, stride, one.data());
    Same(Bits(one.data(), outputs), Bits(all.data() + row * outputs, outputs), "a row alone and among others");
    model.Contributions(rows.data() + row * width, parts.data());
  }
}

}  // namespace tenon::fuzz
