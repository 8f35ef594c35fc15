#include "pipeline/before.h"

#include "base/text.h"

namespace tenon::pipeline {

Result<std::vector<validate::ColumnExpectation>> ReadSchema(const store::Store& store, const Json& validated) {
  std::vector<validate::ColumnExpectation> out;
  TENON_ASSIGN(const auto bytes, store.Get(validated.StringAt("schema")));
  TENON_ASSIGN(const Json schema, Json::Parse(bytes->view()));
  for (const Json& item : schema.array()) {
    TENON_ASSIGN(auto expected, validate::ColumnExpectation::FromJson(item));
    out.push_back(std::move(expected));
  }
  return out;
}

Result<validate::Before> ReadBefore(const Call& call, const store::Store& store, const Json& validated, const validate::ValidateSpec& spec) {
  validate::Before out;
  if (validated.StringAt("profile").empty()) return out;
  TENON_ASSIGN(const auto bytes, store.Get(validated.StringAt("profile")));
  TENON_ASSIGN(out.profile, table::Profile::Load(bytes->view()));
  TENON_ASSIGN(out.schema, ReadSchema(store, validated));
  if (!spec.NeedsRowsBefore()) return out;
  const std::string name = validated.StringAt("snapshot");
  TENON_ASSIGN(const auto record, store.FindRecord("snapshot", name));
  if (record) {
    TENON_ASSIGN(out.snapshot, dataset::LoadSnapshot(call, store, name), "the rows before");
  } else {
    call.Say(Level::kWarning, Str("the rows of the last snapshot ", name.substr(0, 12), " were removed: slices are not compared, and the table `before` is empty"));
  }
  return out;
}

}  // namespace tenon::pipeline
