#!/bin/sh
# The lengths of a store up to N, each step in K parts, with GNU parallel: on this machine, or on all that see the store's folder.
# docs/sharding.md says what each step needs and how to choose K.
#
#   scripts/derive-parallel.sh STORE N K [-- OPTIONS OF parallel]
#   scripts/derive-parallel.sh store 25 8 -- --jobs 2
#   scripts/derive-parallel.sh /shared/store 29 64 -- --jobs 1 --sshloginfile nodes
#
# Stopped at any moment, it goes on where it ended when it is called again. ml-derive is taken from the folder in ML_BIN, else from PATH.
set -eu

fail() { # code message hint
    printf 'derive-parallel: %s\nhint: %s\n' "$2" "$3" >&2
    exit "$1"
}
usage='derive-parallel.sh STORE N K [-- OPTIONS OF parallel]'

[ $# -ge 3 ] || fail 64 'a store, a length and a number of parts are needed' "$usage"
store=$1 last=$2 parts=$3
shift 3
for number in "$last" "$parts"; do
    case $number in
        '' | 0* | *[!0-9]*) fail 64 "$number is no number from 1 on" "$usage" ;;
    esac
done
case ${1-} in
    '') ;;
    --) shift ;;
    *) fail 64 "unknown option $1" "$usage" ;;
esac
[ -r "$store/store.json" ] || fail 4 "there is no store in $store" 'ml-derive --no-ledger --axioms SYSTEM --max-length 15 --store DIR makes one'
command -v parallel >/dev/null || fail 1 'GNU parallel is missing' 'scripts/install-deps.sh --test installs it'
derive=${ML_BIN:+$ML_BIN/}ml-derive
command -v "$derive" >/dev/null || fail 1 "$derive is missing" 'make install, or name its folder in ML_BIN'
# Other machines have other working folders.
store=$(CDPATH='' cd -- "$store" && pwd)
output=records
[ ! -t 1 ] || output=table

derive() { # words
    "$derive" "$@" --store "$store" --length "$length" --output "$output" </dev/null
}
parts() { # what, options of parallel
    what=$1
    shift
    # The exit code is then that of the part that failed. -q keeps the words of the command together.
    seq "$parts" | parallel --will-cite --halt soon,fail=1 "$@" -q \
        "$derive" shard "$what" --store "$store" --length "$length" --part "{}/$parts" --output "$output"
}

# Without necessitation all proofs have odd lengths.
step=2
! grep -q '"necessitation"' "$store/store.json" || step=1
length=1
while [ "$length" -le "$last" ]; do
    if [ ! -e "$store/length-$length.seg" ]; then
        parts candidates "$@"
        derive merge candidates
        parts instances "$@"
        derive merge instances
    fi
    length=$((length + step))
done
