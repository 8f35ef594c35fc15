#pragma once

#include <string>
#include <vector>

#include "pipeline/online.h"

namespace tenon::pipeline {

// What offline, online and stream say of the same features.
struct FeatureParity {
  std::string view;
  std::int64_t rows = 0;       // of the source, each asked at its own time
  std::int64_t values = 0;     // compared: a row's feature, in the stream, in the record it wrote, and of some entity at a moment between events
  std::int64_t differences = 0;
  std::int64_t asked = 0;      // rows that asked with themselves as an event before they were stored, as a request does (pipeline/own_events.h)
  std::int64_t live = 0;       // records of the project's online store, each compared with offline at the moment it was computed for and, where windows
                               // go on until a request asks, at some moments up to two months later
  std::int64_t live_differences = 0;
  std::vector<std::string> examples;  // of differences, at most ten
};

// Replays the source's first `most` rows in the order of time through the stream's code into a store of its own, asks after each
// moment for every row of it and, for as many entities, at moments before the next event, and compares to the bit with the
// point-in-time join; where rows are events of the view themselves each asks before it is processed as well, as a request does, unless
// another event of its entity happens at the very time or it corrects an earlier record; then compares the records that are online now.
Result<std::vector<FeatureParity>> VerifyFeatures(const Call& call, const FeatureRows& rows, const OnlineFeatures& online, std::int64_t most);

}  // namespace tenon::pipeline
