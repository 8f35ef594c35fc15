#include <cmath>

#include "model/linear.h"
#include "model/payload_internal.h"

namespace tenon::model {
namespace {

class Constant final : public Model {
 public:
  Constant(Task task, int features, std::vector<double> margins)
      : task_(task), features_(features), margins_(std::move(margins)) {}

  std::string_view format() const override { return "constant"; }
  Task task() const override { return task_; }
  int features() const override { return features_; }
  int outputs() const override { return static_cast<int>(margins_.size()); }

  void Margin(const float*, std::int64_t n, std::int64_t, float* out) const override {
    for (std::int64_t i = 0; i < n; ++i) {
      for (double margin : margins_) *out++ = static_cast<float>(margin);
    }
  }
  void Predict(const float* rows, std::int64_t n, std::int64_t stride, float* out) const override {
    Margin(rows, n, stride, out);
    ApplyLink(task_, outputs(), out, n);
  }
  void Contributions(const float*, double* out) const override {
    for (double margin : margins_) {
      for (int f = 0; f < features_; ++f) *out++ = 0;
      *out++ = margin;
    }
  }
  Json Describe() const override {
    Json json;
    json["format"] = format();
    json["features"] = features_;
    json["outputs"] = outputs();
    json["margins"] = Json::ListOf(margins_);
    json["bytes"] = static_cast<std::int64_t>(Save().size());
    return json;
  }
  std::string Save() const override {
    PayloadWriter writer("TNCONST1", 1);
    writer.Put(static_cast<std::uint8_t>(task_));
    writer.Put(static_cast<std::int32_t>(features_));
    writer.Put(static_cast<std::uint64_t>(margins_.size()));
    for (double margin : margins_) writer.Put(margin);
    return std::move(writer).Finish();
  }

 private:
  Task task_;
  int features_;
  std::vector<double> margins_;
};

}  // namespace

Result<std::unique_ptr<Model>> MakeConstant(Task task, int features, std::vector<double> margins) {
  const bool many = task == Task::kMulticlass;
  if (features < 0 || margins.empty() || many != (margins.size() > 1)) {
    return Error(Code::kInvalidArgument, Str("a constant ", NameOf(task), " model cannot have ", margins.size(),
                                             " margins and ", features, " features; multiclass has 2 or more margins, others 1"));
  }
  for (double margin : margins) {
    if (!std::isfinite(margin)) {
      return Error(Code::kInvalidArgument, Str("the margin ", margin, " of the constant model is not finite"));
    }
  }
  return std::make_unique<Constant>(task, features, std::move(margins));
}

}  // namespace tenon::model
