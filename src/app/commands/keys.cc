#include "app/commands/all.h"
#include "govern/keys.h"

namespace tenon::app {
namespace {

// Beside whoever runs a training: a key must be given or taken at once.
Result<std::unique_ptr<store::Store>> OpenForKeys(Context& context, const std::string& folder) {
  TENON_TRY(pipeline::LoadProject(context.files, folder), "the keys of a project");
  const std::string records = platform::JoinPath(platform::JoinPath(folder, ".tenon"), "meta.db");
  const bool there = context.files.Exists(records);
  return OpenStore(context, folder, there ? store::Store::Access::kAmend : store::Store::Access::kWrite);
}

Result<int> Add(Context& context, const Args& args) {
  govern::KeyWish wish;
  wish.name = args.Text("name");
  TENON_ASSIGN(wish.scopes, govern::Scopes::Of(args.Texts("scope")));
  wish.rate = args.Number("rate");
  if (wish.rate < 0) return Error(Code::kInvalidArgument, Str("--rate must be requests a second, not ", wish.rate));
  if (const std::string ends = args.Text("expires"); !ends.empty() && !ParseTimestamp(ends, &wish.expires)) {
    TENON_ASSIGN(const auto after, ParseDuration(ends), "--expires is a time such as 2030-01-31 or a duration such as 90d");
    wish.expires = context.call.Now() + after.count();
  }
  TENON_ASSIGN(auto opened, OpenForKeys(context, args.Text("project")));
  TENON_ASSIGN(const govern::NewKey made, govern::AddKey(context.call, *opened, wish));
  if (context.json) {
    Json line = made.record.ToJson();
    line["key"] = made.text;
    context.terminal.JsonLine(line);
    return 0;
  }
  context.terminal.Line(made.text);
  context.terminal.Note(Str("the key '", wish.name, "' (", Join(wish.scopes.Names(), ", "), ") is shown this once: only its hash is stored"));
  return 0;
}

Result<int> List(Context& context, const Args& args) {
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), store::Store::Access::kRead));
  TENON_ASSIGN(const auto keys, govern::Keys(*opened));
  std::vector<std::vector<std::string>> rows = {{"name", "id", "scopes", "made", "ends", "rate"}};
  for (const govern::KeyRecord& key : keys) {
    if (context.json) {
      context.terminal.JsonLine(key.ToJson());
      continue;
    }
    rows.push_back({key.name, key.id, Join(key.scopes.Names(), " "), FormatTimestamp(key.made).substr(0, 16),
                    key.expires == 0 ? std::string("never") : FormatTimestamp(key.expires).substr(0, 16),
                    key.rate == 0 ? std::string() : FormatShort(key.rate)});
  }
  if (context.json) return 0;
  if (keys.empty()) {
    context.terminal.Line("no key yet: a service on this machine's own address is open to everybody who reaches it; `tenon keys add <name>` makes one");
  } else {
    context.terminal.Table(rows);
  }
  return 0;
}

Result<int> Remove(Context& context, const Args& args) {
  TENON_ASSIGN(auto opened, OpenForKeys(context, args.Text("project")));
  TENON_TRY(govern::RemoveKey(context.call, *opened, args.Text("name")));
  Json line;
  line["removed"] = args.Text("name");
  context.json ? context.terminal.JsonLine(line) : context.terminal.Line(Str("the key '", args.Text("name"), "' is gone; running services refuse it within a second"));
  return 0;
}

Result<int> Export(Context& context, const Args& args) {
  TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), store::Store::Access::kRead));
  TENON_ASSIGN(const auto keys, govern::Keys(*opened));
  const std::string out = args.Text("out");
  TENON_TRY(context.files.Write(out, govern::WriteKeys(keys)));
  Json line;
  line["keys"] = keys.size();
  line["file"] = out;
  context.json ? context.terminal.JsonLine(line) : context.terminal.Line(Str(keys.size(), keys.size() == 1 ? " key" : " keys", ", as hashes, in ", out));
  return 0;
}

}  // namespace

void AddKeys(std::vector<Command>& to) {
  const Flag project = {.name = "--project", .help = "folder with tenon.yaml", .fallback = "."};
  to.push_back({.name = "keys add",
                .summary = "Make an API key and show it once; with the first key a service asks everybody for one",
                .example = "tenon keys add mobile-app --scope predict --project examples/loan-approval",
                .flags = {{.name = "name", .help = "who will use it", .required = true},
                          project,
                          {.name = "--scope", .help = "predict, explain, metrics, admin, sensitive (features marked so) or all; may be given again", .kind = Flag::Kind::kTexts, .fallback = "predict"},
                          {.name = "--expires", .help = "a time such as 2030-01-31, or a duration such as 90d"},
                          {.name = "--rate", .help = "requests a second; 0: the service's own limit", .kind = Flag::Kind::kNumber, .fallback = "0"}},
                .run = Add});
  to.push_back({.name = "keys ls", .summary = "List API keys: names and what they may, not the keys", .example = "tenon keys ls examples/loan-approval", .flags = {ProjectFlag()}, .run = List});
  to.push_back({.name = "keys export",
                .summary = "Write the keys' names, rights and hashes to a file, for `tenon-serve --keys`",
                .example = "tenon keys export examples/loan-approval --out keys.json",
                .flags = {ProjectFlag(), {.name = "--out", .help = "the file", .fallback = "keys.json"}},
                .run = Export});
  to.push_back({.name = "keys rm",
                .summary = "Take an API key away; running services refuse it within a second",
                .example = "tenon keys rm mobile-app --project examples/loan-approval",
                .flags = {{.name = "name", .help = "the key's name", .required = true}, project},
                .run = Remove});
}

}  // namespace tenon::app
