#include "app/service.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "base/text.h"
#include "govern/access.h"
#include "platform/random.h"
#include "platform/tls.h"
#include "registry/registry.h"
#include "serve/inference_log.h"

namespace tenon::app {
namespace {

// Whether only programs of this machine reach an address.
bool IsLoopback(std::string_view address) { return address.starts_with("127.") || address == "::1" || address == "localhost"; }

class ProjectService final : public Service {
 public:
  ProjectService(const pipeline::Project& project, store::Store& store, const pipeline::Kits& kits)
      : project_(project), store_(store), kits_(kits), registry_(store) {}
  ~ProjectService() override { Stop(); }

  Result<void> Start(const Call& call, const ServiceOptions& wanted) {
    TENON_ASSIGN(const std::string secret, platform::RandomBytes(sizeof disguise_secret_));
    std::memcpy(&disguise_secret_, secret.data(), sizeof disguise_secret_);
    edge::ServerOptions options = wanted.server;
    TENON_TRY(PrepareAccess(wanted));
    options.access = &access_;
    options.tls = tls_.get();
    options.observe.files = &store_.files();
    TENON_ASSIGN(const std::string loaded, Refresh(call));
    if (model_.empty()) {
      return Error(Code::kFailedPrecondition, Str("no version of ", project_.name, " is champion: `tenon run ", project_.folder,
                                                  "` deploys one when its gates pass (`tenon models ls` shows what there is)"));
    }
    TENON_TRY(OpenLog());
    TENON_ASSIGN(server_, edge::StartServer(options, endpoints_, log_.get(), [this] { return ready_.load(); }));
    ready_ = true;
    return {};
  }

  int port() const override { return server_->port(); }
  int grpc_port() const override { return server_->grpc_port(); }
  std::string model() const override { return model_; }
  std::string log_folder() const override { return platform::JoinPath(store_.folder(), "inference"); }

  std::string who() const override {
    if (access_.rules()->open) return "open to everybody who reaches it: no API key was made (tenon keys add)";
    return tls_ != nullptr && tls_->asks_clients() ? "for holders of an API key or a client certificate" : "for holders of an API key";
  }

  Result<std::string> Refresh(const Call& call) override {
    TENON_ASSIGN(std::string changed, RefreshModel(call));
    if (server_ == nullptr) return changed;
    std::string more;
    if (tls_ != nullptr) {
      TENON_ASSIGN(const bool renewed, tls_->Reload());
      if (renewed) more = "the TLS certificate was read again";
    }
    TENON_ASSIGN(const bool keys, RefreshKeys());
    if (keys) more += Str(more.empty() ? "" : "; ", "the API keys changed: ", who());
    if (!changed.empty() && !more.empty()) changed += "; ";
    return changed + more;
  }

  Result<std::string> RefreshModel(const Call& call) {
    TENON_ASSIGN(const std::int64_t revision, registry_.Revision());
    if (revision == revision_) return std::string();
    TENON_ASSIGN(auto aliases, registry_.Aliases(project_.name));
    std::string changed;
    for (const auto& [alias, version] : aliases) {
      if (alias != "champion") continue;
      const std::string id = Str(project_.name, "@", version);
      if (id == model_) continue;
      TENON_TRY(Take(version), id);
      changed = model_.empty() ? Str(id, " answers") : Str(id, " answers instead of ", model_);
      model_ = id;
    }
    revision_ = revision;
    static_cast<void>(call);
    return changed;
  }

  void Stop() override {
    ready_ = false;
    if (server_ != nullptr) server_->Stop(std::chrono::seconds(5));
    server_.reset();
    log_.reset();
  }

 private:
  Result<void> PrepareAccess(const ServiceOptions& wanted) {
    if (!wanted.tls.certificate.empty()) {
      TENON_ASSIGN(tls_, platform::MakeTlsServer(store_.files(), {wanted.tls.certificate, wanted.tls.key, wanted.tls.client_ca}, {"http/1.1", "h2"}));
      TENON_ASSIGN(certificate_scopes_, govern::Scopes::Of(wanted.tls.client_scopes));
    }
    TENON_TRY(RefreshKeys());
    if (access_.rules()->open && !IsLoopback(wanted.server.address) && !wanted.insecure) {
      return Error(Code::kFailedPrecondition,
                   Str("at ", wanted.server.address, " everybody who reaches it could ask: make an API key first (`tenon keys add <name> --project ",
                       project_.folder, "`), ask for client certificates (--tls-client-ca), or say --insecure"));
    }
    return {};
  }

  // Takes keys that changed. A service that had keys stays closed when the last one goes.
  Result<bool> RefreshKeys() {
    TENON_ASSIGN(const std::int64_t revision, govern::KeysRevision(store_));
    if (revision == keys_revision_) return false;
    TENON_ASSIGN(const auto keys, govern::Keys(store_));
    const bool may_open = keys_revision_ == -1 || access_.rules()->open;
    access_.Set(std::make_shared<const govern::Rules>(
        govern::RulesOf(keys, may_open, tls_ != nullptr && tls_->asks_clients(), certificate_scopes_)));
    keys_revision_ = revision;
    return true;
  }

  Result<void> Take(int version) {
    TENON_ASSIGN(registry::ModelVersion found, registry_.Find(project_.name, version));
    TENON_ASSIGN(auto bytes, store_.Get(found.bundle));
    TENON_ASSIGN(auto bundle, model::Bundle::Open(bytes));
    TENON_ASSIGN(auto served, serve::MakeServed(bundle, project_.serve.endpoint, found.id(), version, kits_.ops, kits_.formats));
    endpoints_.Set(WithSettings(std::move(served)));
    return {};
  }

  // The version as the project file wants it to answer.
  std::shared_ptr<const serve::Served> WithSettings(std::shared_ptr<const serve::Served> served) const {
    const pipeline::ServeSpec& spec = project_.serve;
    auto changed = std::make_shared<serve::Served>(*served);
    changed->strict = served->strict || spec.strict;
    if (spec.limits.instances > 0) changed->most_instances = spec.limits.instances;
    if (spec.limits.text_bytes > 0) changed->most_text = static_cast<std::size_t>(spec.limits.text_bytes);
    changed->disguise.round = spec.outputs.round;
    changed->disguise.laplace = spec.outputs.epsilon > 0 ? spec.outputs.sensitivity / spec.outputs.epsilon : 0;
    changed->disguise.secret = disguise_secret_;
    return changed;
  }

  Result<void> OpenLog() {
    serve::LogOptions options;
    const pipeline::LogSpec& spec = project_.serve.log;
    options.sample = spec.sample;
    options.keep = spec.keep;
    options.keep_bytes = spec.keep_bytes;
    options.drop = spec.drop;
    options.hash = spec.hash;
    if (const char* key = std::getenv("TENON_LOG_KEY"); key != nullptr) options.hash_key = key;
    if (!spec.hash.empty() && options.hash_key.size() < 16) {
      return Error(Code::kFailedPrecondition, "serve.log.hash needs a secret of at least 16 bytes in the environment variable TENON_LOG_KEY: whoever has it can find hashed values by trying");
    }
    TENON_TRY(serve::CheckLogOptions(options, endpoints_.Find(project_.serve.endpoint)->champion()->fields), "serve.log");
    TENON_ASSIGN(log_, serve::OpenInferenceLog(store_.files(), log_folder(), std::move(options)));
    return {};
  }

  const pipeline::Project& project_;
  store::Store& store_;
  const pipeline::Kits& kits_;
  registry::Registry registry_;
  serve::Endpoints endpoints_;
  govern::Access access_;
  govern::Scopes certificate_scopes_;
  std::int64_t keys_revision_ = -1;
  std::uint64_t disguise_secret_ = 0;
  std::unique_ptr<platform::TlsServer> tls_;
  std::unique_ptr<serve::InferenceLog> log_;
  std::unique_ptr<edge::Server> server_;
  std::atomic<bool> ready_ = false;
  std::string model_;
  std::int64_t revision_ = -1;
};

}  // namespace

Result<std::unique_ptr<Service>> StartService(const Call& call, const pipeline::Project& project, store::Store& store,
                                              const pipeline::Kits& kits, const ServiceOptions& options) {
  auto service = std::make_unique<ProjectService>(project, store, kits);
  TENON_TRY(service->Start(call, options));
  return std::unique_ptr<Service>(std::move(service));
}

}  // namespace tenon::app
