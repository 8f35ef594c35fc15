#!/usr/bin/env bash
# Sources against real servers, started on free ports of this machine and stopped again: tests/sources/run.sh <tenon>
set -euo pipefail
tenon=$(realpath "${1:-$(dirname "$0")/../../build/bin/tenon}")
cd "$(dirname "$0")"
if ! compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null; then
  as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
  as_root apt-get update -qq
  # The packages would start a server of their own.
  as_root mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-15 libpq5 libcurl4 openssl zstd >/dev/null
fi
python3 postgresql.py "$tenon"
# The server of S3 is moto (Apache-2.0), in an environment of its own.
venv=${TENON_CACHE:-$HOME/.cache/tenon}/venv-sources-1
if [ ! -e "$venv/ready" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet "moto[server]==5.1.4" && touch "$venv/ready"
fi
python3 web.py "$tenon" "$venv/bin/python"
"$venv/bin/python" signature.py "$tenon"
python3 predict.py "$tenon" "$venv/bin/python"
