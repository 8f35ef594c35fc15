// Binding a view to the columns of its source: types, expressions, the slots of its state.

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "feature/state_internal.h"
#include "table/expression.h"

namespace tenon::feature {

using table::Expression;
using table::Type;

namespace {

// 2^500: squares of smaller numbers stay finite.
constexpr double kTooLarge = 0x1p500;
constexpr Micros kBeginning = -62'135'596'800'000'000;  // 0001-01-01 UTC: what holds always has held since then
// Blocks of this many half-lives share a landmark, to which weights are reckoned.
constexpr Micros kDecayBlock = 64;

Micros FloorDiv(Micros a, Micros b) { return a / b - (a % b < 0 ? 1 : 0); }

Micros Later(Micros a, Micros b) {
  Micros out = 0;
  if (__builtin_add_overflow(a, b, &out)) return b > 0 ? kNever : std::numeric_limits<Micros>::min();
  return out;
}

bool NeedsNumber(Function function) {
  return function != Function::kCount && function != Function::kLast && function != Function::kLag && function != Function::kDistinct && function != Function::kLatest;
}

bool Decayed(Function function) {
  return function == Function::kDecayedCount || function == Function::kDecayedSum || function == Function::kDecayedMean;
}

}  // namespace

Micros DecayBlockOf(const Slot& slot, Micros at) { return FloorDiv(at, slot.window.length.count() * kDecayBlock); }
Micros DecayLandmark(const Slot& slot, Micros block) { return block * slot.window.length.count() * kDecayBlock; }

struct ViewPlan::Compiled {
  std::vector<Expression> inputs;
  std::vector<std::optional<Expression>> input_where;
  std::optional<Expression> where;
};

// Makes one plan.
class PlanMaker {
 public:
  PlanMaker(FeatureView view, const table::Schema& source) : plan_(std::make_shared<ViewPlan>()), source_(source) {
    plan_->view_ = std::move(view);
  }

  Result<std::shared_ptr<const ViewPlan>> Make() {
    TENON_TRY(Columns());
    TENON_TRY(Compile());
    TENON_TRY(Lay());
    Reads();
    plan_->compiled_ = std::make_shared<const ViewPlan::Compiled>(std::move(compiled_));
    return std::shared_ptr<const ViewPlan>(std::move(plan_));
  }

 private:
  const FeatureView& view() const { return plan_->view_; }
  Error Wrong(std::string_view setting, std::string_view what) const {
    return Error(Code::kInvalidArgument, Str("features.", view().name, setting.empty() ? "" : ".", setting, ": ", what));
  }

  Result<Type> TypeOf(std::string_view setting, const std::string& column) const {
    const int at = source_.Find(column);
    if (at >= 0) return source_[at].type;
    return Wrong(setting, Str("the source", view().from.empty() ? "" : " ", view().from, " has no column '", column, "'",
                              DidYouMean(column, source_.Names())));
  }

  Result<void> Columns() {
    for (const std::string& column : view().entity) {
      TENON_ASSIGN(const Type type, TypeOf("entity", column));
      if (type == Type::kEmbedding) return Wrong("entity", Str("column ", column, " holds embeddings, which name nothing"));
      plan_->entity_types_.push_back(type);
    }
    if (view().time.empty()) return Wrong("time", "name the column that says when an event happened, here or as `time:` of its source");
    for (const auto& [setting, column] : {std::pair<const char*, const std::string&>("time", view().time), {"known", view().known}}) {
      if (column.empty() || view().always()) continue;
      TENON_ASSIGN(const Type type, TypeOf(setting, column));
      if (type == Type::kTimestamp) continue;
      return Wrong(setting, Str("column ", column, " is ", table::NameOf(type), ", not timestamp; give its type under the source's `types: {", column, ": timestamp}`"));
    }
    if (!view().event.empty()) TENON_TRY(TypeOf("event", view().event));
    if (!view().deleted.empty()) {
      TENON_ASSIGN(const Type type, TypeOf("deleted", view().deleted));
      if (type != Type::kBool && type != Type::kInt64) return Wrong("deleted", Str("column ", view().deleted, " is ", table::NameOf(type), ", not bool"));
    }
    return {};
  }

  Result<Expression> Formula(std::string_view setting, const std::string& text) const {
    auto parsed = Expression::Parse(text, source_);
    if (!parsed) return Wrong(setting, parsed.error().message());
    return parsed;
  }
  Result<std::optional<Expression>> Condition(std::string_view setting, const std::string& text) const {
    if (text.empty()) return std::optional<Expression>();
    TENON_ASSIGN(Expression parsed, Formula(setting, text));
    if (parsed.type() != Type::kBool) return Wrong(setting, Str("'", text, "' is ", table::NameOf(parsed.type()), "; a condition is true or false"));
    return std::optional<Expression>(std::move(parsed));
  }

  Result<void> Compile() {
    TENON_ASSIGN(compiled_.where, Condition("where", view().where));
    for (const InputSpec& input : view().inputs) {
      const std::string setting = Str("aggregate.", input.name);
      Type type = Type::kFloat64;
      if (input.of.empty()) {
        TENON_ASSIGN(type, TypeOf(setting, input.name));
        if (type == Type::kEmbedding) return Wrong(setting, Str("column ", input.name, " holds embeddings, which cannot be aggregated"));
      }
      TENON_ASSIGN(Expression of, Formula(setting, input.of.empty() ? Str("\"", input.name, "\"") : input.of));
      if (!input.of.empty()) type = of.type();
      plan_->input_is_text_.push_back(of.type() == Type::kString);
      input_types_.push_back(type);
      compiled_.inputs.push_back(std::move(of));
      TENON_ASSIGN(auto where, Condition(Str(setting, ".where"), input.where));
      compiled_.input_where.push_back(std::move(where));
    }
    return {};
  }

  void Reads() {
    const auto read = [&](const std::string& column) {
      const int at = source_.Find(column);
      if (at >= 0 && std::ranges::find(plan_->reads_, column, &table::Field::name) == plan_->reads_.end()) plan_->reads_.push_back(source_[at]);
    };
    for (const std::string& column : view().entity) read(column);
    for (const std::string& column : {view().time, view().known, view().deleted}) read(column);
    const auto all = [&](const Expression& formula) { std::ranges::for_each(formula.inputs(), read); };
    if (compiled_.where) all(*compiled_.where);
    for (std::size_t k = 0; k < compiled_.inputs.size(); ++k) {
      all(compiled_.inputs[k]);
      if (compiled_.input_where[k]) all(*compiled_.input_where[k]);
    }
  }

  Type OutputOf(const FeatureSpec& feature) const {
    const Type of = input_types_[static_cast<std::size_t>(feature.input)];
    switch (feature.function) {
      case Function::kCount:
      case Function::kDistinct: return Type::kInt64;
      case Function::kMin:
      case Function::kMax: return of == Type::kTimestamp || of == Type::kInt64 ? of : Type::kFloat64;
      case Function::kLast:
      case Function::kLag:
      case Function::kLatest: return of;
      default: return Type::kFloat64;
    }
  }

  Result<void> Lay() {
    std::vector<table::Field> fields;
    for (const FeatureSpec& feature : view().features) {
      const auto input = static_cast<std::size_t>(feature.input);
      const InputSpec& spec = view().inputs[input];
      if (NeedsNumber(feature.function) && plan_->input_is_text_[input] != 0) {
        return Wrong(Str("aggregate.", spec.name), Str(NameOf(feature.function), " needs numbers, but ", spec.of.empty() ? "column " : "", spec.of.empty() ? spec.name : spec.of, " is text; of texts there are count, distinct, last"));
      }
      const Type output = OutputOf(feature);
      if (spec.fill && output == Type::kString) return Wrong(Str("aggregate.", spec.name), "fill: a number cannot stand for a missing text");
      fields.push_back({feature.name, output});
      plan_->slot_of_.push_back(SlotFor(feature, spec));
    }
    plan_->output_ = std::make_shared<const table::Schema>(std::move(fields));
    if (view().ttl.count() > 0) {
      Slot slot;
      slot.input = -1;
      slot.presence = true;
      slot.delay = kNever;
      for (const InputSpec& input : view().inputs) slot.delay = std::min<Micros>(slot.delay, input.delay.count());
      plan_->presence_ = static_cast<int>(plan_->slots_.size());
      plan_->slots_.push_back(std::move(slot));
    }
    for (const Slot& slot : plan_->slots_) plan_->reach_ = std::max(plan_->reach_, ReachOf(slot));
    return {};
  }

  Micros ReachOf(const Slot& slot) const {
    const Micros length = slot.window.length.count();
    if (slot.presence || slot.latest) return view().ttl.count() == 0 ? kNever : view().ttl.count() + 1;
    if (slot.decayed) return slot.delay + 2 * kDecayBlock * length;
    switch (slot.window.kind) {
      case Window::Kind::kSliding: return slot.delay + length + 1;
      case Window::Kind::kTumbling: return slot.delay + 2 * length;
      case Window::Kind::kSession: return slot.delay + slot.window.most.count() + 1;
      case Window::Kind::kAll: return kNever;
    }
    return kNever;
  }

  int SlotFor(const FeatureSpec& feature, const InputSpec& spec) {
    const bool latest = feature.function == Function::kLatest;
    const bool decayed = Decayed(feature.function);
    Slot wanted;
    wanted.input = latest ? -1 : feature.input;
    wanted.window = feature.window;
    wanted.delay = spec.delay.count();
    if (feature.function == Function::kLag) {  // what was known then is what events count of that are so much older
      wanted.delay += feature.window.length.count();
      wanted.window = {.text = "all"};
    }
    wanted.latest = latest;
    wanted.decayed = decayed;
    wanted.text = !latest && plan_->input_is_text_[static_cast<std::size_t>(feature.input)] != 0;
    auto at = std::ranges::find_if(plan_->slots_, [&](const Slot& slot) {
      return slot.input == wanted.input && slot.window == wanted.window && slot.delay == wanted.delay && slot.latest == latest && slot.decayed == decayed;
    });
    if (at == plan_->slots_.end()) at = plan_->slots_.insert(at, std::move(wanted));
    const Function f = feature.function;
    at->sums |= f == Function::kSum || f == Function::kMean || f == Function::kStd;
    at->squares |= f == Function::kStd;
    at->sorted |= f == Function::kMin || f == Function::kMax || f == Function::kDistinct || f == Function::kQuantile;
    at->ordered |= f == Function::kLast || f == Function::kLag || feature.window.kind == Window::Kind::kSession;
    return static_cast<int>(at - plan_->slots_.begin());
  }

  std::shared_ptr<ViewPlan> plan_;
  const table::Schema& source_;
  ViewPlan::Compiled compiled_;
  std::vector<Type> input_types_;
};

Result<std::shared_ptr<const ViewPlan>> ViewPlan::Make(FeatureView view, const table::Schema& source) {
  return PlanMaker(std::move(view), source).Make();
}

bool ViewPlan::moves() const {
  if (!view_.known.empty() || !view_.same_instant || presence_ >= 0) return true;
  return std::ranges::any_of(slots_, [](const Slot& slot) { return slot.window.kind != Window::Kind::kAll || slot.decayed || slot.delay != 0; });
}

std::optional<std::vector<std::string>> ViewPlan::ReadAtOnce(std::span<const std::size_t> features) const {
  if (!view_.same_instant || view_.always()) return std::nullopt;
  const auto at_once = [](const Slot& slot) { return slot.delay == 0 && (slot.latest || slot.presence || slot.window.kind != Window::Kind::kTumbling); };
  bool any = presence_ >= 0 && at_once(slots_[static_cast<std::size_t>(presence_)]);
  std::vector<std::string> out;
  const auto read = [&](const std::string& column) {
    if (!column.empty() && std::ranges::find(out, column) == out.end()) out.push_back(column);
  };
  const auto all = [&](const Expression& formula) { std::ranges::for_each(formula.inputs(), read); };
  for (const std::string& column : {view_.time, view_.known}) read(column);
  if (compiled_->where) all(*compiled_->where);
  for (const std::size_t f : features) {
    if (!at_once(slots_[static_cast<std::size_t>(slot_of_[f])])) continue;
    const auto input = static_cast<std::size_t>(view_.features[f].input);
    any = true;
    all(compiled_->inputs[input]);
    if (compiled_->input_where[input]) all(*compiled_->input_where[input]);
  }
  return any ? std::optional(std::move(out)) : std::nullopt;
}

ViewPlan::Interval ViewPlan::CountsIn(const Slot& slot, const Event& event) const {
  if (event.at < -kFarthest || event.at > kFarthest) return {0, 0};
  const Micros length = slot.window.length.count();
  const Micros after = view_.same_instant || slot.delay > 0 ? 0 : 1;  // what is delayed does not happen at t
  Interval out{Later(Later(event.at, slot.delay), after), kNever};
  if (slot.presence || slot.latest) {
    if (view_.ttl.count() > 0) out.until = Later(event.at, view_.ttl.count() + 1);
  } else if (slot.decayed) {
    out.until = Later(DecayLandmark(slot, DecayBlockOf(slot, event.at) + 2), slot.delay);
  } else if (slot.window.kind == Window::Kind::kSliding) {
    out.until = Later(out.from, length);
  } else if (slot.window.kind == Window::Kind::kTumbling) {
    out.from = Later((FloorDiv(event.at, length) + 1) * length, slot.delay);
    out.until = Later(out.from, length);
  } else if (slot.window.kind == Window::Kind::kSession) {
    out.until = Later(out.from, slot.window.most.count());
  }
  out.from = std::max(out.from, event.known);
  out.until = std::min(out.until, event.until);
  return out;
}

Result<Events> ViewPlan::EventsOf(const table::Batch& rows) const {
  Events out;
  const auto size = static_cast<std::size_t>(rows.rows());
  const auto micros = [&](const std::string& name) -> Result<table::Column> {
    TENON_ASSIGN(table::Column column, rows.Named(name));
    if (column.type() != Type::kTimestamp) return Error(Code::kInvalidArgument, Str("column ", name, " is ", table::NameOf(column.type()), ", not timestamp"));
    return column;
  };
  std::optional<table::Column> at;
  if (view_.always()) {
    out.at.assign(size, kBeginning);
  } else {
    TENON_ASSIGN(at, micros(view_.time));
    out.at.assign(at->ints().begin(), at->ints().end());
  }
  out.used.assign(size, 1);
  if (!view_.known.empty()) {
    TENON_ASSIGN(const table::Column known, micros(view_.known));
    out.known.assign(known.ints().begin(), known.ints().end());
    // Not said when it was learnt: as it happened.
    for (std::size_t i = 0; i < size && known.validity() != nullptr; ++i) {
      if (known.IsNull(static_cast<std::int64_t>(i))) out.known[i] = std::numeric_limits<Micros>::min();
    }
  }
  std::vector<table::Column> entities;
  for (const std::string& name : view_.entity) {
    TENON_ASSIGN(table::Column column, rows.Named(name));
    entities.push_back(std::move(column));
  }
  const bool all_named = !(at && at->validity() != nullptr) && std::ranges::all_of(entities, [](const table::Column& column) {
    return column.validity() == nullptr && column.type() != Type::kFloat64;
  });
  for (std::size_t i = 0; i < size && !all_named; ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const bool nameless = std::ranges::any_of(entities, [&](const table::Column& column) {
      return column.IsNull(row) || (column.type() == Type::kFloat64 && std::isnan(column.doubles()[i]));
    });
    if (!nameless && !(at && at->IsNull(row))) continue;
    out.used[i] = 0;
    ++out.left_out;
  }
  if (!view_.deleted.empty()) {
    TENON_ASSIGN(const table::Column deleted, rows.Named(view_.deleted));
    for (std::size_t i = 0; i < size; ++i) out.deleted.push_back(!deleted.IsNull(static_cast<std::int64_t>(i)) && deleted.Number(static_cast<std::int64_t>(i)) != 0);
  }
  if (compiled_->where) {
    const table::Column holds = compiled_->where->Evaluate(rows);
    for (std::size_t i = 0; i < size; ++i) out.used[i] &= !holds.IsNull(static_cast<std::int64_t>(i)) && holds.bools()[i] != 0;
  }
  for (std::size_t k = 0; k < compiled_->inputs.size(); ++k) {
    table::Column values = compiled_->inputs[k].Evaluate(rows);
    const bool text = input_is_text_[k] != 0;
    std::optional<table::Column> holds;
    if (compiled_->input_where[k]) holds = compiled_->input_where[k]->Evaluate(rows);
    if (holds || (!text && values.type() != Type::kFloat64)) {
      table::ColumnBuilder builder(text ? Type::kString : Type::kFloat64);
      for (std::int64_t i = 0; i < values.size(); ++i) {
        const bool out_of_it = values.IsNull(i) || (holds && (holds->IsNull(i) || holds->bools()[static_cast<std::size_t>(i)] == 0));
        if (out_of_it) {
          builder.AddNull();
        } else if (text) {
          builder.AddText(values.Text(i));
        } else {
          builder.Add(values.Number(i));
        }
      }
      values = builder.Finish();
    }
    out.inputs.push_back(std::move(values));
  }
  return out;
}

void Events::ValuesOf(std::int64_t row, std::span<Value> out) const {
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    out[k] = {};
    if (inputs[k].IsNull(row)) continue;
    if (inputs[k].type() == Type::kString) {
      const std::string_view text = inputs[k].Text(row);
      out[k].text = text.data() == nullptr ? std::string_view("") : text;
    } else {
      out[k].number = inputs[k].doubles()[static_cast<std::size_t>(row)];
    }
  }
}

bool Counts(const Value& value, bool text) { return text ? value.text.data() != nullptr : std::abs(value.number) < kTooLarge; }

ValueColumns::ValueColumns(std::shared_ptr<const ViewPlan> plan) : plan_(std::move(plan)) {
  for (const table::Field& field : plan_->output()->fields()) builders_.emplace_back(field.type);
}

void ValueColumns::Add(std::span<const Value> values) {
  for (std::size_t k = 0; k < builders_.size(); ++k) {
    const Type type = (*plan_->output())[static_cast<int>(k)].type;
    const Value& value = values[k];
    if (type == Type::kString) {
      value.text.data() == nullptr ? builders_[k].AddNull() : builders_[k].AddText(value.text);
    } else if (std::isnan(value.number)) {
      builders_[k].AddNull();
    } else if (type == Type::kFloat64) {
      builders_[k].Add(value.number);
    } else {
      builders_[k].AddInt(value.number >= 0x1p63 ? kNever : static_cast<std::int64_t>(value.number));
    }
  }
}

void ValueColumns::AddMissing() {
  for (table::ColumnBuilder& builder : builders_) builder.AddNull();
}

std::vector<table::Column> ValueColumns::Finish() {
  std::vector<table::Column> out;
  for (table::ColumnBuilder& builder : builders_) out.push_back(builder.Finish());
  return out;
}

void AppendEntityKey(const table::Batch& rows, std::span<const int> columns, std::span<const table::Type> types, std::int64_t row,
                     std::string* out) {
  const std::size_t before = out->size();
  for (std::size_t k = 0; k < columns.size(); ++k) {
    const table::Column& column = rows.column(columns[k]);
    const bool text = types[k] == Type::kString;
    const double number = text || column.type() == Type::kInt64 || column.type() == Type::kTimestamp ? 0 : column.Number(row);
    if (column.IsNull(row) || std::isnan(number)) {
      out->resize(before);
      return;
    }
    if (text) {
      const std::string_view word = column.Text(row);
      *out += Str("t", word.size(), ":");
      *out += word;
    } else if (column.type() == Type::kInt64 || column.type() == Type::kTimestamp) {
      *out += Str("n", column.ints()[static_cast<std::size_t>(row)], ";");
    } else if (number == std::floor(number) && std::abs(number) < 0x1p62) {
      *out += Str("n", static_cast<std::int64_t>(number), ";");
    } else {
      *out += Str("f", number, ";");
    }
  }
}

}  // namespace tenon::feature
