#include <algorithm>

#include "edge/metrics_internal.h"

namespace tenon::edge {

void VersionCounters::AddRequest(int status, std::int64_t nanos) {
  std::size_t i = 0;
  while (i < kCountedStatuses.size() && kCountedStatuses[i] != status) ++i;
  statuses[i].Add(1);
  const double seconds = static_cast<double>(nanos) * 1e-9;
  std::size_t bucket = 0;
  while (bucket < kLatencyBounds.size() && seconds > kLatencyBounds[bucket]) ++bucket;
  latency[bucket].Add(1);
  latency_nanos.Add(nanos);
  if (status != 200) failed_nanos.Add(nanos);
}

void VersionCounters::AddBatch(const Predicted& predicted) {
  predictions.Add(predicted.rows);
  executions.Add(predicted.executions);
  input_nanos.Add(predicted.input_nanos);
  predict_nanos.Add(predicted.predict_nanos);
  output_nanos.Add(predicted.output_nanos);
  for (Batch& batch : batches) {
    if (batch.size.value() == 0) batch.size.Set(predicted.rows);
    if (batch.size.value() != predicted.rows) continue;
    batch.count.Add(1);
    batch.input_nanos.Add(predicted.input_nanos);
    batch.predict_nanos.Add(predicted.predict_nanos);
    batch.output_nanos.Add(predicted.output_nanos);
    return;
  }
}

namespace {

void AddBatches(const VersionCounters& counters, std::vector<BatchSum>& sums) {
  for (const VersionCounters::Batch& batch : counters.batches) {
    const std::int64_t size = batch.size.value();
    if (size == 0) continue;
    const auto at = std::ranges::lower_bound(sums, size, {}, &BatchSum::size);
    BatchSum& sum = at != sums.end() && at->size == size ? *at : *sums.insert(at, BatchSum{size});
    sum.count += batch.count.value();
    sum.input_nanos += batch.input_nanos.value();
    sum.predict_nanos += batch.predict_nanos.value();
    sum.output_nanos += batch.output_nanos.value();
  }
}

}  // namespace

Metrics::Metrics(int threads) {
  for (int i = 0; i < threads; ++i) threads_.push_back(std::make_unique<ThreadCounters>());
}

VersionCounters* Metrics::For(const serve::Served& served, int thread) {
  const MutexLock lock(mutex_);
  Version* version = nullptr;
  for (auto& known : versions_) {
    if (known->endpoint == served.endpoint && known->model == served.model) version = known.get();
  }
  if (version == nullptr) {
    versions_.push_back(std::make_unique<Version>());
    version = versions_.back().get();
    version->endpoint = served.endpoint;
    version->model = served.model;
    version->version = served.version;
    version->threads.resize(threads_.size());
  }
  auto& counters = version->threads[static_cast<std::size_t>(thread)];
  if (counters == nullptr) counters = std::make_unique<VersionCounters>();
  return counters.get();
}

std::int64_t Metrics::Sum::requests() const {
  std::int64_t all = 0;
  for (std::int64_t count : statuses) all += count;
  return all;
}

std::vector<Metrics::Sum> Metrics::Sums() const {
  const MutexLock lock(mutex_);
  std::vector<Sum> sums;
  for (const auto& version : versions_) {
    Sum sum;
    sum.endpoint = version->endpoint;
    sum.model = version->model;
    sum.version = version->version;
    for (const auto& counters : version->threads) {
      if (counters == nullptr) continue;
      for (std::size_t i = 0; i < sum.statuses.size(); ++i) sum.statuses[i] += counters->statuses[i].value();
      for (std::size_t i = 0; i < sum.latency.size(); ++i) sum.latency[i] += counters->latency[i].value();
      for (std::size_t i = 0; i < sum.by_stage.size(); ++i) sum.by_stage[i] += counters->by_stage[i].value();
      for (std::size_t i = 0; i < sum.rungs.size(); ++i) sum.rungs[i] += counters->rungs[i].value();
      sum.latency_nanos += counters->latency_nanos.value();
      sum.failed_nanos += counters->failed_nanos.value();
      sum.predictions += counters->predictions.value();
      sum.predict_nanos += counters->predict_nanos.value();
      sum.executions += counters->executions.value();
      sum.queue_nanos += counters->queue_nanos.value();
      sum.input_nanos += counters->input_nanos.value();
      sum.output_nanos += counters->output_nanos.value();
      AddBatches(*counters, sum.batches);
      sum.out_of_range += counters->out_of_range.value();
      sum.unseen += counters->unseen.value();
      sum.last_millis = std::max(sum.last_millis, counters->last_millis.value());
    }
    sums.push_back(std::move(sum));
  }
  return sums;
}

std::int64_t Metrics::requests() const {
  std::int64_t sum = 0;
  for (const auto& thread : threads_) sum += thread->requests.value();
  return sum;
}

std::int64_t Metrics::limited() const {
  std::int64_t sum = 0;
  for (const auto& thread : threads_) sum += thread->limited.value();
  return sum;
}

std::int64_t Metrics::refused(std::size_t reason) const {
  std::int64_t sum = 0;
  for (const auto& thread : threads_) sum += thread->refused[reason].value();
  return sum;
}

std::int64_t Metrics::in_flight() const {
  std::int64_t sum = 0;
  for (const auto& thread : threads_) sum += thread->in_flight.value();
  return sum;
}

}  // namespace tenon::edge
