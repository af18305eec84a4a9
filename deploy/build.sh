#!/usr/bin/env bash
# Builds the release binary, build/release/kthena-runtime; deploy/deps.sh has installed what that takes.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset release >/dev/null
cmake --build --preset release --target kthena-runtime
