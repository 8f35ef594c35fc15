#include <algorithm>

#include "base/text.h"
#include "model/column_slots.h"
#include "pipeline/predict_together_internal.h"

namespace tenon::pipeline {
namespace {

constexpr std::int64_t kTileRows = 1024;  // whose columns are turned into rows at a time

}  // namespace

std::unique_ptr<const Together> Together::Try(const Call& call, const std::shared_ptr<const serve::Served>& served) {
  if (served == nullptr || !served->predictor->reads_columns() || served->predictor->cascade() != nullptr) return nullptr;
  serve::BatchSpec spec;
  spec.sizes = {8, 16, 32, 64, 128};
  const serve::BatchTrial trial = serve::TryBatching(served, spec);
  serve::BatchSizes sizes(trial, true);
  call.Say(Level::kInfo, sizes.largest() > 1 ? Str("up to ", sizes.largest(), " rows a run: ", trial.why) : Str("one row a run: ", trial.why));
  if (sizes.largest() <= 1) return nullptr;
  return std::make_unique<const Together>(served, std::move(sizes));
}

Result<std::vector<float>> Together::Predict(const Call& call, const table::Batch& rows) const {
  const model::Predictor& predictor = *served_->predictor;
  const auto outputs = static_cast<std::size_t>(predictor.outputs());
  const std::size_t width = predictor.graph().inputs().size();
  std::vector<float> out, got;
  out.reserve(static_cast<std::size_t>(rows.rows()) * outputs);
  std::vector<double> numbers;
  std::vector<std::string_view> texts;
  for (std::int64_t from = 0; from < rows.rows(); from += kTileRows) {
    const table::Batch tile = rows.Slice(from, std::min(kTileRows, rows.rows() - from));
    model::ColumnSlots slots;
    TENON_TRY(slots.Fill(tile, predictor.graph().inputs()));
    const model::ColumnRows all = slots.rows();
    const auto n = static_cast<std::size_t>(all.n);
    for (std::size_t at = 0; at < n;) {
      TENON_TRY(call.Check());
      const std::size_t size = sizes_.For(n - at), there = std::min(size, n - at);
      numbers.assign(all.numbers + at * width, all.numbers + (at + there) * width);
      texts.assign(all.texts + at * width, all.texts + (at + there) * width);
      for (std::size_t i = there; i < size; ++i) {  // filled up with the last row, as a service does
        const std::size_t last = (at + there - 1) * width;
        numbers.insert(numbers.end(), all.numbers + last, all.numbers + last + width);
        texts.insert(texts.end(), all.texts + last, all.texts + last + width);
      }
      got.resize(size * outputs);
      TENON_TRY(predictor.PredictTogether(numbers.data(), texts.data(), static_cast<std::int64_t>(size), got.data()));
      out.insert(out.end(), got.begin(), got.begin() + static_cast<std::ptrdiff_t>(there * outputs));
      at += there;
    }
  }
  return out;
}

}  // namespace tenon::pipeline
