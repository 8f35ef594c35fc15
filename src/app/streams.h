#pragma once

#include <string>
#include <vector>

#include "edge/answer_stream.h"
#include "pipeline/project.h"

namespace tenon::app {

// What the service needs of `serve.streams`. `files` outlives it.
Result<std::vector<edge::AnswerStreamOptions>> StreamsOf(const pipeline::Project& project, platform::Files& files, bool to_end);
// The problems of streams that wait or failed, as one error.
Result<void> ProblemOfStreams(const std::vector<edge::AnswerStreamState>& streams);
// "orders: 12,000 answered, 3 put aside, 0 behind".
std::string TextOfStream(const edge::AnswerStreamState& stream);

}  // namespace tenon::app
