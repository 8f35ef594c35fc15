// The `features:` chapter as the user writes it.

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/text.h"
#include "base/time.h"
#include "feature/view.h"
#include "feature/view_internal.h"

namespace tenon::feature {
namespace {

using std::chrono::microseconds;

constexpr std::array<std::string_view, 13> kAggregates = {"count", "sum",  "mean",          "std",         "min",         "max",
                                                          "last",  "distinct", "decayed_count", "decayed_sum", "decayed_mean", "quantile", "lag"};

bool IsName(std::string_view text) {
  return !text.empty() && !(text[0] >= '0' && text[0] <= '9') && std::ranges::all_of(text, [](char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  });
}

Result<void> ReadSpan(Fields* fields, std::string_view key, bool zero, microseconds* out) {
  std::string text;
  TENON_TRY(fields->ReadScalar(key, &text));
  if (text.empty() || (zero && text == "0")) return {};
  auto duration = ParseDuration(text);
  if (!duration) return fields->Wrong(key, duration.error().message());
  if (duration->count() <= 0 && !zero) return fields->Wrong(key, Str("'", text, "' must be longer than nothing"));
  *out = *duration;
  return {};
}

std::string WithoutBlanks(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ') out += c;
  }
  return out;
}

// 7d, all, {tumbling: 1d}, {session: 30m, most: 1d}.
Result<Window> ParseWindow(const Json& json, const std::string& path, std::string_view file) {
  const auto wrong = [&](std::string_view what) { return Error(Code::kInvalidArgument, Str(json.Where(file), ": ", path, ": ", what)); };
  Window window;
  if (json.is_string()) {
    if (json.String() == "all") {
      window.text = "all";
      return window;
    }
    auto length = ParseDuration(json.String());
    if (!length) return wrong(Str("'", json.String(), "' is no window; write 7d, all, {tumbling: 1d} or {session: 30m}"));
    if (length->count() <= 0) return wrong(Str("the window ", json.String(), " is empty"));
    window.kind = Window::Kind::kSliding;
    window.length = *length;
    window.text = WithoutBlanks(json.String());
    return window;
  }
  if (!json.is_object()) return wrong(Str("expected a window such as 7d, got ", json.KindName()));
  TENON_ASSIGN(Fields fields, Fields::Of(json, path, file));
  const bool session = json.Find("session") != nullptr;
  const std::string_view key = session ? "session" : "tumbling";
  std::string text;
  TENON_TRY(fields.ReadScalar(key, &text));
  TENON_TRY(ReadSpan(&fields, key, false, &window.length));
  window.kind = session ? Window::Kind::kSession : Window::Kind::kTumbling;
  window.most = std::chrono::hours(24);
  if (session) TENON_TRY(ReadSpan(&fields, "most", false, &window.most));
  TENON_TRY(fields.Done());
  if (window.length.count() == 0) return wrong("expected {tumbling: 1d} or {session: 30m}");
  if (session && window.most < window.length) return wrong("`most` is how far back a session reaches: longer than its gap");
  if (!session) window.most = {};
  window.text = Str(key, "_", WithoutBlanks(text));
  return window;
}

Result<std::vector<Window>> ParseWindows(const Json& json, const std::string& path, std::string_view file) {
  std::vector<Window> out;
  if (!json.is_array()) {
    TENON_ASSIGN(Window window, ParseWindow(json, path, file));
    out.push_back(std::move(window));
    return out;
  }
  for (const Json& item : json.array()) {
    TENON_ASSIGN(Window window, ParseWindow(item, path, file));
    out.push_back(std::move(window));
  }
  if (out.empty()) return Error(Code::kInvalidArgument, Str(json.Where(file), ": ", path, ": name at least one window, such as 7d"));
  return out;
}

// "p95", "p99_9", "median" as the name of a function.
bool ShareOf(std::string_view text, double* share) {
  if (text == "median") {
    *share = 0.5;
    return true;
  }
  if (text.size() < 2 || text[0] != 'p') return false;
  std::string number(text.substr(1));
  std::replace(number.begin(), number.end(), '_', '.');
  if (!ParseDouble(number, share) || *share < 0 || *share > 100) return false;
  *share /= 100;
  return true;
}

class ViewParser {
 public:
  ViewParser(std::string_view name, std::string_view file) : file_(file), path_(Str("features.", name)) { view_.name = name; }

  Result<FeatureView> Parse(const Json& json) {
    TENON_ASSIGN(Fields fields, Fields::Of(json, path_, file_));
    if (!IsName(view_.name)) return fields.Wrong("", Str("'", view_.name, "' is no name for a view: letters, digits and _ only"));
    TENON_TRY(ReadPlain(fields));
    TENON_TRY(ReadLatest(fields));
    TENON_TRY(ReadAggregates(fields));
    TENON_TRY(ReadTests(fields));
    fields.Known("sensitive");
    TENON_TRY(fields.Done());
    if (view_.always()) TENON_TRY(CheckAlways(fields));
    if (view_.entity.empty()) return fields.Wrong("", "`entity:` is missing: the column (or columns) that say whose features these are");
    if (view_.features.empty()) return fields.Wrong("", "no features: write `latest: [column]` or `aggregate: {column: {mean: 7d}}`");
    return CheckNames(fields);
  }

 private:
  Result<void> CheckAlways(const Fields& fields) const {
    const bool dated = !view_.known.empty() || !view_.event.empty() || view_.ttl.count() != 0 || delay_.count() != 0 || !view_.same_instant;
    if (dated) return fields.Wrong("time", "`always` goes without known, event, delay, ttl and same_instant: what holds at any time has none of them");
    if (std::ranges::any_of(view_.features, [](const FeatureSpec& feature) { return feature.function != Function::kLatest; })) {
      return fields.Wrong("time", "`always` goes with `latest` only: there are no windows without a time");
    }
    return {};
  }

  Result<void> ReadPlain(Fields& fields) {
    TENON_TRY(fields.Read("entity", &view_.entity));
    TENON_TRY(fields.Read("from", &view_.from));
    TENON_TRY(fields.Read("time", &view_.time));
    TENON_TRY(fields.Read("known", &view_.known));
    TENON_TRY(fields.Read("event", &view_.event));
    TENON_TRY(fields.Read("deleted", &view_.deleted));
    TENON_TRY(fields.Read("where", &view_.where));
    TENON_TRY(fields.Read("same_instant", &view_.same_instant));
    TENON_TRY(fields.Read("owner", &view_.owner));
    TENON_TRY(fields.Read("description", &view_.description));
    TENON_TRY(fields.Read("tags", &view_.tags));
    TENON_TRY(fields.Read("version", &view_.version));
    TENON_TRY(ReadSpan(&fields, "ttl", false, &view_.ttl));
    TENON_TRY(ReadSpan(&fields, "delay", true, &delay_));
    if (!view_.event.empty() && view_.known.empty()) {
      return fields.Wrong("event", "records are corrected by later ones of the same event: name the column that says when a record was learnt under `known:`");
    }
    if (!view_.deleted.empty() && view_.event.empty()) {
      return fields.Wrong("deleted", "name the column with the event's id under `event:`, so that it is clear which one is taken back");
    }
    if (view_.version < 1) return fields.Wrong("version", "versions count from 1");
    return {};
  }

  Result<void> ReadLatest(Fields& fields) {
    std::vector<std::string> latest;
    TENON_TRY(fields.Read("latest", &latest));
    Window window;
    window.text = "all";
    for (const std::string& column : latest) {
      if (!IsName(column)) {
        return fields.Wrong("latest", Str("'", column, "' cannot be the name of a feature: letters, digits and _ only; rename the column with the source's `sql`"));
      }
      view_.features.push_back({column, static_cast<int>(view_.inputs.size()), Function::kLatest, window, 0.5});
      view_.inputs.push_back({.name = column, .of = {}, .where = {}, .delay = delay_, .fill = {}});
    }
    return {};
  }

  Result<void> ReadAggregates(Fields& fields) {
    const Json* aggregate = fields.Find("aggregate");
    if (aggregate == nullptr) return {};
    if (!aggregate->is_object()) return fields.Wrong("aggregate", Str("expected {column: {mean: 7d}}, got ", aggregate->KindName()));
    for (const auto& [name, json] : aggregate->object()) TENON_TRY(ReadInput(name, json));
    return {};
  }

  Result<void> ReadInput(const std::string& name, const Json& json) {
    const std::string path = Str(path_, ".aggregate.", name);
    TENON_ASSIGN(Fields fields, Fields::Of(json, path, file_));
    InputSpec input;
    input.name = name;
    input.delay = delay_;
    TENON_TRY(fields.Read("of", &input.of));
    TENON_TRY(fields.Read("where", &input.where));
    if (json.Find("delay") != nullptr) input.delay = {};
    TENON_TRY(ReadSpan(&fields, "delay", true, &input.delay));
    if (json.Find("fill") != nullptr) {
      double fill = 0;
      TENON_TRY(fields.Read("fill", &fill));
      input.fill = fill;
    }
    if (!IsName(name)) return fields.Wrong("", Str("'", name, "' cannot begin the name of a feature; write name: {of: '", name, "', ...}"));
    const int at = static_cast<int>(view_.inputs.size());
    view_.inputs.push_back(input);
    const std::size_t before = view_.features.size();
    for (const auto& [key, value] : json.object()) TENON_TRY(ReadFunction(key, value, path, at, &fields));
    for (const std::string_view key : kAggregates) fields.Known(key);
    TENON_TRY(fields.Done());
    if (view_.features.size() == before) return fields.Wrong("", "what of it? Write for example mean: [1d, 7d]");
    return {};
  }

  Result<void> ReadFunction(const std::string& key, const Json& value, const std::string& path, int input, Fields* fields) {
    double share = 0.5;
    const bool quantile = key == "quantile";
    const bool short_quantile = ShareOf(key, &share);
    if (!short_quantile && std::ranges::find(kAggregates, key) == kAggregates.end()) return {};
    fields->Known(key);
    const std::string at = Str(path, ".", key);
    if (quantile) return ReadQuantiles(value, at, input);
    TENON_ASSIGN(std::vector<Window> windows, ParseWindows(value, at, file_));
    if (short_quantile) return AddAll(Function::kQuantile, share, input, windows);
    for (int function = 0; function <= static_cast<int>(Function::kLag); ++function) {
      if (NameOf(static_cast<Function>(function)) != key) continue;
      const bool decayed = key.starts_with("decayed");
      for (const Window& window : windows) {
        if ((!decayed && key != "lag") || window.kind == Window::Kind::kSliding) continue;
        return fields->Wrong(key, decayed ? "expected a half-life, such as 7d" : "expected how long ago, such as [1h, 24h]");
      }
      return AddAll(static_cast<Function>(function), share, input, windows);
    }
    return {};
  }

  // {share: 0.95, over: [7d]} or a list of such.
  Result<void> ReadQuantiles(const Json& value, const std::string& path, int input) {
    const Json list = value.is_array() ? value : Json(Json::Array{value});
    for (const Json& item : list.array()) {
      TENON_ASSIGN(Fields fields, Fields::Of(item, path, file_));
      double share = -1;
      TENON_TRY(fields.Read("share", &share));
      if (!(share >= 0 && share <= 1)) return fields.Wrong("share", "expected a share from 0 to 1, as in {share: 0.95, over: 7d}");
      const Json* over = fields.Find("over");
      if (over == nullptr) return fields.Wrong("", "`over:` is missing: the window, such as 7d");
      TENON_ASSIGN(std::vector<Window> windows, ParseWindows(*over, path, file_));
      TENON_TRY(fields.Done());
      TENON_TRY(AddAll(Function::kQuantile, share, input, windows));
    }
    return {};
  }

  Result<void> AddAll(Function function, double share, int input, const std::vector<Window>& windows) {
    for (const Window& window : windows) {
      const std::string what = function == Function::kQuantile ? QuantileName(share) : std::string(NameOf(function));
      view_.features.push_back({Str(view_.inputs[static_cast<std::size_t>(input)].name, "_", what, "_", window.text), input, function, window, share});
      std::replace(view_.features.back().name.begin(), view_.features.back().name.end(), '.', '_');
    }
    return {};
  }

  Result<void> ReadTests(Fields& fields) {
    const Json* tests = fields.Find("tests");
    if (tests == nullptr) return {};
    TENON_ASSIGN(view_.tests, ParseTests(*tests, Str(path_, ".tests"), true, file_));
    return {};
  }

 public:
  static Result<std::vector<FeatureTest>> ParseTests(const Json& json, const std::string& path, bool with_events, std::string_view file) {
    std::vector<FeatureTest> out;
    if (!json.is_array()) return Error(Code::kInvalidArgument, Str(json.Where(file), ": ", path, ": expected a list of tests"));
    for (const Json& item : json.array()) {
      TENON_ASSIGN(Fields fields, Fields::Of(item, path, file));
      FeatureTest test;
      test.name = Str("test ", out.size() + 1);
      TENON_TRY(fields.Read("name", &test.name));
      if (with_events) {
        const Json* events = fields.Find("events");
        if (events == nullptr || !events->is_array()) return fields.Wrong("events", "expected a list of rows of the source");
        test.events = *events;
      }
      const Json* rows = fields.Find("rows");
      if (rows == nullptr || !rows->is_array() || rows->array().empty()) return fields.Wrong("rows", "expected a list of rows, each with `expect: {feature: value}`");
      for (const Json& row : rows->array()) {
        if (row.is_object() && row.Find("expect") != nullptr && row.Find("expect")->is_object()) continue;
        return Error(Code::kInvalidArgument, Str(row.Where(file), ": ", path, ".rows: a row needs `expect: {feature: value}`"));
      }
      test.rows = *rows;
      TENON_TRY(fields.Done());
      out.push_back(std::move(test));
    }
    return out;
  }

 private:
  Result<FeatureView> CheckNames(Fields& fields) {
    std::set<std::string> names(view_.entity.begin(), view_.entity.end());
    if (names.size() != view_.entity.size()) return fields.Wrong("entity", "a column stands there twice");
    std::vector<std::string> known;
    for (const FeatureSpec& feature : view_.features) {
      if (!names.insert(feature.name).second) {
        return fields.Wrong("", Str("two features are named '", feature.name, "'; give one of the columns another name with name: {of: column, ...}"));
      }
      known.push_back(feature.name);
    }
    const Json* sensitive = fields.Find("sensitive");
    if (sensitive != nullptr && sensitive->is_bool()) {
      if (sensitive->Bool()) view_.sensitive = known;
    } else {
      TENON_TRY(fields.Read("sensitive", &view_.sensitive));
    }
    for (const std::string& feature : view_.sensitive) {
      if (!names.contains(feature)) return fields.Wrong("sensitive", Str("no feature '", feature, "'", DidYouMean(feature, known)));
    }
    return view_;
  }

  std::string_view file_;
  std::string path_;
  FeatureView view_;
  microseconds delay_{0};
};

Result<std::vector<OnDemandSpec>> ParseOnDemand(const Json& json, std::string_view file) {
  std::vector<OnDemandSpec> out;
  if (!json.is_object()) return Error(Code::kInvalidArgument, Str(json.Where(file), ": features.on_demand: expected {name: expression}"));
  for (const auto& [name, value] : json.object()) {
    OnDemandSpec spec;
    spec.name = name;
    const std::string path = Str("features.on_demand.", name);
    if (!IsName(name)) return Error(Code::kInvalidArgument, Str(value.Where(file), ": ", path, ": a name has letters, digits and _ only"));
    if (value.is_string()) {
      spec.expression = value.String();
    } else {
      TENON_ASSIGN(Fields fields, Fields::Of(value, path, file));
      TENON_TRY(fields.Read("expression", &spec.expression));
      TENON_TRY(fields.Read("description", &spec.description));
      TENON_TRY(fields.Done());
    }
    if (spec.expression.empty()) return Error(Code::kInvalidArgument, Str(value.Where(file), ": ", path, ": expected an expression"));
    out.push_back(std::move(spec));
  }
  return out;
}

}  // namespace

Result<FeatureView> FeatureView::Parse(std::string_view name, const Json& json, std::string_view file) {
  return ViewParser(name, file).Parse(json);
}

Result<FeaturesSpec> FeaturesSpec::Parse(const Json& json, std::string_view file) {
  FeaturesSpec spec;
  if (json.is_null()) return spec;
  if (!json.is_object()) return Error(Code::kInvalidArgument, Str(json.Where(file), ": features: expected {view: {entity: ..., ...}}, got ", json.KindName()));
  for (const auto& [name, value] : json.object()) {
    if (name == "on_demand") {
      TENON_ASSIGN(spec.on_demand, ParseOnDemand(value, file));
    } else if (name == "tests") {
      TENON_ASSIGN(spec.tests, ViewParser::ParseTests(value, "features.tests", false, file));
    } else {
      TENON_ASSIGN(FeatureView view, FeatureView::Parse(name, value, file));
      spec.views.push_back(std::move(view));
    }
  }
  return spec;
}

}  // namespace tenon::feature
