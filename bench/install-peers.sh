#!/bin/sh
# Installs what the benchmark measures against, from Debian's packages. Needs root.
set -eu

if [ "$(id -u)" -ne 0 ]; then
  echo "run as root: sudo sh bench/install-peers.sh" >&2
  exit 1
fi

# The packages would start their services; the benchmark starts its own processes.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi

apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
  gcc libc6-dev util-linux \
  haproxy nginx libnginx-mod-stream sniproxy
