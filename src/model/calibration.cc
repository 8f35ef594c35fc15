#include "model/calibration.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "base/text.h"

namespace tenon::model {
namespace {

// Far below the distance of two floats near 1, so that no two probabilities fall together for it.
constexpr double kLeast = 1e-12;

Error Wrong(std::string_view what) { return Error(Code::kInvalidArgument, Str("calibration: ", what)); }

}  // namespace

Calibration Calibration::Platt(double a, double b) {
  assert(std::isfinite(a) && std::isfinite(b));
  Calibration made;
  made.method_ = "platt";
  made.x_ = {std::max(a, 0.0)};  // a falling curve would turn the ranking round
  made.y_ = {b};
  return made;
}

Result<Calibration> Calibration::Isotonic(std::vector<double> x, std::vector<double> y) {
  if (x.empty() || x.size() != y.size()) {
    return Wrong(Str("isotonic needs as many x as y and at least one; it has ", x.size(), " and ", y.size()));
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i]) || !(y[i] >= 0 && y[i] <= 1)) {
      return Wrong(Str("the point (", x[i], ", ", y[i], ") is not a score and a probability"));
    }
    if (i > 0 && !(x[i - 1] < x[i] && y[i - 1] <= y[i])) {
      return Wrong(Str("x must rise and y must not fall; they do not at x = ", x[i]));
    }
  }
  Calibration made;
  made.method_ = "isotonic";
  made.x_ = std::move(x);
  made.y_ = std::move(y);
  return made;
}

Result<Calibration> Calibration::FromJson(const Json& json) {
  if (json.is_null()) return Calibration();
  TENON_ASSIGN(Fields fields, Fields::Of(json, "calibration"));
  std::string method = "none";
  TENON_TRY(fields.Read("method", &method));
  if (method == "none") {
    TENON_TRY(fields.Done());
    return Calibration();
  }
  if (method == "platt") {
    double a = 1, b = 0;
    TENON_TRY(fields.Read("a", &a));
    TENON_TRY(fields.Read("b", &b));
    TENON_TRY(fields.Done());
    if (!(a >= 0) || !std::isfinite(a) || !std::isfinite(b)) return Wrong(Str("platt needs a >= 0 and a finite b; it has ", a, " and ", b));
    return Platt(a, b);
  }
  if (method == "isotonic") {
    std::vector<double> x, y;
    TENON_TRY(fields.Read("x", &x));
    TENON_TRY(fields.Read("y", &y));
    TENON_TRY(fields.Done());
    return Isotonic(std::move(x), std::move(y));
  }
  const std::vector<std::string> known = {"isotonic", "none", "platt"};
  return Wrong(Str("no method '", method, "'", DidYouMean(method, known)));
}

Json Calibration::ToJson() const {
  Json json;
  json["method"] = method_;
  if (method_ == "platt") {
    json["a"] = x_[0];
    json["b"] = y_[0];
  } else if (method_ == "isotonic") {
    json["x"] = Json::ListOf(x_);
    json["y"] = Json::ListOf(y_);
  }
  return json;
}

float Calibration::Apply(float probability) const {
  if (x_.empty()) return probability;
  const auto p = static_cast<double>(probability);
  if (method_ == "platt") {
    const double inside = std::clamp(p, kLeast, 1 - kLeast);
    const double log_odds = std::log(inside / (1 - inside));
    return static_cast<float>(1 / (1 + std::exp(-(x_[0] * log_odds + y_[0]))));
  }
  if (!(p > x_.front())) return static_cast<float>(y_.front());
  if (p >= x_.back()) return static_cast<float>(y_.back());
  const auto above = static_cast<std::size_t>(std::ranges::upper_bound(x_, p) - x_.begin());
  const double part = (p - x_[above - 1]) / (x_[above] - x_[above - 1]);
  const double value = y_[above - 1] + part * (y_[above] - y_[above - 1]);
  return static_cast<float>(std::clamp(value, y_[above - 1], y_[above]));
}

}  // namespace tenon::model
