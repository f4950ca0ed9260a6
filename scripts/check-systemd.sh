#!/usr/bin/env bash
# check-systemd.sh: what check-deb.sh does, under a systemd that runs: the service starts, reloads, is upgraded
# while a client has a session, and goes. A Debian is booted in a container of systemd-nspawn without a network.
# Needs root; leaves the Debian (target/check-systemd/base) for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath "${CARGO_TARGET_DIR:-target}")
deb=$(find "$target/debian" -name 'rolecall_*.deb' -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
work=$target/check-systemd
root=$work/root
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")

say() { printf '\n== %s\n' "$*"; }
fail() { echo "check-systemd.sh: $*" >&2; exit 1; }
until_true() { # until_true WHAT COMMAND...: for a minute
    local what=$1; shift
    for _ in $(seq 300); do if "$@" >/dev/null 2>&1; then return 0; fi; sleep 0.2; done
    inside journalctl --no-pager -n 40 -u rolecall || true
    fail "$what did not come about"
}

nspawn=
end() {
    if [ -n "$nspawn" ]; then
        kill "$nspawn" 2>/dev/null || true
        wait "$nspawn" 2>/dev/null || true
    fi
}
trap end EXIT
leader() { pgrep -P "$nspawn" | head -n 1; }
inside() { nsenter --all --target "$(leader)" env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
main_pid() { inside systemctl show --property MainPID --value rolecall; }
redis() { inside redis-cli -h 127.0.0.2 "$@"; }

say "boot a Debian ($suite)"
mkdir -p "$work"
if [ ! -e "$work/base/.complete" ]; then
    rm -rf "$work/base"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,redis-server "$suite" "$work/base" \
        ${MIRROR:+"$MIRROR"} >"$work/debootstrap.log" || { tail "$work/debootstrap.log"; fail "debootstrap"; }
    touch "$work/base/.complete"
fi
rm -rf "$root" "$work/next"
cp -a "$work/base" "$root"
cp "$deb" "$root/root/first.deb"
dpkg-deb -R "$deb" "$work/next"
sed -i 's/^Version: .*/&+next/' "$work/next/DEBIAN/control"
dpkg-deb --root-owner-group -b "$work/next" "$root/root/next.deb" >/dev/null
systemd-nspawn -D "$root" --boot --register=no --keep-unit --private-network --console=pipe </dev/null >"$work/boot.log" 2>&1 &
nspawn=$!
until_true "a booted system" inside systemctl is-active multi-user.target
inside systemctl stop redis-server

say "install: enabled, not started, not failed"
inside dpkg -i /root/first.deb
[ "$(inside systemctl is-enabled rolecall)" = enabled ] || fail "not enabled"
[ "$(inside systemctl is-active rolecall || true)" = inactive ] || fail "active without a configuration"
inside systemctl status rolecall --no-pager || true

say "configured: it starts, and says who is primary"
cat >"$root/etc/rolecall/rolecall.yaml" <<END
groups: { main: { nodes: { redis-1: "127.0.0.1:6379" } } }
listeners: { redis-rw: { bind: "127.0.0.2:6379", access: read-write } }
admin: { socket: /run/rolecall/admin.sock }
END
inside redis-server --bind 127.0.0.1 --save '' --daemonize yes >/dev/null
inside systemctl start rolecall
inside systemctl status rolecall --no-pager
inside rolecall status --no-color
[ "$(inside stat -c %U "/proc/$(main_pid)")" = rolecall ] || fail "not its user"
[ "$(redis set key first)" = OK ] || fail "no write"

say "reload: another configuration, and one with an error"
sed -i 's/access: read-write }/&, redis-ro: { bind: "127.0.0.3:6379", access: read-only, fallback: redis-rw }/' "$root/etc/rolecall/rolecall.yaml"
inside systemctl reload rolecall
until_true "the new listener" inside redis-cli -h 127.0.0.3 get key
cp "$root/etc/rolecall/rolecall.yaml" "$work/good.yaml"
echo 'nonsense: yes' >>"$root/etc/rolecall/rolecall.yaml"
if inside systemctl reload rolecall; then fail "a file with an error was taken"; fi
[ "$(redis get key)" = first ] || fail "a failed reload hurt"
cp "$work/good.yaml" "$root/etc/rolecall/rolecall.yaml"

say "upgrade: the new binary is the service, the session goes on"
rm -f "$work/session"
mkfifo "$work/session"
redis <"$work/session" >"$work/answers" &
exec 3>"$work/session"
echo 'get key' >&3
until_true "an answer in the session" grep -qx first "$work/answers"
old=$(main_pid)
inside dpkg -i /root/next.deb
[ "$(main_pid)" != "$old" ] || fail "the old process is still the service"
[ "$(inside readlink "/proc/$(main_pid)/exe")" = /usr/bin/rolecall ] || fail "not the new binary"
inside systemctl is-active rolecall
[ "$(redis set key second)" = OK ] || fail "no write after the upgrade"
echo 'get key' >&3
until_true "the old session to go on" grep -qx second "$work/answers"
exec 3>&-
until_true "the end of the old process" sh -c "! nsenter --all --target $(leader) test -e /proc/$old"
inside systemctl is-active rolecall
inside systemctl status rolecall --no-pager

say "killed, it is started again"
new=$(main_pid)
inside sh -c "kill -9 $new"
started_again() { [ "$(main_pid)" != 0 ] && [ "$(main_pid)" != "$new" ] && [ "$(redis get key)" = second ]; }
until_true "another process" started_again

say "an upgrade that cannot hand over leaves the service alone, and says so"
sed -i '/^admin:/d' "$root/etc/rolecall/rolecall.yaml"
inside systemctl restart rolecall
old=$(main_pid)
inside dpkg -i /root/next.deb 2>&1 | tee "$work/upgrade.log"
grep -q "pid $old goes on" "$work/upgrade.log" || fail "it did not say so"
[ "$(main_pid)" = "$old" ] && [ "$(redis get key)" = second ] || fail "it did not go on"

say "remove and purge"
inside dpkg -P rolecall
[ "$(inside systemctl is-active rolecall || true)" = inactive ] || fail "it still runs"
inside systemctl --failed --no-legend --no-pager | grep . && fail "failed units"
[ -z "$(find "$root/etc" "$root/usr" "$root/var/lib" "$root/run" -name '*rolecall*' ! -path '*/dpkg/*')" ] || fail "something is left behind"
end
nspawn=
rm -rf "$root" "$work/next" "$work/session"
say "installs, starts, reloads, upgrades and goes under systemd"
