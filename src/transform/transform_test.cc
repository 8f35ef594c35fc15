// The graph: its spec, its errors, its bytes, its memory, and ops on small examples that a reader can check by hand.

#include <algorithm>
#include <cstring>
#include <map>
#include <thread>

#include "base/testing.h"
#include "transform/compact_sum_internal.h"
#include "transform/keys_internal.h"
#include "transform/numbers_internal.h"
#include "transform/test_rows_internal.h"

namespace tenon::transform {

std::int64_t Allocations();  // allocations_test.cc; -1 where they are not counted

namespace {

using table::Batch;
using table::Column;
using table::Field;
using table::Schema;
using table::Type;

Batch BatchOf(std::vector<std::pair<std::string, Column>> columns) {
  std::vector<Field> fields;
  std::vector<Column> values;
  for (auto& [name, column] : columns) {
    fields.push_back({name, column.type(), column.width()});
    values.push_back(std::move(column));
  }
  return Batch(std::make_shared<const Schema>(std::move(fields)), std::move(values));
}

Column Texts(const std::vector<const char*>& values) {
  table::ColumnBuilder builder(Type::kString);
  for (const char* value : values) value == nullptr ? builder.AddNull() : builder.AddText(value);
  return builder.Finish();
}

Json Parsed(std::string_view text) { return *Json::Parse(text); }

// What a graph of one op gives for the rows it was fitted on.
struct Given {
  std::vector<std::string> names;
  std::vector<float> values;
};
Given RunOp(const std::string& op, std::string_view with, const Batch& rows, std::vector<double> label = {}, int classes = 0) {
  const Kinds<Op> kinds = AllKinds();
  GraphSpec spec;
  spec.inputs = rows.schema().fields();
  spec.nodes = {{op, rows.schema().Names(), {}, Parsed(with)}};
  std::vector<Port> in;
  for (const Field& field : spec.inputs) {
    in.push_back({.name = field.name, .kind = field.type == Type::kString ? Port::Kind::kText : Port::Kind::kNumber,
                  .timestamp = field.type == Type::kTimestamp});
  }
  auto made = kinds.Create(op, spec.nodes[0].with);
  EXPECT_TRUE(made.ok()) << made.error().ToString();
  auto ports = (*made)->Outputs(in, nullptr);
  EXPECT_TRUE(ports.ok()) << ports.error().ToString();
  for (const Port& port : *ports) spec.features.push_back(port.name);
  auto graph = Fit(Call(), spec, {rows}, label, {}, classes, kinds);
  EXPECT_TRUE(graph.ok()) << graph.error().ToString();
  const std::string tile = TileOf(**graph, rows);
  Given out{(*graph)->feature_names(), std::vector<float>(tile.size() / sizeof(float))};
  std::memcpy(out.values.data(), tile.data(), tile.size());
  return out;
}

TEST(Ops, SmallExamples) {
  const Batch numbers = BatchOf({{"x", Column::Of(std::vector<double>{1, kNaN, 4, 100, -3})}});
  const auto near = [](const Given& given, std::vector<float> expected) {
    ASSERT_EQ(given.values.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (std::isnan(expected[i])) {
        EXPECT_TRUE(std::isnan(given.values[i])) << i;
      } else {
        EXPECT_FLOAT_EQ(given.values[i], expected[i]) << i;
      }
    }
  };
  const auto nan = static_cast<float>(kNaN);
  near(RunOp("clip", R"({"low":0,"high":10})", numbers), {1, nan, 4, 10, 0});
  near(RunOp("bucketize", R"({"edges":[1,4]})", numbers), {1, nan, 2, 2, 0});
  near(RunOp("log", "{}", numbers), {std::log1p(1.0F), nan, std::log1p(4.0F), std::log1p(100.0F), -std::log1p(3.0F)});
  near(RunOp("log", R"({"negative":"shift"})", numbers), {std::log(5.0F), nan, std::log(8.0F), std::log(104.0F), 0});
  near(RunOp("missing_flag", "{}", numbers), {0, 1, 0, 0, 0});
  near(RunOp("impute", R"({"method":"median","indicator":true})", numbers), {1, 0, 2.5, 1, 4, 0, 100, 0, -3, 0});
  near(RunOp("min_max_scale", R"({"low":-1,"high":1})", BatchOf({{"x", Column::Of(std::vector<double>{0, 5, 10})}})), {-1, 0, 1});

  const Batch texts = BatchOf({{"c", Texts({"red", "blue", nullptr, "red", ""})}});
  const Given hot = RunOp("one_hot", "{}", texts);
  EXPECT_EQ(Join(hot.names, " "), "c= c=blue c=red c=(missing)");
  near(hot, {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0});
  const Given most = RunOp("one_hot", R"({"most":1,"unseen":"own"})", texts);
  EXPECT_EQ(Join(most.names, " "), "c=red c=(other) c=(missing)");
  near(RunOp("vocabulary", R"({"unseen_buckets":0,"least_count":2})", texts), {0, nan, nan, 0, nan});
  near(RunOp("ordinal", R"({"order":["blue","red"]})", texts), {1, 0, nan, 1, -1});
  near(RunOp("frequency", R"({"as":"count"})", texts), {2, 1, 1, 2, 1});
  // (sum + 2 * 0.6) / (count + 2)
  near(RunOp("target_encode", R"({"smooth":2})", texts, {1, 0, 1, 1, 0}, 2), {0.8F, 0.4F, 2.2F / 3, 0.8F, 0.4F});
  near(RunOp("one_hot", "{}", BatchOf({{"k", Column::Of(std::vector<std::int64_t>{10, 9, 10})}})), {0, 1, 1, 0, 0, 1});

  const Batch times = BatchOf({{"at", Column::Of(std::vector<std::int64_t>{951'782'400'000'000}, Type::kTimestamp)}});  // 2000-02-29
  near(RunOp("date_parts", R"({"parts":["year","month","day","weekday","hour","is_weekend","days_since","day_of_year"]})", times),
       {2000, 2, 29, 1, 0, 0, 59, 60});
}

TEST(Ops, NumbersAsKeysReadLikeNumbers) {
  const Given hot = RunOp("one_hot", "{}", BatchOf({{"k", Column::Of(std::vector<double>{2.5, -1, -0.0, 0.0, 10})}}));
  EXPECT_EQ(Join(hot.names, " "), "k=-1 k=0 k=2.5 k=10");
}

TEST(Ops, SettingsThatContradictAreErrors) {
  const Kinds<Op> kinds = AllKinds();
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"clip", R"({"low":3,"high":1})"},        {"clip", R"({"low":3,"low_quantile":0.1})"}, {"bucketize", R"({"edges":[2,1]})"},
      {"bucketize", "{}"},                      {"impute", R"({"method":"constant"})"},      {"impute", R"({"method":"guess"})"},
      {"min_max_scale", R"({"low":1,"high":1})"}, {"text_tfidf", R"({"words":[3,1]})"},      {"date_parts", R"({"parts":["moon"]})"},
      {"date_parts", R"({"since":"soon"})"},    {"one_hot", R"({"mosst":3})"},               {"quantile_bucketize", R"({"buckets":1})"},
  };
  for (const auto& [kind, with] : wrong) {
    SCOPED_TRACE(kind + " " + with);
    ASSERT_CODE(kInvalidArgument, kinds.Create(kind, Parsed(with)));
  }
}

TEST(Quantiles, ExactAndCoarse) {
  std::vector<double> few = {5, 1, 3, 2, 4};
  Quantiles exact;
  Lane lane;
  lane.numbers = few.data();
  exact.Add(lane, 5);
  const std::vector<double> at = exact.At({0, 0.25, 0.5, 0.9, 1});
  EXPECT_EQ(at, (std::vector<double>{1, 2, 3, 4.6, 5}));

  // More different values than are kept exactly: in any order and split the same, and within 0.1 %.
  const std::int64_t n = 3 * static_cast<std::int64_t>(Quantiles::kExact) / kLaneRows * kLaneRows;
  std::vector<double> values(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) values[static_cast<std::size_t>(i)] = static_cast<double>((i * 7919) % n - n / 3);
  Quantiles whole;
  std::vector<Quantiles> parts(3);
  for (std::int64_t from = 0; from < n; from += kLaneRows) {
    lane.numbers = values.data() + from;
    whole.Add(lane, kLaneRows);
    parts[static_cast<std::size_t>(from / kLaneRows % 3)].Add(lane, kLaneRows);
  }
  parts[2].Merge(parts[0]);
  parts[1].Merge(parts[2]);
  const std::vector<double> shares = {0, 0.1, 0.5, 0.99, 1};
  EXPECT_EQ(whole.At(shares), parts[1].At(shares));
  for (const double share : shares) {
    const double truth = share * static_cast<double>(n - 1) - static_cast<double>(n / 3);
    EXPECT_NEAR(whole.At({share})[0], truth, std::abs(truth) * 0.001 + 1) << share;
  }
}

TEST(Moments, AreExact) {
  std::vector<double> values = {1e16, 1, -1e16, 1e-300, -0.1, 3e-320, 7.25, 0, -0.0, kNaN, kInfinity, 1e-160};
  for (int i = 0; i < 200; ++i) values.push_back(1e9 + static_cast<double>(i % 7) * 1e-3);
  ExactSum sum;
  ExactSum squares;
  std::int64_t count = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    ++count;
    sum.Add(value);
    squares.AddProduct(value, value);
  }
  Lane lane;
  lane.numbers = values.data();
  Moments moments;
  moments.Add(lane, static_cast<std::int64_t>(values.size()));
  EXPECT_EQ(moments.count(), count);
  EXPECT_EQ(moments.Mean(), sum.Value() / static_cast<double>(count));
  // Large and close together: the variance is not lost in the squares.
  std::vector<double> close(256);
  for (std::size_t i = 0; i < close.size(); ++i) close[i] = 1e9 + (i % 2 == 0 ? 0.25 : -0.25);
  lane.numbers = close.data();
  Moments narrow;
  narrow.Add(lane, 256);
  EXPECT_DOUBLE_EQ(narrow.Variance(), 0.0625);
  // The largest numbers there are, in a sum that no double holds.
  std::vector<double> huge(256, std::numeric_limits<double>::max());
  for (std::size_t i = 0; i < 255; i += 2) huge[i] = -huge[i] / 2;
  lane.numbers = huge.data();
  Moments wide(false);
  for (int i = 0; i < 3; ++i) wide.Add(lane, 256);
  for (double& value : huge) value = -value;
  for (int i = 0; i < 3; ++i) wide.Add(lane, 256);
  EXPECT_EQ(wide.Mean(), 0);
}

TEST(KeyTable, FindsKeysOfAnyLength) {
  KeyTable table;
  std::vector<std::string> keys;
  for (std::size_t size = 0; size < 40; ++size) {
    for (char c = 'a'; c < 'e'; ++c) {
      std::string key(size, c);
      if (size > 0) key[size / 2] = '\0';
      if (size > 2) keys.push_back(key.substr(1) + c);
      keys.push_back(std::move(key));
    }
  }
  std::map<std::string, std::int32_t> numbers;
  for (const std::string& key : keys) EXPECT_EQ(table.Insert(key), numbers.try_emplace(key, static_cast<std::int32_t>(numbers.size())).first->second);
  EXPECT_EQ(table.size(), static_cast<std::int32_t>(numbers.size()));
  for (const auto& [key, number] : numbers) {
    EXPECT_EQ(table.Find(key), number);
    EXPECT_EQ(table.key(number), key);
  }
  EXPECT_EQ(table.Find("abcd"), -1);
  EXPECT_EQ(table.Find(std::string(50, 'a')), -1);
}

TEST(CompactSum, IsExactInAnyOrder) {
  const std::vector<double> values = {1e16, 1, -1e16, 1e-300, -0.1, 3e-320, 1e300, -1e300, 7.25};
  ExactSum expected;
  CompactSum forward;
  CompactSum first;
  CompactSum second;
  for (std::size_t i = 0; i < values.size(); ++i) {
    expected.Add(values[i]);
    forward.Add(values[i]);
    (i % 2 == 0 ? first : second).Add(values[values.size() - 1 - i]);
  }
  second.Merge(first);
  ExactSum one;
  ExactSum two;
  forward.AddTo(&one);
  second.AddTo(&two);
  EXPECT_EQ(one.Value(), expected.Value());
  EXPECT_EQ(one.Save(), two.Save());
  forward.AddTo(&two, true);
  EXPECT_EQ(two.Value(), 0);
}

// A graph of several levels, with every kind of port.
GraphSpec DeepSpec() {
  GraphSpec spec;
  spec.inputs = MakeRows(1).batch.schema().fields();
  spec.nodes = {
      {"standard_scale", {"a_filled"}, {"a_scaled"}, {}},  // before its input, on purpose
      {"impute", {"a"}, {"a_filled", "a_missing"}, Parsed(R"({"indicator":true})")},
      {"quantile_bucketize", {"a_scaled"}, {"a_bucket"}, {}},
      {"text_clean", {"s"}, {"s_clean"}, {}},
      {"cross", {"a_bucket", "s_clean"}, {"crossed"}, {}},
      {"target_encode", {"crossed", "t"}, {"crossed_target", "t_target"}, {}},
      {"one_hot", {"s", "b"}, {}, {}},
      {"text_tfidf", {"prose"}, {"words"}, {}},
      {"date_parts", {"at"}, {"parts"}, {}},
      {"expression", {"a_scaled", "b"}, {"ratio"}, Parsed(R"json({"text":"a_scaled / nullif(b, 0)"})json")},
  };
  spec.features = {"b", "a_scaled", "a_missing", "crossed_target", "s_is", "b_is", "words", "parts", "t_target", "ratio"};
  return spec;
}

TEST(Graph, ManyLevelsGiveTheSameBitsEverywhere) {
  const Kinds<Op> kinds = AllKinds();
  const TestRows rows = MakeRows(4000);
  const TestRows others = MakeRows(700, 8000);
  ASSERT_OK_AND_ASSIGN(const auto graph, Fit(Call(), DeepSpec(), {rows.batch}, rows.label, rows.fold, 2, kinds));
  Call two;
  two.threads = 2;
  ASSERT_OK_AND_ASSIGN(const auto threads, Fit(two, DeepSpec(), InPieces(Coded(rows.batch), 999), rows.label, rows.fold, 2, kinds));
  EXPECT_EQ(threads->Save(), graph->Save());
  ASSERT_OK_AND_ASSIGN(const auto again, FittedGraph::Load(graph->Save(), kinds));
  EXPECT_EQ(again->Save(), graph->Save());
  EXPECT_EQ(again->feature_names(), graph->feature_names());
  EXPECT_EQ(again->feature_source(), graph->feature_source());
  const std::string tile = TileOf(*graph, others.batch);
  EXPECT_EQ(TileByRow(*graph, others.batch), tile);
  EXPECT_EQ(TileOf(*again, Coded(others.batch)), tile);
  EXPECT_EQ(TileByRow(*again, others.batch), tile);
  // Threads share the graph, each with a scratch of its own.
  std::string results[3];
  {
    std::vector<std::jthread> runs;
    for (std::string& result : results) runs.emplace_back([&] { result = TileByRow(*graph, others.batch); });
  }
  for (const std::string& result : results) EXPECT_EQ(result, tile);
}

TEST(Graph, OneScratchServesGraphsBatchesAndRowsInTurn) {
  const Kinds<Op> kinds = AllKinds();
  const TestRows rows = MakeRows(500);
  ASSERT_OK_AND_ASSIGN(const auto deep, Fit(Call(), DeepSpec(), {rows.batch}, rows.label, rows.fold, 2, kinds));
  GraphSpec small_spec;
  small_spec.inputs = {{"s", Type::kString}};
  small_spec.nodes = {{"one_hot", {"s"}, {"s_is"}, {}}};
  small_spec.features = {"s_is"};
  ASSERT_OK_AND_ASSIGN(const auto small, Fit(Call(), small_spec, {rows.batch}, {}, {}, 0, kinds));
  FittedGraph::Scratch scratch;
  std::vector<float> row(static_cast<std::size_t>(std::max(deep->width(), small->width())));
  for (int turn = 0; turn < 3; ++turn) {
    for (const auto& graph : {deep, small}) {
      for (const Batch& batch : {rows.batch, Coded(rows.batch)}) {
        std::vector<float> tile(static_cast<std::size_t>(graph->width() * 500));
        ASSERT_OK(graph->Apply(batch, tile.data(), graph->width(), scratch));
        EXPECT_EQ(std::string(reinterpret_cast<const char*>(tile.data()), tile.size() * 4), TileOf(*graph, rows.batch));
      }
    }
    const std::string_view text = "red";
    small->ApplyRow(nullptr, &text, row.data(), scratch);
    EXPECT_EQ(std::count(row.begin(), row.begin() + small->width(), 1.0F), 1);
  }
}

TEST(Graph, NoAllocationForARowOnceWarm) {
  const Kinds<Op> kinds = AllKinds();
  const TestRows rows = MakeRows(2000);
  GraphSpec spec = DeepSpec();
  std::erase_if(spec.nodes, [](const NodeSpec& node) { return node.op == "cross" || node.op == "text_clean"; });  // these make texts
  for (NodeSpec& node : spec.nodes) {
    if (node.op == "target_encode") node = {"target_encode", {"t"}, {"t_target"}, {}};
  }
  std::erase(spec.features, "crossed_target");
  spec.nodes.push_back({"hash", {"s", "b"}, {"hashed"}, Parsed(R"({"buckets":16})")});
  spec.nodes.push_back({"vocabulary", {"t"}, {"word"}, {}});
  spec.nodes.push_back({"robust_scale", {"b"}, {"robust"}, {}});
  for (const char* name : {"hashed", "word", "robust"}) spec.features.emplace_back(name);
  ASSERT_OK_AND_ASSIGN(const auto graph, Fit(Call(), spec, {rows.batch}, rows.label, rows.fold, 2, kinds));
  FittedGraph::Scratch scratch;
  std::vector<float> out(static_cast<std::size_t>(graph->width()));
  const std::vector<double> numbers = {1.5, 3, 0, 0, 0, 1e15};
  const std::vector<std::string_view> texts = {{}, {}, "green", "user-17", "win a prize again now", {}};
  for (int i = 0; i < 3; ++i) graph->ApplyRow(numbers.data(), texts.data(), out.data(), scratch);
  const std::int64_t before = Allocations();
  if (before < 0) GTEST_SKIP() << "a sanitizer's own operator new is in the way";
  for (int i = 0; i < 100; ++i) graph->ApplyRow(numbers.data(), texts.data(), out.data(), scratch);
  EXPECT_EQ(Allocations() - before, 0);
}

TEST(Graph, OutOfFoldInTrainingOnly) {
  const Kinds<Op> kinds = AllKinds();
  const Batch rows = BatchOf({{"c", Texts({"x", "x", "x", "y"})}});
  GraphSpec spec;
  spec.inputs = {{"c", Type::kString}};
  spec.nodes = {{"target_encode", {"c"}, {"t"}, Parsed(R"({"smooth":0})")}};
  spec.features = {"t"};
  const std::vector<double> label = {10, 20, 30, 40};
  const std::vector<std::uint8_t> fold = {0, 0, 1, 1};
  ASSERT_OK_AND_ASSIGN(const auto graph, Fit(Call(), spec, {rows}, label, fold, 0, kinds));
  std::vector<float> tile(4);
  FittedGraph::Scratch scratch;
  ASSERT_OK(graph->ApplyTraining(rows, label.data(), fold.data(), tile.data(), 1, scratch));
  EXPECT_EQ(tile, (std::vector<float>{30, 30, 15, 15}));  // y outside fold 1: never, so the average of fold 0
  ASSERT_OK(graph->Apply(rows, tile.data(), 1, scratch));
  EXPECT_EQ(tile, (std::vector<float>{20, 20, 20, 40}));
}

TEST(Graph, InputsConvertWithoutLoss) {
  const Kinds<Op> kinds = AllKinds();
  GraphSpec spec;
  spec.inputs = {{"n", Type::kFloat64}, {"c", Type::kString}, {"e", Type::kEmbedding, 2}};
  spec.nodes = {{"one_hot", {"c"}, {"c_is"}, {}}};
  spec.features = {"n", "c_is", "e"};
  const auto floats = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3, 4});
  const Column embedding = Column::Fixed(Type::kEmbedding, floats->data(), 2, nullptr, floats, 2);
  const Batch rows = BatchOf({{"n", Column::Of(std::vector<double>{1, 2})}, {"c", Column::Of(std::vector<std::string>{"7", "8"})}, {"e", embedding}});
  ASSERT_OK_AND_ASSIGN(const auto graph, Fit(Call(), spec, {rows}, {}, {}, 0, kinds));
  const Batch whole = BatchOf({{"e", embedding}, {"more", Column::Of(std::vector<double>{0, 0})},
                               {"c", Column::Of(std::vector<std::int64_t>{7, 8})}, {"n", Column::Of(std::vector<std::int64_t>{1, 2})}});
  EXPECT_EQ(TileOf(*graph, whole), TileOf(*graph, rows));
  // An embedding's slot holds its floats as bytes.
  std::vector<float> out(static_cast<std::size_t>(graph->width()));
  const double number = 2;
  const std::vector<double> numbers = {number, 0, 0};
  const std::vector<std::string_view> texts = {{}, "8", {reinterpret_cast<const char*>(floats->data() + 2), 8}};
  FittedGraph::Scratch scratch;
  graph->ApplyRow(numbers.data(), texts.data(), out.data(), scratch);
  EXPECT_EQ(out, (std::vector<float>{2, 0, 1, 3, 4}));

  std::vector<float> tile(10);
  ASSERT_CODE(kInvalidArgument, graph->Apply(rows.Slice(0, 1), tile.data(), 3, scratch));
  ASSERT_CODE(kInvalidArgument, graph->Apply(BatchOf({{"n", Column::Of(std::vector<double>{1})}}), tile.data(), 5, scratch));
  const Batch texted = BatchOf({{"n", Texts({"1", "2"})}, {"c", Texts({"7", "8"})}, {"e", embedding}});
  ASSERT_CODE(kInvalidArgument, graph->Apply(texted, tile.data(), 5, scratch));
}

TEST(Graph, TileMayBeWiderThanTheFeatures) {
  const Kinds<Op> kinds = AllKinds();
  const TestRows rows = MakeRows(300);
  ASSERT_OK_AND_ASSIGN(const auto graph, Fit(Call(), DeepSpec(), {rows.batch}, rows.label, rows.fold, 2, kinds));
  const std::int64_t stride = graph->width() + 3;
  std::vector<float> tile(static_cast<std::size_t>(stride * 300), -7.0F);
  FittedGraph::Scratch scratch;
  ASSERT_OK(graph->Apply(rows.batch, tile.data(), stride, scratch));
  const std::string tight = TileOf(*graph, rows.batch);
  for (std::int64_t row = 0; row < 300; ++row) {
    ASSERT_EQ(std::memcmp(tile.data() + row * stride, tight.data() + row * graph->width() * 4, static_cast<std::size_t>(graph->width()) * 4), 0);
    for (int i = 0; i < 3; ++i) ASSERT_EQ(tile[static_cast<std::size_t>(row * stride + graph->width() + i)], -7.0F);
  }
}

TEST(Graph, ErrorsNameTheNode) {
  const Kinds<Op> kinds = AllKinds();
  const TestRows rows = MakeRows(10);
  struct Case {
    std::string name;
    std::vector<NodeSpec> nodes;
    std::vector<std::string> features;
    std::string says;
  };
  const std::vector<Case> cases = {
      {"unknown op", {{"imputee", {"a"}, {"x"}, {}}}, {"x"}, "did you mean 'impute'"},
      {"unknown setting", {{"impute", {"a"}, {"x"}, Parsed(R"({"metod":"mean"})")}}, {"x"}, "metod"},
      {"unknown input", {{"impute", {"aa"}, {"x"}, {}}}, {"x"}, "node 1 (impute of aa): no column or output 'aa'"},
      {"cycle", {{"impute", {"y"}, {"x"}, {}}, {"impute", {"x"}, {"y"}, {}}}, {"x"}, "depend on its own outputs"},
      {"output taken", {{"impute", {"a"}, {"b"}, {}}}, {"b"}, "there is already a 'b'"},
      {"too many names", {{"impute", {"a"}, {"x", "y"}, {}}}, {"x"}, "it has 1 outputs"},
      {"wrong kind of input", {{"standard_scale", {"s"}, {"x"}, {}}}, {"x"}, "input 's' is a text, expected a number"},
      {"text feature", {}, {"s"}, "feature 's' is a text"},
      {"feature twice", {}, {"a", "a"}, "named twice"},
      {"unknown feature", {}, {"aa"}, "feature 'aa'"},
      {"no label", {{"target_encode", {"s"}, {"x"}, {}}}, {"x"}, "it learns from the label"},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    GraphSpec spec;
    spec.inputs = rows.batch.schema().fields();
    spec.nodes = test.nodes;
    spec.features = test.features;
    const auto graph = Fit(Call(), spec, {rows.batch}, {}, {}, 0, kinds);
    ASSERT_FALSE(graph.ok());
    EXPECT_NE(graph.error().ForPeople().find(test.says), std::string::npos) << graph.error().ToString();
  }
}

TEST(Graph, SpecReadsWhatItWrites) {
  const GraphSpec spec = DeepSpec();
  ASSERT_OK_AND_ASSIGN(const GraphSpec again, GraphSpec::FromJson(spec.ToJson()));
  EXPECT_EQ(again.ToJson().Canonical(), spec.ToJson().Canonical());
  ASSERT_CODE(kInvalidArgument, GraphSpec::FromJson(Parsed(R"({"nodes":[{"in":["a"]}]})")));
  ASSERT_CODE(kInvalidArgument, GraphSpec::FromJson(Parsed(R"({"node":[]})")));
}

TEST(Graph, DamagedBytesAreFound) {
  const Kinds<Op> kinds = AllKinds();
  const TestRows rows = MakeRows(200);
  ASSERT_OK_AND_ASSIGN(const auto graph, Fit(Call(), DeepSpec(), {rows.batch}, rows.label, rows.fold, 2, kinds));
  const std::string saved = graph->Save();
  ASSERT_CODE(kDataLoss, FittedGraph::Load("", kinds));
  ASSERT_CODE(kDataLoss, FittedGraph::Load("TENONGRF", kinds));
  for (std::size_t i = 0; i < saved.size(); i += 97) {
    std::string damaged = saved;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    ASSERT_CODE(kDataLoss, FittedGraph::Load(damaged, kinds));
    ASSERT_CODE(kDataLoss, FittedGraph::Load(std::string_view(saved).substr(0, i), kinds));
  }
}

TEST(Graph, EqualSettingsGiveEqualBytesHoweverTheyWereWritten) {
  const Kinds<Op> kinds = AllKinds();
  const TestRows rows = MakeRows(100);
  GraphSpec spec;
  spec.inputs = {{"a", Type::kFloat64}};
  spec.nodes = {{"standard_scale", {"a"}, {"x"}, {}}};
  spec.features = {"x"};
  ASSERT_OK_AND_ASSIGN(const auto plain, Fit(Call(), spec, {rows.batch}, {}, {}, 0, kinds));
  spec.nodes[0].with = Parsed(R"({"scale":true})");
  ASSERT_OK_AND_ASSIGN(const auto spelled, Fit(Call(), spec, {rows.batch}, {}, {}, 0, kinds));
  EXPECT_EQ(plain->Save(), spelled->Save());
}

TEST(Graph, FitStopsWhenAsked) {
  const Kinds<Op> kinds = AllKinds();
  const TestRows rows = MakeRows(5000);
  std::stop_source source;
  source.request_stop();
  Call call;
  call.stop = source.get_token();
  call.threads = 2;
  ASSERT_CODE(kCancelled, Fit(call, DeepSpec(), {rows.batch}, rows.label, rows.fold, 2, kinds));
}

}  // namespace
}  // namespace tenon::transform
