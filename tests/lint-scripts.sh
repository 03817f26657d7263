#!/usr/bin/env bash
# Lints the shell and Python scripts: tests/lint-scripts.sh
set -euo pipefail
cd "$(dirname "$0")/.."
# tests/requirements.sh may have installed ruff there.
export PATH="$PWD/target/tools/bin:$PATH"

# SC2162: the completion for bash wants `read` to process backslashes.
find . -name target -prune -o -name '*.sh' -print0 |
  xargs -0 shellcheck --exclude=SC2162 .ci/run completions/kubectl-ds.bash completions/kubectl_complete-ds
ruff check --quiet
