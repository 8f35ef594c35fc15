#!/usr/bin/env bash
# The real tritonclient and kserve against a server. Usage: tests/clients/run.sh [<server executable>]
# The clients live in a virtual environment outside of the tree, made when it is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
server=${1:-${TENON_BUILD:-build}/bin/edge_bench_server}
venv=${TENON_CACHE:-$HOME/.cache/tenon}/venv-clients
if [ ! -e "$venv/ready" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet 'tritonclient[http]==2.*' 'kserve==0.15.*' numpy
  touch "$venv/ready"
fi
[ -x "$server" ] || ninja -C "${TENON_BUILD:-build}" edge_bench_server >/dev/null
exec "$venv/bin/python" tests/clients/oip_clients.py "$server"
