#include <filesystem>
#include <unordered_set>

#include "app/commands/all.h"
#include "app/generators.h"
#include "app/project_template.h"
#include "base/hash.h"

namespace tenon::app {
namespace {

// The label among the columns: what was given, or a column whose name says so.
Result<std::string> LabelOf(const std::string& given, const table::Schema& schema) {
  if (!given.empty()) {
    if (auto at = schema.At(given); !at) return std::move(at).error().Context("--label");
    return given;
  }
  for (const char* usual : {"label", "target", "y", "class", "Class", "outcome"}) {
    if (schema.Find(usual) >= 0) return std::string(usual);
  }
  return Error(Code::kInvalidArgument, Str("say with --label which column to predict; there are: ", Join(schema.Names(), ", ")));
}

// Whether no two rows have the same value, and none has none: such a column names its rows.
bool NamesRows(const table::Column& column) {
  std::unordered_set<std::uint64_t> seen;
  for (std::int64_t i = 0; i < column.size(); ++i) {
    if (column.IsNull(i)) return false;
    const std::uint64_t value = column.type() == table::Type::kString ? Hash64(column.Text(i)) : static_cast<std::uint64_t>(column.ints()[static_cast<std::size_t>(i)]);
    if (!seen.insert(value).second) return false;
  }
  return true;
}

void SuggestRoles(const table::Batch& rows, NewProject* project) {
  for (int i = 0; i < rows.columns(); ++i) {
    const table::Field& field = rows.schema()[i];
    if (field.name == project->label) continue;
    if (project->time.empty() && field.type == table::Type::kTimestamp) project->time = field.name;
    const bool may_name = field.type == table::Type::kString || field.type == table::Type::kInt64;
    if (project->key.empty() && may_name && NamesRows(rows.column(i))) project->key = field.name;
  }
}

// What --from, --columns and --data say together, as the chapter `data` says it.
Result<Json> SettingsOf(const std::string& data, const std::string& columns, const std::string& further) {
  Json settings;
  settings["read"] = data;
  Json names = Json::MakeArray();
  for (const std::string_view name : Split(columns, ',')) {
    if (!Trim(name).empty()) names.Push(std::string(Trim(name)));
  }
  if (!names.array().empty()) settings["columns"] = names;
  if (further.empty()) return settings;
  TENON_ASSIGN(const Json more, Json::ParseYaml(Str("{", further, "}"), "--data"));
  for (const auto& [key, value] : more.object()) {
    if (settings.Find(key) != nullptr) return Error(Code::kInvalidArgument, Str("--data: '", key, "' has a flag of its own"));
    settings[key] = value;
  }
  return settings;
}

struct Opened {
  Json settings;
  ingest::SourceSpec source;
  std::unique_ptr<table::BatchReader> reader;
};

Result<Opened> Open(Context& context, Json settings) {
  Opened out;
  TENON_ASSIGN(out.source, ingest::SourceSpec::Parse(settings, ".", "--data"));
  TENON_ASSIGN(out.reader, ingest::Read(context.call, out.source, context.kits.readers));
  out.settings = std::move(settings);
  return out;
}

// Opens the file as it is, or with quotes as ordinary characters where that is what keeps it from being read.
Result<Opened> OpenAsItIs(Context& context, const Json& settings) {
  auto opened = Open(context, settings);
  if (opened) return opened;
  const std::string message(opened.error().message());
  if (settings.Find("quote") == nullptr && message.find("`quote: \"\"`") != std::string::npos) {
    Json plain = settings;
    plain["quote"] = "";
    if (auto again = Open(context, plain); again && again->reader->schema()->size() > 1) {
      context.terminal.Note(Str(message, ": read with `quote: \"\"`"));
      return again;
    }
  }
  if (settings.Find("columns") == nullptr && message.find("columns: [...]") != std::string::npos) {
    return Error(opened.error().code(), Str(message, "; here: --columns name,name,... or --data 'header: numbered'"));
  }
  return opened;
}

Result<NewProject> FromFile(Context& context, const std::string& folder, const std::string& data, const std::string& label, const Json& settings) {
  TENON_ASSIGN(Opened opened, OpenAsItIs(context, settings));
  auto& reader = opened.reader;
  TENON_ASSIGN(table::Batch rows, table::ReadAll(context.call, *reader), data);
  if (rows.rows() == 0) return Error(Code::kInvalidArgument, Str(data, ": has no rows"));
  NewProject project;
  project.schema = rows.schema();
  TENON_ASSIGN(project.label, LabelOf(label, rows.schema()));
  frame::ProblemSpec problem;
  problem.label = project.label;
  TENON_ASSIGN(table::Column column, rows.Named(project.label));
  TENON_ASSIGN(project.card, frame::Frame(context.call, problem, rows.schema(), column));
  std::error_code ignored;
  const auto relative = std::filesystem::relative(data, folder, ignored);
  // A file far away is better named by where it is.
  project.data = relative.empty() || relative.string().starts_with("../../../") ? std::filesystem::absolute(data, ignored).lexically_normal().string() : relative.string();
  for (const auto& [key, value] : opened.settings.object()) {
    if (key != "read") project.data_settings.push_back(Str(key, ": ", value.Dump()));
  }
  SuggestRoles(rows, &project);
  return project;
}

Result<int> Init(Context& context, const Args& args) {
  const std::string folder = args.Text("folder");
  const std::string file = platform::JoinPath(folder, "tenon.yaml");
  if (context.files.Exists(file)) {
    return Error(Code::kAlreadyExists, Str(file, " is there already; remove it first, or choose another folder"));
  }
  const std::string from = args.Text("from");
  const std::string kind = args.Text("template");
  if (from.empty() == kind.empty()) {
    return Error(Code::kInvalidArgument, "give either --from data.csv (with --label column) or --template; see `tenon init --help`");
  }
  constexpr std::int64_t kMostRows = 1'000'000'000;
  if (const std::int64_t rows = args.Int("rows"); rows < 0 || rows > kMostRows) {
    return Error(Code::kInvalidArgument, Str("--rows must be 0 to ", kMostRows, ", not ", rows));
  }
  std::string name = std::string(platform::NameOf(std::filesystem::absolute(folder).lexically_normal().string()));
  if (name.empty()) name = "project";
  NewProject project;
  if (!from.empty()) {
    if (!context.files.Exists(from)) return Error(Code::kNotFound, Str("there is no file ", from));
    TENON_TRY(context.files.MakeFolders(folder));
    TENON_ASSIGN(const Json settings, SettingsOf(from, args.Text("columns"), args.Text("data")));
    TENON_ASSIGN(project, FromFile(context, folder, from, args.Text("label"), settings));
  } else {
    TENON_TRY(context.files.MakeFolders(folder));
    TENON_ASSIGN(const Generator* generator, GeneratorNamed(kind));
    const std::string data = platform::JoinPath(folder, generator->file);
    const std::int64_t rows = args.Int("rows") > 0 ? args.Int("rows") : generator->rows;
    TENON_TRY(generator->write(context.call, data, rows, static_cast<std::uint64_t>(args.Int("seed"))), data);
    if (generator->project.empty()) {
      TENON_ASSIGN(const Json settings, SettingsOf(data, "", ""));
      TENON_ASSIGN(project, FromFile(context, folder, data, generator->label, settings));
      project.question = generator->question;
    } else {
      TENON_TRY(context.files.Write(file, generator->project));
    }
  }
  if (!context.files.Exists(file)) {
    project.name = name;
    TENON_TRY(context.files.Write(file, ProjectFileText(project)));
  }
  TENON_ASSIGN(pipeline::Project checked, pipeline::LoadProject(context.files, folder));
  Json line;
  line["file"] = file;
  line["project"] = checked.name;
  line["task"] = project.card.task.empty() ? checked.problem.task : project.card.task;
  line["label"] = checked.problem.label;
  context.json ? context.terminal.JsonLine(line) : context.terminal.Line(Str("wrote ", file, "; next: tenon run ", folder));
  return 0;
}

}  // namespace

void AddInit(std::vector<Command>& to) {
  to.push_back({.name = "init",
                .summary = "Write a complete, commented project file for a table, or start from a template with generated data",
                .example = "tenon init my-project --from data.csv --label approved",
                .flags = {{.name = "folder", .help = "folder of the new project", .required = true},
                          {.name = "--from", .help = "a data file: the project is written for its columns"},
                          {.name = "--label", .help = "the column to predict"},
                          {.name = "--columns", .help = "names of the columns, a,b,c, where the file brings none"},
                          {.name = "--data", .help = "further settings of how it is read, such as 'skip: 2, encoding: latin-1'"},
                          {.name = "--template", .help = "a project with generated data instead", .choices = GeneratorNames()},
                          {.name = "--rows", .help = "rows to generate; 0: the template's own number", .kind = Flag::Kind::kInt, .fallback = "0"},
                          {.name = "--seed", .help = "seed of the generated data", .kind = Flag::Kind::kInt, .fallback = "1"}},
                .run = Init});
}

}  // namespace tenon::app
