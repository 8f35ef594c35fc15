// Reads the payload of a forest (docs/formats/forest.md).

#include "model/forest.h"

#include "model/payload_internal.h"

namespace tenon::model {
namespace {

constexpr std::size_t kNodeBytes = 21;
constexpr std::size_t kTreeBytes = 12;

Tree::Node ReadNode(PayloadReader& reader) {
  Tree::Node node;
  node.left = reader.Get<std::int32_t>();
  node.right = reader.Get<std::int32_t>();
  node.feature = reader.Get<std::int32_t>();
  node.value = reader.Get<float>();
  node.cover = reader.Get<float>();
  const auto flags = reader.Get<std::uint8_t>();
  node.missing_left = (flags & 1U) != 0;
  node.categorical = (flags & 2U) != 0;
  if (node.categorical) {
    node.categories.resize(reader.GetCount(sizeof(std::uint32_t)));
    for (std::uint32_t& category : node.categories) category = reader.Get<std::uint32_t>();
  }
  return node;
}

class ForestFormat final : public Format {
 public:
  Result<std::unique_ptr<Model>> Load(std::string_view payload) const override {
    TENON_ASSIGN(PayloadReader reader, PayloadReader::Open(payload, "TNFOREST", 1), "reading a forest");
    ForestSpec spec;
    const auto task = reader.Get<std::uint8_t>();
    spec.task = static_cast<Task>(task);
    spec.features = reader.Get<std::int32_t>();
    spec.base.resize(reader.GetCount(sizeof(float)));
    for (float& base : spec.base) base = reader.Get<float>();
    spec.outputs = static_cast<int>(spec.base.size());
    spec.trees.resize(reader.GetCount(kTreeBytes));
    for (Tree& tree : spec.trees) {
      tree.output = reader.Get<std::int32_t>();
      tree.nodes.resize(reader.GetCount(kNodeBytes));
      for (Tree::Node& node : tree.nodes) node = ReadNode(reader);
    }
    TENON_TRY(reader.Done(), "reading a forest");
    if (task > static_cast<std::uint8_t>(Task::kRegression)) return Error(Code::kDataLoss, Str("no task has number ", int{task}));
    auto made = MakeForest(std::move(spec));
    if (!made) return Error(Code::kDataLoss, Str("the forest payload is damaged: ", made.error().message()));
    return made;
  }
};

}  // namespace

Result<void> AddForest(Kinds<Format>& kinds) {
  return kinds.Add("forest",
                   {.summary = "Load trees whose leaves add up",
                    .when = "Written by the boosting and bagging learners and by the importers of trees",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Format>> { return std::make_unique<ForestFormat>(); });
}

}  // namespace tenon::model
