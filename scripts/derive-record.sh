#!/usr/bin/env bash
# The long run: everything from frege with proofs of up to N symbols, held against the published figures. Not part of the tests.
#
#   scripts/derive-record.sh [--to N] [--folder DIR] [-- FLAGS OF ml-derive]
#
# N is 29 unless it is said. It can be stopped and killed at any moment: the next call goes on where it ended, also to a greater N.
# Lengths and files stay in DIR (.run/derive-record): 31 needs 4 GiB of memory, 33 10 GiB, 35 20 GiB and 6 GiB of disk.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
to=29 folder=$root/.run/derive-record
while [ $# -gt 0 ]; do
    case $1 in
        --to) to=${2:?--to needs a length} && shift 2 ;;
        --folder) folder=${2:?--folder needs a folder} && shift 2 ;;
        --) shift && break ;;
        *)
            echo "unknown option: $1" >&2
            echo "hint: scripts/derive-record.sh [--to N] [--folder DIR] [-- FLAGS OF ml-derive]" >&2
            exit 64
            ;;
    esac
done
published=$root/scripts/data/frege.csv
target=${CARGO_TARGET_DIR:-$root/target}

"$root/scripts/lib/with-rust.sh" cargo build --release --package ml-derive --manifest-path "$root/Cargo.toml"
mkdir -p "$folder"
began=$(date +%s)
"$target/release/ml-derive" --no-ledger --axioms frege --max-length "$to" --counts \
    --store "$folder/store" --dproofs "$folder/dproofs" --output records "$@" | tee "$folder/records.jsonl" | while IFS= read -r record; do
    # One line of JSON a length: its numbers are read without a JSON reader, which may not be there.
    number() { sed -nE "s/.*\"$1\":\"?([0-9a-f]+).*/\1/p" <<<"$record"; }
    case $record in *'"id":"length-'*) ;; *) continue ;; esac
    length=$(number length) kept=$(number kept) removed=$(number removed) sha256=$(number sha256)
    expected=$(grep "^$length," "$published" || true)
    verdict='not published'
    if [ -n "$expected" ]; then
        IFS=, read -r _ want_kept want_removed want_sha256 _ <<<"$expected"
        verdict=equal
        if [ "$kept" != "$want_kept" ] || [ "$removed" != "$want_removed" ] || { [ -n "$want_sha256" ] && [ "$sha256" != "$want_sha256" ]; }; then
            verdict=DIFFERENT
        fi
    fi
    printf '%s\t%s kept\t%s removed\t%s\t%s ms\t%s\n' "$length" "$kept" "$removed" "$sha256" "$(number duration_ms)" "$verdict"
done | tee "$folder/table.txt"
echo "in $(($(date +%s) - began)) s; the table is $folder/table.txt" >&2
if grep -q DIFFERENT "$folder/table.txt"; then
    echo "hint: figures differ from the published ones; please report it" >&2
    exit 1
fi
