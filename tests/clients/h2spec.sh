#!/usr/bin/env bash
# h2spec (github.com/summerwind/h2spec), which holds a server of HTTP/2 against the standards frame by frame, against the benchmark's server.
# Usage: tests/clients/h2spec.sh [<build folder>]. Needs Go, else it is left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-${TENON_BUILD:-build}}
cache=${TENON_CACHE:-$HOME/.cache/tenon}
h2spec=$cache/h2spec/h2spec
if [ ! -x "$h2spec" ]; then
  command -v go >/dev/null || { echo "skip  h2spec: there is no Go to build it with"; exit 0; }
  GOBIN=$cache/h2spec GOFLAGS=-mod=mod go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible
fi
ninja -C "$build" edge_bench_server >/dev/null
coproc SERVER { exec "$build/bin/edge_bench_server" 1; }
read -r port <&"${SERVER[0]}"
"$h2spec" --strict -h 127.0.0.1 -p "$port" -P /healthz -o 5 >"$build/h2spec.log" 2>&1 || true
exec {SERVER[1]}>&-  # ends with its input
wait "$SERVER_PID" || true
tail -n 1 "$build/h2spec.log"
# What is no preface of HTTP/2 is a bad request of HTTP/1.1 on a port that takes both, and is answered as such.
failed=$(sed -n '/^Failures/,$p' "$build/h2spec.log" | grep "×" | grep -vc "Sends invalid connection preface" || true)
if [ "$failed" != 0 ] || ! grep -q "tests, .* passed" "$build/h2spec.log"; then
  sed -n '/^Failures/,$p' "$build/h2spec.log" | head -80
  exit 1
fi
echo "ok    h2spec"
