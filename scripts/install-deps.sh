#!/usr/bin/env bash
# Installs what is missing on Debian or Ubuntu: PostgreSQL, Redis, a C compiler and Rust. Nothing missing: silent and quick.
#
#   scripts/install-deps.sh             what building and a night need
#   scripts/install-deps.sh --test      and what the tests need
#   scripts/install-deps.sh --check     and what `make check` needs
#   scripts/install-deps.sh --windows   and what `make windows` needs
#   scripts/install-deps.sh --plan      only say what would be installed
#
# No system server is started, now or at the next boot: this project uses private ones. Without root it tries `sudo -n`; without that it
# says what to install and exits 1.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/toolchain.sh
. "$root/scripts/lib/toolchain.sh"
# shellcheck source=scripts/lib/apt.sh
. "$root/scripts/lib/apt.sh"
# shellcheck source=scripts/lib/s3-server.sh
. "$root/scripts/lib/s3-server.sh"
# shellcheck source=scripts/lib/pm2.sh
. "$root/scripts/lib/pm2.sh"

for_tests=no for_check=no for_windows=no plan=no
for word in "$@"; do
    case $word in
        --test) for_tests=yes ;;
        --check) for_check=yes ;;
        --windows) for_windows=yes ;;
        --plan) plan=yes ;;
        *)
            echo "unknown option: $word" >&2
            echo "hint: scripts/install-deps.sh [--test] [--check] [--windows] [--plan]" >&2
            exit 64
            ;;
    esac
done

have() {
    command -v "$1" >/dev/null
}

have_postgresql() {
    local bin
    for bin in "${PG_BIN:-/nowhere}" /usr/lib/postgresql/*/bin; do
        if [ -x "$bin/postgres" ] && [ -x "$bin/initdb" ]; then
            return 0
        fi
    done
    return 1
}

have_c_compiler() {
    have cc && printf '#include <stdio.h>\n' | cc -E -o /dev/null -x c - 2>/dev/null
}

# Alone in a container it has no libraries.
have_static_busybox() {
    have busybox && ! ldd "$(command -v busybox)" >/dev/null 2>&1
}

# For `make windows`: Debian's Rust with the sources of its standard library.
have_debian_rust_sources() {
    [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] && [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std" ]
}

# The formatter and the linter are packages of their own, named after rustc's; rustup's are components.
missing_rust_tools() {
    local dir package
    dir=$(find_rust) || return 0
    if [ ! -x "$dir/cargo-fmt" ] || [ ! -x "$dir/cargo-clippy" ]; then
        package=$(dpkg -S "$(realpath "$dir/rustc")" 2>/dev/null) || return 0
        package=${package%%:*}
        printf '%s\n' "rustfmt${package#rustc}" "rust${package#rustc}-clippy"
    fi
}

# What the checks below find missing, Rust apart: which of its packages will do is only known with a package list.
missing=()
have_postgresql || missing+=(postgresql)
have redis-server || missing+=(redis-server)
have_c_compiler || missing+=(gcc libc6-dev)
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
if [ "$for_tests" = yes ]; then
    have jq || missing+=(jq)
    have curl || missing+=(curl)
    have metamath || missing+=(metamath)
    have eprover || missing+=(eprover)
    have parallel || missing+=(parallel)
    have git || missing+=(git)
    have prometheus || missing+=(prometheus)
    have prometheus-alertmanager || missing+=(prometheus-alertmanager)
    # Containers: runc beside podman, since crun wants rights that a container itself may lack.
    have podman || missing+=(podman)
    have runc || [ -x /usr/sbin/runc ] || missing+=(runc)
    have conmon || missing+=(conmon)
    have_static_busybox || missing+=(busybox-static)
    [ -x /lib/systemd/systemd-journal-remote ] || missing+=(systemd-journal-remote)
    # Not from apt; what needs them is skipped without.
    [ "$plan" = yes ] || install_s3_server || true
    [ "$plan" = yes ] || install_pm2 || true
    have age || missing+=(age)
    have logrotate || [ -x /usr/sbin/logrotate ] || missing+=(logrotate)
    have faketime || missing+=(faketime)
    have cron || [ -x /usr/sbin/cron ] || missing+=(cron)
fi
need_rust=no
find_rust >/dev/null || need_rust=yes
if [ "$for_check" = yes ]; then
    have shellcheck || missing+=(shellcheck)
    read -ra packages -d '' < <(missing_rust_tools) || true
    missing+=("${packages[@]}")
fi
if [ "$for_windows" = yes ]; then
    have_debian_rust_sources || missing+=(rustc-web cargo-web rust-web-src)
    have x86_64-w64-mingw32-dlltool || missing+=(binutils-mingw-w64-x86-64)
fi
if [ ${#missing[@]} -eq 0 ] && [ "$need_rust" = no ]; then
    exit 0
fi

if ! have apt-get; then
    echo "missing: ${missing[*]} ${need_rust/yes/rust}" | sed 's/ no$//' >&2
    echo "hint: this is not Debian or Ubuntu: install PostgreSQL's server, Redis, a C compiler and Rust $(minimum_rust) or later by hand" >&2
    exit 1
fi
if [ "$plan" = no ] && may_install; then
    apt_update
fi
if [ "$need_rust" = yes ]; then
    if packages=$(rust_packages); then
        read -ra packages <<<"$packages"
        missing+=("${packages[@]}")
    else
        no_rust_package "${missing[@]}"
    fi
fi
if [ "$plan" = yes ] || ! may_install; then
    echo "missing: ${missing[*]}" >&2
    echo "hint: as root: apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" >&2
    [ "$plan" = yes ] && exit 0
    exit 1
fi
install_quietly "${missing[@]}"
if [ "$need_rust" = yes ] && ! find_rust >/dev/null; then
    echo "Rust was installed but does not run, or is older than $(minimum_rust)" >&2
    exit 1
fi
if [ "$need_rust" = yes ] && [ "$for_check" = yes ]; then
    # Its formatter and linter are known only now.
    exec "$0" "$@"
fi
