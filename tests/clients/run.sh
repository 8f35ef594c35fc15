#!/usr/bin/env bash
# h2spec, the real tritonclient, kserve, curl, grpcurl and Google's client of Vertex AI against `tenon serve` on a project and against the benchmark's server.
# Usage: tests/clients/run.sh [<build folder>]
# The clients live in a virtual environment outside of the tree, made when it is missing; grpcurl and h2spec need Go, else they are left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-${TENON_BUILD:-build}}
cache=${TENON_CACHE:-$HOME/.cache/tenon}
source tests/clients/venv.sh
grpcurl=$cache/grpcurl/grpcurl
if [ ! -x "$grpcurl" ]; then
  if command -v go >/dev/null; then
    GOBIN=$cache/grpcurl GOFLAGS=-mod=mod go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
  else
    echo "skip  grpcurl: there is no Go to build it with"
    grpcurl=""
  fi
fi
ninja -C "$build" tenon edge_bench_server >/dev/null
tests/clients/h2spec.sh "$build"
"$venv/bin/python" tests/clients/descriptors.py
"$venv/bin/python" tests/clients/oip_clients.py "$build/bin/edge_bench_server"
"$venv/bin/python" tests/clients/project_clients.py "$build/bin/tenon" "$grpcurl"
# Pictures and texts as tensors of an ONNX model, whose bits are ONNX Runtime's.
images=$cache/venv-images-1
if [ ! -e "$images/ready" ]; then
  rm -rf "$images"
  python3 -m venv "$images"
  "$images/bin/pip" install --quiet 'tritonclient[http,grpc]==2.73.0' 'onnx==1.23.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
  touch "$images/ready"
fi
"$images/bin/python" tests/clients/image_clients.py "$build/bin/tenon"
# Of Google's package only the client of predictions is used: without what the rest of it needs.
vertex=$cache/venv-vertex-1
if [ ! -e "$vertex/ready" ]; then
  rm -rf "$vertex"
  python3 -m venv "$vertex"
  "$vertex/bin/pip" install --quiet 'google-api-core[grpc]==2.44.0' 'google-auth==2.63.0' 'proto-plus==1.29.0' 'protobuf==7.36.2' 'requests==2.34.2' 'grpcio==1.85.3' \
    'grpcio-status==1.85.3' 'googleapis-common-protos==1.76.0' 'grpc-google-iam-v1==0.14.6' 'packaging==26.4'
  "$vertex/bin/pip" install --quiet --no-deps 'google-cloud-aiplatform==2.7.0'
  touch "$vertex/ready"
fi
exec "$vertex/bin/python" tests/clients/vertex.py "$build/bin/tenon"
