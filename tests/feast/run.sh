#!/usr/bin/env bash
# Feast's own driver example, by Feast and by us, and Feast's client against our feature server: tests/feast/run.sh <tenon> [orders]
set -euo pipefail
tenon=$(realpath "${1:-$(dirname "$0")/../../build/bin/tenon}")
shift || true
cd "$(dirname "$0")"
source ./venv.sh
"$venv/bin/python" -W ignore driver_stats.py "$tenon" "$@"
