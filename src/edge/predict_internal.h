#pragma once

#include <limits>
#include <string>
#include <string_view>

#include "edge/worker_internal.h"

namespace tenon::edge {

// What the shapes of JSON requests share: rows are read from a body, predicted in batches, and each is written as the shape wants
// it. Tenon's own (predict_routes.cc), KServe V1's and TensorFlow Serving's (v1_routes.cc), Vertex's (vertex_routes.cc).

// One answered row: its place among the lane's rows, and what is said of it.
struct AnsweredRow {
  std::size_t index = 0;
  model::Prediction prediction;
  serve::Rung rung = serve::Rung::kModel;
  bool first = false;  // of the request
  std::string_view stage = {};  // of a cascade: the model that answered
};

// `"probability":0.1,"decision":"no"`: the members, without braces.
void AppendPrediction(const Lane& lane, const model::Prediction& prediction, std::string* out);
// The members and, below the model, its rung: an object.
void AppendPredictionObject(const Lane& lane, const AnsweredRow& row, std::string* out);

// Attributions of one row's answer, to the session's contributions().
struct Explained {
  model::Attribution how;
  double base = 0;
  int output = 0;  // whose margin (or, estimated, whose prediction) it is
};
// False when the model cannot: the reader has the reason among its errors.
bool Explain(Lane& lane, const AnsweredRow& row, Explained* out);
// `"field":0.1,...` of the session's contributions().
void AppendContributions(const Lane& lane, std::string* out);

// `,"contributions":{..},"base":b`, with how they were estimated where they are: of the margin of the positive class, of the class
// decided for, or of the value; estimated ones are of the answer itself and say so.
void AppendExplanation(Lane& lane, const AnsweredRow& row, std::string* out);

// Why a request got no answer: fields, when values were wrong, else the text.
struct PredictFailure {
  int status = 400;
  std::string text;
  const std::vector<serve::FieldError>* fields = nullptr;
  std::string Text() const { return fields == nullptr ? text : FieldErrorsAsText(*fields); }
};
PredictFailure WhyNoAnswer(Worker& worker, Lane& lane, std::string_view problem);

// Reads rows by read(reader, each), which gives false when the body is no such request, and writes each answer by write(row). False
// when there is none: the response's body is then to be written anew.
template <typename Read, typename Write>
bool AnswerRows(Worker& worker, Lane& lane, const HttpRequest& request, HttpResponse& response, Read read, Write write) {
  // Predicted at a time: what the model's kernels take at once; a batcher cuts them itself.
  const std::size_t most = lane.batcher != nullptr ? std::numeric_limits<std::size_t>::max() : 4096;
  const std::string_view id = worker.RequestId(request.Header("x-request-id"));
  if (!id.empty()) response.AddHeader("X-Request-Id", id);
  worker.DropKept();
  serve::RowReader& reader = lane.session.reader();
  serve::Rows& rows = lane.session.rows();
  rows.Clear();
  bool first = true;
  const auto predict = [&] {
    const std::span<const float> values = worker.PredictRows(lane);
    if (reader.failed() || worker.suspended()) return rows.Clear();
    const auto outputs = static_cast<std::size_t>(lane.served().predictor->outputs());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::span<const float> mine = values.subspan(i * outputs, outputs);
      write(AnsweredRow{i, {mine, lane.served().predictor->Decide(mine.data())}, worker.rung(i), first, worker.StageOf(lane, i)});
      first = false;
    }
    rows.Clear();
  };
  const bool whole = read(reader, [&] {
    rows.Add(reader.row());
    if (rows.size() == most) predict();
  });
  if (whole && !reader.failed() && rows.size() != 0) predict();
  if (!whole || reader.failed()) worker.DropWait();
  if (worker.suspended()) return true;
  if (!whole || reader.failed() || worker.Unanswered()) return false;  // a model that reads columns could not take a value
  worker.LogKept(lane, id);
  return true;
}

// Whether explanations may be told; else the reader has the reason among its errors.
bool MayExplain(Lane& lane);

}  // namespace tenon::edge
