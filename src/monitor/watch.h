#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/call.h"
#include "monitor/drift_test.h"
#include "platform/files.h"
#include "table/profile.h"

namespace tenon::monitor {

// What the user wrote under `monitor:`.
struct MonitorSpec {
  std::string every = "10m";        // how often to look; a duration, or "never"
  std::string window = "1d";        // how far back a look reaches
  std::int64_t least_rows = 200;    // fewer rows in the window: no verdict
  struct Drift {
    std::string test = "auto";      // auto, or a kind of drift_tests/
    double alpha = 0.01;            // how often a look at unchanged data may report any drift at all
    std::optional<double> threshold;  // of tests that measure instead of testing; unset: their own
    Json with;                      // further settings of the named test
    std::vector<std::string> ignore;  // columns that are not watched
  };
  Drift drift;

  // Errors name the place; unknown keys and bad durations are invalid_argument.
  static Result<MonitorSpec> Parse(const Json& json, std::string_view file);
  Json ToJson() const;
  std::chrono::microseconds period() const;  // 0: never
  std::chrono::microseconds reach() const;
};

// What an endpoint was asked and answered between two times, as profiles.
struct Window {
  Micros from = 0;
  Micros until = 0;
  std::int64_t rows = 0;
  std::int64_t lost_bytes = 0;                 // cut off the ends of the log's segments by crashes
  std::map<std::string, std::int64_t> models;  // "fraud@7" -> answers
  table::Profile columns;
  table::ColumnProfile predictions;            // of binary and regression the value, else the largest probability
};

// Profiles the inference log (serve/inference_log.h). `model` ("fraud@7"): only its answers; empty: all. When the schema
// changed within the window, the latest one counts.
Result<Window> ReadWindow(const Call& call, platform::Files& files, const std::string& folder, std::string_view endpoint,
                          std::string_view model, Micros from, Micros until);

// One test of one column.
struct TestVerdict {
  std::string test;
  DriftVerdict verdict;
};

struct ColumnVerdict {
  std::string column;
  bool drifted = false;
  double strength = 0;                 // how far the strongest test is beyond its threshold: statistic / threshold
  std::string why;                     // of the strongest test
  std::vector<TestVerdict> tests;
  bool numeric = false;
  std::vector<table::Bin> reference;   // shares, for drawing: equal bins of numbers,
  std::vector<table::Bin> window;
  std::vector<std::string> values;     // or values of texts: reference[i].count is the share of values[i]
};

// The outcome of one look. A value type.
struct WatchReport {
  Micros from = 0;
  Micros until = 0;
  std::int64_t reference_rows = 0;
  std::int64_t rows = 0;
  std::int64_t lost_bytes = 0;         // of answers whose record a crash cut off
  std::map<std::string, std::int64_t> models;
  bool enough = false;                 // there were least_rows; otherwise no column is judged
  std::vector<ColumnVerdict> columns;  // the drifted ones first, strongest first; then by name
  ColumnVerdict prediction;
  bool drifted() const;                // any column, or the predictions
  std::vector<std::string> DriftedColumns() const;
  std::string Text() const;            // a few lines for people
  Json ToJson() const;
  std::string Html() const;            // a page that needs nothing else: verdicts, and both histograms of what drifted
};

// Takes what the values of sensitive columns are out of a report: drawings, examples. Statistics stay.
void HideValues(const std::vector<std::string>& masked, WatchReport* report);

// Compares a window with the reference a model was trained on. Timestamps, embeddings and ignored columns are passed
// over; a column that the window lacks counts as drifted. With `test: auto`: population_stability and
// kolmogorov_smirnov for numbers (chi_square when few-valued), chi_square and unseen_categories for texts, missing_rate
// for all. The alpha of each test is spec.drift.alpha divided by the number of tests (Bonferroni), so that many columns
// do not make false alarms. Cancelled between columns.
Result<WatchReport> Watch(const Call& call, const table::Profile& reference, const table::ColumnProfile& predictions,
                          const Window& window, const MonitorSpec& spec, const Kinds<DriftTest>& kinds);

}  // namespace tenon::monitor
