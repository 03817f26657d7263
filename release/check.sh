#!/usr/bin/env bash
# Checks an archive for this machine. Needs root, for chroot.
#
#   release/check.sh dist/kubectl-ds_v0.1.0_linux_amd64.tar.gz
#
# Fails if the program is larger than 9.9 MB, or does not run in an otherwise empty root directory. Prints its startup
# time.
set -euo pipefail
if [ $# -ne 1 ] || [ ! -f "$1" ]; then
  echo "usage: release/check.sh ARCHIVE, for example dist/kubectl-ds_v0.1.0_linux_amd64.tar.gz" >&2
  exit 2
fi
archive=$(realpath "$1")
max_size=9900000

root=$(mktemp -d)
trap 'rm -r "$root"' EXIT
tar -xzf "$archive" -C "$root" kubectl-ds
tar -tzf "$archive" LICENSE completions/kubectl_complete-ds man/kubectl-ds.1 >/dev/null

size=$(stat -c %s "$root/kubectl-ds")
echo "size: $size bytes, compressed $(stat -c %s "$archive")"
if [ "$size" -gt "$max_size" ]; then
  echo "error: the program is larger than $max_size bytes" >&2
  exit 1
fi

# In an assignment of its own: the failure of a command within an argument would not end the script.
output=$(chroot "$root" /kubectl-ds version --client)
case $output in
  "Client Version: v"*) echo "in an empty root directory: $output" ;;
  *) echo "error: unexpected output of version --client: $output" >&2; exit 1 ;;
esac

python3 - "$root/kubectl-ds" <<'END'
import statistics, subprocess, sys, time
times = []
for _ in range(21):
    start = time.perf_counter()
    subprocess.run([sys.argv[1], "version", "--client"], check=True, stdout=subprocess.DEVNULL)
    times.append((time.perf_counter() - start) * 1000)
print(f"version --client: median {statistics.median(times):.1f} ms, minimum {min(times):.1f} ms")
END
