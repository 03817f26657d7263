#!/usr/bin/env bash
# Holds an archive for this machine against what was promised of it; as root, for chroot.
#
#   release/check dist/kubectl-ds_v0.1.0_linux_amd64.tar.gz
#
# The program is at most 10 MB, runs on a root folder in which nothing else is, and is quick to start.
set -euo pipefail
if [ $# -ne 1 ] || [ ! -f "$1" ]; then
  echo "usage: release/check ARCHIVE, such as dist/kubectl-ds_v0.1.0_linux_amd64.tar.gz" >&2
  exit 2
fi
archive=$(realpath "$1")
most=10000000

root=$(mktemp -d)
trap 'rm -r "$root"' EXIT
tar -xzf "$archive" -C "$root" kubectl-ds
tar -tzf "$archive" LICENSE completions/kubectl_complete-ds man/kubectl-ds.1 >/dev/null

size=$(stat -c %s "$root/kubectl-ds")
echo "size: $size bytes, packed $(stat -c %s "$archive")"
if [ "$size" -gt "$most" ]; then echo "error: more than $most" >&2; exit 1; fi

# Apart from the words: what fails within an argument does not end the script.
said=$(chroot "$root" /kubectl-ds version --client)
case $said in
  "Client Version: v"*) echo "on an empty root: $said" ;;
  *) echo "error: it said: $said" >&2; exit 1 ;;
esac

python3 - "$root/kubectl-ds" <<'END'
import statistics, subprocess, sys, time
times = []
for _ in range(21):
    begun = time.perf_counter()
    subprocess.run([sys.argv[1], "version", "--client"], check=True, stdout=subprocess.DEVNULL)
    times.append((time.perf_counter() - begun) * 1000)
print(f"version --client: median {statistics.median(times):.1f} ms, best {min(times):.1f} ms")
END
