// What single ops give, case by case: what the contract of all kinds and the numbers of other libraries do not say.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/bytes.h"
#include "base/testing.h"
#include "base/time.h"
#include "transform/test_rows_internal.h"

namespace tenon::transform {
namespace {

// One value of a row: nothing, a number, a text, or a time written with "@".
struct Cell {
  Cell() : number(kNaN) {}
  Cell(double value) : number(value) {}
  Cell(int value) : number(value) {}
  Cell(const char* value) : text(value) {}
  double number = 0;
  const char* text = nullptr;
  bool missing() const { return text == nullptr && std::isnan(number); }
};
using Rows = std::vector<std::vector<Cell>>;

table::Batch BatchOf(const Rows& rows) {
  std::vector<table::Field> fields;
  std::vector<table::Column> made;
  for (std::size_t c = 0; c < rows[0].size(); ++c) {
    table::Type type = table::Type::kFloat64;
    for (const auto& row : rows) {
      if (row[c].text != nullptr) type = row[c].text[0] == '@' ? table::Type::kTimestamp : table::Type::kString;
    }
    table::ColumnBuilder builder(type);
    for (const auto& row : rows) {
      Micros at = 0;
      if (row[c].missing()) {
        builder.AddNull();
      } else if (type == table::Type::kString) {
        builder.AddText(row[c].text);
      } else if (type == table::Type::kTimestamp) {
        EXPECT_TRUE(ParseTimestamp(row[c].text + 1, &at)) << row[c].text;
        builder.AddInt(at);
      } else {
        builder.Add(row[c].number);
      }
    }
    fields.push_back({Str("c", c), type});
    made.push_back(builder.Finish());
  }
  return table::Batch(std::make_shared<const table::Schema>(std::move(fields)), std::move(made));
}

struct Given {
  std::vector<double> label = {};
  std::vector<std::uint8_t> fold = {};
  int classes = 0;
  bool training = false;
};

Result<std::shared_ptr<const FittedGraph>> FitOf(const std::string& op, const std::string& settings, const Rows& rows, const Given& given) {
  const Kinds<Op> kinds = AllKinds();
  const table::Batch batch = BatchOf(rows);
  GraphSpec spec;
  spec.inputs = batch.schema().fields();
  NodeSpec node;
  node.op = op;
  node.in = batch.schema().Names();
  TENON_ASSIGN(node.with, Json::Parse(settings, "settings"));
  TENON_ASSIGN(auto made, kinds.Create(op, node.with));
  std::vector<Port> in;
  for (const table::Field& field : spec.inputs) {
    in.push_back({.name = field.name,
                  .kind = field.type == table::Type::kString ? Port::Kind::kText : Port::Kind::kNumber,
                  .timestamp = field.type == table::Type::kTimestamp});
  }
  TENON_ASSIGN(const auto ports, made->Outputs(in, nullptr));
  spec.nodes.push_back(std::move(node));
  for (const Port& port : ports) {
    if (port.kind != Port::Kind::kText) {
      spec.features.push_back(port.name);
      continue;
    }
    NodeSpec levels{"one_hot", {port.name}, {Str(port.name, "_levels")}, {}};
    spec.features.push_back(levels.out[0]);
    spec.nodes.push_back(std::move(levels));
  }
  return Fit(Call(), spec, {batch}, given.label, given.fold, given.classes, kinds);
}

std::vector<float> RowsOf(const FittedGraph& graph, const Rows& rows, const Given& given = {}) {
  const table::Batch batch = BatchOf(rows);
  std::vector<float> tile(static_cast<std::size_t>(graph.width()) * rows.size());
  FittedGraph::Scratch scratch;
  const auto done = given.training ? graph.ApplyTraining(batch, given.label.data(), given.fold.empty() ? nullptr : given.fold.data(), tile.data(),
                                                         graph.width(), scratch)
                                   : graph.Apply(batch, tile.data(), graph.width(), scratch);
  EXPECT_TRUE(done.ok()) << done.error().ToString();
  return tile;
}

// Fits on the rows and gives their features, row after row.
std::vector<float> Features(const std::string& op, const std::string& settings, const Rows& rows, const Given& given = {}) {
  const auto graph = FitOf(op, settings, rows, given);
  EXPECT_TRUE(graph.ok()) << graph.error().ToString();
  return graph.ok() ? RowsOf(**graph, rows, given) : std::vector<float>();
}

// The text an op gives each row: its name among the levels, "" for missing.
std::vector<std::string> Texts(const std::string& op, const std::string& settings, const Rows& rows) {
  const auto graph = FitOf(op, settings, rows, {});
  EXPECT_TRUE(graph.ok()) << graph.error().ToString();
  if (!graph.ok()) return {};
  const std::vector<float> tile = RowsOf(**graph, rows);
  const auto width = static_cast<std::size_t>((*graph)->width());
  std::vector<std::string> out;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto from = tile.begin() + static_cast<std::ptrdiff_t>(row * width);
    const auto at = static_cast<std::size_t>(std::find(from, from + static_cast<std::ptrdiff_t>(width), 1.0F) - from);
    EXPECT_LT(at, width);
    const std::string& name = (*graph)->feature_names()[at];
    out.push_back(name.substr(name.find('=') + 1));
  }
  return out;
}

void ExpectNear(const std::vector<float>& got, const std::vector<double>& want, double within = 1e-5) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(want[i])) {
      EXPECT_TRUE(std::isnan(got[i])) << "value " << i << " is " << got[i];
    } else if (std::isinf(want[i])) {
      EXPECT_EQ(static_cast<double>(got[i]), want[i]) << "value " << i;
    } else {
      EXPECT_NEAR(static_cast<double>(got[i]), want[i], within * std::max(1.0, std::abs(want[i]))) << "value " << i;
    }
  }
}

TEST(Ops, PowerTransformKeepsMissingAndRefusesNothing) {
  ExpectNear(Features("power_transform", R"({"method":"box_cox","standardize":false})", {{1}, {-1}, {0}, {{}}}), {0, kNaN, kNaN, kNaN});
  ExpectNear(Features("power_transform", "{}", {{5}, {5}, {{}}}), {0, 0, kNaN});  // a constant
}

TEST(Ops, QuantileTransformOfEqualValuesIsTheirMiddle) {
  ExpectNear(Features("quantile_transform", "{}", {{1}, {2}, {2}, {2}, {9}}), {0, 0.5, 0.5, 0.5, 1});
  const auto graph = FitOf("quantile_transform", R"({"to":"normal"})", {{0}, {1}, {2}}, {});
  ASSERT_OK(graph);
  ExpectNear(RowsOf(**graph, {{-7}, {1}, {1.5}, {kInfinity}}), {-5.1993376, 0, 0.67448975, 5.1993376});
}

TEST(Ops, SplineAddsUpToOneAndIsFlatOutside) {
  const auto graph = FitOf("spline", R"({"knots":4,"missing":"zero"})", {{0}, {3}, {6}, {9}}, {});
  ASSERT_OK(graph);
  EXPECT_EQ((*graph)->width(), 6);
  const std::vector<float> got = RowsOf(**graph, {{-5}, {0}, {4.2}, {9}, {99}, {{}}});
  for (std::size_t row = 0; row < 6; ++row) {
    float sum = 0;
    for (std::size_t i = 0; i < 6; ++i) sum += got[row * 6 + i];
    EXPECT_NEAR(sum, row == 5 ? 0 : 1, 1e-6) << row;
  }
  EXPECT_TRUE(std::equal(got.begin(), got.begin() + 6, got.begin() + 6));
  EXPECT_TRUE(std::equal(got.begin() + 18, got.begin() + 24, got.begin() + 24));
}

TEST(Ops, PolynomialNamesItsProducts) {
  const auto graph = FitOf("polynomial", R"({"degree":3})", {{2, 3}}, {});
  ASSERT_OK(graph);
  const std::vector<std::string> names = {"c0", "c1", "c0^2", "c0 c1", "c1^2", "c0^3", "c0^2 c1", "c0 c1^2", "c1^3"};
  EXPECT_EQ((*graph)->feature_names(), names);
  ExpectNear(RowsOf(**graph, {{2, 3}}), {2, 3, 4, 6, 9, 8, 12, 18, 27});
  const auto many = FitOf("polynomial", R"({"degree":8})", {std::vector<Cell>(30, Cell(1))}, {});
  ASSERT_CODE(kInvalidArgument, many);
}

TEST(Ops, RareLevelsJoinUnseenOnes) {
  const Rows rows = {{"a"}, {"a"}, {"a"}, {"b"}, {"b"}, {"c"}, {{}}};
  EXPECT_EQ(Texts("rare_levels", R"({"least_count":2})", rows),
            (std::vector<std::string>{"a", "a", "a", "b", "b", "(rare)", "(missing)"}));
  EXPECT_EQ(Texts("rare_levels", R"({"most":1,"other":"else"})", rows),
            (std::vector<std::string>{"a", "a", "a", "else", "else", "else", "(missing)"}));
}

TEST(Ops, WeightOfEvidenceIsOutOfFoldInTraining) {
  // In fold 0, 'x' is of class 1; in fold 1 it is of class 0.
  const Rows rows = {{"x"}, {"y"}, {"x"}, {"y"}};
  const Given given{{1, 0, 0, 1}, {0, 0, 1, 1}, 2, true};
  const double strong = std::log((1.5 / 2.0) / (0.5 / 2.0));
  ExpectNear(Features("weight_of_evidence", R"({"smooth":0.5})", rows, given), {-strong, strong, strong, -strong});
  const auto three = FitOf("weight_of_evidence", "{}", rows, {{0, 1, 2, 0}, {}, 3});
  ASSERT_CODE(kInvalidArgument, three);
  EXPECT_NE(three.error().ToString().find("3 classes"), std::string::npos) << three.error().ToString();
}

TEST(Ops, StatesWithAKeyTwiceAreRefused) {
  const std::vector<Port> in = {{.name = "s", .kind = Port::Kind::kText}};
  for (const char* kind : {"one_hot", "ordinal", "vocabulary"}) {
    SCOPED_TRACE(kind);
    ASSERT_OK_AND_ASSIGN(const auto op, AllKinds().Create(kind, Json::MakeObject()));
    for (const char* second : {"b", "a"}) {
      ByteWriter out;
      if (kind == std::string_view("one_hot")) out.U8(0);
      out.Size(2);
      out.Text("a");
      out.Text(second);
      EXPECT_EQ(op->LoadState(in, out.Take()).ok(), second == std::string_view("b"));
    }
  }
}

TEST(Ops, LeaveOneOutLeavesOneOut) {
  const Rows rows = {{"x"}, {"x"}, {"x"}, {"y"}};
  ExpectNear(Features("leave_one_out", "{}", rows, {{1, 2, 6, 9}, {}, 0, true}), {4, 3.5, 1.5, 4.5});
  ExpectNear(Features("leave_one_out", "{}", rows, {{1, 2, 6, 9}, {}, 0, false}), {3, 3, 3, 4.5});
}

TEST(Ops, HashCrossNeedsAllParts) {
  const std::vector<float> got = Features("hash_cross", R"({"buckets":64,"sign":false})", {{"a", "b"}, {"a", {}}, {"a", "b"}, {"b", "a"}});
  ASSERT_EQ(got.size(), 256u);
  EXPECT_EQ(std::count(got.begin(), got.begin() + 64, 1.0F), 1);
  EXPECT_EQ(std::count(got.begin() + 64, got.begin() + 128, 0.0F), 64);
  EXPECT_TRUE(std::equal(got.begin(), got.begin() + 64, got.begin() + 128));
  EXPECT_FALSE(std::equal(got.begin(), got.begin() + 64, got.begin() + 192));
}

TEST(Ops, RowNormalizeOfHugeNumbersAndZeros) {
  ExpectNear(Features("row_normalize", "{}", {{3e300, 4e300}, {0, 0}, {{}, -2}, {kInfinity, 5}}), {0.6, 0.8, 0, 0, kNaN, -1, kInfinity, 1}, 1e-6);
}

TEST(Ops, OutlierFlags) {
  Rows rows;
  for (int i = 1; i <= 9; ++i) rows.push_back({i});
  rows.push_back({100});
  rows.push_back({{}});
  const std::vector<double> want = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0};
  ExpectNear(Features("outlier_flag", "{}", rows), want);
  ExpectNear(Features("outlier_flag", R"({"method":"mad"})", rows), want);
  ExpectNear(Features("outlier_flag", R"({"method":"z","times":2.5})", rows), want);
  ExpectNear(Features("outlier_flag", R"({"method":"z"})", rows), std::vector<double>(11, 0));  // ten rows reach no three deviations
}

TEST(Ops, RowMissingCounts) {
  ExpectNear(Features("row_missing", "{}", {{1, "x"}, {{}, "x"}, {{}, {}}}), {0, 1, 2});
  ExpectNear(Features("row_missing", R"({"share":true})", {{1, "x"}, {{}, "x"}, {{}, {}}}), {0, 0.5, 1});
}

TEST(Ops, CyclicTurns) {
  ExpectNear(Features("cyclic", R"({"period":24})", {{0}, {6}, {24}, {-6}, {{}}}), {0, 1, 1, 0, 0, 1, -1, 0, kNaN, kNaN}, 1e-6);
}

TEST(Ops, DateDifference) {
  const Rows rows = {{"@2024-03-01", "@2024-02-28"}, {"@2024-02-28T12:00:00Z", "@2024-02-29"}, {{}, "@2024-02-29"}};
  ExpectNear(Features("date_difference", "{}", rows), {2, -0.5, kNaN});
  ExpectNear(Features("date_difference", R"({"whole":true})", rows), {2, -1, kNaN});
  ExpectNear(Features("date_difference", R"({"since":"2024-01-01","unit":"week"})", {{"@2024-01-15"}}), {2});
  ASSERT_CODE(kInvalidArgument, FitOf("date_difference", "{}", {{"@2024-01-15"}}, {}));
}

TEST(Ops, HaversineAndCells) {
  // Berlin to Paris, as every map has it, within what a sphere can do.
  ExpectNear(Features("haversine", R"({"bearing":true})", {{52.52, 13.405, 48.8566, 2.3522}, {0, 0, 0, 180}, {91, 0, 0, 0}, {0, 179, 0, -179}}),
             {877.464, 246.7434, 20015.114, 90, kNaN, kNaN, 222.39, 90}, 1e-4);
  EXPECT_EQ(Texts("geohash", R"({"length":11})", {{57.64911, 10.40744}, {{}, 1}}), (std::vector<std::string>{"u4pruydqqvj", "(missing)"}));
  const auto cells = Texts("grid_cell", R"({"size_km":100})", {{52.52, 13.405}, {52.52, 373.405}, {52.6, 13.41}, {-90, -180}, {95, 0}});
  EXPECT_EQ(cells[0], cells[1]);
  EXPECT_EQ(cells[0], cells[2]);
  EXPECT_EQ(cells[3], "0:0");
  EXPECT_EQ(cells[4], "(missing)");
}

TEST(Ops, TextStats) {
  ExpectNear(Features("text_stats", "{}", {{"Ab 12!\nAb \xC3\xA9"}, {""}, {{}}}),
             {11, 4, 2, 2, 2.0 / 11, 2.0 / 11, 1.0 / 11, 3.0 / 11, 1.0 / 11, 0.75, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
              kNaN, kNaN, kNaN, kNaN, kNaN, kNaN, kNaN, kNaN, kNaN, kNaN});
}

TEST(Ops, JsonPath) {
  const Rows rows = {{R"({"a": {"b": [1, {"c d": "x\u00e9\n"}]}})"}, {R"({"z":"}{","a":{"b":[[],{"c\u0020d":"plain"}]}})"},
                     {R"({"a":{"b":[0,{"c d":null}]}})"}, {R"({"a":{"b":[0]}})"}, {"no json"}, {R"({"a":{"b":[0,{"c d":[1, "t"]}]}})"}, {{}}};
  EXPECT_EQ(Texts("json_path", R"({"path":"$.a.b[1]['c d']"})", rows),
            (std::vector<std::string>{"x\xC3\xA9\n", "plain", "(missing)", "(missing)", "(missing)", "[1, \"t\"]", "(missing)"}));
  ExpectNear(Features("json_path", R"({"path":"a","as":"number"})", {{R"({"b":[{"a":2}], "a" : -1.5e2})"}, {R"({"a":true})"}, {R"({"a":"7"})"}, {R"({"a":{}})"}}),
             {-150, 1, 7, kNaN});
  const std::string deep(100'000, '[');
  EXPECT_EQ(Texts("json_path", R"({"path":"$[0]"})", {{deep.c_str()}, {"[\"in\"]"}}), (std::vector<std::string>{"(missing)", "in"}));
  ASSERT_CODE(kInvalidArgument, FitOf("json_path", R"({"path":"$.a[x]"})", rows, {}));
}

TEST(Ops, RegexExtract) {
  const Rows rows = {{"mail bob@example.org now"}, {"none"}, {{}}, {"of x@y.z"}};
  EXPECT_EQ(Texts("regex_extract", R"x({"pattern":"@([a-z.]+)"})x", rows), (std::vector<std::string>{"example.org", "(missing)", "(missing)", "y.z"}));
  EXPECT_EQ(Texts("regex_extract", R"x({"pattern":"\\w+@([a-z.]+)","group":0})x", rows),
            (std::vector<std::string>{"bob@example.org", "(missing)", "(missing)", "x@y.z"}));
  ExpectNear(Features("regex_extract", R"x({"pattern":"^\\S+$","as":"flag"})x", rows), {0, 1, kNaN, 0});
  ASSERT_CODE(kInvalidArgument, FitOf("regex_extract", R"x({"pattern":"a(b)","group":2})x", rows, {}));
}

TEST(Ops, TextHashCounts) {
  const std::vector<float> got = Features("text_hash", R"({"buckets":8,"sign":false,"norm":false})", {{"Win win now"}, {{}}});
  EXPECT_EQ(std::accumulate(got.begin(), got.begin() + 8, 0.0F), 3.0F);
  EXPECT_EQ(std::accumulate(got.begin() + 8, got.end(), 0.0F), 0.0F);
}

TEST(Ops, GroupImpute) {
  const Rows rows = {{1, "a"}, {3, "a"}, {5, "a"}, {{}, "a"}, {100, "b"}, {{}, "b"}, {{}, {}}, {{}, "new"}};
  ExpectNear(Features("group_impute", R"({"least_count":2})", rows), {1, 3, 5, 3, 100, 4, 4, 4});
  ExpectNear(Features("group_impute", R"({"least_count":1,"method":"mean"})", rows), {1, 3, 5, 3, 100, 100, 27.25, 27.25});
}

TEST(Ops, PcaTurnsAndScales) {
  // On a line at 45 degrees: one direction has it all.
  const Rows rows = {{0, 0}, {1, 1}, {2, 2}, {5, 5}, {{}, 3}};
  const float root = std::sqrt(2.0F);
  const auto graph = FitOf("pca", R"({"share":0.99})", rows, {});
  ASSERT_OK(graph);
  EXPECT_EQ((*graph)->width(), 1);
  const std::vector<float> got = RowsOf(**graph, rows);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(got[i], (static_cast<float>(rows[i][0].number) - 2) * root, 1e-6F);
  EXPECT_NEAR(got[4], root / 2, 1e-6F);  // the missing one counts as average
  // Large numbers that differ little keep their digits.
  const auto far = FitOf("pca", R"({"components":2})", {{1e9 + 1, 1e9}, {1e9 + 2, 1e9 + 1}, {1e9 + 3, 1e9 + 2}, {1e9 + 4, 1e9 + 3.5}}, {});
  ASSERT_OK(far);
  EXPECT_EQ((*far)->width(), 2);
}

TEST(Ops, KmeansFindsGroups) {
  Rows rows;
  for (int i = 0; i < 30; ++i) {
    rows.push_back({i % 5 * 0.01, 0});
    rows.push_back({10 + i % 5 * 0.01, 0});
    rows.push_back({0, 10 + i % 5 * 0.01});
  }
  const auto graph = FitOf("kmeans_distances", R"({"groups":3,"scale":false})", rows, {});
  ASSERT_OK(graph);
  ExpectNear(RowsOf(**graph, {{0.02, 0}, {10.02, 0}}), {10.02002, 0, 10, 14.1704, 10, 0}, 1e-4);
  ExpectNear(Features("kmeans_distances", R"({"groups":9,"as":"nearest"})", {{1}, {2}}), {1, 0, 0, 1});  // no more groups than rows
}

TEST(Ops, SelectFeaturesKeepsWhatTells) {
  Rows rows;
  Given given{{}, {}, 2, false};
  for (int i = 0; i < 200; ++i) {
    given.label.push_back(i % 2);
    // Goes with the label in a curve; goes with it in a line; constant; noise.
    rows.push_back({i % 2 == 0 ? (i % 4 == 0 ? -3.0 : 3.0) : 0.0, i % 2 + 0.1 * (i % 7), 4, i % 11});
  }
  const auto names = [&](const std::string& settings) {
    const auto graph = FitOf("select_features", settings, rows, given);
    EXPECT_TRUE(graph.ok()) << graph.error().ToString();
    return graph.ok() ? (*graph)->feature_names() : std::vector<std::string>();
  };
  EXPECT_EQ(names("{}"), (std::vector<std::string>{"c0", "c1", "c3"}));
  EXPECT_EQ(names(R"({"by":"correlation","most":1})"), (std::vector<std::string>{"c1"}));
  EXPECT_EQ(names(R"({"by":"mutual_information","most":2})"), (std::vector<std::string>{"c0", "c1"}));
  given.classes = 0;
  ASSERT_CODE(kInvalidArgument, FitOf("select_features", R"({"by":"mutual_information"})", rows, given));
}

TEST(Ops, SelectStableKeepsWhatIsNotLuck) {
  Rows rows;
  Given given{{}, {}, 2, false};
  for (int i = 0; i < 300; ++i) {
    const auto draw = [i](std::uint64_t what) { return static_cast<double>(Hash64(static_cast<std::uint64_t>(i), what) % 1000); };
    given.label.push_back(draw(1) < 400 ? 1 : 0);
    rows.push_back({draw(2), given.label.back() * 300 + draw(3), draw(4), 7, draw(5), given.label.back() * -250 + draw(6)});
  }
  const auto kept = [&](const std::string& settings) {
    const auto graph = FitOf("select_stable", settings, rows, given);
    EXPECT_TRUE(graph.ok()) << graph.error().ToString();
    return graph.ok() ? Join((*graph)->feature_names(), " ") : std::string();
  };
  EXPECT_EQ(kept(R"({"best":2,"share":0.9})"), "c1 c5");
  EXPECT_EQ(kept(R"({"best":2,"share":0.9,"most":1})"), "c1");
  EXPECT_EQ(kept(R"({"best":5,"share":1})"), "c0 c1 c2 c4 c5") << "a constant is never among the best";
  given.classes = 0;  // r squared instead of eta squared
  EXPECT_EQ(kept(R"({"best":2,"share":0.9})"), "c1 c5");
}

// A row's own label, and those of rows after it, are not in its encoding.
TEST(Ops, OrderedTargetLooksBackOnly) {
  Rows rows;
  Given given{{}, {}, 2, true};
  for (int i = 0; i < 60; ++i) {
    rows.push_back({i % 3 == 0 ? "x" : "y", i * 37 % 60});
    given.label.push_back(i % 7 < 3 ? 1 : 0);
  }
  for (const char* settings : {R"({"order":"hash"})", R"({"order":"value"})"}) {
    const std::vector<float> before = Features("ordered_target", settings, rows, given);
    for (std::size_t row = 0; row < rows.size(); ++row) {
      // Two labels change places, so that the overall average stays: the rows before both do not change, the first of the two neither.
      const std::size_t with = (row + 1) % rows.size();
      if (given.label[row] == given.label[with]) continue;
      Given other = given;
      std::swap(other.label[row], other.label[with]);
      const std::vector<float> after = Features("ordered_target", settings, rows, other);
      EXPECT_TRUE(before[row] == after[row] || before[with] == after[with]) << settings << " " << row;
    }
    // In the order of value every row is known: rows 0, 1, 2, ... of the order are encoded from those before.
    if (std::string_view(settings).find("value") == std::string_view::npos) continue;
    double prior = 0;
    for (const double label : given.label) prior += label / 60;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      double sum = prior;
      double count = 1;
      for (std::size_t k = 0; k < rows.size(); ++k) {
        if (std::string_view(rows[k][0].text) != rows[row][0].text || rows[k][1].number >= rows[row][1].number) continue;
        sum += given.label[k];
        ++count;
      }
      EXPECT_NEAR(before[row], sum / count, 1e-6) << row;
    }
  }
  ASSERT_CODE(kInvalidArgument, FitOf("ordered_target", "{}", {{"x"}, {"y"}}, given));
  ASSERT_CODE(kInvalidArgument, FitOf("ordered_target", R"({"order":"value"})", {{"x", "a"}, {"y", "b"}}, given));
}

TEST(Ops, Holidays) {
  const auto is = [](const std::string& settings, const char* day) {
    const std::vector<float> got = Features("holidays", settings, {{day}});
    return got.size() == 3 && got[0] == 1.0F;
  };
  const struct {
    const char* country;
    std::vector<const char*> days;
    std::vector<const char*> others;
  } kCases[] = {
      {"DE", {"@2024-03-29", "@2024-04-01", "@2024-05-09", "@2024-05-20", "@2024-10-03", "@2025-04-18"}, {"@2024-03-31", "@2024-10-04", "@1989-10-03"}},
      {"US", {"@2024-01-15", "@2024-02-19", "@2024-05-27", "@2024-06-19", "@2024-09-02", "@2024-10-14", "@2024-11-28"}, {"@2024-11-21", "@2024-05-20", "@2019-06-19"}},
      {"GB", {"@2024-05-06", "@2024-05-27", "@2024-08-26", "@2024-12-26"}, {"@2024-08-05"}},
      {"SE", {"@2024-06-22", "@2024-11-02", "@2023-06-24"}, {"@2024-06-21"}},
      {"CA", {"@2024-05-20", "@2024-10-14"}, {"@2024-05-27"}},
  };
  for (const auto& one : kCases) {
    const std::string settings = Str(R"({"country":")", one.country, "\"}");
    for (const char* day : one.days) EXPECT_TRUE(is(settings, day)) << one.country << " " << day;
    for (const char* day : one.others) EXPECT_FALSE(is(settings, day)) << one.country << " " << day;
  }
  // Easter of years at the ends of its range, and in the exceptions of the rule.
  for (const char* day : {"@1818-03-22", "@1943-04-25", "@1954-04-18", "@1981-04-19", "@2000-04-23", "@2008-03-23", "@2038-04-25", "@2285-03-22"}) {
    EXPECT_TRUE(is(R"({"also":["easter+0"]})", day)) << day;
  }
  ExpectNear(Features("holidays", R"({"also":["12-24"],"reach":10})", {{"@2024-12-20T23:59:00Z"}, {"@2024-12-26"}, {"@2024-06-01"}, {{}}}),
             {0, 4, 10, 0, 10, 2, 0, 10, 10, kNaN, kNaN, kNaN});
  EXPECT_TRUE(is(R"({"country":"US","observed":true})", "@2021-07-05"));
  ASSERT_CODE(kInvalidArgument, FitOf("holidays", R"({"also":["13-01"]})", {{"@2024-12-20"}}, {}));
}

}  // namespace
}  // namespace tenon::transform
