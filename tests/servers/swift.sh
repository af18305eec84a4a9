#!/usr/bin/env bash
# OpenStack Swift with its S3 API on loopback: a server that really checks signatures and regions, for specs and for
# trying things out by hand.
#
#   swift.sh
#
# When it is ready it prints one line, "ENDPOINT ACCESS-KEY SECRET-KEY REGION", and serves until SIGTERM or SIGINT. Its
# ports are free ones, its files live in a directory of their own, and both end with it: each server is a child that
# dies with this script, however that ends. Needs the packages swift-proxy, swift-account, swift-container,
# swift-object, memcached.
set -euo pipefail
export PATH=/usr/bin:/usr/sbin:/bin:/sbin # Debian's Python, whatever else is first in the path

# tmpfs where there is one: Swift syncs every object it stores.
base=${TMPDIR:-/dev/shm}
dir=$(mktemp -d "$([ -w "$base" ] && echo "$base" || echo /tmp)/kthena-swift-XXXXXX")
pids=()

finish() {
  trap - EXIT TERM INT
  exec 2>/dev/null # not a word about each child that ends
  [ ${#pids[@]} -eq 0 ] || kill -KILL "${pids[@]}" || true
  wait || true
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 0' TERM INT

fail() {
  echo "swift.sh: $*" >&2
  tail -n 20 "$dir"/*.log >&2 || true
  exit 1
}

read -r account container object proxy cache < <(luajit -e '
  local held = {}
  for i = 1, 5 do
    held[i] = assert(require("socket").bind("127.0.0.1", 0))
    io.write(select(2, held[i]:getsockname()), i < 5 and " " or "\n")
  end')

cat >"$dir/swift.conf" <<CONF
[swift-hash]
swift_hash_path_suffix = kthena
swift_hash_path_prefix = tests
[storage-policy:0]
name = only
default = yes
CONF

# storage NAME PORT: the ring and the configuration of one storage server.
storage() {
  (
    cd "$dir"
    swift-ring-builder "$1.builder" create 4 1 1
    swift-ring-builder "$1.builder" add "r1z1-127.0.0.1:$2/d1" 1
    swift-ring-builder "$1.builder" rebalance
  ) >"$dir/ring-$1.log" 2>&1 || fail "making the ring of $1 failed"
  cat >"$dir/$1.conf" <<CONF
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $2
workers = 0
mount_check = false
devices = $dir/devices
swift_dir = $dir
user = $(id -un)
disable_fallocate = true
fallocate_reserve = 0
conn_timeout = 10
node_timeout = 60
[pipeline:main]
pipeline = $1-server
[app:$1-server]
use = egg:swift#$1
conn_timeout = 10
node_timeout = 60
CONF
}

# start NAME COMMAND...: a child that dies with this script.
start() {
  local name=$1
  shift
  setpriv --pdeathsig KILL "$@" >"$dir/$name.log" 2>&1 </dev/null &
  pids+=($!)
}

mkdir -p "$dir/devices/d1"
storage account "$account" &
storage container "$container" &
storage object "$object" &
wait
cat >"$dir/proxy.conf" <<CONF
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $proxy
workers = 0
swift_dir = $dir
user = $(id -un)
[pipeline:main]
pipeline = catch_errors gatekeeper proxy-logging cache listing_formats bulk s3api tempauth slo dlo proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
# A busy machine is no broken node, which Swift would leave alone for a minute.
conn_timeout = 10
node_timeout = 60
recoverable_node_timeout = 60
error_suppression_limit = 1000000
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:$cache
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
CONF

start memcached memcached -l 127.0.0.1 -p "$cache" -U 0 -u "$(id -un)"
for server in account container object; do
  start "$server" "swift-$server-server" "$dir/$server.conf"
done
start proxy swift-proxy-server "$dir/proxy.conf"

# Ready when all of them listen, and an account can be made and read.
endpoint=http://127.0.0.1:$proxy
listening() {
  local port
  for port in "$account" "$container" "$object" "$proxy" "$cache"; do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 1
  done
}
status=none
for ((tries = 600; ; tries--)); do
  for pid in "${pids[@]}"; do
    kill -0 "$pid" 2>/dev/null || fail "one of the servers has ended"
  done
  [ "$tries" -gt 0 ] || fail "no server after a minute; the last answer was $status"
  sleep 0.1
  listening || continue
  token=$(curl -s -m 5 --noproxy '*' -D - -o /dev/null "$endpoint/auth/v1.0" -H 'X-Auth-User: test:tester' \
    -H 'X-Auth-Key: testing' | tr -d '\r' | sed -n 's/^X-Auth-Token: //ip') || true
  status=$(curl -s -m 5 --noproxy '*' -o "$dir/answer" -w '%{http_code}' "$endpoint/v1/AUTH_test" \
    -H "X-Auth-Token: $token") || true
  [ "$status" != 204 ] || break
done

echo "$endpoint test:tester testing us-east-1"
wait -n "${pids[@]}" || true
fail "a server has ended"
