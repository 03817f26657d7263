#!/usr/bin/env bash
# Every check of the project, in the order in which they fail fastest.
#
#   tests/run            all of them; the control plane is built when it is missing (several minutes, once)
#   tests/run --no-live  all but the live tests: Go is not needed then
#
# DS_CONTROL_PLANE=DIR uses a control plane that is already there, DS_KREW=DIR a krew; DS_SEEDS=1..40 tries other random
# worlds.
set -euo pipefail
cd "$(dirname "$0")/.."

live=yes
if [ "${1:-}" = --no-live ]; then live=no; fi

step() { printf '\n== %s\n' "$*" >&2; }

step format
cargo fmt --check
step lints
cargo clippy --locked --all-targets -- -D warnings
step "unit tests"
cargo test --locked --lib
step "command line tests"
cargo test --locked --test cli
if [ "$live" = yes ]; then
  if [ -z "${DS_CONTROL_PLANE:-}" ]; then
    step "control plane"
    tests/control-plane/build
  fi
  if [ -z "${DS_KREW:-}" ]; then
    step krew
    tests/krew/build
  fi
  step "live tests"
  # Here a missing plane is a failure, not a skip.
  CI=true cargo test --locked --test live
fi
step "all passed"
