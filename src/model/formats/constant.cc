// Reads the payload of a constant model (docs/formats/linear.md).

#include "model/linear.h"
#include "model/payload_internal.h"

namespace tenon::model {
namespace {

class ConstantFormat final : public Format {
 public:
  Result<std::unique_ptr<Model>> Load(std::string_view payload) const override {
    TENON_ASSIGN(PayloadReader reader, PayloadReader::Open(payload, "TNCONST1", 1, 1), "reading a constant model");
    const auto task = reader.Get<std::uint8_t>();
    const auto features = reader.Get<std::int32_t>();
    std::vector<double> margins(reader.GetCount(sizeof(double)));
    for (double& margin : margins) margin = reader.Get<double>();
    TENON_TRY(reader.Done(), "reading a constant model");
    if (task > static_cast<std::uint8_t>(Task::kRegression)) return Error(Code::kDataLoss, Str("no task has number ", int{task}));
    auto made = MakeConstant(static_cast<Task>(task), features, std::move(margins));
    if (!made) return Error(Code::kDataLoss, Str("the constant payload is damaged: ", made.error().message()));
    return made;
  }
};

}  // namespace

Result<void> AddConstant(Kinds<Format>& kinds) {
  return kinds.Add("constant",
                   {.summary = "Load a model that answers every row alike",
                    .when = "The baseline that every other model must beat, and the fallback while one loads",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Format>> { return std::make_unique<ConstantFormat>(); });
}

}  // namespace tenon::model
