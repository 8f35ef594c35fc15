#!/usr/bin/env bash
# Services under load for a long time: tests/soak/run.sh [minutes, 30]. On demand, not part of ./test. Writes
# build/soak/soak.html and soak.json. Needs two cores of its own: what else runs shows in the latencies, not in the checks.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools/setup.sh test
tools/build.sh build --target tenon tenon-serve soak_load
source tests/clients/venv.sh
exec "$venv/bin/python" tests/soak/soak.py build "$@" --out build/soak
