# shellcheck shell=bash
# Finding a Rust that is recent enough. Sourced, by scripts that have set `root` to the checkout.
#
# make is called from login shells, cron, CI and `env -i`: PATH may lack ~/.cargo/bin, HOME may be unset or not writable, and the first
# cargo on PATH may be the distribution's old one. So the candidates are tried in order, and what was found is exported.

# The oldest Rust that the workspace promises to build with.
minimum_rust() {
    sed -n 's/^rust-version = "\(.*\)"$/\1/p' "${root:?}/Cargo.toml"
}

# at_least WANTED HAVE: is HAVE the same version or a later one?
at_least() {
    printf '%s\n%s\n' "$1" "$2" | sort -V -C
}

# The home folder as the user database has it; HOME may say otherwise, or nothing.
real_home() {
    getent passwd "$(id -u)" | cut -d: -f6
}

# rust_works DIR: are DIR/cargo and DIR/rustc there, do they run, and are both recent enough?
rust_works() {
    local program version
    for program in rustc cargo; do
        [ -x "$1/$program" ] || return 1
        # A rustup proxy without a toolchain answers with an error.
        version=$(rustup_home "$1" "$1/$program" --version 2>/dev/null) || return 1
        version=${version#* }
        at_least "$(minimum_rust)" "${version%%[ -]*}" || return 1
    done
}

# rustup_home DIR COMMAND...: rustup's programs in H/.cargo/bin look for their toolchains in HOME, which may not be H.
rustup_home() {
    local dir=$1
    shift
    if [ -z "${RUSTUP_HOME:-}" ] && [ -d "${dir%/.cargo/bin}/.rustup" ]; then
        RUSTUP_HOME=${dir%/.cargo/bin}/.rustup "$@"
    else
        "$@"
    fi
}

# The folder of the first usable pair of cargo and rustc, or failure.
find_rust() {
    local dir on_path
    on_path=$(command -v cargo || true)
    for dir in "${on_path%/cargo}" "${CARGO_HOME:-/nowhere}/bin" "${HOME:-/nowhere}/.cargo/bin" "$(real_home)/.cargo/bin" \
        /usr/local/cargo/bin /usr/local/bin /usr/bin $(printf '%s\n' /usr/lib/rust-*/bin | sort -rV); do
        # The last are Ubuntu's versioned packages.
        if [ -n "$dir" ] && rust_works "$dir"; then
            printf '%s\n' "$dir"
            return 0
        fi
    done
    return 1
}

# Puts the toolchain first on PATH and exports the homes that it needs; fails when there is none.
use_rust() {
    local dir home
    dir=$(find_rust) || return 1
    case ":$PATH:" in
        ":$dir:"*) ;;
        *) PATH=$dir:$PATH ;;
    esac
    if [ -z "${RUSTUP_HOME:-}" ] && [ -d "${dir%/.cargo/bin}/.rustup" ]; then
        export RUSTUP_HOME=${dir%/.cargo/bin}/.rustup
    fi
    if [ -z "${CARGO_HOME:-}" ]; then
        CARGO_HOME=${root:?}/.run/cargo
        for home in "${dir%/.cargo/bin}" "${HOME:-}" "$(real_home)"; do
            # ~/.cargo when it can be written, or made.
            if [ -n "$home" ] && { [ -w "$home/.cargo" ] || { [ ! -e "$home/.cargo" ] && [ -w "$home" ]; }; }; then
                CARGO_HOME=$home/.cargo
                break
            fi
        done
    fi
    export PATH CARGO_HOME
}
