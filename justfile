# `just` lists the recipes; https://just.systems installs just. Every recipe is one command, to be run without just too.

default:
    @just --list --unsorted

# Build the program: target/release/kubectl-ds
build:
    cargo build --release --locked

# Run all checks and tests; install missing programs on Debian and Ubuntu
test *OPTIONS:
    tests/run.sh {{ OPTIONS }}

# Run all checks and tests except the live tests
test-fast:
    tests/run.sh --no-live

# Run the live tests whose name contains FILTER
live FILTER='': control-plane
    cargo test --locked --test live -- {{ FILTER }}

# Run a benchmark: just bench coverage --nodes 500
bench NAME *ARGUMENTS: control-plane
    tests/bench/{{ NAME }}.{{ if NAME == "cycle-chaos" { "sh" } else { "py" } }} {{ ARGUMENTS }}

# Check formatting and lints of Rust, shell and Python files
lint:
    cargo fmt --all --check
    cargo clippy --locked --workspace --all-targets -- -D warnings
    tests/lint-scripts.sh

# Format the Rust code
fmt:
    cargo fmt --all

# Update the recorded output of the command line tests and the completions; read the diff
update-snapshots:
    TRYCMD=overwrite cargo test --locked --test cli

# Write the man pages to target/man
man:
    cargo xtask man target/man

# Write the documentation of the code to target/doc
docs:
    cargo doc --locked --no-deps --document-private-items

# Update the terminal picture of the README
screens: build
    docs/images/record.py target/release/kubectl-ds

# Build the release archive of one platform into dist
release TARGET='x86_64-unknown-linux-musl' *OPTIONS:
    release/archive.py {{ TARGET }} {{ OPTIONS }}

# Build the control plane, krew and alert-rules for the live tests
control-plane:
    tests/control-plane/build.sh
    tests/krew/build.sh
    tests/alert-rules/build.sh
