#!/usr/bin/env bash
# Twice the load a server can answer, with and without a limit on the queue: what is still answered, and how soon the rest
# is turned away. Usage: bench/overload.sh [seconds] [factor] [connections] [limits of the queue in ms, "0 20"]. Prints a line for each
# size of request. Times are the server's processor time, so that a busy machine does not matter; WALL=1 takes the wall clock's, for a quiet
# one whose clients have enough cores of their own.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-6}; factor=${2:-2}; connections=${3:-10000}; queues=${4:-0 20}
build=${TENON_BUILD:-build}
[ -e "$build/build.ninja" ] || cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
ninja -C "$build" edge_bench_server edge_overload >/dev/null
ulimit -n "$(ulimit -Hn)"
work=$(mktemp -d); server=""
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
for rows in 1 64; do
  python3 - "$rows" >"$work/body" <<'PY'
import json, random, sys
random.seed(1)
print(json.dumps({"instances": [[round(random.random(), 4) for _ in range(28)] for _ in range(int(sys.argv[1]))]}))
PY
  for queue in $queues; do
    mkfifo "$work/in"; "$build/bin/edge_bench_server" 1 "$queue" <"$work/in" >"$work/port" & server=$!
    exec 9>"$work/in"
    until [ -s "$work/port" ]; do sleep 0.05; done
    clock=$server; [ -z "${WALL:-}" ] || clock=0
    printf 'rows %s, longest queue %s ms: ' "$rows" "$queue"
    "$build/bin/edge_overload" "$(cat "$work/port")" /v1/endpoints/forest:predict "$work/body" "$factor" "$seconds" "$clock" "$connections"
    exec 9>&-; wait "$server" || true; server=""; rm "$work/in" "$work/port"
  done
done
