#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "platform/files.h"

namespace tenon::model {

// A model bundle: everything that serving needs, as data, in one file that is mapped and not parsed. Sections by name:
//   manifest     canonical JSON: name, task, label, classes, threshold, calibration, input schema with ranges, versions,
//                lineage hashes, what made it
//   graph        FittedGraph::Save
//   model        Model::Save, its format named in the manifest
//   profile      table::Profile::Save of the training rows, the reference of drift tests
//   predictions  table::ColumnProfile::Save of the predictions on the held-out rows
//   golden       JSON: rows and the exact predictions they must give ({"rows":[{...}],"predictions":[[...]]})
//   card         the model card, HTML
// Layout, versions and checks: docs/formats/bundle.md. Each section carries its SHA-256; the file's name is its own.
class Bundle {
 public:
  // Checks magic, version, bounds and every section's hash: data_loss naming the section; failed_precondition for a
  // version this program does not know, saying which program to use.
  static Result<std::shared_ptr<const Bundle>> Open(std::shared_ptr<const platform::Bytes> bytes);

  const Json& manifest() const { return manifest_; }
  // Empty view when there is none.
  std::string_view section(std::string_view name) const;
  std::vector<std::string> sections() const;

  // The bytes of a bundle; the same sections give the same bytes.
  static std::string Write(const Json& manifest, const std::map<std::string, std::string>& sections);

 private:
  std::shared_ptr<const platform::Bytes> bytes_;
  Json manifest_;
  std::vector<std::pair<std::string, std::string_view>> sections_;
};

}  // namespace tenon::model
