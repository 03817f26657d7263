#!/usr/bin/env bash
# Runs every check of the project, the fastest first.
#
#   tests/run.sh                all checks; builds the control plane of the live tests once (several minutes)
#   tests/run.sh --no-live      all checks except the live tests; needs no Go
#   tests/run.sh --no-install   lists missing programs and does not install them
#
# First it checks the programs that it needs (tests/requirements.sh). On Debian and Ubuntu it installs missing ones, as
# root or with sudo; elsewhere it lists them and exits with 2.
#
# DS_CONTROL_PLANE=DIR uses the programs of a control plane in DIR, DS_KREW=DIR those of krew, DS_ALERT_RULES=DIR alert-rules. DS_SEEDS=1..40 runs the
# random clusters of other seeds.
set -euo pipefail
cd "$(dirname "$0")/.."

live=yes
options=()
for argument in "$@"; do
  case $argument in
    --no-live) live=no; options+=("$argument") ;;
    --no-install) options+=("$argument") ;;
    --help | -h) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
    *) echo "unknown option $argument; usage: tests/run.sh [--no-live] [--no-install]" >&2; exit 2 ;;
  esac
done

step() { printf '\n== %s\n' "$*" >&2; }

step requirements
tests/requirements.sh ${options[@]+"${options[@]}"}
# From here on a missing program fails a test instead of skipping it.
export CI=true
# The caller's cluster, and settings of the caller's terminal, are not part of a test.
unset KUBECONFIG NO_COLOR CLICOLOR CLICOLOR_FORCE TRYCMD

# Go builds the programs of the live tests meanwhile: compiling and linking one Rust crate leaves cores idle.
go_programs=
if [ "$live" = yes ]; then
  mkdir -p target
  # With a process group of its own, so that all of it can be ended.
  set -m
  {
    [ -n "${DS_CONTROL_PLANE:-}" ] || tests/control-plane/build.sh
    [ -n "${DS_KREW:-}" ] || tests/krew/build.sh
    [ -n "${DS_ALERT_RULES:-}" ] || tests/alert-rules/build.sh
  } >target/go-programs.log 2>&1 &
  go_programs=$!
  set +m
  trap 'kill -- -"$go_programs" 2>/dev/null || true' EXIT
fi

step format
cargo fmt --all --check
step "lints of scripts"
tests/lint-scripts.sh
step "lints of Rust"
cargo clippy --locked --workspace --all-targets -- -D warnings
step "links of the module documentation"
RUSTDOCFLAGS="-D rustdoc::broken-intra-doc-links -A rustdoc::private-intra-doc-links" \
  cargo doc --locked --no-deps --document-private-items
step "unit tests"
cargo test --locked --lib
step "command line tests"
cargo test --locked --test cli
step "tests of the tools"
cargo test --locked --package xtask
if [ "$live" = yes ]; then
  step "control plane, krew and alert-rules"
  result=0
  wait "$go_programs" || result=$?
  cat target/go-programs.log >&2
  [ "$result" = 0 ] || exit "$result"
  step "live tests"
  cargo test --locked --test live
fi
step "all checks passed"
