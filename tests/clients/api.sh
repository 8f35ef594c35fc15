#!/usr/bin/env bash
# Streams of predictions by real clients (Python's websockets and http.client, curl), and schemathesis on what the service says of itself at
# /openapi.json, against `tenon serve` on a project.
# Usage: tests/clients/api.sh [<build folder>]. The clients live in a virtual environment outside of the tree, made when it is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-${TENON_BUILD:-build}}
venv=${TENON_CACHE:-$HOME/.cache/tenon}/venv-api-1
if [ ! -e "$venv/ready" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet 'schemathesis==4.32.5' 'websockets==17.4'
  touch "$venv/ready"
fi
"$venv/bin/python" tests/clients/streams.py "$build/bin/tenon"

work=$(mktemp -d)
cp -r examples/loan-approval "$work/loan" && rm -rf "$work/loan/.tenon"
sed -i 's/^serve:/serve:\n  repository: false/' "$work/loan/tenon.yaml"  # else it would unload the model under its own other requests
"$build/bin/tenon" run "$work/loan" >"$work/log"
"$build/bin/tenon" serve "$work/loan" --port 0 --port-file "$work/port" >"$work/log" &
server=$!
trap 'kill $server; wait $server; rm -rf "$work"' EXIT
for _ in $(seq 100); do [ -s "$work/port" ] && break; sleep 0.1; done
tests=$PWD/tests/clients
cd "$work"  # it leaves files of its own
SCHEMATHESIS_HOOKS=schemathesis_hooks PYTHONPATH=$tests "$venv/bin/schemathesis" --config-file "$tests/schemathesis.toml" run "http://127.0.0.1:$(cat port)/openapi.json" \
  -n 8 --phases examples,coverage,fuzzing --no-color
