#!/bin/sh
# Installs Node.js binaries from the npm registry into bench/out/node-MAJOR, apart from the project's own dependencies.
# Usage: sh bench/install-node.sh 20 26
set -eu

out=$(cd "$(dirname "$0")" && pwd)/out
for major in "$@"; do
  prefix=$out/node-$major
  mkdir -p "$prefix"
  npm install --prefix "$prefix" --no-save --no-audit --no-fund --ignore-scripts "node-linux-$(node -p process.arch)@$major"
  find "$prefix/node_modules" -path '*/bin/node' -type f
done
