// The HTTP server over one XGBoost model of numbers x0, x1, ..., as the endpoint "forest".
//   bench_server MODEL.json FEATURES [THREADS]     prints its port; ends when its input does

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/text.h"
#include "bench/native/worker.h"
#include "edge/server.h"
#include "model/forest.h"
#include "serve/endpoint.h"

namespace tenon::bench {
namespace {

Result<std::shared_ptr<const serve::Served>> Forest(const Kinds<transform::Op>& ops, const std::string& path, int features) {
  transform::GraphSpec spec;
  std::vector<table::Column> columns;
  for (int f = 0; f < features; ++f) {
    spec.inputs.push_back({Str("x", f), table::Type::kFloat64});
    spec.features.push_back(Str("x", f));
    columns.push_back(table::Column::Of(std::vector<double>{0, 1}));
  }
  const table::Batch rows(std::make_shared<const table::Schema>(spec.inputs), std::move(columns));
  TENON_ASSIGN(auto graph, transform::Fit(Call{}, spec, {rows}, {}, {}, 0, ops));
  TENON_ASSIGN(const std::string json, ReadText(path));
  TENON_ASSIGN(model::ForestSpec forest, model::ReadXgboost(json));
  TENON_ASSIGN(auto model, model::MakeForest(std::move(forest)));
  auto served = std::make_shared<serve::Served>();
  served->endpoint = "forest";
  served->version = 1;
  served->model = "forest@1";
  served->predictor = model::Predictor::Make(graph, std::move(model), {}, 0.5, {"no", "yes"});
  for (const table::Field& input : spec.inputs) served->fields.push_back({input.name, input.type, true, 0, 0, {}});
  return std::shared_ptr<const serve::Served>(std::move(served));
}

Result<void> Run(const std::vector<std::string>& words) {
  if (words.size() < 2) return Error(Code::kInvalidArgument, "usage: see the head of bench/native/server.cc");
  Kinds<transform::Op> ops;
  TENON_TRY(transform::AddAll(ops));
  TENON_ASSIGN(const auto served, Forest(ops, words[0], std::atoi(words[1].c_str())));
  serve::Endpoints endpoints;
  endpoints.Set(served);
  edge::ServerOptions options;
  options.port = 0;
  options.threads = words.size() > 2 ? std::atoi(words[2].c_str()) : 1;
  TENON_ASSIGN(const auto server, edge::StartServer(options, endpoints, nullptr, {}));
  std::printf("%d\n", server->port());
  std::fflush(stdout);
  char byte = 0;
  while (::read(0, &byte, 1) > 0) {
  }
  return {};
}

}  // namespace
}  // namespace tenon::bench

int main(int count, char** arguments) {
  auto done = tenon::bench::Run({arguments + 1, arguments + count});
  if (!done.ok()) std::fprintf(stderr, "%s\n", done.error().ToString().c_str());
  return done.ok() ? 0 : 1;
}
