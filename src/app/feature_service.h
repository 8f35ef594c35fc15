#pragma once

#include <memory>

#include "edge/server.h"
#include "pipeline/complete.h"
#include "pipeline/feast.h"
#include "platform/clock.h"

namespace tenon::app {

// A project's features online, as its service answers from them. Any thread.
class FeatureService final : public edge::RowCompletion {
 public:
  // Null when the project has no feature views. `files`, `project` and `kits` outlive it.
  static Result<std::unique_ptr<FeatureService>> Make(const Call& call, platform::Files& files, const pipeline::Project& project, const pipeline::Kits& kits);
  edge::AnswerFeatureCall door();  // used while this lives
  bool Completes(const std::vector<std::string>& fields) const override { return !completion_.ColumnsFor(fields).entities.empty(); }
  Result<void> Complete(std::vector<Json>& rows, const std::vector<std::string>& fields, bool sensitive) override;
  std::vector<View> Views() const override;

 private:
  FeatureService(std::unique_ptr<pipeline::OnlineFeatures> features, bool overrides, const std::string& label)
      : features_(std::move(features)), completion_(*features_, overrides, label) {}
  platform::RealClock clock_;
  std::unique_ptr<pipeline::OnlineFeatures> features_;
  std::unique_ptr<pipeline::FeastDoor> door_;
  pipeline::Completion completion_;
};

}  // namespace tenon::app
