#!/bin/sh
# Starts a Sentinel that goes by names. What it has learned is on the volume: a Sentinel that forgets is a
# stranger to the others, and counts twice in their quorum.
. "$(dirname "$0")/common.sh"

mkdir -p "$DATA/sentinel"
conf="$DATA/sentinel/sentinel.conf"

if [ ! -e "$conf" ]; then
    primary=$(known_primary)
    primary=${primary:-redis-0.redis}
    # A Sentinel refuses a name that nobody knows.
    until REDISCLI_AUTH="$REDIS_PASSWORD" timeout 2 redis-cli -h "$primary" -p "$REDIS_PORT" PING >/dev/null 2>&1; do
        sleep 1
    done
    {
        echo "port $SENTINEL_PORT"
        echo "dir $DATA/sentinel"
        echo "sentinel resolve-hostnames yes"
        echo "sentinel announce-hostnames yes"
        echo "sentinel announce-ip $me"
        echo "sentinel announce-port $SENTINEL_PORT"
        echo "sentinel monitor $MASTER $primary $REDIS_PORT $((NODES / 2 + 1))"
        echo "sentinel auth-pass $MASTER \"$REDIS_PASSWORD\""
        echo "sentinel down-after-milliseconds $MASTER ${DOWN_AFTER:-5000}"
        echo "sentinel failover-timeout $MASTER ${FAILOVER_TIMEOUT:-30000}"
        echo "sentinel parallel-syncs $MASTER 1"
    } >"$conf.new"
    mv "$conf.new" "$conf"
fi
# shellcheck disable=SC2086 # several words, or none
exec redis-server "$conf" --sentinel ${SENTINEL_OPTIONS:-}
