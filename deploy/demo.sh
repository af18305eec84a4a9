#!/usr/bin/env bash
# Shows the sidecar at work: installs and builds what is missing, starts the embedded demo engine and the sidecar beside
# it, prints what the engine says and what comes out under the standard names, and downloads something.
#
#   deploy/demo.sh          stays up until Ctrl-C
#   deploy/demo.sh --once   ends after showing
set -euo pipefail
cd "$(dirname "$0")/.."

engine_port=${ENGINE_PORT:-8000} port=${PORT:-9000}
pids=()
work=$(mktemp -d)
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$work"' EXIT
trap 'exit 0' INT TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# wait_for URL PID: until the URL answers 200; fails when the process has gone.
wait_for() {
  for _ in $(seq 200); do
    kill -0 "$2" 2>/dev/null || return 1 # somebody else may answer at that port
    if curl -sf -o /dev/null "$1"; then kill -0 "$2" 2>/dev/null; return; fi
    sleep 0.05
  done
  return 1
}

case ${1:-} in '' | --once) ;; *) echo "demo.sh: unknown argument '$1'; the only one is --once" >&2; exit 2 ;; esac
deploy/deps.sh
deploy/build.sh
runtime=build/release/kthena-runtime

start_engine() {
  "$runtime" demo-engine --port "$engine_port" &
  engine_pid=$!
  pids+=("$engine_pid")
  wait_for "http://127.0.0.1:$engine_port/health" "$engine_pid"
}
start_engine || { echo "demo.sh: the demo engine did not start; is port $engine_port taken? choose another: ENGINE_PORT=8001 $0" >&2; exit 1; }
"$runtime" --engine auto --pod demo.default --model demo/tiny-chat-1b --host 127.0.0.1 --port "$port" \
  --engine-base-url "http://127.0.0.1:$engine_port" --state-dir "$work/state" &
sidecar_pid=$!
pids+=("$sidecar_pid")
wait_for "http://127.0.0.1:$port/ready" "$sidecar_pid" || { echo "demo.sh: the sidecar did not start; is port $port taken? choose another: PORT=9001 $0" >&2; exit 1; }
sleep 2

say "What the engine says (http://127.0.0.1:$engine_port/metrics, the first lines of each kind):"
curl -s "http://127.0.0.1:$engine_port/metrics" |
  grep -E '^vllm:(generation_tokens_total|num_requests_waiting|(time_to_first_token|inter_token_latency|e2e_request_latency)_seconds_(count|sum))[{ ]'
say "What the sidecar adds, the same for every engine (http://127.0.0.1:$port/metrics):"
curl -s "http://127.0.0.1:$port/metrics" | grep -E '^(# TYPE )?kthena:' | grep -vE '_bucket'
say "Where each name came from:"
curl -s "http://127.0.0.1:$engine_port/metrics" | "$runtime" metrics --engine auto --why
say "Health, readiness, rules:"
for path in health ready; do printf '/%-7s' "$path"; curl -s "http://127.0.0.1:$port/$path"; echo; done
printf '/v1/rules  '; curl -s "http://127.0.0.1:$port/v1/rules" | cut -c1-150

say "A download, of this tree's rules as if they were a model: the plan, the first run, the second, and a check:"
"$runtime" download --source "file://$PWD/rules/engines" --output-dir "$work/one" --dry-run
"$runtime" download --source "file://$PWD/rules/engines" --output-dir "$work/one"
"$runtime" download --source "file://$PWD/rules/engines" --output-dir "$work/one"
"$runtime" verify "$work/one"
say "The same over HTTP, as a job (POST /v1/download_model, GET /v1/jobs/ID/events):"
started=$(curl -s "http://127.0.0.1:$port/v1/download_model" -H 'Content-Type: application/json' \
  -d "{\"source\": \"file://$PWD/rules\", \"output_dir\": \"$work/two\", \"async_download\": true}")
echo "$started"
job=$(sed -n 's/.*"job_id":"\([^"]*\)".*/\1/p' <<<"$started")
curl -sN "http://127.0.0.1:$port/v1/jobs/$job/events" | sed -n '/^event: end/,$p' | cut -c1-400
say "A LoRA adapter is brought here and loaded into the engine:"
mkdir "$work/adapter"
echo '{"r": 8, "base_model_name_or_path": "demo/tiny-chat-1b"}' >"$work/adapter/adapter_config.json"
head -c 1000000 /dev/urandom >"$work/adapter/adapter_model.safetensors"
"$runtime" call load_lora --url "http://127.0.0.1:$port" --lora_name sql --source "pvc://$work/adapter" \
  --output_dir "$work/lora/sql" --progress none
say "The engine is killed and started again, and the adapter is back without a call:"
kill -9 "$engine_pid"
wait "$engine_pid" 2>/dev/null || true
pids=("$sidecar_pid")
start_engine || { echo "demo.sh: the demo engine did not start again" >&2; exit 1; }
for _ in $(seq 100); do
  models=$(curl -s "http://127.0.0.1:$engine_port/v1/models")
  ! grep -q '"sql"' <<<"$models" || break
  sleep 0.1
done
echo "$models"
grep -q '"sql"' <<<"$models" || { echo "demo.sh: the adapter has not come back" >&2; exit 1; }
say "kthena-runtime status:"
"$runtime" status --url "http://127.0.0.1:$port"

[ "${1:-}" = --once ] && exit 0
say "The sidecar is up: http://127.0.0.1:$port/metrics  (Ctrl-C stops it)"
wait "${pids[@]}"
