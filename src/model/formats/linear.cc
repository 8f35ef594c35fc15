// Reads the payload of a linear model (docs/formats/linear.md).

#include "model/linear.h"

#include "model/payload_internal.h"

namespace tenon::model {
namespace {

std::vector<double> ReadDoubles(PayloadReader& reader) {
  std::vector<double> values(reader.GetCount(sizeof(double)));
  for (double& value : values) value = reader.Get<double>();
  return values;
}

class LinearFormat final : public Format {
 public:
  Result<std::unique_ptr<Model>> Load(std::string_view payload) const override {
    TENON_ASSIGN(PayloadReader reader, PayloadReader::Open(payload, "TNLINEAR", 1, 1), "reading a linear model");
    LinearSpec spec;
    const auto task = reader.Get<std::uint8_t>();
    spec.task = static_cast<Task>(task);
    spec.features = reader.Get<std::int32_t>();
    spec.outputs = reader.Get<std::int32_t>();
    spec.intercept = ReadDoubles(reader);
    spec.center = ReadDoubles(reader);
    spec.weights = ReadDoubles(reader);
    TENON_TRY(reader.Done(), "reading a linear model");
    if (task > static_cast<std::uint8_t>(Task::kRegression)) return Error(Code::kDataLoss, Str("no task has number ", int{task}));
    auto made = MakeLinear(std::move(spec));
    if (!made) return Error(Code::kDataLoss, Str("the linear payload is damaged: ", made.error().message()));
    return made;
  }
};

}  // namespace

Result<void> AddLinear(Kinds<Format>& kinds) {
  return kinds.Add("linear",
                   {.summary = "Load a weighted sum of the features",
                    .when = "Written by the linear learners; attributions are exact and cost nothing",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Format>> { return std::make_unique<LinearFormat>(); });
}

}  // namespace tenon::model
