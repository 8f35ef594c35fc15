#include "app/service.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <cstdlib>
#include <cstring>

#include "app/feature_service.h"
#include "app/streams.h"
#include "app/told.h"
#include "base/text.h"
#include "govern/access.h"
#include "pipeline/log_archive.h"
#include "platform/random.h"
#include "platform/tls.h"
#include "registry/registry.h"
#include "serve/batchers.h"
#include "serve/ladder.h"
#include "serve/rollouts.h"

namespace tenon::app {
namespace {

constexpr auto kLookEvery = std::chrono::seconds(1);
constexpr auto kSaveEvery = std::chrono::seconds(5);  // of a look that changes nothing
constexpr int kMostThreads = 64;
constexpr const char* kRefused = "a change is refused, what was before stays";

// Whether only programs of this machine reach an address.
bool IsLoopback(std::string_view address) { return address.starts_with("127.") || address == "::1" || address == "localhost"; }

class ProjectService final : public Service {
 public:
  ProjectService(const pipeline::Project& project, store::Store& store, const pipeline::Kits& kits)
      : project_(project), store_(store), kits_(kits), registry_(store), rollouts_(store), feedback_(store.files(), log_folder()),
        mirror_(endpoints_, tallies_, kMostThreads) {}
  ~ProjectService() override { Stop(); }

  Result<void> Start(const Call& call, const ServiceOptions& wanted) {
    process_ = Str(::getpid(), "-", call.Now());
    TENON_ASSIGN(const std::string secret, platform::RandomBytes(sizeof disguise_secret_));
    std::memcpy(&disguise_secret_, secret.data(), sizeof disguise_secret_);
    edge::ServerOptions options = wanted.server;
    TENON_TRY(PrepareAccess(wanted));
    options.access = &access_;
    options.tls = tls_.get();
    options.observe.files = &store_.files();
    TENON_ASSIGN(const std::string loaded, Follow());
    if (model_.empty()) {
      return Error(Code::kFailedPrecondition, Str("no version of ", project_.name, " is champion: `tenon run ", project_.folder,
                                                  "` deploys one when its gates pass (`tenon models ls` shows what there is)"));
    }
    TENON_TRY(OpenLog());
    edge::ServerOptions settled = options;
    settled.tallies = &tallies_;
    settled.mirror = &mirror_;
    settled.feedback = &feedback_;
    settled.readiness = [this] { return Readiness(); };
    TENON_ASSIGN(features_, FeatureService::Make(call, store_.files(), project_, kits_));
    if (features_ != nullptr) {
      settled.features = features_->door();
      settled.completion = features_.get();
    }
    TENON_ASSIGN(settled.streams, StreamsOf(project_, store_.files(), wanted.to_end));
    ready_ = true;  // the model is proved: whoever asks as soon as the port is open is answered
    TENON_ASSIGN(server_, edge::StartServer(settled, endpoints_, log_.get(), [this] { return ready_.load(); }));
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

  std::string Refresh(const Call& call) override {
    std::vector<std::string> news;
    // Each by itself: a version that is refused keeps no key from being withdrawn.
    if (std::chrono::steady_clock::now() >= look_at_) news.push_back(told_looks_.Next(Look(call)));
    news.push_back(told_versions_.Next(Follow()));
    news.push_back(told_certificate_.Next(RefreshCertificate()));
    news.push_back(told_keys_.Next(NewsOfKeys()));
    news.push_back(told_streams_.Next("", ProblemOfStreams(streams())));
    if (archivist_ != nullptr) news.push_back(told_archive_.Next("", ArchiveProblem()));
    std::erase(news, "");
    return Join(news, "; ");
  }

  std::string batching() const override {
    std::vector<std::string> lines;
    const auto route = endpoints_.Find(project_.serve.endpoint);
    for (const serve::Arm& arm : route->arms) {
      if (arm.batching != nullptr) lines.push_back(Str("batching of ", arm.served->model, arm.batching->on ? " is on: " : project_.serve.batching ? " is off: " : " is not asked for, but ", arm.batching->why));
    }
    return Join(lines, "; ");
  }

  std::string missing() const override {
    auto all = log_->missing();
    std::erase_if(all, [](const serve::MissingAnswers& one) { return !one.fresh; });
    return serve::Describe(all);
  }

  std::vector<edge::AnswerStreamState> streams() const override { return server_ == nullptr ? std::vector<edge::AnswerStreamState>() : server_->streams(); }

  void StopStreams() override {
    if (server_ != nullptr) server_->StopStreams();
  }

  void Stop() override {
    ready_ = false;
    if (server_ != nullptr) server_->Stop(std::chrono::seconds(5));
    server_.reset();
    archivist_.reset();
    log_.reset();
    static_cast<void>(feedback_.Sync());
    static_cast<void>(WriteSeen());
  }

 private:
  // Takes the versions and the route that the store says now.
  Result<std::string> Follow() {
    TENON_ASSIGN(const std::int64_t revision, registry_.Revision());
    TENON_ASSIGN(const std::int64_t rollout_revision, rollouts_.Revision(project_.serve.endpoint));
    if (revision == revision_ && rollout_revision == rollout_revision_) {
      if (refusal_) return refusal_->Clone();
      return std::string();
    }
    refusal_.reset();
    int champion = 0;
    TENON_ASSIGN(auto aliases, registry_.Aliases(project_.name));
    for (const auto& [alias, version] : aliases) {
      if (alias == "champion") champion = version;
    }
    if (champion == 0) return std::string();
    if (revision != revision_) degraded_.clear();
    TENON_ASSIGN(rollout_, rollouts_.Find(project_.serve.endpoint));
    if (rollout_ && (!rollout_->running() || rollout_->champion != champion)) rollout_.reset();
    std::string changed;
    auto routed = MakeRoute(champion, &changed);
    if (!routed.ok() && endpoints_.Find(project_.serve.endpoint) == nullptr) {
      TENON_TRY(StandIn(champion, routed.error(), &changed));
      routed = Result<void>();
    }
    revision_ = revision;
    rollout_revision_ = rollout_revision;
    if (!routed.ok()) {
      refusal_ = std::move(routed).error();
      return refusal_->Clone();
    }
    return changed;
  }

  // At the start, when the champion cannot be loaded: the version before it, where the project's fallback says so.
  Result<void> StandIn(int champion, const Error& why, std::string* changed) {
    auto refused = [&] { return Error(why.code(), why.ForPeople()); };
    if (!project_.serve.fallback || !project_.serve.fallback->last_good) return refused();
    TENON_ASSIGN(const int before, VersionBefore(champion));
    if (before == 0) return refused();
    rollout_.reset();
    degraded_ = why.ForPeople();
    if (auto routed = MakeRoute(before, changed); !routed.ok()) return refused();
    return {};
  }

  // What was champion before that version; 0: nothing.
  Result<int> VersionBefore(int champion) const {
    TENON_ASSIGN(const Json history, registry_.History(project_.name, "champion"));
    if (!history.is_array()) return 0;
    for (const Json& entry : history.array()) {
      if (const int version = static_cast<int>(entry.IntAt("version")); version != 0 && version != champion) return version;
    }
    return 0;
  }

  // The ladder and its breakers; kept while the champion stays, and with it what is cached.
  Result<void> AddLadder(int champion, serve::Route* route) {
    if (!project_.serve.fallback) return {};
    if (ladder_ == nullptr || ladder_of_ != champion) {
      std::shared_ptr<const serve::Served> last_good;
      if (project_.serve.fallback->last_good) {
        TENON_ASSIGN(const int before, VersionBefore(champion));
        if (before != 0) {
          if (auto loaded = Load(before); loaded.ok()) last_good = *loaded;
        }
      }
      TENON_ASSIGN(ladder_, serve::Ladder::Make(*project_.serve.fallback, route->champion(), std::move(last_good)));
      ladder_of_ = champion;
    }
    route->ladder = ladder_;
    for (serve::Arm& arm : route->arms) {
      auto& breaker = breakers_[arm.served->version];
      if (breaker == nullptr) breaker = std::make_shared<serve::Breaker>(project_.serve.fallback->breaker);
      arm.breaker = breaker;
    }
    return {};
  }

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

  Result<std::string> RefreshCertificate() {
    if (tls_ == nullptr) return std::string();
    TENON_ASSIGN(const bool renewed, tls_->Reload());
    return renewed ? std::string("the TLS certificate was read again") : std::string();
  }

  Result<std::string> NewsOfKeys() {
    TENON_ASSIGN(const bool changed, RefreshKeys());
    return changed ? Str("the API keys changed: ", who()) : std::string();
  }

  Result<void> ArchiveProblem() const {
    auto problem = archivist_->Problem();
    return problem ? Result<void>(std::move(*problem)) : Result<void>();
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

  Result<void> MakeRoute(int champion, std::string* changed) {
    TENON_ASSIGN(auto serving, Load(champion), Str(project_.name, "@", champion));
    std::shared_ptr<const serve::Served> challenger;
    refused_.clear();
    if (rollout_) {
      auto loaded = LoadChallenger(rollout_->challenger, serving);
      loaded.ok() ? challenger = *loaded : challenger = nullptr;
      if (!loaded.ok()) refused_ = loaded.error().ForPeople();
    }
    auto made = rollout_ ? serve::RouteOf(*rollout_, Passing(serving, challenger), challenger == nullptr ? nullptr : Passing(challenger, serving))
                          : serve::Route::Of(serving);
    auto route = std::make_shared<serve::Route>(*made);
    route->degraded = !degraded_.empty();
    TENON_TRY(AddLadder(champion, route.get()));
    batchers_.AddTo(route.get());
    if (const auto before = endpoints_.Find(project_.serve.endpoint); before != nullptr && Same(*before, *route)) return {};
    endpoints_.Set(std::shared_ptr<const serve::Route>(route));
    const std::string id = serving->model;
    if (id != model_) *changed = model_.empty() ? Str(id, " answers") : Str(id, " answers instead of ", model_);
    if (challenger != nullptr) {
      const serve::Arm& arm = route->arms.back();
      *changed += Str(changed->empty() ? "" : "; ", arm.served->model, " is ", serve::NameOf(arm.role),
                      arm.role == serve::Role::kDark ? std::string() : Str(" with ", FormatShort(arm.share * 100, 3), " %"));
    }
    model_ = id;
    const auto left = [&](const auto& entry) { return entry.first != champion && (!rollout_ || entry.first != rollout_->challenger); };
    std::erase_if(loaded_, left);
    std::erase_if(breakers_, left);
    const std::lock_guard lock(mutex_);
    readiness_ = Describe(*route);
    return {};
  }

  static bool Same(const serve::Route& a, const serve::Route& b) {
    if (a.rollout != b.rollout || a.stage != b.stage || a.degraded != b.degraded || a.arms.size() != b.arms.size()) return false;
    for (std::size_t i = 0; i < a.arms.size(); ++i) {
      if (a.arms[i].served->model != b.arms[i].served->model) return false;
    }
    return true;
  }

  // The version, loaded once and proved by its golden rows.
  Result<std::shared_ptr<const serve::Served>> Load(int version) {
    if (const auto known = loaded_.find(version); known != loaded_.end()) return known->second;
    TENON_ASSIGN(registry::ModelVersion found, registry_.Find(project_.name, version));
    TENON_ASSIGN(auto bytes, store_.Get(found.bundle));
    TENON_ASSIGN(auto bundle, model::Bundle::Open(bytes));
    TENON_ASSIGN(auto served, serve::MakeServed(bundle, project_.serve.endpoint, found.id(), version, kits_.ops, kits_.formats));
    loaded_[version] = WithSettings(std::move(served));
    return loaded_[version];
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
    // Training rows may have had events each; an entity without any has no values, and no request can bring them.
    for (serve::Served::Field& field : changed->fields) field.required = field.required && !pipeline::IsOfView(project_, field.name);
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
    if (spec.parquet_every.count() > 0) {
      archivist_ = pipeline::StartLogArchivist(store_.files(), {log_folder(), project_.serve.endpoint, spec.parquet_every, spec.parquet_keep}, [this] { return log_->Flush(); });
    }
    return {};
  }

  Result<std::shared_ptr<const serve::Served>> LoadChallenger(int version, const std::shared_ptr<const serve::Served>& champion) {
    TENON_ASSIGN(auto served, Load(version), Str(project_.name, "@", version));
    TENON_TRY(serve::CheckReplaces(*champion, *served));
    return served;
  }

  // With the other version's fields and the sticky one let through.
  std::shared_ptr<const serve::Served> Passing(const std::shared_ptr<const serve::Served>& served, const std::shared_ptr<const serve::Served>& other) {
    std::vector<std::string> passed;
    const auto reads = [&](std::string_view name) { return std::ranges::find(served->fields, name, &serve::Served::Field::name) != served->fields.end(); };
    if (!rollout_->spec.sticky.empty() && !reads(rollout_->spec.sticky)) passed.push_back(rollout_->spec.sticky);
    if (other != nullptr) {
      for (const auto& field : other->fields) {
        if (!reads(field.name) && field.name != rollout_->spec.sticky) passed.push_back(field.name);
      }
    }
    if (passed == served->passed) return served;
    auto out = std::make_shared<serve::Served>(*served);
    out->passed = std::move(passed);
    loaded_[served->version] = out;
    return out;
  }

  // One turn of the control loop, about once a second while a rollout is under way: writes what this process saw, judges,
  // and keeps the decision when nobody else is writing; else somebody else decides, or we do the next time.
  Result<std::string> Look(const Call& call) {
    const auto now = std::chrono::steady_clock::now();
    look_at_ = now + kLookEvery;
    if (server_ != nullptr) TENON_TRY(feedback_.Sync());
    tallies_.KeepOnly(rollout_ ? std::vector<std::string>{rollout_->id} : std::vector<std::string>());
    if (!rollout_) return std::string();
    TENON_TRY(WriteSeen());
    TENON_ASSIGN(auto current, rollouts_.Find(project_.serve.endpoint));
    if (!current || !current->running() || current->id != rollout_->id) return std::string();
    TENON_ASSIGN(const auto served, Load(current->champion));
    const auto& classes = served->predictor->classes();
    TENON_ASSIGN(const serve::Decision decision, rollouts_.Judge(call, &*current, classes));
    // Judging that takes long (many labels) is done more seldom.
    look_at_ = std::max(look_at_, now + 20 * (std::chrono::steady_clock::now() - now));
    if (decision.step == serve::Step::kStay && now - saved_ < kSaveEvery) return std::string();
    auto writing = store::Store::Open(store_.files(), store_.folder(), store::Store::Access::kWrite);
    if (!writing.ok()) return std::string();
    Call mine = call;
    mine.actor = "rollout";
    serve::Rollouts deciding(**writing);
    TENON_ASSIGN(const serve::Step step, deciding.Look(mine, project_.serve.endpoint, classes));
    saved_ = now;
    if (step == serve::Step::kStay) return std::string();
    return Str("rollout of ", current->model, "@", current->challenger, ": ", serve::NameOf(step), ": ", decision.why);
  }

  Result<void> WriteSeen() {
    if (!rollout_) return {};
    return serve::Rollouts::WriteSeen(store_.files(), store_.folder(), rollout_->id, process_, tallies_.Sums(), refused_);
  }

  Json Describe(const serve::Route& route) const {
    Json arms = Json::MakeArray();
    for (const serve::Arm& arm : route.arms) {
      Json row;
      row["endpoint"] = route.name;
      row["model"] = arm.served->model;
      row["role"] = serve::NameOf(arm.role);
      row["golden_rows"] = arm.served->golden_rows;
      if (!arm.served->golden_score.empty()) row["golden_score"] = arm.served->golden_score;
      row["state"] = "ready";
      arms.Push(std::move(row));
    }
    if (!refused_.empty()) {
      Json row;
      row["endpoint"] = route.name;
      row["model"] = Str(project_.name, "@", rollout_->challenger);
      row["role"] = "challenger";
      row["state"] = "refused";
      row["why"] = refused_;
      arms.Push(std::move(row));
    }
    Json out;
    out["arms"] = std::move(arms);
    if (!degraded_.empty()) out["degraded"] = degraded_;
    return out;
  }

  Json Readiness() const {
    const std::lock_guard lock(mutex_);
    return readiness_.is_object() ? readiness_ : Json::MakeObject();
  }

  const pipeline::Project& project_;
  store::Store& store_;
  const pipeline::Kits& kits_;
  registry::Registry registry_;
  serve::Rollouts rollouts_;
  serve::Endpoints endpoints_;
  serve::Tallies tallies_;
  serve::FeedbackLog feedback_;
  serve::Mirror mirror_;
  govern::Access access_;
  govern::Scopes certificate_scopes_;
  std::int64_t keys_revision_ = -1;
  std::uint64_t disguise_secret_ = 0;
  std::unique_ptr<platform::TlsServer> tls_;
  std::unique_ptr<serve::InferenceLog> log_;
  std::unique_ptr<pipeline::LogArchivist> archivist_;
  std::unique_ptr<FeatureService> features_;  // null: the project has none
  std::unique_ptr<edge::Server> server_;
  std::atomic<bool> ready_ = false;
  std::string process_;
  std::string model_;
  std::int64_t revision_ = -1, rollout_revision_ = -1;
  std::optional<Error> refusal_;                                     // why what these revisions say is not served
  std::optional<serve::Rollout> rollout_;                            // the one under way
  std::string degraded_;                                             // why the champion is not served, at the start
  std::shared_ptr<const serve::Ladder> ladder_;
  int ladder_of_ = 0;
  serve::Batchers batchers_{project_.serve.batching};
  std::map<int, std::shared_ptr<serve::Breaker>> breakers_;          // by version
  std::string refused_;                                              // why its challenger is not routed to
  std::map<int, std::shared_ptr<const serve::Served>> loaded_;       // by version
  std::chrono::steady_clock::time_point look_at_{}, saved_{};
  Told told_looks_{"what the rollout needs is not kept"}, told_versions_{kRefused}, told_certificate_{kRefused}, told_keys_{kRefused},
      told_streams_{"a stream waits, requests are answered"}, told_archive_{"the log is kept, its Parquet files wait"};
  mutable std::mutex mutex_;
  Json readiness_;  // guarded by mutex_
};

}  // namespace

Result<std::unique_ptr<Service>> StartService(const Call& call, const pipeline::Project& project, store::Store& store,
                                              const pipeline::Kits& kits, const ServiceOptions& options) {
  auto service = std::make_unique<ProjectService>(project, store, kits);
  TENON_TRY(service->Start(call, options));
  return std::unique_ptr<Service>(std::move(service));
}

}  // namespace tenon::app
