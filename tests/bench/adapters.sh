#!/usr/bin/env bash
# Measures the life of LoRA adapters beside the demo engine: what a load costs over the engine's own time, how soon all
# are back when the engine is, and what it costs to find that all are there.
#
#   tests/bench/adapters.sh ROUNDS-FILE BINARIES [--quick]
#
# run.sh calls it. Each round is a line of JSON in ROUNDS-FILE; figures are milliseconds.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

rounds_file=$1 bin=$2 loads=50 returns=5 compared=3 watched=4 # seconds
[ "${3:-}" != --quick ] || loads=10 returns=1 compared=1 watched=2

work=$(mktemp -d /dev/shm/kthena-bench-XXXXXX)
engine_port=$(free_port)
engine=http://127.0.0.1:$engine_port

start_engine() {
  "$bin/kthena-runtime" demo-engine --port "$engine_port" 2>"$work/engine.log" &
  engine_pid=$!
  pids+=("$engine_pid")
  wait_for "$engine/health" "$engine_pid"
}

# start_sidecar ARGUMENT...
start_sidecar() {
  port=$(free_port)
  sidecar=http://127.0.0.1:$port
  "$bin/kthena-runtime" --engine vllm --pod bench.default --model demo/tiny-chat-1b --host 127.0.0.1 --port "$port" \
    --engine-base-url "$engine" --state-dir "$work/state" --log-level warning "$@" 2>"$work/sidecar.log" &
  sidecar_pid=$!
  pids+=("$sidecar_pid")
  wait_for "$sidecar/ready" "$sidecar_pid"
}

client() { luajit tests/bench/adapters.lua "$@"; }

# await_engine COUNT: until the engine has so many adapters.
await_engine() {
  for _ in {1..5000}; do
    [ "$(curl -fsS "$engine/v1/models" 2>/dev/null | grep -o '"parent":"' | wc -l)" != "$1" ] || return 0
    sleep 0.005
  done
  fail "the engine has not got all $1 adapters"
}

now() { date +%s%N; }
ms_since() { awk -v ns=$(($(now) - $1)) 'BEGIN { printf "%.2f", ns / 1e6 }'; }

bench_loads() {
  start_sidecar --reconcile-seconds 3600
  while read -r ours plain; do
    record adapter_load 1 1 ours "$ours" engine "$plain"
  done < <(client times "$sidecar" "$engine" "$work/adapters" "$loads")
  stop "$sidecar_pid"
}

# The engine is killed, and started when the sidecar has seen that it is gone.
bench_returns() {
  local round start
  start_sidecar
  client load "$sidecar" "$work/adapters" 1 20
  for ((round = 0; round < returns; round++)); do
    kill -9 "$engine_pid"
    wait "$engine_pid" 2>/dev/null || true
    sleep 2
    start_engine
    start=$(now)
    await_engine 20
    record adapters_back 20 1 ours "$(ms_since "$start")"
  done
  stop "$sidecar_pid"
}

# cpu_ns PID: processor time of all its threads.
cpu_ns() { cat /proc/"$1"/task/*/schedstat | awk '{ ns += $1 } END { printf "%.0f", ns }'; }
runs() { curl -fsS "$sidecar/metrics" | awk '$1 ~ /^kthena_runtime_lora_reconcile_runs_total/ { print $2 }'; }

# Two sidecars for the same time, one of which compares all the while: their difference is what comparing costs.
reconcile_round() {
  local every used=() count before
  for every in 3600 0.05; do
    start_sidecar --reconcile-seconds "$every"
    sleep 1
    count=$(runs) before=$(cpu_ns "$sidecar_pid")
    sleep "$watched"
    used+=($(($(cpu_ns "$sidecar_pid") - before)))
    count=$(($(runs) - count))
    stop "$sidecar_pid"
  done
  record reconcile 100 1 ours "$(awk -v ns=$((used[1] - used[0])) -v n="$count" 'BEGIN { printf "%.3f", ns / 1e6 / n }')"
}

bench_reconcile() {
  local round
  start_sidecar --reconcile-seconds 3600
  client load "$sidecar" "$work/adapters" 21 100
  stop "$sidecar_pid"
  for ((round = 0; round < compared; round++)); do reconcile_round; done
}

client make "$work/adapters" 100
start_engine
bench_loads
bench_returns
bench_reconcile
