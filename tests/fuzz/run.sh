#!/usr/bin/env bash
# Fuzzes the readers of foreign bytes with libFuzzer, ASan and UBSan: tests/fuzz/run.sh [seconds each] [target...]
# Needs clang 14 (installed when missing, as root). Corpora are kept from run to run in ${TENON_CACHE:-~/.cache/tenon}/fuzz,
# findings beside them; the folder build-fuzz has the programs. Two targets at a time; JOBS=1 or more changes that. They run at
# the lowest priority: on a busy machine look at the count of inputs, not at the seconds (NICE=0 gives them their share).
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}; [ $# -gt 0 ] && shift
cache=${TENON_CACHE:-$HOME/.cache/tenon}/fuzz
source tests/sanitize/clang.sh
tools/build.sh build-fuzz -DCMAKE_CXX_COMPILER=clang++-14 -DCMAKE_BUILD_TYPE=Debug -DTENON_SANITIZE=address,undefined,fuzzer-no-link --target fuzz_smoke
targets=("$@"); [ $# -gt 0 ] || mapfile -t targets < <(build-fuzz/tests/fuzz_smoke --list)
tools/build.sh build-fuzz --target $(printf 'fuzz_%s ' "${targets[@]}")

export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
one() {
  target=$1 seconds=$2 cache=$3
  mkdir -p "$cache/$target/corpus" "$cache/$target/findings"
  build-fuzz/tests/fuzz_smoke --seeds "$cache/$target/seeds" "$target"
  status=0
  nice -n "${NICE:-19}" "build-fuzz/fuzz/fuzz_$target" -max_total_time="$seconds" -rss_limit_mb=2000 -timeout=20 -max_len=65536 -print_final_stats=1 \
    -artifact_prefix="$cache/$target/findings/" "$cache/$target/corpus" "$cache/$target/seeds" >"$cache/$target/log" 2>&1 || status=$?
  count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$cache/$target/log")
  echo "$target: ${count:-0} inputs in $seconds s, $([ $status = 0 ] && echo 'no finding' || echo "FINDING, see $cache/$target/log")"
  return $status
}
export -f one
printf '%s\n' "${targets[@]}" | xargs -P "${JOBS:-2}" -I{} bash -c "one {} $seconds '$cache'"
