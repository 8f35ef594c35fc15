#include <algorithm>
#include <bit>
#include <numeric>

#include "base/json.h"
#include "base/text.h"
#include "edge/oip_internal.h"

namespace tenon::edge {
namespace {

constexpr std::int64_t kBatchRows = 4096;  // predicted at a time: what the model's kernels take at once

Error Bad(std::string text) { return Error(Code::kInvalidArgument, std::move(text)); }

std::vector<std::string> NamesOf(const std::vector<OipOutput>& outputs) {
  std::vector<std::string> names;
  for (const OipOutput& output : outputs) names.emplace_back(output.name);
  return names;
}

// How many classes an output can be ranked over; 0: it has none.
int ClassesOf(const Lane& lane, const OipOutput& output) {
  if (output.name == "probability" && lane.decisions.size() == 2) return 2;
  return output.name == "probabilities" ? static_cast<int>(lane.decisions.size()) : 0;
}

Result<void> ChooseOutputs(const Lane& lane, const OipRequest& request, std::vector<OipChosen>& chosen) {
  chosen.clear();
  if (request.all_outputs) {
    for (const OipOutput& output : lane.outputs) chosen.push_back({&output, request.binary_outputs, 0, output.datatype, output.width});
    return {};
  }
  for (const OipRequest::Output& asked : request.outputs) {
    const auto output = std::ranges::find(lane.outputs, asked.name, &OipOutput::name);
    if (output == lane.outputs.end()) return Bad(Str("no output '", asked.name, "'", DidYouMean(asked.name, NamesOf(lane.outputs))));
    OipChosen one{&*output, asked.binary, 0, output->datatype, output->width};
    if (asked.classes > 0) {
      const int classes = ClassesOf(lane, *output);
      if (classes == 0) return Bad(Str("the output '", asked.name, "' has no classes to rank"));
      one.classes = std::min(asked.classes, classes);
      one.datatype = "BYTES";
      one.width = one.classes;
    }
    chosen.push_back(one);
  }
  return {};
}

void AppendLittle(std::uint64_t value, int bytes, std::string* out) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

void AppendText(std::string_view text, bool binary, std::string* out) {
  if (binary) {
    AppendLittle(text.size(), 4, out);
    *out += text;
  } else {
    AppendJsonString(text, out);
  }
}

// "0.93:1:yes", the best first; equal ones by index.
void AppendRanking(const Lane& lane, const OipChosen& chosen, const OipAnswers& answers, bool binary, std::string* out) {
  const std::vector<std::string>& labels = lane.served().predictor->classes();
  const bool one = chosen.output->width == 0;  // the probability of the second of two classes
  const auto width = static_cast<std::size_t>(one ? 1 : chosen.output->width);
  std::vector<float> values(labels.size());
  std::vector<std::size_t> order(labels.size());
  for (std::size_t row = 0; row < static_cast<std::size_t>(answers.rows); ++row) {
    const float* mine = answers.values.data() + row * width;
    for (std::size_t k = 0; k < values.size(); ++k) values[k] = !one ? mine[k] : k == 1 ? mine[0] : 1 - mine[0];
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
    for (std::size_t k = 0; k < static_cast<std::size_t>(chosen.classes); ++k) {
      std::string text;
      AppendFloat(values[order[k]], &text);
      text += Str(":", order[k], ":", labels[order[k]]);
      if (!binary && (row != 0 || k != 0)) *out += ',';
      AppendText(text, binary, out);
    }
  }
}

void AppendFloats(const std::vector<float>& values, bool binary, std::string* out) {
  if (binary && std::endian::native == std::endian::little) {
    out->append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    return;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (binary) {
      AppendLittle(std::bit_cast<std::uint32_t>(values[i]), 4, out);
    } else {
      if (i != 0) *out += ',';
      AppendFloat(values[i], out);
    }
  }
}

}  // namespace

std::vector<OipOutput> OipOutputsOf(const serve::Served& served) {
  const std::string_view decision = served.predictor->classes().empty() ? "INT64" : "BYTES";
  std::vector<OipOutput> outputs;
  switch (served.predictor->task()) {
    case model::Task::kRegression: return {{"value", "FP32", 0}};
    case model::Task::kBinary: outputs = {{"probability", "FP32", 0}, {"decision", decision, 0}}; break;
    default: outputs = {{"probabilities", "FP32", served.predictor->outputs()}, {"decision", decision, 0}};
  }
  if (served.predictor->cascade() != nullptr) outputs.push_back({kStageOutput, "BYTES", 0});
  return outputs;
}

std::string OipPlatformOf(const serve::Served& served) { return Str("tenon_", served.predictor->model().format()); }

Result<void> InferOip(Worker& worker, Lane& lane, std::chrono::steady_clock::time_point deadline, OipMemory& memory) {
  if (!worker.shared().Ready()) return Error(Code::kUnavailable, "the server is not ready");
  serve::Session& session = lane.session;
  serve::RowReader& reader = session.reader();
  reader.errors().clear();
  worker.DropKept();
  if (memory.request.timeout > 0) worker.WaitAtMost(std::chrono::microseconds(memory.request.timeout));
  TENON_TRY(CompleteOip(worker, lane, memory));
  TENON_TRY(memory.rows.Bind(memory.request, reader));
  if (memory.rows.rows() > lane.served().most_instances) {
    return Bad(Str(memory.rows.rows(), " rows; at most ", lane.served().most_instances, " are taken at a time"));
  }
  TENON_TRY(ChooseOutputs(lane, memory.request, memory.chosen));
  OipAnswers& answers = memory.answers;
  answers.values.clear();
  answers.decisions.clear();
  answers.stages.clear();
  answers.rows = memory.rows.rows();
  const auto outputs = static_cast<std::size_t>(lane.served().predictor->outputs());
  const bool decides = lane.served().predictor->task() != model::Task::kRegression;
  const std::int64_t step = lane.batcher != nullptr ? std::max<std::int64_t>(answers.rows, 1) : kBatchRows;  // a batcher cuts them itself
  for (std::int64_t from = 0; from < answers.rows && reader.errors().size() < serve::RowReader::kMostErrors; from += step) {
    if (deadline.time_since_epoch().count() != 0 && std::chrono::steady_clock::now() >= deadline) {
      return Error(Code::kDeadlineExceeded, Str("the deadline passed after ", from, " of ", answers.rows, " rows"));
    }
    memory.rows.Fill(from, std::min(step, answers.rows - from), session);
    if (reader.failed()) continue;  // the rest is looked through for further errors only
    const std::span<const float> values = worker.PredictRows(lane);
    if (worker.suspended()) continue;
    answers.values.insert(answers.values.end(), values.begin(), values.end());
    for (std::size_t i = 0; lane.served().predictor->cascade() != nullptr && i < session.rows().size(); ++i) {
      answers.stages.push_back(worker.StageOf(lane, i));
    }
    if (!decides) continue;
    for (std::size_t i = 0; i < values.size(); i += outputs) answers.decisions.push_back(lane.served().predictor->Decide(&values[i]));
  }
  if (reader.failed()) {
    worker.DropWait();
    return Bad(FieldErrorsAsText(reader.errors()));
  }
  if (worker.suspended()) return {};
  if (worker.Unanswered()) return worker.WhyUnanswered();
  return {};
}

void AppendOipElements(const Lane& lane, const OipChosen& chosen, const OipAnswers& answers, bool binary, std::string* out) {
  if (chosen.classes > 0) return AppendRanking(lane, chosen, answers, binary, out);
  if (chosen.datatype == "FP32") return AppendFloats(answers.values, binary, out);
  if (chosen.output->name == kStageOutput) {
    for (std::size_t i = 0; i < answers.stages.size(); ++i) {
      if (!binary && i != 0) *out += ',';
      AppendText(answers.stages[i], binary, out);
    }
    return;
  }
  const std::vector<std::string>& labels = lane.served().predictor->classes();
  for (std::size_t i = 0; i < answers.decisions.size(); ++i) {
    const std::int64_t decision = answers.decisions[i];
    if (!binary && i != 0) *out += ',';
    if (chosen.datatype == "BYTES" && binary) {
      AppendText(labels[static_cast<std::size_t>(decision)], true, out);
    } else if (chosen.datatype == "BYTES") {
      *out += lane.decisions[static_cast<std::size_t>(decision)];
    } else if (binary) {
      AppendLittle(static_cast<std::uint64_t>(decision), 8, out);
    } else {
      AppendInt(decision, out);
    }
  }
}

namespace {

Error NoVersion(Worker& worker, std::string_view name, std::string_view version) {
  const auto route = serve::Endpoints::FindIn(worker.endpoints(), name);
  if (route == nullptr || version.empty()) return worker.WhyNot(name);
  std::vector<std::string> versions;
  for (const serve::Arm& arm : route->arms) versions.push_back(std::to_string(arm.served->version));
  return Error(Code::kNotFound, Str("the model '", name, "' has no version ", version, " here; there are: ", Join(versions, ", ")));
}

// The first row's value of the field that decides which version answers.
std::string KeyOf(std::string_view sticky, const OipRequest& request) {
  if (sticky.empty()) return {};
  const auto tensor = std::ranges::find(request.inputs, sticky, &OipTensor::name);
  if (tensor == request.inputs.end() || tensor->count == 0) return {};
  if (tensor->is_raw) {
    const double number = OipRawNumber(*tensor, 0);
    return tensor->type->family == OipFamily::kBool ? Str(number != 0) : FormatDouble(number);
  }
  const OipElement& element = request.elements[tensor->first];
  switch (element.kind) {
    case OipElement::Kind::kText: return std::string(element.text);
    case OipElement::Kind::kNumber: return FormatDouble(element.number);
    case OipElement::Kind::kBool: return Str(element.number != 0);
    default: return {};
  }
}

}  // namespace

Result<Lane*> FindOip(Worker& worker, std::string_view name, std::string_view version) {
  Lane* lane = worker.Find(name, version);
  if (lane == nullptr) return NoVersion(worker, name, version);
  return lane;
}

Result<Lane*> AskOip(Worker& worker, const HttpRequest& head, std::string_view name, std::string_view version,
                     const OipRequest& request) {
  const std::string key = KeyOf(worker.StickyOf(name), request);
  Lane* lane = worker.Ask(name, head, version, key);
  if (lane == nullptr) return NoVersion(worker, name, version);
  return lane;
}

std::vector<OipIndexLine> OipIndex(const Worker& worker, bool ready_only) {
  std::vector<OipIndexLine> lines;
  const auto add = [&lines](const serve::Endpoints::Map& map, const char* state, const char* reason) {
    for (const auto& [name, route] : map) {
      for (const serve::Arm& arm : route->arms) lines.push_back({name, std::to_string(arm.served->version), state, reason});
    }
  };
  add(worker.endpoints(), "READY", "");
  if (ready_only) return lines;
  add(*worker.unloaded(), "UNAVAILABLE", "unloaded");
  std::ranges::stable_sort(lines, {}, &OipIndexLine::name);
  return lines;
}

namespace {

Result<void> Allowed(Worker& worker) {
  if (worker.shared().repository) return {};
  return Error(Code::kPermissionDenied, "this server does not let models be loaded or unloaded by requests (serve.repository is false)");
}

}  // namespace

Result<void> LoadOip(Worker& worker, std::string_view name) {
  TENON_TRY(Allowed(worker));
  if (worker.Find(name) != nullptr || worker.shared().endpoints.Restore(name)) return {};
  return worker.WhyNot(name);
}

Result<void> UnloadOip(Worker& worker, std::string_view name) {
  TENON_TRY(Allowed(worker));
  if (worker.shared().endpoints.Withdraw(name)) return {};
  Error why = worker.WhyNot(name);
  if (why.code() == Code::kUnavailable) return {};  // it is out of service already
  return why;
}

Result<std::vector<OipStatistics>> StatisticsOf(Worker& worker, std::string_view name, std::string_view version) {
  std::vector<OipStatistics> all;
  if (!name.empty()) {
    TENON_TRY(FindOip(worker, name, version));
  }
  const std::vector<Metrics::Sum> sums = worker.shared().metrics.Sums();
  for (const auto& [endpoint, route] : worker.endpoints()) {
    if (!name.empty() && endpoint != name) continue;
    for (const serve::Arm& arm : route->arms) {
      if (!version.empty() && version != std::to_string(arm.served->version)) continue;
      all.push_back({endpoint, std::to_string(arm.served->version), {}});
      for (const Metrics::Sum& sum : sums) {
        if (sum.endpoint == endpoint && sum.model == arm.served->model) all.back().sum = sum;
      }
    }
  }
  return all;
}

}  // namespace tenon::edge
