#!/bin/sh
# start.sh redis|sentinel NAME: starts a Redis or a Sentinel that others know as NAME.
#
# Both write into their configuration who is primary, and must find that again after a restart: so it is made
# once, in the volume at /data. redis-1 is the primary at the very first start, and never again because of this.
#
# A Redis that comes back asks the Sentinels first, and begins as a replica of whom they name. Sentinel would tell
# it so only after seconds, and where its address has changed not at all: a Sentinel keeps the address that it
# has once looked up.
set -eu

kind=$1
name=$2
data=${DATA:-/data}
conf=$data/$kind.conf

if [ ! -s "$conf" ]; then
    case "$kind" in
        redis)
            {
                echo "dir $data"
                echo "port 6379"
                echo "bind ${BIND:-* -::*}"
                echo "protected-mode no"
                echo "appendonly yes"
                # What the primary and the Sentinels call it; its address may change.
                echo "replica-announce-ip $name"
                [ "$name" = redis-1 ] || echo "replicaof redis-1 6379"
            } >"$conf.new"
            ;;
        sentinel)
            {
                echo "dir $data"
                echo "port 26379"
                echo "bind ${BIND:-* -::*}"
                echo "protected-mode no"
                # Without these two a Sentinel knows addresses only, those of the first start.
                echo "sentinel resolve-hostnames yes"
                echo "sentinel announce-hostnames yes"
                echo "sentinel announce-ip $name"
                echo "sentinel monitor redis-ha redis-1 6379 2"
                echo "sentinel down-after-milliseconds redis-ha 3000"
                echo "sentinel failover-timeout redis-ha 10000"
            } >"$conf.new"
            ;;
        *)
            echo "start.sh: redis or sentinel, not $kind" >&2
            exit 2
            ;;
    esac
    mv "$conf.new" "$conf"
fi

primary() {
    for sentinel in sentinel-1 sentinel-2 sentinel-3; do
        # Two lines, name and port; nothing where nobody answers.
        timeout 2 redis-cli -h "$sentinel" -p 26379 sentinel get-master-addr-by-name redis-ha 2>/dev/null | sed -n 1p
    done | sed -n '/./{p;q;}'
}

if [ "$kind" = redis ]; then
    primary=$(primary)
    if [ -n "$primary" ] && [ "$primary" != "$name" ]; then
        sed -i '/^replicaof /d' "$conf"
        echo "replicaof $primary 6379" >>"$conf"
    fi
fi

# The image's own entrypoint gives /data to the user redis and goes on as that, for redis-server only.
case "$kind" in
    redis) exec docker-entrypoint.sh redis-server "$conf" ;;
    sentinel) exec docker-entrypoint.sh redis-server "$conf" --sentinel ;;
esac
