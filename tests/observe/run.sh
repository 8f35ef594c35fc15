#!/usr/bin/env bash
# What a running service tells about itself, read by the tools that people read it with: spans by opentelemetry-proto, metrics by
# prometheus_client, the access log, payload events. Usage: tests/observe/run.sh [<tenon>]
set -euo pipefail
cd "$(dirname "$0")/../.."
tenon=$(realpath "${1:-${TENON_BUILD:-build}/bin/tenon}")
venv=${TENON_CACHE:-$HOME/.cache/tenon}/venv-observe
if [ ! -e "$venv/ready" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet opentelemetry-proto==1.27.0 prometheus-client==0.21.0
  touch "$venv/ready"
fi
exec "$venv/bin/python" tests/observe/check.py "$tenon"
