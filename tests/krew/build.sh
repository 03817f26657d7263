#!/usr/bin/env bash
# Builds krew and its validator of manifests, with which the tests install an archive as a user would, into target/krew.
#
#   tests/krew/build           build what is missing or of another version
#   tests/krew/build --force   build all of it again
#
# A module of its own: the control plane next door takes minutes, this takes seconds.
set -euo pipefail
cd "$(dirname "$0")"

out=$(cd ../.. && pwd)/target/krew
if ! command -v go >/dev/null; then
  echo "tests/krew/build: Go is needed to build krew (https://go.dev/doc/install)," >&2
  echo "or set DS_KREW to a folder that holds kubectl-krew and validate-krew-manifest." >&2
  exit 1
fi

stamp=$(cat go.mod go.sum build | sha256sum | cut -d' ' -f1)
if [ "${1:-}" != --force ] && [ "$(cat "$out/stamp" 2>/dev/null || true)" = "$stamp" ]; then
  exit 0
fi

mkdir -p "$out"
CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$out/" \
  sigs.k8s.io/krew/cmd/krew sigs.k8s.io/krew/cmd/validate-krew-manifest
# kubectl finds it by this name.
mv -f "$out/krew" "$out/kubectl-krew"
echo "$stamp" > "$out/stamp"
