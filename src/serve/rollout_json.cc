// The chapter serve.rollout, and rollouts as records.

#include <algorithm>

#include "base/text.h"
#include "serve/rollout.h"

namespace tenon::serve {
namespace {

using Kind = RolloutStage::Kind;

Result<double> ShareFrom(const Json& value, Fields& fields, std::string_view key) {
  double share = -1;
  if (value.is_number()) {
    share = value.Number();
  } else if (value.is_string()) {
    std::string_view text = Trim(value.String());
    const bool percent = text.ends_with('%');
    if (percent) text = Trim(text.substr(0, text.size() - 1));
    if (!ParseDouble(text, &share)) share = -1;
    if (percent) share /= 100;
  }
  if (!(share > 0 && share <= 1)) return fields.Wrong(key, Str("expected a share such as 5 % or 0.05, got ", value.Dump()));
  return share;
}

Result<void> ReadShare(Fields& fields, std::string_view key, double* out) {
  const Json* given = fields.Find(key);
  if (given == nullptr || given->is_null()) return {};
  TENON_ASSIGN(*out, ShareFrom(*given, fields, key));
  return {};
}

Result<std::chrono::microseconds> TimeFrom(const Json& value, Fields& fields, std::string_view key) {
  if (value.is_int() && value.Int() == 0) return std::chrono::microseconds(0);
  if (!value.is_string()) return fields.Wrong(key, Str("expected a time such as 2h, got ", value.Dump()));
  auto time = ParseDuration(value.String());
  if (!time) return fields.Wrong(key, time.error().message());
  return *time;
}

Result<void> ReadTime(Fields& fields, std::string_view key, std::chrono::microseconds* out) {
  const Json* given = fields.Find(key);
  if (given == nullptr || given->is_null()) return {};
  TENON_ASSIGN(*out, TimeFrom(*given, fields, key));
  return {};
}

// shadow: 1d, or shadow: {share: 20 %, time: 1d}
Result<void> ReadShadow(Fields& fields, std::string_view file, std::vector<RolloutStage>* stages) {
  const Json* given = fields.Find("shadow");
  if (given == nullptr || given->is_null()) return {};
  RolloutStage stage{Kind::kShadow, 1, {}};
  if (given->is_object()) {
    TENON_ASSIGN(Fields inner, Fields::Of(*given, "serve.rollout.shadow", file));
    TENON_TRY(ReadShare(inner, "share", &stage.share));
    TENON_TRY(ReadTime(inner, "time", &stage.time));
    TENON_TRY(inner.Done());
  } else {
    TENON_ASSIGN(stage.time, TimeFrom(*given, fields, "shadow"));
  }
  stages->push_back(stage);
  return {};
}

Result<void> ReadStages(Fields& fields, std::string_view file, std::vector<RolloutStage>* stages) {
  bool dark = false;
  TENON_TRY(fields.Read("dark", &dark));
  if (dark) stages->push_back({Kind::kDark, 0, {}});
  TENON_TRY(ReadShadow(fields, file, stages));
  std::chrono::microseconds step = std::chrono::hours(1);
  TENON_TRY(ReadTime(fields, "step", &step));
  int live = 0;
  if (const Json* canary = fields.Find("canary"); canary != nullptr && !canary->is_null()) {
    ++live;
    const Json::Array list = canary->is_array() ? canary->array() : Json::Array{*canary};
    double before = 0;
    for (const Json& item : list) {
      TENON_ASSIGN(const double share, ShareFrom(item, fields, "canary"));
      if (share <= before) return fields.Wrong("canary", Str("shares grow from step to step; ", item.Dump(), " comes after ", Str(FormatShort(before * 100, 3), " %")));
      before = share;
      stages->push_back({Kind::kLive, share, step});
    }
  }
  if (const Json* ab = fields.Find("ab"); ab != nullptr && !ab->is_null()) {
    ++live;
    TENON_ASSIGN(const double share, ShareFrom(*ab, fields, "ab"));
    stages->push_back({Kind::kLive, share, step});
  }
  if (const Json* hold = fields.Find("blue_green"); hold != nullptr && !hold->is_null()) {
    ++live;
    TENON_ASSIGN(const std::chrono::microseconds time, TimeFrom(*hold, fields, "blue_green"));
    stages->push_back({Kind::kLive, 1, time});
  }
  if (live > 1) return fields.Wrong("", "canary, ab and blue_green exclude each other");
  if (stages->empty()) return fields.Wrong("", "say how: canary: [5 %, 25 %, 100 %], ab: 50 %, blue_green: 1h, shadow: 1d or dark: true");
  return {};
}

Json IntervalsOf(const std::vector<Interval>& intervals) {
  Json out = Json::MakeArray();
  for (const Interval& i : intervals) out.Push(Json::Array{Json(i.low), Json(i.high)});
  return out;
}

Criterion CriterionFrom(const Json& json) {
  Criterion out;
  out.name = json.StringAt("name");
  out.champion = json.NumberAt("champion");
  out.challenger = json.NumberAt("challenger");
  out.low = json.NumberAt("low");
  out.high = json.NumberAt("high");
  out.limit = json.NumberAt("limit");
  out.verdict = json.StringAt("verdict");
  out.why = json.StringAt("why");
  out.rolls_back = json.BoolAt("rolls_back");
  return out;
}

const Json::Array& ListAt(const Json& json, std::string_view key) {
  static const Json::Array none;
  const Json* at = json.Find(key);
  return at != nullptr && at->is_array() ? at->array() : none;
}

Json PassedToJson(const Rollout::Passed& passed) {
  Json out;
  out["since"] = passed.since;
  out["until"] = passed.until;
  out["champion"] = passed.evidence.champion.ToJson();
  out["challenger"] = passed.evidence.challenger.ToJson();
  out["criteria"] = Json::MakeArray();
  for (const Criterion& c : passed.criteria) out["criteria"].Push(c.ToJson());
  out["looks"] = Json::MakeArray();
  for (const auto& look : passed.looks) {
    Json row;
    row["at"] = look.at;
    row["champion"] = look.champion;
    row["challenger"] = look.challenger;
    row["intervals"] = IntervalsOf(look.intervals);
    out["looks"].Push(std::move(row));
  }
  return out;
}

Result<Rollout::Passed> PassedFrom(const Json& json) {
  Rollout::Passed out;
  out.since = json.IntAt("since");
  out.until = json.IntAt("until");
  const Json* champion = json.Find("champion");
  const Json* challenger = json.Find("challenger");
  if (champion == nullptr || challenger == nullptr) return Error(Code::kDataLoss, "a stage of a rollout lacks its evidence");
  TENON_ASSIGN(out.evidence.champion, ArmEvidence::FromJson(*champion));
  TENON_ASSIGN(out.evidence.challenger, ArmEvidence::FromJson(*challenger));
  for (const Json& c : ListAt(json, "criteria")) out.criteria.push_back(CriterionFrom(c));
  for (const Json& row : ListAt(json, "looks")) {
    Rollout::Passed::Look look{row.IntAt("at"), row.IntAt("champion"), row.IntAt("challenger"), {}};
    for (const Json& pair : ListAt(row, "intervals")) {
      if (pair.is_array() && pair.array().size() == 2) look.intervals.push_back({pair.array()[0].Number(), pair.array()[1].Number()});
    }
    out.looks.push_back(std::move(look));
  }
  return out;
}

}  // namespace

Result<RolloutSpec> RolloutSpec::Parse(const Json& json, std::string_view file) {
  RolloutSpec spec;
  TENON_ASSIGN(Fields fields, Fields::Of(json, "serve.rollout", file));
  TENON_TRY(ReadStages(fields, file, &spec.stages));
  TENON_TRY(fields.Read("sticky", &spec.sticky));
  TENON_TRY(fields.Read("roll_back_on", &spec.roll_back_on));
  TENON_TRY(fields.Read("promote", &spec.promote));
  TENON_TRY(fields.Read("alpha", &spec.alpha));
  TENON_TRY(fields.Read("least", &spec.least));
  TENON_TRY(ReadShare(fields, "error_tolerance", &spec.error_tolerance));
  TENON_TRY(ReadShare(fields, "latency_quantile", &spec.latency_quantile));
  TENON_TRY(ReadShare(fields, "latency_tolerance", &spec.latency_tolerance));
  TENON_TRY(ReadTime(fields, "latency_floor", &spec.latency_floor));
  TENON_TRY(ReadShare(fields, "difference_tolerance", &spec.difference_tolerance));
  TENON_TRY(ReadShare(fields, "quality_tolerance", &spec.quality_tolerance));
  TENON_TRY(fields.Read("cost_tolerance", &spec.cost_tolerance));
  for (const std::string& name : spec.roll_back_on) {
    if (std::ranges::find(RolloutCriteria(), name) == RolloutCriteria().end()) {
      return fields.Wrong("roll_back_on", Str("no criterion '", name, "'", DidYouMean(name, RolloutCriteria())));
    }
  }
  if (spec.promote != "auto" && spec.promote != "better" && spec.promote != "manual") {
    return fields.Wrong("promote", Str("expected auto, better or manual, got '", spec.promote, "'"));
  }
  if (!(spec.alpha > 0 && spec.alpha <= 0.5)) return fields.Wrong("alpha", Str("expected a chance above 0 and at most 0.5, got ", spec.alpha));
  if (spec.least < 1) return fields.Wrong("least", Str("expected at least 1 answer, got ", spec.least));
  if (spec.cost_tolerance < 0) return fields.Wrong("cost_tolerance", Str("expected 0 or more, got ", spec.cost_tolerance));
  TENON_TRY(fields.Done());
  return spec;
}

Json RolloutSpec::ToJson() const {
  Json out;
  out["stages"] = Json::MakeArray();
  for (const RolloutStage& stage : stages) {
    Json row;
    row["kind"] = NameOf(stage.kind);
    row["share"] = stage.share;
    row["time_us"] = stage.time.count();
    out["stages"].Push(std::move(row));
  }
  out["sticky"] = sticky;
  out["roll_back_on"] = Json::ListOf(roll_back_on);
  out["promote"] = promote;
  out["alpha"] = alpha;
  out["alpha_each"] = AlphaOf();
  out["least"] = least;
  out["error_tolerance"] = error_tolerance;
  out["latency_quantile"] = latency_quantile;
  out["latency_tolerance"] = latency_tolerance;
  out["latency_floor_us"] = latency_floor.count();
  out["difference_tolerance"] = difference_tolerance;
  out["quality_tolerance"] = quality_tolerance;
  out["false_positive_cost"] = false_positive_cost;
  out["false_negative_cost"] = false_negative_cost;
  out["cost_tolerance"] = cost_tolerance;
  return out;
}

Result<RolloutSpec> RolloutSpec::FromJson(const Json& json) {
  RolloutSpec spec;
  for (const Json& row : ListAt(json, "stages")) {
    const std::string kind = row.StringAt("kind");
    if (kind != "dark" && kind != "shadow" && kind != "live") return Error(Code::kDataLoss, Str("no kind of stage '", kind, "'"));
    spec.stages.push_back({kind == "dark" ? Kind::kDark : kind == "shadow" ? Kind::kShadow : Kind::kLive, row.NumberAt("share"),
                           std::chrono::microseconds(row.IntAt("time_us"))});
  }
  if (spec.stages.empty()) return Error(Code::kDataLoss, "a rollout without stages");
  spec.sticky = json.StringAt("sticky");
  spec.roll_back_on.clear();
  for (const Json& name : ListAt(json, "roll_back_on")) spec.roll_back_on.push_back(name.is_string() ? name.String() : "");
  spec.promote = json.StringAt("promote", spec.promote);
  spec.alpha = json.NumberAt("alpha", spec.alpha);
  spec.least = json.IntAt("least", spec.least);
  spec.error_tolerance = json.NumberAt("error_tolerance");
  spec.latency_quantile = json.NumberAt("latency_quantile", spec.latency_quantile);
  spec.latency_tolerance = json.NumberAt("latency_tolerance", spec.latency_tolerance);
  spec.latency_floor = std::chrono::microseconds(json.IntAt("latency_floor_us", spec.latency_floor.count()));
  spec.difference_tolerance = json.NumberAt("difference_tolerance", spec.difference_tolerance);
  spec.quality_tolerance = json.NumberAt("quality_tolerance");
  spec.false_positive_cost = json.NumberAt("false_positive_cost");
  spec.false_negative_cost = json.NumberAt("false_negative_cost");
  spec.cost_tolerance = json.NumberAt("cost_tolerance");
  return spec;
}

Json Criterion::ToJson() const {
  Json out;
  out["name"] = name;
  out["champion"] = champion;
  out["challenger"] = challenger;
  out["low"] = low;
  out["high"] = high;
  out["limit"] = limit;
  out["verdict"] = verdict;
  out["why"] = why;
  out["rolls_back"] = rolls_back;
  return out;
}

Json Rollout::ToJson() const {
  Json out;
  out["id"] = id;
  out["endpoint"] = endpoint;
  out["model"] = model;
  out["champion"] = champion;
  out["challenger"] = challenger;
  out["spec"] = spec.ToJson();
  out["status"] = status;
  out["stage"] = stage;
  out["started"] = started;
  out["since"] = since;
  out["ended"] = ended;
  out["why"] = why;
  out["actor"] = actor;
  out["stages"] = Json::MakeArray();
  for (const Passed& passed : stages) out["stages"].Push(PassedToJson(passed));
  return out;
}

Result<Rollout> Rollout::FromJson(const Json& json) {
  Rollout out;
  out.id = json.StringAt("id");
  out.endpoint = json.StringAt("endpoint");
  out.model = json.StringAt("model");
  out.champion = static_cast<int>(json.IntAt("champion"));
  out.challenger = static_cast<int>(json.IntAt("challenger"));
  const Json* spec = json.Find("spec");
  if (spec == nullptr) return Error(Code::kDataLoss, "a rollout without its spec");
  TENON_ASSIGN(out.spec, RolloutSpec::FromJson(*spec));
  out.status = json.StringAt("status");
  out.started = json.IntAt("started");
  out.since = json.IntAt("since");
  out.ended = json.IntAt("ended");
  out.why = json.StringAt("why");
  out.actor = json.StringAt("actor");
  for (const Json& row : ListAt(json, "stages")) {
    TENON_ASSIGN(Passed passed, PassedFrom(row));
    out.stages.push_back(std::move(passed));
  }
  out.stage = static_cast<std::size_t>(json.IntAt("stage"));
  if (out.stage >= out.spec.stages.size() || out.stages.size() != out.stage + 1) {
    return Error(Code::kDataLoss, Str("rollout ", out.id, " is at stage ", out.stage, " of ", out.spec.stages.size()));
  }
  return out;
}

}  // namespace tenon::serve
