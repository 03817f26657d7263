#!/usr/bin/env bash
# Builds krew and its manifest validator into target/krew. The live tests install an archive with them. Needs Go.
#
#   tests/krew/build.sh           builds the programs if they are missing or have another version
#   tests/krew/build.sh --force   builds both programs again
#
# krew has a Go module of its own: it builds in seconds, the control plane in minutes.
set -euo pipefail
cd "$(dirname "$0")"

out=$(cd ../.. && pwd)/target/krew
if ! command -v go >/dev/null; then
  {
    echo "tests/krew/build.sh: cannot build krew: Go is not installed"
    echo "install Go (https://go.dev/doc/install), or set DS_KREW to a directory with both programs"
  } >&2
  exit 1
fi

stamp=$(cat go.mod go.sum build.sh | sha256sum | cut -d' ' -f1)
if [ "${1:-}" != --force ] && [ "$(cat "$out/stamp" 2>/dev/null || true)" = "$stamp" ]; then
  exit 0
fi

mkdir -p "$out"
CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$out/" \
  sigs.k8s.io/krew/cmd/krew sigs.k8s.io/krew/cmd/validate-krew-manifest
# kubectl finds a plugin by this name.
mv -f "$out/krew" "$out/kubectl-krew"
echo "$stamp" > "$out/stamp"
