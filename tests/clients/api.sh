#!/usr/bin/env bash
# Streams of predictions by real clients (Python's websockets and http.client, curl) against `tenon serve` on a project.
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
