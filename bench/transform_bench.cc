// Transforms: impute and scale 10 numbers, one-hot 5 texts of 50 levels. Prints nanoseconds for a batch row, a single row
// and a fitted row, best of several runs. Built on demand: ninja transform_bench.
//
//   transform_bench [rows] [repeats]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/text.h"
#include "transform/graph.h"

namespace {

using namespace tenon;
using namespace tenon::transform;

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double Best(int repeats, const std::function<void()>& work) {
  double best = 1e300;
  for (int i = 0; i < repeats; ++i) {
    const double start = CpuSeconds();
    work();
    best = std::min(best, CpuSeconds() - start);
  }
  return best;
}

table::Batch Rows(std::int64_t n, bool coded) {
  std::vector<table::Field> fields;
  std::vector<table::Column> columns;
  for (std::uint64_t c = 0; c < 10; ++c) {
    table::ColumnBuilder builder(table::Type::kFloat64);
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint64_t draw = Hash64(static_cast<std::uint64_t>(i), c);
      draw % 20 == 0 ? builder.AddNull() : builder.Add(static_cast<double>(draw >> 40) / 1000.0);
    }
    fields.push_back({Str("n", c), table::Type::kFloat64});
    columns.push_back(builder.Finish());
  }
  for (std::uint64_t c = 0; c < 5; ++c) {
    auto dictionary = std::make_shared<table::Dictionary>();
    for (int level = 0; level < 50; ++level) dictionary->push_back(Str("level-", c, "-", level));
    auto codes = std::make_shared<std::vector<std::int32_t>>();
    table::ColumnBuilder builder(table::Type::kString);
    for (std::int64_t i = 0; i < n; ++i) {
      codes->push_back(static_cast<std::int32_t>(Hash64(static_cast<std::uint64_t>(i), 100 + c) % 50));
      builder.AddText((*dictionary)[static_cast<std::size_t>(codes->back())]);
    }
    fields.push_back({Str("s", c), table::Type::kString});
    columns.push_back(coded ? table::Column::Coded(codes->data(), dictionary, n, nullptr, codes) : builder.Finish());
  }
  return table::Batch(std::make_shared<const table::Schema>(std::move(fields)), std::move(columns));
}

GraphSpec Spec(const table::Schema& schema) {
  GraphSpec spec;
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

int Run(std::int64_t n, int repeats) {
  Kinds<Op> kinds;
  if (!AddAll(kinds).ok()) return 1;
  const table::Batch plain = Rows(n, false);
  const table::Batch coded = Rows(n, true);
  const GraphSpec spec = Spec(plain.schema());
  auto graph = Fit(Call(), spec, {plain}, {}, {}, 0, kinds);
  if (!graph.ok()) {
    std::fprintf(stderr, "%s\n", graph.error().ToString().c_str());
    return 1;
  }
  const FittedGraph& fitted = **graph;
  FittedGraph::Scratch scratch;
  std::vector<float> tile(static_cast<std::size_t>(n * fitted.width()));
  const double per = 1e9 / static_cast<double>(n);
  const auto apply = [&](const table::Batch& rows) {
    return Best(repeats, [&] { (void)fitted.Apply(rows, tile.data(), fitted.width(), scratch).ok(); });
  };
  std::printf("rows %lld, features %d\n", static_cast<long long>(n), fitted.width());
  std::printf("batch, plain texts   %8.1f ns a row\n", apply(plain) * per);
  std::printf("batch, coded texts   %8.1f ns a row\n", apply(coded) * per);
  std::printf("fit, plain texts     %8.1f ns a row\n", Best(repeats, [&] { (void)Fit(Call(), spec, {plain}, {}, {}, 0, kinds).ok(); }) * per);
  std::printf("fit, coded texts     %8.1f ns a row\n", Best(repeats, [&] { (void)Fit(Call(), spec, {coded}, {}, {}, 0, kinds).ok(); }) * per);

  std::vector<double> numbers(15);
  std::vector<std::string_view> texts(15);
  const std::int64_t some = std::min<std::int64_t>(n, 20000);
  const double row = Best(repeats, [&] {
    for (std::int64_t i = 0; i < some; ++i) {
      for (int c = 0; c < 10; ++c) numbers[static_cast<std::size_t>(c)] = plain.column(c).Number(i);
      for (int c = 10; c < 15; ++c) texts[static_cast<std::size_t>(c)] = plain.column(c).Text(i);
      fitted.ApplyRow(numbers.data(), texts.data(), tile.data(), scratch);
    }
  });
  std::printf("one row              %8.1f ns\n", row / static_cast<double>(some) * 1e9);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t rows = argc > 1 ? std::atoll(argv[1]) : 200000;
  const int repeats = argc > 2 ? std::atoi(argv[2]) : 7;
  return Run(rows, repeats);
}
