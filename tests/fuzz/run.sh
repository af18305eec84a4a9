#!/usr/bin/env bash
# Builds the fuzzers (preset fuzz, into build/fuzz) and runs each for some seconds over a scratch copy of its corpus.
#
#   tests/fuzz/run.sh [SECONDS]             10 each unless told
#   tests/fuzz/run.sh SECONDS NAME...       only these: rename, rule_file, ...
#
# A finding fails the run; its input and the fuzzer's log are kept in build/fuzz/findings, to be run again with
# build/fuzz/tests/fuzz/NAME_fuzz FILE.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-10}
shift || true
build=build/fuzz
findings=$build/findings
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target fuzzers | { grep -vE '^\[[0-9/]+\]|^ninja: ' || true; }
mkdir -p "$findings"

# seed NAME: the corpus, and what else of the tree is a good beginning.
seed() {
  mkdir -p "$scratch/$1"
  cp "tests/fuzz/corpus/$1"/* "$scratch/$1"
  case $1 in
  exposition) cp tests/fixtures/engines/*.prom "$scratch/$1" ;;
  rule_file) find rules -name demo -prune -o -name '*.lua' -exec cp -t "$scratch/$1" {} + ;;
  esac
}

# fuzz NAME: one line of result; the log's end when it failed.
fuzz() {
  local log=$findings/$1.log options=()
  case $1 in
  exposition | rename* | scrape) options+=(-dict=tests/fuzz/page.dict) ;;
  manifest | request_head | rule_file) options+=("-dict=tests/fuzz/$1.dict") ;;
  esac
  if "$build/tests/fuzz/$1_fuzz" -max_total_time="$seconds" -max_len=4096 -timeout=25 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$findings/$1-" "${options[@]}" "$scratch/$1" >"$log" 2>&1; then
    printf '%s: ok, %s inputs, %s MB\n' "$1" "$(stat_of number_of_executed_units)" "$(stat_of peak_rss_mb)"
    rm "$log"
  else
    grep -aE 'must hold|ERROR|SUMMARY|Test unit' "$log" || tail -n 20 "$log"
    printf '%s: FAILED, see %s\n' "$1" "$log"
    return 1
  fi
}

stat_of() {
  sed -n "s/^stat::$1: *//p" "$log"
}

if [ $# -eq 0 ]; then
  for source in tests/fuzz/*_fuzz.c; do
    source=${source##*/}
    set -- "$@" "${source%_fuzz.c}"
  done
fi
passed=0 failed=0
for name in "$@"; do
  seed "$name"
  if fuzz "$name"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
