// /metrics: Prometheus' text format.

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "base/text.h"
#include "edge/answer_stream_internal.h"
#include "edge/worker_internal.h"

namespace tenon::edge {
namespace {

constexpr std::string_view kExposition = "text/plain; version=0.0.4; charset=utf-8";

class Page {
 public:
  explicit Page(std::string* out) : out_(out) {}

  void Family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    *out_ += Str("# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
  }
  void Sample(std::string_view suffix, std::string_view labels, double value) {
    *out_ += name_;
    *out_ += suffix;
    if (!labels.empty()) *out_ += Str("{", labels, "}");
    *out_ += Str(" ", FormatDouble(value), "\n");
  }
  void Value(double value) { Sample("", "", value); }

 private:
  std::string* out_;
  std::string name_;
};

std::string Label(std::string_view name, std::string_view value) {
  std::string out = Str(name, "=\"");
  for (char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string LabelsOf(const Metrics::Sum& sum) { return Label("endpoint", sum.endpoint) + "," + Label("model", sum.model); }
std::string TritonLabelsOf(const Metrics::Sum& sum) {
  return Label("model", sum.endpoint) + "," + Label("version", std::to_string(sum.version));
}

void WriteRequests(const std::vector<Metrics::Sum>& sums, Page& page) {
  page.Family("tenon_requests_total", "counter", "Requests answered, by status");
  for (const auto& sum : sums) {
    for (std::size_t i = 0; i < sum.statuses.size(); ++i) {
      if (sum.statuses[i] == 0 && i != 0) continue;
      const std::string code = i < kCountedStatuses.size() ? std::to_string(kCountedStatuses[i]) : "other";
      page.Sample("", LabelsOf(sum) + "," + Label("code", code), static_cast<double>(sum.statuses[i]));
    }
  }
  page.Family("tenon_request_seconds", "histogram", "Time from the whole request being read to its answer being written");
  for (const auto& sum : sums) {
    std::int64_t below = 0;
    for (std::size_t i = 0; i < sum.latency.size(); ++i) {
      below += sum.latency[i];
      const std::string bound = i < kLatencyBounds.size() ? FormatDouble(kLatencyBounds[i]) : "+Inf";
      page.Sample("_bucket", LabelsOf(sum) + "," + Label("le", bound), static_cast<double>(below));
    }
    page.Sample("_sum", LabelsOf(sum), static_cast<double>(sum.latency_nanos) * 1e-9);
    page.Sample("_count", LabelsOf(sum), static_cast<double>(below));
  }
}

void WriteRungs(const std::vector<Metrics::Sum>& sums, const serve::Endpoints::Map& map, Page& page) {
  page.Family("tenon_stage_answers_total", "counter", "Rows of cascades, by the model that answered: the cheap or the costly one");
  for (const Metrics::Sum& sum : sums) {
    for (std::size_t i = 0; i < sum.by_stage.size() && sum.by_stage[0] + sum.by_stage[1] > 0; ++i) {
      page.Sample("", LabelsOf(sum) + "," + Label("stage", i == 1 ? "cheap" : "costly"), static_cast<double>(sum.by_stage[i]));
    }
  }
  page.Family("tenon_rung_answers_total", "counter", "Rows of endpoints with a fallback, by the rung that answered");
  for (const auto& sum : sums) {
    for (std::size_t i = 0; i < sum.rungs.size(); ++i) {
      if (sum.rungs[i] == 0) continue;
      page.Sample("", LabelsOf(sum) + "," + Label("rung", serve::NameOf(static_cast<serve::Rung>(i))), static_cast<double>(sum.rungs[i]));
    }
  }
  page.Family("tenon_breaker_open", "gauge", "1 while a model is not asked because it kept failing");
  for (const auto& [name, route] : map) {
    for (const serve::Arm& arm : route->arms) {
      if (arm.breaker != nullptr) page.Sample("", Label("endpoint", name) + "," + Label("model", arm.served->model), arm.breaker->open() ? 1 : 0);
    }
  }
}

void WriteArms(const serve::Endpoints::Map& map, Page& page) {
  page.Family("tenon_arm_share", "gauge", "Part of an endpoint's requests that a version answers, or sees as a shadow");
  for (const auto& [name, route] : map) {
    for (const serve::Arm& arm : route->arms) {
      const double share = arm.role == serve::Role::kChampion ? route->ShareOfChampion() : arm.share;
      page.Sample("", Label("endpoint", name) + "," + Label("model", arm.served->model) + "," + Label("role", serve::NameOf(arm.role)), share);
    }
  }
}

void WriteViews(const RowCompletion& completion, Page& page) {
  const std::vector<RowCompletion::View> views = completion.Views();
  page.Family("tenon_feature_lookups_total", "counter", "Rows whose features of a view were looked up: found, absent (an entity without events), stale (older than the view's ttl)");
  for (const RowCompletion::View& view : views) {
    const std::pair<std::string_view, std::int64_t> outcomes[] = {{"found", view.found}, {"absent", view.absent}, {"stale", view.stale}};
    for (const auto& [outcome, rows] : outcomes) page.Sample("", Label("view", view.name) + "," + Label("outcome", outcome), static_cast<double>(rows));
  }
  page.Family("tenon_feature_newest_event_timestamp_seconds", "gauge", "Time of the latest event whose features are online; 0: none");
  for (const RowCompletion::View& view : views) page.Sample("", Label("view", view.name), view.newest_event);
  page.Family("tenon_feature_materialized_timestamp_seconds", "gauge", "Until when a view was last materialized; 0: never");
  for (const RowCompletion::View& view : views) page.Sample("", Label("view", view.name), view.materialized);
}

void WriteStreams(const std::vector<std::unique_ptr<AnswerStream>>& streams, Page& page) {
  std::vector<AnswerStreamState> states;
  for (const auto& stream : streams) states.push_back(stream->state());
  const auto label = [](const AnswerStreamState& state) { return Label("stream", state.name); };
  page.Family("tenon_stream_records_total", "counter", "Records of a stream that were kept: answered, or put aside with a reason");
  for (const AnswerStreamState& state : states) {
    page.Sample("", label(state) + "," + Label("outcome", "answered"), static_cast<double>(state.answered));
    page.Sample("", label(state) + "," + Label("outcome", "aside"), static_cast<double>(state.aside));
  }
  page.Family("tenon_stream_commits_total", "counter", "Times that answers and positions were kept together");
  for (const AnswerStreamState& state : states) page.Sample("", label(state), static_cast<double>(state.commits));
  page.Family("tenon_stream_restarts_total", "counter", "Times that a stream went on anew from what was kept");
  for (const AnswerStreamState& state : states) page.Sample("", label(state), static_cast<double>(state.restarts));
  page.Family("tenon_stream_behind_records", "gauge", "Records that are there and not answered yet; -1: not known");
  for (const AnswerStreamState& state : states) page.Sample("", label(state), static_cast<double>(state.behind));
  page.Family("tenon_stream_newest_record_timestamp_seconds", "gauge", "When the latest record that was answered came to the source; 0: none");
  for (const AnswerStreamState& state : states) page.Sample("", label(state), state.newest);
  page.Family("tenon_stream_up", "gauge", "1 while a stream is answered, 0 while it waits for what it needs or has ended");
  for (const AnswerStreamState& state : states) page.Sample("", label(state), state.phase == AnswerStreamState::Phase::kRunning ? 1 : 0);
}

// Where rows of several requests are asked together.
struct BatchLine {
  std::string labels;
  serve::BatchStats stats;
};

template <typename Bounds, typename Counts>
void WriteHistogram(std::string_view name, std::string_view help, const std::vector<BatchLine>& lines, const Bounds& bounds, Counts counts,
                    double (*sum)(const serve::BatchStats&), Page& page) {
  page.Family(name, "histogram", help);
  for (const BatchLine& line : lines) {
    std::int64_t below = 0;
    const auto& all = counts(line.stats);
    for (std::size_t i = 0; i < all.size(); ++i) {
      below += all[i];
      page.Sample("_bucket", line.labels + "," + Label("le", i < bounds.size() ? FormatDouble(static_cast<double>(bounds[i])) : "+Inf"), static_cast<double>(below));
    }
    page.Sample("_sum", line.labels, sum(line.stats));
    page.Sample("_count", line.labels, static_cast<double>(below));
  }
}

void WriteBatches(const serve::Endpoints::Map& map, Page& page) {
  std::vector<BatchLine> lines;
  bool asked = false;
  for (const auto& [name, route] : map) {
    for (const serve::Arm& arm : route->arms) {
      asked = asked || arm.batching != nullptr;
      if (arm.batcher != nullptr) lines.push_back({Label("endpoint", name) + "," + Label("model", arm.served->model), arm.batcher->Stats()});
    }
  }
  if (!asked) return;
  page.Family("tenon_batching", "gauge", "1 where rows of several requests are asked together, 0 where a trial found that it does not pay");
  for (const auto& [name, route] : map) {
    for (const serve::Arm& arm : route->arms) {
      if (arm.batching != nullptr) page.Sample("", Label("endpoint", name) + "," + Label("model", arm.served->model), arm.batching->on ? 1 : 0);
    }
  }
  WriteHistogram("tenon_batch_rows", "Rows a run of the model, without those it was filled up with", lines, serve::kBatchSizeBounds,
                 [](const serve::BatchStats& s) -> const auto& { return s.sizes; }, [](const serve::BatchStats& s) { return static_cast<double>(s.rows); }, page);
  WriteHistogram("tenon_batch_queue_seconds", "Time that requests waited for a run of the model to begin", lines, serve::kBatchWaitBounds,
                 [](const serve::BatchStats& s) -> const auto& { return s.waits; }, [](const serve::BatchStats& s) { return s.waited; }, page);
  page.Family("tenon_batch_run_seconds_total", "counter", "Time in runs of the model");
  for (const BatchLine& line : lines) page.Sample("", line.labels, line.stats.ran);
  page.Family("tenon_batch_padding_rows_total", "counter", "Rows that runs were filled up with to one of their sizes");
  for (const BatchLine& line : lines) page.Sample("", line.labels, static_cast<double>(line.stats.padding));
  page.Family("tenon_batch_waiting_rows", "gauge", "Rows that wait for a run of the model");
  for (const BatchLine& line : lines) page.Sample("", line.labels, static_cast<double>(line.stats.waiting));
  page.Family("tenon_batch_rejected_total", "counter", "Requests that were refused or left out while they waited for a run, by reason");
  for (const BatchLine& line : lines) {
    for (std::size_t i = 0; i < serve::kBatchRefusals.size(); ++i) {
      page.Sample("", line.labels + "," + Label("reason", serve::kBatchRefusals[i]), static_cast<double>(line.stats.refused[i]));
    }
  }
}

struct Column {
  std::string_view name, help;
  double (*of)(const Metrics::Sum&);
};

void WriteColumns(const std::vector<Metrics::Sum>& sums, Page& page) {
  const Column own[] = {
      {"tenon_predictions_total", "Rows predicted", [](const Metrics::Sum& s) { return static_cast<double>(s.predictions); }},
      {"tenon_values_out_of_range_total", "Numbers outside of what training saw",
       [](const Metrics::Sum& s) { return static_cast<double>(s.out_of_range); }},
      {"tenon_values_unseen_total", "Texts that training did not see",
       [](const Metrics::Sum& s) { return static_cast<double>(s.unseen); }},
  };
  for (const Column& column : own) {
    page.Family(column.name, "counter", column.help);
    for (const auto& sum : sums) page.Sample("", LabelsOf(sum), column.of(sum));
  }
  const Column triton[] = {
      {"nv_inference_request_success", "Successful inference requests",
       [](const Metrics::Sum& s) { return static_cast<double>(s.succeeded()); }},
      {"nv_inference_count", "Rows inferred", [](const Metrics::Sum& s) { return static_cast<double>(s.predictions); }},
      {"nv_inference_exec_count", "Executions of the model", [](const Metrics::Sum& s) { return static_cast<double>(s.executions); }},
      {"nv_inference_queue_duration_us", "Cumulative time that requests waited to be looked at, in microseconds",
       [](const Metrics::Sum& s) { return static_cast<double>(s.queue_nanos / 1000); }},
      {"nv_inference_compute_input_duration_us", "Cumulative time of reading inputs in microseconds",
       [](const Metrics::Sum& s) { return static_cast<double>(s.input_nanos / 1000); }},
      {"nv_inference_compute_infer_duration_us", "Cumulative time of predicting in microseconds",
       [](const Metrics::Sum& s) { return static_cast<double>(s.predict_nanos / 1000); }},
      {"nv_inference_compute_output_duration_us", "Cumulative time of writing outputs in microseconds",
       [](const Metrics::Sum& s) { return static_cast<double>(s.output_nanos / 1000); }},
      {"nv_inference_request_duration_us", "Cumulative time of requests in microseconds",
       [](const Metrics::Sum& s) { return static_cast<double>(s.latency_nanos / 1000); }},
  };
  for (const Column& column : triton) {
    page.Family(column.name, "counter", column.help);
    for (const auto& sum : sums) page.Sample("", TritonLabelsOf(sum), column.of(sum));
  }
  page.Family("nv_inference_request_failure", "counter", "Failed inference requests");
  for (const auto& sum : sums) {
    page.Sample("", TritonLabelsOf(sum) + "," + Label("reason", "OTHER"), static_cast<double>(sum.requests() - sum.succeeded()));
  }
}

void WriteMissing(const std::vector<serve::MissingAnswers>& missing, Page& page) {
  std::map<std::string, std::int64_t> sums;
  for (const serve::MissingAnswers& one : missing) sums[Label("endpoint", one.endpoint) + "," + Label("reason", serve::NameOf(one.why))] += one.answers;
  for (const auto& [labels, answers] : sums) page.Sample("", labels, static_cast<double>(answers));
}

void WriteObservers(const Observers* observers, Page& page) {
  if (observers == nullptr) return;
  struct Row {
    std::string_view name, what;
    const Feed* feed;
    const std::atomic<std::int64_t>*done, *failed;
  };
  const ObserveCounts& counts = observers->counts;
  for (const Row& row : {Row{"tenon_trace_spans", "Spans", observers->traces.get(), &counts.spans_sent, &counts.spans_failed},
                         Row{"tenon_access_log_lines", "Lines of the access log", observers->access_log.get(), &counts.lines_written, &counts.lines_failed},
                         Row{"tenon_payload_events", "Payload events", observers->events.get(), &counts.events_sent, &counts.events_failed}}) {
    if (row.feed == nullptr) continue;
    page.Family(Str(row.name, "_total"), "counter", Str(row.what, ", by what became of them"));
    page.Sample("", Label("result", "done"), static_cast<double>(row.done->load()));
    page.Sample("", Label("result", "failed"), static_cast<double>(row.failed->load()));
    page.Sample("", Label("result", "dropped"), static_cast<double>(row.feed->dropped()));
  }
}

// By the price of a core: of the time that was used, and of the time that the service's cores were kept for it.
void WriteCost(double used_seconds, const Shared& shared, Page& page) {
  if (shared.price.hour <= 0) return;
  const double up = std::chrono::duration<double>(std::chrono::steady_clock::now() - shared.steady_start).count();
  const std::string unit = Label("unit", shared.price.unit);
  page.Family("tenon_cost_total", "counter", "What the processor cost by serve.core_hour: the time that was used, and all the time of one core a thread since the start");
  page.Sample("", Str(Label("of", "used"), ",", unit), used_seconds / 3600 * shared.price.hour);
  page.Sample("", Str(Label("of", "kept"), ",", unit), up * shared.loops / 3600 * shared.price.hour);
}

void WriteProcess(const Shared& shared, Page& page) {
  std::ifstream stat("/proc/self/stat");
  std::string line;
  std::getline(stat, line);
  const std::size_t behind = line.rfind(')');
  if (behind != std::string::npos) {
    std::istringstream fields(line.substr(behind + 2));
    std::string word;
    double user = 0, system = 0, pages = 0;
    for (int i = 3; fields >> word; ++i) {  // numbered as in proc(5)
      if (i == 14) user = std::strtod(word.c_str(), nullptr);
      if (i == 15) system = std::strtod(word.c_str(), nullptr);
      if (i == 24) pages = std::strtod(word.c_str(), nullptr);
    }
    const double seconds = (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
    page.Family("process_cpu_seconds_total", "counter", "User and system time spent");
    page.Value(seconds);
    WriteCost(seconds, shared, page);
    page.Family("process_resident_memory_bytes", "gauge", "Memory in use");
    page.Value(pages * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  }
  if (DIR* folder = ::opendir("/proc/self/fd"); folder != nullptr) {
    double count = -3;  // ".", ".." and the folder itself
    while (::readdir(folder) != nullptr) ++count;
    ::closedir(folder);
    page.Family("process_open_fds", "gauge", "Open file descriptors");
    page.Value(count);
  }
}

}  // namespace

void AnswerMetrics(Worker& worker, const HttpRequest& request, HttpResponse& response) {
  if (!Allowed(request, {Method::kGet}, response)) return;
  Shared& shared = worker.shared();
  response.content_type = kExposition;
  Page page(&response.body);
  const std::vector<Metrics::Sum> sums = shared.metrics.Sums();
  WriteRequests(sums, page);
  WriteColumns(sums, page);
  WriteArms(worker.endpoints(), page);
  WriteRungs(sums, worker.endpoints(), page);
  if (!shared.streams.empty()) WriteStreams(shared.streams, page);
  if (shared.completion != nullptr) WriteViews(*shared.completion, page);
  WriteBatches(worker.endpoints(), page);
  page.Family("tenon_http_requests_total", "counter", "HTTP requests of all routes");
  page.Value(static_cast<double>(shared.metrics.requests()));
  page.Family("tenon_http_requests_in_flight", "gauge", "Requests being handled now");
  page.Value(static_cast<double>(shared.metrics.in_flight()));
  page.Family("tenon_http_requests_limited_total", "counter", "Requests refused by the rate limit");
  page.Value(static_cast<double>(shared.metrics.limited()));
  page.Family("tenon_http_requests_refused_total", "counter", "Requests turned away before they reached a model, by reason");
  for (std::size_t i = 0; i < kRefusals.size(); ++i) {
    page.Sample("", Label("reason", kRefusals[i]), static_cast<double>(shared.metrics.refused(i)));
  }
  page.Family("tenon_inference_log_dropped_total", "counter", "Answers that the inference log had no room for");
  page.Value(shared.log == nullptr ? 0 : static_cast<double>(shared.log->dropped()));
  page.Family("tenon_inference_log_missing_answers", "gauge", "Answers that processes before this one gave and did not write to the inference log any more, by endpoint and reason");
  if (shared.log != nullptr) WriteMissing(shared.log->missing(), page);
  page.Family("tenon_inference_log_written_total", "counter", "Answers written to the inference log");
  page.Value(shared.log == nullptr ? 0 : static_cast<double>(shared.log->written()));
  WriteObservers(shared.observers.get(), page);
  page.Family("process_start_time_seconds", "gauge", "Start of the server since 1970");
  page.Value(std::chrono::duration<double>(shared.started.time_since_epoch()).count());
  WriteProcess(shared, page);
}

}  // namespace tenon::edge
