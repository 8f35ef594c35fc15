#include "pipeline/feast_read.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/text.h"
#include "pipeline/feast_internal.h"

namespace tenon::pipeline {
namespace {

constexpr std::string_view kNoTime = "\"1970-01-01T00:00:00Z\"";
constexpr std::string_view kNpy = "application/x-npy";

// What numpy.load reads: magic, version 1.0, the length of a header that says type and shape, padded so that numbers begin at a
// multiple of 64, then the numbers row by row.
std::string NpyHead(std::size_t rows, std::size_t columns) {
  std::string words = Str("{'descr': '<f8', 'fortran_order': False, 'shape': (", rows, ", ", columns, "), }");
  constexpr std::size_t kBefore = 10;
  const std::size_t size = (kBefore + words.size() + 1 + 63) / 64 * 64;
  words.resize(size - kBefore - 1, ' ');
  words += '\n';
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(words.size() & 0xff);
  out += static_cast<char>(words.size() >> 8);
  return out + words;
}

// As Json writes it: the shortest that reads back as the same double, "3.0" for whole ones.
void AppendNumber(double value, std::string* out) {
  if (!std::isfinite(value)) {
    *out += '"' + FormatDouble(value) + '"';
    return;
  }
  char buffer[32];
  const char* end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  *out += text;
  if (text.find_first_of(".eE") == std::string_view::npos) *out += ".0";
}

void AppendInt(std::int64_t value, std::string* out) {
  char buffer[24];
  out->append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

void AppendValue(const feature::Records& records, std::size_t row, std::size_t feature, table::Type type, std::string* out) {
  switch (type) {
    case table::Type::kString: return AppendJsonString(records.Text(row, feature), out);
    case table::Type::kFloat64: return AppendNumber(records.Number(row, feature), out);
    case table::Type::kBool: *out += records.Int(row, feature) != 0 ? "true" : "false"; return;
    case table::Type::kTimestamp: *out += '"'; *out += FormatTimestamp(records.Int(row, feature)); *out += '"'; return;
    default: return AppendInt(records.Int(row, feature), out);
  }
}

// A list of `rows` items that are written already.
std::string ListOf(std::size_t rows, std::string_view item) {
  std::string out = "[";
  for (std::size_t i = 0; i < rows; ++i) {
    if (i > 0) out += ',';
    out += item;
  }
  return out + ']';
}

bool Asks(std::string_view accept, std::string_view type) { return accept.find(type) != std::string_view::npos; }

}  // namespace

// One view's records, and what is alike in all of its columns.
struct FeastReader::Found {
  std::size_t view;
  feature::Records records;
  std::vector<std::uint8_t> there;  // 0 not found, 1 found, 2 older than the view's ttl
  std::string times, present;       // event times; statuses of a feature that no found row lacks
};

FeastReader::FeastReader(const OnlineFeatures& features, std::string service) : features_(features), service_(std::move(service)) {
  for (std::size_t v = 0; v < features.views().size(); ++v) {
    const feature::FeatureView& view = features.views()[v].plan->view();
    for (std::size_t f = 0; f < view.features.size(); ++f) {
      const Column column{v, f, std::ranges::find(view.sensitive, view.features[f].name) != view.sensitive.end()};
      all_.push_back(column);
      named_.emplace(Str(view.name, ":", view.features[f].name), column);
    }
  }
}

Result<std::vector<FeastReader::Column>> FeastReader::Choose(const Json& request, FeastReply* refused) const {
  std::vector<Column> out;
  if (const Json* service = request.Find("feature_service"); service != nullptr && !service->is_null()) {
    if (service->is_string() && service->String() == service_) return all_;
    *refused = FeastFailed(404, "FeatureServiceNotFoundException", Str("Feature service ", service->is_string() ? service->String() : service->Dump(), " does not exist; there is ", service_));
    return out;
  }
  const Json* features = request.Find("features");
  if (features == nullptr || !features->is_array() || features->array().empty()) {
    *refused = FeastInvalid("features", "Field required: a list of view:feature, or feature_service", "missing");
    return out;
  }
  for (const Json& one : features->array()) {
    if (one.is_string()) {
      if (const auto known = named_.find(one.String()); known != named_.end()) {
        out.push_back(known->second);
        continue;
      }
    }
    const std::size_t colon = one.is_string() ? one.String().find(':') : std::string::npos;
    if (colon == std::string::npos) {
      *refused = FeastInvalid("features", Str("expected view:feature, got ", one.Dump()));
      return out;
    }
    std::string name = one.String().substr(0, colon);
    std::int64_t version = 0;
    if (const std::size_t at = name.find("@v"); at != std::string::npos) {
      if (!ParseInt64(std::string_view(name).substr(at + 2), &version)) {
        *refused = FeastInvalid("features", Str("no version in '", one.String(), "'"));
        return out;
      }
      name.resize(at);
    }
    TENON_ASSIGN(const OnlineView* view, features_.View(name));
    if (version != 0 && version != view->plan->view().version) {
      *refused = FeastFailed(404, "FeatureViewVersionNotFound", Str("view ", name, " is version ", view->plan->view().version, ", not ", version));
      return out;
    }
    TENON_ASSIGN(const int feature, view->plan->view().At(one.String().substr(colon + 1)));
    out.push_back(named_.find(Str(name, ":", view->plan->view().features[static_cast<std::size_t>(feature)].name))->second);
  }
  return out;
}

Result<std::vector<FeastReader::Found>> FeastReader::Look(const Json& entities, std::size_t rows, const std::vector<Column>& columns, Micros now, FeastReply* refused) const {
  std::vector<Found> out;
  const std::vector<Micros> at(rows, now);
  for (const Column& column : columns) {
    if (std::ranges::any_of(out, [&](const Found& one) { return one.view == column.view; })) continue;
    const OnlineView& view = features_.views()[column.view];
    const feature::FeatureView& spec = view.plan->view();
    std::vector<const Json*> keys_of;
    for (const std::string& name : spec.entity) {
      const Json* values = entities.Find(name);
      if (values == nullptr) {
        *refused = FeastFailed(404, "EntityNotFoundException", Str("view ", spec.name, " is of the entity ", name, ", which the request does not give"));
        return out;
      }
      keys_of.push_back(values);
    }
    auto keys = OnlineFeatures::KeysOf(*view.plan, keys_of);
    if (!keys.ok()) {
      *refused = FeastInvalid("entities", keys.error().message());
      return out;
    }
    const std::vector<std::string_view> asked(keys->begin(), keys->end());
    Found& found = out.emplace_back();
    found.view = column.view;
    TENON_TRY(view.values().Get(asked, at, &found.records));
    for (std::size_t row = 0; row < rows; ++row) {
      const bool there = found.records.Found(row);
      found.there.push_back(!there ? 0 : spec.ttl.count() > 0 && now - found.records.at(row) > spec.ttl.count() ? 2 : 1);
    }
  }
  return out;
}

std::string FeastReader::WriteMatrix(std::size_t rows, const std::vector<Column>& columns, const std::vector<Found>& found) const {
  std::string out = NpyHead(rows, columns.size());
  const std::size_t head = out.size(), stride = columns.size();
  out.resize(head + rows * stride * sizeof(double));
  struct Wanted {
    std::size_t at, feature;
    table::Type type;
  };
  std::vector<Wanted> wanted;
  for (const Found& one : found) {
    wanted.clear();
    for (std::size_t c = 0; c < stride; ++c) {
      if (columns[c].view == one.view) wanted.push_back({c, columns[c].feature, FieldOf(columns[c]).type});
    }
    char* to = out.data() + head;
    for (std::size_t row = 0; row < rows; ++row, to += stride * sizeof(double)) {
      const bool there = one.there[row] == 1;
      for (const Wanted& column : wanted) {
        const double value = there ? one.records.AsNumber(row, column.feature, column.type) : std::numeric_limits<double>::quiet_NaN();
        std::memcpy(to + column.at * sizeof value, &value, sizeof value);
      }
    }
  }
  return out;
}

std::string FeastReader::WriteColumns(const Json& request, const Json& entities, std::size_t rows, const std::vector<Column>& columns, std::vector<Found>& found, bool full) const {
  constexpr std::string_view kStatuses[] = {"\"NOT_FOUND\"", "\"PRESENT\"", "\"OUTSIDE_MAX_AGE\""};
  for (Found& one : found) {
    if (!full) break;
    one.times = one.present = "[";
    for (std::size_t row = 0; row < rows; ++row) {
      if (row > 0) one.times += ',', one.present += ',';
      one.present += kStatuses[one.there[row]];
      one.times += one.there[row] == 0 ? std::string(kNoTime) : Str("\"", FormatTimestamp(one.records.at(row)), "\"");
    }
    one.times += ']';
    one.present += ']';
  }
  std::string out = "{\"metadata\":{\"feature_names\":[";
  out.reserve(rows * columns.size() * (full ? 56 : 21) + 4096);
  const std::string_view between = request.BoolAt("full_feature_names") ? "__" : "";
  for (const auto& [name, values] : entities.object()) {
    AppendJsonString(name, &out);
    out += ',';
  }
  for (const Column& column : columns) {
    const feature::FeatureView& view = ViewOf(column);
    const std::string& name = view.features[column.feature].name;
    AppendJsonString(between.empty() ? name : Str(view.name, between, name), &out);
    out += ',';
  }
  out.back() = ']';
  if (request.BoolAt("include_feature_view_version_metadata")) {
    out += ",\"feature_view_metadata\":[";
    for (const Found& one : found) {
      const feature::FeatureView& view = features_.views()[one.view].plan->view();
      Json version;
      version["name"] = view.name;
      version["version"] = view.version;
      out += version.Dump() + ",";
    }
    out.back() = ']';
  }
  out += "},\"results\":[";
  const auto rest = [&](std::string_view statuses, std::string_view times) {
    if (full) {
      out += ",\"statuses\":";
      out += statuses;
      out += ",\"event_timestamps\":";
      out += times;
    }
    out += "},";
  };
  const std::string given = full ? ListOf(rows, "\"PRESENT\"") : "", timeless = full ? ListOf(rows, kNoTime) : "";
  for (const auto& [name, values] : entities.object()) {
    out += "{\"values\":" + values.Dump();
    rest(given, timeless);
  }
  for (const Column& column : columns) {
    const Found& one = *std::ranges::find(found, column.view, &Found::view);
    const table::Type type = FieldOf(column).type;
    bool lacks = false;
    out += "{\"values\":[";
    for (std::size_t row = 0; row < rows; ++row) {
      if (row > 0) out += ',';
      const bool null = one.there[row] != 1 || one.records.IsNull(row, column.feature);
      lacks = lacks || (null && one.there[row] == 1);
      null ? void(out += "null") : AppendValue(one.records, row, column.feature, type, &out);
    }
    out += ']';
    if (!full || !lacks) {
      rest(one.present, one.times);
      continue;
    }
    std::string statuses = "[";
    for (std::size_t row = 0; row < rows; ++row) {
      if (row > 0) statuses += ',';
      statuses += one.there[row] == 1 && one.records.IsNull(row, column.feature) ? "\"NULL_VALUE\"" : kStatuses[one.there[row]];
    }
    rest(statuses + ']', one.times);
  }
  out.back() = ']';
  return out + '}';
}

Result<FeastReply> FeastReader::Answer(const Json& request, std::string_view accept, bool sensitive, Micros now) const {
  FeastReply refused;
  refused.status = 0;
  TENON_ASSIGN(const std::vector<Column> columns, Choose(request, &refused));
  if (refused.status != 0) return refused;
  const Json* entities = request.Find("entities");
  if (entities == nullptr || !entities->is_object() || entities->object().empty()) return FeastInvalid("entities", "Field required: join key -> list of values", "missing");
  const std::size_t rows = entities->object().front().second.is_array() ? entities->object().front().second.array().size() : 0;
  for (const auto& [name, values] : entities->object()) {
    if (!values.is_array()) return FeastInvalid("entities", Str(name, ": expected a list, got ", values.KindName()));
    if (values.array().size() != rows) return FeastInvalid("entities", "all entities must have as many values");
  }
  const FeastShape shape = Asks(accept, kNpy) || Asks(accept, "application/octet-stream") ? FeastShape::kMatrix : request.BoolAt("compact") ? FeastShape::kCompact : FeastShape::kFull;
  for (const Column& column : columns) {
    if (!sensitive && column.sensitive) {
      return FeastFailed(403, "FeastPermissionError", Str("feature ", ViewOf(column).name, ":", FieldOf(column).name, " is sensitive: the key needs the scope sensitive"));
    }
    if (shape == FeastShape::kMatrix && FieldOf(column).type == table::Type::kString) {
      return FeastInvalid("features", Str("feature ", ViewOf(column).name, ":", FieldOf(column).name, " is a text, and a matrix has numbers alone; ask for it as JSON"));
    }
  }
  TENON_ASSIGN(std::vector<Found> found, Look(*entities, rows, columns, now, &refused));
  if (refused.status != 0) return refused;
  if (shape == FeastShape::kMatrix) return FeastReply{200, WriteMatrix(rows, columns, found), kNpy};
  return FeastReply{200, WriteColumns(request, *entities, rows, columns, found, shape == FeastShape::kFull)};
}

}  // namespace tenon::pipeline
