#!/usr/bin/env bash
# Builds and tests under tools that look for faults: tests/sanitize/run.sh [clang|asan|tsan] ..., all three without words.
#   clang  the whole of it with clang 14, warnings as errors (-Wthread-safety among them), and all unit tests
#   asan   with AddressSanitizer and UndefinedBehaviorSanitizer: unit tests with the contracts in them, and all scenarios
#   tsan   with ThreadSanitizer: unit tests, and a running service under load over HTTP, gRPC and TLS while its versions, rollouts,
#          certificate and keys change
# Installs what is missing (as root). On demand, not part of ./test: each builds everything anew, and runs 2 to 15 times slower.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools/setup.sh test
source tests/sanitize/clang.sh
jobs=${JOBS:-2}
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$jobs}
export ASAN_OPTIONS="detect_stack_use_after_return=1:check_initialization_order=1:strict_string_checks=1"
export LSAN_OPTIONS="suppressions=$PWD/tests/sanitize/lsan.txt:print_suppressions=0"
export UBSAN_OPTIONS="print_stacktrace=1"
export TSAN_OPTIONS="suppressions=$PWD/tests/sanitize/tsan.txt:second_deadlock_stack=1:exitcode=66:die_after_fork=0"  # tests fork to be killed

clang() {
  tools/build.sh build-clang -DCMAKE_CXX_COMPILER=clang++-14
  ctest --test-dir build-clang --output-on-failure -j"$jobs"
}
asan() {  # in the folder of the fuzz targets, which need the same and marks for libFuzzer
  tools/build.sh build-fuzz -DCMAKE_CXX_COMPILER=clang++-14 -DCMAKE_BUILD_TYPE=Debug -DTENON_SANITIZE=address,undefined,fuzzer-no-link
  ctest --test-dir build-fuzz --output-on-failure -j"$jobs"
  python3 tests/scenarios/run.py build-fuzz/bin/tenon
}
tsan() {
  tools/build.sh build-tsan -DCMAKE_CXX_COMPILER=clang++-14 -DCMAKE_BUILD_TYPE=Debug -DTENON_SANITIZE=thread
  ctest --test-dir build-tsan --output-on-failure -j"$jobs"
  tools/build.sh build  # trains the versions that are swapped: as it is shipped
  source tests/clients/venv.sh
  "$venv/bin/python" tests/sanitize/hammer.py build/bin/tenon build-tsan/bin/tenon 60
}
for what in ${@:-clang asan tsan}; do
  case $what in
    clang|asan|tsan) $what; echo "$what: clean" ;;  # not `&&`, under which set -e does not end the function
    *) echo "no '$what'; there are: clang asan tsan" >&2; exit 2 ;;
  esac
done
