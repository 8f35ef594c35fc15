#include "frame/problem.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "base/text.h"
#include "base/time.h"

namespace tenon::frame {
namespace {

constexpr std::size_t kMostClasses = 200;
constexpr std::size_t kMostNumericClasses = 20;

// "4 EUR" -> "4" and "EUR"; "0.8 * amount EUR" -> "0.8 * amount" and "EUR". A unit is a last word in capitals.
void TakeUnit(std::string* text, std::string* unit) {
  const std::size_t blank = text->rfind(' ');
  if (blank == std::string::npos) return;
  const std::string last = text->substr(blank + 1);
  const bool capitals = last.size() >= 2 && last.size() <= 4 &&
                        std::ranges::all_of(last, [](char c) { return c >= 'A' && c <= 'Z'; });
  if (!capitals) return;
  *unit = last;
  *text = std::string(Trim(std::string_view(*text).substr(0, blank)));
}

bool SaysYes(std::string_view value) {
  static constexpr std::array<std::string_view, 14> kYes = {"yes",  "true",    "1",    "1.0",   "y",     "t",    "positive",
                                                            "fraud", "default", "churn", "churned", "bad", "spam", ">50k"};
  const std::string lower = ToLower(Trim(value));
  return std::ranges::find(kYes, lower) != kYes.end();
}

struct Labels {
  std::map<std::string, std::int64_t> rows;
  std::int64_t missing = 0;
  bool whole = true;  // all numbers are whole
};

Labels CountLabels(const table::Column& label) {
  Labels out;
  for (std::int64_t i = 0; i < label.size(); ++i) {
    if (label.IsNull(i) || (label.type() == table::Type::kFloat64 && std::isnan(label.Number(i)))) {
      ++out.missing;
      continue;
    }
    if (label.type() == table::Type::kFloat64 && label.Number(i) != std::floor(label.Number(i))) out.whole = false;
    if (out.rows.size() <= kMostClasses) ++out.rows[ClassName(label, i)];
  }
  return out;
}

// Numbers by value, texts by letter.
void SortClasses(std::vector<std::string>* classes) {
  std::ranges::sort(*classes, [](const std::string& a, const std::string& b) {
    double x = 0;
    double y = 0;
    if (ParseDouble(a, &x) && ParseDouble(b, &y) && x != y) return x < y;
    return a < b;
  });
}

Result<void> SettlePositive(const ProblemSpec& spec, const Labels& labels, ProblemCard* card) {
  std::string positive = spec.positive;
  if (!positive.empty()) {
    const auto it = std::ranges::find(card->classes, positive);
    if (it == card->classes.end()) {
      return Error(Code::kInvalidArgument, Str("problem.label.positive: no row of '", spec.label, "' is '", positive, "'",
                                               DidYouMean(positive, card->classes)));
    }
  } else {
    const bool first = SaysYes(card->classes[0]);
    const bool second = SaysYes(card->classes[1]);
    if (first != second) {
      positive = card->classes[first ? 0 : 1];
      card->reasons.push_back(Str("'", positive, "' counts as the positive class, as it says yes"));
    } else {
      positive = labels.rows.at(card->classes[0]) < labels.rows.at(card->classes[1]) ? card->classes[0] : card->classes[1];
      card->reasons.push_back(Str("'", positive, "' counts as the positive class, as the rarer one; write "
                                  "problem.label.positive to choose"));
    }
  }
  if (card->classes[0] == positive) std::swap(card->classes[0], card->classes[1]);
  return {};
}

void SettleMetric(const ProblemSpec& spec, ProblemCard* card) {
  card->metric = spec.metric;
  if (spec.metric != "auto") return;
  if (card->task == "regression") {
    card->metric = "rmse";
  } else if (card->task == "multiclass") {
    card->metric = "log_loss";
    card->reasons.push_back("log_loss judges all classes' probabilities at once");
  } else {
    const double share = static_cast<double>(card->class_rows[1]) / static_cast<double>(std::max<std::int64_t>(1, card->rows));
    card->metric = share < 0.05 ? "average_precision" : "roc_auc";
    card->reasons.push_back(Str(FormatShort(100 * share, 3), " % of rows are positive: ", card->metric,
                                share < 0.05 ? " looks at the rare class only" : " does not depend on a threshold"));
  }
}

void Concerns(ProblemCard* card) {
  if (card->rows < 50) {
    card->suitable = false;
    card->concerns.push_back(Str("only ", card->rows, " labelled rows: a rule by people who know the matter will do better"));
  } else if (card->rows < 500) {
    card->concerns.push_back(Str("only ", card->rows, " labelled rows: expect wide confidence intervals"));
  }
  for (std::size_t i = 0; i < card->classes.size(); ++i) {
    if (card->class_rows[i] < 10) {
      card->concerns.push_back(Str("class '", card->classes[i], "' has ", card->class_rows[i], " rows: it can hardly be learnt"));
    }
  }
  if (card->unlabelled > 0) {
    card->concerns.push_back(Str(FormatCount(card->unlabelled), " rows have no label and are left out"));
  }
}

}  // namespace

Result<ProblemSpec> ProblemSpec::Parse(const Json& json, std::string_view file) {
  ProblemSpec spec;
  TENON_ASSIGN(Fields fields, Fields::Of(json, "problem", file));
  TENON_TRY(fields.Read("question", &spec.question));
  TENON_TRY(fields.Read("task", &spec.task));
  TENON_TRY(fields.Read("metric", &spec.metric));
  const Json* label = fields.Find("label");
  if (label == nullptr) return fields.Wrong("", "'label' must be set: the column to predict");
  if (label->is_object()) {
    TENON_ASSIGN(Fields of_label, Fields::Of(*label, "problem.label", file));
    TENON_TRY(of_label.Read("column", &spec.label));
    TENON_TRY(of_label.ReadScalar("positive", &spec.positive));
    TENON_TRY(of_label.Read("known_after", &spec.known_after));
    TENON_TRY(of_label.Done());
    if (spec.label.empty()) return of_label.Wrong("", "'column' must be set: the column to predict");
    if (!spec.known_after.empty()) TENON_TRY(ParseDuration(spec.known_after), "problem.label.known_after");
  } else {
    TENON_TRY(fields.ReadScalar("label", &spec.label));
  }
  if (const Json* costs = fields.Find("costs"); costs != nullptr) {
    TENON_ASSIGN(Fields of_costs, Fields::Of(*costs, "problem.costs", file));
    TENON_TRY(of_costs.ReadScalar("false_positive", &spec.false_positive));
    TENON_TRY(of_costs.ReadScalar("false_negative", &spec.false_negative));
    TENON_TRY(of_costs.Read("unit", &spec.cost_unit));
    TENON_TRY(of_costs.Done());
    if (spec.false_positive.empty() || spec.false_negative.empty()) {
      return fields.Wrong("costs", "both 'false_positive' and 'false_negative' must be set");
    }
    TakeUnit(&spec.false_positive, &spec.cost_unit);
    TakeUnit(&spec.false_negative, &spec.cost_unit);
  }
  if (const Json* baseline = fields.Find("baseline"); baseline != nullptr) {
    TENON_ASSIGN(Fields of_baseline, Fields::Of(*baseline, "problem.baseline", file));
    TENON_TRY(of_baseline.Read("rule", &spec.baseline_rule));
    TENON_TRY(of_baseline.Done());
  }
  if (const Json* constraints = fields.Find("constraints"); constraints != nullptr) {
    TENON_ASSIGN(Fields of_constraints, Fields::Of(*constraints, "problem.constraints", file));
    TENON_TRY(of_constraints.Read("latency_p99", &spec.latency_p99));
    TENON_TRY(of_constraints.Read("explainable", &spec.explainable));
    TENON_TRY(of_constraints.Done());
    if (!spec.latency_p99.empty()) TENON_TRY(ParseDuration(spec.latency_p99), "problem.constraints.latency_p99");
  }
  TENON_TRY(fields.Done());
  const std::vector<std::string> tasks = {"auto", "binary", "multiclass", "regression"};
  if (std::ranges::find(tasks, spec.task) == tasks.end()) {
    return fields.Wrong("task", Str("no task '", spec.task, "'", DidYouMean(spec.task, tasks)));
  }
  return spec;
}

Json ProblemSpec::ToJson() const {
  Json out;
  out["question"] = question;
  out["task"] = task;
  out["label"] = label;
  out["positive"] = positive;
  out["known_after"] = known_after;
  out["metric"] = metric;
  out["false_positive"] = false_positive;
  out["false_negative"] = false_negative;
  out["cost_unit"] = cost_unit;
  out["baseline_rule"] = baseline_rule;
  return out;
}

std::string ClassName(const table::Column& label, std::int64_t row) {
  if (label.type() == table::Type::kString) return std::string(label.Text(row));
  if (label.type() == table::Type::kBool) return label.Number(row) != 0 ? "true" : "false";
  const double value = label.Number(row);
  if (value == std::floor(value) && std::abs(value) < 1e15) return std::to_string(static_cast<std::int64_t>(value));
  return FormatDouble(value);
}

Result<ProblemCard> Frame(const Call& call, const ProblemSpec& spec, const table::Schema& schema,
                          const table::Column& label) {
  TENON_TRY(call.Check());
  TENON_ASSIGN(const int at, schema.At(spec.label), "problem.label");
  const table::Type type = schema[at].type;
  ProblemCard card;
  card.question = spec.question;
  card.label = spec.label;
  const Labels labels = CountLabels(label);
  card.unlabelled = labels.missing;
  card.rows = label.size() - labels.missing;
  if (card.rows == 0) return Error(Code::kInvalidArgument, Str("no row has a value of the label '", spec.label, "'"));
  const bool numeric = type == table::Type::kInt64 || type == table::Type::kFloat64;
  if (type == table::Type::kTimestamp || type == table::Type::kEmbedding) {
    return Error(Code::kInvalidArgument, Str("the label '", spec.label, "' is a ", NameOf(type), "; expected classes or numbers"));
  }
  card.task = spec.task;
  if (spec.task == "auto") {
    const std::size_t most = numeric ? kMostNumericClasses : kMostClasses;
    const bool classes = !(numeric && !labels.whole) && labels.rows.size() <= most;
    card.task = !classes ? "regression" : labels.rows.size() == 2 ? "binary" : "multiclass";
    card.reasons.push_back(classes ? Str("'", spec.label, "' has ", labels.rows.size(), " different values: ", card.task)
                                   : Str("'", spec.label, "' is a number with many values: regression"));
  }
  if (card.task == "regression") {
    if (!numeric) {
      return Error(Code::kInvalidArgument, Str("the label '", spec.label, "' holds texts such as '", labels.rows.begin()->first,
                                               "'; a regression needs numbers"));
    }
    if (labels.rows.size() == 1) {
      return Error(Code::kInvalidArgument, Str("the label '", spec.label, "' is always ", labels.rows.begin()->first,
                                               ": there is nothing to learn"));
    }
  } else {
    if (labels.rows.size() == 1) {
      return Error(Code::kInvalidArgument, Str("the label '", spec.label, "' has one class only, '", labels.rows.begin()->first,
                                               "': there is nothing to learn"));
    }
    if (labels.rows.size() > kMostClasses) {
      return Error(Code::kInvalidArgument, Str("the label '", spec.label, "' has more than ", kMostClasses,
                                               " different values; is it the right column?"));
    }
    if (card.task == "binary" && labels.rows.size() != 2) {
      return Error(Code::kInvalidArgument, Str("the label '", spec.label, "' has ", labels.rows.size(),
                                               " classes; task binary needs two (write task: multiclass)"));
    }
    for (const auto& [name, rows] : labels.rows) card.classes.push_back(name);
    SortClasses(&card.classes);
    if (card.classes.size() == 2) {
      card.task = "binary";
      TENON_TRY(SettlePositive(spec, labels, &card));
    }
    for (const std::string& name : card.classes) card.class_rows.push_back(labels.rows.at(name));
  }
  SettleMetric(spec, &card);
  Concerns(&card);
  return card;
}

std::vector<double> EncodeLabel(const ProblemCard& card, const table::Column& label) {
  std::vector<double> out(static_cast<std::size_t>(label.size()), std::nan(""));
  std::map<std::string, double, std::less<>> index;
  for (std::size_t i = 0; i < card.classes.size(); ++i) index[card.classes[i]] = static_cast<double>(i);
  for (std::int64_t i = 0; i < label.size(); ++i) {
    if (label.IsNull(i)) continue;
    if (card.task == "regression") {
      out[static_cast<std::size_t>(i)] = label.Number(i);
    } else if (const auto it = index.find(ClassName(label, i)); it != index.end()) {
      out[static_cast<std::size_t>(i)] = it->second;
    }
  }
  return out;
}

Json ProblemCard::ToJson() const {
  Json out;
  out["question"] = question;
  out["task"] = task;
  out["label"] = label;
  out["classes"] = Json::ListOf(classes);
  out["class_rows"] = Json::ListOf(class_rows);
  out["rows"] = rows;
  out["unlabelled"] = unlabelled;
  out["metric"] = metric;
  out["reasons"] = Json::ListOf(reasons);
  out["concerns"] = Json::ListOf(concerns);
  out["suitable"] = suitable;
  return out;
}

Result<ProblemCard> ProblemCard::FromJson(const Json& json) {
  ProblemCard card;
  TENON_ASSIGN(Fields fields, Fields::Of(json, "problem card"));
  TENON_TRY(fields.Read("question", &card.question));
  TENON_TRY(fields.Read("task", &card.task));
  TENON_TRY(fields.Read("label", &card.label));
  TENON_TRY(fields.Read("classes", &card.classes));
  if (const Json* rows = fields.Find("class_rows"); rows != nullptr) {
    const bool counts = rows->is_array() && std::ranges::all_of(rows->array(), [](const Json& count) { return count.is_int(); });
    if (!counts) return fields.Wrong("class_rows", "expected a list of whole numbers");
    for (const Json& count : rows->array()) card.class_rows.push_back(count.Int());
  }
  TENON_TRY(fields.Read("rows", &card.rows));
  TENON_TRY(fields.Read("unlabelled", &card.unlabelled));
  TENON_TRY(fields.Read("metric", &card.metric));
  TENON_TRY(fields.Read("reasons", &card.reasons));
  TENON_TRY(fields.Read("concerns", &card.concerns));
  TENON_TRY(fields.Read("suitable", &card.suitable));
  TENON_TRY(fields.Done());
  return card;
}

}  // namespace tenon::frame
