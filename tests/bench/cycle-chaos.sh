#!/usr/bin/env bash
# Cycles under random faults, with a watcher that counts what was not allowed: tests/bench/cycle-chaos SEED N
#
# N cycles of a DaemonSet on 8 nodes. Between the program and the API server requests and answers get lost, break off,
# or are answered with 409, 429, 500 and 503; the API server is killed and started again; nodes fall silent and come
# back; others delete pods; the program is killed and started again. What each kind amounted to is printed at the end,
# with the violations: more nodes out than the budget by the program's doing, a pod of another owner, a pod that is up
# to date, a pod taken twice. A cycle takes up to a minute.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ $# -ne 2 ]; then
  echo "usage: tests/bench/cycle-chaos SEED N" >&2
  exit 2
fi
if [ -z "${DS_CONTROL_PLANE:-}" ]; then tests/control-plane/build; fi
CI=true DS_CHAOS="$1:$2" cargo test --locked --test live -- --exact cycle::chaos --nocapture
