#!/usr/bin/env bash
# check-image.sh VERSION: builds the Dockerfile with buildah, and runs the image in front of a real Redis.
#
# The two images that it begins with are made here, of Debian's packages and this machine's Rust, under the
# names that the Dockerfile uses, so no image registry is asked. They stand in for the real ones:
# the first has the compiler and Rust, the second what distroless/cc has and no shell. Needs root; what it
# makes is below target/check-image, and is taken away at the end (KEEP=1 keeps it).
set -euo pipefail
cd "$(dirname "$0")/.."

version=$1
work=$(realpath "${CARGO_TARGET_DIR:-target}")/check-image
export BUILDAH_ISOLATION=chroot
storage=(--root "$work/storage" --runroot "$work/run")
builder=$(sed -n 's/^FROM \(.*\) AS build$/\1/p' Dockerfile)
runtime=$(sed -n '/ AS /!s/^FROM //p' Dockerfile)

say() { printf '\n== %s\n' "$*"; }
fail() { echo "check-image.sh: $*" >&2; exit 1; }
b() { buildah "${storage[@]}" "$@"; }
until_true() { # until_true WHAT COMMAND...: for a minute
    local what=$1; shift
    for _ in $(seq 600); do if "$@" >/dev/null 2>&1; then return 0; fi; sleep 0.1; done
    fail "$what did not come about"
}

started=()
end() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    b rm --all >/dev/null 2>&1 || true
    [ -n "${KEEP:-}" ] || rm -rf "$work"
}
trap end EXIT
mkdir -p "$work"

base_from() { # base_from DIRECTORY NAME USER
    local made
    made=$(b from scratch)
    b add --quiet "$made" "$1" / >/dev/null
    b config --env PATH=/usr/local/cargo/bin:/usr/local/bin:/usr/bin:/bin --user "$3" "$made"
    b commit --quiet --format docker --rm "$made" "$2" >/dev/null
    rm -rf "$1"
}

make_bases() {
    say "a stand-in for $builder"
    debootstrap --variant=minbase --include=gcc,libc6-dev,ca-certificates bookworm "$work/builder" ${MIRROR:+"$MIRROR"} \
        >"$work/debootstrap.log" || { tail "$work/debootstrap.log"; fail "debootstrap"; }
    mkdir -p "$work/builder/usr/local/cargo/bin"
    sysroot=$(rustc --print sysroot)
    for part in bin lib; do
        tar -C "$sysroot" --exclude=share --exclude='*/rustlib/etc' -cf - "$part" | tar -C "$work/builder/usr/local/cargo" -xf -
    done
    # The packages of the runtime, without their scripts and without a shell.
    mkdir -p "$work/runtime/etc" "$work/debs"
    cp /etc/resolv.conf "$work/builder/etc/"
    [ ! -e /etc/ssl/certs/ca-certificates.crt ] || cp /etc/ssl/certs/ca-certificates.crt "$work/builder/etc/ssl/certs/"
    chroot "$work/builder" sh -c 'cd /tmp && apt-get update -q && apt-get download -q base-files netbase libc6 libgcc-s1 libgomp1 \
        libstdc++6 tzdata gcc-12-base' >"$work/download.log" 2>&1 || { tail "$work/download.log"; fail "apt-get download"; }
    for each in "$work"/builder/tmp/*.deb; do dpkg-deb -x "$each" "$work/runtime"; done
    rm -rf "$work/builder"/tmp/*.deb "$work/builder/var/lib/apt/lists" "$work/builder/var/cache/apt" "$work/runtime/usr/share/doc"
    cp -a "$work/builder/etc/ssl" "$work/runtime/etc/"
    printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >"$work/runtime/etc/passwd"
    printf 'root:x:0:\nnonroot:x:65532:\n' >"$work/runtime/etc/group"
    base_from "$work/builder" "$builder" root
    say "a stand-in for $runtime"
    base_from "$work/runtime" "$runtime" 65532:65532
}

# Those that an earlier run has kept still serve, and so do the layers on them.
has_base() { b inspect --type image "$1" >/dev/null 2>&1; }
if ! has_base "$builder" || ! has_base "$runtime"; then
    make_bases
fi

say "build"
# Crates that are on this machine already are not fetched again.
registry=${CARGO_HOME:-$HOME/.cargo}/registry
[ ! -d "$registry" ] || volume=(--volume "$registry:/usr/local/cargo/registry")
b build --format docker --layers "${volume[@]}" --build-arg VERSION="$version" -t rolecall . 2>&1 | tail -n 25
say "build again with one source file changed: the dependencies stay as they are"
context=$work/context
rm -rf "$context" "$work/etc"
mkdir "$context"
cp -r Dockerfile .dockerignore Cargo.toml Cargo.lock config src "$context"
echo '// changed' >>"$context/src/main.rs"
b build --format docker --layers "${volume[@]}" -t rolecall:changed "$context" >"$work/again.log" 2>&1 || { tail "$work/again.log"; fail "build"; }
[ "$(grep -c ' Compiling ' "$work/again.log")" -le 1 ] || fail "more was compiled than rolecall itself"

say "what the image says of itself"
b inspect --type image rolecall | tr -d ' \n\t' >"$work/config.json"
grep -o '"Docker":.*"rootfs"' "$work/config.json" | head -c 2000; echo
has() { grep -qF -- "$1" "$work/config.json" || fail "no $1"; }
has '"User":"65532:65532"'
has '"Healthcheck":{"Test":["CMD","/usr/local/bin/rolecall","check","--ready"'
has '"StopSignal":"SIGTERM"'
has "\"org.opencontainers.image.version\":\"$version\""
has '"Entrypoint":["/usr/local/bin/rolecall"]'

say "run it"
image=$(b from rolecall)
root=$(b mount "$image")
du -sh "$root" "$root/usr/local/bin/rolecall"
find "$root" -perm /6000 -type f | grep . && fail "a program with more rights than its caller"
[ ! -e "$root/bin/sh" ] && [ ! -e "$root/usr/bin/sh" ] || fail "there is a shell"
in_image() { b run "$image" -- "$@"; }
in_image /usr/local/bin/rolecall --version
if in_image /usr/local/bin/rolecall run -c /etc/rolecall/rolecall.yaml; then fail "it runs without a configuration"; fi

redis-server --bind 127.78.0.1 --port 6379 --save '' --dir "$work" >"$work/redis.log" &
started+=($!)
mkdir "$work/etc"
cat >"$work/etc/rolecall.yaml" <<END
groups: { main: { nodes: { redis-1: "127.78.0.1:6379" } } }
listeners: { redis-rw: { bind: "127.78.0.2:6379", access: read-write } }
admin: { http: "127.0.0.1:9379", socket: /run/rolecall/admin.sock }
END
b run --volume "$work/etc:/etc/rolecall:ro" "$image" -- /usr/local/bin/rolecall run -c /etc/rolecall/rolecall.yaml >"$work/rolecall.log" 2>&1 &
started+=($!)
# The words of the image's own health check.
health=(/usr/local/bin/rolecall check --ready http://127.0.0.1:9379/readyz)
until_true "health" in_image "${health[@]}"
in_image /usr/local/bin/rolecall status --no-color
redis() { redis-cli -h 127.78.0.2 -p 6379 "$@"; }
[ "$(redis set key value)" = OK ] && [ "$(redis get key)" = value ] || fail "no answer through the proxy"
pid=$(pgrep -f '^/usr/local/bin/rolecall run -c /etc/rolecall/rolecall.yaml$' | head -n 1)
[ "$(stat -c %u:%g "/proc/$pid")" = 65532:65532 ] || fail "it does not run as nonroot"
kill -TERM "$pid"
until_true "its end at the stop signal" sh -c "! kill -0 $pid"
if in_image "${health[@]}"; then fail "healthy without a process"; fi
tail -n 3 "$work/rolecall.log"
say "the image builds, runs, tells its health and stops"
