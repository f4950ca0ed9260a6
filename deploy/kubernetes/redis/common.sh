# Sourced by the others: who we are, and who the Sentinels say is the primary.
#
# A pod is known by its name, redis-N.redis, and never by its address, which it loses with each restart:
# Redis and Sentinel announce it, and rolecall is configured by it.
set -eu

MASTER=redis-ha
NODES=${NODES:-3}
DATA=${DATA:-/data}
REDIS_PORT=${REDIS_PORT:-6379}
SENTINEL_PORT=${SENTINEL_PORT:-26379}
# Where this pod reaches its own two servers.
REDIS_HOST=${REDIS_HOST:-127.0.0.1}
me="$POD_NAME.redis"

# Values of an array of names and values, a line each: the value behind a name.
field() {
    awk -v name="$1" 'found { print; exit } $0 == name { found = 1 }'
}

# The primary, as the Sentinels with the newest election name it; nothing when none answers.
known_primary() {
    number=0
    while [ "$number" -lt "$NODES" ]; do
        said=$(REDISCLI_AUTH='' timeout 2 redis-cli -h "redis-$number.redis" -p "$SENTINEL_PORT" --raw \
            SENTINEL MASTER "$MASTER" 2>/dev/null) || said=
        epoch=$(echo "$said" | field config-epoch)
        if [ -n "$epoch" ]; then
            echo "$epoch $(echo "$said" | field ip)"
        fi
        number=$((number + 1))
    done | sort -rn | awk 'NR == 1 { print $2 }'
}
