#include "serve/ladder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"
#include "serve/session.h"

namespace tenon::serve {
namespace {

std::int64_t Nanos(Breaker::Time at) { return std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count(); }
std::int64_t Nanos(std::chrono::microseconds span) { return std::chrono::nanoseconds(span).count(); }

Result<void> ReadTime(Fields& fields, std::string_view key, std::chrono::microseconds* out) {
  std::string text;
  TENON_TRY(fields.ReadScalar(key, &text));
  if (text.empty()) return {};
  auto time = ParseDuration(text);
  if (!time) return fields.Wrong(key, time.error().message());
  *out = *time;
  return {};
}

// One rung as it is written: "champion", "cache 10m", "rule \"amount > 220\"", "default 0".
Result<void> ReadRung(std::string_view text, Fields& fields, LadderSpec* spec) {
  const std::size_t blank = text.find(' ');
  const std::string_view kind = text.substr(0, blank);
  std::string_view rest = blank == std::string_view::npos ? std::string_view() : Trim(text.substr(blank));
  if (rest.size() >= 2 && (rest.front() == '"' || rest.front() == '\'') && rest.back() == rest.front()) rest = rest.substr(1, rest.size() - 2);
  if (kind == "champion" || kind == "last_good") {
    spec->last_good = true;
    return {};
  }
  if (kind == "cache") {
    spec->cache = true;
    if (rest.empty()) return {};
    auto time = ParseDuration(rest);
    if (!time) return fields.Wrong("", Str("'", text, "': ", time.error().message()));
    spec->ttl = *time;
    return {};
  }
  if ((kind == "rule" || kind == "default") && rest.empty()) {
    return fields.Wrong("", Str("'", text, "' needs ", kind == "rule" ? "an expression, such as rule \"amount > 220\"" : "an answer, such as default 0"));
  }
  if (kind == "rule") {
    spec->rule = rest;
    return {};
  }
  if (kind == "default") {
    spec->fallback = rest;
    return {};
  }
  const std::vector<std::string> known = {"champion", "last_good", "cache", "rule", "default"};
  return fields.Wrong("", Str("no rung '", kind, "'", DidYouMean(kind, known)));
}

}  // namespace

std::string_view NameOf(Rung rung) {
  switch (rung) {
    case Rung::kModel: return "model";
    case Rung::kLastGood: return "last_good";
    case Rung::kCache: return "cache";
    case Rung::kRule: return "rule";
    case Rung::kDefault: return "default";
    case Rung::kNone: return "none";
  }
  return "none";
}

bool Breaker::Allow(Time now) {
  std::int64_t until = state_.load(std::memory_order_acquire);
  if (until == kClosed) return true;
  const std::int64_t at = Nanos(now);
  // Whoever moves the time on is the probe.
  return at >= until && state_.compare_exchange_strong(until, at + Nanos(spec_.rest), std::memory_order_acq_rel);
}

void Breaker::Succeeded() {
  if (state_.load(std::memory_order_relaxed) == kClosed) return;
  failures_.store(0, std::memory_order_relaxed);
  state_.store(kClosed, std::memory_order_release);
}

void Breaker::Failed(Time now) {
  const std::int64_t at = Nanos(now);
  if (at - window_from_.load(std::memory_order_relaxed) > Nanos(spec_.window)) {
    window_from_.store(at, std::memory_order_relaxed);
    failures_.store(0, std::memory_order_relaxed);
  }
  const int failures = failures_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (failures >= spec_.failures) state_.store(at + Nanos(spec_.rest), std::memory_order_release);
}

AnswerCache::AnswerCache(std::size_t entries, int outputs, std::chrono::microseconds ttl)
    : mask_(std::bit_ceil(std::max<std::size_t>(entries, 16)) - 1), outputs_(static_cast<std::size_t>(outputs)),
      stride_(4 + (outputs_ + 1) / 2), ttl_(Nanos(ttl)), words_(new std::atomic<std::uint64_t>[(mask_ + 1) * stride_]()) {}

void AnswerCache::Put(std::uint64_t row, const model::Prediction& prediction, Breaker::Time now) {
  std::atomic<std::uint64_t>* slot = SlotOf(row);
  std::uint64_t count = slot[0].load(std::memory_order_relaxed);
  if (count % 2 != 0 || !slot[0].compare_exchange_strong(count, count + 1, std::memory_order_acq_rel)) return;  // being written
  slot[1].store(row, std::memory_order_release);
  slot[2].store(static_cast<std::uint64_t>(Nanos(now)), std::memory_order_release);
  slot[3].store(static_cast<std::uint64_t>(static_cast<std::int64_t>(prediction.decision)), std::memory_order_release);
  for (std::size_t i = 0; i < outputs_; i += 2) {
    const auto low = std::bit_cast<std::uint32_t>(prediction.values[i]);
    const auto high = i + 1 < outputs_ ? std::bit_cast<std::uint32_t>(prediction.values[i + 1]) : 0U;
    slot[4 + i / 2].store((static_cast<std::uint64_t>(high) << 32) | low, std::memory_order_release);
  }
  slot[0].store(count + 2, std::memory_order_release);
}

bool AnswerCache::Get(std::uint64_t row, Breaker::Time now, std::vector<float>* values, int* decision) const {
  const std::atomic<std::uint64_t>* slot = SlotOf(row);
  const std::uint64_t count = slot[0].load(std::memory_order_acquire);
  if (count == 0 || count % 2 != 0 || slot[1].load(std::memory_order_acquire) != row) return false;
  if (Nanos(now) - static_cast<std::int64_t>(slot[2].load(std::memory_order_acquire)) > ttl_) return false;
  *decision = static_cast<int>(static_cast<std::int64_t>(slot[3].load(std::memory_order_acquire)));
  values->resize(outputs_);
  for (std::size_t i = 0; i < outputs_; ++i) {
    const std::uint64_t word = slot[4 + i / 2].load(std::memory_order_acquire);
    (*values)[i] = std::bit_cast<float>(static_cast<std::uint32_t>(i % 2 == 0 ? word : word >> 32));
  }
  return slot[0].load(std::memory_order_acquire) == count;
}

Result<LadderSpec> LadderSpec::Parse(const Json& json, std::string_view file) {
  LadderSpec spec;
  Json whole = json;
  if (json.is_array()) {
    whole = Json::MakeObject();
    whole["rungs"] = json;
    whole.set_place(json.place());
  }
  TENON_ASSIGN(Fields fields, Fields::Of(whole, "serve.fallback", file));
  std::vector<std::string> rungs;
  TENON_TRY(fields.Read("rungs", &rungs));
  for (const std::string& rung : rungs) TENON_TRY(ReadRung(rung, fields, &spec));
  TENON_TRY(ReadTime(fields, "deadline", &spec.deadline));
  TENON_TRY(fields.Read("cache_entries", &spec.cache_entries));
  if (spec.cache_entries < 16 || spec.cache_entries > (1 << 24)) return fields.Wrong("cache_entries", "expected 16 to 16,777,216");
  if (const Json* breaker = fields.Find("breaker"); breaker != nullptr) {
    TENON_ASSIGN(Fields inner, Fields::Of(*breaker, "serve.fallback.breaker", file));
    TENON_TRY(inner.Read("failures", &spec.breaker.failures));
    TENON_TRY(ReadTime(inner, "window", &spec.breaker.window));
    TENON_TRY(ReadTime(inner, "rest", &spec.breaker.rest));
    if (spec.breaker.failures < 1) return inner.Wrong("failures", "expected at least 1");
    TENON_TRY(inner.Done());
  }
  TENON_TRY(fields.Done());
  return spec;
}

std::uint64_t CacheKey(const Served& served, const Row& row) {
  std::uint64_t hash = Hash64(std::string_view(reinterpret_cast<const char*>(row.numbers.data()), row.numbers.size() * sizeof(double)),
                              static_cast<std::uint64_t>(served.version));
  for (std::size_t i = 0; i < row.texts.size(); ++i) {
    if (row.texts[i].data() != nullptr) hash = Hash64(row.texts[i], hash + i);
  }
  return hash;
}

Result<std::shared_ptr<Ladder>> Ladder::Make(const LadderSpec& spec, std::shared_ptr<const Served> champion,
                                             std::shared_ptr<const Served> last_good) {
  std::shared_ptr<Ladder> ladder(new Ladder());
  ladder->spec_ = spec;
  ladder->champion_ = std::move(champion);
  ladder->last_good_ = spec.last_good ? std::move(last_good) : nullptr;
  const Served& served = *ladder->champion_;
  if (spec.cache) ladder->cache_ = std::make_unique<AnswerCache>(static_cast<std::size_t>(spec.cache_entries), served.predictor->outputs(), spec.ttl);
  if (!spec.rule.empty()) {
    std::vector<table::Field> columns;
    for (const Served::Field& field : served.fields) columns.push_back({field.name, field.type});
    TENON_ASSIGN(ladder->rule_, table::Expression::Parse(spec.rule, table::Schema(columns)), "serve.fallback: the rule");
  }
  if (!spec.fallback.empty()) {
    Memory memory;
    model::Prediction answer;
    double value = 0;
    if (!ladder->GiveClass(spec.fallback, memory, &answer) && !(ParseDouble(spec.fallback, &value) && ladder->Give(value, memory, &answer))) {
      return Error(Code::kInvalidArgument, Str("serve.fallback: default '", spec.fallback, "' is no answer of ", served.model,
                                               served.predictor->classes().empty() ? std::string(": a number is expected")
                                                                                   : DidYouMean(spec.fallback, served.predictor->classes())));
    }
  }
  return ladder;
}

bool Ladder::GiveClass(std::string_view name, Memory& memory, model::Prediction* out) const {
  const auto& classes = champion_->predictor->classes();
  const auto at = std::ranges::find(classes, name);
  if (at == classes.end()) return false;
  const auto which = static_cast<std::size_t>(at - classes.begin());
  memory.values.assign(static_cast<std::size_t>(champion_->predictor->outputs()), 0.0F);
  if (memory.values.size() == 1) {
    memory.values[0] = which == 0 ? 0.0F : 1.0F;
  } else {
    memory.values[which] = 1.0F;
  }
  *out = {memory.values, static_cast<int>(which)};
  return true;
}

bool Ladder::Give(double value, Memory& memory, model::Prediction* out) const {
  const model::Predictor& predictor = *champion_->predictor;
  if (!std::isfinite(value)) return false;
  switch (predictor.task()) {
    case model::Task::kRegression:
      memory.values.assign(1, static_cast<float>(value));
      *out = {memory.values, -1};
      return true;
    case model::Task::kBinary:
      if (value < 0 || value > 1) return false;
      memory.values.assign(1, static_cast<float>(value));
      *out = {memory.values, predictor.Decide(memory.values.data())};
      return true;
    case model::Task::kMulticlass:
      if (value < 0 || value >= predictor.outputs() || std::trunc(value) != value) return false;
      memory.values.assign(static_cast<std::size_t>(predictor.outputs()), 0.0F);
      memory.values[static_cast<std::size_t>(value)] = 1.0F;
      *out = {memory.values, static_cast<int>(value)};
      return true;
  }
  return false;
}

bool Ladder::AskLastGood(const Served& from, const Row& row, Memory& memory, model::Prediction* out) const {
  if (!spec_.last_good) return false;
  for (const Served* good : {champion_.get(), last_good_.get()}) {
    // By its number: a rollout makes copies of a version that let more fields through.
    if (good != nullptr && good->version != from.version && AskGood(*good, from, row, memory, out)) return true;
  }
  return false;
}

bool Ladder::AskGood(const Served& good, const Served& from, const Row& row, Memory& memory, model::Prediction* out) const {
  memory.row.numbers.assign(good.fields.size(), std::nan(""));
  memory.row.texts.assign(good.fields.size(), {});
  for (std::size_t i = 0; i < good.fields.size(); ++i) {
    const auto at = std::ranges::find(from.fields, good.fields[i].name, &Served::Field::name);
    // What `from` does not read is not in its row, though the request may have brought it for the champion.
    if (at == from.fields.end() && !good.fields[i].required && &good != champion_.get()) continue;
    if (at == from.fields.end() || at->type != good.fields[i].type) return false;
    const auto slot = static_cast<std::size_t>(at - from.fields.begin());
    memory.row.numbers[i] = row.numbers[slot];
    memory.row.texts[i] = row.texts[slot];
  }
  *out = good.predictor->PredictRow(memory.row.numbers.data(), memory.row.texts.data(), memory.scratch);
  return out->problem == nullptr && AllFinite(*out);
}

bool Ladder::AskRule(const Served& from, const Row& row, Memory& memory, model::Prediction* out) const {
  if (!rule_) return false;
  std::vector<const double*> numbers;
  std::vector<const std::string_view*> texts;
  for (const std::string& name : rule_->inputs()) {
    const auto at = std::ranges::find(from.fields, name, &Served::Field::name);
    if (at == from.fields.end()) return false;
    const auto slot = static_cast<std::size_t>(at - from.fields.begin());
    numbers.push_back(&row.numbers[slot]);
    texts.push_back(&row.texts[slot]);
  }
  double number = std::nan("");
  std::string_view text;
  rule_->Evaluate(numbers, texts, 1, &number, &text, &memory.texts);
  if (rule_->type() == table::Type::kString) return text.data() != nullptr && GiveClass(text, memory, out);
  return Give(number, memory, out);  // a condition is 0 or 1
}

Rung Ladder::Answer(const Served& from, const Row& row, Breaker::Time now, Memory& memory, model::Prediction* out) const {
  if (AskLastGood(from, row, memory, out)) return Rung::kLastGood;
  if (cache_ != nullptr) {
    int decision = -1;
    if (cache_->Get(CacheKey(from, row), now, &memory.values, &decision)) {
      *out = {memory.values, decision};
      return Rung::kCache;
    }
  }
  if (AskRule(from, row, memory, out)) return Rung::kRule;
  double value = 0;
  if (spec_.fallback.empty()) return Rung::kNone;
  if (GiveClass(spec_.fallback, memory, out) || (ParseDouble(spec_.fallback, &value) && Give(value, memory, out))) return Rung::kDefault;
  return Rung::kNone;
}

}  // namespace tenon::serve
