#!/usr/bin/env bash
# musl-target.sh TARGET: makes sure that Rust can build for a musl target, or says what to do.
set -euo pipefail
target=$1

has_it() {
    [ -n "$(find "$(rustc --print target-libdir --target "$target" 2>/dev/null)" -name 'libstd-*.rlib' -print -quit 2>/dev/null)" ]
}

if has_it; then
    exit 0
fi
if command -v rustup >/dev/null 2>&1 && rustup target add "$target" && has_it; then
    exit 0
fi
cat >&2 <<END
musl-target.sh: Rust's standard library for $target is not there.
  With rustup:            rustup target add $target    (it must reach static.rust-lang.org)
  Without, from sources:  a Rust with its sources (Debian: rust-src, of the same version as rustc), then
                          RUSTC_BOOTSTRAP=1 cargo build -Zbuild-std=std,panic_unwind --target $target ...
  On Alpine with rustup:  nothing is missing: this target is the host's own
END
exit 1
