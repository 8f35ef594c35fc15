#pragma once

#include <string>

#include "serve/rollout.h"

namespace tenon::app {

// The page of a rollout: what was decided and why, each criterion's confidence sequence over the answers as inline SVG,
// and the counts behind them. One file, no scripts.
std::string RolloutPage(const serve::Rollout& rollout);

// The state of a rollout as lines for people.
std::string RolloutText(const serve::Rollout& rollout);

// "canary: 25 %, stage 2 of 3" and the like.
std::string StageText(const serve::Rollout& rollout, std::size_t stage);

}  // namespace tenon::app
