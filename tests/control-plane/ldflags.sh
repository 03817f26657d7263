# shellcheck shell=bash
# For `source`: `ldflags v1.36.3` prints the linker flags that set the version of Kubernetes' programs. kube-apiserver
# does not serve its API versions if it cannot parse its own version.
ldflags() {
  local version=$1 major minor package
  major=${version#v}; major=${major%%.*}
  minor=${version#v*.}; minor=${minor%%.*}
  printf '%s' "-s -w"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf '%s' " -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
    printf '%s' " -X $package.gitTreeState=clean -X $package.gitCommit=unknown"
  done
}
