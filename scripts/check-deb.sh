#!/usr/bin/env bash
# check-deb.sh: installs, runs, upgrades, removes and purges the package that `make deb` has built, in a fresh
# Debian of its own. It has no systemd running, as in a container, and shares this host's loopback, on
# addresses of 127.77.0.0/24. Needs root; leaves the fresh Debian (target/check-deb/base) for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath "${CARGO_TARGET_DIR:-target}")
deb=$(find "$target/debian" -name 'rolecall_*.deb' -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
work=$target/check-deb
root=$work/root
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")

say() { printf '\n== %s\n' "$*"; }
fail() { echo "check-deb.sh: $*" >&2; exit 1; }
inside() { chroot "$root" "$@"; }
# Everything that packages may leave lying about; what apt, dpkg and /run keep for themselves is not looked at.
files() {
    (cd "$root" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./var/lib/dpkg -o -path ./var/log \
        -o -path ./var/cache -o -path ./tmp \) -prune -o -print | grep -v '^\./etc/\(passwd\|group\|shadow\|gshadow\)-\?$' | sort)
}
until_true() { # until_true WHAT COMMAND...: for a minute
    local what=$1; shift
    for _ in $(seq 600); do if "$@" >/dev/null 2>&1; then return 0; fi; sleep 0.1; done
    fail "$what did not come about"
}

started=()
end() {
    for pid in "${started[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    if mountpoint -q "$root/proc"; then umount "$root/proc"; fi
}
trap end EXIT

say "lintian $(basename "$deb")"
lintian --allow-root --fail-on error,warning "$deb"

say "a fresh Debian ($suite)"
mkdir -p "$work"
if [ ! -e "$work/base/.complete" ]; then
    rm -rf "$work/base"
    debootstrap --variant=minbase --include=systemd-standalone-sysusers,systemd-standalone-tmpfiles "$suite" "$work/base" \
        ${MIRROR:+"$MIRROR"} >"$work/debootstrap.log" || { tail "$work/debootstrap.log"; fail "debootstrap"; }
    touch "$work/base/.complete"
fi
rm -rf "$root"
cp -a "$work/base" "$root"
mount -t proc proc "$root/proc"
cp "$deb" "$root/tmp/first.deb"
files >"$work/before"

say "install"
inside dpkg -i /tmp/first.deb
inside dpkg -V rolecall
inside dpkg -L rolecall
inside getent passwd rolecall || fail "no user rolecall"
[ "$(stat -c %a "$root/etc/rolecall/environment")" = 600 ] || fail "the environment may be read by others"
[ "$(inside stat -c %U:%a /run/rolecall)" = rolecall:755 ] || fail "/run/rolecall"
[ "$(inside dpkg-query -W -f '${Conffiles}' rolecall | grep -c .)" = 1 ] || fail "conffiles"
[ -L "$root/etc/systemd/system/multi-user.target.wants/rolecall.service" ] || fail "the unit is not enabled"
[ ! -e "$root/etc/rolecall/rolecall.yaml" ] || fail "nobody has written a configuration yet"
inside rolecall check -c /usr/share/doc/rolecall/examples/rolecall.yaml
inside rolecall check -c /usr/share/doc/rolecall/examples/full.yaml >/dev/null
systemd-analyze verify --man=no --recursive-errors=no --root="$root" rolecall.service
systemd-analyze security --offline=true --threshold=20 --root="$root" rolecall.service | tail -n 1

say "run it, as its user, in front of a Redis"
redis-server --bind 127.77.0.1 --port 6379 --save '' --dir "$work" >"$work/redis.log" &
started+=($!)
cat >"$root/etc/rolecall/rolecall.yaml" <<END
groups: { main: { nodes: { redis-1: "127.77.0.1:6379" } } }
listeners: { redis-rw: { bind: "127.77.0.2:6379", access: read-write } }
admin: { socket: /run/rolecall/admin.sock }
END
echo '# changed by hand' >>"$root/etc/rolecall/environment"
chroot --userspec=rolecall:rolecall "$root" /usr/bin/rolecall run -c /etc/rolecall/rolecall.yaml >"$work/rolecall.log" &
old=$!
started+=("$old")
until_true "a healthy group" inside rolecall status
inside rolecall status --no-color
redis() { redis-cli -h 127.77.0.2 -p 6379 "$@"; }
[ "$(redis set key before)" = OK ] || fail "no write"
mkfifo "$work/session" 2>/dev/null || true
redis <"$work/session" >"$work/answers" &
exec 3>"$work/session"
echo 'get key' >&3
until_true "an answer in the session" grep -qx before "$work/answers"

say "upgrade: configuration, process and session stay; SIGUSR2 then starts the new binary"
rm -rf "$work/next"
dpkg-deb -R "$deb" "$work/next"
sed -i 's/^Version: .*/&+next/' "$work/next/DEBIAN/control"
dpkg-deb --root-owner-group -b "$work/next" "$root/tmp/next.deb" >/dev/null
cp "$root/etc/rolecall/rolecall.yaml" "$work/rolecall.yaml"
inside dpkg -i /tmp/next.deb </dev/null
cmp "$work/rolecall.yaml" "$root/etc/rolecall/rolecall.yaml"
grep -q '^# changed by hand' "$root/etc/rolecall/environment" || fail "a changed conffile was replaced"
kill -0 "$old" || fail "the upgrade ended the process"
readlink "/proc/$old/exe" | grep -q deleted || fail "the binary is not another one"
kill -USR2 "$old"
until_true "a successor" grep -q 'took over: pid\|has taken over' "$work/rolecall.log"
inside rolecall status --no-color
redis set key after
echo 'get key' >&3
until_true "the old session to go on" grep -qx after "$work/answers"
exec 3>&-
until_true "the end of the old process, with its last session" sh -c "! kill -0 $old"
for pid in $(pgrep -x rolecall); do
    if [ "$(readlink "/proc/$pid/root")" = "$root" ]; then new=$pid; fi
done
readlink "/proc/${new:?no successor}/exe" | grep -vq deleted || fail "the successor is not the new binary"
kill "$new"
until_true "the end of the new process" sh -c "! kill -0 $new"

say "remove and purge"
inside dpkg -r rolecall
[ -e "$root/etc/rolecall/rolecall.yaml" ] || fail "to remove is not to purge"
[ ! -e "$root/usr/bin/rolecall" ] && [ ! -e "$root/run/rolecall" ] || fail "something is left"
inside dpkg -P rolecall
files >"$work/after"
diff "$work/before" "$work/after" || fail "something is left behind, or too much was taken"
if inside getent passwd rolecall || inside getent group rolecall; then fail "the user is left behind"; fi
rm -rf "$work/next" "$work/session"
umount "$root/proc"
rm -rf "$root"
say "installs, starts, upgrades, removes and purges"
