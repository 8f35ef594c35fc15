#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "edge/guard.h"
#include "edge/http_server.h"
#include "edge/json_decoder_internal.h"
#include "edge/metrics_internal.h"
#include "edge/observer_internal.h"
#include "edge/rate_limit.h"
#include "serve/apart.h"
#include "serve/batcher.h"
#include "serve/ladder.h"
#include "serve/session.h"

namespace tenon::edge {

class AnswerStream;

// What all threads of a server share.
struct Shared {
  Shared(serve::Endpoints& all, serve::InferenceLog* its_log, std::function<bool()> is_ready,
         const ServerOptions& options);
  ~Shared();
  serve::Endpoints& endpoints;
  serve::InferenceLog* log;  // may be null
  serve::Tallies* tallies;   // may be null, as the next two
  serve::Mirror* mirror;
  serve::FeedbackLog* feedback;
  std::function<Json()> readiness;  // may be empty
  AnswerFeatureCall features;       // may be empty
  RowCompletion* completion;        // may be null
  std::function<bool()> ready_to_serve;
  Metrics metrics;
  const govern::Access* access;        // may be null
  double rate;                         // of the limit; 0: only keys have one
  std::unique_ptr<RateLimit> limit;    // null: none
  std::unique_ptr<RateLimit> budget;   // null: none
  std::unique_ptr<Observers> observers;  // null: nothing is kept of requests
  bool sheds;                          // whether requests that waited too long are turned away
  std::atomic<bool> stopping{false};
  std::chrono::system_clock::time_point started = std::chrono::system_clock::now();
  std::chrono::steady_clock::time_point steady_start = std::chrono::steady_clock::now();
  std::size_t most_body;
  std::chrono::seconds idle, slow;     // of streams: without a word; of one message to arrive
  bool repository;           // whether requests may load and unload models
  serve::CorePrice price;
  int loops;                 // threads that answer requests
  std::uint64_t run_id = 0;  // of this start, in the ids it gives to requests

  std::vector<std::unique_ptr<AnswerStream>> streams;  // end before what they use

  bool Ready() const { return !stopping.load(std::memory_order_relaxed) && (!ready_to_serve || ready_to_serve()); }
};

// One tensor of a version's answers in the Open Inference Protocol.
struct OipOutput {
  std::string_view name;
  std::string_view datatype;
  std::int64_t width;  // 0: one element a row
};
std::vector<OipOutput> OipOutputsOf(const serve::Served& served);
struct OipMemory;

// One thread's view of one version at one endpoint: its session, its counters and the constant parts of its answers.
struct Lane : std::enable_shared_from_this<Lane> {
  Lane(std::shared_ptr<const serve::Served> version, VersionCounters* its_counters);
  serve::Session session;
  VersionCounters* counters;
  std::shared_ptr<const serve::Route> route;  // what asks it now
  serve::Role role = serve::Role::kChampion;
  std::shared_ptr<serve::Tally> tally;        // null: nobody judges what it does
  serve::Breaker* breaker = nullptr;          // of its model, where there is a ladder
  std::unique_ptr<serve::Apart> apart;        // of a model that may take long, where there is a deadline
  serve::Batcher* batcher = nullptr;          // of the arm, where rows gain from being asked together
  serve::Ladder::Memory memory;
  double mirrored = 0;                        // part of its answers that the route's shadow sees
  std::string head;                    // {"model":"loan-approval@1","predictions":[
  std::vector<std::string> decisions;  // "no", as JSON, by class
  std::vector<OipOutput> outputs;
  const serve::Served& served() const { return session.served(); }
};

struct GrpcMethod;
class Pending;

// Where the features lie that were looked up for a request: nowhere, in its body made anew, or in rows beside its tensors.
enum class Completed : std::uint8_t { kNone, kBody, kRows };

// That a decoder may read behind a body.
inline constexpr std::size_t kJsonPadding = 64;

// One thread's part of the server: finds the route of a request and answers it.
class Worker final : public HttpHandler {
 public:
  // `own`: its requests are no client's, but of a stream of the service itself: nothing is asked of who asks, and fields that a model does not
  // read are passed over.
  Worker(Shared& shared, int thread, bool own = false);
  ~Worker() override;
  void Handle(const HttpRequest& request, const HttpPeer& peer, HttpResponse& response) override;
  RpcKind KindOf(std::string_view path) const override;
  void Call(const RpcRequest& request, const HttpPeer& peer, RpcResponse& response) override;
  void Resume(const HttpRequest& request, const HttpPeer& peer, std::unique_ptr<HttpLater> what, HttpResponse& response) override;
  void ResumeCall(const RpcRequest& request, const HttpPeer& peer, std::unique_ptr<HttpLater> what, RpcResponse& response) override;
  bool Streams(const HttpRequest& request) const override;
  std::unique_ptr<HttpStream> Open(const HttpRequest& request, const HttpPeer& peer, HttpResponse& response) override;
  bool MayWait(const HttpRequest& request) const override;
  std::string_view TurnedAway(const HttpRequest& request) override;
  void Tick() override { Refresh(); }

  // For the routes:
  Shared& shared() { return *shared_; }
  JsonDecoder& decoder() { return decoder_; }
  // The champion of a name, or its arm of that version; null when there is none. Valid during the request.
  Lane* Find(std::string_view name, std::string_view version = {});
  // The arm that answers this request, asked once a request: the version asked for (by `version`, "name@7" or the header
  // Tenon-Version), else what the route chooses for the request's key: the header Tenon-Key, the route's sticky field (as
  // `key`, or found in a JSON body), the X-Request-Id, or a number of its own. Null as Find.
  Lane* Ask(std::string_view name, const HttpRequest& request, std::string_view version = {}, std::string_view key = {});
  // The field whose value decides which arm answers; empty when there is no choice to make.
  std::string_view StickyOf(std::string_view name) const;
  const serve::Endpoints::Map& endpoints() const { return *map_; }
  const std::shared_ptr<const serve::Endpoints::Map>& unloaded() const { return unloaded_; }
  // Why Find gives nothing: not_found, or unavailable when it was unloaded.
  Error WhyNot(std::string_view name) const;
  OipMemory& oip() { return *oip_; }
  // The request with the features that the lane's model reads looked up for its rows: those of the list `list` of its body
  // ("instances"), or the body itself where that is empty. It is used before the next call. Bodies that are no such request stay as
  // they are: who reads them next says what is wrong.
  Result<const HttpRequest*> Complete(const HttpRequest& request, const Lane& lane, std::string_view list);
  // The same for rows beside tensors: looks up what they lack, or takes what was looked up before the request was left.
  Result<void> CompleteRows(const std::vector<std::string>& fields, std::vector<Json>& rows);
  // Predicts the rows in lane.session.rows() as one batch and keeps the answers: the way of every protocol to a model's
  // numbers. rows x outputs() of them; they live until the next call. None when suspended(): the rows were given to a batcher, the
  // request is to be read to its end (a fault in it drops what waits, by DropWait) and left; it is handled anew when the answers are there.
  std::span<const float> PredictRows(Lane& lane);
  bool suspended() const { return suspended_; }
  // The request being answered waits for a batch no longer than that, counted from its arrival; a deadline before that stands.
  void WaitAtMost(std::chrono::microseconds time);
  void DropWait();
  std::chrono::steady_clock::time_point began() const { return began_; }
  // Which rung gave row i of the rows predicted last; whether some row of the request has no answer of any rung: it is to
  // be refused then.
  serve::Rung rung(std::size_t i) const { return rungs_.empty() ? serve::Rung::kModel : rungs_[i]; }
  // Of a cascade: the name of the model that gave row i of the rows predicted last; empty where none of its two did.
  std::string_view StageOf(const Lane& lane, std::size_t i) const;
  serve::Rung lowest() const { return furthest_; }  // of all rows of the request
  bool Unanswered() const { return furthest_ == serve::Rung::kNone; }
  // Why not.
  Error WhyUnanswered() const;
  // Keeps one answer of the request under way. Nothing is logged before LogKept: a request that is refused further on
  // has answered nobody, and must not be monitored. The row's texts must live until then.
  void Keep(const serve::Row& row, const model::Prediction& prediction, serve::Rung rung);
  void DropKept() {
    kept_ = 0;
    by_stage_ = {};
    furthest_ = serve::Rung::kModel;
    rungs_.clear();
    refusal_of_batch_ = nullptr;
  }
  // Logs what was kept, when there is a log, counts it for the rollout and shows it to the shadow. `id` is the client's own, or one made by RequestId.
  void LogKept(const Lane& lane, std::string_view id);
  // The id of the request under way: the client's own, or a new one. Empty when answers are not logged.
  std::string_view RequestId(std::string_view given);
  std::string_view request_id() const { return shared_->log == nullptr ? std::string_view() : std::string_view(request_id_); }
  // Whether the request may go on: who asks, what that one may and how often, and whether it has waited too long. Answers
  // it with an error in the form of its path otherwise. Nothing to do where no rule is set.
  bool LetIn(const HttpRequest& request, const HttpPeer& peer, HttpResponse& response);
  bool own() const { return own_; }
  // Who asks, of the request that was let in last.
  const Asker& asker() const { return asker_; }
  // Counts rows that were predicted against the asker's budget.
  void Spend(std::int64_t rows) {
    if (shared_->budget != nullptr) shared_->budget->Spend(asker_.hash, began_, rows);
  }
  // Counts the request that is being answered for this version, with the rows it had predicted.
  void Count(Lane& lane, int status);
  // Percent-decoded; valid until the next call. Empty view with null data() when malformed.
  std::string_view Decoded(std::string_view segment);

 private:
  void Refresh();
  const HttpRequest& Respond(const HttpRequest& request, HttpResponse& response);
  // Starts counting a request.
  void Begin(const HttpPeer& peer);
  void AnswerRequest(const HttpRequest& request, const HttpPeer& peer, HttpResponse& response);
  void AnswerCall(const GrpcMethod& method, const RpcRequest& request, const HttpPeer& peer, RpcResponse& response);
  void Observe(const GrpcMethod& method, const RpcRequest& request, const HttpPeer& peer, const RpcResponse& response);
  // Of a request that comes back: what it had when it was left.
  void TakeUp(const HttpPeer& peer, std::unique_ptr<HttpLater> what);
  void LeaveOff(std::unique_ptr<HttpLater>* later);
  // The rows of the lane by its batcher, in batched_; false while their answers are waited for. batched_ is null when they are to be asked
  // for here and now.
  bool AskBatcher(Lane& lane);
  // Its answers, into answers_of_rungs_; not numbers when it was refused.
  std::span<const float> TakeBatched(Lane& lane);
  Lane* LaneThatWaited();
  std::unique_ptr<HttpStream> OpenLetIn(const HttpRequest& request, HttpResponse& response);
  void CallSeen(const GrpcMethod& method, const RpcRequest& request, const HttpPeer& peer, RpcResponse& response);
  static bool PlainErrors(const HttpRequest& request);  // whether its errors are {"error":"text"}
  bool Refuse(Refusal why, int status, std::string_view text, const HttpRequest& request, HttpResponse& response);
  std::size_t IndexOf(std::string_view name) const;  // in map_; its size when there is none
  Lane* LaneOf(std::size_t index, std::size_t arm);
  void Bind(Lane& lane, const std::shared_ptr<const serve::Route>& route, const serve::Arm& arm);
  void Judge(const Lane& lane);
  std::span<const float> Descend(Lane& lane);
  bool AskModel(Lane& lane, std::size_t outputs);
  std::size_t Choose(const serve::Route& route, const HttpRequest& request, std::string_view key);
  void Route(const HttpRequest& request, HttpResponse& response);
  // Decompresses a body into inflated_; false when it was answered with an error instead.
  bool Unpack(const HttpRequest& request, HttpResponse& response);
  void Pack(const HttpRequest& request, HttpResponse& response);

  Shared* shared_;
  int thread_;
  const bool own_;
  JsonDecoder decoder_;
  Guard guard_;
  std::string refusal_;  // why the last one was not let in
  std::chrono::milliseconds come_back_{};  // and when to come again; 0: it is not said
  Asker asker_;
  std::unique_ptr<Observer> observer_;      // null: nothing is kept of requests
  const serve::Served* answered_ = nullptr;  // the version of the request under way
  std::shared_ptr<const serve::Endpoints::Map> map_;
  std::shared_ptr<const serve::Endpoints::Map> unloaded_;
  std::uint64_t revision_ = 0;
  std::unique_ptr<OipMemory> oip_;
  // Of the request under way.
  std::chrono::steady_clock::time_point began_, predicted_;
  std::chrono::nanoseconds queued_{}, predicting_{};
  std::int64_t rows_ = 0, executions_ = 0;
  serve::Row row_;
  using Lanes = std::vector<std::shared_ptr<Lane>>;  // as the arms of a route; null until first asked
  std::vector<Lanes> lanes_;                         // as map_
  std::string request_id_;
  std::uint64_t next_id_ = 0;
  serve::Rung furthest_ = serve::Rung::kModel;
  std::vector<std::uint8_t> by_cheap_;            // of the rows predicted last, of a cascade
  std::array<std::int64_t, 2> by_stage_{};        // rows of this request that the costly and the cheap model answered
  const model::Cascade* staged_ = nullptr;        // what by_stage_ counts of
  void CountStage(Lane& lane, std::size_t i, bool cheap);
  void TellStages(HttpResponse& response) const;
  std::vector<serve::Rung> rungs_;   // of the rows predicted last, where there is a ladder
  std::vector<float> answers_of_rungs_;
  // Of a request that may wait (worker_later.cc).
  const HttpPeer* peer_ = nullptr;        // whose request it is; null: it is answered at once
  std::chrono::steady_clock::time_point deadline_{};  // of the request; zero: none
  std::unique_ptr<Pending> pending_;      // what it waits for, or has waited for
  bool resumed_ = false, suspended_ = false;
  const serve::BatchAsk* batched_ = nullptr;  // that PredictRows is at
  const Error* refusal_of_batch_ = nullptr;
  std::chrono::nanoseconds waited_{};
  std::uint64_t chosen_ = 0;  // requests without a key that a route chose an arm for
  std::string decoded_;
  HttpRequest unpacked_;  // the request with its body decompressed
  std::string inflated_;
  HttpRequest completed_request_;  // with features looked up
  std::string completed_;
  Completed completed_by_ = Completed::kNone;  // of the request under way
  struct Answer {
    serve::Row row;
    std::vector<float> values;
    int decision = -1;
    bool failed = false;
    serve::Rung rung = serve::Rung::kModel;  // as the log names it
    bool staged = true;                      // by a model of the cascade, if it is one
    bool cheap = false;
  };
  std::vector<Answer> answers_;  // reused from request to request; the first kept_ are this one's
  std::size_t kept_ = 0;
};

// The families of routes; each answers everything below its prefix.
void AnswerEndpoints(Worker& worker, const HttpRequest& request, std::string_view rest, HttpResponse& response);
// One message of a stream, which is one instance: its prediction as an object.
void AnswerInstance(Worker& worker, const HttpRequest& request, std::string_view name, HttpResponse& response);
void AnswerV1Models(Worker& worker, const HttpRequest& request, std::string_view rest, HttpResponse& response);
void AnswerVertex(Worker& worker, const HttpRequest& request, std::string_view rest, HttpResponse& response);
void AnswerOip(Worker& worker, const HttpRequest& request, std::string_view rest, HttpResponse& response);
void AnswerMetrics(Worker& worker, const HttpRequest& request, HttpResponse& response);
void AnswerFeedback(Worker& worker, const HttpRequest& request, std::string_view name, HttpResponse& response);
void AnswerHealth(Worker& worker, const HttpRequest& request, HttpResponse& response);
// False when the path is none of Feast's, or there are no features here.
bool AnswerFeatures(Worker& worker, const HttpRequest& request, HttpResponse& response);
void AnswerOpenApi(Worker& worker, const HttpRequest& request, HttpResponse& response);
void AnswerDocs(const HttpRequest& request, HttpResponse& response);
void AnswerRoot(Worker& worker, const HttpRequest& request, HttpResponse& response);

// 405 unless the method is one of those; GET stands for HEAD, too.
bool Allowed(const HttpRequest& request, std::initializer_list<Method> methods, HttpResponse& response);
// "instance 0, field 'age': missing; ..." for error bodies that are one text.
std::string FieldErrorsAsText(const std::vector<serve::FieldError>& errors);

// {"error":"text"}: the errors of the V1 and V2 protocols.
void SetPlainError(int status, std::string_view text, HttpResponse& response);

// The shortest decimal that reads back as the same float; null for what JSON has no word for.
void AppendFloat(float value, std::string* out);
void AppendDouble(double value, std::string* out);
void AppendInt(std::int64_t value, std::string* out);

}  // namespace tenon::edge
