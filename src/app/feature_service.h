#pragma once

#include <memory>

#include "edge/server.h"
#include "pipeline/feast.h"
#include "platform/clock.h"

namespace tenon::app {

// A project's features online, as its service answers from them. Any thread.
class FeatureService {
 public:
  // Null when the project has no feature views. `files`, `project` and `kits` outlive it.
  static Result<std::unique_ptr<FeatureService>> Make(const Call& call, platform::Files& files, const pipeline::Project& project, const pipeline::Kits& kits);
  edge::AnswerFeatureCall door();  // used while this lives, as the next
  edge::CompleteRows complete();

 private:
  FeatureService(std::unique_ptr<pipeline::OnlineFeatures> features, bool overrides) : features_(std::move(features)), overrides_(overrides) {}
  platform::RealClock clock_;
  std::unique_ptr<pipeline::OnlineFeatures> features_;
  std::unique_ptr<pipeline::FeastDoor> door_;
  bool overrides_;
};

}  // namespace tenon::app
