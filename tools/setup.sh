#!/usr/bin/env bash
# Installs what building and running need on Debian 12: packages, and the libraries that are loaded when first used.
# Does nothing when all is there. Usage: tools/setup.sh [build|test|onnx|images]; onnx: only the runtime of ONNX models, which no other
# model needs; images: only what reads PNG and JPEG.
set -euo pipefail
what=${1:-build}
deps=${TENON_DEPS:-$HOME/.cache/tenon/deps}

packages="g++ cmake ninja-build ccache mold pkg-config ca-certificates libssl-dev libsqlite3-dev libyaml-cpp-dev
  nlohmann-json3-dev libsimdjson-dev libcli11-dev libxxhash-dev zlib1g-dev python3 unzip"
[ "$what" = onnx ] && packages="ca-certificates python3 locales"  # one library beside those that are there
images="libpng16-16 libturbojpeg0"
[ "$what" = images ] && packages=$images
[ "$what" = test ] && packages="$packages $images libgtest-dev libnghttp2-dev curl procps python3-venv locales"

missing=""
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
apt_install() {
  echo "installing:$*"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
[ -z "$missing" ] || apt_install $missing

[ "$what" != images ] || exit 0

# fetch <file> <sha256> <command...>: runs the command in a scratch folder, which must leave <file> there.
scratch=""
trap '[ -z "$scratch" ] || rm -rf "$scratch"' EXIT
fetch() {
  local file=$1 sum=$2; shift 2
  scratch=$(mktemp -d)
  (cd "$scratch" && "$@" >/dev/null)
  echo "$sum  $scratch/$file" | sha256sum -c --quiet - || { echo "$file is not what was pinned" >&2; exit 1; }
}
mkdir -p "$deps/lib" "$deps/include"

# The runtime of ONNX models (ONNX Runtime, MIT), from its makers' wheel. A program that is built already finds it in its ../lib.
install_onnx() {
  if [ ! -e "$deps/onnxruntime-1.32.0" ]; then
    command -v pip3 >/dev/null || apt_install python3-pip
    echo "fetching ONNX Runtime 1.32.0"
    fetch onnxruntime-1.32.0-cp311-cp311-manylinux_2_28_x86_64.whl 5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d \
      pip3 download --quiet --no-deps --only-binary :all: --python-version 311 --platform manylinux_2_28_x86_64 --dest . onnxruntime==1.32.0
    python3 -m zipfile -e "$scratch"/onnxruntime-1.32.0-*.whl "$scratch/wheel"
    install -m 755 "$scratch"/wheel/onnxruntime/capi/libonnxruntime.so.1.32.0 "$deps/lib/libonnxruntime.so.1"
    rm -rf "$scratch"; scratch=""
    touch "$deps/onnxruntime-1.32.0"
  fi
  # Its op that folds the case of texts wants this locale, whatever is set.
  locale -a | grep -qi '^en_US.utf-\?8$' || as_root localedef -i en_US -f UTF-8 en_US.UTF-8
  for build in build build-*; do
    [ ! -d "$build/lib" ] || ln -sf "$deps/lib/libonnxruntime.so.1" "$build/lib/libonnxruntime.so.1"
  done
}
if [ "$what" = onnx ]; then
  cd "$(dirname "$0")/.."
  install_onnx
  exit 0
fi

# The analytic engine (DuckDB, MIT): the library from its makers' npm package, the header from their older one.
if [ ! -e "$deps/duckdb-1.5.6" ]; then
  command -v npm >/dev/null || apt_install npm
  echo "fetching DuckDB 1.5.6"
  fetch duckdb-node-bindings-linux-x64-1.5.6-r.1.tgz 1b9f82478539bb9a1d1df44bd103121a12ae52142c07158dc52b97d2ec1d69ff \
    npm pack --silent @duckdb/node-bindings-linux-x64@1.5.6-r.1
  tar xzf "$scratch"/duckdb-node-bindings-linux-x64-1.5.6-r.1.tgz -C "$scratch" package/libduckdb.so
  install -m 755 "$scratch/package/libduckdb.so" "$deps/lib/libduckdb.so"
  rm -rf "$scratch"
  fetch duckdb-1.4.4.tgz 5bb967dcbcd517670ba5f169f238fb9d6787e53752c60ebe24386169d76941ed npm pack --silent duckdb@1.4.4
  tar xzf "$scratch"/duckdb-1.4.4.tgz -C "$scratch" package/src/duckdb/src/include/duckdb.h
  install -m 644 "$scratch/package/src/duckdb/src/include/duckdb.h" "$deps/include/duckdb.h"
  rm -rf "$scratch"; scratch=""
  touch "$deps/duckdb-1.5.6"
fi

# The trainer of boosted trees (XGBoost, Apache-2.0), from its makers' wheel; its OpenMP runtime comes along.
if [ ! -e "$deps/xgboost-3.2.0" ]; then
  command -v pip3 >/dev/null || apt_install python3-pip
  echo "fetching XGBoost 3.2.0"
  fetch xgboost_cpu-3.2.0-py3-none-manylinux_2_28_x86_64.whl 9c10b1653e1a689bf4094a328144cf3633c9be0e5217a76fbdc2fde6abcb2950 \
    pip3 download --quiet --no-deps --only-binary :all: --platform manylinux_2_28_x86_64 --dest . xgboost-cpu==3.2.0
  python3 -m zipfile -e "$scratch"/xgboost_cpu-3.2.0-*.whl "$scratch/wheel"
  mkdir -p "$deps/xgboost_cpu.libs" "$deps/xgboost/lib"
  install -m 755 "$scratch"/wheel/xgboost/lib/libxgboost.so "$deps/xgboost/lib/libxgboost.so"
  install -m 755 "$scratch"/wheel/xgboost_cpu.libs/libgomp* "$deps/xgboost_cpu.libs/"
  ln -sf ../xgboost/lib/libxgboost.so "$deps/lib/libxgboost.so"
  rm -rf "$scratch"; scratch=""
  touch "$deps/xgboost-3.2.0"
fi

[ "$what" != test ] || { cd "$(dirname "$0")/.." && install_onnx; }
