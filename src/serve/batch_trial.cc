#include "serve/batch_trial.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <thread>

#include "base/mutex.h"
#include "base/text.h"
#include "base/time.h"
#include "serve/session.h"

namespace tenon::serve {
namespace {

using Clock = std::chrono::steady_clock;

double MicrosSince(Clock::time_point from) { return std::chrono::duration<double, std::micro>(Clock::now() - from).count(); }

double Median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

// The median time of some runs: as many as fit into a time, one at least.
template <typename Run>
double MicrosOf(Run run) {
  constexpr double kMostMicros = 60'000;
  constexpr std::size_t kRuns = 15;
  std::vector<double> times;
  const auto begin = Clock::now();
  do {
    const auto before = Clock::now();
    run();
    times.push_back(MicrosSince(before));
  } while (times.size() < kRuns && MicrosSince(begin) < kMostMicros);
  return Median(std::move(times));
}

// To another thread that waits for work, and back.
class Echo {
 public:
  Echo() : thread_([this] { Run(); }) {}
  ~Echo() {
    Say(kEnd);
    thread_.join();
  }
  void Once() {
    Say(kAsked);
    const MutexLock lock(mutex_);
    while (state_ != kIdle) changed_.Wait(mutex_);
  }

 private:
  enum State { kIdle, kAsked, kEnd };
  void Say(State state) {
    const MutexLock lock(mutex_);
    state_ = state;
    changed_.NotifyAll();
  }
  void Run() {
    while (true) {
      const MutexLock lock(mutex_);
      while (state_ == kIdle) changed_.Wait(mutex_);
      if (state_ == kEnd) return;
      state_ = kIdle;
      changed_.NotifyAll();
    }
  }
  Mutex mutex_;
  Condition changed_;
  State state_ TENON_GUARDED_BY(mutex_) = kIdle;
  std::thread thread_;
};

double HandOffMicros() {
  constexpr int kTimes = 101;
  Echo echo;
  std::vector<double> times;
  for (int i = 0; i < kTimes; ++i) {
    const auto before = Clock::now();
    echo.Once();
    times.push_back(MicrosSince(before));
  }
  return Median(std::move(times));
}

// The golden rows of a version, to be asked alone and together.
class Samples {
 public:
  // Of the first `most`.
  Samples(const std::shared_ptr<const Served>& served, const Json& rows, std::size_t most = std::numeric_limits<std::size_t>::max()) : session_(Lenient(served)), outputs_(static_cast<std::size_t>(served->predictor->outputs())) {
    for (const Json& row : rows.array()) {
      if (rows_.size() == most) break;
      session_.reader().Begin(static_cast<int>(rows_.size()));
      ReadGoldenRow(row, session_.reader());
      if (!session_.reader().End()) continue;
      rows_.push_back(session_.reader().row());
      session_.rows().Clear();
      session_.rows().Add(rows_.back());
      const auto values = session_.PredictRows();
      alone_.insert(alone_.end(), values.begin(), values.end());
    }
  }
  std::size_t size() const { return rows_.size(); }

  double MicrosAlone() {
    std::size_t at = 0;
    return MicrosOf([&] {
      Fill(at++, 1);
      (void)session_.PredictRows();
    });
  }

  BatchTrial::Size Try(int size) {
    BatchTrial::Size out{.rows = size, .exact = true};
    const auto most = static_cast<std::size_t>(size);
    // Full, from several rows on, so that each stands at several places; and filled up.
    for (std::size_t from = 0; from < std::max(std::size_t{4}, rows_.size()); from += std::max<std::size_t>(1, most * 3 / 4)) {
      Compare(from, most, most, &out);
      Compare(from, std::max<std::size_t>(1, most / 2 + 1), most, &out);
    }
    std::size_t at = 0;
    out.micros = MicrosOf([&] {
      Fill(at, most);
      at += most;
      (void)session_.PredictTogether(most);
    });
    return out;
  }

 private:
  // Without what would change numbers on their way out or refuse rows.
  static std::shared_ptr<const Served> Lenient(const std::shared_ptr<const Served>& served) {
    auto lenient = std::make_shared<Served>(*served);
    lenient->strict = false;
    lenient->disguise = {};
    return lenient;
  }
  void Fill(std::size_t from, std::size_t n) {
    session_.rows().Clear();
    for (std::size_t i = 0; i < n; ++i) session_.rows().Add(rows_[(from + i) % rows_.size()]);
  }
  void Compare(std::size_t from, std::size_t n, std::size_t size, BatchTrial::Size* out) {
    Fill(from, n);
    const auto values = session_.PredictTogether(size);
    for (std::size_t i = 0; i < n * outputs_; ++i) {
      const float want = alone_[(from + i / outputs_) % rows_.size() * outputs_ + i % outputs_], got = values[i];
      if (std::bit_cast<std::uint32_t>(want) == std::bit_cast<std::uint32_t>(got)) continue;
      out->exact = false;
      const double a = static_cast<double>(want), difference = std::abs(a - static_cast<double>(got)) / std::max(1.0, std::abs(a));
      out->difference = std::isnan(difference) ? std::numeric_limits<double>::infinity() : std::max(out->difference, difference);
    }
  }

  Session session_;
  const std::size_t outputs_;
  std::vector<Row> rows_;
  std::vector<float> alone_;
};

// Above that a row is asked apart: others of its thread would notice.
constexpr double kHoldsUpMicros = 1000;

// The golden rows as the package has them; null where there are none.
const Json* RowsOf(const Result<Json>& golden) {
  const Json* rows = golden ? golden->Find("rows") : nullptr;
  return rows == nullptr || !rows->is_array() || rows->array().empty() ? nullptr : rows;
}

std::string Micros(double micros) { return Str(FormatShort(micros, 3), " us"); }

// What stands against it whatever it costs; "" when nothing does.
std::string_view WhyNever(const Served& served) {
  const model::Predictor& predictor = *served.predictor;
  if (predictor.cascade() != nullptr) return "a cascade decides row by row which model is asked";
  if (predictor.bundle() == nullptr || predictor.bundle()->section("golden").empty()) return "the version has no golden rows to try it with";
  if (predictor.reads_columns() && !predictor.model().by_columns()->takes_many()) return "the model takes one row a run";
  return {};
}

// Which sizes may and do pay, and whether the best of them pays the hand-off.
void Judge(BatchTrial* trial) {
  bool differs = false;
  const BatchTrial::Size* best = nullptr;
  for (BatchTrial::Size& size : trial->sizes) {
    const bool fits = size.exact || size.difference <= trial->tolerance;
    differs = differs || !fits;
    size.used = fits && (size.rows == 1 || size.micros / size.rows < trial->alone_micros);
    if (!size.used) continue;
    trial->exact = trial->exact && size.exact;
    if (best == nullptr || size.micros / size.rows < best->micros / best->rows) best = &size;
  }
  const std::string costs = Str("a row alone takes ", Micros(trial->alone_micros), ", the hand-off to another thread ", Micros(trial->hand_off_micros));
  if (best == nullptr || best->rows == 1) {
    trial->why = Str(costs, differs ? ", and together its answers differ by more than the package's golden_tolerance" : ", and rows together are not cheaper");
    return;
  }
  const double each = best->micros / best->rows;
  trial->on = trial->alone_micros - each > trial->hand_off_micros;
  trial->why = Str(costs, ", a row of ", best->rows, " together ", Micros(each));
  if (!trial->on) {
    trial->why += ": that saves less than the hand-off costs";
  } else if (trial->exact) {
    trial->why += ", with the same bits";
  } else {
    double most = 0;
    for (const BatchTrial::Size& size : trial->sizes) most = size.used ? std::max(most, size.difference) : most;
    trial->why += Str("; answers differ from those alone by at most ", FormatShort(most, 2), " of their size on the golden rows, within the package's golden_tolerance of ", trial->tolerance);
  }
}

Result<void> ReadTime(Fields& fields, std::string_view key, std::chrono::microseconds* out) {
  std::string text;
  TENON_TRY(fields.ReadScalar(key, &text));
  if (text.empty()) return {};
  auto time = ParseDuration(text);
  if (!time) return fields.Wrong(key, time.error().message());
  *out = *time;
  return {};
}

BatchTrial TryTogether(const std::shared_ptr<const Served>& served, const BatchSpec& spec) {
  BatchTrial trial;
  trial.why = WhyNever(*served);
  if (!trial.why.empty()) return trial;
  const model::Bundle& bundle = *served->predictor->bundle();
  trial.tolerance = bundle.manifest().NumberAt("golden_tolerance");
  const auto golden = Json::Parse(bundle.section("golden"), "golden");
  const Json* rows = RowsOf(golden);
  if (rows == nullptr) {
    trial.why = "the version has no golden rows to try it with";
    return trial;
  }
  Samples samples(served, *rows);
  if (samples.size() == 0) {
    trial.why = "none of its golden rows can be asked again";
    return trial;
  }
  trial.alone_micros = samples.MicrosAlone();
  trial.hand_off_micros = HandOffMicros();
  if (trial.alone_micros <= trial.hand_off_micros) {
    trial.why = Str("a row alone takes ", Micros(trial.alone_micros), ", less than the hand-off to another thread, ", Micros(trial.hand_off_micros));
    return trial;
  }
  for (const int size : spec.sizes) trial.sizes.push_back(samples.Try(size));
  // A single row that waits alone is asked as it always was.
  if (trial.sizes.front().rows != 1) trial.sizes.insert(trial.sizes.begin(), {.rows = 1, .micros = trial.alone_micros, .exact = true});
  Judge(&trial);
  return trial;
}

}  // namespace

BatchTrial TryBatching(const std::shared_ptr<const Served>& served, const BatchSpec& spec) {
  BatchTrial trial = TryTogether(served, spec);
  if (trial.on) return trial;
  const BatchTrial alone = TryAlone(served);
  trial.apart = alone.apart;
  if (trial.apart) trial.why += "; " + alone.why;
  return trial;
}

BatchTrial TryAlone(const std::shared_ptr<const Served>& served) {
  constexpr std::size_t kRows = 3;
  BatchTrial trial;
  const model::Bundle* bundle = served->predictor->bundle();
  if (bundle == nullptr || bundle->section("golden").empty()) return trial;
  const auto golden = Json::Parse(bundle->section("golden"), "golden");
  const Json* rows = RowsOf(golden);
  if (rows == nullptr) return trial;
  Samples samples(served, *rows, kRows);
  if (samples.size() == 0) return trial;
  trial.alone_micros = samples.MicrosAlone();
  trial.apart = trial.alone_micros > kHoldsUpMicros;
  if (trial.apart) trial.why = Str("a row alone takes ", Micros(trial.alone_micros), ", more than others should wait for: each request is asked on a thread beside those that answer");
  return trial;
}

Json BatchTrial::Describe() const {
  Json out;
  out["on"] = on;
  if (apart) out["apart"] = true;
  out["why"] = why;
  if (alone_micros == 0) return out;
  out["alone_us"] = alone_micros;
  if (hand_off_micros == 0) return out;
  out["hand_off_us"] = hand_off_micros;
  if (on) out["bits"] = exact ? "same" : "within golden_tolerance";
  Json list = Json::MakeArray();
  for (const Size& size : sizes) {
    Json row;
    row["rows"] = size.rows;
    row["us"] = size.micros;
    row["used"] = on && size.used;
    row["exact"] = size.exact;
    if (!size.exact) row["difference"] = size.difference;
    list.Push(std::move(row));
  }
  out["sizes"] = std::move(list);
  return out;
}

Result<BatchSpec> BatchSpec::Parse(const Json& json, std::string_view file) {
  BatchSpec spec;
  TENON_ASSIGN(Fields fields, Fields::Of(json, "serve.batching", file));
  TENON_TRY(ReadTime(fields, "delay", &spec.delay));
  TENON_TRY(fields.Read("instances", &spec.instances));
  if (spec.delay.count() < 0 || spec.delay > std::chrono::seconds(10)) return fields.Wrong("delay", "expected 0s to 10s");
  if (spec.instances < 1 || spec.instances > 64) return fields.Wrong("instances", "expected 1 to 64");
  if (const Json* sizes = fields.Find("sizes"); sizes != nullptr && !sizes->is_null()) {
    spec.sizes.clear();
    for (const Json& size : sizes->is_array() ? sizes->array() : std::vector<Json>{}) spec.sizes.push_back(size.is_int() && size.Int() <= 4096 ? static_cast<int>(size.Int()) : 0);
    std::ranges::sort(spec.sizes);
    if (spec.sizes.empty() || spec.sizes.front() < 1 || std::ranges::adjacent_find(spec.sizes) != spec.sizes.end()) {
      return fields.Wrong("sizes", "expected a list of different rows a run, each 1 to 4096, such as [8, 16, 32]");
    }
  }
  if (const Json* queue = fields.Find("queue"); queue != nullptr && !queue->is_null()) {
    TENON_ASSIGN(Fields inner, Fields::Of(*queue, "serve.batching.queue", file));
    TENON_TRY(inner.Read("rows", &spec.queue_rows));
    TENON_TRY(ReadTime(inner, "timeout", &spec.timeout));
    if (spec.queue_rows < 1) return inner.Wrong("rows", "expected at least 1");
    if (spec.timeout.count() < 0) return inner.Wrong("timeout", "expected a time, or 0s for none");
    TENON_TRY(inner.Done());
  }
  TENON_TRY(fields.Done());
  return spec;
}

}  // namespace tenon::serve
