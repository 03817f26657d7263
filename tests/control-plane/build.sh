#!/usr/bin/env bash
# Builds the control plane of the live tests into target/control-plane. Needs Go.
#
#   tests/control-plane/build.sh           builds the programs if they are missing or have another version
#   tests/control-plane/build.sh --force   builds all programs again
#
# go.mod in this directory has the versions.
set -euo pipefail
cd "$(dirname "$0")"
source ./ldflags.sh

out=$(cd ../.. && pwd)/target/control-plane
if ! command -v go >/dev/null; then
  {
    echo "tests/control-plane/build.sh: cannot build the control plane: Go is not installed"
    echo "install Go (https://go.dev/doc/install), or set DS_CONTROL_PLANE to a directory with the built programs"
  } >&2
  exit 1
fi

programs=(
  k8s.io/kubernetes/cmd/kube-apiserver
  k8s.io/kubernetes/cmd/kube-controller-manager
  k8s.io/kubernetes/cmd/kube-scheduler
  k8s.io/kubernetes/cmd/kubectl
  go.etcd.io/etcd/server/v3
  sigs.k8s.io/kwok/cmd/kwok
  ./hollow-kubelet
)

stamp=$(cat go.mod go.sum build.sh ldflags.sh hollow-kubelet/*.go | sha256sum | cut -d' ' -f1)
if [ "${1:-}" != --force ] && [ "$(cat "$out/stamp" 2>/dev/null || true)" = "$stamp" ]; then
  exit 0
fi

version=$(go list -mod=mod -m -f '{{.Version}}' k8s.io/kubernetes)

mkdir -p "$out"
echo "building the control plane ($version) into target/control-plane (several minutes the first time)" >&2
CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$(ldflags "$version")" -o "$out/" "${programs[@]}"
mv -f "$out/v3" "$out/etcd" 2>/dev/null || mv -f "$out/server" "$out/etcd"
echo "$stamp" > "$out/stamp"
