#include "edge/server.h"

#include <algorithm>
#include <thread>

#include "base/text.h"
#include "edge/http_server.h"
#include "edge/worker_internal.h"

namespace tenon::edge {
namespace {

class PredictionServer final : public Server {
 public:
  PredictionServer(std::unique_ptr<Shared> shared, std::unique_ptr<Server> transport)
      : shared_(std::move(shared)), transport_(std::move(transport)) {}
  ~PredictionServer() override { Stop(std::chrono::seconds(1)); }

  int port() const override { return transport_->port(); }
  int grpc_port() const override { return transport_->grpc_port(); }
  void Stop(std::chrono::milliseconds grace) override {
    shared_->stopping.store(true);
    transport_->Stop(grace);
  }

 private:
  std::unique_ptr<Shared> shared_;
  std::unique_ptr<Server> transport_;
};

}  // namespace

Result<std::unique_ptr<Server>> StartServer(const ServerOptions& options, serve::Endpoints& endpoints,
                                            serve::InferenceLog* log, std::function<bool()> ready) {
  ServerOptions settled = options;
  if (settled.threads <= 0) settled.threads = static_cast<int>(std::thread::hardware_concurrency());
  settled.threads = std::clamp(settled.threads, 1, kMostThreads);
  auto shared = std::make_unique<Shared>(endpoints, log, std::move(ready), settled);
  if (settled.observe.any()) {
    TENON_ASSIGN(shared->observers, Observers::Make(settled.observe, settled.threads, Str(settled.tls != nullptr ? "https://" : "http://", settled.address, ":", settled.port, "/")));
  }
  Shared& for_workers = *shared;
  TENON_ASSIGN(auto transport, ListenHttp(settled, [&for_workers](int thread) -> std::unique_ptr<HttpHandler> {
                 return std::make_unique<Worker>(for_workers, thread);
               }));
  return std::unique_ptr<Server>(std::make_unique<PredictionServer>(std::move(shared), std::move(transport)));
}

}  // namespace tenon::edge
