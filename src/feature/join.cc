// The point-in-time join of rows with feature views: every entity's events and questions in the order of time, through
// the same state that answers online. Views of latest values alone go another way (join_latest.cc).

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/text.h"
#include "feature/as_of.h"
#include "feature/join_latest_internal.h"
#include "feature/view_events_internal.h"

namespace tenon::feature {
namespace {

using table::Batch;
using table::Column;
using table::Type;

// The values of one view for all rows, kept until they can be written in order.
class Answers {
 public:
  Answers(std::size_t rows, const table::Schema& features) : width_(static_cast<std::size_t>(features.size())), numbers_(rows * width_, std::numeric_limits<double>::quiet_NaN()) {
    for (const table::Field& field : features.fields()) any_text_ = any_text_ || field.type == Type::kString;
    if (any_text_) {
      texts_.resize(rows * width_);
      has_text_.assign(rows * width_, 0);
    }
  }
  void Set(std::size_t row, std::span<const Value> values) {
    for (std::size_t k = 0; k < width_; ++k) {
      numbers_[row * width_ + k] = values[k].number;
      if (!any_text_ || values[k].text.data() == nullptr) continue;
      texts_[row * width_ + k] = std::string(values[k].text);
      has_text_[row * width_ + k] = 1;
    }
  }
  void Get(std::size_t row, std::span<Value> out) const {
    for (std::size_t k = 0; k < width_; ++k) {
      out[k] = {};
      out[k].number = numbers_[row * width_ + k];
      if (any_text_ && has_text_[row * width_ + k] != 0) out[k].text = texts_[row * width_ + k];
      if (out[k].text.data() == nullptr && any_text_ && has_text_[row * width_ + k] != 0) out[k].text = "";
    }
  }

 private:
  std::size_t width_;
  bool any_text_ = false;
  std::vector<double> numbers_;
  std::vector<std::string> texts_;
  std::vector<std::uint8_t> has_text_;
};

Result<void> JoinView(const Call& call, const Batch& asking, std::span<const Micros> times, const ViewRows& view, std::vector<Column>* out) {
  TENON_ASSIGN(const bool done, JoinLatest(call, asking, times, view, out));
  if (done) return {};
  ViewEvents join(view.plan, *view.rows);
  TENON_TRY(join.Prepare());
  TENON_TRY(join.Ask(asking, times));
  Answers answers(static_cast<std::size_t>(asking.rows()), *view.plan->output());
  const WindowState nothing(view.plan);
  std::vector<Value> values(view.plan->view().features.size());
  nothing.Values(values);
  for (std::size_t row = 0; row < static_cast<std::size_t>(asking.rows()); ++row) answers.Set(row, values);
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> stopped = false;
  const auto work = [&] {
    for (std::size_t e = next++; e < join.entities() && !stopped; e = next++) {
      if (!call.Check()) stopped = true;
      join.Run(e, [&answers](std::size_t row, std::span<const Value> found) { answers.Set(row, found); });
    }
  };
  {
    std::vector<std::jthread> others;
    for (int t = 1; t < call.threads; ++t) others.emplace_back(work);
    work();
  }
  if (stopped) return call.Check();
  ValueColumns columns(view.plan);
  for (std::size_t row = 0; row < static_cast<std::size_t>(asking.rows()); ++row) {
    answers.Get(row, values);
    columns.Add(values);
  }
  for (Column& column : columns.Finish()) out->push_back(std::move(column));
  return {};
}

}  // namespace

Result<Batch> JoinAsOf(const Call& call, const Batch& asking, std::string_view time, std::span<const ViewRows> views) {
  const int at = asking.schema().Find(time);
  if (at < 0) {
    return Error(Code::kInvalidArgument, Str("the rows have no time column '", time, "', so what was known at their time cannot be told", DidYouMean(time, asking.schema().Names())));
  }
  if (asking.schema()[at].type != Type::kTimestamp) {
    return Error(Code::kInvalidArgument, Str("column ", time, " of the rows is ", table::NameOf(asking.schema()[at].type), ", not timestamp"));
  }
  const Column& time_column = asking.column(at);
  std::vector<Micros> times(time_column.ints().begin(), time_column.ints().end());
  for (std::size_t i = 0; i < times.size() && time_column.validity() != nullptr; ++i) {
    if (time_column.IsNull(static_cast<std::int64_t>(i))) times[i] = kNever;
  }
  std::vector<table::Field> fields = asking.schema().fields();
  std::vector<Column> columns;
  for (int i = 0; i < asking.columns(); ++i) columns.push_back(asking.column(i));
  for (const ViewRows& view : views) {
    for (const FeatureSpec& feature : view.plan->view().features) {
      table::Field field = (*view.plan->output())[view.plan->output()->Find(feature.name)];
      field.name = ColumnOf(view.plan->view(), feature);
      if (std::ranges::any_of(fields, [&](const table::Field& other) { return other.name == field.name; })) {
        return Error(Code::kInvalidArgument, Str("the rows have a column '", field.name, "' already; rename it, or the view"));
      }
      fields.push_back(std::move(field));
    }
    TENON_TRY(JoinView(call, asking, times, view, &columns), Str("joining the features of ", view.plan->view().name));
  }
  return Batch(std::make_shared<const table::Schema>(std::move(fields)), std::move(columns));
}

}  // namespace tenon::feature
