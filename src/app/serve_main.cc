// tenon-serve: answers with models that are made already, and nothing else. No trainer, no analytic engine, no project file.

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

#include "app/command.h"
#include "app/holder.h"
#include "app/signals.h"
#include "app/told.h"
#include "base/text.h"
#include "edge/server.h"
#include "govern/access.h"
#include "platform/tls.h"
#include "serve/inference_log.h"

namespace tenon::app {
namespace {

constexpr const char* kRefused = "a change is refused, what was before stays";

bool IsLoopback(std::string_view address) { return address.starts_with("127.") || address == "::1" || address == "localhost"; }

Command Described() {
  using Kind = Flag::Kind;
  Command command;
  command.name = "tenon-serve";
  command.summary = "Answer requests with models that are made already: bundle files, folders of them, or a project's champions";
  command.example = "tenon-serve --bundle loan-approval@1.tenon --port 8080";
  command.flags = {
      {.name = "--bundle", .help = "a bundle file (tenon models export); may be given again; read again when it changes", .kind = Kind::kTexts},
      {.name = "--models", .help = "a folder of bundle files (*.tenon), which may come and go; may be given again", .kind = Kind::kTexts},
      {.name = "--project", .help = "a project's folder: its champions, followed as they are promoted; nothing is written but the log"},
      {.name = "--model", .help = "of a project: this model only"},
      {.name = "--name", .help = "the endpoint's name, when there is one model"},
      {.name = "--port", .help = "0: a free one", .kind = Kind::kInt, .fallback = "8080"},
      {.name = "--grpc-port", .help = "a port of its own for gRPC, which --port takes too; 0: a free one", .kind = Kind::kInt},
      {.name = "--no-repository", .help = "requests may not load and unload models", .kind = Kind::kBool},
      {.name = "--port-file", .help = "write the port here once requests are answered"},
      {.name = "--address", .help = "address to listen on", .fallback = "127.0.0.1"},
      {.name = "--threads", .help = "event loops; 0: one a core", .kind = Kind::kInt, .fallback = "0"},
      {.name = "--tls-cert", .help = "PEM certificate (chain): answer over TLS; read again when it changes"},
      {.name = "--tls-key", .help = "its PEM key"},
      {.name = "--tls-client-ca", .help = "PEM of who signs clients' certificates: they stand for an API key"},
      {.name = "--keys", .help = "API keys of who may ask (tenon keys export), read again when they change; of a project: its own"},
      {.name = "--insecure", .help = "open to everybody though other machines reach the address", .kind = Kind::kBool},
      {.name = "--log", .help = "folder of the inference log; 'none': no log; not given: a project's own, else none"},
      {.name = "--rate", .help = "requests a second of one asker; 0: no limit", .kind = Kind::kNumber, .fallback = "0"},
      {.name = "--most-body", .help = "bytes of a request's body", .kind = Kind::kInt, .fallback = "8388608"},
      {.name = "--connections", .help = "at a time; 0: 16384 an event loop", .kind = Kind::kInt, .fallback = "0"},
      {.name = "--longest-queue", .help = "milliseconds after which a waiting request is turned away; 0: never", .kind = Kind::kInt, .fallback = "0"},
      {.name = "--batching", .help = "rows of several requests are predicted together where a model gains from it: '{}', or the settings of serve.batching as JSON: '{\"delay\":\"2ms\"}'"},
      {.name = "--core-hour", .help = "what an hour of one core costs, such as '0.04 EUR': /metrics tells what answers cost"}};
  return command;
}

class Program {
 public:
  Program(std::stop_token stop, Terminal& terminal, platform::Files& files) : stop_(std::move(stop)), terminal_(terminal), files_(files) {}

  Result<int> Run(const Args& args, bool json) {
    TENON_TRY(transform::AddAll(kinds_.ops));
    TENON_TRY(model::AddAll(kinds_.formats));
    if (const std::string batching = args.Text("batching"); !batching.empty()) {
      TENON_ASSIGN(const Json spec, Json::Parse(batching, "--batching"));
      TENON_ASSIGN(kinds_.batching, serve::BatchSpec::Parse(spec, "--batching"));
    }
    TENON_TRY(Hold(args));
    std::vector<std::string> held;
    TENON_TRY(holder_->Refresh(endpoints_, &held));
    TENON_TRY(Admit(args));
    TENON_TRY(Listen(args));
    const std::string url = Str(tls_ == nullptr ? "http://" : "https://", args.Text("address"), ":", server_->port());
    Announce(url, json);
    // Last: whoever waits for the file may ask at once.
    if (const std::string file = args.Text("port-file"); !file.empty()) TENON_TRY(files_.Write(file, Str(server_->port(), "\n")));
    while (!stop_.stop_requested()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      if (const std::string news = Refresh(); !news.empty()) terminal_.Note(news);
    }
    server_->Stop(std::chrono::seconds(5));
    return 0;
  }

 private:
  Result<void> Hold(const Args& args) {
    const std::string project = args.Text("project");
    BundleSpec spec{.files = args.Texts("bundle"), .folders = args.Texts("models"), .name = args.Text("name"), .keys = args.Text("keys")};
    const bool bundles = !spec.files.empty() || !spec.folders.empty();
    if (bundles == !project.empty()) {
      return Error(Code::kInvalidArgument, bundles ? "--project serves a store and --bundle and --models files: give one of them"
                                                   : "there is nothing to serve: give --bundle model.tenon, --models folder or --project folder");
    }
    if (bundles) {
      if (!spec.name.empty() && (spec.files.size() != 1 || !spec.folders.empty())) return Error(Code::kInvalidArgument, "--name needs one --bundle; files in a folder are named by themselves, such as fraud@7.tenon");
      holder_ = HoldBundles(files_, kinds_, std::move(spec));
      return {};
    }
    if (!spec.keys.empty()) return Error(Code::kInvalidArgument, "--keys goes with --bundle and --models: a project has its own keys (tenon keys)");
    TENON_ASSIGN(holder_, HoldProject(files_, kinds_, project, args.Text("model"), args.Text("name")));
    return {};
  }

  Result<void> Admit(const Args& args) {
    const std::string certificate = args.Text("tls-cert"), key = args.Text("tls-key"), ca = args.Text("tls-client-ca");
    if (certificate.empty() != key.empty() || (certificate.empty() && !ca.empty())) {
      return Error(Code::kInvalidArgument, "TLS needs both a certificate and its key: --tls-cert cert.pem --tls-key key.pem");
    }
    if (!certificate.empty()) {
      TENON_ASSIGN(tls_, platform::MakeTlsServer(files_, {certificate, key, ca}, {"http/1.1", "h2"}));
      TENON_ASSIGN(certificate_scopes_, govern::Scopes::Of({"predict", "explain"}));
    }
    TENON_TRY(RefreshKeys());
    if (access_.rules()->open && !IsLoopback(args.Text("address")) && !args.Bool("insecure")) {
      return Error(Code::kFailedPrecondition, Str("at ", args.Text("address"), " everybody who reaches it could ask: give --keys or --tls-client-ca, or say --insecure"));
    }
    return {};
  }

  Result<void> Listen(const Args& args) {
    edge::ServerOptions options;
    options.address = args.Text("address");
    options.port = static_cast<int>(args.Int("port"));
    options.inherited = InheritedSocket();
    options.threads = static_cast<int>(args.Int("threads"));
    if (!args.Text("grpc-port").empty()) options.grpc_port = static_cast<int>(args.Int("grpc-port"));
    options.repository = !args.Bool("no-repository");
    options.most_body = args.Int("most-body");
    options.rate = args.Number("rate");
    options.longest_queue = std::chrono::milliseconds(args.Int("longest-queue"));
    if (args.Int("connections") < 0 || args.Int("connections") > 1'000'000) return Error(Code::kInvalidArgument, "--connections is 0 to 1000000");
    options.most_connections = static_cast<int>(args.Int("connections"));
    if (options.most_body < 1 || options.rate < 0 || options.longest_queue.count() < 0 || options.port < 0 || options.port > 65535) {
      return Error(Code::kInvalidArgument, "--most-body is at least 1, --rate and --longest-queue at least 0, --port 0 to 65535");
    }
    if (const std::string price = args.Text("core-hour"); !price.empty()) {
      TENON_ASSIGN(options.price, serve::CorePrice::Parse(price), "--core-hour");
    }
    options.access = &access_;
    options.tls = tls_.get();
    std::string folder = args.Text("log");
    if (folder.empty() && !args.Text("project").empty()) folder = platform::JoinPath(args.Text("project"), ".tenon/inference");
    if (!folder.empty() && folder != "none") {
      TENON_ASSIGN(log_, serve::OpenInferenceLog(files_, folder), "opening the inference log (--log none: without one)");
    }
    TENON_ASSIGN(server_, edge::StartServer(options, endpoints_, log_.get(), {}));
    return {};
  }

  void Announce(const std::string& url, bool json) {
    const auto all = endpoints_.all();
    auto lacks = log_ == nullptr ? std::vector<serve::MissingAnswers>() : log_->missing();
    std::erase_if(lacks, [](const serve::MissingAnswers& one) { return !one.fresh; });
    if (json) {
      Json line;
      line["url"] = url;
      line["grpc_port"] = server_->grpc_port();
      for (const auto& [name, route] : *all) line["models"][name] = route->champion()->model;
      line["access"] = access_.rules()->open ? "open" : "keys";
      if (!lacks.empty()) line["log_lacks"] = serve::Describe(lacks);
      terminal_.JsonLine(line);
      return;
    }
    for (const auto& [name, route] : *all) terminal_.Line(Str(route->champion()->model, " answers at ", url, "/v1/endpoints/", name, ":predict"));
    terminal_.Line(access_.rules()->open ? "open to everybody who reaches it" : "for holders of an API key or a client certificate");
    if (!lacks.empty()) terminal_.Note(serve::Describe(lacks));
  }

  // What to tell people now. Each part by itself: a model that is refused keeps no key from being withdrawn.
  std::string Refresh() {
    std::vector<std::string> news, changes;
    const auto models = holder_->Refresh(endpoints_, &changes);
    news.push_back(told_models_.Next(Join(changes, "; "), models));
    if (tls_ != nullptr) news.push_back(told_certificate_.Next(NewsOf(tls_->Reload(), "the TLS certificate was read again")));
    news.push_back(told_keys_.Next(NewsOf(RefreshKeys(), "the API keys were read again")));
    std::erase(news, "");
    return Join(news, "; ");
  }

  static Result<std::string> NewsOf(const Result<bool>& changed, const char* what) {
    if (!changed) return changed.error().Clone();
    return *changed ? std::string(what) : std::string();
  }

  // A service that had keys stays closed when the last one goes.
  Result<bool> RefreshKeys() {
    TENON_ASSIGN(const std::int64_t revision, holder_->KeysRevision());
    if (revision == keys_revision_) return false;
    TENON_ASSIGN(const auto keys, holder_->Keys());
    const bool may_open = keys_revision_ == -1 || access_.rules()->open;
    access_.Set(std::make_shared<const govern::Rules>(govern::RulesOf(keys, may_open, tls_ != nullptr && tls_->asks_clients(), certificate_scopes_)));
    keys_revision_ = revision;
    return true;
  }

  std::stop_token stop_;
  Terminal& terminal_;
  platform::Files& files_;
  HolderKinds kinds_;
  std::unique_ptr<Holder> holder_;
  serve::Endpoints endpoints_;
  govern::Access access_;
  govern::Scopes certificate_scopes_;
  std::int64_t keys_revision_ = -1;
  std::unique_ptr<platform::TlsServer> tls_;
  std::unique_ptr<serve::InferenceLog> log_;
  std::unique_ptr<edge::Server> server_;
  Told told_models_{kRefused}, told_certificate_{kRefused}, told_keys_{kRefused};
};

}  // namespace
}  // namespace tenon::app

int main(int argc, char** argv) {
  using namespace tenon;
  std::stop_source stop;
  app::StopOnSignals(stop);
  app::Terminal terminal;
  auto files = platform::RealFiles();
  app::Leave(terminal, [&] {
    app::Program program(stop.get_token(), terminal, *files);
    return app::RunOnly(argc, argv, terminal, app::Described(), [&program](const app::Args& args, bool json) { return program.Run(args, json); });
  });
}
