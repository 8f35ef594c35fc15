// How often the cheap model of a cascade may answer alone: chosen on the validation rows.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <random>

#include "base/text.h"
#include "model/cascade.h"
#include "pipeline/run_internal.h"

namespace tenon::pipeline {
namespace {

constexpr int kPoints = 20;      // of the curve, beside 0
constexpr int kResamples = 400;  // of the loss's interval
constexpr std::int64_t kMostTimed = 2000;

// What a row takes on average, without the longest hundredth: what interrupted it is not the model's.
double Average(std::vector<double> values) {
  if (values.empty()) return std::nan("");
  std::ranges::sort(values);
  values.resize(values.size() - values.size() / 100);
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Loss of the metric by answers against the costly model's, and its 95 % interval by resampling rows, paired.
struct Loss {
  double value = 0, low = 0, high = 0;
};

class Losses {
 public:
  Losses(const evaluate::Metric& metric, evaluate::Scored scored, std::span<const float> costly, std::uint64_t seed)
      : metric_(metric), scored_(scored), costly_(scored), seed_(seed) {
    costly_.predicted = costly;
  }

  Loss Of(std::span<const float> predicted) const {
    scored_.predicted = predicted;
    const auto ours = metric_.Prepare(scored_);
    const auto theirs = metric_.Prepare(costly_);
    const double sign = metric_.higher_is_better() ? 1 : -1;
    const std::size_t n = scored_.actual.size();
    std::vector<double> weight(n, 1.0), losses;
    const Loss plain{sign * (theirs(weight) - ours(weight))};
    std::mt19937_64 random(seed_);
    for (int i = 0; i < kResamples; ++i) {
      std::ranges::fill(weight, 0.0);
      for (std::size_t k = 0; k < n; ++k) weight[random() % n] += 1;
      if (const double loss = sign * (theirs(weight) - ours(weight)); std::isfinite(loss)) losses.push_back(loss);
    }
    if (losses.size() < kResamples / 2) return {plain.value, -INFINITY, INFINITY};
    std::ranges::sort(losses);
    const auto at = [&](double part) { return losses[static_cast<std::size_t>(part * static_cast<double>(losses.size() - 1))]; };
    return {plain.value, at(0.025), at(0.975)};
  }

 private:
  const evaluate::Metric& metric_;
  mutable evaluate::Scored scored_;
  evaluate::Scored costly_;
  std::uint64_t seed_;
};

// Nanoseconds that are told, and compared with targets.
double Nanos(double seconds) { return std::round(seconds * 1e10) / 10; }

struct Point {
  model::Sureness sure;
  double share = 0;   // of the rows that the cheap model answers
  double nanos = 0;   // of a row on average
  Loss loss;
  Json ToJson(model::Task task) const {
    Json out = sure.ToJson(task);
    out["share"] = share;
    out["nanoseconds"] = nanos;
    out["loss"] = loss.value;
    out["loss_low"] = loss.low;
    out["loss_high"] = loss.high;
    return out;
  }
};

}  // namespace

std::vector<double> RowSeconds(const model::Predictor& predictor, const table::Batch& rows) {
  const std::int64_t n = std::min(rows.rows(), kMostTimed);
  const auto& inputs = predictor.graph().inputs();
  std::vector<double> numbers(inputs.size());
  std::vector<std::string_view> texts(inputs.size());
  std::vector<table::Column> columns;
  for (const table::Field& field : inputs) {
    auto column = rows.Named(field.name);
    if (!column) return {};
    columns.push_back(*std::move(column));
  }
  model::Predictor::Scratch scratch;
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::size_t c = 0; c < inputs.size(); ++c) {
      if (inputs[c].type == table::Type::kString) {
        texts[c] = columns[c].type() != table::Type::kString || columns[c].IsNull(i) ? std::string_view() : columns[c].Text(i);
      } else {
        numbers[c] = columns[c].type() == table::Type::kString ? std::nan("") : columns[c].Number(i);
      }
    }
    const auto start = std::chrono::steady_clock::now();
    predictor.PredictRow(numbers.data(), texts.data(), scratch);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return seconds;
}

Result<void> RunState::TimeCascade(const model::Predictor& costly, const model::Predictor& cascade, Json* out) {
  TENON_ASSIGN(const PartRows* test, RowsOf(dataset::Part::kTest));
  const double before = Nanos(Average(RowSeconds(costly, test->batch))), after = Nanos(Average(RowSeconds(cascade, test->batch)));
  (*out)["test_nanoseconds"] = after;
  (*out)["test_costly_nanoseconds"] = before;
  (*out)["text"] = Str(out->StringAt("text"), "; measured on the test rows ", FormatShort(before / 1000, 3), " -> ", FormatShort(after / 1000, 3), " us");
  return {};
}

Result<std::shared_ptr<const model::Predictor>> RunState::Cascaded(const std::shared_ptr<const model::Predictor>& costly, const Json& made) {
  const auto cheap = std::ranges::find(candidates, made.StringAt("cheap"), &Candidate::learner);
  if (cheap == candidates.end()) return Error(Code::kInternal, Str("the cascade's model ", made.StringAt("cheap"), " was not trained"));
  TENON_ASSIGN(auto graph, LoadGraph(cheap->graph));
  TENON_ASSIGN(auto loaded, LoadModel(*cheap));
  TENON_ASSIGN(auto calibration, model::Calibration::FromJson(*made.Find("calibration")));
  TENON_ASSIGN(const model::Sureness sure, model::Sureness::FromJson(made, task()));
  auto first = model::Predictor::Make(graph, loaded, calibration, costly->threshold(), card.classes);
  return model::Predictor::MakeCascade(costly, std::move(first), sure, cheap->learner, candidates[chosen].learner);
}

// Null, with the reason in `why`, when no cascade meets the target.
Result<Json> RunState::ChooseCascade(const Call& step, const std::shared_ptr<const model::Predictor>& costly, Json* why) {
  const CascadeSpec& spec = *project.serve.cascade;
  const auto cheap = std::ranges::find(candidates, spec.cheap, &Candidate::learner);
  if (cheap == candidates.end()) return Error(Code::kInvalidArgument, Str("serve.cascade: '", spec.cheap, "' is not among train.learners"));
  const auto none = [&](const std::string& text) { return (*why)["why"] = "no cascade: " + text, Json(); };
  if (&*cheap == &candidates[chosen]) return none(Str(spec.cheap, " is the best by itself"));
  if (task() == model::Task::kRegression) return none("of a regression nobody knows how sure it is");
  TENON_ASSIGN(const PartRows* held, RowsOf(dataset::Part::kValidation));
  if (held->label.empty()) return none("there are no validation rows to choose on");
  TENON_ASSIGN(auto alone, Chosen(step, *cheap, project.evaluate.calibration));
  auto first = model::Predictor::Make(alone->shared_graph(), alone->shared_model(), alone->calibration(), costly->threshold(), card.classes);
  model::Predictor::Scratch scratch;
  TENON_ASSIGN(const std::vector<float> by_cheap, first->PredictBatch(step, held->batch, scratch));
  TENON_ASSIGN(const std::vector<float> by_costly, costly->PredictBatch(step, held->batch, scratch));
  const double cheap_time = Average(RowSeconds(*first, held->batch)), costly_time = Average(RowSeconds(*costly, held->batch));
  TENON_ASSIGN(auto metric, kits.metrics.Create(card.metric));
  const evaluate::Scored scored{.task = task(), .outputs = costly->outputs(), .predicted = by_costly, .actual = held->label, .weight = {}, .threshold = costly->threshold()};
  const Losses losses(*metric, scored, by_costly, project.train.seed);

  const auto outputs = static_cast<std::size_t>(costly->outputs());
  const std::size_t n = held->label.size();
  std::vector<double> sureness;
  for (std::size_t i = 0; i < n; ++i) sureness.push_back(model::Sureness::Of(task(), &by_cheap[i * outputs], costly->outputs(), costly->threshold()));
  std::vector<double> order = sureness;
  std::ranges::sort(order, std::greater<>());
  std::vector<Point> curve = {{.nanos = Nanos(costly_time)}};
  for (int k = 1; k <= kPoints; ++k) {
    TENON_TRY(step.Check());
    step.Report("the cascade's curve", 0.1);
    Point point;
    point.sure = model::Sureness::AtLeast(task(), order[n * static_cast<std::size_t>(k) / kPoints - 1], costly->threshold());
    std::vector<float> mixed = by_costly;
    std::size_t alone_rows = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (!point.sure.Is(task(), &by_cheap[i * outputs], costly->outputs())) continue;
      ++alone_rows;
      std::copy_n(&by_cheap[i * outputs], outputs, &mixed[i * outputs]);
    }
    point.share = static_cast<double>(alone_rows) / static_cast<double>(n);
    point.nanos = Nanos(cheap_time + (1 - point.share) * costly_time);
    point.loss = losses.Of(mixed);
    curve.push_back(point);
  }
  const double limit = spec.latency.count() > 0 ? static_cast<double>(spec.latency.count()) : spec.cost * Nanos(costly_time);
  const Point* taken = nullptr;
  for (const Point& point : curve) {
    if (spec.most_loss >= 0 && point.loss.high <= spec.most_loss) taken = &point;  // the largest share
    if (spec.most_loss < 0 && taken == nullptr && point.nanos <= limit) taken = &point;  // the smallest
  }
  Json out;
  out["curve"] = Json::MakeArray();
  for (const Point& point : curve) out["curve"].Push(point.ToJson(task()));
  out["metric"] = card.metric;
  out["target"] = spec.Target();
  out["cheap_nanoseconds"] = Nanos(cheap_time);
  out["costly_nanoseconds"] = Nanos(costly_time);
  (*why)["curve"] = *out.Find("curve");
  const std::string times = Str(spec.cheap, " takes ", FormatShort(Nanos(cheap_time) / 1000, 3), " us a row, ", candidates[chosen].learner, " ",
                                FormatShort(Nanos(costly_time) / 1000, 3), " us");
  if (taken == nullptr || taken->share == 0) return none(Str("nothing meets the target, ", spec.Target(), ", and saves time; ", times));
  if (taken->nanos >= curve.front().nanos) return none(Str("it would save no time: ", times));
  const Json settings = taken->ToJson(task());
  for (const auto& [key, value] : settings.object()) out[key] = value;
  out["cheap"] = spec.cheap;
  out["costly"] = candidates[chosen].learner;
  out["calibration"] = alone->calibration().ToJson();
  out["text"] = Str(spec.cheap, " answers ", FormatShort(taken->share * 100, 3), " % of the rows alone: ", FormatShort(curve.front().nanos / 1000, 3), " -> ",
                    FormatShort(taken->nanos / 1000, 3), " us a row; ", card.metric, " loses ", FormatShort(taken->loss.value, 2), " [",
                    FormatShort(taken->loss.low, 2), ", ", FormatShort(taken->loss.high, 2), "] on the validation rows");
  return out;
}

}  // namespace tenon::pipeline
