// Reads the payload of a packed forest (docs/formats/packed_forest.md).

#include "model/packed_forest.h"

#include "base/text.h"

namespace tenon::model {
namespace {

class PackedForestFormat final : public Format {
 public:
  Result<std::unique_ptr<Model>> Load(std::string_view payload) const override {
    TENON_ASSIGN(ForestSpec spec, ReadPackedForest(payload));
    if (spec.task > Task::kRegression) return Error(Code::kDataLoss, Str("no task has number ", static_cast<int>(spec.task)));
    auto made = MakeForest(std::move(spec));
    if (!made) return Error(Code::kDataLoss, Str("the packed forest is damaged: ", made.error().message()));
    return made;
  }
};

}  // namespace

Result<void> AddPackedForest(Kinds<Format>& kinds) {
  return kinds.Add("packed_forest",
                   {.summary = "Load trees that were packed into fewer bytes",
                    .when = "Written by `tenon models compress`, for devices and slow lines",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Format>> { return std::make_unique<PackedForestFormat>(); });
}

}  // namespace tenon::model
