// Transforms for bench/transforms: impute and scale 10 numbers, one-hot 5 texts of 50 levels.
//   bench_transforms write FOLDER ROWS    n0..n9.f64 (NaN missing), s0..s4.i32 (code k of text c is "level-c-k")
//   bench_transforms tenon FOLDER

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "base/hash.h"
#include "base/text.h"
#include "bench/native/worker.h"
#include "transform/graph.h"

namespace tenon::bench {
namespace {

constexpr int kNumbers = 10, kTexts = 5, kLevels = 50;
constexpr std::int64_t kCompared = 2000;

template <typename T>
Result<std::vector<T>> Values(const std::string& path) {
  TENON_ASSIGN(const std::string bytes, ReadText(path));
  std::vector<T> out(bytes.size() / sizeof(T));
  std::copy_n(bytes.data(), out.size() * sizeof(T), reinterpret_cast<char*>(out.data()));
  return out;
}

Result<void> Write(const std::string& folder, std::int64_t rows) {
  for (std::uint64_t c = 0; c < kNumbers; ++c) {
    std::vector<double> values;
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::uint64_t draw = Hash64(static_cast<std::uint64_t>(i), c);
      values.push_back(draw % 20 == 0 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(draw >> 40) / 1000.0);
    }
    TENON_TRY(WriteBytes(Str(folder, "/n", c, ".f64"), values.data(), values.size() * sizeof(double)));
  }
  for (std::uint64_t c = 0; c < kTexts; ++c) {
    std::vector<std::int32_t> codes;
    for (std::int64_t i = 0; i < rows; ++i) codes.push_back(static_cast<std::int32_t>(Hash64(static_cast<std::uint64_t>(i), 100 + c) % kLevels));
    TENON_TRY(WriteBytes(Str(folder, "/s", c, ".i32"), codes.data(), codes.size() * sizeof(std::int32_t)));
  }
  return {};
}

Result<table::Batch> Load(const std::string& folder, bool coded) {
  std::vector<table::Field> fields;
  std::vector<table::Column> columns;
  for (int c = 0; c < kNumbers; ++c) {
    TENON_ASSIGN(const auto values, Values<double>(Str(folder, "/n", c, ".f64")));
    table::ColumnBuilder builder(table::Type::kFloat64);
    for (const double value : values) std::isnan(value) ? builder.AddNull() : builder.Add(value);
    fields.push_back({Str("n", c), table::Type::kFloat64});
    columns.push_back(builder.Finish());
  }
  for (int c = 0; c < kTexts; ++c) {
    TENON_ASSIGN(auto codes, Values<std::int32_t>(Str(folder, "/s", c, ".i32")));
    auto dictionary = std::make_shared<table::Dictionary>();
    for (int level = 0; level < kLevels; ++level) dictionary->push_back(Str("level-", c, "-", level));
    fields.push_back({Str("s", c), table::Type::kString});
    if (coded) {
      const auto held = std::make_shared<const std::vector<std::int32_t>>(std::move(codes));
      columns.push_back(table::Column::Coded(held->data(), dictionary, static_cast<std::int64_t>(held->size()), nullptr, held));
    } else {
      table::ColumnBuilder builder(table::Type::kString);
      for (const std::int32_t code : codes) builder.AddText((*dictionary)[static_cast<std::size_t>(code)]);
      columns.push_back(builder.Finish());
    }
  }
  return table::Batch(std::make_shared<const table::Schema>(std::move(fields)), std::move(columns));
}

transform::GraphSpec Spec(const table::Schema& schema) {
  transform::GraphSpec spec;
  spec.inputs = schema.fields();
  Json mean;
  mean["method"] = "mean";
  for (const table::Field& field : spec.inputs) {
    if (field.type == table::Type::kString) {
      spec.nodes.push_back({"one_hot", {field.name}, {field.name + "_is"}, {}});
      spec.features.push_back(field.name + "_is");
    } else {
      spec.nodes.push_back({"impute", {field.name}, {field.name + "_filled"}, mean});
      spec.nodes.push_back({"standard_scale", {field.name + "_filled"}, {field.name + "_scaled"}, {}});
      spec.features.push_back(field.name + "_scaled");
    }
  }
  return spec;
}

// The columns all sides have, in the order all sides give them: the numbers, then every level of every text.
Result<std::vector<int>> Order(const transform::FittedGraph& graph) {
  std::vector<int> order;
  for (int f = 0; f < kNumbers; ++f) order.push_back(f);
  for (int c = 0; c < kTexts; ++c) {
    for (int level = 0; level < kLevels; ++level) {
      const std::string name = Str("s", c, "=level-", c, "-", level);
      const auto& names = graph.feature_names();
      const auto at = std::find(names.begin(), names.end(), name);
      if (at == names.end()) return Error(Code::kInternal, Str("no feature ", name, "; the last is ", names.back()));
      order.push_back(static_cast<int>(at - names.begin()));
    }
  }
  return order;
}

struct Work {
  Kinds<transform::Op> kinds;
  table::Batch plain, coded;
  transform::GraphSpec spec;
  std::shared_ptr<const transform::FittedGraph> graph;
  transform::FittedGraph::Scratch scratch;
  std::vector<float> tile;   // of all rows
  std::vector<float> small;  // of tile_rows
  std::int64_t tile_rows = 0;
  std::vector<int> order;

  std::vector<double> Compared() const {
    std::vector<double> out;
    for (std::int64_t i = 0; i < std::min(kCompared, plain.rows()); ++i) {
      for (const int column : order) out.push_back(tile[static_cast<std::size_t>(i * graph->width() + column)]);
    }
    return out;
  }
  Result<void> Fit(const table::Batch& rows) {
    TENON_ASSIGN(const auto fitted, transform::Fit(Call(), spec, {rows}, {}, {}, 0, kinds));
    return {};
  }
  Result<void> Apply(const table::Batch& rows) { return graph->Apply(rows, tile.data(), graph->width(), scratch); }
  // Part by part into the same memory, as model::Predictor has its tiles; the rows that are compared are put aside.
  Result<void> ApplyInTiles(const table::Batch& rows, bool compare) {
    for (std::int64_t from = 0; from < rows.rows(); from += tile_rows) {
      const std::int64_t n = std::min(tile_rows, rows.rows() - from);
      TENON_TRY(graph->Apply(rows.Slice(from, n), small.data(), graph->width(), scratch));
      if (compare) std::copy_n(small.data(), n * graph->width(), tile.data() + from * graph->width());
    }
    return {};
  }
  void Row(std::int64_t i, float* out) {
    double numbers[kNumbers + kTexts] = {};
    std::string_view texts[kNumbers + kTexts];
    for (int c = 0; c < kNumbers; ++c) numbers[c] = plain.column(c).Number(i);
    for (int c = kNumbers; c < kNumbers + kTexts; ++c) texts[c] = plain.column(c).Text(i);
    graph->ApplyRow(numbers, texts, out, scratch);
  }
};

Result<int> Run(const std::vector<std::string>& words) {
  if (words.size() == 3 && words[0] == "write") {
    TENON_TRY(Write(words[1], std::atoll(words[2].c_str())));
    return 0;
  }
  if (words.size() != 2 || words[0] != "tenon") return Error(Code::kInvalidArgument, "usage: see the head of bench/native/transforms.cc");
  Work work;
  TENON_TRY(transform::AddAll(work.kinds));
  TENON_ASSIGN(work.plain, Load(words[1], false));
  TENON_ASSIGN(work.coded, Load(words[1], true));
  work.spec = Spec(work.plain.schema());
  TENON_ASSIGN(work.graph, transform::Fit(Call(), work.spec, {work.plain}, {}, {}, 0, work.kinds));
  TENON_ASSIGN(work.order, Order(*work.graph));
  const std::int64_t n = work.plain.rows();
  work.tile.resize(static_cast<std::size_t>(n * work.graph->width()));
  work.tile_rows = (std::int64_t{1} << 19) / (4 * work.graph->width());
  work.small.resize(static_cast<std::size_t>(work.tile_rows * work.graph->width()));
  const auto none = [] { return std::vector<double>(); };
  std::vector<Case> cases;
  for (const bool coded : {false, true}) {
    const table::Batch& rows = coded ? work.coded : work.plain;
    cases.push_back({coded ? "batch_coded" : "batch_plain", n, [&] { return work.Apply(rows); }, [&]() -> Result<std::vector<double>> {
                       TENON_TRY(work.Apply(rows));
                       return work.Compared();
                     }});
    cases.push_back({coded ? "tiles_coded" : "tiles_plain", n, [&] { return work.ApplyInTiles(rows, false); }, [&]() -> Result<std::vector<double>> {
                       TENON_TRY(work.ApplyInTiles(rows, true));
                       return work.Compared();
                     }});
    cases.push_back({coded ? "fit_coded" : "fit_plain", n, [&] { return work.Fit(rows); }, none});
  }
  cases.push_back({"one", 1, [&work, n, next = std::int64_t{0}]() mutable {
                     work.Row(next, work.tile.data());
                     next = next + 1 == std::min<std::int64_t>(n, 20000) ? 0 : next + 1;
                     return Result<void>();
                   },
                   [&]() -> Result<std::vector<double>> {
                     for (std::int64_t i = 0; i < std::min(kCompared, n); ++i) work.Row(i, work.tile.data() + i * work.graph->width());
                     return work.Compared();
                   }});
  return Obey(Str(TENON_VERSION, ", ", work.graph->width(), " features"), cases);
}

}  // namespace
}  // namespace tenon::bench

int main(int count, char** arguments) { return tenon::bench::Main(count, arguments, tenon::bench::Run); }
