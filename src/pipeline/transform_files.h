#pragma once

#include "pipeline/kits.h"
#include "platform/files.h"
#include "transform/graph.h"

namespace tenon::pipeline {

// Reads the files that settings of the project's nodes name (a network, a vocabulary; paths are from the project's folder), hands
// their contents to the nodes and writes their hashes beside the settings, so that a step is done again when a file changes.
// Errors name the node's setting and the path.
Result<void> AttachFiles(const platform::Files& files, const std::string& folder, const Kinds<transform::Op>& ops, transform::TransformSpec* spec);

// Whether a graph carries such a file, whose results may differ in the last bits from processor to processor.
bool CarriesFiles(const Kinds<transform::Op>& ops, const transform::GraphSpec& graph);

}  // namespace tenon::pipeline
