#!/bin/sh
# Before Redis is stopped: a primary hands its role over first, so that a rolling update costs a moment and not
# the time until Sentinels notice. rolecall parks the writes meanwhile.
. "$(dirname "$0")/common.sh"

role() {
    redis-cli -h "$REDIS_HOST" -p "$REDIS_PORT" --raw ROLE 2>/dev/null | head -n 1
}

export REDISCLI_AUTH="$REDIS_PASSWORD"
if [ "$(role)" = master ] && REDISCLI_AUTH='' redis-cli -h "$REDIS_HOST" -p "$SENTINEL_PORT" SENTINEL FAILOVER "$MASTER" >/dev/null 2>&1; then
    tries=0
    while [ "$(role)" = master ] && [ "$tries" -lt 20 ]; do
        sleep 1
        tries=$((tries + 1))
    done
fi
