// Which row goes where. Only a row's own values decide (its key, its group, itself), except by time, where its place
// between the first and the last row does.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"
#include "dataset/rows_internal.h"
#include "dataset/split.h"

namespace tenon::dataset {
namespace {

constexpr std::array<std::string_view, 4> kPartNames = {"train", "validation", "test", "unused"};
constexpr std::uint64_t kFoldSalt = 0xF01D;

double Unit(std::uint64_t hash) { return static_cast<double>(hash >> 11) * 0x1p-53; }

std::uint8_t FoldOf(std::uint64_t identity, int folds) {
  const double at = Unit(Hash64(identity, kFoldSalt)) * folds;
  return static_cast<std::uint8_t>(std::min(static_cast<int>(at), folds - 1));
}

std::string Shares(const SplitSpec& spec) {
  const auto percent = [](double share) { return FormatShort(share * 100); };
  return Str(percent(spec.train), "/", percent(spec.validation), "/", percent(spec.test));
}

std::string Default(const DatasetSnapshot& snapshot, std::string_view role) { return snapshot.about().StringAt(role); }

Error Wrong(std::string_view way, std::string_view what) { return Error(Code::kInvalidArgument, Str("split.by: ", way, ": ", what)); }

// The column of that name; who named it is said by how it may be written.
Result<int> ColumnAt(const DatasetSnapshot& snapshot, const SplitSpec& spec, const std::string& name, std::string_view way, std::string_view how_to_say) {
  if (name.empty()) return Wrong(way, Str("which column? Write ", how_to_say));
  if (const int at = snapshot.schema().Find(name); at >= 0) return at;
  const std::string source = snapshot.about().StringAt("source", "data");
  std::string setting = source == "data" ? "data" : Str("data.", source);
  setting = !spec.column.empty() && name == spec.column ? "split.column" : Str(setting, way == "time" ? ".time" : way == "group" ? ".group" : ".key");
  return Error(Code::kInvalidArgument, Str(setting, ": split by ", way, ": no column '", name, "'", DidYouMean(name, snapshot.schema().Names())));
}

std::vector<int> AllColumns(const DatasetSnapshot& snapshot) {
  std::vector<int> all;
  for (int i = 0; i < snapshot.schema().size(); ++i) all.push_back(i);
  return all;
}

// What stands for a row: its key, its group, or all its values. A row without a key or group stands for itself.
std::vector<std::uint64_t> Identities(const DatasetSnapshot& snapshot, int column, std::uint64_t seed) {
  if (column < 0) return HashRows(snapshot.batches(), AllColumns(snapshot), seed);
  std::vector<std::uint64_t> out = HashRows(snapshot.batches(), {column}, seed);
  std::vector<std::uint64_t> whole;
  std::size_t row = 0;
  for (const table::Batch& batch : snapshot.batches()) {
    const table::Column& values = batch.column(column);
    for (std::int64_t i = 0; i < batch.rows(); ++i, ++row) {
      if (!values.IsNull(i)) continue;
      if (whole.empty()) whole = HashRows(snapshot.batches(), AllColumns(snapshot), seed);
      out[row] = whole[row];
    }
  }
  return out;
}

void ByHash(const std::vector<std::uint64_t>& identities, const SplitSpec& spec, Split* out) {
  const bool whole = spec.train + spec.validation + spec.test > 1 - 1e-9;
  for (std::size_t i = 0; i < identities.size(); ++i) {
    const double at = Unit(identities[i]);
    Part part = Part::kUnused;
    if (at < spec.train) {
      part = Part::kTrain;
    } else if (at < spec.train + spec.validation) {
      part = Part::kValidation;
    } else if (at < spec.train + spec.validation + spec.test || (whole && spec.test > 0)) {
      part = Part::kTest;
    }
    out->part[i] = part;
    out->fold[i] = FoldOf(identities[i], spec.folds);
  }
}

void ByFolds(const std::vector<std::uint64_t>& identities, const SplitSpec& spec, Split* out) {
  for (std::size_t i = 0; i < identities.size(); ++i) {
    const int fold = FoldOf(identities[i], spec.folds);
    out->fold[i] = static_cast<std::uint8_t>(fold);
    out->part[i] = fold == spec.folds - 1 ? Part::kTest : fold == spec.folds - 2 && spec.folds > 2 ? Part::kValidation : Part::kTrain;
  }
}

Result<void> ByColumn(const DatasetSnapshot& snapshot, const SplitSpec& spec, Split* out) {
  TENON_ASSIGN(const int at, ColumnAt(snapshot, spec, spec.column, "column", "`split: {by: column, column: name}`"));
  TENON_ASSIGN(const table::Column names, snapshot.Column(spec.column));
  if (snapshot.schema()[at].type != table::Type::kString) {
    return Wrong("column", Str("'", spec.column, "' holds ", table::NameOf(names.type()), ", not train, validation and test"));
  }
  const std::vector<std::uint64_t> identities = Identities(snapshot, -1, spec.seed);
  for (std::int64_t i = 0; i < names.size(); ++i) {
    const auto row = static_cast<std::size_t>(i);
    const std::string name = names.IsNull(i) ? "unused" : ToLower(Trim(names.Text(i)));
    const auto found = std::ranges::find(kPartNames, name);
    if (found == kPartNames.end()) {
      return Wrong("column", Str("'", names.Text(i), "' in row ", i + 1, " of '", spec.column, "'; it holds train, validation, test, or unused"));
    }
    out->part[row] = static_cast<Part>(found - kPartNames.begin());
    out->fold[row] = FoldOf(identities[row], spec.folds);
  }
  out->how = Str("by column ", spec.column);
  return {};
}

// Half-open spans of time, in the units of the column.
struct Span {
  double from = -std::numeric_limits<double>::infinity();
  double until = std::numeric_limits<double>::infinity();
  bool Has(double at) const { return at >= from && at < until; }
};
struct Spans {
  Span train, validation, test;
  bool has_validation = false;
};

Result<double> Length(const std::string& duration) {
  if (duration.empty()) return 0.0;
  TENON_ASSIGN(const auto length, ParseDuration(duration));
  return static_cast<double>(length.count());
}

double DateOr(const std::string& date, double otherwise) {
  Micros at = 0;
  return ParseTimestamp(date, &at) ? static_cast<double>(at) : otherwise;
}

// Durations count back from the last row; dates stand as they are. The gap lies before validation and before test: what
// happened in it was not known yet when the later part began.
Result<Spans> DatedSpans(const SplitSpec& spec, double last) {
  TENON_ASSIGN(const double gap, Length(spec.gap));
  TENON_ASSIGN(const double train, Length(spec.train_span));
  TENON_ASSIGN(const double validation, Length(spec.validation_span));
  TENON_ASSIGN(const double test, Length(spec.test_span));
  Spans out;
  out.test.until = DateOr(spec.test_until, last + 1);
  out.test.from = DateOr(spec.test_from, out.test.until - test);
  double end = out.test.from - gap;
  if (validation > 0) {
    out.has_validation = true;
    out.validation = {end - validation, end};
    end = out.validation.from - gap;
  }
  out.train.until = std::min(end, DateOr(spec.train_until, end));
  out.train.from = DateOr(spec.train_from, train > 0 ? out.train.until - train : out.train.from);
  return out;
}

Result<Spans> SharedSpans(const SplitSpec& spec, const std::vector<double>& times) {
  TENON_ASSIGN(const double gap, Length(spec.gap));
  std::vector<double> sorted = times;
  std::ranges::sort(sorted);
  const auto at = [&](double share) {
    const double index = std::floor(share * static_cast<double>(sorted.size()) + 1e-9);
    if (index >= static_cast<double>(sorted.size())) return std::nextafter(sorted.back(), std::numeric_limits<double>::infinity());
    return sorted[static_cast<std::size_t>(index)];
  };
  Spans out;
  out.has_validation = spec.validation > 0;
  const double first_cut = at(spec.train), second_cut = at(spec.train + spec.validation);
  out.train.until = first_cut - gap;
  out.validation = {first_cut, second_cut - (spec.test > 0 ? gap : 0)};
  out.test.from = second_cut;
  if (spec.train + spec.validation + spec.test < 1 - 1e-9) out.test.until = at(spec.train + spec.validation + spec.test);
  return out;
}

// Folds are blocks of time: the rows of a moment stay together.
void FoldByTime(const std::vector<double>& times, int folds, Split* out) {
  std::vector<double> train;
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (out->part[i] == Part::kTrain) train.push_back(times[i]);
  }
  std::ranges::sort(train);
  for (std::size_t i = 0; i < times.size(); ++i) {
    const auto before = static_cast<double>(std::ranges::lower_bound(train, times[i]) - train.begin());
    const double share = train.empty() ? 0 : before / static_cast<double>(train.size());
    out->fold[i] = static_cast<std::uint8_t>(std::min(static_cast<int>(share * folds), folds - 1));
  }
}

Result<void> ByTime(const DatasetSnapshot& snapshot, const SplitSpec& spec, Split* out) {
  const std::string name = spec.column.empty() ? Default(snapshot, "time") : spec.column;
  TENON_ASSIGN(const int at, ColumnAt(snapshot, spec, name, "time", "`time: name` under data, or `split: {by: time, column: name}`"));
  const table::Type type = snapshot.schema()[at].type;
  const bool dated = !spec.test_span.empty() || !spec.test_from.empty();
  const bool is_time = type == table::Type::kTimestamp;
  if (!is_time && (dated || !spec.gap.empty() || !spec.known_after.empty() || (type != table::Type::kInt64 && type != table::Type::kFloat64))) {
    return Wrong("time", Str("'", name, "' holds ", table::NameOf(type), "; ",
                                             type == table::Type::kString ? "its texts are no ISO dates such as 2024-02-29T23:59:59" : "only shares can part it"));
  }
  TENON_ASSIGN(const table::Column column, snapshot.Column(name));
  std::vector<double> times;
  for (std::int64_t i = 0; i < column.size(); ++i) {
    times.push_back(column.Number(i));
    if (std::isnan(times.back())) {
      return Wrong("time", Str("row ", i + 1, " has no '", name, "'; leave such rows out with `sql: select * from data where ", name, " is not null`"));
    }
  }
  if (times.empty()) return Wrong("time", "there are no rows");
  TENON_ASSIGN(const double late, Length(spec.known_after));
  const double last = *std::ranges::max_element(times) - late;
  std::vector<double> known = times;
  std::erase_if(known, [&](double moment) { return moment > last; });
  if (known.empty()) return Wrong("time", Str("no label is known yet, ", spec.known_after, " before the last row"));
  TENON_ASSIGN(const Spans spans, dated ? DatedSpans(spec, last) : SharedSpans(spec, known));
  if (spans.train.until > spans.test.from) {
    return Wrong("time", "train ends after test begins; test is later than train");
  }
  for (std::size_t i = 0; i < times.size(); ++i) {
    out->part[i] = spans.train.Has(times[i])                                   ? Part::kTrain
                   : spans.has_validation && spans.validation.Has(times[i]) ? Part::kValidation
                   : spans.test.Has(times[i])                                ? Part::kTest
                                                                             : Part::kUnused;
  }
  FoldByTime(times, spec.folds, out);
  // Durations back from the last row end a microsecond behind it: told as the moment itself, which the earlier part has.
  const bool from_last = is_time && dated && spec.test_until.empty() && spec.test_from.empty() && std::fmod(last, 1e6) == 0;
  const auto said = [&](std::string_view open, std::string_view closed, double moment) {
    const bool behind = from_last && std::fmod(moment, 1e6) == 1;
    return Str(behind ? closed : open, " ", is_time ? FormatTimestamp(static_cast<Micros>(moment) - (behind ? 1 : 0)) : FormatShort(moment, 10));
  };
  out->how = Str("by time of ", name, ": train ", said("until", "through", spans.train.until));
  if (spans.has_validation) out->how += Str(", validation ", said("from", "after", spans.validation.from));
  out->how += Str(", test ", said("from", "after", spans.test.from));
  return {};
}

Result<void> CheckParts(const SplitSpec& spec, const Split& split) {
  const bool dated = !spec.test_span.empty() || !spec.test_from.empty();
  const std::array<bool, 3> wanted = {true, dated ? !spec.validation_span.empty() : spec.validation > 0, dated || spec.test > 0};
  for (std::size_t i = 0; i < 3; ++i) {
    if (split.count[i] > 0 || !wanted[i] || (spec.by == "column" && i == 1)) continue;
    return Error(Code::kInvalidArgument,
                 Str("split.", kPartNames[i], ": the ", kPartNames[i], " part would be empty: ", split.part.size(), " rows ", split.how,
                     dated ? "; look at the durations and dates" : "; give it a larger share, or another `seed`"));
  }
  return {};
}

// What auto comes to: durations or dates mean time; a group keeps together what belongs together.
std::string WayOf(const DatasetSnapshot& snapshot, const SplitSpec& spec, std::string_view label) {
  if (spec.by != "auto") return spec.by;
  if (!spec.test_span.empty() || !spec.test_from.empty() || !spec.gap.empty()) return "time";
  if (!Default(snapshot, "group").empty()) return "group";
  const int at = snapshot.schema().Find(label);
  if (at < 0) return "key";
  const table::Type type = snapshot.schema()[at].type;
  return type == table::Type::kString || type == table::Type::kBool || type == table::Type::kInt64 ? "stratified" : "key";
}

// Rows whose labels are not known yet when the data ends are of no part.
Result<void> LeaveOutUnknown(const DatasetSnapshot& snapshot, const SplitSpec& spec, Split* out) {
  if (spec.known_after.empty()) return {};
  const std::string name = Default(snapshot, "time");
  TENON_ASSIGN(const int at, ColumnAt(snapshot, spec, name, "time", "`time: name` under data: label.known_after counts from it"));
  if (snapshot.schema()[at].type != table::Type::kTimestamp) {
    return Error(Code::kInvalidArgument, Str("problem.label.known_after: counts from '", name, "', which holds ", table::NameOf(snapshot.schema()[at].type), ", not times"));
  }
  TENON_ASSIGN(const double late, Length(spec.known_after));
  TENON_ASSIGN(const table::Column times, snapshot.Column(name));
  double last = -std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < times.size(); ++i) {
    if (!times.IsNull(i)) last = std::max(last, times.Number(i));
  }
  std::int64_t unknown = 0;
  for (std::int64_t i = 0; i < times.size(); ++i) {
    if (times.IsNull(i) || times.Number(i) <= last - late) continue;
    out->part[static_cast<std::size_t>(i)] = Part::kUnused;
    ++unknown;
  }
  if (unknown > 0) out->how += Str("; labels are known until ", FormatTimestamp(static_cast<Micros>(last - late)));
  return {};
}

}  // namespace

Result<Split> MakeSplit(const Call& call, const DatasetSnapshot& snapshot, const SplitSpec& given, std::string_view label) {
  TENON_TRY(call.Check());
  SplitSpec spec = given;
  spec.by = WayOf(snapshot, given, label);
  if (!label.empty() && snapshot.schema().Find(label) < 0) {
    return Error(Code::kInvalidArgument, Str("problem.label: split: no label '", label, "'", DidYouMean(label, snapshot.schema().Names())));
  }
  Split out;
  out.part.assign(static_cast<std::size_t>(snapshot.rows()), Part::kUnused);
  out.fold.assign(out.part.size(), 0);
  const std::string key = Default(snapshot, "key");
  int identity = -1;
  if (spec.by == "key" || spec.by == "stratified" || spec.by == "folds") {
    if (!key.empty()) {
      TENON_ASSIGN(identity, ColumnAt(snapshot, spec, key, spec.by, "`key: name` under data"));
    }
    const std::string hashed = Str(" by hash of ", key.empty() ? "row" : key);
    out.how = spec.by == "folds" ? Str(spec.folds, " folds", hashed) : Str(Shares(spec), hashed);
    if (spec.by == "stratified") {
      if (label.empty()) return Error(Code::kInvalidArgument, "split.by: stratified needs a label; write `by: key`");
      out.how = Str("stratified by ", label, ", ", out.how);
    }
  } else if (spec.by == "group") {
    const std::string group = spec.column.empty() ? Default(snapshot, "group") : spec.column;
    TENON_ASSIGN(identity, ColumnAt(snapshot, spec, group, "group", "`group: name` under data, or `split: {by: group, column: name}`"));
    out.how = Str("by group, ", Shares(spec), " by hash of ", group);
  }
  if (spec.by == "time") {
    TENON_TRY(ByTime(snapshot, spec, &out));
  } else if (spec.by == "column") {
    TENON_TRY(ByColumn(snapshot, spec, &out));
  } else {
    const std::vector<std::uint64_t> identities = Identities(snapshot, identity, spec.seed);
    if (spec.by == "folds") {
      ByFolds(identities, spec, &out);
    } else {
      ByHash(identities, spec, &out);
    }
  }
  TENON_TRY(LeaveOutUnknown(snapshot, spec, &out));
  for (const Part part : out.part) ++out.count[static_cast<std::size_t>(part)];
  TENON_TRY(CheckParts(spec, out));
  return out;
}

}  // namespace tenon::dataset
