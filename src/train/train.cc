#include "train/train.h"

#include <chrono>

#include "train/rows_internal.h"

namespace tenon::train {

Json TrainingRecord::ToJson() const {
  Json out;
  out["learner"] = learner;
  out["settings"] = settings;
  out["balanced"] = balanced;
  out["seed"] = static_cast<std::int64_t>(seed);
  out["rows"] = rows;
  out["validation_rows"] = validation_rows;
  out["seconds"] = seconds;
  out["library"] = library;
  if (model != nullptr) {
    out["format"] = model->format();
    out["model"] = model->Describe();
  }
  out["rounds"] = Json::MakeArray();
  for (const Round& round : rounds) {
    Json item;
    item["round"] = round.round;
    item["training_loss"] = round.training_loss;
    item["validation_loss"] = round.validation_loss;
    out["rounds"].Push(std::move(item));
  }
  return out;
}

Result<TrainingRecord> Train(const Call& call, const LearnerSpec& spec, const Matrix& rows, const Matrix& validation,
                             const Target& target, const Kinds<Learner>& kinds,
                             const std::function<void(const Round&)>& report) {
  const std::string path = "train." + spec.learner;
  TENON_ASSIGN(const auto* kind, kinds.Find(spec.learner));
  TENON_ASSIGN(const Options options, Options::Parse(kind->doc.options, spec.settings, path));
  TENON_ASSIGN(const auto learner, kinds.Create(spec.learner, spec.settings, path));
  TrainingRecord out;
  out.learner = spec.learner;
  out.settings = options.json();
  out.balanced = spec.balanced && target.task != model::Task::kRegression;
  out.seed = call.seed;
  out.rows = rows.rows;
  out.validation_rows = validation.rows;
  Matrix weighted = rows;
  std::vector<double> weight;
  if (out.balanced) {
    TENON_TRY(CheckRows(rows, validation, target), path);
    weight = BalancedWeights(rows, target);
    weighted.weight = weight;
  }
  const auto started = std::chrono::steady_clock::now();
  TENON_ASSIGN(out.model,
               learner->Train(call, weighted, validation, target,
                              [&](const Round& round) {
                                out.rounds.push_back(round);
                                if (report) report(round);
                              }),
               path);
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  out.library = learner->library();
  return out;
}

}  // namespace tenon::train
