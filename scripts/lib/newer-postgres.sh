#!/usr/bin/env bash
# A whole PostgreSQL 16 for tests, from the Python wheel `pgserver`, in a folder of its own that nothing else uses. Prints the folder of its
# programs. What is there already is not fetched again.
#
#   scripts/lib/newer-postgres.sh
set -euo pipefail
version=0.1.4
# Below /var/tmp: the server runs as an unprivileged user, who cannot enter everybody's checkout.
place=/var/tmp/mathledger-test-postgres-16-$(id -u)
bin=$place/pgserver/pginstall/bin
if [ ! -e "$place/ready" ]; then
    [ "$(uname -sm)" = 'Linux x86_64' ] || { echo "there is a PostgreSQL 16 for tests on Linux x86_64 only" >&2; exit 1; }
    command -v python3 >/dev/null || { echo "python3 is not installed" >&2; exit 1; }
    fetched=$(mktemp -d)
    trap 'rm -rf "$fetched"' EXIT
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 \
        --platform manylinux2014_x86_64 --dest "$fetched" "pgserver==$version" >&2
    rm -rf "$place"
    mkdir -m 755 "$place"
    python3 -m zipfile -e "$fetched"/pgserver-*.whl "$place"
    chmod 755 "$bin"/*
    chmod -R a+rX "$place"
    touch "$place/ready"
fi
echo "$bin"
