#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/kinds.h"
#include "model/predictor.h"

namespace tenon::model {

// Writes a whole predictor (transforms, model, calibration, threshold) in a format that others read.
class Exporter {
 public:
  virtual ~Exporter() = default;
  // `name` is the version's, "fraud@7". failed_precondition naming the op or part that the format has no words for: nothing
  // is exported that would answer otherwise.
  virtual Result<std::string> Export(const Predictor& predictor, std::string_view name) const = 0;
};

Result<void> AddAll(Kinds<Exporter>& kinds);

}  // namespace tenon::model
