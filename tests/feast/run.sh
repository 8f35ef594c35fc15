#!/usr/bin/env bash
# Feast's own driver example, by Feast and by us, and Feast's client against our feature server: tests/feast/run.sh <tenon> [orders] [--time]
set -euo pipefail
tenon=$(realpath "${1:-$(dirname "$0")/../../build/bin/tenon}")
shift || true
cd "$(dirname "$0")"
# Feast (Apache-2.0) has a hundred dependencies: uv (Apache-2.0, MIT) puts them there in seconds, pip takes a quarter of an hour.
venv=${TENON_CACHE:-$HOME/.cache/tenon}/venv-feast-0.58.0-2
if [ ! -e "$venv/ready" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet uv==0.9.7
  "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --only-binary :all: -r requirements.txt && touch "$venv/ready"
fi
"$venv/bin/python" -W ignore driver_stats.py "$tenon" "$@"
