// Which version answers a request, and what becomes of its answers.

#include <algorithm>
#include <limits>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "edge/worker_internal.h"
#include "serve/disguise.h"

namespace tenon::edge {
namespace {

constexpr std::uint8_t kNoStage = 2;  // neither model of a cascade, but a lower rung
constexpr std::size_t kMostKeptAnswers = 4096;  // whose memory waits for the next request

// The text of the first value that a JSON body gives this field: what stands between the colon and the comma, a string as
// it is written. A view of null when there is none, or null is its value. An object's key is the only place where "field"
// and a colon follow each other.
std::string_view FirstValueOf(std::string_view field, std::string_view body) {
  const auto blank = [&](std::size_t at) { return at < body.size() && (body[at] == ' ' || body[at] == '\n' || body[at] == '\t' || body[at] == '\r'); };
  for (std::size_t at = body.find(field); at != std::string_view::npos; at = body.find(field, at + 1)) {
    std::size_t end = at + field.size();
    if (at == 0 || body[at - 1] != '"' || end >= body.size() || body[end] != '"') continue;
    ++end;
    while (blank(end)) ++end;
    if (end >= body.size() || body[end] != ':') continue;
    ++end;
    while (blank(end)) ++end;
    const std::size_t begin = end;
    if (end < body.size() && body[end] == '"') {
      for (++end; end < body.size() && body[end] != '"'; ++end) {
        if (body[end] == '\\') ++end;
      }
      return body.substr(begin + 1, std::min(end, body.size()) - begin - 1);
    }
    while (end < body.size() && body[end] != ',' && body[end] != '}' && !blank(end)) ++end;
    const std::string_view value = body.substr(begin, end - begin);
    return value == "null" ? std::string_view() : value;
  }
  return {};
}

// The arm of a key as a JSON string writes it: a protocol that has it plain chooses the same.
std::size_t ChooseWritten(const serve::Route& route, std::string_view written) {
  if (written.find('\\') == std::string_view::npos) return route.Choose(written);
  const auto read = Json::Parse(Str("\"", written, "\""));
  return route.Choose(read && read->is_string() ? std::string_view(read->String()) : written);
}

}  // namespace

void Worker::Bind(Lane& lane, const std::shared_ptr<const serve::Route>& route, const serve::Arm& arm) {
  lane.route = route;
  lane.role = arm.role;
  const bool live = arm.role == serve::Role::kChampion || arm.role == serve::Role::kChallenger;
  lane.tally = shared_->tallies != nullptr && live && route->split() ? shared_->tallies->For(*route, *arm.served, thread_) : nullptr;
  lane.breaker = route->ladder == nullptr ? nullptr : arm.breaker.get();
  lane.batcher = arm.batcher.get();
  const bool apart = route->ladder != nullptr && route->ladder->spec().deadline.count() > 0 && !arm.served->predictor->model().bounded();
  if (apart && lane.apart == nullptr) lane.apart = std::make_unique<serve::Apart>(arm.served);
  lane.mirrored = 0;
  if (arm.role != serve::Role::kChampion || shared_->mirror == nullptr) return;
  for (const serve::Arm& other : route->arms) {
    if (other.role == serve::Role::kShadow) lane.mirrored = other.share;
  }
}

Lane* Worker::LaneOf(std::size_t index, std::size_t arm) {
  std::shared_ptr<Lane>& lane = lanes_[index][arm];
  if (lane == nullptr) {
    const auto& route = (*map_)[index].second;
    const auto& served = route->arms[arm].served;
    lane = std::make_shared<Lane>(served, shared_->metrics.For(*served, thread_));
    if (own_) lane->session.reader().PassUnknown();
    Bind(*lane, route, route->arms[arm]);
  }
  return lane.get();
}

Lane* Worker::Find(std::string_view name, std::string_view version) {
  if (resumed_) return LaneThatWaited();
  const std::size_t index = IndexOf(name);
  if (index == map_->size()) return nullptr;
  if (version.empty()) return LaneOf(index, 0);
  std::int64_t number = 0;
  if (!ParseInt64(version, &number) || number < 1 || number > 1'000'000'000) return nullptr;
  const int arm = (*map_)[index].second->ArmOf(static_cast<int>(number));
  return arm < 0 ? nullptr : LaneOf(index, static_cast<std::size_t>(arm));
}

std::string_view Worker::StickyOf(std::string_view name) const {
  const std::size_t index = IndexOf(name);
  if (index == map_->size() || !(*map_)[index].second->split()) return {};
  return (*map_)[index].second->sticky;
}

Lane* Worker::Ask(std::string_view name, const HttpRequest& request, std::string_view version, std::string_view given_key) {
  if (resumed_) return LaneThatWaited();
  std::size_t index = IndexOf(name);
  if (index == map_->size()) {
    const std::size_t at = name.rfind('@');
    if (at == std::string_view::npos || !version.empty()) return nullptr;
    return Find(name.substr(0, at), name.substr(at + 1));
  }
  if (!version.empty()) return Find(name, version);
  const serve::Route& route = *(*map_)[index].second;
  if (route.arms.size() == 1) return LaneOf(index, 0);
  if (const std::string_view asked = request.Header("tenon-version"); !asked.empty()) return Find(name, asked);
  return LaneOf(index, Choose(route, request, given_key));
}

std::size_t Worker::Choose(const serve::Route& route, const HttpRequest& request, std::string_view given_key) {
  if (!route.split()) return 0;
  if (const std::string_view key = request.Header("tenon-key"); !key.empty()) return route.Choose(key);
  if (!given_key.empty()) return route.Choose(given_key);
  if (!route.sticky.empty()) {
    if (const std::string_view key = FirstValueOf(route.sticky, request.body); !key.empty()) return ChooseWritten(route, key);
  }
  if (const std::string_view id = request.Header("x-request-id"); !id.empty()) return route.Choose(id);
  return route.Choose(shared_->run_id + (static_cast<std::uint64_t>(thread_) << 56) + ++chosen_);
}

std::span<const float> Worker::PredictRows(Lane& lane) {
  batched_ = nullptr;
  if (lane.batcher != nullptr && !AskBatcher(lane)) return {};
  if (lane.route->ladder != nullptr) return Descend(lane);
  const auto before = std::chrono::steady_clock::now();
  const std::span<const float> values = batched_ != nullptr ? TakeBatched(lane) : lane.session.PredictRows();
  predicted_ = std::chrono::steady_clock::now();
  if (batched_ == nullptr) {
    predicting_ += predicted_ - before;
    ++executions_;
  } else if (refusal_of_batch_ != nullptr) {
    return values;
  }
  const serve::Rows& rows = lane.session.rows();
  rows_ += static_cast<std::int64_t>(rows.size());
  if (lane.served().predictor->cascade() != nullptr) {
    by_cheap_.assign(rows.size(), 0);
    for (std::size_t i = 0; i < rows.size(); ++i) CountStage(lane, i, batched_ != nullptr ? batched_->by_cheap(i) : lane.session.by_cheap(i));
  }
  if (shared_->log == nullptr && lane.tally == nullptr && lane.mirrored == 0) return values;
  const auto outputs = static_cast<std::size_t>(lane.served().predictor->outputs());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::span<const float> mine = values.subspan(i * outputs, outputs);
    rows.Get(i, &row_);
    Keep(row_, {mine, lane.served().predictor->Decide(mine.data()), nullptr, i < by_cheap_.size() && by_cheap_[i] != 0}, serve::Rung::kModel);
  }
  return values;
}

// The model itself, into answers_of_rungs_, not a number where it has no answer; false when it is later than the deadline.
bool Worker::AskModel(Lane& lane, std::size_t outputs) {
  const serve::Rows& rows = lane.session.rows();
  if (batched_ != nullptr) {
    (void)TakeBatched(lane);
    for (std::size_t i = 0; i < rows.size(); ++i) by_cheap_[i] = batched_->by_cheap(i) ? 1 : 0;
    return refusal_of_batch_ == nullptr;
  }
  if (lane.apart == nullptr) {
    const std::span<const float> values = lane.session.PredictRows();
    answers_of_rungs_.assign(values.begin(), values.end());
    for (std::size_t i = 0; i < rows.size(); ++i) by_cheap_[i] = lane.session.by_cheap(i) ? 1 : 0;
    return true;
  }
  const auto by = began_ + lane.route->ladder->spec().deadline;
  answers_of_rungs_.assign(rows.size() * outputs, std::numeric_limits<float>::quiet_NaN());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows.Get(i, &row_);
    model::Prediction one;
    if (!lane.apart->Predict(row_, by, &one)) return false;
    std::ranges::copy(one.values, answers_of_rungs_.begin() + static_cast<std::ptrdiff_t>(i * outputs));
    by_cheap_[i] = one.cheap ? 1 : 0;
  }
  return true;
}

// Down the ladder, each row until a rung has an answer.
std::span<const float> Worker::Descend(Lane& lane) {
  const serve::Ladder& ladder = *lane.route->ladder;
  const serve::Rows& rows = lane.session.rows();
  const auto outputs = static_cast<std::size_t>(lane.served().predictor->outputs());
  const auto before = std::chrono::steady_clock::now();
  const bool asked = batched_ != nullptr || lane.breaker == nullptr || lane.breaker->Allow(before);
  by_cheap_.assign(rows.size(), 0);
  bool fine = asked && AskModel(lane, outputs);
  if (!asked) answers_of_rungs_.assign(rows.size() * outputs, std::numeric_limits<float>::quiet_NaN());
  predicted_ = std::chrono::steady_clock::now();
  if (batched_ == nullptr) {
    predicting_ += predicted_ - before;
    ++executions_;
  }
  rows_ += static_cast<std::int64_t>(rows.size());
  rungs_.assign(rows.size(), lane.route->degraded ? serve::Rung::kLastGood : serve::Rung::kModel);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::span<float> mine(answers_of_rungs_.data() + i * outputs, outputs);
    rows.Get(i, &row_);
    model::Prediction answer{mine, -1};
    const auto disguise = [&] {  // what did not come through the session
      if (!lane.served().disguise.any()) return;
      std::vector<float> less_exact;
      serve::ApplyDisguise(lane.served(), row_, mine, &less_exact);
      std::ranges::copy(less_exact, mine.begin());
    };
    if (serve::AllFinite(answer)) {
      if (lane.apart != nullptr && batched_ == nullptr) disguise();
      answer.decision = lane.served().predictor->Decide(mine.data());
      if (ladder.cache() != nullptr) ladder.cache()->Put(serve::CacheKey(lane.served(), row_), answer, before);
      answer.cheap = by_cheap_[i] == 1;
      if (lane.served().predictor->cascade() != nullptr) CountStage(lane, i, answer.cheap);
      Keep(row_, answer, serve::Rung::kModel);  // also of a version that stands in: it has not failed
      answers_[kept_ - 1].rung = rungs_[i];
    } else {
      fine = false;
      by_cheap_[i] = kNoStage;
      model::Prediction lower;
      rungs_[i] = ladder.Answer(lane.served(), row_, before, lane.memory, &lower);
      if (rungs_[i] != serve::Rung::kNone) std::ranges::copy(lower.values, mine.begin());
      if (rungs_[i] == serve::Rung::kLastGood) disguise();
      answer.decision = lower.decision;
      Keep(row_, answer, rungs_[i]);
    }
    furthest_ = std::max(furthest_, rungs_[i]);
    lane.counters->rungs[static_cast<std::size_t>(rungs_[i])].Add(1);
  }
  if (asked && lane.breaker != nullptr) fine ? lane.breaker->Succeeded() : lane.breaker->Failed(predicted_);
  return answers_of_rungs_;
}

void Worker::CountStage(Lane& lane, std::size_t i, bool cheap) {
  staged_ = lane.served().predictor->cascade();
  by_cheap_[i] = cheap ? 1 : 0;
  ++by_stage_[cheap ? 1 : 0];
  lane.counters->by_stage[cheap ? 1 : 0].Add(1);
}

std::string_view Worker::StageOf(const Lane& lane, std::size_t i) const {
  const model::Cascade* cascade = lane.served().predictor->cascade();
  if (cascade == nullptr || by_cheap_[i] == kNoStage) return {};
  return by_cheap_[i] != 0 ? cascade->cheap_name : cascade->costly_name;
}

// "Tenon-Stage: linear", or of several rows "linear=3 boosted_trees=1".
void Worker::TellStages(HttpResponse& response) const {
  const auto [costly, cheap] = by_stage_;
  if (costly + cheap == 0 || response.status != 200) return;
  if (costly == 0 || cheap == 0) return response.AddHeader("Tenon-Stage", cheap == 0 ? staged_->costly_name : staged_->cheap_name);
  response.AddHeader("Tenon-Stage", Str(staged_->cheap_name, "=", cheap, " ", staged_->costly_name, "=", costly));
}

void Worker::Keep(const serve::Row& row, const model::Prediction& prediction, serve::Rung rung) {
  if (kept_ == answers_.size()) answers_.emplace_back();
  Answer& answer = answers_[kept_++];
  answer.row.numbers.assign(row.numbers.begin(), row.numbers.end());
  answer.row.texts.assign(row.texts.begin(), row.texts.end());
  answer.values.assign(prediction.values.begin(), prediction.values.end());
  answer.decision = prediction.decision;
  answer.rung = rung;
  answer.staged = rung == serve::Rung::kModel;
  answer.cheap = prediction.cheap;
  answer.failed = rung != serve::Rung::kModel || !serve::AllFinite(prediction);
}

void Worker::LogKept(const Lane& lane, std::string_view id) {
  if (kept_ == 0 || suspended_) return;
  if (lane.tally != nullptr || lane.mirrored > 0) Judge(lane);
  if (shared_->log == nullptr) {
    kept_ = 0;
    return;
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const Micros at = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  for (std::size_t i = 0; i < kept_; ++i) {
    const Answer& answer = answers_[i];
    if (answer.rung == serve::Rung::kNone) continue;
    shared_->log->Add(lane.served(), id, at, answer.row, {answer.values, answer.decision, nullptr, answer.cheap}, answer.rung, answer.staged);
  }
  kept_ = 0;  // the rungs stay: they are asked after the answer is written
  if (answers_.size() > kMostKeptAnswers) answers_.resize(kMostKeptAnswers);
}

// What was kept, for the rollout: counted, or shown to the shadow.
void Worker::Judge(const Lane& lane) {
  const serve::Served& champion = *lane.route->champion();  // its buckets serve for both arms
  for (std::size_t i = 0; i < kept_; ++i) {
    const Answer& answer = answers_[i];
    const model::Prediction prediction{answer.values, answer.decision};
    if (lane.tally != nullptr) {
      lane.tally->Answered(1);
      answer.failed ? lane.tally->Failed(1) : lane.tally->Scored(serve::ScoreBucket(champion, prediction));
    }
    if (lane.mirrored == 0) continue;
    if (lane.mirrored < 1 && static_cast<double>(Hash64(++chosen_, shared_->run_id) >> 11) * 0x1.0p-53 >= lane.mirrored) continue;
    if (shared_->mirror->Offer(thread_, *lane.route, answer.row, prediction, answer.failed)) continue;
    for (const serve::Arm& arm : lane.route->arms) {
      if (arm.role == serve::Role::kShadow) shared_->tallies->For(*lane.route, *arm.served, thread_)->Dropped(1);
    }
  }
}

void Worker::Count(Lane& lane, int status) {
  serve::Surprises& surprises = lane.session.reader().surprises();
  if (suspended_) {
    surprises = {};  // they are counted when it is answered
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  answered_ = &lane.served();
  VersionCounters& counters = *lane.counters;
  counters.AddRequest(status, std::chrono::nanoseconds(now - began_).count());
  if (status == 200) {
    const auto since = now - shared_->steady_start;
    counters.last_millis.Set(std::chrono::duration_cast<std::chrono::milliseconds>(
                                 shared_->started.time_since_epoch() + since).count());
    counters.queue_nanos.Add((queued_ + waited_).count());
  }
  if (status == 200 && rows_ != 0) {
    Spend(rows_);
    counters.AddBatch({rows_, executions_, std::chrono::nanoseconds(predicted_ - began_ - predicting_ - waited_).count(), predicting_.count(),
                       std::chrono::nanoseconds(now - predicted_).count()});
  }
  if (lane.tally != nullptr && status == 200) lane.tally->Took(std::chrono::duration<double>(now - began_).count());
  if (lane.tally != nullptr && status >= 500) {
    lane.tally->Answered(1);
    lane.tally->Failed(1);
  }
  if (surprises.out_of_range != 0) counters.out_of_range.Add(surprises.out_of_range);
  if (surprises.unseen != 0) counters.unseen.Add(surprises.unseen);
  surprises = {};
}

}  // namespace tenon::edge
