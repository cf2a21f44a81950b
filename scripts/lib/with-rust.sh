#!/usr/bin/env bash
# Runs a command with the Rust that the checkout builds with: scripts/lib/with-rust.sh cargo build
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/lib/toolchain.sh
. "$root/scripts/lib/toolchain.sh"
if ! use_rust; then
    echo "no Rust $(minimum_rust) or later found" >&2
    echo "hint: run scripts/install-deps.sh, which installs it or says how" >&2
    exit 1
fi
exec "$@"
