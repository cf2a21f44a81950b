#!/usr/bin/env bash
# pg_dump and pg_restore 17, built with zstd, for tests: from the next Debian, unpacked with their libraries into a folder of their own that
# nothing else uses, and run by their own loader. Prints the folder. What is there already is not fetched again; nothing is installed.
#
#   scripts/lib/newer-clients.sh
set -euo pipefail
place=/var/tmp/mathledger-test-clients-17-$(id -u)
if [ ! -e "$place/ready" ]; then
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    if [ "$(uname -sm)" != 'Linux x86_64' ] || [ ! -e "$keys" ] || ! command -v apt-get >/dev/null; then
        echo "there are programs of PostgreSQL 17 for tests on Debian x86_64 only" >&2
        exit 1
    fi
    rm -rf "$place"
    mkdir -m 755 "$place"
    mkdir -p "$place"/{bin,root,apt/lists/partial,apt/archives/partial,debs}
    echo "deb [signed-by=$keys] http://deb.debian.org/debian trixie main" >"$place/apt/sources.list"
    apt() {
        apt-get -qq -o Dir::Etc::sourcelist="$place/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
            -o Dir::State::lists="$place/apt/lists" -o Dir::Cache::archives="$place/apt/archives" -o Dir::Cache::pkgcache= \
            -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User= -o Debug::NoLocking=1 "$@" >&2
    }
    apt update
    (cd "$place/debs" && apt download postgresql-client-17 libpq5 libc6 libzstd1 liblz4-1 zlib1g libssl3t64 libgssapi-krb5-2 libkrb5-3 \
        libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1 libldap2 libsasl2-2 libxxhash0)
    for deb in "$place"/debs/*.deb; do dpkg-deb -x "$deb" "$place/root"; done
    libraries=$place/root/usr/lib/x86_64-linux-gnu
    for name in pg_dump pg_restore; do
        printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' \
            "$libraries/ld-linux-x86-64.so.2" "$libraries" "$place/root/usr/lib/postgresql/17/bin/$name" >"$place/bin/$name"
        chmod 755 "$place/bin/$name"
        "$place/bin/$name" --version >/dev/null
    done
    rm -rf "$place"/{apt,debs}
    touch "$place/ready"
fi
echo "$place/bin"
