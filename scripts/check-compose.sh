#!/usr/bin/env bash
# check-compose.sh: plays deploy/compose.yaml without containers, and a container that comes back elsewhere.
#
# Each service that matters here is a process with a network namespace of its own, on one bridge; names are in
# a file that takes the place of /etc/hosts for them alone. What runs is what the containers run: start.sh,
# rolecall.yaml and prometheus.yaml as they are. Needs root. Takes away what it makes.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath "${CARGO_TARGET_DIR:-target}")
rolecall=$target/release/rolecall
work=$target/check-compose
lan=rc-lan-$$

say() { printf '\n== %s\n' "$*"; }
fail() { echo "check-compose.sh: $*" >&2; exit 1; }
until_true() { # until_true WHAT COMMAND...: for a minute
    local what=$1; shift
    for _ in $(seq 300); do if "$@" >/dev/null 2>&1; then return 0; fi; sleep 0.2; done
    tail -n 20 "$work"/*.log
    fail "$what did not come about"
}

declare -A pid_of
end() {
    for name in "${!pid_of[@]}"; do
        kill -9 "${pid_of[$name]}" 2>/dev/null || true
        wait "${pid_of[$name]}" 2>/dev/null || true
        ip netns delete "rc-$name-$$" 2>/dev/null || true
    done
    ip netns delete "$lan" 2>/dev/null || true
}
trap end EXIT

rm -rf "$work"
mkdir -p "$work/bin"
hosts=$work/hosts
echo '127.0.0.1 localhost' >"$hosts"
# In the place of the entrypoint of the image of Redis.
printf '#!/bin/sh\nexec "$@"\n' >"$work/bin/docker-entrypoint.sh"
chmod +x "$work/bin/docker-entrypoint.sh"
ip netns add "$lan"
ip -n "$lan" link add bridge type bridge
ip -n "$lan" addr add 10.79.0.254/24 dev bridge
ip -n "$lan" link set bridge up

# In place, as a container engine does: the file is mounted elsewhere.
name_is_at() { { grep -v " $1\$" "$hosts" || true; [ -z "$2" ] || echo "$2 $1"; } >"$work/hosts.next"; cat "$work/hosts.next" >"$hosts"; }

up() { # up NAME ADDRESS COMMAND...: the name is known once the process has its address, as in an engine
    local name=$1 address=$2 space=rc-$1-$$; shift 2
    ip netns add "$space"
    ip link add "v-$name" netns "$lan" type veth peer name eth0 netns "$space"
    ip -n "$lan" link set "v-$name" master bridge up
    ip -n "$space" addr add "$address/24" dev eth0
    ip -n "$space" link set eth0 up
    ip -n "$space" link set lo up
    name_is_at "$name" "$address"
    mkdir -p "$work/$name"
    DATA="$work/$name" PATH="$work/bin:$PATH" nsenter --net="/run/netns/$space" unshare -m sh -c '
        mount --bind "$0" /etc/hosts && mount -t tmpfs none /run && mkdir /run/rolecall && exec "$@"' \
        "$hosts" "$@" >>"$work/$name.log" 2>&1 &
    pid_of[$name]=$!
}
down() { # down NAME: as by docker compose kill
    kill -9 "${pid_of[$1]}"
    wait "${pid_of[$1]}" 2>/dev/null || true
    unset "pid_of[$1]"
    name_is_at "$1" ''
    ip netns delete "rc-$1-$$"
}
client() { ip netns exec "$lan" redis-cli -h 10.79.0.31 "$@"; }
ask() { nsenter -m -n -t "${pid_of[rolecall]}" "$rolecall" "$@"; }

say "up"
for n in 1 2 3; do up "redis-$n" "10.79.0.1$n" sh deploy/compose/start.sh redis "redis-$n"; done
for n in 1 2 3; do up "sentinel-$n" "10.79.0.2$n" sh deploy/compose/start.sh sentinel "sentinel-$n"; done
up rolecall 10.79.0.31 "$rolecall" run -c deploy/compose/rolecall/rolecall.yaml
until_true "a healthy group" ask status
knows_all() { [ "$(ip netns exec "$lan" redis-cli -h "10.79.0.2$1" -p 26379 sentinel master redis-ha | paste - - | grep -c "^num-slaves.2\$\|^num-other-sentinels.2\$")" = 2 ]; }
for n in 1 2 3; do until_true "Sentinel $n knows all" knows_all "$n"; done
ask status --no-color
[ "$(client -p 6379 set key first)" = OK ] || fail "no write"
until_true "the write at a replica" sh -c "ip netns exec $lan redis-cli -h 10.79.0.31 -p 6380 get key | grep -qx first"

say "redis-1 is killed, and its name is gone"
down redis-1
until_true "another primary" sh -c "ip netns exec $lan redis-cli -h 10.79.0.31 -p 6379 set key second | grep -qx OK"
until_true "a group with a primary" sh -c "nsenter -m -n -t ${pid_of[rolecall]} $rolecall status --json | grep -q '\"node\": \"redis-[23]\"'"
ask status --no-color || true

say "redis-1 comes back at another address"
up redis-1 10.79.0.41 sh deploy/compose/start.sh redis redis-1
until_true "a healthy group of three" ask status
until_true "redis-1 as a replica" sh -c "ip netns exec $lan redis-cli -h 10.79.0.41 role | grep -qx slave"
until_true "redis-1 in sync" sh -c "ip netns exec $lan redis-cli -h 10.79.0.41 get key | grep -qx second"
ask status --no-color
ask explain redis-ro --no-color
[ "$(client -p 6379 get key)" = second ] || fail "the writes are lost"

if [ -e deploy/prometheus/prometheus.yaml ]; then
    say "Prometheus"
    up prometheus 10.79.0.32 prometheus --config.file=deploy/prometheus/prometheus.yaml --storage.tsdb.path="$work/prometheus"
    query() { ip netns exec "$lan" curl -sG "http://10.79.0.32:9090/api/v1/query" --data-urlencode "query=$1"; }
    scraped() { query 'up{job="rolecall"}' | grep -q '"1"'; }
    until_true "a scrape" scraped
fi
say "compose.yaml's services find each other by name, also after a change of address"
