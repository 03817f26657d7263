#!/usr/bin/env bash
# Builds the control plane that the live tests run against, once, into target/control-plane.
#
#   tests/control-plane/build           build what is missing or of another version
#   tests/control-plane/build --force   build all of it again
#
# The versions stand in go.mod beside this file.
set -euo pipefail
cd "$(dirname "$0")"
source ./ldflags

out=$(cd ../.. && pwd)/target/control-plane
if ! command -v go >/dev/null; then
  echo "tests/control-plane/build: Go is needed to build the control plane (https://go.dev/doc/install)," >&2
  echo "or set DS_CONTROL_PLANE to a folder that holds its programs." >&2
  exit 1
fi

programs=(
  k8s.io/kubernetes/cmd/kube-apiserver
  k8s.io/kubernetes/cmd/kube-controller-manager
  k8s.io/kubernetes/cmd/kube-scheduler
  k8s.io/kubernetes/cmd/kubectl
  go.etcd.io/etcd/server/v3
  sigs.k8s.io/kwok/cmd/kwok
)

stamp=$(cat go.mod go.sum build ldflags | sha256sum | cut -d' ' -f1)
if [ "${1:-}" != --force ] && [ "$(cat "$out/stamp" 2>/dev/null || true)" = "$stamp" ]; then
  exit 0
fi

version=$(go list -mod=mod -m -f '{{.Version}}' k8s.io/kubernetes)

mkdir -p "$out"
echo "building the control plane ($version) into target/control-plane: several minutes the first time" >&2
CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$(ldflags "$version")" -o "$out/" "${programs[@]}"
mv -f "$out/v3" "$out/etcd" 2>/dev/null || mv -f "$out/server" "$out/etcd"
echo "$stamp" > "$out/stamp"
