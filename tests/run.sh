#!/usr/bin/env bash
# Installs what is missing, builds, and runs every suite: linters, unit tests, specs and end-to-end specs in release, the
# same under ASan+UBSan and under TSan, the fuzzers for a few seconds each, and the benchmarks as a smoke test.
#
#   tests/run.sh            everything (CI)
#   tests/run.sh quick      linters and the release suites only
set -euo pipefail
cd "$(dirname "$0")/.."

failed=() passed=0

# step NAME COMMAND...: runs a suite; a failure is noted, and the rest still runs.
step() {
  local name=$1 start=$SECONDS
  shift
  printf '\n==> %s\n' "$name"
  if "$@"; then
    passed=$((passed + 1))
    printf -- '--- %s: ok, %d s\n' "$name" $((SECONDS - start))
  else
    failed+=("$name")
    printf -- '--- %s: FAILED, %d s\n' "$name" $((SECONDS - start))
  fi
}

format_check() {
  git ls-files '*.c' '*.h' | xargs clang-format-14 --dry-run -Werror
}

tidy_check() {
  cmake --preset debug >/dev/null
  git ls-files 'host/*.c' | xargs -P 2 -n 8 clang-tidy-14 --quiet -p build/debug 2>/dev/null
}

lua_check() {
  luacheck --quiet lua rules spec tests
}

# build PRESET
build() {
  cmake --preset "$1" >/dev/null && cmake --build --preset "$1" 2>&1 | grep -vE '^\[[0-9/]+\]|^ninja: ' ||
    [ "${PIPESTATUS[0]}" = 0 ]
}

unit_tests() {
  ctest --test-dir "build/$1" -j "$(nproc)" --repeat until-pass:3 --output-on-failure --timeout 300 --no-tests=error |
    tail -n 25
}

# suite PRESET: what runs one after the other of a preset. The specs, which mostly wait, come later, side by side.
suite() {
  step "build $1" build "$1"
  step "unit tests, $1" unit_tests "$1"
}

# specs PRESET SLOW: the specs with deadlines stretched by a factor, in the background, their output in a file.
specs() {
  KTHENA_TEST_SLOW=$2 "build/$1/kthena-runtime" test --output=plainTerminal spec/ >"build/$1/specs.log" 2>&1
}

# begin_specs PRESET SLOW...: begins the specs of each; end_specs waits for them.
spec_presets=() spec_pids=()
begin_specs() {
  while [ $# -gt 0 ]; do
    specs "$1" "$2" &
    spec_pids+=($!) spec_presets+=("$1")
    shift 2
  done
}

end_specs() {
  local i
  for i in "${!spec_pids[@]}"; do
    step "specs, ${spec_presets[i]}" wait_for_specs "${spec_presets[i]}" "${spec_pids[i]}"
  done
}

lint() {
  step "clang-format" format_check
  step "clang-tidy" tidy_check
  step "luacheck" lua_check
}

# What fails while three builds share the machine gets one more chance alone, and is named.
wait_for_specs() {
  local status=0 again pid
  wait "$2" || status=$?
  cat "build/$1/specs.log"
  [ $status != 0 ] || return 0
  mapfile -t again < <(sed -nE 's/^(Failure|Error) -> (spec[^ ]*_spec\.lua) @.*/\2/p' "build/$1/specs.log" | sort -u)
  [ ${#again[@]} -gt 0 ] || return $status
  for pid in "${spec_pids[@]}"; do
    while kill -0 "$pid" 2>/dev/null; do sleep 1; done # the other builds' specs
  done
  printf 'once more, alone: %s\n' "${again[*]}"
  KTHENA_TEST_SLOW=10 "build/$1/kthena-runtime" test --output=plainTerminal "${again[@]}"
}

step "dependencies" deploy/deps.sh
suite release
if [ "${1:-}" = quick ]; then
  begin_specs release 2
  lint
  end_specs
else
  export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1
  # A sidecar that has to end although a request will not leaves threads behind, on purpose.
  export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp atexit_sleep_ms=0 report_thread_leaks=0"
  suite asan
  suite tsan
  begin_specs release 4 asan 6 tsan 10
  lint
  end_specs
  step "fuzzers" tests/fuzz/run.sh 4
  step "benchmarks" tests/bench/run.sh --quick
fi

printf '\n'
for name in "${failed[@]}"; do printf 'failed: %s\n' "$name"; done
printf '%d passed, %d failed\n' "$passed" "${#failed[@]}"
[ ${#failed[@]} -eq 0 ]
