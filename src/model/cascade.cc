#include "model/cascade.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "model/predictor.h"

namespace tenon::model {
namespace {

double LogOdds(double p) {
  const double inside = std::clamp(p, 1e-9, 1 - 1e-9);
  return std::log(inside / (1 - inside));
}
double Odds(double margin) { return 1 / (1 + std::exp(-margin)); }

double LeadOf(const float* values, int outputs) {
  float first = -1, second = -1;
  for (int k = 0; k < outputs; ++k) {
    if (values[k] > first) {
      second = std::exchange(first, values[k]);
    } else if (values[k] > second) {
      second = values[k];
    }
  }
  return static_cast<double>(first) - static_cast<double>(second);
}

}  // namespace

bool Sureness::Is(Task task, const float* values, int outputs) const {
  if (task == Task::kMulticlass) return LeadOf(values, outputs) >= margin;
  const double p = static_cast<double>(values[0]);
  return p <= low || p >= high;
}

double Sureness::Of(Task task, const float* values, int outputs, double threshold) {
  if (task == Task::kMulticlass) return LeadOf(values, outputs);
  return std::abs(LogOdds(static_cast<double>(values[0])) - LogOdds(threshold));
}

Sureness Sureness::AtLeast(Task task, double sureness, double threshold) {
  Sureness out;
  if (task == Task::kMulticlass) {
    out.margin = sureness;
  } else {
    out.low = Odds(LogOdds(threshold) - sureness);
    out.high = Odds(LogOdds(threshold) + sureness);
  }
  return out;
}

Json Sureness::ToJson(Task task) const {
  Json out;
  if (task == Task::kMulticlass) {
    out["margin"] = margin;
  } else {
    out["low"] = low;
    out["high"] = high;
  }
  return out;
}

Result<Sureness> Sureness::FromJson(const Json& json, Task task) {
  Sureness out;
  out.low = json.NumberAt("low", out.low);
  out.high = json.NumberAt("high", out.high);
  out.margin = json.NumberAt("margin", out.margin);
  const bool fine = task == Task::kMulticlass ? out.margin >= 0 : task == Task::kBinary && out.low <= out.high;
  if (!fine) return Error(Code::kInvalidArgument, Str("a cascade of a ", NameOf(task), " model cannot be sure by ", json.Dump()));
  return out;
}

// Predictor's part that knows of cascades.

Result<std::shared_ptr<const Predictor>> Predictor::MakeCascade(const std::shared_ptr<const Predictor>& costly, std::shared_ptr<const Predictor> cheap,
                                                                Sureness sure, std::string cheap_name, std::string costly_name) {
  const auto wrong = [&](std::string_view what) { return Error(Code::kInvalidArgument, Str("the cascade's cheap model ", cheap_name, ": ", what)); };
  if (cheap->task() != costly->task() || cheap->outputs() != costly->outputs() || cheap->classes() != costly->classes()) {
    return wrong("it answers another question than the costly one");
  }
  if (costly->task() == Task::kRegression) return wrong("of a regression nobody knows how sure it is");
  auto cascade = std::make_shared<Cascade>();
  const auto& inputs = costly->graph().inputs();
  for (const table::Field& field : cheap->graph().inputs()) {
    const auto at = std::ranges::find(inputs, field);
    if (at == inputs.end()) return wrong(Str("it reads the column '", field.name, "', which the costly one does not"));
    cascade->slots.push_back(static_cast<int>(at - inputs.begin()));
    cascade->in_order = cascade->in_order && cascade->slots.back() + 1 == static_cast<int>(cascade->slots.size());
  }
  cascade->cheap = std::move(cheap);
  cascade->sure = sure;
  cascade->cheap_name = std::move(cheap_name);
  cascade->costly_name = std::move(costly_name);
  auto whole = std::make_shared<Predictor>(*costly);
  whole->cascade_ = std::move(cascade);
  return std::shared_ptr<const Predictor>(std::move(whole));
}

Predictor::Scratch& Predictor::CheapScratch(Scratch& scratch) const {
  if (scratch.cheap == nullptr) scratch.cheap = std::make_unique<Scratch>();
  return *scratch.cheap;
}

// The row's slots as the cheap model has them.
void Predictor::ToCheap(const double** numbers, const std::string_view** texts, Scratch& scratch) const {
  if (cascade_->in_order) return;
  const std::size_t n = cascade_->slots.size();
  scratch.row_numbers.resize(n);
  scratch.row_texts.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    scratch.row_numbers[i] = (*numbers)[cascade_->slots[i]];
    scratch.row_texts[i] = (*texts)[cascade_->slots[i]];
  }
  *numbers = scratch.row_numbers.data();
  *texts = scratch.row_texts.data();
}

bool Predictor::CheapAnswers(const double* numbers, const std::string_view* texts, Scratch& scratch, Prediction* out) const {
  ToCheap(&numbers, &texts, scratch);
  *out = cascade_->cheap->PredictRow(numbers, texts, CheapScratch(scratch));
  if (out->problem != nullptr || !cascade_->sure.Is(task(), out->values.data(), outputs())) return false;
  out->decision = Decide(out->values.data());
  out->cheap = true;
  return true;
}

// Which of n answers of the cheap model are not sure, into scratch.unsure.
void Predictor::FindUnsure(const float* values, std::int64_t n, Scratch& scratch) const {
  scratch.unsure.clear();
  scratch.by_cheap.assign(static_cast<std::size_t>(n), 1);
  for (std::int64_t i = 0; i < n; ++i) {
    if (cascade_->sure.Is(task(), values + i * outputs(), outputs())) continue;
    scratch.unsure.push_back(i);
    scratch.by_cheap[static_cast<std::size_t>(i)] = 0;
  }
}

void Predictor::ScatterUnsure(const float* values, float* out, const Scratch& scratch) const {
  const auto width = static_cast<std::size_t>(outputs());
  for (std::size_t i = 0; i < scratch.unsure.size(); ++i) {
    std::copy_n(values + i * width, width, out + static_cast<std::size_t>(scratch.unsure[i]) * width);
  }
}

void Predictor::PredictSlotsCascaded(const double* const* numbers, const std::string_view* const* texts, std::int64_t n, float* out,
                                     Scratch& scratch) const {
  std::vector<const double*> cheap_numbers;
  std::vector<const std::string_view*> cheap_texts;
  for (const int slot : cascade_->slots) {
    cheap_numbers.push_back(numbers[slot]);
    cheap_texts.push_back(texts[slot]);
  }
  cascade_->cheap->PredictSlots(cheap_numbers.data(), cheap_texts.data(), n, out, CheapScratch(scratch));
  FindUnsure(out, n, scratch);
  const std::size_t m = scratch.unsure.size();
  if (m == 0) return;
  const std::size_t inputs = graph_->inputs().size();
  std::vector<double> held_numbers(inputs * m);
  std::vector<std::string_view> held_texts(inputs * m);
  std::vector<const double*> some_numbers(inputs, nullptr);
  std::vector<const std::string_view*> some_texts(inputs, nullptr);
  for (std::size_t slot = 0; slot < inputs; ++slot) {
    for (std::size_t i = 0; i < m; ++i) {
      const auto row = static_cast<std::size_t>(scratch.unsure[i]);
      if (numbers[slot] != nullptr) held_numbers[slot * m + i] = numbers[slot][row];
      if (texts[slot] != nullptr) held_texts[slot * m + i] = texts[slot][row];
    }
    if (numbers[slot] != nullptr) some_numbers[slot] = &held_numbers[slot * m];
    if (texts[slot] != nullptr) some_texts[slot] = &held_texts[slot * m];
  }
  std::vector<float> values(m * static_cast<std::size_t>(outputs()));
  PredictSlotsAlone(some_numbers.data(), some_texts.data(), static_cast<std::int64_t>(m), values.data(), scratch);
  ScatterUnsure(values.data(), out, scratch);
}

Result<void> Predictor::PredictPartCascaded(const table::Batch& part, Scratch& scratch, float* out) const {
  TENON_TRY(cascade_->cheap->PredictPart(part, CheapScratch(scratch), out));
  FindUnsure(out, part.rows(), scratch);
  if (scratch.unsure.empty()) return {};
  std::vector<float> values(scratch.unsure.size() * static_cast<std::size_t>(outputs()));
  TENON_TRY(PredictPartAlone(part.Take(scratch.unsure), scratch, values.data()));
  ScatterUnsure(values.data(), out, scratch);
  return {};
}

Result<Attribution> Predictor::ExplainCheap(const double* numbers, const std::string_view* texts, int output, std::span<double> by_input,
                                            double* base, Scratch& scratch) const {
  ToCheap(&numbers, &texts, scratch);
  std::vector<double> mine(cascade_->slots.size());
  TENON_ASSIGN(const Attribution found, cascade_->cheap->ExplainRow(numbers, texts, output, mine, {}, base, CheapScratch(scratch)));
  std::ranges::fill(by_input, 0.0);
  for (std::size_t i = 0; i < mine.size() && !by_input.empty(); ++i) by_input[static_cast<std::size_t>(cascade_->slots[i])] = mine[i];
  return found;
}

}  // namespace tenon::model
