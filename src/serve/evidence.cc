#include "serve/evidence.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace tenon::serve {
namespace {

constexpr double kFirstLatency = 1e-6, kFirstLoss = 1e-6;

int GeometricBucket(double value, double first, double per_octave, int buckets) {
  if (!(value > first)) return 0;
  const double at = std::ceil(std::log2(value / first) * per_octave - 1e-9) - 1;
  return static_cast<int>(std::clamp(at, 0.0, static_cast<double>(buckets - 1)));
}

template <std::size_t N>
Json Sparse(const std::array<std::int64_t, N>& counts) {
  Json out = Json::MakeObject();
  for (std::size_t i = 0; i < N; ++i) {
    if (counts[i] != 0) out[std::to_string(i)] = counts[i];
  }
  return out;
}

template <std::size_t N>
Result<void> ReadSparse(Fields& fields, std::string_view key, std::array<std::int64_t, N>* counts) {
  const Json* given = fields.Find(key);
  if (given == nullptr) return {};
  if (!given->is_object()) return fields.Wrong(key, "expected counts by bucket");
  for (const auto& [bucket, count] : given->object()) {
    std::int64_t at = 0;
    if (!ParseInt64(bucket, &at) || at < 0 || at >= static_cast<std::int64_t>(N) || !count.is_int()) {
      return fields.Wrong(key, Str("no bucket '", bucket, "' of ", N));
    }
    (*counts)[static_cast<std::size_t>(at)] = count.Int();
  }
  return {};
}

template <std::size_t N>
void AddTo(std::array<std::int64_t, N>& to, const std::array<std::int64_t, N>& from) {
  for (std::size_t i = 0; i < N; ++i) to[i] += from[i];
}

}  // namespace

int LatencyBucket(double seconds) { return GeometricBucket(seconds, kFirstLatency, 8, kLatencyBuckets); }
double LatencyBucketEnd(int bucket) { return kFirstLatency * std::exp2((bucket + 1) / 8.0); }
int LossBucket(double loss) { return GeometricBucket(loss, kFirstLoss, 4, kLossBuckets); }
double LossBucketEnd(int bucket) { return kFirstLoss * std::exp2((bucket + 1) / 4.0); }

int ScoreBucket(const Served& served, const model::Prediction& prediction) {
  const auto& values = prediction.values;
  if (!served.score_edges.empty()) {
    const auto at = std::ranges::upper_bound(served.score_edges, static_cast<double>(values[0]));
    return std::min(static_cast<int>(at - served.score_edges.begin()), kScoreBuckets - 1);
  }
  const auto which = values.size() > 1 && prediction.decision >= 0 ? static_cast<std::size_t>(prediction.decision) : 0;
  const double value = static_cast<double>(values[which]);
  return static_cast<int>(std::clamp(value, 0.0, 1.0 - 1e-9) * kScoreBuckets);
}

void ArmEvidence::Add(const ArmEvidence& other) {
  requests += other.requests;
  failed += other.failed;
  AddTo(latency, other.latency);
  AddTo(scores, other.scores);
  labelled += other.labelled;
  wrong += other.wrong;
  false_positive += other.false_positive;
  false_negative += other.false_negative;
  AddTo(losses, other.losses);
  paired += other.paired;
  disagreed += other.disagreed;
  dropped += other.dropped;
}

Json ArmEvidence::ToJson() const {
  Json out;
  out["requests"] = requests;
  out["failed"] = failed;
  out["latency"] = Sparse(latency);
  out["scores"] = Sparse(scores);
  out["labelled"] = labelled;
  out["wrong"] = wrong;
  out["false_positive"] = false_positive;
  out["false_negative"] = false_negative;
  out["losses"] = Sparse(losses);
  out["paired"] = paired;
  out["disagreed"] = disagreed;
  out["dropped"] = dropped;
  return out;
}

Result<ArmEvidence> ArmEvidence::FromJson(const Json& json) {
  ArmEvidence out;
  TENON_ASSIGN(Fields fields, Fields::Of(json, "evidence"));
  TENON_TRY(fields.Read("requests", &out.requests));
  TENON_TRY(fields.Read("failed", &out.failed));
  TENON_TRY(ReadSparse(fields, "latency", &out.latency));
  TENON_TRY(ReadSparse(fields, "scores", &out.scores));
  TENON_TRY(fields.Read("labelled", &out.labelled));
  TENON_TRY(fields.Read("wrong", &out.wrong));
  TENON_TRY(fields.Read("false_positive", &out.false_positive));
  TENON_TRY(fields.Read("false_negative", &out.false_negative));
  TENON_TRY(ReadSparse(fields, "losses", &out.losses));
  TENON_TRY(fields.Read("paired", &out.paired));
  TENON_TRY(fields.Read("disagreed", &out.disagreed));
  TENON_TRY(fields.Read("dropped", &out.dropped));
  TENON_TRY(fields.Done());
  return out;
}

ArmEvidence Tally::Read() const {
  const auto of = [](const Count& count) { return count.load(std::memory_order_relaxed); };
  ArmEvidence out;
  // What fails is read before what was asked, so that a look in between never sees more failures than requests.
  out.failed = of(failed_);
  out.disagreed = of(disagreed_);
  out.requests = std::max(of(requests_), out.failed);
  out.paired = std::max(of(paired_), out.disagreed);
  out.dropped = of(dropped_);
  for (std::size_t i = 0; i < latency_.size(); ++i) out.latency[i] = of(latency_[i]);
  for (std::size_t i = 0; i < scores_.size(); ++i) out.scores[i] = of(scores_[i]);
  return out;
}

std::shared_ptr<Tally> Tallies::For(const Route& route, const Served& served, int thread) {
  if (route.rollout.empty()) return nullptr;
  const MutexLock lock(mutex_);
  for (const Entry& entry : entries_) {
    if (entry.rollout == route.rollout && entry.stage == route.stage && entry.version == served.version && entry.thread == thread) return entry.tally;
  }
  entries_.push_back({route.rollout, route.stage, served.version, thread, std::make_shared<Tally>()});
  return entries_.back().tally;
}

void Tallies::KeepOnly(std::span<const std::string> rollouts) {
  const MutexLock lock(mutex_);
  std::erase_if(entries_, [&](const Entry& entry) { return std::ranges::find(rollouts, entry.rollout) == rollouts.end(); });
}

std::vector<Tallies::Sum> Tallies::Sums() const {
  const MutexLock lock(mutex_);
  std::vector<Sum> out;
  for (const Entry& entry : entries_) {
    auto at = std::ranges::find_if(out, [&](const Sum& sum) {
      return sum.rollout == entry.rollout && sum.stage == entry.stage && sum.version == entry.version;
    });
    if (at == out.end()) {
      out.push_back({entry.rollout, entry.stage, entry.version, {}});
      at = out.end() - 1;
    }
    at->evidence.Add(entry.tally->Read());
  }
  return out;
}

}  // namespace tenon::serve
