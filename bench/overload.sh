#!/usr/bin/env bash
# Twice the load that one core can answer: what is still answered, and how soon the rest is turned away.
# Usage: bench/overload.sh [seconds] [factor] [arm...], of the arms that `arms` below lists. Prints a line of JSON an arm, about 20 s each.
# The server has the first core for itself and the clients the second, before other work where that is allowed (root). Times are the server's
# processor time, so that a machine that is busy nevertheless matters little; WALL=1 takes the wall clock's, for a quiet one.
set -euo pipefail
cd "$(dirname "$0")/.."
# name: rows a request, connections, requests at a time on each, longest queue in ms, trees, their depth
arms="shared-1:    1 64 512 20 100 6
shared-16:   16 64 64 20 100 6
shared-64:   64 64 32 20 500 8
single-64:   64 1000 1 20 500 8
single-16:   16 1000 1 20 100 6
no-limit-64: 64 1000 1 0 500 8"
seconds=${1:-10}; factor=${2:-2}; shift $(($# < 2 ? $# : 2))
[ $# -gt 0 ] || set -- $(cut -d: -f1 <<<"$arms")
build=${TENON_BUILD:-build}
[ -e "$build/build.ninja" ] || cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
ninja -C "$build" edge_bench_server edge_overload >/dev/null
ulimit -n "$(ulimit -Hn)"
first=""; nice -n -20 true 2>/dev/null && first="nice -n -20"
work=$(mktemp -d); server=""
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
for name in "$@"; do
  read -r rows connections depth queue trees levels <<<"$(sed -n "s/^$name: *//p" <<<"$arms")"
  [ -n "$rows" ] || { echo "no arm '$name'; there are: $(cut -d: -f1 <<<"$arms" | tr '\n' ' ')" >&2; exit 2; }
  python3 - "$rows" >"$work/body" <<'PY'
import json, random, sys
random.seed(1)
print(json.dumps({"instances": [[round(random.random(), 4) for _ in range(28)] for _ in range(int(sys.argv[1]))]}))
PY
  mkfifo "$work/in"; taskset -c 0 $first "$build/bin/edge_bench_server" 1 "$queue" "$trees" "$levels" <"$work/in" >"$work/port" & server=$!
  exec 9>"$work/in"
  until [ -s "$work/port" ]; do sleep 0.05; done
  clock=$server; [ -z "${WALL:-}" ] || clock=0
  printf '%-12s %2s rows, %s trees of depth %s, %s connections x %s, longest queue %s ms: ' "$name" "$rows" "$trees" "$levels" "$connections" "$depth" "$queue"
  taskset -c 1 $first "$build/bin/edge_overload" "$(cat "$work/port")" /v1/endpoints/forest:predict "$work/body" "$factor" "$seconds" "$clock" "$connections" "$depth"
  exec 9>&-; wait "$server" || true; server=""; rm "$work/in" "$work/port"
done
