#!/usr/bin/env bash
# A prediction over gRPC against one over our HTTP/1.1, by the server's CPU time. Usage: bench/grpc_bench.sh [requests] [rounds]
# Installs h2load, builds edge_bench_server, prints the table and writes build/bench/grpc.json.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v h2load >/dev/null; then
  as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nghttp2-client >/dev/null
fi
build=${TENON_BUILD:-build}
[ -e "$build/build.ninja" ] || cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
ninja -C "$build" edge_bench_server >/dev/null
exec python3 bench/grpc_bench.py "$build/bin/edge_bench_server" "${1:-20000}" "${2:-5}"
