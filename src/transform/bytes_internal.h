#pragma once

#include "base/bytes.h"

namespace tenon::transform {

// The bytes of saved states and graphs: docs/formats/graph.md names what stands where.
using Writer = ByteWriter;
using Reader = ByteReader;

}  // namespace tenon::transform
