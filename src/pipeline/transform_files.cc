#include "pipeline/transform_files.h"

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"

namespace tenon::pipeline {
namespace {

Result<void> Attach(const platform::Files& files, const std::string& folder, const Kinds<transform::Op>& ops, const std::string& path, transform::NodeSpec* node) {
  const auto kind = ops.Find(node->op);
  if (!kind) return {};  // the graph says so, with near names
  for (const std::string& setting : transform::FileSettings(**kind)) {
    const Json* named = node->with.is_object() ? node->with.Find(setting) : nullptr;
    if (named == nullptr || !named->is_string() || named->String().empty()) continue;
    const std::string where = Str(path, ".", setting);
    auto content = files.Read(platform::JoinPath(folder, named->String()));
    if (!content) return std::move(content).error().Context(where);
    const std::string hash = Str(setting, "_sha256");
    const std::string found = HashOf(*content);
    if (const Json* wanted = node->with.Find(hash); wanted != nullptr && wanted->is_string() && !wanted->String().empty() && wanted->String() != found) {
      return Error(Code::kFailedPrecondition, Str(where, ": '", named->String(), "' has the SHA-256 ", found, ", and ", hash, " says ", wanted->String()));
    }
    node->with[hash] = found;
    node->files.emplace_back(setting, std::make_shared<const std::string>(std::move(*content)));
  }
  return {};
}

}  // namespace

Result<void> AttachFiles(const platform::Files& files, const std::string& folder, const Kinds<transform::Op>& ops, transform::TransformSpec* spec) {
  for (std::size_t i = 0; i < spec->nodes.size(); ++i) {
    TENON_TRY(Attach(files, folder, ops, Str("transform.nodes[", i, "] (", spec->nodes[i].op, ")"), &spec->nodes[i]));
  }
  for (auto& [column, node] : spec->columns) TENON_TRY(Attach(files, folder, ops, Str("transform.columns.", column, " (", node.op, ")"), &node));
  return {};
}

bool CarriesFiles(const Kinds<transform::Op>& ops, const transform::GraphSpec& graph) {
  return std::ranges::any_of(graph.nodes, [&ops](const transform::NodeSpec& node) {
    const auto kind = ops.Find(node.op);
    return kind.ok() && !transform::FileSettings(**kind).empty();
  });
}

}  // namespace tenon::pipeline
