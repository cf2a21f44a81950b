#!/usr/bin/env bash
# Type-checks every tool for Windows, on Linux: what `make windows` does.
#
# With a Rust that has the target's standard library (rustup target add x86_64-pc-windows-gnu) that one is used. Otherwise Debian's
# rustc-web, whose sources of the standard library are compiled once for the target into a sysroot of our own (1-2 minutes). No Windows
# compiler is needed, since nothing is linked; only mingw's dlltool, for the standard library's imports.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=scripts/lib/toolchain.sh
. "$root/scripts/lib/toolchain.sh"
target=x86_64-pc-windows-gnu

has_target() {
    compgen -G "$(rustc --print target-libdir --target "$target" 2>/dev/null)/libstd-*.rlib" >/dev/null
}

# A folder of its own: what two Rusts compiled must not mix.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/windows

# Compiles the standard library with Debian's Rust, once a version, and points cargo at it.
own_sysroot() {
    local std=$CARGO_TARGET_DIR/std sysroot=$CARGO_TARGET_DIR/sysroot version host
    scripts/install-deps.sh --windows
    PATH=/usr/bin:$PATH
    export PATH RUSTC=/usr/bin/rustc CARGO_HOME=$root/.run/cargo-windows
    unset RUSTUP_HOME RUSTUP_TOOLCHAIN
    version=$(rustc --version)
    if [ "$(cat "$sysroot/version" 2>/dev/null)" != "$version" ]; then
        echo "compiling the standard library for $target" >&2
        rm -rf -- "$sysroot" "$std"
        mkdir -p "$std/src" "$sysroot/lib/rustlib/$target/lib"
        printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n' >"$std/Cargo.toml"
        printf '#![no_std]\n' >"$std/src/lib.rs"
        (cd "$std" && RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$std/target cargo build --quiet --release \
            -Zbuild-std=std,panic_abort --target "$target")
        find "$std/target/$target/release/deps" -name '*.rlib' ! -name 'libempty-*' -exec cp {} "$sysroot/lib/rustlib/$target/lib/" \;
        rm -rf -- "$std"
        # Build scripts and macros are compiled for this machine.
        host=$(rustc -vV | sed -n 's/^host: //p')
        ln -s "$(rustc --print target-libdir | sed 's|/lib$||')" "$sysroot/lib/rustlib/$host"
        printf '%s\n' "$version" >"$sysroot/version"
    fi
    export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS="--sysroot $sysroot"
}

if ! use_rust || ! has_target; then
    own_sysroot
fi
# C libraries among the dependencies are not compiled for a check.
export CC_x86_64_pc_windows_gnu=/bin/true AR_x86_64_pc_windows_gnu=/bin/true
exec cargo check --workspace --exclude ml-tests --target "$target"
