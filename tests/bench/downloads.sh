#!/usr/bin/env bash
# Measures downloads, each against the tools people use today, in the same run on the same server: nginx on loopback with
# its files in memory. Ours verifies SHA-256 digests, curl verifies nothing, aws what it does by itself.
#
#   tests/bench/downloads.sh ROUNDS-FILE BINARIES [--quick]
#
# run.sh calls it. Each round is a line of JSON in ROUNDS-FILE; figures are files' bytes a second in MB, so that more is
# better. It needs 11 GB of memory in /dev/shm, unless --quick.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

rounds_file=$1 bin=$2
if [ "${3:-}" = --quick ]; then
  large=32 rounds=1 quick=true # MiB of each of the four large files
else
  large=2048 rounds=3 quick=false
fi

work=$(mktemp -d /dev/shm/kthena-bench-XXXXXX)
chmod 755 "$work"
# list DIR: writes DIR/list, and DIR/urls for curl.
list() {
  (cd "$1" && find . -type f -o -type l | sed 's|^\./||' | sort | while read -r path; do
    case $path in
      large*) digest=$large_digest ;;
      *) digest=$(sha256sum "$path" | cut -d' ' -f1) ;;
    esac
    printf '%s %s %s\n' "$digest" "$(stat -Lc %s "$path")" "$path"
  done >"$work/list" && mv "$work/list" list)
}

# A ListObjectsV2 answer for the files in DIR/list: keys(DIR)
keys() {
  printf '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>%s</Name>' "$1"
  printf '<Prefix></Prefix><KeyCount>%s</KeyCount><MaxKeys>9000</MaxKeys><IsTruncated>false</IsTruncated>' "$(wc -l <"$work/www/$1/list")"
  # The ETag is nginx's: time and size in hexadecimal.
  (cd "$work/www/$1" && awk '{ print $3 }' list | xargs stat -Lc '%n %Y %s') |
    awk '{ printf "<Contents><Key>%s</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>", $1
           printf "<ETag>\"%x-%x\"</ETag><Size>%s</Size><StorageClass>STANDARD</StorageClass></Contents>", $2, $3, $3 }'
  printf '</ListBucketResult>'
}

make_files() {
  local i
  mkdir -p "$work"/www/{mixed,small,thousand} "$work/lists"
  head -c "${large}M" /dev/zero | openssl enc -aes-128-ctr -nosalt -pass pass:bench -pbkdf2 >"$work/large" 2>/dev/null
  large_digest=$(sha256sum "$work/large" | cut -d' ' -f1)
  for i in 1 2 3 4; do ln -s "$work/large" "$work/www/mixed/large$i"; done
  head -c 131072000 /dev/zero | openssl enc -aes-128-ctr -nosalt -pass pass:small -pbkdf2 2>/dev/null |
    (cd "$work/www/small" && split -b 65536 -a 4 -d - f)
  ln "$work"/www/small/f0[0-4]* "$work/www/mixed/"
  ln "$work"/www/small/f0* "$work/www/thousand/"
  list "$work/www/thousand"
  list "$work/www/mixed"
  list "$work/www/small"
  keys mixed >"$work/lists/mixed"
  keys small >"$work/lists/small"
}

start_nginx() {
  port=$(free_port)
  cat >"$work/nginx.conf" <<EOF_NGINX
worker_processes 1; daemon off; pid $work/nginx.pid; events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type application/octet-stream;
  map \$args \$listing { default 0; "~list-type=2" 1; }
  server {
    listen 127.0.0.1:$port; root $work/www;
    location / { if (\$listing) { rewrite ^/([a-z]+) /lists/\$1 last; } }
    location /lists/ { root $work; default_type application/xml; }
  }
}
EOF_NGINX
  nginx -e "$work/nginx.log" -p "$work" -c "$work/nginx.conf" &
  pids+=($!)
  wait_for "http://127.0.0.1:$port/small/list" $!
}

# seconds COMMAND...: how long it takes.
seconds() {
  local start
  start=$(date +%s%N)
  "$@" >"$work/out" 2>&1 || { cat "$work/out" >&2; fail "$1 failed"; }
  awk -v ns=$(($(date +%s%N) - start)) 'BEGIN { printf "%.4f", ns / 1e9 }'
}

# mb_per_s SET SECONDS
mb_per_s() {
  awk -v s="$2" '{ bytes += $2 } END { printf "%.1f", bytes / 1e6 / s }' "$work/www/$1/list"
}

ours() { "$bin/kthena-runtime" download --rules tests/bench/rules -s "listed://127.0.0.1:$port/$1/list" -o "$work/to" --progress none --log-level error; }
with_curl() { (cd "$work" && curl -sS --parallel --parallel-max 8 --create-dirs --output-dir to -K "urls-$1"); }
with_aws() {
  AWS_ACCESS_KEY_ID=bench AWS_SECRET_ACCESS_KEY=bench AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true \
    aws s3 sync --only-show-errors --endpoint-url "http://127.0.0.1:$port" "s3://$1" "$work/to"
}

# check SET: what arrived is what was asked for.
check() {
  local first
  first=$(awk 'END { print $3 }' "$work/www/$1/list")
  cmp "$work/www/$1/$first" "$work/to/$first"
  [ "$(find "$work/to" -path '*/.kthena' -prune -o -type f -print | grep -vc '/list$')" = "$(wc -l <"$work/www/$1/list")" ] ||
    fail "files are missing in $1"
}

# download_round SET ROUND: ours first or last, because a machine's speed drifts.
download_round() {
  local name order=(ours curl aws) figures=() took command
  (($2 % 2)) || order=(aws curl ours)
  for name in "${order[@]}"; do
    command="with_$name"
    [ "$name" != ours ] || command=ours
    rm -rf "$work/to"
    took=$(seconds "$command" "$1")
    check "$1"
    figures+=("$name" "$(mb_per_s "$1" "$took")")
  done
  record download "$1" 8 "${figures[@]}"
}

# The memory of a download while it runs.
bench_memory() {
  local peak=0 now
  rm -rf "$work/to"
  "$bin/kthena-runtime" download --rules tests/bench/rules -s "listed://127.0.0.1:$port/$1/list" -o "$work/to" \
    --progress none --log-level error >/dev/null &
  pids+=($!)
  while now=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$!/status" 2>/dev/null) && [ -n "$now" ]; do
    peak=$now
    sleep 0.02
  done
  wait $!
  record download_peak "$1" 8 ours "$(awk -v kb="$peak" 'BEGIN { printf "%.2f", kb / 1024 }')"
}

# A run that finds everything there.
bench_no_op() {
  local round took
  rm -rf "$work/to"
  ours thousand >/dev/null
  for ((round = 0; round < rounds; round++)); do
    took=$(seconds ours thousand)
    record no_op "1000 files" 8 ours "$(awk -v s="$took" 'BEGIN { printf "%.2f", s * 1000 }')"
  done
}

# copy_round ROUND: a mounted volume.
copy_round() {
  local name order=(ours cp rsync) figures=() took command bytes
  (($1 % 2)) || order=(rsync cp ours)
  bytes=$(du -sb "$work/volume" | cut -f1)
  for name in "${order[@]}"; do
    rm -rf "$work/to"
    case $name in
      ours) command=("$bin/kthena-runtime" download -s "pvc://$work/volume" -o "$work/to" --progress none --log-level error) ;;
      cp) command=(cp -r "$work/volume" "$work/to") ;;
      rsync) command=(rsync -a "$work/volume/" "$work/to/") ;;
    esac
    took=$(seconds "${command[@]}")
    figures+=("$name" "$(awk -v b="$bytes" -v s="$took" 'BEGIN { printf "%.1f", b / 1e6 / s }')")
  done
  record copy volume 8 "${figures[@]}"
}

make_volume() {
  local i
  mkdir "$work/volume"
  for i in 1 2; do cp --reflink=never "$work/large" "$work/volume/large$i"; done
  for i in "$work"/www/small/f00*; do cp "$i" "$work/volume/"; done
}

make_files
start_nginx
for set in mixed small; do
  awk -v base="http://127.0.0.1:$port/$set/" '{ printf "url = \"%s%s\"\noutput = \"%s\"\n", base, $3, $3 }' \
    "$work/www/$set/list" >"$work/urls-$set"
  for ((round = 0; round < rounds; round++)); do download_round "$set" "$round"; done
  bench_memory "$set"
done
bench_no_op
rm -rf "$work/to"
make_volume
for ((round = 0; round < rounds; round++)); do copy_round "$round"; done
$quick || rm -rf "$work/to"
