// The default graph of a table: what to do with each column, by its type and the distribution of its training rows.

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/text.h"
#include "base/time.h"
#include "transform/graph.h"

namespace tenon::transform {
namespace {

using table::ColumnProfile;
using table::Field;
using table::Type;

constexpr double kFewTexts = 32;        // values that become one feature each, for trees
constexpr double kFewTextsLinear = 64;  // and for linear models
constexpr double kFewNumbers = 12;      // whole numbers that linear models may read as codes
constexpr double kIdentifier = 0.95;    // share of different values from which a column only names its rows
constexpr double kSkewed = 1.5;         // skewness from which a logarithm helps
constexpr double kDay = 86'400e6;       // microseconds

// "id", "customer_id", "PatientId", "user id": the column names things.
bool NamedLikeIdentifier(std::string_view name) {
  const std::string low = ToLower(name);
  if (low == "id" || low == "key" || low == "uuid" || low == "guid" || low == "index" || low == "rowid") return true;
  if (name.ends_with("Id") || name.ends_with("ID")) return true;
  return low.ends_with("_id") || low.ends_with(" id") || low.ends_with("-id") || low.ends_with("_key") || low.ends_with("_uuid");
}

// Prose rather than names and codes: some blanks in the usual value. Where hardly a value comes twice the profile may not
// know the values: then long texts of differing lengths (identifiers are of about one length).
bool IsProse(const ColumnProfile& profile) {
  double blanks = 0;
  const auto top = profile.Top(64);
  for (const auto& item : top) blanks += static_cast<double>(std::count(item.value.begin(), item.value.end(), ' '));
  if (top.size() >= 16) return blanks / static_cast<double>(top.size()) >= 2 && profile.mean_length() >= 15;
  return profile.mean_length() >= 25 && profile.longest() >= 2 * profile.shortest();
}

class Builder {
 public:
  Builder(const table::Schema& schema, const table::Profile& training, bool trees, bool labelled, std::vector<std::string>* why)
      : schema_(schema), training_(training), trees_(trees), labelled_(labelled), why_(why) {}

  Result<void> AddNodes(const std::vector<NodeSpec>& nodes);
  Result<void> AddChosen(const Field& field, const std::vector<NodeSpec>& steps);
  void AddDefault(const Field& field);
  Result<GraphSpec> Finish();

 private:
  void Say(const Field& field, std::string_view what) {
    if (why_ != nullptr) why_->push_back(Str(field.name, ": ", what));
  }
  void Feature(std::string port) { graph_.features.push_back(std::move(port)); }
  std::string Node(std::string op, std::string in, std::string out, Json with = {}) {
    graph_.nodes.push_back({std::move(op), {std::move(in)}, {out}, std::move(with)});
    return out;
  }
  void Number(const Field& field, const ColumnProfile& profile);
  void LinearNumber(const Field& field, const ColumnProfile& profile);
  void Text(const Field& field, const ColumnProfile& profile);
  void ManyTexts(const Field& field, std::string_view what);
  void Prose(const Field& field, const ColumnProfile& profile);
  void Time(const Field& field, const ColumnProfile& profile);
  bool CannotHelp(const Field& field, const ColumnProfile& profile);

  const table::Schema& schema_;
  const table::Profile& training_;
  bool trees_;
  bool labelled_;
  std::vector<std::string>* why_;
  GraphSpec graph_;
};

bool Builder::CannotHelp(const Field& field, const ColumnProfile& profile) {
  const auto present = static_cast<double>(profile.count() - profile.missing());
  if (present == 0) {
    Say(field, "left out, it has no values");
    return true;
  }
  if (profile.distinct() <= 1 && profile.missing() == 0) {
    Say(field, "left out, it is the same in all rows");
    return true;
  }
  const bool unique = present >= 50 && profile.distinct() >= kIdentifier * present;
  if (!unique) return false;
  if (field.type == Type::kString && !IsProse(profile)) {
    Say(field, "left out, nearly every row has its own value, as an identifier has");
    return true;
  }
  const bool sequence = profile.max() - profile.min() <= 1.05 * present;
  if (field.type == Type::kInt64 && (sequence || NamedLikeIdentifier(field.name))) {
    Say(field, "left out, it numbers the rows");
    return true;
  }
  return false;
}

void Builder::Number(const Field& field, const ColumnProfile& profile) {
  const bool codes = field.type != Type::kBool && NamedLikeIdentifier(field.name) && profile.distinct() > kFewTexts;
  if (codes) {
    ManyTexts(field, "numbers that name things");
    return;
  }
  if (!trees_) {
    LinearNumber(field, profile);
    return;
  }
  Say(field, profile.missing() > 0 ? "number, as it is (missing stays missing)" : "number, as it is");
  Feature(field.name);
}

void Builder::LinearNumber(const Field& field, const ColumnProfile& profile) {
  const double distinct = profile.distinct();
  const auto present = static_cast<double>(profile.count() - profile.missing());
  if (field.type == Type::kInt64 && distinct > 2 && distinct <= kFewNumbers && present >= 50 * distinct) {
    Say(field, "few whole numbers: one feature a value");
    Feature(Node("one_hot", field.name, Str(field.name, "_is"), Json::MakeObject()));
    return;
  }
  std::string steps;
  std::string port = field.name;
  if (profile.missing() > 0) {
    Json with;
    with["method"] = "median";
    with["indicator"] = true;
    graph_.nodes.push_back({"impute", {port}, {Str(field.name, "_filled"), Str(field.name, "_missing")}, with});
    port = Str(field.name, "_filled");
    Feature(Str(field.name, "_missing"));
    steps = "missing filled with the median and flagged, ";
  } else {
    Json with;
    with["method"] = "median";
    port = Node("impute", port, Str(field.name, "_filled"), with);  // rows to come may lack it
  }
  if (distinct > 2 && std::abs(profile.skewness()) > kSkewed) {
    port = Node("log", port, Str(field.name, "_log"));
    steps += "skewed, so its logarithm, ";
  }
  if (distinct > 2) {
    port = Node("standard_scale", port, Str(field.name, "_scaled"));
    steps += "scaled";
  } else {
    steps += "two values, as they are";
  }
  Say(field, Str("number: ", steps));
  Feature(port);
}

void Builder::ManyTexts(const Field& field, std::string_view what) {
  if (!trees_ || !labelled_) {
    Json with;
    with["most"] = 100;
    with["least_count"] = 5;
    with["unseen"] = "own";
    Feature(Node("one_hot", field.name, Str(field.name, "_is"), with));
  }
  if (labelled_) {
    Json with;
    if (!trees_) with["scaled"] = true;
    Feature(Node("target_encode", field.name, Str(field.name, "_target"), with));
  }
  if (trees_) Feature(Node("frequency", field.name, Str(field.name, "_count")));
  Say(field, Str(what, labelled_ ? ": encoded by the label out of fold" : ": the most frequent as features",
                 trees_ ? ", and counted" : ""));
}

void Builder::Prose(const Field& field, const ColumnProfile& profile) {
  // Dense rows: 400 MB of features at most.
  const double room = 1e8 / std::max(1.0, static_cast<double>(profile.count()));
  Json with;
  with["most"] = static_cast<std::int64_t>(std::clamp(room, 100.0, trees_ ? 500.0 : 5000.0));
  with["least_count"] = 2;
  if (!trees_) with["words"] = Json(Json::Array{Json(1), Json(2)});
  Feature(Node("text_tfidf", field.name, Str(field.name, "_words"), with));
  Say(field, "prose: weights of its words (TF-IDF)");
}

void Builder::Text(const Field& field, const ColumnProfile& profile) {
  const double distinct = profile.distinct();
  const auto present = static_cast<double>(profile.count() - profile.missing());
  if (distinct <= (trees_ ? kFewTexts : kFewTextsLinear)) {
    Json with;
    if (present >= 1000) with["least_count"] = 3;
    Feature(Node("one_hot", field.name, Str(field.name, "_is"), with.is_null() ? Json::MakeObject() : with));
    Say(field, "few values: one feature a value");
    return;
  }
  if (IsProse(profile) && distinct > 0.3 * present) {
    Prose(field, profile);
    return;
  }
  ManyTexts(field, "many values");
}

void Builder::Time(const Field& field, const ColumnProfile& profile) {
  const double span = (profile.max() - profile.min()) / kDay;
  bool hours = false;
  for (int i = 0; i <= 20; ++i) {
    const double at = profile.distinct_is_exact() ? 0 : profile.Quantile(i / 20.0);
    hours = hours || std::fmod(at, kDay) != 0;
  }
  for (const auto& item : profile.Top(32)) {
    Micros at = 0;
    const bool read = ParseTimestamp(item.value, &at) || ParseInt64(item.value, &at);
    hours = hours || (read && at % static_cast<Micros>(kDay) != 0);
  }
  Json parts = Json::MakeArray();
  if (span > 500 && trees_) parts.Push("year");
  if (span > 45) parts.Push("month");
  if (span > 20) parts.Push("day");
  parts.Push("weekday");
  if (hours) parts.Push("hour");
  parts.Push("days_since");
  Json with;
  with["parts"] = parts;
  if (!trees_) {  // circles, nothing missing, and days on the scale of the others
    with["cyclic"] = true;
    with["missing"] = "zero";
    with["since"] = FormatTimestamp(static_cast<Micros>(profile.mean()));
    with["unit_days"] = std::max(1.0, profile.stddev() / kDay);
  }
  Feature(Node("date_parts", field.name, Str(field.name, "_parts"), with));
  Say(field, "time: parts of the date");
}

void Builder::AddDefault(const Field& field) {
  graph_.inputs.push_back(field);
  const ColumnProfile* profile = training_.Find(field.name);
  if (profile == nullptr || CannotHelp(field, *profile)) {
    if (profile == nullptr) Say(field, "left out, it has no profile");
    graph_.inputs.pop_back();
    return;
  }
  switch (field.type) {
    case Type::kString: Text(field, *profile); break;
    case Type::kTimestamp: Time(field, *profile); break;
    case Type::kEmbedding:
      Say(field, "embedding, as it is");
      Feature(field.name);
      break;
    default: Number(field, *profile);
  }
}

// The user's own nodes: what no other of them reads is a feature. The columns they read become inputs.
Result<void> Builder::AddNodes(const std::vector<NodeSpec>& nodes) {
  std::set<std::string> made;
  std::set<std::string> read;
  for (const NodeSpec& node : nodes) {
    made.insert(node.out.begin(), node.out.end());
    read.insert(node.in.begin(), node.in.end());
  }
  for (const std::string& name : read) {
    if (made.contains(name)) continue;
    const int at = schema_.Find(name);
    if (at < 0) {
      return Error(Code::kInvalidArgument, Str("transform.nodes: no column '", name, "'", DidYouMean(name, schema_.Names())));
    }
    graph_.inputs.push_back(schema_[at]);
  }
  for (const NodeSpec& node : nodes) {
    if (node.out.empty()) {
      return Error(Code::kInvalidArgument, Str("transform.nodes: name the outputs of ", node.op, " of ", Join(node.in, ", "), " under 'out'"));
    }
    graph_.nodes.push_back(node);
    for (const std::string& out : node.out) {
      if (!read.contains(out)) Feature(out);
    }
  }
  return {};
}

Result<void> Builder::AddChosen(const Field& field, const std::vector<NodeSpec>& steps) {
  graph_.inputs.push_back(field);
  std::string port = field.name;
  std::vector<std::string> said;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    NodeSpec node = steps[i];
    node.in = {port};
    port = Str(field.name, "_", node.op);
    for (std::size_t k = 0; k < i; ++k) {
      if (steps[k].op == node.op) port = Str(field.name, "_", node.op, "_", i + 1);
    }
    node.out = {port};
    if (node.op == "impute" && node.with.BoolAt("indicator")) {
      node.out.push_back(Str(field.name, "_missing"));
      Feature(node.out.back());
    }
    said.push_back(node.op);
    graph_.nodes.push_back(std::move(node));
  }
  Feature(port);
  Say(field, Str("as the project file says: ", Join(said, ", ")));
  return {};
}

Result<GraphSpec> Builder::Finish() {
  if (graph_.features.empty()) {
    return Error(Code::kInvalidArgument, "no column is left to learn from: all are constant, empty, identifiers or dropped");
  }
  std::vector<Field> inputs;
  for (const Field& field : schema_.fields()) {
    for (const Field& used : graph_.inputs) {
      if (used.name != field.name) continue;
      inputs.push_back(field);
      break;
    }
  }
  graph_.inputs = std::move(inputs);
  return std::move(graph_);
}

Result<void> CheckNames(const table::Schema& schema, const TransformSpec& spec, std::string_view label) {
  const std::vector<std::string> names = schema.Names();
  for (const std::string& name : spec.drop) {
    if (schema.Find(name) < 0) {
      return Error(Code::kInvalidArgument, Str("transform.drop: no column '", name, "'", DidYouMean(name, names)));
    }
  }
  for (const auto& [name, node] : spec.columns) {
    if (schema.Find(name) < 0) {
      return Error(Code::kInvalidArgument, Str("transform.columns: no column '", name, "'", DidYouMean(name, names)));
    }
    if (name == label) {
      return Error(Code::kInvalidArgument, Str("transform.columns: '", name, "' is the label, which no model may read"));
    }
  }
  for (const NodeSpec& node : spec.nodes) {
    if (!label.empty() && std::find(node.in.begin(), node.in.end(), label) != node.in.end()) {
      return Error(Code::kInvalidArgument, Str("transform.nodes: ", node.op, " reads '", label, "', the label, which no model may read"));
    }
  }
  return {};
}

}  // namespace

Result<GraphSpec> AutoGraph(const table::Schema& schema, const table::Profile& training, const TransformSpec& spec,
                            std::string_view label, const std::vector<std::string>& leave_out, std::string_view learner_style,
                            std::vector<std::string>* why) {
  const std::string_view style = spec.style == "auto" ? learner_style : std::string_view(spec.style);
  TENON_TRY(CheckNames(schema, spec, label));
  std::map<std::string, std::vector<NodeSpec>, std::less<>> chosen;
  for (const auto& [column, node] : spec.columns) chosen[column].push_back(node);
  const auto listed = [](const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  Builder builder(schema, training, style != "linear", !label.empty(), why);
  TENON_TRY(builder.AddNodes(spec.nodes));
  for (const Field& field : schema.fields()) {
    if (field.name == label) continue;
    if (listed(leave_out, field.name) || listed(spec.drop, field.name)) {
      if (why != nullptr) why->push_back(Str(field.name, ": left out, as asked"));
      continue;
    }
    if (const auto at = chosen.find(field.name); at != chosen.end()) {
      if (at->second.size() == 1 && at->second[0].op == "drop") {
        if (why != nullptr) why->push_back(Str(field.name, ": left out, as asked"));
        continue;
      }
      TENON_TRY(builder.AddChosen(field, at->second));
      continue;
    }
    builder.AddDefault(field);
  }
  return builder.Finish();
}

}  // namespace tenon::transform
