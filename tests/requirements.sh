#!/usr/bin/env bash
# Checks for the programs that tests/run.sh needs, and installs the missing ones on Debian and Ubuntu.
#
#   tests/requirements.sh                check, install what is missing as root or with sudo
#   tests/requirements.sh --no-install   check only
#   tests/requirements.sh --no-live      without the programs that only the live tests need
#
# Exit status: 0 everything is there, 2 something is missing (a list on standard error names it).
set -euo pipefail
cd "$(dirname "$0")/.."

usage="usage: tests/requirements.sh [--no-live] [--no-install]"
live=yes
install=yes
for argument in "$@"; do
  case $argument in
    --no-live) live=no ;;
    --no-install) install=no ;;
    --help | -h) echo "$usage"; exit ;;
    *) echo "unknown option $argument; $usage" >&2; exit 2 ;;
  esac
done

min_rust=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
min_go=$(sed -n 's/^go \([0-9.]*\)$/\1/p' tests/control-plane/go.mod)
min_python=3.11 # tomllib
# The first Go that fetches the toolchain that a go.mod asks for.
min_go_bootstrap=1.21
ruff_version=0.17.6
# ruff is installed here, not on the system; tests/lint-scripts.sh finds it.
tools=target/tools
export PATH="$PWD/$tools/bin:$PATH"

has() { command -v "$1" >/dev/null; }
at_least() { [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }
first_number() { grep -oE '[0-9]+(\.[0-9]+)+' <<<"$1" | head -n 1; }

# What is missing: one line each for the reader, Debian packages, and the two that need more than a package.
missing=()
packages=()
rust=no
ruff=no
lack() { # LINE [PACKAGE...]
  missing+=("$1")
  shift
  if [ $# -gt 0 ]; then packages+=("$@"); fi
}

# Sets `found` to the version that a command prints, or says why there is none.
version_of() { # COMMAND...
  if ! has "$1"; then found="not found"; return 1; fi
  local output
  if ! output=$("$@" 2>&1); then found="\"$*\" failed: ${output%%$'\n'*}"; return 1; fi
  found=$(first_number "$output")
  [ -n "$found" ] || { found="version unknown"; return 1; }
}

check_rust() {
  local program how="with rustup, from https://rustup.rs: rustup toolchain install stable --component rustfmt,clippy"
  # A check installs nothing.
  local -x RUSTUP_AUTO_INSTALL=0
  for program in cargo rustc; do
    if ! version_of "$program" --version || ! at_least "$found" "$min_rust"; then
      rust=yes
      missing+=("Rust $min_rust or newer ($program: $found), $how")
      return
    fi
  done
  for program in fmt clippy; do
    if ! cargo "$program" --version >/dev/null 2>&1; then
      rust=yes
      missing+=("cargo $program, $how")
    fi
  done
}

# In the module's directory: a Go with GOTOOLCHAIN=auto, its default, fetches the toolchain that go.mod names.
go_version() { (cd tests/control-plane && go version); }

check_go() {
  local how="Go $min_go or newer, from https://go.dev/doc/install"
  if ! has go; then
    lack "$how" golang-go
  elif ! version_of go_version || ! at_least "$found" "$min_go"; then
    lack "$how (go: $found)"
  fi
}

check() {
  missing=()
  packages=()
  rust=no
  ruff=no
  check_rust
  has cc || lack "cc, a C compiler and linker (package build-essential)" build-essential
  if ! version_of python3 --version; then
    lack "Python $min_python or newer ($found; package python3)" python3
  elif ! at_least "$found" "$min_python"; then
    lack "Python $min_python or newer ($found), from https://www.python.org/downloads"
  fi
  local program
  for program in dash zsh fish shellcheck jq; do has "$program" || lack "$program (package $program)" "$program"; done
  has ps || lack "ps (package procps)" procps
  if ! has ruff; then
    ruff=yes
    missing+=("ruff, a linter for Python: pipx install ruff==$ruff_version")
    # Debian's python3 has no venv, into which ruff is installed.
    python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
  fi
  if [ "$live" = yes ]; then
    if [ -z "${DS_CONTROL_PLANE:-}" ] || [ -z "${DS_KREW:-}" ] || [ -z "${DS_ALERT_RULES:-}" ]; then check_go; fi
    has git || lack "git (package git)" git
    has strip || lack "strip (package binutils)" binutils
  fi
}

# The version of the package that apt would install, or nothing.
candidate() { LC_ALL=C apt-cache policy "$1" | sed -n 's/^  Candidate: \([0-9]*:\)\{0,1\}\([0-9].*\)$/\2/p'; }

install_packages() {
  local root="" package wanted=()
  if ! has apt-get; then
    echo "cannot install packages: this is not Debian or Ubuntu" >&2
    return
  fi
  if [ "$(id -u)" != 0 ]; then
    # Without a terminal, sudo must not need a password.
    if ! has sudo || ! { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
      echo "cannot install packages: this needs root or sudo" >&2
      return
    fi
    root=sudo
  fi
  $root apt-get update -q >&2 || return
  for package in ${packages[@]+"${packages[@]}"}; do
    # A package that is too old does not help.
    case $package in
      golang-go) at_least "$(candidate golang-go)" "$min_go_bootstrap" || continue ;;
      python3) at_least "$(candidate python3)" "$min_python" || continue ;;
    esac
    wanted+=("$package")
  done
  # The Rust of a distribution is often too old; its rustup is not. It replaces no Rust that is installed.
  if [ "$rust" = yes ] && ! has cargo && ! has rustup && [ -n "$(candidate rustup)" ]; then wanted+=(rustup); fi
  if [ "${#wanted[@]}" = 0 ]; then return; fi
  # cargo, rustup and go download over HTTPS.
  if [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then wanted+=(ca-certificates); fi
  echo "installing ${wanted[*]}" >&2
  $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${wanted[@]}" >&2
}

install_missing() {
  if [ "${#packages[@]}" -gt 0 ] || [ "$rust" = yes ]; then
    install_packages || echo "apt-get failed" >&2
  fi
  if [ "$rust" = yes ] && has rustup; then
    echo "installing Rust with rustup" >&2
    rustup toolchain install stable --profile minimal --component rustfmt --component clippy >&2 || true
  fi
  if [ "$ruff" = yes ] && has python3; then
    echo "installing ruff into $tools" >&2
    if python3 -m venv "$tools/venv" >&2 && "$tools/venv/bin/pip" install --quiet "ruff==$ruff_version" >&2; then
      # Not the directory of the venv: its python3 does not belong on the PATH.
      mkdir -p "$tools/bin"
      ln -sf ../venv/bin/ruff "$tools/bin/ruff"
    fi
  fi
}

check
if [ "${#missing[@]}" -gt 0 ] && [ "$install" = yes ]; then
  install_missing
  hash -r
  check
fi
if [ "${#missing[@]}" -gt 0 ]; then
  {
    echo "tests/run.sh needs programs that are missing. Install:"
    printf -- '- %s\n' "${missing[@]}"
    if [ "${#packages[@]}" -gt 0 ]; then echo "On Debian and Ubuntu: apt-get install ${packages[*]}"; fi
  } >&2
  exit 2
fi
