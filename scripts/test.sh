#!/usr/bin/env bash
# Builds the workspace and runs all its tests with an environment in which nothing of the caller's decides: what `make test` does.
# The last line is `N passed, N failed, N skipped`; the exit code is 0 when everything was built and nothing failed.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=scripts/lib/toolchain.sh
. "$root/scripts/lib/toolchain.sh"

scripts/install-deps.sh --test
use_rust || { echo "no Rust $(minimum_rust) or later found" >&2; exit 1; }

scratch=$(mktemp -d /var/tmp/mltest-XXXXXX)
trap 'rm -rf -- "$scratch"' EXIT
mkdir "$scratch/home"

# The first build has nothing to build upon, and what it would leave for the next one takes time and most of the disk.
[ -e "${CARGO_TARGET_DIR:-target}/debug" ] || export CARGO_INCREMENTAL="${CARGO_INCREMENTAL:-0}"

# What a build may need is let through; DATABASE_URL, PG*, our settings and the rest of the caller's world are not.
kept=()
for name in $(compgen -e); do
    case $name in
        PATH | TERM | LANG | LC_* | TMPDIR | USER | CARGO_* | RUSTUP_* | RUST_* | RUSTFLAGS | RUSTC_* | RUSTDOCFLAGS | CC | CXX | AR | CFLAGS | \
            http_proxy | https_proxy | no_proxy | HTTP_PROXY | HTTPS_PROXY | NO_PROXY | SSL_CERT_FILE | SSL_CERT_DIR | \
            PROPTEST_* | ML_TEST_* | UPDATE_GENERATED | PG_BIN)
            kept+=("$name=${!name}")
            ;;
    esac
done
# Property tests try the same cases each time, so that a failure belongs to the change it came with; `make fuzz` tries new ones.
: "${PROPTEST_RNG_SEED:=1}"
kept+=("PROPTEST_RNG_SEED=$PROPTEST_RNG_SEED")
scrubbed() {
    env -i "${kept[@]}" HOME="$scratch/home" ML_TEST_SKIPS="$scratch/skips" "$@"
}

# The tests' servers end by themselves when cargo does; wait for that, so that nothing of ours runs when make is done.
wait_for_servers() {
    local cargo tries=0
    cargo=$(cat "$scratch/pid")
    while [ -n "$(find /var/tmp -maxdepth 1 -name "mlt-*-$cargo-*" -print -quit)" ] && [ "$tries" -lt 200 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
}

status=0
: >"$scratch/log"
: >"$scratch/skips"
if scrubbed cargo build --workspace; then
    # shellcheck disable=SC2016 # expanded by the inner shell, whose process becomes cargo
    scrubbed PIDFILE="$scratch/pid" sh -c 'echo $$ >"$PIDFILE"; unset PIDFILE; exec cargo test --workspace --no-fail-fast' 2>&1 |
        tee "$scratch/log" || status=$?
    wait_for_servers
else
    status=$?
fi

count() {
    awk -v what="$1;" '$1 == "test" && $2 == "result:" { for (i = 3; i < NF; i++) if ($(i + 1) == what) sum += $i } END { print sum + 0 }' "$scratch/log"
}
passed=$(count passed) failed=$(count failed) ignored=$(count ignored)
skipped=$(wc -l <"$scratch/skips")
echo
grep '^test .* \.\.\. FAILED$' "$scratch/log" || true
sort "$scratch/skips"
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
    echo "the build failed, or a test program ended without a result: see above"
    failed=1
fi
# A test that skips itself counts as passed for cargo.
echo "$((passed - skipped)) passed, $failed failed, $((skipped + ignored)) skipped"
exit "$status"
