#include <cstdlib>
#include <thread>

#include "app/commands/all.h"
#include "app/service.h"
#include "app/signals.h"
#include "app/watching.h"

namespace tenon::app {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

// What is kept of requests, by the project file; OpenTelemetry's own environment variables where that says nothing.
edge::ObserveOptions ObserveOf(const pipeline::Project& project) {
  const pipeline::ServeSpec& spec = project.serve;
  edge::ObserveOptions observe;
  std::string base = spec.trace.endpoint.empty() ? Environment("OTEL_EXPORTER_OTLP_ENDPOINT") : spec.trace.endpoint;
  while (base.ends_with('/')) base.pop_back();
  const std::string whole = spec.trace.endpoint.empty() ? Environment("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") : std::string();
  if (!whole.empty()) {
    observe.trace.url = whole;
  } else if (!base.empty()) {
    observe.trace.url = Str(base, base.ends_with("/v1/traces") ? "" : "/v1/traces");
  }
  observe.trace.sample = spec.trace.sample;
  double ratio = 0;
  if (spec.trace.endpoint.empty() && ParseDouble(Environment("OTEL_TRACES_SAMPLER_ARG"), &ratio)) observe.trace.sample = ratio;
  observe.trace.headers = spec.trace.headers;
  for (const std::string& pair : Split(Environment("OTEL_EXPORTER_OTLP_HEADERS"), ',')) {
    if (const std::size_t equals = pair.find('='); equals != std::string::npos) observe.trace.headers.push_back(Str(Trim(pair.substr(0, equals)), ": ", pair.substr(equals + 1)));
  }
  const std::string service = spec.trace.service.empty() ? Environment("OTEL_SERVICE_NAME") : spec.trace.service;
  observe.trace.service = service.empty() ? project.name : service;
  observe.trace.ca = spec.trace.ca;
  observe.access_log = {spec.access_log.path, spec.access_log.sample, spec.access_log.rotate_bytes, spec.access_log.keep};
  observe.events = {spec.events.url, spec.events.mode, spec.events.source, spec.events.ca};
  return observe;
}

Result<ServiceOptions> OptionsOf(const pipeline::Project& project, const Args& args) {
  ServiceOptions all;
  edge::ServerOptions& options = all.server;
  options.address = args.Text("address");
  options.port = static_cast<int>(args.Int("port"));
  options.inherited = InheritedSocket();
  options.threads = static_cast<int>(args.Int("threads"));
  options.rate = project.serve.rate;
  options.most_body = project.serve.most_body;
  const std::string grpc_port = args.Text("grpc-port");
  options.grpc_port = grpc_port.empty() ? project.serve.grpc_port : static_cast<int>(args.Int("grpc-port"));
  options.repository = project.serve.repository;
  options.price = project.serve.core_hour;
  options.budget = project.serve.limits.budget;
  options.most_connections = static_cast<int>(project.serve.limits.connections);
  options.longest_queue = project.serve.limits.longest_queue;
  options.observe = ObserveOf(project);
  all.insecure = args.Bool("insecure");
  all.tls = project.serve.tls;
  for (const auto& [flag, path] : {std::pair<const char*, std::string*>{"tls-cert", &all.tls.certificate}, {"tls-key", &all.tls.key}, {"tls-client-ca", &all.tls.client_ca}}) {
    if (const std::string given = args.Text(flag); !given.empty()) *path = given;
  }
  if (all.tls.certificate.empty() != all.tls.key.empty() || (all.tls.certificate.empty() && !all.tls.client_ca.empty())) {
    return Error(Code::kInvalidArgument, "TLS needs both a certificate and its key: --tls-cert cert.pem --tls-key key.pem, or serve.tls in the project file");
  }
  return all;
}

// What `up` does beside answering: looks for drift as often as the project file says, and keeps an event of what it finds.
class Watcher {
 public:
  Watcher(Context& context, const pipeline::Project& project, const std::string& folder) : context_(context), project_(project), folder_(folder) {}

  void Tick() {
    const auto period = project_.monitor.period();
    if (period.count() <= 0 || std::chrono::steady_clock::now() - last_ < period) return;
    last_ = std::chrono::steady_clock::now();
    if (Result<void> looked = Look(); !looked) context_.terminal.Note(Str("monitor: ", looked.error().ForPeople()));
  }

 private:
  Result<void> Look() {
    TENON_ASSIGN(auto opened, OpenStore(context_, folder_, store::Store::Access::kWrite));
    std::string page;
    TENON_ASSIGN(auto report, LookForDrift(context_.call, project_, *opened, context_.kits, std::chrono::microseconds(0), &page));
    if (!report.drifted()) return {};
    Json body;
    body["endpoint"] = project_.serve.endpoint;
    body["columns"] = Json::ListOf(report.DriftedColumns());
    body["page"] = page;
    TENON_TRY(opened->AddEvent("drift_found", body));
    context_.terminal.Note(Str("drift: ", Join(report.DriftedColumns(), ", "), "; see ", page));
    return {};
  }

  Context& context_;
  const pipeline::Project& project_;
  std::string folder_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

Result<int> Answer(Context& context, const Args& args, bool watch) {
  const std::string folder = args.Text("project");
  TENON_ASSIGN(pipeline::Project project, pipeline::LoadProject(context.files, folder));
  TENON_ASSIGN(auto opened, OpenStore(context, folder, store::Store::Access::kRead));
  TENON_ASSIGN(const ServiceOptions options, OptionsOf(project, args));
  TENON_ASSIGN(auto service, StartService(context.call, project, *opened, context.kits, options));
  const std::string url = Str(options.tls.certificate.empty() ? "http://" : "https://", args.Text("address"), ":", service->port());
  if (const std::string file = args.Text("port-file"); !file.empty()) {
    TENON_TRY(context.files.Write(file, Str(service->port(), "\n")));
  }
  if (context.json) {
    Json line;
    line["url"] = url;
    line["grpc"] = Str(args.Text("address"), ":", service->grpc_port());
    line["endpoint"] = project.serve.endpoint;
    line["model"] = service->model();
    line["access"] = service->who();
    if (const std::string batching = service->batching(); !batching.empty()) line["batching"] = batching;
    if (const std::string missing = service->missing(); !missing.empty()) line["log_lacks"] = missing;
    context.terminal.JsonLine(line);
  } else {
    context.terminal.Line(Str(service->model(), " answers at ", context.terminal.Bold(Str(url, "/v1/endpoints/", project.serve.endpoint, ":predict"))));
    context.terminal.Line(context.terminal.Dim(service->who()));
    if (const std::string batching = service->batching(); !batching.empty()) context.terminal.Line(context.terminal.Dim(batching));
    context.terminal.Line(context.terminal.Dim(Str("metrics ", url, "/metrics   Open Inference Protocol ", url, "/v2   gRPC ", args.Text("address"), ":", service->grpc_port(),
                                                  "   stop with Ctrl-C")));
    if (const std::string missing = service->missing(); !missing.empty()) context.terminal.Note(missing);
  }
  Watcher watcher(context, project, folder);
  while (!context.call.stop.stop_requested()) {
    if (watch) watcher.Tick();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    if (const std::string news = service->Refresh(context.call); !news.empty()) context.terminal.Note(news);
  }
  service->Stop();
  return 0;
}

std::vector<Flag> ServeFlags() {
  return {ProjectFlag(),
          {.name = "--port", .help = "0: a free one", .kind = Flag::Kind::kInt, .fallback = "8080"},
          {.name = "--grpc-port", .help = "a port of its own for gRPC, which --port takes too; 0: a free one", .kind = Flag::Kind::kInt},
          {.name = "--port-file", .help = "write the port here once requests are answered"},
          {.name = "--address", .help = "address to listen on", .fallback = "127.0.0.1"},
          {.name = "--tls-cert", .help = "PEM certificate (chain): answer over TLS; read again when it changes"},
          {.name = "--tls-key", .help = "its PEM key"},
          {.name = "--tls-client-ca", .help = "PEM of who signs clients' certificates: they stand for an API key"},
          {.name = "--insecure", .help = "open to everybody though other machines reach the address", .kind = Flag::Kind::kBool},
          {.name = "--threads", .help = "event loops; 0: one a core", .kind = Flag::Kind::kInt, .fallback = "0"}};
}

}  // namespace

void AddServe(std::vector<Command>& to) {
  to.push_back({.name = "serve",
                .summary = "Answer requests with the champion; promoted versions are taken while it runs",
                .example = "tenon serve examples/loan-approval --port 8080",
                .flags = ServeFlags(),
                .run = [](Context& context, const Args& args) { return Answer(context, args, false); }});
  to.push_back({.name = "up",
                .summary = "Answer requests and watch them: serve and monitor in one process, as often as the project file says",
                .example = "tenon up examples/loan-approval --port 8080",
                .flags = ServeFlags(),
                .run = [](Context& context, const Args& args) { return Answer(context, args, true); }});
}

}  // namespace tenon::app
