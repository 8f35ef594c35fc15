#include "pipeline/cascade_spec.h"

#include "base/text.h"
#include "base/time.h"

namespace tenon::pipeline {

Result<CascadeSpec> CascadeSpec::Parse(const Json& json, std::string_view file) {
  CascadeSpec spec;
  TENON_ASSIGN(Fields fields, Fields::Of(json, "serve.cascade", file));
  std::string latency;
  TENON_TRY(fields.Read("cheap", &spec.cheap));
  TENON_TRY(fields.Read("most_loss", &spec.most_loss));
  TENON_TRY(fields.ReadScalar("latency", &latency));
  TENON_TRY(fields.Read("cost", &spec.cost));
  TENON_TRY(fields.Done());
  if (spec.cheap.empty()) return fields.Wrong("cheap", "names the learner that is asked first, such as linear");
  const bool loses = fields.Find("most_loss") != nullptr, lasts = fields.Find("latency") != nullptr, costs = fields.Find("cost") != nullptr;
  if (loses + lasts + costs != 1) {
    return fields.Wrong("", "needs one target: most_loss (of the metric), latency (of a row on average) or cost (part of the costly model's time)");
  }
  if (loses && !(spec.most_loss >= 0)) return fields.Wrong("most_loss", "expected at least 0, in the unit of the metric");
  if (lasts) {
    auto read = ParseDuration(latency);
    if (!read) return fields.Wrong("latency", read.error().message());
    if (read->count() <= 0) return fields.Wrong("latency", "expected more than 0, such as 5us");
    spec.latency = *read;
  }
  if (costs && !(spec.cost > 0 && spec.cost < 1)) return fields.Wrong("cost", "expected a part between 0 and 1, such as 0.5");
  return spec;
}

Json CascadeSpec::ToJson() const {
  Json out;
  out["cheap"] = cheap;
  if (most_loss >= 0) out["most_loss"] = most_loss;
  if (latency.count() > 0) out["latency_ns"] = static_cast<std::int64_t>(latency.count());
  if (cost > 0) out["cost"] = cost;
  return out;
}

std::string CascadeSpec::Target() const {
  if (latency.count() > 0) return Str("at most ", FormatShort(static_cast<double>(latency.count()) / 1000, 3), " us a row");
  if (cost > 0) return Str("at most ", FormatShort(cost * 100, 3), " % of the costly model's time");
  return Str("a loss of at most ", FormatShort(most_loss, 3));
}

}  // namespace tenon::pipeline
