#!/usr/bin/env bash
# The real tritonclient, kserve, curl and grpcurl against `tenon serve` on a project and against the benchmark's server.
# Usage: tests/clients/run.sh [<build folder>]
# The clients live in a virtual environment outside of the tree, made when it is missing; grpcurl needs Go, else it is left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-${TENON_BUILD:-build}}
cache=${TENON_CACHE:-$HOME/.cache/tenon}
source tests/clients/venv.sh
grpcurl=$cache/grpcurl/grpcurl
if [ ! -x "$grpcurl" ]; then
  if command -v go >/dev/null; then
    GOBIN=$cache/grpcurl GOFLAGS=-mod=mod go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
  else
    echo "skip  grpcurl: there is no Go to build it with"
    grpcurl=""
  fi
fi
ninja -C "$build" tenon edge_bench_server >/dev/null
"$venv/bin/python" tests/clients/descriptors.py
"$venv/bin/python" tests/clients/oip_clients.py "$build/bin/edge_bench_server"
exec "$venv/bin/python" tests/clients/project_clients.py "$build/bin/tenon" "$grpcurl"
