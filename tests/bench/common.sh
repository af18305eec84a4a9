# shellcheck shell=bash disable=SC2154
# What the benchmarks share; they source it after `cd` to the project and set work, a scratch directory that is
# removed at the end, and rounds_file before they use what needs them.

pids=()

say() { printf 'bench: %s\n' "$*" >&2; }
fail() { say "$*" && exit 1; }

# record WHAT SIZE CLIENTS NAME VALUE...: notes one round.
record() {
  local line
  line=$(printf '{"what":"%s","size":"%s","clients":%s' "$1" "$2" "$3")
  shift 3
  while [ $# -gt 0 ]; do
    line+=$(printf ',"%s":%s' "$1" "$2")
    shift 2
  done
  printf '%s}\n' "$line" >>"$rounds_file"
}

# stop PID...: ends processes of the script and waits for them.
stop() {
  kill "$@" 2>/dev/null || true
  wait "$@" 2>/dev/null || true
}

clean_up() {
  [ ${#pids[@]} = 0 ] || stop "${pids[@]}"
  [ -z "${work:-}" ] || rm -rf "$work"
}
trap clean_up EXIT

free_port() {
  luajit -e 'print((select(2, assert(require("socket").bind("127.0.0.1", 0)):getsockname())))'
}

# wait_for URL PID: until the URL answers; what is in $work/*.log when it does not.
wait_for() {
  for _ in {1..500}; do
    ! curl -fsS -o /dev/null "$1" 2>/dev/null || return 0
    kill -0 "$2" 2>/dev/null || break
    sleep 0.01
  done
  cat "$work"/*.log >&2
  fail "nothing answers at $1"
}
