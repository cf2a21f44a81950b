# shellcheck shell=bash
# Installing Debian packages without starting the servers in them. Sourced after toolchain.sh.

# Files that are changed while packages are installed, each with its saved copy beside it.
policy=/usr/sbin/policy-rc.d
createcluster=/etc/postgresql-common/createcluster.conf
saved_suffix=.saved-by-mathledger-ops

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 "$@"
    else
        sudo -n env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 "$@"
    fi
}

may_install() {
    [ "$(id -u)" -eq 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

# Runs apt-get, whose talk is shown only when it fails.
apt_get() {
    local apt_log status=0
    apt_log=$(as_root apt-get -o DPkg::Lock::Timeout=300 -q "$@" 2>&1 </dev/null) || status=$?
    if [ "$status" -ne 0 ]; then
        printf '%s\n' "$apt_log" | tail -n 20 >&2
        echo "apt-get $1 failed" >&2
        return 1
    fi
}

apt_update() {
    echo "reading the package lists" >&2
    apt_get update
}

# The version that would be installed of a package, or nothing.
candidate() {
    LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: \([0-9].*\)$/\1/p'
}

# The packages of a Rust that is recent enough: the plain ones, Debian's for browsers (rustc-web), or Ubuntu's newest versioned ones.
rust_packages() {
    local wanted suffix
    wanted=$(minimum_rust)
    for suffix in '' -web $(apt-cache pkgnames rustc-1. 2>/dev/null | sed -n 's/^rustc\(-1\.[0-9]*\)$/\1/p' | sort -rV); do
        # cargo's own number was 0.66 where rustc's was 1.63; rustc's counts.
        if at_least "$wanted" "$(candidate "rustc$suffix")" && [ -n "$(candidate "cargo$suffix")" ]; then
            echo "rustc$suffix cargo$suffix"
            return 0
        fi
    done
    return 1
}

# no_rust_package OTHERS...: says what to do when the distribution has no such Rust, and what else is missing.
no_rust_package() {
    {
        echo "no package of Rust $(minimum_rust) or later is known here (rustc: $(candidate rustc || true))"
        echo "hint: Debian 12 has rustc-web in its security archive: enable that, or install Rust from https://rustup.rs:"
        echo "      curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal"
        [ $# -eq 0 ] || echo "hint: also missing: apt-get install -y --no-install-recommends $*"
    } >&2
    exit 1
}

# keep FILE: saves FILE, or that there was none, until restore_kept.
keep() {
    if [ -e "$1" ] || [ -L "$1" ]; then
        as_root cp -a "$1" "$1$saved_suffix"
    else
        as_root touch "$1$saved_suffix.none"
    fi
}

restore_kept() {
    local file
    for file in "$policy" "$createcluster"; do
        if [ -e "$file$saved_suffix" ] || [ -L "$file$saved_suffix" ]; then
            as_root mv -f "$file$saved_suffix" "$file"
        elif [ -e "$file$saved_suffix.none" ]; then
            as_root rm -f "$file" "$file$saved_suffix.none"
        fi
    done
}

# The services that a package enables for the next boot.
services_of() {
    case $1 in
        podman) echo podman.service podman.socket podman-restart.service podman-auto-update.service podman-auto-update.timer ;;
        *) echo "$1.service" ;;
    esac
}

# install_quietly PACKAGES...: no server is started, no cluster made, and what was changed for that is put back, also on failure.
install_quietly() {
    local package there=
    local -r with_services="redis-server prometheus prometheus-alertmanager podman"
    for package in $with_services; do
        if command -v "$package" >/dev/null; then
            there+=" $package"
        fi
    done
    echo "installing $*" >&2
    # What a killed run left is put back before anything is saved again.
    restore_kept
    trap restore_kept EXIT
    keep "$policy"
    # Replaced, not written through: it may be a link.
    as_root rm -f "$policy"
    printf '#!/bin/sh\n# Made by mathledger-ops while it installs packages: no service may start.\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    case " $* " in
        *" postgresql "*)
            # The settings file belongs to this package and must not be there before it.
            apt_get install -y --no-install-recommends postgresql-common
            keep "$createcluster"
            printf 'create_main_cluster = false\n' | as_root tee -a "$createcluster" >/dev/null
            ;;
    esac
    apt_get install -y --no-install-recommends "$@"
    for package in $with_services; do
        case " $* " in
            *" $package "*)
                if [[ " $there " != *" $package "* ]]; then
                    # shellcheck disable=SC2046 # names without spaces
                    as_root deb-systemd-helper disable $(services_of "$package") >/dev/null 2>&1 || true
                    as_root update-rc.d "$package" disable >/dev/null 2>&1 || true
                fi
                ;;
        esac
    done
    restore_kept
    trap - EXIT
}
