#!/usr/bin/env bash
# Models of the real XGBoost, LightGBM and scikit-learn are brought in and answer over HTTP as their own libraries do; ours are
# taken out and run by ONNX Runtime. Usage: tests/exchange/run.sh [<tenon>] [names of parts]
# The libraries live in a virtual environment outside of the tree, made when it is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
tenon=$(realpath "${1:-build/bin/tenon}"); shift || true
venv=${TENON_CACHE:-$HOME/.cache/tenon}/venv-exchange-1
if [ ! -e "$venv/ready" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet xgboost-cpu==3.2.0 lightgbm==4.7.0 scikit-learn==1.9.1 skl2onnx==1.20.0 onnx==1.23.2 \
    onnxruntime==1.32.0 pandas==3.1.1 numpy==2.4.6
  touch "$venv/ready"
fi
exec nice -n 5 "$venv/bin/python" tests/exchange/exchange.py "$tenon" "$@"
