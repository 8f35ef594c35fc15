#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/time.h"
#include "ingest/place.h"
#include "ingest/read.h"
#include "table/schema.h"

namespace tenon::ingest {
namespace {

constexpr std::array<std::string_view, 17> kKeys = {"read",   "format", "columns", "missing",   "sql",       "types",   "rename",  "key",
                                                    "time",   "group",  "owner",   "purpose",   "residency", "freshness", "connect", "incremental",
                                                    "files"};
constexpr std::array<std::string_view, 6> kGovernance = {"owner", "purpose", "residency", "freshness", "sensitive", "consent"};

constexpr std::string_view kOffsets = "kafka_offset";  // the column that says where a record stood in its partition

// Options of the reader stand among the source's own keys; what is nearly one of the latter was meant to be it.
Result<Json> ReaderOptions(const Json& json, Fields* fields) {
  std::vector<std::string> known(kKeys.begin(), kKeys.end());
  known.emplace_back("sensitive");
  Json options = Json::MakeObject();
  for (const auto& [key, value] : json.object()) {
    if (key == "consent" || std::ranges::find(known, key) != known.end()) continue;  // near to `comment`, which readers have
    if (const std::string near = Nearest(key, known); !near.empty()) {
      return fields->Wrong(key, Str("no such setting; did you mean '", near, "'?"));
    }
    fields->Known(key);
    options[key] = value;
  }
  return options;
}

Result<void> ReadTypes(const Json& types, std::string_view file, Fields* fields, SourceSpec* spec) {
  if (!types.is_object()) return fields->Wrong("types", Str("expected an object of column: type, got ", types.KindName()));
  TENON_ASSIGN(const Fields own, Fields::Of(types, Str(spec->Where(), ".types"), file));
  for (const auto& [column, type] : types.object()) {
    if (!type.is_string()) return own.Wrong(column, Str("expected the name of a type, got ", type.KindName()));
    if (auto known = table::TypeNamed(type.String()); !known.ok()) return own.Wrong(column, known.error().message());
    spec->types.emplace_back(column, type.String());
  }
  return {};
}

Result<void> ReadRenames(const Json& renames, std::string_view file, Fields* fields, SourceSpec* spec) {
  if (!renames.is_object()) return fields->Wrong("rename", Str("expected an object of new name: name in the file, got ", renames.KindName()));
  TENON_ASSIGN(const Fields own, Fields::Of(renames, Str(spec->Where(), ".rename"), file));
  for (const auto& [name, old] : renames.object()) {
    if (!old.is_string()) return own.Wrong(name, Str("expected the name in the file, got ", old.KindName()));
    spec->renames.emplace_back(name, old.String());
  }
  return {};
}

Result<void> ReadIncremental(const Json& json, std::string_view path, std::string_view file, Fields* fields, SourceSpec* spec) {
  if (json.is_string() && json.String() == "files") return spec->grows = true, Result<void>();
  if (json.is_string() && json.String() == "offsets") return spec->watermark = kOffsets, Result<void>();
  if (!json.is_object()) return fields->Wrong("incremental", "expected `files`, `offsets` of a topic, or {by: column} of a database");
  TENON_ASSIGN(Fields own, Fields::Of(json, Str(path, ".incremental"), file));
  std::string overlap;
  TENON_TRY(own.Read("by", &spec->watermark));
  TENON_TRY(own.Read("overlap", &overlap));
  TENON_TRY(own.Done());
  if (spec->watermark.empty()) return own.Wrong("", "`by:` is missing: the column that grows, such as updated_at");
  if (overlap.empty()) return {};
  auto length = ParseDuration(overlap);
  if (!length) return own.Wrong("overlap", length.error().message());
  spec->overlap = *length;
  return {};
}

// Addresses stand alone, and what needs one has one.
Result<void> CheckPlaces(const SourceSpec& spec, const Fields& fields) {
  for (const std::string& path : spec.paths) {
    if (path.empty()) return fields.Wrong("read", "an empty path");
    auto place = PlaceOf(path);
    if (!place) return fields.Wrong("read", place.error().message());
    if (!place->empty() && spec.paths.size() > 1) return fields.Wrong("read", Str("'", Shown(path), "' is read alone; a source has one address"));
    if (place->empty() && !spec.connect.is_null()) return fields.Wrong("connect", Str("'", path, "' is a file, which takes no `connect`"));
    if ((spec.watermark == kOffsets) != (*place == "kafka") && !spec.watermark.empty()) return fields.Wrong("incremental", "`offsets` is for kafka://, and nothing else is");
    if (*place != "postgresql" && *place != "kafka" && !spec.watermark.empty()) return fields.Wrong("incremental", "`by:` is for postgresql://; of files use `incremental: files`");
    if (spec.grows && (!place->empty() || path == "-")) return fields.Wrong("incremental", "`files` is for files and patterns of this machine");
  }
  const auto treated = spec.sensitive.find(spec.watermark);
  if (treated != spec.sensitive.end() && treated->second != Treatment::kMask) {
    return fields.Wrong("incremental", Str("'", spec.watermark, "' is not kept as it is (`sensitive`), so that nothing can be read from it on"));
  }
  if (spec.incremental() && !spec.sql.empty()) {
    return fields.Wrong("incremental", "does not go together with `sql`, which may need all rows; write connect.query, or read all");
  }
  return {};
}

Result<void> ReadMissing(const Json& missing, Fields* fields, SourceSpec* spec) {
  if (missing.is_null()) return {};
  const Json list = missing.is_array() ? missing : Json(Json::Array{missing});
  spec->missing.clear();
  for (const Json& word : list.array()) {
    if (word.is_array() || word.is_object()) return fields->Wrong("missing", Str("expected a list of words, got ", word.KindName()));
    spec->missing.push_back(word.is_string() ? word.String() : word.is_null() ? "null" : word.Dump());
  }
  return {};
}

// `[photo]` or `{photo: images}`: columns that name files, and the folder these lie in.
Result<void> ReadContents(const Json& json, Fields* fields, SourceSpec* spec) {
  const auto wrong = [&] { return fields->Wrong("files", "expected columns that name files, and the folders these are in: {photo: images}, or [photo]"); };
  if (json.is_string()) spec->contents.emplace_back(json.String(), "");
  if (json.is_array()) {
    for (const Json& column : json.array()) {
      if (!column.is_string()) return wrong();
      spec->contents.emplace_back(column.String(), "");
    }
  } else if (json.is_object()) {
    for (const auto& [column, folder] : json.object()) {
      if (!folder.is_string()) return wrong();
      spec->contents.emplace_back(column, folder.String());
    }
  }
  if (spec->contents.empty()) return wrong();
  for (const auto& [column, folder] : spec->contents) {
    for (const auto* role : {&spec->key, &spec->time, &spec->group}) {
      if (*role == column) return fields->Wrong("files", Str("'", column, "' gets the content of files; it cannot be the key, time or group as well"));
    }
  }
  return {};
}

Result<SourceSpec> ParseBody(const Json& json, const std::string& name, const std::string& folder, std::string_view file) {
  SourceSpec spec;
  spec.name = name;
  spec.folder = spec.contents_folder = folder;
  if (json.is_string()) {
    spec.paths = {json.String()};
    if (auto place = PlaceOf(json.String()); !place) return std::move(place).error().Context(Str(json.Where(file), ": data"));
    return spec;
  }
  TENON_ASSIGN(Fields fields, Fields::Of(json, name == "data" ? "data" : Str("data.", name), file));
  TENON_TRY(fields.Read("read", &spec.paths));
  if (spec.paths.empty()) return fields.Wrong("", "`read:` is missing: the path, pattern or list of paths to read");
  TENON_TRY(fields.Read("format", &spec.format));
  TENON_TRY(fields.Read("columns", &spec.columns));
  TENON_TRY(fields.Read("sql", &spec.sql));
  TENON_TRY(fields.Read("key", &spec.key));
  TENON_TRY(fields.Read("time", &spec.time));
  TENON_TRY(fields.Read("group", &spec.group));
  if (const Json* missing = fields.Find("missing"); missing != nullptr) TENON_TRY(ReadMissing(*missing, &fields, &spec));
  if (const Json* types = fields.Find("types"); types != nullptr) TENON_TRY(ReadTypes(*types, file, &fields, &spec));
  if (const Json* renames = fields.Find("rename"); renames != nullptr) TENON_TRY(ReadRenames(*renames, file, &fields, &spec));
  if (const Json* connect = fields.Find("connect"); connect != nullptr) spec.connect = *connect;
  if (const Json* grows = fields.Find("incremental"); grows != nullptr) {
    TENON_TRY(ReadIncremental(*grows, name == "data" ? "data" : Str("data.", name), file, &fields, &spec));
  }
  if (const Json* contents = fields.Find("files"); contents != nullptr) TENON_TRY(ReadContents(*contents, &fields, &spec));
  for (const std::string_view key : kGovernance) {
    if (const Json* value = fields.Find(key); value != nullptr) spec.governance[key] = *value;
  }
  if (const Json* sensitive = json.Find("sensitive"); sensitive != nullptr) {
    auto parsed = ParseSensitive(*sensitive);
    if (!parsed.ok()) return fields.Wrong("sensitive", parsed.error().message());
    spec.sensitive = *std::move(parsed);
  }
  if (const Json* consent = json.Find("consent"); consent != nullptr && !consent->is_string()) {
    TENON_ASSIGN(Fields of, Fields::Of(*consent, "data.consent", file));
    std::string column;
    TENON_TRY(of.Read("column", &column));
    of.Known("value");
    TENON_TRY(of.Done());
    if (column.empty()) return fields.Wrong("consent", "name the column that holds consents: {column: agreed}");
  }
  TENON_ASSIGN(spec.options, ReaderOptions(json, &fields));
  TENON_TRY(fields.Done());
  if (const std::string promise = spec.governance.StringAt("freshness"); !promise.empty()) {
    if (auto length = ParseDuration(promise); !length) return fields.Wrong("freshness", length.error().message());
  }
  TENON_TRY(CheckPlaces(spec, fields));
  return spec;
}

}  // namespace

Result<SourceSpec> SourceSpec::Parse(const Json& json, const std::string& folder, std::string_view file) {
  if (!json.is_string() && !json.is_object()) {
    return Error(Code::kInvalidArgument, Str(json.Where(file), ": data: expected a path or an object with `read:`, got ", json.KindName()));
  }
  if (json.is_object() && json.Find("read") == nullptr) {
    const bool named = json.object().size() == 1 && (json.object()[0].second.is_object() || json.object()[0].second.is_string());
    if (named) return ParseBody(json.object()[0].second, json.object()[0].first, folder, file);
    if (json.object().size() > 1 && std::ranges::all_of(json.object(), [](const auto& item) { return item.second.is_object(); })) {
      return Error(Code::kInvalidArgument, Str(json.Where(file), ": data: ", json.object().size(), " sources, but one can be read; give one name with `read:`"));
    }
  }
  return ParseBody(json, "data", folder, file);
}

std::string SourceSpec::Where() const { return name == "data" ? "data" : Str("data.", name); }

bool SourceSpec::remote() const {
  return std::ranges::any_of(paths, [](const std::string& path) { return path.find("://") != std::string::npos; });
}

Result<std::vector<SourceSpec>> SourceSpec::ParseAll(const Json& json, const std::string& folder, std::string_view file) {
  std::vector<SourceSpec> out;
  const bool several = json.is_object() && json.Find("read") == nullptr && json.object().size() > 1 &&
                       std::ranges::all_of(json.object(), [](const auto& item) {
                         return item.second.is_string() || (item.second.is_object() && item.second.Find("read") != nullptr);
                       });
  if (!several) {
    TENON_ASSIGN(SourceSpec one, Parse(json, folder, file));
    out.push_back(std::move(one));
    return out;
  }
  for (const auto& [name, body] : json.object()) {
    TENON_ASSIGN(SourceSpec source, ParseBody(body, name, folder, file));
    out.push_back(std::move(source));
  }
  return out;
}

Json SourceSpec::ToJson() const {
  Json out = Json::MakeObject();
  out["name"] = name;
  out["read"] = Json::ListOf(paths);
  if (!format.empty()) out["format"] = format;
  if (options.is_object() && !options.object().empty()) out["options"] = options;
  if (!columns.empty()) out["columns"] = Json::ListOf(columns);
  out["missing"] = Json::ListOf(missing);
  if (!sql.empty()) out["sql"] = sql;
  for (const auto& [column, type] : types) out["types"][column] = type;
  for (const auto& [column, old] : renames) out["rename"][column] = old;
  for (const auto& [column, folder_of] : contents) out["files"][column] = folder_of;
  if (!connect.is_null()) out["connect"] = connect;
  if (grows) out["incremental"] = "files";
  if (!watermark.empty()) out["incremental"]["by"] = watermark;
  if (overlap.count() != 0) out["incremental"]["overlap"] = FormatDuration(overlap);
  if (!key.empty()) out["key"] = key;
  if (!time.empty()) out["time"] = time;
  if (!group.empty()) out["group"] = group;
  if (!governance.is_null()) out["governance"] = governance;
  return out;
}

}  // namespace tenon::ingest
