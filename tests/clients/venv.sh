# Sourced: $venv is a virtual environment with the real clients of our protocols, made when it is missing, outside of the tree.
venv=${TENON_CACHE:-$HOME/.cache/tenon}/venv-clients-2
if [ ! -e "$venv/ready" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet 'tritonclient[http,grpc]==2.73.0' 'kserve==0.21.0' 'grpcio==1.85.3' 'grpcio-tools==1.81.1' 'protobuf==6.33.6' 'numpy==2.4.6'
  touch "$venv/ready"
fi
