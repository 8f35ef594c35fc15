#!/usr/bin/env bash
# Configures and builds: tools/build.sh <folder> [--target ...] [-D...]. Arguments that start with -D go to the first step.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1; shift
define=(); rest=()
for argument in "$@"; do case $argument in -D*) define+=("$argument") ;; *) rest+=("$argument") ;; esac; done
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$PWD} CCACHE_NOHASHDIR=1
cmake -S . -B "$folder" -G Ninja "${define[@]}" >"$folder.log" 2>&1 || { cat "$folder.log"; exit 1; }
rm -f "$folder.log"
if [ -t 1 ]; then cmake --build "$folder" "${rest[@]}"; else cmake --build "$folder" "${rest[@]}" -- --quiet || exit 1; fi
