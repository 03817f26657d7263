#!/usr/bin/env bash
# Runs cycles under random faults and counts violations: tests/bench/cycle-chaos.sh SEED N
#
# Runs N cycles of a DaemonSet on 8 nodes. Requests and responses between the program and the API server get lost, are
# cut off, or are answered with 409, 429, 500 and 503; the API server is killed and restarted; nodes stop responding and
# recover; other clients delete pods; the program is killed and restarted. In every second cycle, the DaemonSet is a rolling
# update that is paused at a random moment; while it is paused, the program replaces its pods and others try to resume it.
# At the end it prints how often each fault occurred, and the violations: more unavailable nodes than the budget allows
# because of the program's deletions, a deleted pod of another owner, a deleted pod that was up to date, a pod deleted
# twice, a pod that the controller deleted during a pause. A cycle takes up to two minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ $# -ne 2 ]; then
  echo "usage: tests/bench/cycle-chaos.sh SEED N" >&2
  exit 2
fi
if [ -z "${DS_CONTROL_PLANE:-}" ]; then tests/control-plane/build.sh; fi
CI=true DS_CHAOS="$1:$2" cargo test --locked --test live -- cycle::chaos --nocapture
