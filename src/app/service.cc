#include "app/service.h"

#include <algorithm>
#include <atomic>

#include "base/text.h"
#include "registry/registry.h"
#include "serve/inference_log.h"

namespace tenon::app {
namespace {

class ProjectService final : public Service {
 public:
  ProjectService(const pipeline::Project& project, store::Store& store, const pipeline::Kits& kits)
      : project_(project), store_(store), kits_(kits), registry_(store) {}
  ~ProjectService() override { Stop(); }

  Result<void> Start(const Call& call, const edge::ServerOptions& options) {
    TENON_ASSIGN(const std::string loaded, Refresh(call));
    if (model_.empty()) {
      return Error(Code::kFailedPrecondition, Str("no version of ", project_.name, " is champion: `tenon run ", project_.folder,
                                                  "` deploys one when its gates pass (`tenon models ls` shows what there is)"));
    }
    TENON_ASSIGN(log_, serve::OpenInferenceLog(store_.files(), log_folder()));
    TENON_ASSIGN(server_, edge::StartServer(options, endpoints_, log_.get(), [this] { return ready_.load(); }));
    ready_ = true;
    return {};
  }

  int port() const override { return server_->port(); }
  int grpc_port() const override { return server_->grpc_port(); }
  std::string model() const override { return model_; }
  std::string log_folder() const override { return platform::JoinPath(store_.folder(), "inference"); }

  Result<std::string> Refresh(const Call& call) override {
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
  Result<void> Take(int version) {
    TENON_ASSIGN(registry::ModelVersion found, registry_.Find(project_.name, version));
    TENON_ASSIGN(auto bytes, store_.Get(found.bundle));
    TENON_ASSIGN(auto bundle, model::Bundle::Open(bytes));
    TENON_ASSIGN(auto served, serve::MakeServed(bundle, project_.serve.endpoint, found.id(), version, kits_.ops, kits_.formats));
    if (project_.serve.strict) {
      auto strict = std::make_shared<serve::Served>(*served);
      strict->strict = true;
      served = std::move(strict);
    }
    endpoints_.Set(std::move(served));
    return {};
  }

  const pipeline::Project& project_;
  store::Store& store_;
  const pipeline::Kits& kits_;
  registry::Registry registry_;
  serve::Endpoints endpoints_;
  std::unique_ptr<serve::InferenceLog> log_;
  std::unique_ptr<edge::Server> server_;
  std::atomic<bool> ready_ = false;
  std::string model_;
  std::int64_t revision_ = -1;
};

}  // namespace

Result<std::unique_ptr<Service>> StartService(const Call& call, const pipeline::Project& project, store::Store& store,
                                              const pipeline::Kits& kits, const edge::ServerOptions& options) {
  auto service = std::make_unique<ProjectService>(project, store, kits);
  TENON_TRY(service->Start(call, options));
  return std::unique_ptr<Service>(std::move(service));
}

}  // namespace tenon::app
