#include "app/feature_service.h"

#include "pipeline/stream_features.h"

namespace tenon::app {

Result<std::unique_ptr<FeatureService>> FeatureService::Make(const Call& call, platform::Files& files, const pipeline::Project& project, const pipeline::Kits& kits) {
  if (project.features.views.empty()) return std::unique_ptr<FeatureService>();
  TENON_ASSIGN(const auto schemas, pipeline::ReadFeatureSchemas(call, files, project, kits));
  TENON_ASSIGN(auto online, pipeline::OnlineFeatures::Open(files, project, schemas), "opening the features");
  std::unique_ptr<FeatureService> out(new FeatureService(std::move(online), project.online.overrides, project.problem.label));
  FeatureService* self = out.get();
  pipeline::FeastDoor::Work work;
  work.service = project.name;
  work.event_source = project.stream.source.empty() ? project.source.name : project.stream.source;
  work.materialize = [self, &files, &project, &kits](const std::vector<std::string>& views, Micros until) -> Result<void> {
    TENON_ASSIGN(const pipeline::FeatureRows rows, pipeline::ReadFeatureRows(Call(), files, project, kits));
    TENON_ASSIGN(const auto done, self->features_->Materialize(Call(), rows, views, until, false));
    (void)done;
    return {};
  };
  work.publish = [self, &files, &project](const std::vector<Json>& events) { return pipeline::PublishEvents(files, project, events, self->clock_.Now()); };
  out->door_ = std::make_unique<pipeline::FeastDoor>(*out->features_, out->clock_, std::move(work));
  return out;
}

edge::AnswerFeatureCall FeatureService::door() {
  return [this](const edge::FeatureCall& call) {
    pipeline::FeastReply reply = door_->Answer({call.path, call.query, call.body, call.accept, call.sensitive});
    return edge::FeatureReply{reply.status, std::move(reply.body), reply.content_type};
  };
}

Result<void> FeatureService::Complete(std::vector<Json>& rows, const std::vector<std::string>& fields, bool sensitive) {
  return completion_.Complete(rows, fields, clock_.Now(), sensitive);
}

std::vector<edge::RowCompletion::View> FeatureService::Views() const {
  std::vector<View> out;
  const auto health = completion_.health();
  if (!health.ok()) return out;  // the store does not answer now
  for (const pipeline::Completion::Health& one : *health) {
    out.push_back({one.view, one.found, one.absent, one.stale, static_cast<double>(one.newest_event) * 1e-6, static_cast<double>(one.materialized) * 1e-6});
  }
  return out;
}

}  // namespace tenon::app
