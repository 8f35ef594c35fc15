#include <thread>

#include "app/commands/all.h"
#include "app/told.h"
#include "edge/ota_server.h"
#include "govern/access.h"
#include "ota/depot.h"
#include "platform/signature.h"
#include "platform/tls.h"
#include "registry/registry.h"

namespace tenon::app {
namespace {

Result<int> Keygen(Context& context, const Args& args) {
  const std::string secret = args.Text("secret"), open = args.Text("open");
  for (const std::string& path : {secret, open}) {
    if (context.files.Exists(path)) return Error(Code::kAlreadyExists, Str(path, " is there already: devices know releases by their key, a lost one cannot be made again"));
  }
  TENON_ASSIGN(const platform::SigningKey key, platform::MakeSigningKey());
  TENON_TRY(context.files.Write(secret, key.secret));
  TENON_TRY(context.files.Write(open, key.open));
  Json line;
  line["secret"] = secret;
  line["open"] = open;
  context.json ? context.terminal.JsonLine(line) : context.terminal.Line(Str(open, " goes onto the devices; ", secret, " signs releases and stays with whoever may make them"));
  return 0;
}

Result<int> Publish(Context& context, const Args& args) {
  ota::Publisher::Wish wish{.channel = args.Text("channel"), .model = {}, .bundle = {}, .percent = args.Number("percent"), .most_failures = args.Number("max-failures"), .least_reports = args.Int("min-reports")};
  const std::string file = args.Text("bundle");
  if (file.empty() == args.Text("model").empty()) return Error(Code::kInvalidArgument, "say what to publish: --model name@7 of a project, or --bundle file");
  if (file.empty()) {
    TENON_ASSIGN(auto opened, OpenStore(context, args.Text("project"), store::Store::Access::kRead));
    const registry::Registry registry(*opened);
    TENON_ASSIGN(const registry::ModelVersion version, registry.Resolve(args.Text("model")));
    if (!version.gates_passed) return Error(Code::kFailedPrecondition, Str(version.id(), " did not pass its gates; `tenon models show ", version.id(), "` says why"));
    TENON_ASSIGN(auto bytes, opened->Get(version.bundle), version.id());
    wish.bundle = bytes->view();
    wish.model = version.id();
  } else {
    TENON_ASSIGN(wish.bundle, context.files.Read(file));
    std::string_view name = platform::NameOf(file);
    if (name.ends_with(".tenon")) name.remove_suffix(6);
    wish.model = name;
  }
  TENON_ASSIGN(const std::string secret, context.files.Read(args.Text("secret")), "the key that signs");
  ota::Publisher publisher(context.files, args.Text("folder"));
  TENON_ASSIGN(const std::int64_t number, publisher.Publish(context.call, wish, secret));
  Json line;
  line["channel"] = wish.channel;
  line["release"] = number;
  line["model"] = wish.model;
  line["percent"] = wish.percent;
  line["bytes"] = wish.bundle.size();
  context.json ? context.terminal.JsonLine(line)
               : context.terminal.Line(Str("release ", number, " of ", wish.channel, ": ", wish.model, " for ", wish.percent, " % of the devices"));
  return 0;
}

Result<int> Said(Context& context, const std::string& channel, const ota::Entry& entry) {
  Json line;
  line["channel"] = channel;
  line["release"] = entry.number;
  line["model"] = entry.model;
  line["percent"] = entry.percent;
  line["stopped"] = entry.stopped;
  context.json ? context.terminal.JsonLine(line)
               : context.terminal.Line(entry.stopped ? Str("release ", entry.number, " of ", channel, " is rolled back: devices that have it go back with their next look")
                                                     : Str("release ", entry.number, " of ", channel, " is for ", entry.percent, " % of the devices now"));
  return 0;
}

Result<int> Advance(Context& context, const Args& args) {
  TENON_ASSIGN(const ota::Entry entry, ota::Publisher(context.files, args.Text("folder")).Advance(args.Text("channel"), args.Number("percent")));
  return Said(context, args.Text("channel"), entry);
}

Result<int> Rollback(Context& context, const Args& args) {
  TENON_ASSIGN(const ota::Entry entry, ota::Publisher(context.files, args.Text("folder")).Stop(args.Text("channel"), args.Text("why")));
  return Said(context, args.Text("channel"), entry);
}

Result<int> Status(Context& context, const Args& args) {
  const std::string folder = args.Text("folder"), name = args.Text("channel");
  TENON_ASSIGN(const ota::Channel channel, ota::Publisher(context.files, folder).Find(name));
  std::map<std::string, ota::DeviceState, std::less<>> devices;
  for (auto& [device, state] : ota::ReadDevices(context.files, folder, name)) devices.emplace(device, state);
  std::map<std::string, std::int64_t> models;
  for (const auto& [device, state] : devices) ++models[state.model.empty() ? "none" : state.model];
  std::vector<std::vector<std::string>> rows = {{"release", "model", "devices", "ok", "failed", "state"}};
  Json all;
  all["channel"] = name;
  for (const ota::Entry& entry : channel.entries) {
    const ota::Tally tally = ota::TallyOf(devices, entry.number);
    Json one;
    one["release"] = entry.number;
    one["model"] = entry.model;
    one["percent"] = entry.percent;
    one["ok"] = tally.installed;
    one["failed"] = tally.failed;
    one["stopped"] = entry.stopped;
    one["why"] = entry.why_stopped;
    all["releases"].Push(std::move(one));
    rows.push_back({std::to_string(entry.number), entry.model, Str(FormatShort(entry.percent), " %"), std::to_string(tally.installed), std::to_string(tally.failed),
                    entry.stopped ? Str("rolled back: ", entry.why_stopped) : entry.percent < 100 ? "under way" : "out"});
  }
  all["devices"] = Json::MakeObject();
  for (const auto& [device, state] : devices) {
    Json one;
    one["model"] = state.model;
    one["release"] = state.number;
    one["status"] = state.status;
    one["why"] = state.why;
    one["seen"] = FormatTimestamp(state.at);
    all["devices"][device] = std::move(one);
  }
  if (context.json) {
    context.terminal.JsonLine(all);
    return 0;
  }
  context.terminal.Table(rows);
  for (const auto& [model, count] : models) context.terminal.Line(Str(FormatCount(count), count == 1 ? " device has " : " devices have ", model));
  for (const auto& [device, state] : devices) {
    if (state.status != "ok") context.terminal.Line(Str("  ", device, ": ", state.status, ", ", state.why));
  }
  return 0;
}

// Who may ask `ota serve`, and over what: read again when the files change.
class Door {
 public:
  explicit Door(platform::Files& files) : files_(files) {}

  Result<void> Open(const Args& args) {
    keys_ = args.Text("keys");
    const std::string certificate = args.Text("tls-cert"), key = args.Text("tls-key");
    if (certificate.empty() != key.empty()) return Error(Code::kInvalidArgument, "TLS needs both a certificate and its key: --tls-cert cert.pem --tls-key key.pem");
    if (!certificate.empty()) {
      TENON_ASSIGN(tls_, platform::MakeTlsServer(files_, {certificate, key, ""}, {"http/1.1"}));
    }
    TENON_TRY(Look());
    return {};
  }

  // What changed, or "". What is refused leaves all as it was.
  Result<std::string> Look() {
    std::vector<std::string> news;
    if (!keys_.empty()) {
      TENON_ASSIGN(const std::string text, files_.Read(keys_), "the API keys");
      if (text != known_) {
        TENON_ASSIGN(const auto keys, govern::ReadKeys(text, keys_));
        if (keys.empty()) return Error(Code::kInvalidArgument, Str(keys_, " has no key: nobody could ask; leave --keys away to be open to everybody"));
        access_.Set(std::make_shared<const govern::Rules>(govern::RulesOf(keys, false, false, {})));
        if (!known_.empty()) news.push_back("the API keys were read again");
        known_ = text;
      }
    }
    if (tls_ != nullptr) {
      TENON_ASSIGN(const bool renewed, tls_->Reload());
      if (renewed) news.push_back("the TLS certificate was read again");
    }
    return Join(news, "; ");
  }

  const platform::TlsServer* tls() const { return tls_.get(); }
  const govern::Access& access() const { return access_; }

 private:
  platform::Files& files_;
  std::string keys_, known_;
  govern::Access access_;
  std::unique_ptr<platform::TlsServer> tls_;
};

Result<int> Serve(Context& context, const Args& args) {
  Door door(context.files);
  TENON_TRY(door.Open(args));
  ota::Depot depot(context.files, args.Text("folder"));
  TENON_TRY(depot.Refresh(context.call));
  edge::ServerOptions options;
  options.address = args.Text("address");
  options.port = static_cast<int>(args.Int("port"));
  options.threads = 1;
  options.tls = door.tls();
  options.access = &door.access();
  TENON_ASSIGN(auto server, edge::StartOtaServer(options, depot));
  context.terminal.Line(Str("releases are given out at ", door.tls() == nullptr ? "http://" : "https://", options.address, ":", server->port(), "/v1/ota/<channel>"));
  if (const std::string file = args.Text("port-file"); !file.empty()) TENON_TRY(context.files.Write(file, Str(server->port(), "\n")));
  const char* kept = "a change is refused, what was before stays";
  Told told(kept), told_door(kept);
  while (!context.call.stop.stop_requested()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const auto changed = depot.Refresh(context.call);
    if (context.call.stop.stop_requested()) break;
    if (const std::string news = told.Next(changed); !news.empty()) context.terminal.Note(news);
    if (const std::string news = told_door.Next(door.Look()); !news.empty()) context.terminal.Note(news);
  }
  server->Stop(std::chrono::seconds(2));
  // What devices said last is kept.
  TENON_TRY(depot.Refresh(Call{}));
  return 0;
}

}  // namespace

void AddOta(std::vector<Command>& to) {
  using Kind = Flag::Kind;
  const Flag folder = {.name = "--folder", .help = "where releases are kept", .fallback = "ota"};
  const Flag channel = {.name = "channel", .help = "the devices' channel, such as kiosks", .required = true};
  to.push_back({.name = "ota keygen",
                .summary = "Make the Ed25519 key pair that releases for devices are signed and checked with",
                .example = "tenon ota keygen --secret release.key --open release.pub",
                .flags = {{.name = "--secret", .help = "file of the secret key", .fallback = "release.key"}, {.name = "--open", .help = "file of the open key, for the devices", .fallback = "release.pub"}},
                .run = Keygen});
  to.push_back({.name = "ota publish",
                .summary = "Sign a version as the next release of a channel, with its way back, for the first ring of its devices",
                .example = "tenon ota publish kiosks --model loan-approval@2 --project examples/loan-approval --secret release.key --percent 1",
                .flags = {channel, folder,
                          {.name = "--model", .help = "name@7, of the project"},
                          {.name = "--project", .help = "folder with tenon.yaml", .fallback = "."},
                          {.name = "--bundle", .help = "a bundle file instead of a project's version"},
                          {.name = "--secret", .help = "file of the key that signs", .fallback = "release.key"},
                          {.name = "--percent", .help = "of the devices that may have it", .kind = Kind::kNumber, .fallback = "1"},
                          {.name = "--max-failures", .help = "share of failed devices that, when passed, rolls it back by itself", .kind = Kind::kNumber, .fallback = "0.1"},
                          {.name = "--min-reports", .help = "devices that must have reported before", .kind = Kind::kInt, .fallback = "3"}},
                .run = Publish});
  to.push_back({.name = "ota advance",
                .summary = "Give the release under way to more devices",
                .example = "tenon ota advance kiosks --percent 10",
                .flags = {channel, folder, {.name = "--percent", .help = "of the devices", .kind = Kind::kNumber, .required = true}},
                .run = Advance});
  to.push_back({.name = "ota rollback",
                .summary = "Stop the release under way and take it back from the devices that have it",
                .example = "tenon ota rollback kiosks",
                .flags = {channel, folder, {.name = "--why", .help = "for the record", .fallback = "by hand"}},
                .run = Rollback});
  to.push_back({.name = "ota status", .summary = "Show a channel's releases and what its devices said", .example = "tenon ota status kiosks", .flags = {channel, folder}, .run = Status});
  to.push_back({.name = "ota serve",
                .summary = "Give releases out to devices, take their reports, roll back what fails too often",
                .example = "tenon ota serve --folder ota --port 8090",
                .flags = {folder,
                          {.name = "--port", .help = "0: a free one", .kind = Kind::kInt, .fallback = "8090"},
                          {.name = "--port-file", .help = "write the port here once requests are answered"},
                          {.name = "--address", .help = "address to listen on", .fallback = "127.0.0.1"},
                          {.name = "--tls-cert", .help = "PEM certificate (chain): answer over TLS; read again when it changes"},
                          {.name = "--tls-key", .help = "its PEM key"},
                          {.name = "--keys", .help = "API keys of devices (tenon keys export), read again when they change"}},
                .run = Serve});
}

}  // namespace tenon::app
