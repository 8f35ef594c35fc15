#!/usr/bin/env bash
# `./run` and `./test` on a bare Debian 12: a fresh debootstrap chroot, this checkout copied in, both commands timed.
# Needs root and a package mirror. Usage: tests/bare/run.sh [folder for the chroot] [run|test ...]
set -euo pipefail
cd "$(dirname "$0")/../.."
# In a mount namespace of its own: what is mounted inside ends with this script, whatever ends it.
if [ "${TENON_BARE_MOUNTS:-}" != own ]; then
  export TENON_BARE_MOUNTS=own
  exec unshare --mount bash tests/bare/run.sh "$@"
fi
command -v debootstrap >/dev/null || apt-get install -y -qq debootstrap
root=${1:-$(mktemp -d /var/tmp/tenon-bare-XXXX)}
shift || true
chmod 755 "$root"  # it becomes "/", which every user of a machine may walk through; mktemp makes it private
[ $# -gt 0 ] || set -- run test
[ -e "$root/etc/debian_version" ] || debootstrap --variant=minbase bookworm "$root" >/dev/null
# What the machine's package clients need to reach their registries holds inside as well.
for file in /etc/apt/sources.list.d /etc/apt/apt.conf.d /etc/ssl/certs /usr/local/share/ca-certificates /etc/pip.conf /root/.npmrc /etc/resolv.conf /etc/hosts; do
  [ ! -e "$root/reaches-registries" ] && [ -e "$file" ] || continue
  mkdir -p "$root$(dirname "$file")"
  rm -rf "${root:?}$file"
  cp -aL "$file" "$root$(dirname "$file")/"
done
touch "$root/reaches-registries"
passed=$(env | grep -E '^(SSL_CERT|PIP_|NODE_EXTRA_CA|CURL_CA|REQUESTS_CA|[a-z_]*proxy|[A-Z_]*PROXY)[A-Z_a-z]*=' | grep -v PIP_FIND_LINKS | tr '\n' ' ' || true)
rm -rf "$root/src/tenon"
mkdir -p "$root/src/tenon"
git archive HEAD | tar x -C "$root/src/tenon"
mount -t proc proc "$root/proc" 2>/dev/null || true
mount -t sysfs sys "$root/sys" 2>/dev/null || true
mount --bind /dev "$root/dev" 2>/dev/null || true
for command in "$@"; do
  started=$(date +%s)
  # shellcheck disable=SC2086
  chroot "$root" /usr/bin/env -i HOME=/root TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin $passed bash -c "cd /src/tenon && ./$command" > "$root/$command.log" 2>&1 && verdict=ok || verdict=FAILED
  echo "./$command: $verdict after $(($(date +%s) - started)) s (log: $root/$command.log)"
done
