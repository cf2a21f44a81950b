#!/usr/bin/env bash
# Measures what `make bench` names, one after the other, on a release build. docs/benchmarks.md says how to read it.
#
#   scripts/bench.sh [derive|backup|restore|health|alert]    without a name everything
#   BENCH_BACKUP_MB=1024         size of the database that is backed up
#   BENCH_RESTORE_MB=1024        size of the databases that are restored
#   BENCH_ALERT_RECORDS=1000000  records of the streams that ml-alert reads
#   BENCH_LONG=1                 more rounds, for figures that are to be kept
#
# Nothing here fails for being slow, and nothing of it is part of `make test`.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=scripts/lib/toolchain.sh
. "$root/scripts/lib/toolchain.sh"
# shellcheck source=scripts/lib/apt.sh
. "$root/scripts/lib/apt.sh"

# What ml-health is measured against: Perl programs of Debian, nothing of which runs by itself.
install_stock() {
    local package missing=()
    for package in check-pgactivity check-postgres; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null || ! may_install; then
        echo "not installed: ${missing[*]}" >&2
        echo "hint: apt-get install -y --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    [ -n "$(candidate "${missing[0]}")" ] || apt_update
    install_quietly "${missing[@]}"
}

all=(derive backup restore health alert)
for name in "$@"; do
    case " ${all[*]} " in
        *" $name "*) ;;
        *)
            echo "there is no benchmark $name" >&2
            echo "hint: scripts/bench.sh [${all[*]}]" >&2
            exit 64
            ;;
    esac
done
[ $# -gt 0 ] || set -- "${all[@]}"

scripts/install-deps.sh
use_rust || { echo "no Rust $(minimum_rust) or later found" >&2; exit 1; }

# Programs are run in their package's folder: the files' names have to be whole.
figures=${CARGO_TARGET_DIR:-target}/bench
mkdir -p "$figures"
figures=$(cd "$figures" && pwd)

for name in "$@"; do
    # What is restored has to be backed up first.
    [ "$name" != restore ] || cargo build --release --package ml-backup
    [ "$name" != health ] || install_stock
    cargo bench --package "ml-$name" --bench "$name" -- --json "$figures/$name.json"
done
