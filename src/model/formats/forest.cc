// Reads the payload of a forest (docs/formats/forest.md).

#include "model/forest.h"

#include "model/payload_internal.h"

namespace tenon::model {
namespace {

constexpr std::size_t kNodeBytes = 12;  // the smallest
constexpr std::size_t kTreeBytes = 12;

void ReadCategories(PayloadReader& reader, Tree::Node* node) {
  node->categories.resize(reader.GetCount(sizeof(std::uint32_t)));
  for (std::uint32_t& category : node->categories) category = reader.Get<std::uint32_t>();
}

// Version 1: trees of XGBoost only.
Tree::Node ReadFirstNode(PayloadReader& reader) {
  Tree::Node node;
  node.left = reader.Get<std::int32_t>();
  node.right = reader.Get<std::int32_t>();
  node.feature = reader.Get<std::int32_t>();
  node.value = static_cast<double>(reader.Get<float>());
  node.cover = reader.Get<float>();
  const auto flags = reader.Get<std::uint8_t>();
  node.missing_left = (flags & 1U) != 0;
  if ((flags & 2U) != 0) {
    node.split = Comparison::kCategory;
    ReadCategories(reader, &node);
  }
  return node;
}

ForestSpec ReadFirst(PayloadReader& reader) {
  ForestSpec spec;
  spec.task = static_cast<Task>(reader.Get<std::uint8_t>());
  spec.features = reader.Get<std::int32_t>();
  spec.base.resize(reader.GetCount(sizeof(float)));
  for (double& base : spec.base) base = static_cast<double>(reader.Get<float>());
  spec.trees.resize(reader.GetCount(kTreeBytes));
  for (Tree& tree : spec.trees) {
    tree.output = reader.Get<std::int32_t>();
    tree.nodes.resize(reader.GetCount(kNodeBytes));
    for (Tree::Node& node : tree.nodes) node = ReadFirstNode(reader);
  }
  return spec;
}

// A number that is added: in the type of the sum.
double ReadNumber(PayloadReader& reader, Sum sum) {
  return sum == Sum::kFloat ? static_cast<double>(reader.Get<float>()) : reader.Get<double>();
}

Tree::Node ReadNode(PayloadReader& reader, const Tree& tree, Sum sum) {
  Tree::Node node;
  node.left = reader.Get<std::int32_t>();
  node.cover = reader.Get<float>();
  if (node.left < 0) {
    if (tree.output == Tree::kEveryOutput) {
      node.vector = reader.Get<std::int32_t>();
    } else {
      node.value = ReadNumber(reader, sum);
    }
    return node;
  }
  node.right = reader.Get<std::int32_t>();
  node.feature = reader.Get<std::int32_t>();
  const auto flags = reader.Get<std::uint8_t>();
  node.missing_left = (flags & 1U) != 0;
  node.zero_missing = (flags & 2U) != 0;
  node.split = static_cast<Comparison>(flags >> 2);
  if (node.split == Comparison::kBelow || node.split == Comparison::kEqual) {
    node.value = static_cast<double>(reader.Get<float>());
  } else {
    ReadCategories(reader, &node);
  }
  return node;
}

ForestSpec ReadSecond(PayloadReader& reader) {
  ForestSpec spec;
  spec.task = static_cast<Task>(reader.Get<std::uint8_t>());
  spec.sum = static_cast<Sum>(reader.Get<std::uint8_t>());
  spec.link = static_cast<Link>(reader.Get<std::uint8_t>());
  spec.base_last = reader.Get<std::uint8_t>() != 0;
  spec.divisor = ReadNumber(reader, spec.sum);
  spec.features = reader.Get<std::int32_t>();
  const std::size_t bytes = spec.sum == Sum::kFloat ? sizeof(float) : sizeof(double);
  spec.base.resize(reader.GetCount(bytes));
  for (double& base : spec.base) base = ReadNumber(reader, spec.sum);
  spec.trees.resize(reader.GetCount(kTreeBytes + sizeof(std::uint64_t)));
  for (Tree& tree : spec.trees) {
    tree.output = reader.Get<std::int32_t>();
    tree.vectors.resize(reader.GetCount(bytes));
    for (double& value : tree.vectors) value = ReadNumber(reader, spec.sum);
    tree.nodes.resize(reader.GetCount(kNodeBytes));
    for (Tree::Node& node : tree.nodes) node = ReadNode(reader, tree, spec.sum);
  }
  return spec;
}

}  // namespace

Result<ForestSpec> ReadForest(std::string_view payload) {
  TENON_ASSIGN(PayloadReader reader, PayloadReader::Open(payload, "TNFOREST", 1, 2), "reading a forest");
  ForestSpec spec = reader.version() == 1 ? ReadFirst(reader) : ReadSecond(reader);
  spec.outputs = static_cast<int>(spec.base.size());
  TENON_TRY(reader.Done(), "reading a forest");
  return spec;
}

namespace {

class ForestFormat final : public Format {
 public:
  Result<std::unique_ptr<Model>> Load(std::string_view payload) const override {
    TENON_ASSIGN(ForestSpec spec, ReadForest(payload));
    if (spec.task > Task::kRegression) return Error(Code::kDataLoss, Str("no task has number ", static_cast<int>(spec.task)));
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
