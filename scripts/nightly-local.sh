#!/usr/bin/env bash
# A whole night on this machine, from nothing: what `make nightly` does. Options go to run-nightly.sh, such as --dry-run.
#
# It uses the private servers of this checkout, whatever DATABASE_URL, REDIS_URL and PG* say. With EXTERNAL=1 it uses those that the
# environment and config/nightly.env name, after asking; it creates no ledger there, and prunes nothing in a database that it does not know.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=scripts/lib/toolchain.sh
. "$root/scripts/lib/toolchain.sh"
config=$root/config/nightly.env
options=("$@")

say() {
    printf '%s\n' "$*" >&2
}

# A setting's folder: environment over file over default, relative ones from the checkout.
folder_of() {
    local value=${!1:-}
    [ -n "$value" ] || value=$(sed -n "s/^[[:space:]]*$1=//p" "$config" | tr -d '\r' | tail -n 1)
    value=${value:-$2}
    case $value in
        /*) printf '%s\n' "$value" ;;
        *) printf '%s\n' "$root/$value" ;;
    esac
}

build() {
    scripts/install-deps.sh
    use_rust || { say "no Rust $(minimum_rust) or later found"; exit 1; }
    say 'building (the first time takes some minutes)'
    # A test kit is no part of a night.
    cargo build --quiet --release --workspace --exclude ml-tests
    ML_BIN=$(cd "${CARGO_TARGET_DIR:-target}/release" && pwd)
    PATH=$ML_BIN:$PATH
    export ML_BIN PATH
}

private_servers() {
    local name
    for name in $(compgen -e PG) DATABASE_URL DATABASE_URL_FILE REDIS_URL REDIS_URL_FILE; do
        if [ "$name" != PG_BIN ] && [ -n "${!name+set}" ]; then
            say "$name is ignored: this night uses the private servers (EXTERNAL=1 for others)"
            unset "$name"
        fi
    done
    scripts/services.sh up
    scripts/services.sh status >&2
    urls=$(scripts/services.sh env)
    eval "$urls"
    migrate
}

# Prints one string field of the records on stdin.
field() {
    sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -n 1
}

external_servers() {
    local records code=0 target origin answer migrate=no
    records=$(ml-migrate status --config "$config" --output records </dev/null) || code=$?
    target=$(field target <<<"$records")
    origin=$(field created_by <<<"$records")
    # 0: a ledger, complete; 1: one with migrations to come, or nothing; 2: the database refuses, or is none that may be worked on.
    case $origin:$code in
        ours:0 | mathledger:0) ;;
        ours:1)
            say 'the ledger was made by an earlier version: its pending migrations are applied first'
            migrate=yes
            ;;
        empty:*)
            say "the database ${target:-given} is empty"
            say 'hint: ml-migrate up creates a ledger there; this command does not, on servers that are not its own'
            exit 1
            ;;
        *:*)
            # What is wrong stands on stderr already, and the night will say it again; without an answer there is no night.
            [ -n "$origin" ] || exit "$code"
            say 'this database is not recognised as a ledger: the night leaves out the maintenance, which prunes'
            options+=(--skip-maintenance)
            ;;
    esac
    say "the night runs on ${target:-the configured database}"
    printf 'Type yes to go on: ' 2>/dev/null >/dev/tty || {
        say 'there is no terminal to ask on'
        say 'hint: scripts/run-nightly.sh runs a night on the configured servers without asking'
        exit 1
    }
    read -r answer </dev/tty
    [ "$answer" = yes ] || { say 'nothing was done'; exit 1; }
    if [ "$migrate" = yes ]; then
        migrate
    fi
}

# Creates the ledger, or applies what is pending; a dry run only plans.
migrate() {
    local dry=()
    case " ${options[*]} " in *' --dry-run '*) dry=(--dry-run) ;; esac
    ml-migrate up --config "$config" --quiet "${dry[@]}" </dev/null
}

last_log() {
    # Before the first night there is no such folder.
    { find "$(folder_of LOGS_DIR logs)" -mindepth 1 -maxdepth 1 -name 'nightly-*' 2>/dev/null || true; } | sort | tail -n 1
}

where_to_look() {
    local log
    log=$(last_log)
    # A dry run, and a night that found another one running, make none.
    [ "$log" != "$log_before" ] || log=''
    cat <<EOTEXT

  exports   $(folder_of EXPORTS_DIR exports)
  backups   $(folder_of BACKUP_DIR backups)
  this run  ${log:-no log folder was made}
  progress  $(folder_of PROGRESS_PATH docs/progress.md)

What to look at next:
EOTEXT
    if [ "$code" -ne 0 ] && [ -n "$log" ]; then
        echo "  what was not well (exit $code):"
        echo "    grep -v '\"status\":\"ok\"' $log/stream.jsonl"
    fi
    cat <<'EOTEXT'
  make nightly              once more: it goes on with the same ledger
  make services-status      where the private PostgreSQL and Redis are
  README.md                 a night explained, and how to use your own servers
EOTEXT
}

[ -r "$config" ] || { say "cannot read $config"; exit 78; }
build
if [ "${EXTERNAL:-}" = 1 ]; then
    external_servers
else
    private_servers
fi
code=0 log_before=$(last_log)
scripts/run-nightly.sh --config "$config" "${options[@]}" || code=$?
where_to_look
exit "$code"
