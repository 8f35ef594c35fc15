# Sourced: $venv, an environment with Feast and what it needs, made once.
# Feast (Apache-2.0) has a hundred dependencies: uv (Apache-2.0, MIT) puts them there in seconds, pip takes a quarter of an hour.
venv=${TENON_CACHE:-$HOME/.cache/tenon}/venv-feast-0.58.0-2
if [ ! -e "$venv/ready" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet uv==0.9.7
  "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --only-binary :all: -r "$(dirname "${BASH_SOURCE[0]}")/requirements.txt" && touch "$venv/ready"
fi
