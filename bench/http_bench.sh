#!/usr/bin/env bash
# HTTP prediction against a null answer from h2o, by the server's CPU time a request. Usage: bench/http_bench.sh [seconds] [rounds]
# Installs h2o and wrk, builds edge_bench_server, prints the table and writes build/bench/http.json.
set -euo pipefail
cd "$(dirname "$0")/.."
for package in h2o wrk; do
  command -v "$package" >/dev/null && continue
  as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
done
build=${TENON_BUILD:-build}
[ -e "$build/build.ninja" ] || cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
ninja -C "$build" edge_bench_server >/dev/null
exec python3 bench/http_bench.py "$build/bin/edge_bench_server" "${1:-3}" "${2:-5}"
