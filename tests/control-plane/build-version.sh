#!/usr/bin/env bash
# Builds a control plane of another version of Kubernetes for the live tests.
#
#   tests/control-plane/build-version.sh VERSION
#
# VERSION is for example 1.34.4. The programs go to target/control-plane-VERSION, next to the etcd and kwok of the
# default version. docs/compatibility.md names the versions with which the live tests pass; a test expects another
# result where Kubernetes' behavior differs between versions.
set -euo pipefail
cd "$(dirname "$0")"
source ./ldflags.sh
hollow_kubelet=$PWD/hollow-kubelet
if ! [[ "${1:-}" =~ ^1\.[0-9]+\.[0-9]+$ ]]; then
  echo "usage: tests/control-plane/build-version.sh VERSION, for example 1.34.4" >&2
  exit 2
fi
./build.sh
version=$1
target=$(cd ../../target && pwd)
out=$target/control-plane-$version
print_test_command() { echo "DS_CONTROL_PLANE=$out cargo test --locked --test live"; }
if [ -e "$out/kwok" ]; then print_test_command; exit; fi

# Kubernetes' go.mod replaces its own modules with directories of its repository; each is published as v0.x too.
module=$target/tmp/control-plane-$version
mkdir -p "$module" "$out"
cd "$module"
printf 'module kubectl-ds.test/control-plane\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes v%s\n' "$version" > go.mod
if ! download=$(go mod download -json "k8s.io/kubernetes@v$version"); then
  echo "tests/control-plane/build-version.sh: cannot download Kubernetes $version: $download" >&2
  exit 1
fi
go_mod=$(sed -n 's/.*"GoMod": "\(.*\)".*/\1/p' <<<"$download")
sed -n 's|^\t\(k8s.io/[a-z-]*\) => ./staging/.*|\1|p' "$go_mod" | while read -r staged; do
  go mod edit -replace "$staged=$staged@v0.${version#1.}"
done

echo "building the control plane (v$version) into $out (several minutes)" >&2
CGO_ENABLED=0 go build -mod=mod -trimpath -buildvcs=false -ldflags "$(ldflags "v$version")" -o "$out/" \
  k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kubectl}
# It uses Kubernetes' packages for tests, whose functions differ between versions.
mkdir -p hollow-kubelet
cp "$hollow_kubelet"/*.go hollow-kubelet/
CGO_ENABLED=0 go build -mod=mod -trimpath -buildvcs=false -ldflags "$(ldflags "v$version")" -o "$out/" ./hollow-kubelet ||
  echo "no hollow-kubelet for Kubernetes $version: the live tests of real kubelets are skipped" >&2
cp "$target/control-plane/etcd" "$target/control-plane/kwok" "$out/"
print_test_command
