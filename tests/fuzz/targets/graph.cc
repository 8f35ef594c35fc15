// Fitted transform graphs: what loads transforms any rows, one by one as together, and is saved as the same.

#include <bit>

#include "base/hash.h"
#include "fuzz/models.h"
#include "table/batch.h"
#include "transform/graph.h"

namespace tenon::fuzz {
namespace {

using table::Type;

constexpr std::size_t kRows = 9;

// Values of every sort for whatever columns a graph reads.
table::Batch RowsFor(const std::vector<table::Field>& fields) {
  const double odd[kRows] = {0.0, -0.0, 1.5, 1e300, -1e300, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN(), 17, -3};
  const char* texts[kRows] = {"", "red", "green", "\xC3\x84pfel win a prize", "a|b", "\xFF", "blue", "red", "2024"};
  std::vector<table::Column> columns;
  for (const table::Field& field : fields) {
    table::ColumnBuilder builder(field.type, field.width);
    for (std::size_t i = 0; i < kRows; ++i) {
      if (i == 4) {
        builder.AddNull();
      } else if (field.type == Type::kString) {
        builder.AddText(texts[i]);
      } else if (field.type == Type::kFloat64) {
        builder.Add(odd[i]);
      } else if (field.type == Type::kEmbedding) {
        builder.AddFloats(std::vector<float>(static_cast<std::size_t>(field.width), static_cast<float>(odd[i])));
      } else {
        builder.AddInt(field.type == Type::kBool ? static_cast<std::int64_t>(i % 2) : static_cast<std::int64_t>(i) * 100000000000000LL - 5);
      }
    }
    columns.push_back(builder.Finish());
  }
  return table::Batch(std::make_shared<const table::Schema>(fields), std::move(columns));
}

// NaNs are alike, whatever their bits.
std::string Row(const float* values, std::size_t count) {
  std::vector<float> copy(values, values + count);
  for (float& value : copy) value = std::isnan(value) ? std::numeric_limits<float>::quiet_NaN() : value;
  return Bits(copy.data(), count);
}

void Apply(const transform::FittedGraph& graph) {
  const auto& inputs = graph.inputs();
  const auto width = static_cast<std::size_t>(graph.width());
  Hold(graph.feature_names().size() == width && graph.feature_source().size() == width, "a name and a source a feature");
  if (width > 100000) return;
  for (const table::Field& field : inputs) {
    if (field.type == Type::kEmbedding) return;
  }
  const table::Batch rows = RowsFor(inputs);
  transform::FittedGraph::Scratch scratch;
  std::vector<float> tile(kRows * width + 1), one(width + 1);
  Must(graph.Apply(rows, tile.data(), graph.width(), scratch), "a graph takes the columns that it asks for");
  for (std::size_t row = 0; row < kRows; ++row) {
    std::vector<double> numbers(inputs.size(), std::numeric_limits<double>::quiet_NaN());
    std::vector<std::string_view> texts(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const table::Column& column = rows.column(static_cast<int>(i));
      if (column.IsNull(static_cast<std::int64_t>(row))) continue;
      if (column.type() == Type::kString) {
        texts[i] = column.Text(static_cast<std::int64_t>(row));
      } else {
        numbers[i] = column.Number(static_cast<std::int64_t>(row));
      }
    }
    graph.ApplyRow(numbers.data(), texts.data(), one.data(), scratch);
    Same(Row(one.data(), width), Row(tile.data() + row * width, width), Str("row ", row, " alone and among others"));
  }
}

void Check(std::string_view bytes) {
  auto graph = transform::FittedGraph::Load(bytes, Ops());
  if (!graph.ok()) return CheckError(graph.error());
  Apply(**graph);
  const std::string saved = (*graph)->Save();
  const auto again = Must(transform::FittedGraph::Load(saved, Ops()), "a graph that was saved");
  Same(again->Save(), saved, "a graph, saved and loaded");
}

void RunGraph(std::string_view input) {
  Check(input);
  if (input.size() < 24) return;
  std::string repaired(input);
  PutAt(&repaired, repaired.size() - 8, Hash64(std::string_view(repaired).substr(8, repaired.size() - 16)));
  Check(repaired);
}

// One graph of every op on columns it takes, and one of all of them.
std::vector<std::string> Seeds() {
  const std::vector<table::Field> inputs = {{"x", Type::kFloat64}, {"n", Type::kInt64}, {"s", Type::kString}, {"b", Type::kBool}, {"at", Type::kTimestamp}};
  const table::Batch rows = RowsFor(inputs);
  const std::vector<double> label = {0, 1, 0, 1, 1, 0, 1, 0, 1};
  const std::vector<std::uint8_t> fold = {0, 1, 2, 0, 1, 2, 0, 1, 2};
  std::vector<std::string> seeds;
  for (const auto& [kind, entry] : Ops().all()) {
    const Json settings = Must(Json::Parse(entry.doc.example), "an op's example");
    for (const std::vector<std::string>& in : std::vector<std::vector<std::string>>{{"x"}, {"s"}, {"at"}, {"x", "n"}, {"s", "b"}}) {
      transform::GraphSpec spec;
      spec.inputs = inputs;
      spec.nodes = {{kind, in, {"out"}, settings}};
      spec.features = {"out"};
      auto graph = transform::Fit(Call{}, spec, {rows}, label, fold, 2, Ops());
      if (!graph.ok()) {  // a text, perhaps, or several parts
        spec.nodes[0].out = {};
        spec.features = {"x"};
        graph = transform::Fit(Call{}, spec, {rows}, label, fold, 2, Ops());
      }
      if (graph.ok()) seeds.push_back((*graph)->Save());
    }
  }
  return seeds;
}

}  // namespace

Target MakeGraph() { return {RunGraph, Seeds}; }

}  // namespace tenon::fuzz
