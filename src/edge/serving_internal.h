#pragma once

#include "edge/predict_internal.h"

namespace tenon::edge {

// What TensorFlow Serving's REST API has beside rows. Errors are {"error":"text"}.

// {"inputs":{"age":[41,29],...}} -> {"outputs":{"probability":[..],"decision":[..]}}; of a model with one output its values alone.
void PredictColumnar(Worker& worker, Lane& lane, const HttpRequest& request, HttpResponse& response);
// {"context":{..},"examples":[{..}]} -> {"results":[..]}: each class with its score, or the value (of two classes: the probability of
// the second).
void AnswerExamples(Worker& worker, Lane& lane, const HttpRequest& request, bool classify, HttpResponse& response);
// The signature of a version: names, types and shapes.
void DescribeSignature(const Lane& lane, HttpResponse& response);

}  // namespace tenon::edge
