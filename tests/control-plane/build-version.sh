#!/usr/bin/env bash
# Builds a control plane of another version of Kubernetes, for the live tests: tests/control-plane/other VERSION
#
# VERSION is one such as 1.34.4. The programs go to target/control-plane-VERSION, beside today's etcd and kwok. With the
# versions that the README names the live tests pass; what is expected differs there where Kubernetes does.
set -euo pipefail
cd "$(dirname "$0")"
source ./ldflags
if ! [[ "${1:-}" =~ ^1\.[0-9]+\.[0-9]+$ ]]; then
  echo "usage: tests/control-plane/other VERSION, such as 1.34.4" >&2
  exit 2
fi
./build
version=$1
target=$(cd ../../target && pwd)
out=$target/control-plane-$version
how_to_test() { echo "DS_CONTROL_PLANE=$out cargo test --locked --test live"; }
if [ -e "$out/kwok" ]; then how_to_test; exit; fi

# Kubernetes' own parts have no version in its go.mod, as they lie in its repository.
module=$target/tmp/control-plane-$version
mkdir -p "$module" "$out"
cd "$module"
printf 'module kubectl-ds.test/control-plane\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes v%s\n' "$version" > go.mod
if ! answer=$(go mod download -json "k8s.io/kubernetes@v$version"); then
  echo "tests/control-plane/other: Kubernetes $version cannot be had: $answer" >&2
  exit 1
fi
go_mod=$(sed -n 's/.*"GoMod": "\(.*\)".*/\1/p' <<< "$answer")
for part in $(sed -n 's|^\t\(k8s.io/[a-z-]*\) => ./staging/.*|\1|p' "$go_mod"); do
  go mod edit -replace "$part=$part@v0.${version#1.}"
done

echo "building the control plane (v$version) into $out: several minutes" >&2
CGO_ENABLED=0 go build -mod=mod -trimpath -buildvcs=false -ldflags "$(ldflags "v$version")" -o "$out/" \
  k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kubectl}
cp "$target/control-plane/etcd" "$target/control-plane/kwok" "$out/"
how_to_test
