#include "model/linear.h"

#include <cmath>

#include "model/payload_internal.h"

namespace tenon::model {
namespace {

class Linear final : public Model {
 public:
  explicit Linear(LinearSpec spec) : spec_(std::move(spec)) {}
  const LinearSpec& spec() const { return spec_; }

  std::string_view format() const override { return "linear"; }
  Task task() const override { return spec_.task; }
  int features() const override { return spec_.features; }
  int outputs() const override { return spec_.outputs; }

  void Margin(const float* rows, std::int64_t n, std::int64_t stride, float* out) const override {
    for (std::int64_t i = 0; i < n; ++i) {
      for (int k = 0; k < spec_.outputs; ++k) {
        double sum = spec_.intercept[Index(k)];
        for (int f = 0; f < spec_.features; ++f) sum += Term(k, f, rows[i * stride + f]);
        out[i * spec_.outputs + k] = static_cast<float>(sum);
      }
    }
  }

  void Predict(const float* rows, std::int64_t n, std::int64_t stride, float* out) const override {
    Margin(rows, n, stride, out);
    ApplyLink(spec_.task, spec_.outputs, out, n);
  }

  void Contributions(const float* row, double* out) const override {
    for (int k = 0; k < spec_.outputs; ++k) {
      for (int f = 0; f < spec_.features; ++f) *out++ = Term(k, f, row[f]);
      *out++ = spec_.intercept[Index(k)];
    }
  }

  Json Describe() const override {
    std::int64_t used = 0;
    for (double weight : spec_.weights) used += weight != 0 ? 1 : 0;
    Json json;
    json["format"] = format();
    json["features"] = spec_.features;
    json["outputs"] = spec_.outputs;
    json["coefficients"] = static_cast<std::int64_t>(spec_.weights.size());
    json["nonzero"] = used;
    json["bytes"] = static_cast<std::int64_t>(Save().size());
    return json;
  }

  std::string Save() const override {
    PayloadWriter writer("TNLINEAR", 1);
    writer.Put(static_cast<std::uint8_t>(spec_.task));
    writer.Put(static_cast<std::int32_t>(spec_.features));
    writer.Put(static_cast<std::int32_t>(spec_.outputs));
    for (const auto* values : {&spec_.intercept, &spec_.center, &spec_.weights}) {
      writer.Put(static_cast<std::uint64_t>(values->size()));
      for (double value : *values) writer.Put(value);
    }
    return std::move(writer).Finish();
  }

 private:
  static std::size_t Index(int i) { return static_cast<std::size_t>(i); }
  double Term(int k, int f, float x) const {
    if (std::isnan(x)) return 0;
    return spec_.weights[Index(k) * Index(spec_.features) + Index(f)] * (static_cast<double>(x) - spec_.center[Index(f)]);
  }

  LinearSpec spec_;
};

bool AllFinite(const std::vector<double>& values) {
  for (double value : values) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<Model>> MakeLinear(LinearSpec spec) {
  const bool many = spec.task == Task::kMulticlass;
  if (spec.features < 0 || spec.outputs < 1 || many != (spec.outputs > 1)) {
    return Error(Code::kInvalidArgument, Str("a ", NameOf(spec.task), " model with ", spec.features, " features and ",
                                             spec.outputs, " outputs cannot be; multiclass has 2 or more outputs, others 1"));
  }
  const auto features = static_cast<std::size_t>(spec.features);
  const auto outputs = static_cast<std::size_t>(spec.outputs);
  if (spec.weights.size() != features * outputs || spec.intercept.size() != outputs || spec.center.size() != features) {
    return Error(Code::kInvalidArgument,
                 Str("a linear model of ", features, " features and ", outputs, " outputs needs ", features * outputs,
                     " weights, ", outputs, " intercepts and ", features, " centers; it has ", spec.weights.size(), ", ",
                     spec.intercept.size(), " and ", spec.center.size()));
  }
  if (!AllFinite(spec.weights) || !AllFinite(spec.intercept) || !AllFinite(spec.center)) {
    return Error(Code::kInvalidArgument, "a weight, intercept or center of the linear model is not finite; the training diverged");
  }
  return std::make_unique<Linear>(std::move(spec));
}

const LinearSpec* WeightsOf(const Model& model) {
  const auto* linear = dynamic_cast<const Linear*>(&model);
  return linear == nullptr ? nullptr : &linear->spec();
}

}  // namespace tenon::model
