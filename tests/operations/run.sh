#!/usr/bin/env bash
# What docs/18-operations.md and examples/kubernetes say, against schemas, flags and a running service: tests/operations/run.sh [<build folder>]
# With `image` as a second word also builds the Containerfile, step by step, in chroots of Debian 12 (root, debootstrap; some minutes).
# The schemas live in a virtual environment outside of the tree, made when it is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "${1:-build}")
[ -x "$build/bin/tenon-serve" ] || tools/build.sh "$build" --target tenon tenon-serve
venv=${TENON_CACHE:-$HOME/.cache/tenon}/venv-operations-2
if [ ! -e "$venv/ready" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet kubernetes-validate==1.37.0 cloudcoil==0.6.0 cloudcoil.models.keda==2.16.1.0 prometheus-client==0.26.0 PyYAML==6.0.4
  touch "$venv/ready"
fi
"$venv/bin/python" tests/operations/check.py "$build/bin/tenon" "$build/bin/tenon-serve"
[ "${2:-}" != image ] || python3 tests/operations/image.py
