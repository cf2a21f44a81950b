#!/bin/sh
# One night: ml-health | ml-derive | ml-export | ml-backup | ml-archive | ml-push | ml-vacuum | ml-rotate | ml-alert | ml-report
#
# ml-archive takes part when ARCHIVE_PATHS is set, ml-push when PUSH_TO is, and ml-rotate when ROTATE_RULES is.
#
# Keeps the whole stream and what the tools said in LOGS_DIR/nightly-YYYYMMDD-HHMMSS/, prints a summary, and exits with the night's worst
# code; warnings alone are 0. The tools do the work and take the decisions: this script only names them, in order.
set -u

usage() {
    cat <<'TEXT'
usage: run-nightly.sh [options]

  --config FILE          settings (default: config/nightly.env beside this script's folder)
  --skip-health-check    leave ml-health out
  --skip-derivation      leave ml-derive out
  --skip-snapshot        leave ml-export out
  --skip-backup          leave ml-backup and ml-archive out
  --skip-push            leave ml-push out
  --skip-maintenance     leave ml-vacuum and ml-rotate out
  --dry-run              change nothing, say what would be done
  --verbose              the tools say on stderr what they do
  --quiet                no summary at the end (for cron)
  --help                 this text

The tools are taken from the folder in ML_BIN, else from PATH.
TEXT
}

fail() { # code message hint
    printf 'run-nightly: %s\nhint: %s\n' "$2" "$3" >&2
    exit "$1"
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 70
config='' dry='' verbose='' quiet=''
health=1 derive=1 export=1 backup=1 push=1 vacuum=1
while [ $# -gt 0 ]; do
    case $1 in
        --config) [ $# -ge 2 ] || fail 64 '--config needs a file' 'run-nightly.sh --help'
            config=$2; shift ;;
        --config=*) config=${1#--config=} ;;
        --skip-health-check) health='' ;;
        --skip-derivation) derive='' ;;
        --skip-snapshot) export='' ;;
        --skip-backup) backup='' ;;
        --skip-push) push='' ;;
        --skip-maintenance) vacuum='' ;;
        --dry-run) dry=--dry-run ;;
        --verbose) verbose=--verbose ;;
        --quiet) quiet=1 ;;
        --help | -h) usage; exit 0 ;;
        *) fail 64 "unknown option $1" 'run-nightly.sh --help lists them' ;;
    esac
    shift
done

# Settings: the tools read them by themselves; this script needs a few. Environment over file, as with the tools.
if [ -z "$config" ]; then
    config=$here/../config/nightly.env
fi
[ -r "$config" ] || fail 78 "cannot read the settings file $config" 'name an existing file with --config'
config=$(CDPATH='' cd -- "$(dirname -- "$config")" && pwd)/$(basename -- "$config")
folder=$(dirname -- "$config")
[ "$(basename -- "$folder")" = config ] && base=$(dirname -- "$folder") || base=$folder

mark=$(printf '\357\273\277') # what Notepad writes before the first line
setting() { # name default: the value, from the environment, the file or the default
    if eval "[ -n \"\${$1+set}\" ]"; then
        eval "value=\$$1"
    else
        value=$(LC_ALL=C sed -n "1s/^$mark//; s/^[[:space:]]*$1[[:space:]]*=//p" "$config" | tail -n 1)
    fi
    value=$(printf '%s' "$value" | sed 's/^[[:space:]]*//; s/[[:space:]]*$//')
    printf '%s' "${value:-$2}"
}
rooted() { # path: absolute ones as they are, others from the settings' base
    case $1 in /*) printf '%s' "$1" ;; *) printf '%s/%s' "$base" "$1" ;; esac
}
logs=$(rooted "$(setting LOGS_DIR logs)")
state=$(rooted "$(setting STATE_DIR state)")
deadline=$(setting NIGHT_DEADLINE 3h45m)
archive=$backup
[ -n "$(setting ARCHIVE_PATHS '')" ] || archive=''
rotate=$vacuum
[ -n "$(setting ROTATE_RULES '')" ] || rotate=''
# As with the other settings, the URL may stand in a file of its own.
[ -n "$(setting PUSH_TO '')$(setting PUSH_TO_FILE '')" ] || push=''

# `3h45m` in minutes. Each stage must be done by its share of the night, so that those after it still get their turn. Shares are in seconds:
# in a short night those of the last stages would be one minute.
minutes=$(printf '%s\n' "$deadline" | awk '
    { n = $0; m = 0
      while (match(n, /^[0-9]+[hm]/)) { v = substr(n, 1, RLENGTH - 1); m += substr(n, RLENGTH, 1) == "h" ? v * 60 : v; n = substr(n, RLENGTH + 1) }
      print (n == "" && m >= 10) ? m : "" }')
[ -n "$minutes" ] || fail 78 "NIGHT_DEADLINE is '$deadline' and must be hours and minutes, ten minutes or more" 'for example NIGHT_DEADLINE=3h45m'
by() { printf '%ss' $((minutes * 60 * $1 / 100)); }

if [ -n "${ML_BIN-}" ]; then
    PATH=$ML_BIN:$PATH
    export PATH
fi
command -v ml-report >/dev/null 2>&1 || fail 70 'the tools are not on PATH' 'make install, or set ML_BIN to the folder that holds them'

# What else has to be running: nothing. One night at a time; the lock names its holder, and a holder that is gone holds nothing.
lock=$state/nightly.lock
locked=''
# shellcheck disable=SC2317 # called by the trap
unlock() {
    [ -z "$locked" ] || [ "$(cat "$lock/pid" 2>/dev/null)" != $$ ] || rm -rf "$lock"
    locked=''
}
umask 077
if [ -z "$dry" ]; then
    mkdir -p "$state" || fail 4 "cannot make the state folder $state" 'give this user permission, or set STATE_DIR'
    if ! mkdir "$lock" 2>/dev/null; then
        holder=$(cat "$lock/pid" 2>/dev/null)
        if [ -z "$holder" ]; then
            # Another night is just beginning, or was killed between two commands.
            sleep 2
            holder=$(cat "$lock/pid" 2>/dev/null)
        fi
        # A night ends by itself at NIGHT_DEADLINE: an older lock was left by a crash, and its process id may be somebody else's by now.
        left=$(find "$lock" -prune -mmin +$((minutes + 10)) 2>/dev/null)
        if [ -n "$holder" ] && [ "$holder" != $$ ] && [ -z "$left" ] && kill -0 "$holder" 2>/dev/null; then
            fail 75 "another night is running (process $holder)" 'wait for it; it ends by itself at NIGHT_DEADLINE'
        fi
        # Whoever renames the dead lock away owns the right to make a new one; a rename that came too late has hit that new one.
        if mv "$lock" "$lock.dead.$$" 2>/dev/null; then
            if [ "$(cat "$lock.dead.$$/pid" 2>/dev/null)" != "$holder" ]; then
                mv "$lock.dead.$$" "$lock"
                fail 75 'another night has just begun' 'wait for it'
            fi
            rm -rf "$lock.dead.$$"
        fi
        mkdir "$lock" 2>/dev/null || fail 75 'another night has just begun' 'wait for it'
    fi
    locked=1
    printf '%s\n' $$ >"$lock/pid"
fi
trap unlock EXIT

stamp=$(date -u +%Y%m%d-%H%M%S)
if [ -n "$dry" ]; then
    log=$(mktemp -d) || fail 4 'cannot make a temporary folder' 'set TMPDIR to a folder that can be written'
    trap 'rm -rf "$log"; unlock' EXIT
else
    log=$logs/nightly-$stamp
    if [ -e "$log" ]; then
        # The night before this one ended within the second.
        sleep 1
        log=$logs/nightly-$(date -u +%Y%m%d-%H%M%S)
    fi
    { mkdir -p "$logs" && mkdir "$log"; } || fail 4 "cannot make the log folder $log" 'give this user permission, or set LOGS_DIR'
    ML_LOG=$log
    export ML_LOG
fi
: "${ML_RUN:=$(date -u +%Y%m%dT%H%M%SZ)-$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')}"
export ML_RUN

expected=''
for entry in "$health:ml-health" "$derive:ml-derive" "$export:ml-export" "$backup:ml-backup" "$archive:ml-archive" "$push:ml-push" \
    "$vacuum:ml-vacuum" "$rotate:ml-rotate"; do
    [ -z "${entry%%:*}" ] || expected=$expected,${entry#*:}
done
expected=${expected#,}
[ -n "$expected" ] || fail 64 'everything is left out' 'skip less'
begins=${expected%%,*}
stream=$log/stream.jsonl

# A stage that is left out passes the stream on; the first that is not has no upstream. Each says what it has to say in a file of its own,
# and leaves its process id, so that a signal to this script reaches it.
stage() { # wanted tool percent-of-the-night arguments...
    wanted=$1 tool=$2 share=$3
    shift 3
    # Who hangs up ends the night through this script, and each tool in good order.
    trap '' HUP
    if [ -z "$wanted" ]; then
        trap '' INT TERM
        exec cat
    fi
    set -- "$tool" --config "$config" --output records --deadline "$(by "$share")" $dry $verbose "$@"
    if [ "$tool" = "$begins" ]; then
        exec </dev/null
    fi
    # shellcheck disable=SC2016 # expanded by the inner shell, whose id the tool takes over
    exec sh -c 'echo $$ >>"$1"; shift; exec "$@"' run-nightly "$log/pids" "$@" 2>"$log/$tool.log"
}
night() {
    stage "$health" ml-health 10 |
        stage "$derive" ml-derive 50 |
        stage "$export" ml-export 65 |
        stage "$backup" ml-backup 85 |
        stage "$archive" ml-archive 87 |
        stage "$push" ml-push 92 |
        stage "$vacuum" ml-vacuum 95 |
        stage "$rotate" ml-rotate 97 |
        stage 1 ml-alert 98 --expect "$expected" |
        stage 1 ml-report 99 --fail-on crit
}
# shellcheck disable=SC2317 # called by the trap
tell() { # signal: to every tool; those that are done by now do not mind
    while read -r pid; do
        kill -s "$1" "$pid" 2>/dev/null || true
    done <"$log/pids"
}

: >"$log/pids"
night >"$stream" &
job=$!
# Ctrl-C reaches the tools by itself, a signal to this script alone does not; to them both are one request. They end cleanly, and this
# script waits for them.
trap 'tell TERM' TERM HUP
trap 'tell INT' INT
while :; do
    wait "$job"
    code=$?
    kill -0 "$job" 2>/dev/null || break
done
trap - INT TERM HUP
rm -f "$log/pids"

for said in "$log"/*.log; do
    if [ -s "$said" ]; then
        sed "s/^/$(basename -- "$said" .log): /" "$said" >&2
    else
        rm -f "$said"
    fi
done
if [ -z "$quiet" ]; then
    ML_RUN='' ml-report --config "$config" --input "$stream" --no-progress --output raw 2>/dev/null
fi
exit "$code"
