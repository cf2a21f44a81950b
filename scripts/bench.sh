#!/usr/bin/env bash
# Measures what `make bench` names, one after the other, on a release build. docs/benchmarks.md says how to read it.
#
#   scripts/bench.sh [derive|backup|restore]    without a name everything
#   BENCH_BACKUP_MB=1024         size of the database that is backed up
#   BENCH_RESTORE_MB=1024        size of the databases that are restored
#   BENCH_LONG=1                 more rounds, for figures that are to be kept
#
# Nothing here fails for being slow, and nothing of it is part of `make test`.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=scripts/lib/toolchain.sh
. "$root/scripts/lib/toolchain.sh"

all=(derive backup restore)
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
    cargo bench --package "ml-$name" --bench "$name" -- --json "$figures/$name.json"
done
