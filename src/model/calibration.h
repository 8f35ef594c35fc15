#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"

namespace tenon::model {

// Turns a binary model's probability into a better calibrated one; monotone, so that rankings stay. Data: none,
// platt {a, b} (on log-odds; Platt 1999), isotonic {x, y} (steps joined by lines; Zadrozny, Elkan 2002).
// Immutable; a value type. The same float in gives the same float out.
class Calibration {
 public:
  Calibration() = default;  // none
  static Calibration Platt(double a, double b);
  static Result<Calibration> Isotonic(std::vector<double> x, std::vector<double> y);
  static Result<Calibration> FromJson(const Json& json);
  Json ToJson() const;
  float Apply(float probability) const;
  std::string_view method() const { return method_; }

 private:
  std::string method_ = "none";
  std::vector<double> x_, y_;
};

}  // namespace tenon::model
