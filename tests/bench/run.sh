#!/usr/bin/env bash
# Measures what the project promises, each against a yardstick in the same run, because machines are noisy.
#
#   tests/bench/run.sh              everything, in about ten minutes; exit 1 when a bar is missed
#   tests/bench/run.sh --quick      a smoke test of some seconds: few and short rounds, no number fails it
#   tests/bench/run.sh --json FILE  where the figures go as JSON (default build/bench.json)
#
# It builds the release preset first, unless KTHENA_BENCH_BIN names a directory of binaries to measure. All it starts
# listens on loopback and is ended by its process id. Every round of a measurement is a line of JSON, from which
# report.lua makes the table.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

quick=false json=build/bench.json
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=true ;;
    --json) json=${2:?--json needs a file} && shift ;;
    *) printf "bench: unknown argument '%s'; there are --quick and --json FILE\n" "$1" >&2 && exit 2 ;;
  esac
  shift
done

if $quick; then
  sizes=(331KB) clients=(4) rounds=1 rules_rounds=1 load_seconds=1 starts=3 kernel_seconds=0.2
else
  sizes=(47KB 331KB 2.6MB) clients=(1 4 16) rounds=9 rules_rounds=15 load_seconds=5 starts=20 kernel_seconds=4
fi

read -r load _ </proc/loadavg
bin=${KTHENA_BENCH_BIN:-build/release}
work=$(mktemp -d)
chmod 755 "$work" # nginx drops its privileges
rounds_file=$work/rounds

# start_nginx NAME URL: runs one worker with what stands on standard input as its http block.
start_nginx() {
  printf 'worker_processes 1; daemon off; pid %s.pid; events {}\nhttp { access_log off; %s\n}\n' \
    "$work/$1" "$(cat)" >"$work/$1.conf"
  nginx -e "$work/$1.log" -p "$work" -c "$work/$1.conf" &
  pids+=($!)
  wait_for "$2" $!
}

start_engine() {
  engine=127.0.0.1:$(free_port)
  start_nginx engine "http://$engine/47KB" <<EOF_ENGINE
    sendfile on;
    keepalive_requests 1000000;
    server { listen $engine; root $work/pages; default_type text/plain; }
EOF_ENGINE
}

# The proxy's plain form makes a connection to the engine for each request; under /kept/ it keeps them.
start_proxy() {
  proxy=127.0.0.1:$(free_port)
  start_nginx proxy "http://$proxy/47KB" <<EOF_PROXY
    proxy_temp_path $work/proxy;
    keepalive_requests 1000000;
    upstream engine { server $engine; keepalive 32; }
    server {
      listen $proxy;
      location / { proxy_pass http://$engine; }
      location /kept/ { proxy_pass http://engine/; proxy_http_version 1.1; proxy_set_header Connection ""; }
    }
EOF_PROXY
}

# The sidecar's arguments for the page of this size, without its port.
sidecar_arguments() {
  printf '%s\n' --engine vllm --pod bench.default --model acme --host 127.0.0.1 --log-level warning \
    --engine-base-url "http://$engine" --engine-metrics-path "/$1"
}

# start_sidecar SIZE ARGUMENT...: sets sidecar (its address) and sidecar_pid.
start_sidecar() {
  local arguments
  mapfile -t arguments < <(sidecar_arguments "$1")
  sidecar=127.0.0.1:$(free_port)
  "$bin/kthena-runtime" "${arguments[@]}" "${@:2}" --port "${sidecar#*:}" 2>"$work/sidecar.log" &
  sidecar_pid=$!
  pids+=("$sidecar_pid")
  wait_for "http://$sidecar/metrics" "$sidecar_pid"
}

# check_page SIZE: what the sidecar answers begins with the page and has the five standard families.
check_page() {
  curl -fsS -o "$work/answer" "http://$sidecar/metrics"
  cmp -n "$(stat -c %s "$work/pages/$1")" "$work/answer" "$work/pages/$1" >&2 || fail "the $1 page came back changed"
  [ "$(grep -c '^# TYPE kthena:' "$work/answer")" = 5 ] || fail "the $1 page came back without the standard families"
}

# rate URL CLIENTS [SECONDS]: requests a second.
rate() {
  local out
  out=$(wrk -t1 -c"$2" -d"${3:-1}s" --timeout 10s "$1")
  ! grep -E 'Non-2xx|Socket errors' <<<"$out" >&2 || fail "$1 failed with $2 clients"
  awk '$1 == "Requests/sec:" { print $2 }' <<<"$out"
}

# memory PID FIELD: a field of /proc/PID/status in MB.
memory() {
  awk -v field="$2:" '$1 == field { printf "%.2f", $2 / 1024 }' "/proc/$1/status"
}

make_pages() {
  mkdir "$work/pages"
  luajit tests/bench/pages.lua 1 1 >"$work/pages/47KB"
  luajit tests/bench/pages.lua 3 3 >"$work/pages/331KB"
  luajit tests/bench/pages.lua 8 9 >"$work/pages/2.6MB"
}

bench_kernel() {
  local size
  for size in 47KB 331KB 2.6MB; do
    "$bin/rename_bench" vllm "$kernel_seconds" "$work/pages/$size" |
      sed "s|\"page\":\"[^\"]*\"|\"what\":\"kernel\",\"size\":\"$size\",\"clients\":0|" >>"$rounds_file"
  done
}

# One round, ours first or last, because a machine's speed drifts: scrape_round SIZE CLIENTS ROUND
scrape_round() {
  local name order=(ours plain kept) figures=()
  local -A url=([ours]=$sidecar/metrics [plain]=$proxy/$1 [kept]=$proxy/kept/$1)
  (($3 % 2)) || order=(kept plain ours)
  for name in "${order[@]}"; do
    figures+=("$name" "$(rate "http://${url[$name]}" "$2")")
  done
  record scrape "$1" "$2" "${figures[@]}"
}

bench_scrapes() {
  local size count round
  for size in "${sizes[@]}"; do
    start_sidecar "$size"
    check_page "$size"
    for count in "${clients[@]}"; do
      for ((round = 0; round < rounds; round++)); do
        scrape_round "$size" "$count" "$round"
      done
    done
    stop "$sidecar_pid"
  done
}

# Fifty engines more, none of which is the one that runs.
write_more_rules() {
  local i
  mkdir "$work/rules"
  for i in {1..50}; do
    sed -e "s/engine = \"vllm\"/engine = \"more$i\"/" -e '/aliases/d' -e "s/vllm\([:_]\)/more$i\1/g" \
      rules/engines/vllm.lua >"$work/rules/more$i.lua"
  done
}

bench_rules() {
  local size=${sizes[0]} round few few_pid many more
  write_more_rules
  start_sidecar "$size"
  few=$sidecar few_pid=$sidecar_pid
  start_sidecar "$size" --rules "$work/rules"
  check_page "$size"
  for ((round = 0; round < rules_rounds; round++)); do
    many=$(rate "http://$sidecar/metrics" 1)
    more=$(rate "http://$few/metrics" 1)
    record rules "$size" 1 ours "$many" few "$more"
  done
  stop "$few_pid" "$sidecar_pid"
}

bench_memory() {
  local count
  start_sidecar 47KB
  sleep 0.5
  record idle 47KB 0 ours "$(memory "$sidecar_pid" VmRSS)"
  stop "$sidecar_pid"
  for count in 1 16; do
    start_sidecar 2.6MB
    rate "http://$sidecar/metrics" "$count" "$load_seconds" >/dev/null
    record peak 2.6MB "$count" ours "$(memory "$sidecar_pid" VmHWM)"
    stop "$sidecar_pid"
  done
}

bench_start() {
  local arguments each
  mapfile -t arguments < <(sidecar_arguments 47KB)
  "$bin/start_bench" "$starts" "$bin/kthena-runtime" "${arguments[@]}" >"$work/starts"
  while read -r each; do
    record start 47KB 0 ours "$each"
  done <"$work/starts"
}

if [ -z "${KTHENA_BENCH_BIN:-}" ]; then
  { cmake --preset release && cmake --build --preset release; } >"$work/build.log" ||
    { cat "$work/build.log" >&2 && fail "the release preset does not build"; }
fi
make_pages
start_engine
start_proxy
say "start"; bench_start
say "memory"; bench_memory
say "rename kernel"; bench_kernel
say "one more engine file"; bench_rules
say "GET /metrics"; bench_scrapes
$quick && smaller=(--quick) || smaller=()
say "adapters"; tests/bench/adapters.sh "$rounds_file" "$bin" "${smaller[@]}"
say "downloads"; tests/bench/downloads.sh "$rounds_file" "$bin" "${smaller[@]}"
luajit tests/bench/report.lua "$rounds_file" "$json" "$quick" "$load"
