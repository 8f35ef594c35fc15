#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "edge/oip_tensor_internal.h"
#include "edge/worker_internal.h"

namespace tenon::edge {

// The Open Inference Protocol V2 without a transport: what REST (oip_routes.cc) and gRPC (grpc_*.cc) say in their own ways.

inline constexpr std::string_view kOipExtensions[] = {"binary_tensor_data", "classification", "model_configuration",
                                                      "model_repository", "parameters", "statistics"};
inline constexpr std::string_view kStageOutput = "stage";  // of cascades: the name of the model that answered the row
inline constexpr int kOipMostBatch = 65536;

std::string OipPlatformOf(const serve::Served& served);  // "tenon_forest"

// The values of all rows, before they are written in the order and form that was asked for.
struct OipAnswers {
  std::vector<float> values;  // rows x outputs of the model
  std::vector<std::int64_t> decisions;
  std::vector<std::string_view> stages;  // of a cascade: the model that answered a row, "" for neither
  std::int64_t rows = 0;
};

// One output as it is answered.
struct OipChosen {
  const OipOutput* output = nullptr;
  bool binary = false;
  int classes = 0;            // so many best as "value:index:label"; 0: the numbers
  std::string_view datatype;
  std::int64_t width = 0;     // 0: one element a row
};

// The shape of one row of an output: {} of a single element.
inline std::span<const std::int64_t> OipShapeOf(const OipOutput& output) { return {&output.width, output.width == 0 ? std::size_t{0} : std::size_t{1}}; }

// One thread's memory for requests of this protocol.
struct OipMemory {
  OipJsonReader json;
  OipRequest request;
  OipRows rows;
  OipAnswers answers;
  std::vector<OipChosen> chosen;
  std::string raw;
  std::vector<Json> completed;  // rows with what was looked up for them
};

// Adds to memory.request what the lane's model reads of feature views, looked up by the tensors that name entities and times.
Result<void> CompleteOip(Worker& worker, const Lane& lane, OipMemory& memory);
// Predicts memory.request, a batch at a time, into memory.answers and memory.chosen. Errors: invalid_argument,
// deadline_exceeded when that time passes (the zero time: never), unavailable before the server is ready.
Result<void> InferOip(Worker& worker, Lane& lane, std::chrono::steady_clock::time_point deadline, OipMemory& memory);
// The elements of one output: raw bytes, or JSON joined by commas.
void AppendOipElements(const Lane& lane, const OipChosen& chosen, const OipAnswers& answers, bool binary, std::string* out);

// The version of a model that is spoken of, by default its champion; not_found, or unavailable when it is unloaded.
Result<Lane*> FindOip(Worker& worker, std::string_view name, std::string_view version);
// The version that answers a request that was read.
Result<Lane*> AskOip(Worker& worker, const HttpRequest& head, std::string_view name, std::string_view version,
                     const OipRequest& request);

// A line of the repository's index.
struct OipIndexLine {
  std::string name, version, state, reason;
};
std::vector<OipIndexLine> OipIndex(const Worker& worker, bool ready_only);
// Takes a model out of service, or back into it. not_found; permission_denied when the server does not allow it.
Result<void> LoadOip(Worker& worker, std::string_view name);
Result<void> UnloadOip(Worker& worker, std::string_view name);

// What was counted of a model by all threads; of all models when the name is empty. not_found.
struct OipStatistics {
  std::string name, version;
  Metrics::Sum sum;
};
Result<std::vector<OipStatistics>> StatisticsOf(Worker& worker, std::string_view name, std::string_view version);

}  // namespace tenon::edge
