#!/usr/bin/env bash
# A short round of tests/sanitize/hammer.py (about 10 seconds), with the clients of gRPC that it takes. Part of ./test.
# Usage: tests/sanitize/hammer.sh <tenon> [seconds]
set -euo pipefail
tenon=$(realpath "$1")
cd "$(dirname "$0")/../.."
source tests/clients/venv.sh
exec "$venv/bin/python" tests/sanitize/hammer.py "$tenon" "$tenon" "${2:-6}"
