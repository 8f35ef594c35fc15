// The report as JSON and back: docs/formats/evaluation_report.md.

#include <cmath>

#include "base/text.h"
#include "evaluate/evaluate.h"

namespace tenon::evaluate {
namespace {

using Report = EvaluationReport;

Json JsonOf(const Estimate& estimate) {
  Json out;
  out["value"] = estimate.value;
  out["low"] = estimate.low;
  out["high"] = estimate.high;
  return out;
}

template <typename T>
Json JsonOf(const std::vector<std::pair<std::string, T>>& named) {
  Json out = Json::MakeObject();
  for (const auto& [name, value] : named) {
    if constexpr (std::is_same_v<T, double>) {
      out[name] = value;
    } else {
      out[name] = JsonOf(value);
    }
  }
  return out;
}

// Rows of numbers are lists: short, and read back in one way.
Json JsonOf(const std::vector<Report::Point>& points) {
  Json out = Json::MakeArray();
  for (const auto& point : points) out.Push(Json(Json::Array{point.x, point.y, point.threshold}));
  return out;
}

Json JsonOf(const Report::Group& group) {
  Json out;
  out["column"] = group.column;
  out["value"] = group.value;
  out["rows"] = group.rows;
  out["selection_rate"] = group.selection_rate;
  out["true_positive_rate"] = group.true_positive_rate;
  out["false_positive_rate"] = group.false_positive_rate;
  return out;
}

// Reads members that may be missing (they stay as they are) but not of another kind.
class Reader {
 public:
  Reader(const Json& json, std::string path) : json_(json), path_(std::move(path)) {}

  Result<void> Number(std::string_view key, double* out) const {
    const Json* at = json_.Find(key);
    return at == nullptr ? Result<void>() : NumberFrom(*at, key, out);
  }
  Result<void> Count(std::string_view key, std::int64_t* out) const {
    const Json* at = json_.Find(key);
    if (at == nullptr) return {};
    if (!at->is_int()) return Wrong(key, "a whole number", *at);
    *out = at->Int();
    return {};
  }
  Result<void> Text(std::string_view key, std::string* out) const {
    const Json* at = json_.Find(key);
    if (at == nullptr) return {};
    if (!at->is_string()) return Wrong(key, "a string", *at);
    *out = at->String();
    return {};
  }
  Result<void> Numbers(std::string_view key, std::vector<double>* out) const {
    return Each(key, [&](const Json& item) -> Result<void> {
      out->emplace_back();
      return NumberFrom(item, key, &out->back());
    });
  }
  // Lists of `size` numbers each.
  Result<void> Lists(std::string_view key, std::size_t size, std::vector<std::vector<double>>* out) const {
    return Each(key, [&](const Json& item) -> Result<void> {
      std::vector<double> row;
      if (!item.is_array() || (size != 0 && item.array().size() != size)) return Wrong(key, "lists of numbers", item);
      for (const Json& number : item.array()) {
        row.emplace_back();
        TENON_TRY(NumberFrom(number, key, &row.back()));
      }
      out->push_back(std::move(row));
      return {};
    });
  }
  Result<void> Points(std::string_view key, std::vector<Report::Point>* out) const {
    std::vector<std::vector<double>> rows;
    TENON_TRY(Lists(key, 3, &rows));
    for (const auto& row : rows) out->push_back({row[0], row[1], row[2]});
    return {};
  }
  Result<void> NamedNumbers(std::string_view key, std::vector<std::pair<std::string, double>>* out) const {
    const Json* at = json_.Find(key);
    if (at == nullptr) return {};
    if (!at->is_object()) return Wrong(key, "an object", *at);
    for (const auto& [name, value] : at->object()) {
      out->emplace_back(name, 0.0);
      TENON_TRY(NumberFrom(value, name, &out->back().second));
    }
    return {};
  }
  Result<void> ReadEstimate(std::string_view key, Estimate* out) const {
    const Json* at = json_.Find(key);
    if (at == nullptr) return {};
    if (!at->is_object()) return Wrong(key, "an object with value, low and high", *at);
    const Reader inner(*at, Str(path_, ".", key));
    TENON_TRY(inner.Number("value", &out->value));
    TENON_TRY(inner.Number("low", &out->low));
    return inner.Number("high", &out->high);
  }
  // `plain`: a plain number is taken for an estimate whose interval is not known.
  Result<void> NamedEstimates(std::string_view key, bool plain, std::vector<std::pair<std::string, Estimate>>* out) const {
    const Json* at = json_.Find(key);
    if (at == nullptr) return {};
    if (!at->is_object()) return Wrong(key, "an object", *at);
    const Reader inner(*at, Str(path_, ".", key));
    for (const auto& [name, value] : at->object()) {
      Estimate& estimate = out->emplace_back(name, Estimate{}).second;
      if (!plain || value.is_object()) {
        TENON_TRY(inner.ReadEstimate(name, &estimate));
      } else {
        TENON_TRY(NumberFrom(value, name, &estimate.value));
        estimate.low = estimate.high = std::nan("");
      }
    }
    return {};
  }
  // Runs `read` on each item of a list of anything.
  template <typename Read>
  Result<void> Each(std::string_view key, Read read) const {
    const Json* at = json_.Find(key);
    if (at == nullptr) return {};
    if (!at->is_array()) return Wrong(key, "a list", *at);
    for (const Json& item : at->array()) TENON_TRY(read(item));
    return {};
  }
  // The same of objects, as Readers.
  template <typename Read>
  Result<void> EachObject(std::string_view key, Read read) const {
    return Each(key, [&](const Json& item) -> Result<void> {
      if (!item.is_object()) return Wrong(key, "a list of objects", item);
      return read(Reader(item, Str(path_, ".", key)));
    });
  }
  const Json& json() const { return json_; }

 private:
  Result<void> NumberFrom(const Json& at, std::string_view key, double* out) const {
    const bool special = at.is_string() && (at.String() == "NaN" || at.String() == "Infinity" || at.String() == "-Infinity");
    if (!at.is_number() && !special) return Wrong(key, "a number", at);
    *out = at.Number();
    return {};
  }
  Error Wrong(std::string_view key, std::string_view expected, const Json& got) const {
    return Error(Code::kInvalidArgument, Str(path_, ".", key, ": expected ", expected, ", got ", got.KindName()));
  }
  const Json& json_;
  std::string path_;
};

Result<void> ReadJudgements(const Reader& reader, Report* report) {
  TENON_TRY(reader.NamedEstimates("metrics", false, &report->metrics));
  if (reader.json().Find("unexplained") != nullptr) TENON_TRY(reader.Number("unexplained", &report->unexplained.emplace()));
  if (reader.json().Find("cost_per_1000") != nullptr) {
    TENON_TRY(reader.ReadEstimate("cost_per_1000", &report->cost_per_1000.emplace()));
  }
  TENON_TRY(reader.Number("constant_cost_per_1000", &report->constant_cost_per_1000));
  if (reader.json().Find("cost_saving_per_1000") != nullptr) {
    TENON_TRY(reader.ReadEstimate("cost_saving_per_1000", &report->cost_saving_per_1000.emplace()));
  }
  return reader.EachObject("lifts", [&](const Reader& item) -> Result<void> {
    Report::Lift lift;
    TENON_TRY(item.Text("metric", &lift.metric));
    TENON_TRY(item.Text("over", &lift.over));
    TENON_TRY(item.ReadEstimate("gain", &lift.gain));
    report->lifts.push_back(std::move(lift));
    return {};
  });
}

Result<void> ReadPictures(const Reader& reader, Report* report) {
  TENON_TRY(reader.Lists("confusion", 0, &report->confusion));
  TENON_TRY(reader.Points("roc", &report->roc));
  TENON_TRY(reader.Points("precision_recall", &report->precision_recall));
  std::vector<std::vector<double>> bins;
  TENON_TRY(reader.Lists("calibration", 3, &bins));
  for (const auto& bin : bins) report->calibration.push_back({bin[0], bin[1], bin[2]});
  TENON_TRY(reader.Lists("score_histogram", 0, &report->score_histogram));
  TENON_TRY(reader.Numbers("residual_quantiles", &report->residual_quantiles));
  return reader.Points("predicted_actual", &report->predicted_actual);
}

Result<void> ReadParts(const Reader& reader, Report* report) {
  const auto slice_of = [&](const Reader& item) -> Result<void> {
    Report::Slice slice{"", 0, {}};
    TENON_TRY(item.Text("name", &slice.name));
    TENON_TRY(item.Count("rows", &slice.rows));
    TENON_TRY(item.NamedEstimates("metrics", true, &slice.metrics));
    report->slices.push_back(std::move(slice));
    return {};
  };
  TENON_TRY(reader.EachObject("slices", slice_of));
  const auto group_of = [&](const Reader& item) -> Result<void> {
    Report::Group group{"", "", 0, 0, 0, 0};
    TENON_TRY(item.Text("column", &group.column));
    TENON_TRY(item.Text("value", &group.value));
    TENON_TRY(item.Count("rows", &group.rows));
    TENON_TRY(item.Number("selection_rate", &group.selection_rate));
    TENON_TRY(item.Number("true_positive_rate", &group.true_positive_rate));
    TENON_TRY(item.Number("false_positive_rate", &group.false_positive_rate));
    report->groups.push_back(std::move(group));
    return {};
  };
  TENON_TRY(reader.EachObject("groups", group_of));
  TENON_TRY(reader.NamedNumbers("gaps", &report->gaps));
  return reader.EachObject("importances", [&](const Reader& item) -> Result<void> {
    Report::Importance importance{"", 0, {}, {}};
    TENON_TRY(item.Text("feature", &importance.feature));
    TENON_TRY(item.Number("mean_absolute", &importance.mean_absolute));
    TENON_TRY(item.Numbers("sample_values", &importance.sample_values));
    TENON_TRY(item.Numbers("sample_contributions", &importance.sample_contributions));
    report->importances.push_back(std::move(importance));
    return {};
  });
}

Json PartsOf(const Report& report, Json out) {
  out["slices"] = Json::MakeArray();
  for (const auto& slice : report.slices) {
    Json item;
    item["name"] = slice.name;
    item["rows"] = slice.rows;
    item["metrics"] = JsonOf(slice.metrics);
    out["slices"].Push(std::move(item));
  }
  out["groups"] = Json::MakeArray();
  for (const auto& group : report.groups) out["groups"].Push(JsonOf(group));
  out["gaps"] = JsonOf(report.gaps);
  out["importances"] = Json::MakeArray();
  for (const auto& importance : report.importances) {
    Json item;
    item["feature"] = importance.feature;
    item["mean_absolute"] = importance.mean_absolute;
    item["sample_values"] = Json::ListOf(importance.sample_values);
    item["sample_contributions"] = Json::ListOf(importance.sample_contributions);
    out["importances"].Push(std::move(item));
  }
  return out;
}

}  // namespace

Json EvaluationReport::ToJson() const {
  Json out;
  out["version"] = 1;
  out["task"] = NameOf(task);
  out["subject"] = subject;
  out["rows"] = rows;
  out["classes"] = Json::ListOf(classes);
  out["class_counts"] = Json::ListOf(class_counts);
  out["metrics"] = JsonOf(metrics);
  out["threshold"] = threshold;
  if (unexplained) out["unexplained"] = *unexplained;
  if (cost_per_1000) out["cost_per_1000"] = JsonOf(*cost_per_1000);
  out["constant_cost_per_1000"] = constant_cost_per_1000;
  if (cost_saving_per_1000) out["cost_saving_per_1000"] = JsonOf(*cost_saving_per_1000);
  out["lifts"] = Json::MakeArray();
  for (const Lift& lift : lifts) {
    Json item;
    item["metric"] = lift.metric;
    item["over"] = lift.over;
    item["gain"] = JsonOf(lift.gain);
    out["lifts"].Push(std::move(item));
  }
  out["confusion"] = Json::MakeArray();
  for (const auto& row : confusion) out["confusion"].Push(Json::ListOf(row));
  out["roc"] = JsonOf(roc);
  out["precision_recall"] = JsonOf(precision_recall);
  out["calibration"] = Json::MakeArray();
  for (const Calibrated& bin : calibration) out["calibration"].Push(Json(Json::Array{bin.predicted, bin.observed, bin.rows}));
  out["score_histogram"] = Json::MakeArray();
  for (const auto& row : score_histogram) out["score_histogram"].Push(Json::ListOf(row));
  out["residual_quantiles"] = Json::ListOf(residual_quantiles);
  out["predicted_actual"] = JsonOf(predicted_actual);
  return PartsOf(*this, std::move(out));
}

Result<EvaluationReport> EvaluationReport::FromJson(const Json& json) {
  if (!json.is_object()) {
    return Error(Code::kInvalidArgument, Str("report: expected an object, got ", json.KindName()));
  }
  if (const std::int64_t version = json.IntAt("version", 1); version != 1) {
    return Error(Code::kFailedPrecondition, Str("report: version ", version, " is newer than this program, which reads 1"));
  }
  const Reader reader(json, "report");
  EvaluationReport report;
  TENON_ASSIGN(report.task, model::TaskNamed(json.StringAt("task")), "report.task");
  TENON_TRY(reader.Text("subject", &report.subject));
  TENON_TRY(reader.Count("rows", &report.rows));
  const auto class_of = [&](const Json& item) -> Result<void> {
    if (!item.is_string()) return Error(Code::kInvalidArgument, "report.classes: expected a list of strings");
    report.classes.push_back(item.String());
    return {};
  };
  TENON_TRY(reader.Each("classes", class_of));
  TENON_TRY(reader.Numbers("class_counts", &report.class_counts));
  TENON_TRY(reader.Number("threshold", &report.threshold));
  TENON_TRY(ReadJudgements(reader, &report));
  TENON_TRY(ReadPictures(reader, &report));
  TENON_TRY(ReadParts(reader, &report));
  return report;
}

}  // namespace tenon::evaluate
