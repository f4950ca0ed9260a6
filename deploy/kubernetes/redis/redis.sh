#!/bin/sh
# Starts Redis as what it is to be: what the Sentinels say, else what it was, else, in a group that begins, the
# primary if it is the first.
. "$(dirname "$0")/common.sh"

mkdir -p "$DATA/redis"
conf="$DATA/redis/redis.conf"
primary=$(known_primary)

# On a volume that never held a Redis, a primary would come back empty and its replicas would copy that. The
# Sentinels promote one of them while we wait.
while [ ! -e "$conf" ] && [ "$primary" = "$me" ]; do
    echo "the Sentinels name $me the primary, and its data is not here: waiting for another"
    sleep 1
    primary=$(known_primary)
done

if [ ! -e "$conf" ] || [ -n "$primary" ]; then
    # Written anew, so that what was once rewritten by a Sentinel does not outlive what they say now.
    {
        echo "port $REDIS_PORT"
        echo "dir $DATA/redis"
        echo "appendonly yes"
        # The name, not the address: it is what the others find it by after a restart.
        echo "replica-announce-ip $me"
        echo "replica-announce-port $REDIS_PORT"
        echo "requirepass \"$REDIS_PASSWORD\""
        echo "masterauth \"$REDIS_PASSWORD\""
        if [ "${primary:-redis-0.redis}" != "$me" ]; then
            echo "replicaof ${primary:-redis-0.redis} $REDIS_PORT"
        fi
    } >"$conf.new"
    mv "$conf.new" "$conf"
fi
# shellcheck disable=SC2086 # several words, or none
exec redis-server "$conf" ${REDIS_OPTIONS:-}
