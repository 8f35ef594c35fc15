// The rules under `gates:`: reading them, and holding a report against them.

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include "base/text.h"
#include "registry/registry.h"

namespace tenon::registry {
namespace {

using evaluate::Estimate;
using evaluate::EvaluationReport;

constexpr std::array<std::string_view, 3> kFunctions = {"lift", "worst_slice", "gap"};
constexpr std::array<std::string_view, 5> kFacts = {"anomalies", "leakage", "latency_p99", "size_bytes", "unexplained"};

enum class Dimension : std::uint8_t { kNone, kSeconds, kBytes };

struct Unit {
  std::string_view name;
  double factor;
  Dimension dimension;
};
constexpr std::array<Unit, 9> kUnits = {{{"us", 1e-6, Dimension::kSeconds},
                                         {"ms", 1e-3, Dimension::kSeconds},
                                         {"s", 1, Dimension::kSeconds},
                                         {"%", 0.01, Dimension::kNone},
                                         {"B", 1, Dimension::kBytes},
                                         {"KB", 1e3, Dimension::kBytes},
                                         {"MB", 1e6, Dimension::kBytes},
                                         {"GB", 1e9, Dimension::kBytes},
                                         {"MiB", 1048576, Dimension::kBytes}}};

// What is measured: a metric, a fact, or a function of a metric.
struct Subject {
  std::string function;  // "", "lift", "worst_slice", "gap"
  std::string name;      // of the metric, or the subject itself
  std::string over;      // of lifts
  std::string bound;     // "", "low", "high"

  std::string ToString() const {
    std::string out = function.empty() ? name : Str(function, '(', name, over.empty() ? "" : ", over: " + over, ')');
    return bound.empty() ? out : Str(out, '.', bound);
  }
  Dimension dimension() const {
    if (!function.empty()) return Dimension::kNone;
    return name == "latency_p99" ? Dimension::kSeconds : name == "size_bytes" ? Dimension::kBytes : Dimension::kNone;
  }
};

// `number`, or the champion's value of `champion` plus `number`.
struct Rule {
  Subject subject;
  std::string op;
  bool has_champion = false;
  Subject champion;
  double number = 0;
  std::size_t limit_at = 0;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Rule> Parse() {
    Rule rule;
    TENON_ASSIGN(rule.subject, ReadSubject());
    TENON_TRY(ReadOp(&rule));
    Skip();
    rule.limit_at = at_;
    if (text_.substr(at_).starts_with("champion.")) {
      at_ += std::string_view("champion.").size();
      rule.has_champion = true;
      TENON_ASSIGN(rule.champion, ReadSubject());
      if (rule.champion.dimension() != rule.subject.dimension()) {
        return Wrong(rule.limit_at, Str(rule.subject.ToString(), " cannot be compared with ", rule.champion.ToString()));
      }
      Skip();
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) {
        const double sign = text_[at_++] == '-' ? -1 : 1;
        TENON_ASSIGN(const double number, ReadNumber(rule.subject));
        rule.number = sign * number;
      }
    } else {
      TENON_ASSIGN(rule.number, ReadNumber(rule.subject));
    }
    Skip();
    if (at_ < text_.size()) return Wrong(at_, "nothing more is expected here");
    return rule;
  }

 private:
  Error Wrong(std::size_t at, std::string what) const {
    return Error(Code::kInvalidArgument, Str("gate: ", what, "\n  ", text_, "\n  ", std::string(at, ' '), "^"));
  }

  void Skip() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool Take(char c) {
    Skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string_view Word() {
    Skip();
    const std::size_t from = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_')) ++at_;
    return text_.substr(from, at_ - from);
  }

  Result<Subject> ReadSubject() {
    Subject subject;
    Skip();
    const std::size_t from = at_;
    const std::string_view word = Word();
    if (word.empty() || std::isdigit(static_cast<unsigned char>(word.front())) != 0) {
      return Wrong(from, "expected what to measure, such as roc_auc or lift(roc_auc, over: baseline)");
    }
    if (Take('(')) {
      if (std::find(kFunctions.begin(), kFunctions.end(), word) == kFunctions.end()) {
        const std::vector<std::string> known(kFunctions.begin(), kFunctions.end());
        return Wrong(from, Str("no function '", word, "'", DidYouMean(word, known)));
      }
      subject.function = word;
      TENON_TRY(ReadArguments(&subject));
    } else {
      subject.name = word;
      if (subject.name == "lift" || subject.name == "gap" || subject.name == "worst_slice") {
        return Wrong(from, Str(word, " needs a metric in brackets: ", word, subject.name == "lift" ? "(roc_auc, over: baseline)"
                                                                         : subject.name == "gap" ? "(equal_opportunity)"
                                                                                                 : "(recall)"));
      }
    }
    if (at_ < text_.size() && text_[at_] == '.') {
      const std::size_t place = ++at_;
      subject.bound = Word();
      if (subject.bound != "low" && subject.bound != "high") return Wrong(place, "expected .low or .high");
      if (subject.function == "gap" || subject.function == "worst_slice" || IsFact(subject.name)) {
        return Wrong(place, Str("only metrics, costs and lifts have a confidence interval"));
      }
    }
    return subject;
  }

  static bool IsFact(std::string_view name) { return std::find(kFacts.begin(), kFacts.end(), name) != kFacts.end(); }

  // The metric, the column of a gap after a colon, and what a lift is over.
  Result<void> ReadArguments(Subject* subject) {
    Skip();
    const std::size_t from = at_;
    subject->name = Word();
    if (subject->name.empty()) return Wrong(from, Str("expected the name of a metric in ", subject->function, "(...)"));
    if (subject->function == "gap" && Take(':')) {
      Skip();
      const std::size_t column = at_;
      at_ = std::min(text_.find(')', at_), text_.size());
      subject->name += Str(':', Trim(text_.substr(column, at_ - column)));
    }
    if (subject->function == "lift") {
      if (!Take(',')) return Wrong(at_, "expected ', over: baseline' or ', over: champion'");
      Skip();
      const std::size_t key = at_;
      if (Word() != "over" || !Take(':')) return Wrong(key, "expected 'over: baseline' or 'over: champion'");
      Skip();
      const std::size_t place = at_;
      subject->over = Word();
      if (subject->over != "baseline" && subject->over != "champion") {
        return Wrong(place, Str("a lift is over baseline or champion, not '", subject->over, "'"));
      }
    }
    if (!Take(')')) return Wrong(at_, "expected ')'");
    return {};
  }

  Result<void> ReadOp(Rule* rule) {
    Skip();
    for (const std::string_view op : {">=", "<=", "==", ">", "<"}) {
      if (!text_.substr(at_).starts_with(op)) continue;
      rule->op = op;
      at_ += op.size();
      return {};
    }
    return Wrong(at_, "expected one of > >= < <= ==");
  }

  Result<double> ReadNumber(const Subject& subject) {
    Skip();
    const std::size_t from = at_;
    const std::size_t sign = at_ < text_.size() && text_[at_] == '-' ? 1 : 0;
    std::size_t end = text_.find_first_not_of("0123456789.", from + sign);
    end = std::min(end, text_.size());
    if (end < text_.size() && end > from + sign && (text_[end] == 'e' || text_[end] == 'E')) {
      end = std::min(text_.find_first_not_of("0123456789", text_.find_first_of("+-", end) == end + 1 ? end + 2 : end + 1),
                     text_.size());
    }
    double number = 0;
    if (!ParseDouble(text_.substr(from, end - from), &number)) {
      return Wrong(from, "expected a number, such as 0.05, 3 %, 5ms or 25MB, or champion.<metric>");
    }
    at_ = end;
    Skip();
    const std::size_t place = at_;
    while (at_ < text_.size() && (std::isalpha(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '%')) ++at_;
    const std::string_view name = text_.substr(place, at_ - place);
    if (name.empty()) return number;
    for (const Unit& unit : kUnits) {
      if (unit.name != name) continue;
      if (unit.dimension == subject.dimension()) return Scaled(number, unit);
      return Wrong(place, Str(subject.ToString(), " is not measured in ", name, "; write it in ", UnitsOf(subject.dimension())));
    }
    return Wrong(place, Str("no unit '", name, "'; write it in ", UnitsOf(subject.dimension())));
  }

  // 5 ms is the double nearest to 0.005, as if it had been written so.
  static double Scaled(double number, const Unit& unit) {
    return unit.factor < 1 ? number / std::round(1 / unit.factor) : number * unit.factor;
  }

  static std::string_view UnitsOf(Dimension dimension) {
    switch (dimension) {
      case Dimension::kSeconds: return "us, ms or s";
      case Dimension::kBytes: return "B, KB, MB, MiB or GB";
      default: return "% or nothing";
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// How a value reads: 3.1 ms, 25.2 MB, 0.83.
std::string Shown(Dimension dimension, double value, bool exact) {
  const auto text = [&](double number) { return exact ? FormatDouble(number) : FormatShort(number); };
  if (dimension == Dimension::kSeconds) return value < 1 ? text(value * 1e3) + " ms" : text(value) + " s";
  if (dimension == Dimension::kBytes) return value < 1e6 ? text(value / 1e3) + " KB" : text(value / 1e6) + " MB";
  return text(value);
}

bool Holds(double value, std::string_view op, double limit) {
  if (op == ">") return value > limit;
  if (op == ">=") return value >= limit;
  if (op == "<") return value < limit;
  if (op == "<=") return value <= limit;
  return value == limit;
}

std::string_view WordsOf(std::string_view op) {
  if (op == ">") return "above";
  if (op == ">=") return "at least";
  if (op == "<") return "below";
  if (op == "<=") return "at most";
  return "equal to";
}

Error Unknown(const Subject& subject, std::string why) {
  return Error(Code::kInvalidArgument, Str("gate: ", subject.ToString(), " cannot be had: ", why));
}

double BoundOf(const Estimate& estimate, std::string_view bound) {
  return bound == "low" ? estimate.low : bound == "high" ? estimate.high : estimate.value;
}

template <typename Pairs>
std::vector<std::string> NamesOf(const Pairs& pairs) {
  std::vector<std::string> names;
  for (const auto& [name, value] : pairs) names.push_back(name);
  return names;
}

// The slice that is nearest to breaking the rule: the least value where it must be high, the greatest where low.
Result<double> WorstSlice(const Subject& subject, std::string_view op, const EvaluationReport& report) {
  if (report.slices.empty()) return Unknown(subject, "the report has no slices; name some under evaluate: slices:");
  const bool least = op == ">" || op == ">=";
  double worst = std::nan("");
  std::vector<std::string> known;
  for (const EvaluationReport::Slice& slice : report.slices) {
    for (const auto& [name, estimate] : slice.metrics) {
      const double value = estimate.value;
      if (std::find(known.begin(), known.end(), name) == known.end()) known.push_back(name);
      if (name != subject.name || std::isnan(value)) continue;
      if (std::isnan(worst) || (least ? value < worst : value > worst)) worst = value;
    }
  }
  if (std::find(known.begin(), known.end(), subject.name) == known.end()) {
    return Unknown(subject, Str("slices have no metric '", subject.name, "'", DidYouMean(subject.name, known)));
  }
  return worst;
}

// gap(name:column), or the largest over the columns.
Result<double> Gap(const Subject& subject, const EvaluationReport& report) {
  if (report.gaps.empty()) return Unknown(subject, "the report compares no groups; name columns under evaluate: fairness:");
  double worst = std::nan("");
  bool found = false;
  std::vector<std::string> known;
  for (const auto& [name, value] : report.gaps) {
    const std::string measure = name.substr(0, name.find(':'));
    if (std::find(known.begin(), known.end(), measure) == known.end()) known.push_back(measure);
    if (name != subject.name && measure != subject.name) continue;
    found = true;
    if (!std::isnan(value) && (std::isnan(worst) || value > worst)) worst = value;
  }
  if (found) return worst;
  if (subject.name.find(':') != std::string::npos) known = NamesOf(report.gaps);
  return Unknown(subject, Str("no gap '", subject.name, "'", DidYouMean(subject.name, known)));
}

Result<double> ValueOf(const Subject& subject, std::string_view op, const EvaluationReport& report, const Json* facts) {
  if (subject.function == "worst_slice") return WorstSlice(subject, op, report);
  if (subject.function == "gap") return Gap(subject, report);
  if (subject.function == "lift") {
    for (const EvaluationReport::Lift& lift : report.lifts) {
      if (lift.metric == subject.name && lift.over == subject.over) return BoundOf(lift.gain, subject.bound);
    }
    std::vector<std::string> known;
    for (const EvaluationReport::Lift& lift : report.lifts) known.push_back(Str(lift.metric, " over ", lift.over));
    return Unknown(subject, Str("the report has no such lift", known.empty() ? "" : "; there are: " + Join(known, ", ")));
  }
  if (std::find(kFacts.begin(), kFacts.end(), subject.name) != kFacts.end()) {
    const Json* fact = facts == nullptr ? nullptr : facts->Find(subject.name);
    if (fact == nullptr || !fact->is_number()) return Unknown(subject, "it was not measured");
    return fact->Number();
  }
  if (subject.name == "cost_per_1000" || subject.name == "cost_saving_per_1000") {
    const auto& estimate = subject.name == "cost_per_1000" ? report.cost_per_1000 : report.cost_saving_per_1000;
    if (!estimate) return Unknown(subject, "the costs of mistakes are not known; write them under problem: costs:");
    return BoundOf(*estimate, subject.bound);
  }
  if (const Estimate* estimate = report.Find(subject.name); estimate != nullptr) return BoundOf(*estimate, subject.bound);
  std::vector<std::string> known = NamesOf(report.metrics);
  if (report.cost_per_1000) known.insert(known.end(), {"cost_per_1000", "cost_saving_per_1000"});
  known.insert(known.end(), kFacts.begin(), kFacts.end());
  return Unknown(subject, Str("the report has no metric '", subject.name, "'", DidYouMean(subject.name, known)));
}

std::string Explain(const Rule& rule, double value, double limit, bool passed) {
  if (std::isnan(value)) return "it is undefined on these rows";
  if (std::isnan(limit)) return "the champion's is undefined";
  const Dimension dimension = rule.subject.dimension();
  std::string left = Shown(dimension, value, false);
  std::string right = Shown(dimension, limit, false);
  if (left == right && value != limit) {
    left = Shown(dimension, value, true);
    right = Shown(dimension, limit, true);
  }
  return Str(left, passed ? " is " : " is not ", WordsOf(rule.op), " ", right, rule.has_champion ? ", by the champion" : "");
}

}  // namespace

Result<Gate> Gate::Parse(std::string_view text) {
  const std::string_view trimmed = Trim(text);
  TENON_ASSIGN(const Rule rule, Parser(trimmed).Parse());
  return Gate{std::string(trimmed), rule.subject.ToString(), rule.op, std::string(Trim(trimmed.substr(rule.limit_at)))};
}

Json GateResult::ToJson() const {
  Json out;
  out["name"] = name;
  out["value"] = value;
  out["limit"] = limit;
  out["passed"] = passed;
  out["why"] = why;
  return out;
}

Result<std::vector<GateResult>> CheckGates(const std::vector<Gate>& gates, const EvaluationReport& report,
                                           const EvaluationReport* champion, const Json& facts) {
  std::vector<GateResult> results;
  for (std::size_t i = 0; i < gates.size(); ++i) {
    const Gate& gate = gates[i];
    const std::string at = Str("gates[", i, "]");
    TENON_ASSIGN(const Rule rule, Parser(gate.text).Parse(), at);
    GateResult result;
    result.name = gate.text;
    const bool lift_over_champion = rule.subject.over == "champion";
    if (champion == nullptr && (rule.has_champion || lift_over_champion)) {
      // The subject must still make sense, so that a typing error does not wait for the first champion.
      if (rule.has_champion) {
        TENON_ASSIGN(result.value, ValueOf(rule.subject, rule.op, report, &facts), at);
      }
      result.limit = std::nan("");
      result.passed = true;
      result.why = "there is no champion to compare with yet";
      results.push_back(std::move(result));
      continue;
    }
    TENON_ASSIGN(result.value, ValueOf(rule.subject, rule.op, report, &facts), at);
    result.limit = rule.number;
    if (rule.has_champion) {
      TENON_ASSIGN(const double base, ValueOf(rule.champion, rule.op, *champion, facts.Find("champion")), "the champion's");
      result.limit += base;
    }
    result.passed = Holds(result.value, rule.op, result.limit);
    result.why = Explain(rule, result.value, result.limit, result.passed);
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace tenon::registry
