// Serves a forest of 100 trees of depth 6 over 28 numbers as the endpoint "forest", for tests/clients and bench/overload.sh.
// Usage: edge_bench_server [threads] [longest queue in ms] [trees] [depth]. Prints its port; ends when its input does.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "edge/server.h"
#include "serve/testing.h"

int main(int argc, char** argv) {
  using namespace tenon;
  Kinds<transform::Op> ops;
  if (!transform::AddAll(ops).ok()) return 1;
  auto served = serve::testing::MakeForestServed(ops, "forest", 28, argc > 3 ? std::atoi(argv[3]) : 100, argc > 4 ? std::atoi(argv[4]) : 6);
  if (!served.ok()) return std::fprintf(stderr, "%s\n", served.error().ToString().c_str()), 1;
  serve::Endpoints endpoints;
  endpoints.Set(*served);
  edge::ServerOptions options;
  options.port = 0;
  options.threads = argc > 1 ? std::atoi(argv[1]) : 1;
  options.longest_queue = std::chrono::milliseconds(argc > 2 ? std::atoi(argv[2]) : 0);
  auto server = edge::StartServer(options, endpoints, nullptr, {});
  if (!server.ok()) return std::fprintf(stderr, "%s\n", server.error().ToString().c_str()), 1;
  std::printf("%d\n", (*server)->port());
  std::fflush(stdout);
  char byte = 0;
  while (::read(0, &byte, 1) > 0) {
  }
  return 0;
}
