// /openapi.json and /docs: what this service answers, for programs and for people.

#include "edge/openapi_internal.h"

#include <algorithm>

#include "base/text.h"
#include "edge/worker_internal.h"

namespace tenon::edge {
namespace {

constexpr std::string_view kSchemas = "#/components/schemas/", kName = "{name}";
// Those that are made for each endpoint, with what refers to them.
constexpr std::string_view kOfEndpoint[] = {"Instance", "Instances", "Examples", "Prediction", "ModelPrediction", "Predictions", "Explanation", "Explanations", "Feedback", "Label"};

bool IsOfEndpoint(std::string_view schema) { return std::ranges::find(kOfEndpoint, schema) != std::end(kOfEndpoint); }

// A name as the key of a component may be: letters, digits, '.', '-' and '_'.
std::string Plain(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    if (!fine) c = '_';
  }
  return out;
}

std::string Escaped(std::string_view name) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : name) {
    if (Plain({&c, 1}).front() == c || c == '~') {
      out += c;
    } else {
      out += Str('%', kDigits[static_cast<unsigned char>(c) >> 4], kDigits[static_cast<unsigned char>(c) & 15]);
    }
  }
  return out;
}

// References to schemas of each endpoint become those of this one; the path's own parameter goes, and operations stay apart.
void Settle(std::string_view endpoint, bool alone, Json* node) {
  if (node->is_array()) {
    std::erase_if(node->array(), [](const Json& item) { return item.StringAt("$ref") == "#/components/parameters/name"; });
    for (Json& item : node->array()) Settle(endpoint, alone, &item);
    return;
  }
  if (!node->is_object()) return;
  for (auto& [key, value] : node->object()) {
    if (key == "$ref" && value.is_string() && value.String().starts_with(kSchemas)) {
      const std::string schema = value.String().substr(kSchemas.size());
      if (IsOfEndpoint(schema)) value = Json(Str(kSchemas, schema, ".", Plain(endpoint)));
    } else if (key == "operationId" && value.is_string() && !alone) {
      value = Json(Str(value.String(), ".", Plain(endpoint)));
    } else {
      Settle(endpoint, alone, &value);
    }
  }
}

Json Typed(std::string_view type, bool optional) {
  Json out = Json::MakeObject();
  out["type"] = optional ? Json(Json::Array{Json(type), Json("null")}) : Json(type);
  return out;
}

Json SchemaOf(const serve::Served::Field& field, bool strict) {
  using table::Type;
  const bool optional = !field.required, ranged = !field.masked && (field.least != 0 || field.most != 0);
  switch (field.type) {
    case Type::kBool: return Typed("boolean", optional);
    case Type::kFloat64:
    case Type::kInt64: {
      Json out = Typed(field.type == Type::kInt64 ? "integer" : "number", optional);
      if (field.type == Type::kInt64) out["format"] = "int64";
      if (ranged && strict) {
        out["minimum"] = field.least;
        out["maximum"] = field.most;
      } else if (ranged) {
        out["description"] = Str("Training saw about ", FormatShort(field.least), " to ", FormatShort(field.most), "; what is outside is counted");
      }
      if (ranged) {
        const double middle = (field.least + field.most) / 2;
        out["examples"] = Json::Array{field.type == Type::kInt64 ? Json(static_cast<std::int64_t>(middle)) : Json(middle)};
      }
      return out;
    }
    case Type::kTimestamp: {
      Json out = Typed("string", optional);
      out["description"] = "A time by ISO 8601";
      out["examples"] = Json::Array{Json("2024-05-01T12:00:00Z")};
      return out;
    }
    default: break;
  }
  if (!field.shape.empty()) {
    Json out = Json::MakeObject();
    out["description"] = Str("A tensor of ", field.shape.size(), " dimensions: base64 of its bytes, or nested lists");
    return out;
  }
  Json out = Typed("string", optional);
  if (field.domain.empty() || field.masked) return out;
  out["examples"] = Json::Array{Json(field.domain.front())};
  if (strict) {
    out["enum"] = Json::ListOf(field.domain);
    if (optional) out["enum"].Push(Json());
  } else {
    out["description"] = Str("Training saw ", Join(field.domain, ", "), "; others are counted");
  }
  return out;
}

Json InstanceOf(const serve::Served& served) {
  Json out = Json::MakeObject();
  out["type"] = "object";
  out["properties"] = Json::MakeObject();
  Json required = Json::MakeArray();
  for (const serve::Served::Field& field : served.fields) {
    out["properties"][field.name] = SchemaOf(field, served.strict);
    if (field.required) required.Push(field.name);
  }
  if (!required.array().empty()) out["required"] = std::move(required);
  for (const std::string& passed : served.passed) out["properties"][passed] = Json::MakeObject();
  out["additionalProperties"] = false;
  return out;
}

// The labels of a model: its classes, also as the numbers that they look like.
Json LabelOf(const serve::Served& served) {
  Json out = Json::MakeObject();
  const std::vector<std::string>& classes = served.predictor->classes();
  if (classes.empty()) return Typed("number", false);
  out["enum"] = Json::ListOf(classes);
  double number = 0;
  for (const std::string& name : classes) {
    if (ParseDouble(name, &number)) out["enum"].Push(number);
    if (name == "true" || name == "false") out["enum"].Push(name == "true");
  }
  return out;
}

Json PredictionOf(const serve::Served& served) {
  Json out = Json::MakeObject(), properties = Json::MakeObject();
  const std::vector<std::string>& classes = served.predictor->classes();
  Json required = Json::MakeArray();
  if (served.predictor->task() == model::Task::kRegression) {
    properties["value"] = Typed("number", true);
    required.Push("value");
  } else {
    const bool binary = served.predictor->task() == model::Task::kBinary;
    if (binary) {
      properties["probability"] = Typed("number", true);
      if (classes.size() == 2) properties["probability"]["description"] = Str("Of '", classes[1], "'");
    } else {
      Json each = Json::MakeObject();
      each["type"] = "object";
      each["additionalProperties"] = Typed("number", true);
      properties["probabilities"] = std::move(each);
    }
    required.Push(binary ? "probability" : "probabilities");
    Json decision = Json::MakeObject();
    classes.empty() ? decision = Typed("integer", false) : decision["enum"] = Json::ListOf(classes);
    properties["decision"] = std::move(decision);
    required.Push("decision");
  }
  properties["rung"] = Json::MakeObject();
  properties["rung"]["enum"] = Json::Array{Json("last_good"), Json("cache"), Json("rule"), Json("default")};
  properties["rung"]["description"] = "What answered, when the model did not";
  out["type"] = "object";
  out["properties"] = std::move(properties);
  out["required"] = std::move(required);
  return out;
}

// `{name}` in a path, of an endpoint.
std::string PathOf(std::string path, std::string_view endpoint) {
  const std::size_t at = path.find(kName);
  return at == std::string::npos ? path : path.replace(at, kName.size(), Escaped(endpoint));
}

}  // namespace

Json OpenApiOf(const serve::Endpoints::Map& endpoints) {
  auto parsed = Json::Parse(kOpenApiTemplate, "api/openapi.json");
  if (!parsed.ok()) return Json::MakeObject();
  Json out = *std::move(parsed);
  out["info"]["version"] = TENON_VERSION;
  const bool alone = endpoints.size() == 1;
  Json paths = Json::MakeObject(), schemas = Json::MakeObject();
  for (auto& [path, item] : out["paths"].object()) {
    if (path.find(kName) == std::string::npos) {
      paths[path] = std::move(item);
      continue;
    }
    for (const auto& [name, route] : endpoints) {
      const model::Task task = route->champion()->predictor->task();
      if (path.ends_with(":classify") && task == model::Task::kRegression) continue;
      if (path.ends_with(":regress") && task == model::Task::kMulticlass) continue;
      Json mine = item;
      Settle(name, alone, &mine);
      paths[PathOf(path, name)] = std::move(mine);
    }
  }
  for (auto& [schema, definition] : out["components"]["schemas"].object()) {
    if (!IsOfEndpoint(schema)) {
      schemas[schema] = std::move(definition);
      continue;
    }
    for (const auto& [name, route] : endpoints) {
      const serve::Served& served = *route->champion();
      Json mine = definition;
      Settle(name, alone, &mine);
      if (schema == "Instance") mine = InstanceOf(served);
      if (schema == "Prediction") mine = PredictionOf(served);
      if (schema == "Label") mine = LabelOf(served);
      if (schema == "ModelPrediction") {
        mine = Json::MakeObject();
        served.predictor->task() == model::Task::kRegression ? mine = Typed("number", true) : mine["$ref"] = Str(kSchemas, "Prediction.", Plain(name));
      }
      if (schema == "Instances" && served.most_instances < std::numeric_limits<std::int64_t>::max()) mine["properties"]["instances"]["maxItems"] = served.most_instances;
      schemas[Str(schema, ".", Plain(name))] = std::move(mine);
    }
  }
  out["paths"] = std::move(paths);
  out["components"]["schemas"] = std::move(schemas);
  return out;
}

void AnswerOpenApi(Worker& worker, const HttpRequest& request, HttpResponse& response) {
  if (!Allowed(request, {Method::kGet}, response)) return;
  response.body = OpenApiOf(worker.endpoints()).Dump();
}

void AnswerDocs(const HttpRequest& request, HttpResponse& response) {
  if (!Allowed(request, {Method::kGet}, response)) return;
  response.content_type = "text/html; charset=utf-8";
  response.AddHeader("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  response.AddHeader("X-Content-Type-Options", "nosniff");
  response.body = kDocsPage;
}

}  // namespace tenon::edge
