#!/usr/bin/env bash
# Networks that TensorFlow saved come in through tf2onnx and answer as TensorFlow does. Usage: tests/exchange/saved_model.sh [<tenon>]
# TensorFlow (250 MB) and tf2onnx live in a virtual environment outside of the tree, made when it is missing. Skipped, saying so, where
# TENON_SKIP_TENSORFLOW is set.
set -euo pipefail
cd "$(dirname "$0")/../.."
tenon=$(realpath "${1:-build/bin/tenon}")
if [ -n "${TENON_SKIP_TENSORFLOW:-}" ]; then echo "skipped: TENON_SKIP_TENSORFLOW is set"; exit 0; fi
venv=${TENON_CACHE:-$HOME/.cache/tenon}/venv-savedmodel-1
if [ ! -e "$venv/ready" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet tensorflow-cpu==2.21.0 tf2onnx==1.17.0
  touch "$venv/ready"
fi
exec nice -n 5 "$venv/bin/python" tests/exchange/saved_model.py "$tenon" "$venv/bin/python"
