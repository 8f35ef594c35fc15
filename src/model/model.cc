#include "model/model.h"

#include <array>

namespace tenon::model {
namespace {

constexpr std::array<std::string_view, 3> kTasks = {"binary", "multiclass", "regression"};

}  // namespace

std::string_view NameOf(Task task) { return kTasks[static_cast<std::size_t>(task)]; }

Result<Task> TaskNamed(std::string_view name) {
  for (std::size_t i = 0; i < kTasks.size(); ++i) {
    if (kTasks[i] == name) return static_cast<Task>(i);
  }
  const std::vector<std::string> known(kTasks.begin(), kTasks.end());
  return Error(Code::kInvalidArgument, Str("no task '", name, "'", DidYouMean(name, known)));
}

void Model::ContributionsOfRows(const float* rows, std::int64_t n, std::int64_t stride, double* out) const {
  const std::int64_t each = outputs() * (static_cast<std::int64_t>(features()) + 1);
  for (std::int64_t i = 0; i < n; ++i) Contributions(rows + i * stride, out + i * each);
}

}  // namespace tenon::model
