#!/usr/bin/env bash
# Models are taken out as PMML and asked by two evaluators of others (JPMML, PMML4S); PMML that others write (sklearn2pmml, nyoka) and files
# by hand are brought in and must answer as those evaluators do. Usage: tests/exchange/pmml.sh [<tenon>] [names of parts]
# Needs Java 11 or later (installed when missing, as root). JPMML is under the AGPL: only this test asks it, nothing of it is linked or given on.
set -euo pipefail
cd "$(dirname "$0")/../.."
tenon=$(realpath "${1:-build/bin/tenon}"); shift || true
venv=${TENON_CACHE:-$HOME/.cache/tenon}/venv-pmml-1
if ! command -v java >/dev/null; then
  as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
  as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openjdk-17-jre-headless >/dev/null
fi
if [ ! -e "$venv/ready" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet jpmml_evaluator==0.16.0 pypmml==1.5.8 sklearn2pmml==0.133.1 nyoka==5.5.0 scikit-learn==1.8.0 pandas==3.1.1 numpy==2.4.6
  touch "$venv/ready"
fi
exec nice -n 5 "$venv/bin/python" tests/exchange/pmml.py "$tenon" "$@"
