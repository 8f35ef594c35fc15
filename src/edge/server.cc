#include "edge/server.h"

#include <algorithm>
#include <random>
#include <thread>

#include "base/text.h"
#include "edge/answer_stream_internal.h"
#include "edge/http_server.h"
#include "edge/worker_internal.h"

namespace tenon::edge {

Shared::Shared(serve::Endpoints& all, serve::InferenceLog* its_log, std::function<bool()> is_ready,
               const ServerOptions& options)
    : endpoints(all), log(its_log), tallies(options.tallies), mirror(options.mirror), feedback(options.feedback),
      readiness(options.readiness), features(options.features), completion(options.completion), ready_to_serve(std::move(is_ready)), metrics(options.threads + ThreadsOf(options.streams)),
      access(options.access), rate(options.rate), sheds(options.longest_queue.count() > 0), most_body(static_cast<std::size_t>(options.most_body)),
      idle(options.idle), slow(options.slow),
      repository(options.repository), price(options.price), loops(options.threads) {
  std::random_device random;
  run_id = (static_cast<std::uint64_t>(random()) << 32) | random();
  if (options.rate > 0 || access != nullptr) limit = std::make_unique<RateLimit>(options.rate, run_id);
  if (options.budget > 0) budget = std::make_unique<RateLimit>(options.budget / 86400, run_id + 1, std::chrono::hours(24));
}

Shared::~Shared() = default;

namespace {

class PredictionServer final : public Server {
 public:
  PredictionServer(std::unique_ptr<Shared> shared, std::unique_ptr<Server> transport)
      : shared_(std::move(shared)), transport_(std::move(transport)) {}  // the latter may be null
  ~PredictionServer() override { Stop(std::chrono::seconds(1)); }

  int port() const override { return transport_ == nullptr ? -1 : transport_->port(); }
  int grpc_port() const override { return transport_ == nullptr ? -1 : transport_->grpc_port(); }
  std::vector<AnswerStreamState> streams() const override {
    std::vector<AnswerStreamState> out;
    for (const auto& stream : shared_->streams) out.push_back(stream->state());
    return out;
  }
  void StopStreams() override {
    for (const auto& stream : shared_->streams) stream->Stop();
  }
  void Stop(std::chrono::milliseconds grace) override {
    shared_->stopping.store(true);
    StopStreams();
    if (transport_ != nullptr) transport_->Stop(grace);
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
  const int all_threads = settled.threads + ThreadsOf(settled.streams);
  if (all_threads > kMostThreads) return Error(Code::kInvalidArgument, Str("threads of the server and of its streams are ", all_threads, ", more than ", kMostThreads));
  auto shared = std::make_unique<Shared>(endpoints, log, std::move(ready), settled);
  if (settled.observe.any()) {
    TENON_ASSIGN(shared->observers, Observers::Make(settled.observe, all_threads, Str(settled.tls != nullptr ? "https://" : "http://", settled.address, ":", settled.port, "/")));
  }
  Shared& for_workers = *shared;
  int thread = settled.threads;
  for (const AnswerStreamOptions& stream : settled.streams) {
    for_workers.streams.push_back(std::make_unique<AnswerStream>(for_workers, stream, thread));
    thread += stream.threads;
  }
  std::unique_ptr<Server> transport;
  if (settled.port >= 0) {
    TENON_ASSIGN(transport, ListenHttp(settled, [&for_workers](int number) -> std::unique_ptr<HttpHandler> { return std::make_unique<Worker>(for_workers, number); }));
  }
  for (const auto& stream : for_workers.streams) stream->Start();
  return std::unique_ptr<Server>(std::make_unique<PredictionServer>(std::move(shared), std::move(transport)));
}

}  // namespace tenon::edge
