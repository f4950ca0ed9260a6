#!/usr/bin/env bash
# try-kubernetes.sh ROLECALL: plays deploy/kubernetes on this machine, without Kubernetes. The pods are the real scripts of
# deploy/kubernetes/redis with real Redis servers and Sentinels, each at an address of its own; their names are in an
# /etc/hosts that only this script sees (a mount namespace: root, or a kernel that lets users make one). A pod that
# restarts gets another address under its old name. rolecall runs on sidecar/rolecall.yaml.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${TRY_KUBERNETES:-}" != inside ]; then
    export TRY_KUBERNETES=inside
    if [ "$(id -u)" -eq 0 ]; then
        exec unshare --mount "$0" "$@"
    fi
    exec unshare --map-root-user --mount "$0" "$@"
fi

rolecall=$(realpath "$1")
dir=$(mktemp -d)
export REDIS_PASSWORD='p#ss-word' DOWN_AFTER=1000 FAILOVER_TIMEOUT=5000
declare -A pids address
proxy=
next_address=10

finish() {
    for pid in ${pids[*]} $proxy; do
        kill "$pid" 2>/dev/null || true
    done
    wait
    if [ "${passed:-}" ]; then
        rm -rf "$dir"
    else
        echo "try-kubernetes: failed; what was said is in $dir" >&2
        tail -n 30 "$dir/rolecall.log" >&2 || true
    fi
}
trap finish EXIT

cp /etc/hosts "$dir/hosts.before"
cp /etc/hosts "$dir/hosts"
mount --bind "$dir/hosts" /etc/hosts

names() {
    local each
    {
        cat "$dir/hosts.before"
        for each in "${!address[@]}"; do
            echo "${address[$each]} $each.redis"
        done
    } >"$dir/hosts"
}

# Starts a pod under its name, at an address that nobody had before.
start() {
    local pod=$1
    address[$pod]=127.77.0.$next_address
    next_address=$((next_address + 1))
    names
    mkdir -p "$dir/$pod"
    for part in redis sentinel; do
        POD_NAME=$pod DATA=$dir/$pod \
            REDIS_OPTIONS="--bind ${address[$pod]}" SENTINEL_OPTIONS="--bind ${address[$pod]}" \
            sh "deploy/kubernetes/redis/$part.sh" >>"$dir/$pod.$part.log" 2>&1 &
        pids[$pod.$part]=$!
    done
}

kill_pod() {
    for part in redis sentinel; do
        kill -9 "${pids[$1.$part]}" 2>/dev/null || true
        wait "${pids[$1.$part]}" 2>/dev/null || true
    done
    unset "address[$1]"
    names
}

# eventually WHAT COMMAND...: waits until the command succeeds, 60 s at most.
eventually() {
    local what=$1 until=$((SECONDS + 60))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -gt "$until" ]; then
            echo "waited in vain: $what" >&2
            exit 1
        fi
        sleep 0.1
    done
    echo "  $what"
}

client() {
    REDISCLI_AUTH="$REDIS_PASSWORD" timeout 15 redis-cli -h 127.77.0.1 "$@"
}

metric() {
    curl -fsS http://127.77.0.1:9379/metrics | grep -qF "$1"
}

primary() {
    curl -fsS http://127.77.0.1:9379/metrics |
        sed -n 's/^rolecall_group_primary{.*node="\([^"]*\)"} 1$/\1/p'
}

has_primary() {
    [ -n "$(primary)" ]
}

has_another_primary() {
    [ -n "$(primary)" ] && [ "$(primary)" != "$1" ]
}

all_is_well() {
    local each
    for each in redis-0 redis-1 redis-2; do
        [ "$(timeout 2 redis-cli -h "$each.redis" -p 26379 PING)" = PONG ] || return 1
    done
    "$rolecall" status --socket "$dir/admin.sock" &&
        [ "$(curl -fsS http://127.77.0.1:9379/metrics | grep -c '^rolecall_node_eligible{listener="redis-ro",.* 1$')" = 2 ]
}

# The visible count of a counter must be that of all writes so far: nothing was lost.
write_one() {
    writes=$((writes + 1))
    local said
    said=$(client -p 6379 INCR visits)
    if [ "$said" != "$writes" ]; then
        echo "write $writes: INCR said $said" >&2
        return 1
    fi
}

# What is not replicated yet may be lost with its node: that is Redis, and not what is looked at here.
all_have_it() {
    local each
    for each in redis-0 redis-1 redis-2; do
        [ "$(REDISCLI_AUTH=$REDIS_PASSWORD timeout 2 redis-cli -h "$each.redis" GET visits)" = "$writes" ] || return 1
    done
}

# As the kubelet mounts a ConfigMap: a new directory, and the swap of a link.
publish() {
    mkdir "$dir/config/..$1"
    sed -e 's/127\.0\.0\.1:/127.77.0.1:/; s/0\.0\.0\.0:/127.77.0.1:/' \
        -e "s#/etc/rolecall-secret#$dir/secret#; s#/run/rolecall#$dir#" \
        -e "$2" deploy/kubernetes/sidecar/rolecall.yaml >"$dir/config/..$1/rolecall.yaml"
    ln -s "..$1" "$dir/config/..data_tmp"
    mv -T "$dir/config/..data_tmp" "$dir/config/..data"
}

writes=0
mkdir "$dir/config" "$dir/secret"
printf '%s' "$REDIS_PASSWORD" >"$dir/secret/password"
publish v1 ''
ln -s ..data/rolecall.yaml "$dir/config/rolecall.yaml"

echo "A group that begins: three pods at once, and rolecall before any of them is there"
"$rolecall" run -c "$dir/config/rolecall.yaml" --watch >"$dir/rolecall.log" 2>&1 &
proxy=$!
for number in 0 1 2; do
    start "redis-$number"
done
eventually "rolecall is ready" "$rolecall" check --ready http://127.77.0.1:9379/readyz
eventually "a primary is elected, and its replicas follow" all_is_well
[ "$(primary)" = redis-0 ]
write_one

echo "The pod of the primary dies, and comes back under another address"
was=$(primary)
before=${address[$was]}
eventually "all have the write" all_have_it
kill_pod "$was"
eventually "another is elected" has_another_primary "$was"
write_one
start "$was"
[ "${address[$was]}" != "$before" ]
eventually "$was serves reads at ${address[$was]}" metric "rolecall_node_eligible{listener=\"redis-ro\",node=\"$was\"} 1"
eventually "all is well" all_is_well
write_one

echo "The pod of the primary dies, and comes back at once on an empty volume"
was=$(primary)
eventually "all have the write" all_have_it
kill_pod "$was"
rm -r "${dir:?}/$was"
start "$was"
eventually "another is elected" has_another_primary "$was"
eventually "all is well" all_is_well
write_one

echo "A rolling update: each pod in its turn hands its role over before it ends (stop.sh)"
for pod in redis-0 redis-1 redis-2; do
    eventually "all is well before $pod" all_is_well
    # In the pod 127.0.0.1 reaches both; here it is the address.
    POD_NAME=$pod REDIS_HOST=${address[$pod]} sh deploy/kubernetes/redis/stop.sh
    kill_pod "$pod"
    eventually "there is a primary" has_primary
    start "$pod"
    eventually "$pod serves" metric "rolecall_node_up{group=\"main\",node=\"$pod\"} 1"
done
eventually "all is well" all_is_well
write_one

echo "All pods die at once, and come back under other addresses"
for number in 0 1 2; do
    kill_pod "redis-$number"
done
for number in 0 1 2; do
    start "redis-$number"
done
eventually "all is well" all_is_well
write_one

echo "Another ConfigMap"
publish v2 's/^grace: .*/grace: 3s/'
eventually "it is in force" grep -q 'reloaded: .*grace' "$dir/rolecall.log"
write_one

passed=1
echo "$writes writes, none lost"
