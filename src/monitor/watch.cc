#include "monitor/watch.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "monitor/statistics_internal.h"
#include "serve/inference_log.h"

namespace tenon::monitor {
namespace {

constexpr int kDrawnBins = 24;
constexpr int kDrawnValues = 12;

// Which tests judge a column, by name.
std::vector<std::string> TestsFor(const table::ColumnProfile& reference, const MonitorSpec& spec,
                                  const Kinds<DriftTest>& kinds) {
  std::vector<std::string> names;
  if (spec.drift.test != "auto") {
    names = {spec.drift.test};
  } else if (!reference.numeric() || FewValued(reference)) {
    names = {"chi_square", "unseen_categories", "missing_rate"};
  } else {
    names = {"population_stability", "kolmogorov_smirnov", "missing_rate"};
  }
  std::erase_if(names, [&](const std::string& name) {
    const auto test = kinds.Create(name);
    return test.ok() && !(*test)->Suits(reference);
  });
  return names;
}

bool Takes(const Doc& doc, std::string_view option) {
  return std::ranges::any_of(doc.options, [&](const Option& known) { return known.name == option; });
}

Result<std::unique_ptr<DriftTest>> MakeTest(const std::string& name, const MonitorSpec& spec, double alpha,
                                            const Kinds<DriftTest>& kinds) {
  TENON_ASSIGN(const auto* kind, kinds.Find(name));
  Json settings = spec.drift.test == "auto" || spec.drift.with.is_null() ? Json::MakeObject() : spec.drift.with;
  if (Takes(kind->doc, "alpha") && settings.Find("alpha") == nullptr) settings["alpha"] = std::max(alpha, 1e-12);
  const bool measures = !Takes(kind->doc, "alpha");
  if (spec.drift.threshold && settings.Find("threshold") == nullptr && Takes(kind->doc, "threshold") &&
      (measures || spec.drift.test == name)) {
    settings["threshold"] = *spec.drift.threshold;
  }
  return kinds.Create(name, settings, "monitor.drift.with");
}

// Both sides in the same bins, as shares.
void Draw(const table::ColumnProfile& reference, const table::ColumnProfile& window, ColumnVerdict* out) {
  const double before = std::max(1.0, Present(reference)), after = std::max(1.0, Present(window));
  out->numeric = reference.numeric() && window.numeric() && !FewValued(reference);
  if (!out->numeric) {
    const Binned bins = BinByValue(reference, window, kDrawnValues);
    out->values = bins.names;
    for (std::size_t i = 0; i < bins.names.size(); ++i) {
      const auto at = static_cast<double>(i);
      out->reference.push_back({at, at + 1, bins.reference[i] / before});
      out->window.push_back({at, at + 1, bins.window[i] / after});
    }
    return;
  }
  // The middle of both, so that one far value does not squeeze all bars into one.
  const double low = std::min(reference.Quantile(0.005), window.Quantile(0.005));
  const double high = std::max(reference.Quantile(0.995), window.Quantile(0.995));
  if (!(low < high) || !std::isfinite(high - low)) return;
  double until_before = Below(reference, low), until_after = Below(window, low);
  for (int i = 0; i < kDrawnBins; ++i) {
    const double from = low + (high - low) * i / kDrawnBins, to = low + (high - low) * (i + 1) / kDrawnBins;
    const double next_before = reference.CountAtMost(to), next_after = window.CountAtMost(to);
    out->reference.push_back({from, to, std::max(0.0, next_before - until_before) / before});
    out->window.push_back({from, to, std::max(0.0, next_after - until_after) / after});
    until_before = next_before;
    until_after = next_after;
  }
}

struct Planned {
  const table::ColumnProfile* reference;
  const table::ColumnProfile* window;  // null: the window has no such column
  std::vector<std::string> tests;
};

Result<ColumnVerdict> Judge(const Planned& plan, const MonitorSpec& spec, double alpha, const Kinds<DriftTest>& kinds) {
  ColumnVerdict out;
  out.column = plan.reference->field().name;
  if (plan.window == nullptr) {
    out.drifted = true;
    out.strength = 1000;
    out.why = "the column is no longer there";
    return out;
  }
  if (plan.window->numeric() != plan.reference->numeric()) {
    out.drifted = true;
    out.strength = 1000;
    out.why = Str("was ", NameOf(plan.reference->field().type), ", is ", NameOf(plan.window->field().type));
    return out;
  }
  for (const std::string& name : plan.tests) {
    TENON_ASSIGN(const auto test, MakeTest(name, spec, alpha, kinds));
    TENON_ASSIGN(DriftVerdict verdict, test->Compare(*plan.reference, *plan.window),
                 Str(name, " of column '", out.column, "'"));
    const double strength = verdict.threshold > 0 ? verdict.statistic / verdict.threshold : verdict.statistic;
    const bool stronger = verdict.drifted != out.drifted ? verdict.drifted : strength > out.strength;
    if (stronger || out.why.empty()) {
      out.strength = strength;
      out.why = verdict.why;
    }
    out.drifted = out.drifted || verdict.drifted;
    out.tests.push_back({name, std::move(verdict)});
  }
  Draw(*plan.reference, *plan.window, &out);
  return out;
}

std::chrono::microseconds DurationOf(const std::string& text) {
  const auto parsed = ParseDuration(text);
  return parsed.ok() ? *parsed : std::chrono::microseconds(0);
}

Result<void> CheckDuration(const Fields& fields, std::string_view key, const std::string& text) {
  const auto parsed = ParseDuration(text);
  if (parsed.ok() && parsed->count() > 0) return {};
  return fields.Wrong(key, Str("'", text, "' is no duration; write 10m, 6h or 7d"));
}

}  // namespace

Result<MonitorSpec> MonitorSpec::Parse(const Json& json, std::string_view file) {
  MonitorSpec out;
  if (json.is_null()) return out;
  TENON_ASSIGN(Fields fields, Fields::Of(json, "monitor", file));
  TENON_TRY(fields.Read("every", &out.every));
  TENON_TRY(fields.Read("window", &out.window));
  if (out.every != "never") TENON_TRY(CheckDuration(fields, "every", out.every));
  TENON_TRY(CheckDuration(fields, "window", out.window));
  TENON_TRY(fields.Read("least_rows", &out.least_rows));
  if (out.least_rows < 1) return fields.Wrong("least_rows", "expected 1 or more");
  if (const Json* drift = fields.Find("drift"); drift != nullptr && !drift->is_null()) {
    TENON_ASSIGN(Fields inner, Fields::Of(*drift, "monitor.drift", file));
    TENON_TRY(inner.Read("test", &out.drift.test));
    TENON_TRY(inner.Read("alpha", &out.drift.alpha));
    if (!(out.drift.alpha > 0 && out.drift.alpha <= 0.5)) {
      return inner.Wrong("alpha", "expected a share above 0 and at most 0.5, such as 0.01");
    }
    if (inner.Find("threshold") != nullptr) {
      double threshold = 0;
      TENON_TRY(inner.Read("threshold", &threshold));
      if (!(threshold >= 0)) return inner.Wrong("threshold", "expected 0 or more, such as 0.2");
      out.drift.threshold = threshold;
    }
    if (const Json* with = inner.Find("with"); with != nullptr) out.drift.with = *with;
    TENON_TRY(inner.Read("ignore", &out.drift.ignore));
    TENON_TRY(inner.Done());
    if (out.drift.test == "auto" && !out.drift.with.is_null()) {
      return inner.Wrong("with", "settings need a named test; write test: population_stability, for instance");
    }
  }
  TENON_TRY(fields.Done());
  return out;
}

Json MonitorSpec::ToJson() const {
  Json out;
  out["every"] = every;
  out["window"] = window;
  out["least_rows"] = least_rows;
  Json& inner = out["drift"];
  inner["test"] = drift.test;
  inner["alpha"] = drift.alpha;
  if (drift.threshold) inner["threshold"] = *drift.threshold;
  if (!drift.with.is_null()) inner["with"] = drift.with;
  if (!drift.ignore.empty()) inner["ignore"] = Json::ListOf(drift.ignore);
  return out;
}

std::chrono::microseconds MonitorSpec::period() const { return DurationOf(every); }
std::chrono::microseconds MonitorSpec::reach() const { return DurationOf(window); }

Result<Window> ReadWindow(const Call& call, platform::Files& files, const std::string& folder,
                          std::string_view endpoint, std::string_view model, Micros from, Micros until) {
  Window out;
  out.from = from;
  out.until = until;
  std::vector<table::Field> schema;
  std::vector<table::ColumnProfile> columns;
  out.predictions = table::ColumnProfile({.name = "prediction", .type = table::Type::kFloat64});
  const auto begin = [&](const std::vector<serve::Served::Field>& fields) {
    schema.clear();
    columns.clear();
    for (const auto& field : fields) {
      schema.push_back({.name = field.name, .type = field.type});
      columns.emplace_back(schema.back());
    }
    out.rows = 0;
    out.models.clear();
    out.predictions = table::ColumnProfile({.name = "prediction", .type = table::Type::kFloat64});
  };
  const auto differs = [&](const std::vector<serve::Served::Field>& fields) {
    return !std::ranges::equal(fields, schema, [](const serve::Served::Field& a, const table::Field& b) {
      return a.name == b.name && a.type == b.type;
    });
  };
  const auto each = [&](const std::vector<serve::Served::Field>& fields, const serve::LogEntry& entry) {
    if (!model.empty() && entry.model != model) return true;
    if (differs(fields)) begin(fields);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (schema[i].type != table::Type::kString) {
        columns[i].AddNumber(entry.numbers[i]);
      } else if (entry.text_missing[i]) {
        columns[i].AddMissing();
      } else {
        columns[i].AddText(entry.texts[i]);
      }
    }
    if (!entry.values.empty() && entry.rung == serve::Rung::kModel) {  // what a lower rung said is no prediction of the model
      out.predictions.AddNumber(static_cast<double>(*std::ranges::max_element(entry.values)));
    }
    ++out.rows;
    ++out.models[entry.model];
    return true;
  };
  TENON_ASSIGN(const serve::LogReport read, serve::ReadInferenceLog(call, files, folder, endpoint, from, until, each),
               Str("reading what '", endpoint, "' answered"));
  out.lost_bytes = read.torn_bytes;
  out.columns = table::Profile(table::Schema(schema));
  for (std::size_t i = 0; i < columns.size(); ++i) out.columns.column(static_cast<int>(i)) = std::move(columns[i]);
  return out;
}

Result<WatchReport> Watch(const Call& call, const table::Profile& reference, const table::ColumnProfile& predictions,
                          const Window& window, const MonitorSpec& spec, const Kinds<DriftTest>& kinds) {
  if (spec.drift.test != "auto") TENON_TRY(kinds.Find(spec.drift.test), "monitor.drift.test");
  WatchReport out;
  out.from = window.from;
  out.until = window.until;
  out.lost_bytes = window.lost_bytes;
  out.reference_rows = reference.rows();
  out.rows = window.rows;
  out.models = window.models;
  out.enough = window.rows >= spec.least_rows;
  if (!out.enough) return out;
  std::vector<Planned> plans;
  std::size_t tests = 0;
  for (const table::ColumnProfile& column : reference.columns()) {
    const table::Type type = column.field().type;
    if (type == table::Type::kTimestamp || type == table::Type::kEmbedding) continue;  // time moves on by itself
    if (std::ranges::find(spec.drift.ignore, column.field().name) != spec.drift.ignore.end()) continue;
    plans.push_back({&column, window.columns.Find(column.field().name), TestsFor(column, spec, kinds)});
    tests += plans.back().tests.size();
  }
  plans.push_back({&predictions, &window.predictions, TestsFor(predictions, spec, kinds)});
  tests += plans.back().tests.size();
  const double alpha = spec.drift.alpha / static_cast<double>(std::max<std::size_t>(1, tests));
  for (std::size_t i = 0; i < plans.size(); ++i) {
    TENON_TRY(call.Check());
    call.Report("comparing columns", static_cast<double>(i) / static_cast<double>(plans.size()));
    TENON_ASSIGN(ColumnVerdict verdict, Judge(plans[i], spec, alpha, kinds));
    if (i + 1 == plans.size()) {
      out.prediction = std::move(verdict);
    } else {
      out.columns.push_back(std::move(verdict));
    }
  }
  std::ranges::sort(out.columns, [](const ColumnVerdict& a, const ColumnVerdict& b) {
    if (a.drifted != b.drifted) return a.drifted;
    if (a.drifted && a.strength != b.strength) return a.strength > b.strength;
    return a.column < b.column;
  });
  return out;
}

}  // namespace tenon::monitor
