#!/usr/bin/env bash
# Streams and data from a real Kafka broker, started on free ports of this machine and stopped again: tests/kafka/run.sh <tenon> [kills]
set -euo pipefail
tenon=$(realpath "${1:-$(dirname "$0")/../../build/bin/tenon}")
kills=${2:-12}
cd "$(dirname "$0")"
version=4.1.1
cache=${TENON_CACHE:-$HOME/.cache/tenon}
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
packages() {
  as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
jars=$cache/kafka-$version
venv=$cache/venv-kafka-1
# The broker (Apache-2.0) and all that it needs at run time, by Maven from a POM of two dependencies; producer and plain
# consumer: confluent-kafka (Apache-2.0), in an environment of its own.
install() {
  if ! command -v java >/dev/null || ! ldconfig -p | grep -q librdkafka.so.1; then packages openjdk-17-jre-headless librdkafka1 || return 1; fi
  if [ ! -e "$jars/ready" ]; then
    command -v mvn >/dev/null || packages maven || return 1
    mvn -q -B -f broker.xml -Dkafka.version=$version dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$jars" || return 1
    sha256sum --quiet -c <(sed "s#  #  $jars/#" broker.sha256) || return 1
    touch "$jars/ready"
  fi
  [ -e "$venv/ready" ] && return 0
  python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --only-binary :all: "confluent-kafka==2.6.1" && touch "$venv/ready"
}
if ! install; then
  echo "kafka: SKIPPED: the broker or a client could not be fetched (the reason is above); nothing of Kafka was tested" >&2
  exit 0
fi
"$venv/bin/python" streams.py "$tenon" "$jars" "$kills"
"$venv/bin/python" answers.py "$tenon" "$jars" "$kills"
"$venv/bin/python" source.py "$tenon" "$jars"
