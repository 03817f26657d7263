#!/usr/bin/env bash
# Builds the program that evaluates alerting rules with Prometheus' own engine into target/alert-rules. The live test of
# `alerts` compares its results with ours. Needs Go.
#
#   tests/alert-rules/build.sh           builds the program if it is missing or has another version
#   tests/alert-rules/build.sh --force   builds it again
#
# Prometheus has a Go module of its own: its requirements differ from those of the control plane.
set -euo pipefail
cd "$(dirname "$0")"

out=$(cd ../.. && pwd)/target/alert-rules
if ! command -v go >/dev/null; then
  {
    echo "tests/alert-rules/build.sh: cannot build alert-rules: Go is not installed"
    echo "install Go (https://go.dev/doc/install), or set DS_ALERT_RULES to a directory with the program"
  } >&2
  exit 1
fi

stamp=$(cat go.mod go.sum build.sh ./*.go | sha256sum | cut -d' ' -f1)
if [ "${1:-}" != --force ] && [ "$(cat "$out/stamp" 2>/dev/null || true)" = "$stamp" ]; then
  exit 0
fi

mkdir -p "$out"
echo "building the rule engine of Prometheus into target/alert-rules (a few minutes the first time)" >&2
CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$out/" .
echo "$stamp" > "$out/stamp"
