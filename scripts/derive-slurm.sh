#!/bin/bash
# The lengths of a store up to N as jobs of Slurm: for each length an array of K parts, a merge, an array, a merge, each after the one
# before. docs/sharding.md says what each step needs and how to choose K.
#
#   scripts/derive-slurm.sh STORE N K [-- OPTIONS OF sbatch]
#   scripts/derive-slurm.sh /shared/store 29 64 -- --partition long --cpus-per-task 16 --mem 32G --time 4:00:00
#
# It submits the jobs, prints their numbers, and is itself what they run. Where one has failed those after it are cancelled; called again it
# submits what is missing, and parts that are there are not done again. ml-derive is taken from the folder in ML_BIN, else from PATH.
set -euo pipefail

fail() { # code message hint
    printf 'derive-slurm: %s\nhint: %s\n' "$2" "$3" >&2
    exit "$1"
}
usage='derive-slurm.sh STORE N K [-- OPTIONS OF sbatch]'

# A job of ours. Slurm runs a copy of this script from a folder of its own.
if [ "${1-}" = --job ]; then
    derive=$2 verb=$3 what=$4 store=$5 length=$6 parts=$7
    options=()
    if [ "$verb" = shard ]; then
        options+=(--part "${SLURM_ARRAY_TASK_ID:?this part of the job is no task of an array}/$parts")
    fi
    if [ -n "${SLURM_CPUS_PER_TASK-}" ]; then
        options+=(--threads "$SLURM_CPUS_PER_TASK")
    fi
    # In MiB. Slurm ends what goes beyond it; the engine stops by itself before.
    memory=${SLURM_MEM_PER_NODE:-$((${SLURM_MEM_PER_CPU:-0} * ${SLURM_CPUS_PER_TASK:-1}))}
    if [[ $memory =~ ^[1-9][0-9]*$ ]]; then
        options+=(--memory-limit "$((memory * 9 / 10))MiB")
    fi
    exec "$derive" "$verb" "$what" --store "$store" --length "$length" --output records "${options[@]}" </dev/null
fi

[ $# -ge 3 ] || fail 64 'a store, a length and a number of parts are needed' "$usage"
store=$1 last=$2 parts=$3
shift 3
for number in "$last" "$parts"; do
    [[ $number =~ ^[1-9][0-9]*$ ]] || fail 64 "$number is no number from 1 on" "$usage"
done
case ${1-} in
    '') ;;
    --) shift ;;
    *) fail 64 "unknown option $1" "$usage" ;;
esac
[ -r "$store/store.json" ] || fail 4 "there is no store in $store" 'ml-derive --no-ledger --axioms SYSTEM --max-length 15 --store DIR makes one'
command -v sbatch >/dev/null || fail 1 'sbatch is missing' 'call this on a machine of the cluster that submits jobs'
derive=$(command -v "${ML_BIN:+$ML_BIN/}ml-derive") || fail 1 'ml-derive is missing' 'make install, or name its folder in ML_BIN'
# Jobs have other working folders.
derive=$(realpath -- "$derive")
store=$(realpath -- "$store")
script=$(realpath -- "$0")

after=()
submit() { # verb, what, options of sbatch
    local verb=$1 what=$2 job
    shift 2
    job=$(sbatch --parsable --job-name="$verb-$what-$length" "${after[@]}" "$@" \
        "$script" --job "$derive" "$verb" "$what" "$store" "$length" "$parts")
    # With several clusters it is NUMBER;CLUSTER.
    job=${job%%;*}
    after=(--dependency="afterok:$job" --kill-on-invalid-dep=yes)
    printf '%s\t%s %s\tlength %s\n' "$job" "$verb" "$what" "$length"
}

# Without necessitation all proofs have odd lengths.
step=2
! grep -q '"necessitation"' "$store/store.json" || step=1
for ((length = 1; length <= last; length += step)); do
    [ ! -e "$store/length-$length.seg" ] || continue
    submit shard candidates "$@" --array="1-$parts"
    submit merge candidates "$@"
    submit shard instances "$@" --array="1-$parts"
    submit merge instances "$@"
done
