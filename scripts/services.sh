#!/usr/bin/env bash
# The private PostgreSQL and Redis of this checkout: on 127.0.0.1, on ports of their own, unprivileged, never the system's.
#
#   scripts/services.sh up       start them, or find them running; what they hold is kept for good
#   scripts/services.sh down     stop them
#   scripts/services.sh status   say where they are; exit 1 unless both answer
#   scripts/services.sh env      print DATABASE_URL and REDIS_URL, with passwords, for `eval` in a subshell
#   scripts/services.sh destroy  remove them with their data, after asking
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=scripts/lib/place.sh
. "$root/scripts/lib/place.sh"
# shellcheck source=scripts/lib/private-postgres.sh
. "$root/scripts/lib/private-postgres.sh"
# shellcheck source=scripts/lib/private-redis.sh
. "$root/scripts/lib/private-redis.sh"

# What a caller exports for other servers must not reach ours.
for name in $(compgen -e PG); do
    [ "$name" = PG_BIN ] || unset "$name"
done
unset REDISCLI_AUTH
service_user=$(service_user)
place=''

# set_state KEY VALUE: remembers a port for the next start.
set_state() {
    { grep -v "^$1=" "$place/state" 2>/dev/null || true; echo "$1=$2"; } | write_private "$place/state"
}

# One up or down at a time.
lock() {
    exec 9>"$place/lock"
    flock -w 300 9 || { echo "another up or down holds $place/lock" >&2; exit 75; }
}

up() {
    place=$(find_place make)
    lock
    mkdir -p "$place/s" "$place/log"
    chown "$service_user" "$place/s" "$place/log"
    chmod 700 "$place/s" "$place/log"
    pg_up
    set_state pg_port "$(pg_port)"
    redis_up
}

down() {
    local failed=0
    place=$(find_place) || return 0
    lock
    redis_down || failed=1
    pg_down || failed=1
    return "$failed"
}

# about NAME ANSWERS PID PORT: one line of the status; fails when the server does not answer.
about() {
    if [ "$2" = yes ]; then
        printf '%-11s answers on 127.0.0.1:%s (process %s)\n' "$1" "$4" "$3"
    elif [ -n "$3" ]; then
        printf '%-11s runs (process %s) but does not answer\n' "$1" "$3"
        return 1
    else
        printf '%-11s is not running\n' "$1"
        return 1
    fi
}

status() {
    local failed=0 answers
    if ! place=$(find_place); then
        echo "there are no private servers yet"
        echo "hint: make services-up"
        return 1
    fi
    answers=no && pg_answers && answers=yes
    about PostgreSQL "$answers" "$(pg_pid)" "$(pg_port)" || failed=1
    answers=no && redis_answers && answers=yes
    about Redis "$answers" "$(redis_pid)" "$(redis_port)" || failed=1
    printf '%-11s %s, as %s\n' folder "$place" "$service_user"
    printf '%-11s %s\n' logs "$place/log"
    return "$failed"
}

environment() {
    if ! place=$(find_place) || ! pg_answers || ! redis_answers; then
        echo "the private servers are not running" >&2
        echo "hint: make services-up" >&2
        return 1
    fi
    echo "export DATABASE_URL='postgresql://ml:$(cat "$place/ml.password")@127.0.0.1:$(pg_port)/mathledger'"
    echo "export REDIS_URL='redis://default:$(cat "$place/redis.password")@127.0.0.1:$(redis_port)/0'"
}

destroy() {
    local answer
    place=$(find_place) || { echo "there are no private servers"; return 0; }
    {
        echo "This removes $place with the ledger in it, for good."
        printf 'Type yes to go on: '
    } 2>/dev/null >/dev/tty || { echo "removing the ledger is only done from a terminal, after asking" >&2; return 1; }
    read -r answer </dev/tty
    [ "$answer" = yes ] || { echo "nothing was removed"; return 1; }
    down
    rm -rf -- "$place"
}

case ${1:-} in
    up) up ;;
    down) down ;;
    status) status ;;
    env) environment ;;
    destroy) destroy ;;
    *)
        echo "usage: scripts/services.sh up|down|status|env|destroy" >&2
        exit 64
        ;;
esac
