#pragma once

#include <string_view>

#include "base/json.h"
#include "serve/route.h"

namespace tenon::edge {

// api/openapi.json and docs.html, put in when the program is built.
extern const std::string_view kOpenApiTemplate;
extern const std::string_view kDocsPage;

// The document of a service: api/openapi.json with the paths of {name} once for each endpoint, and its fields and classes in the
// schemas.
Json OpenApiOf(const serve::Endpoints::Map& endpoints);

}  // namespace tenon::edge
