#!/usr/bin/env python3
"""Compares `kubectl ds coverage -A`, `curl` of the same list, and `kubectl get pods -A -o wide`, in one run.

    tests/bench/coverage.py [--nodes 1000] [--daemonsets 20] [--rounds 5] [--program FILE] [--grow]

Fills a control plane of the tests (tests/control-plane/build.sh) with nodes and DaemonSets, whose pods are as large as
real ones, waits until the pods run, and prints wall time and peak memory of each command: the median of interleaved
rounds. --program measures a built program, for example that of an archive; repeat it to compare several. --grow then
doubles the number of nodes, and prints the peak memory that each additional pod costs.
Needs curl, cargo, and 15 minutes.
"""

import argparse
import hashlib
import os
import statistics
import tempfile
import time

from cluster import (
    KUBECTL,
    build,
    config,
    control_plane,
    create,
    daemon_sets,
    measured,
    nodes,
    output,
    say,
    versions,
    wait_for_rest,
)


def digest(path):
    """Digest of a list without its head, which changes with each change of the cluster.

    Reads small pieces: the peak memory of a child process is at least the memory of this process.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        file.seek(64)
        while piece := file.read(1 << 16):
            digest.update(piece)
    return digest.digest()


def settle(command, fetched, env):
    """Waits until the response stays the same for half a minute."""
    last = None
    for _ in range(20):
        measured(command, env)
        now = digest(fetched)
        if now == last:
            return
        last = now
        time.sleep(30)
    say("the cluster keeps changing; the results will vary")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--daemonsets", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", action="append", default=[], help="measure this program instead of building one")
    parser.add_argument("--grow", action="store_true", help="measure the memory of each additional pod")
    options = parser.parse_args()

    ours = [build(program) for program in options.program or [None]]
    with control_plane() as env:
        bench(options, ours, env)


def bench(options, ours, env):
    create(nodes(options.nodes), env)
    create(daemon_sets(options.daemonsets), env)
    pods = wait_for_rest(env)

    cluster, user = config(env)
    token = user["token"]
    with tempfile.TemporaryDirectory() as folder:
        fetched = os.path.join(folder, "pods")

        def curl(accept):
            headers = ["-H", f"Authorization: Bearer {token}", "-H", f"Accept: {accept}"]
            trust = ["--cacert", cluster["certificate-authority"]]
            return ["curl", "--silent", "--fail", *trust, *headers, "-o", fetched, cluster["server"] + "/api/v1/pods"]

        # The controllers are done when two responses are equal.
        settle(curl("application/vnd.kubernetes.protobuf"), fetched, env)
        measured(curl("application/json"), env)
        json_bytes = os.path.getsize(fetched)
        protobuf = curl("application/vnd.kubernetes.protobuf")
        measured(protobuf, env)
        protobuf_bytes = os.path.getsize(fetched)

        contestants = [
            *(
                (f"kubectl ds coverage -A{f' ({number})' if number else ''}", [one, "coverage", "-A"])
                for number, one in enumerate(ours)
            ),
            ("curl, the pods as protobuf", protobuf),
            ("kubectl get pods -A -o wide", [KUBECTL, "get", "pods", "-A", "-o", "wide"]),
        ]
        results = {name: [] for name, _ in contestants}
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}")
            for name, command in contestants:
                results[name].append(measured(command, env))

    curl_version = output(["curl", "--version"], env).split(" (")[0]
    print("; ".join([*versions(ours[0], env), curl_version]))
    print(f"{options.nodes} nodes, {options.daemonsets} DaemonSets, {pods} pods: "
          f"{json_bytes / 1e6:.0f} MB as JSON ({json_bytes / pods / 1e3:.0f} KB per pod), "
          f"{protobuf_bytes / 1e6:.0f} MB as protobuf")
    print()
    base = statistics.median(seconds for seconds, _ in results[contestants[0][0]])
    print(f"| {'median of ' + str(options.rounds):<28} | wall time | fastest - slowest | ratio     | peak memory |")
    print(f"|{'-' * 30}|----------:|------------------:|----------:|------------:|")
    for name, _ in contestants:
        times = [seconds for seconds, _ in results[name]]
        median = statistics.median(times)
        peak = max(peak for _, peak in results[name])
        ratio = "" if name == contestants[0][0] else f"{base / median:.2f} ×"
        spread = f"{min(times):5.2f} - {max(times):5.2f} s"
        print(f"| {name:<28} | {median:7.2f} s | {spread}   | {ratio:>9} | {peak:7.0f} MiB |")
    if options.grow:
        peaks = {name: max(peak for _, peak in results[name]) for name, _ in contestants}
        grow(options, ours, env, pods, [peaks[name] for name, _ in contestants[: len(ours)]])


def grow(options, ours, env, pods, peaks):
    """Prints the memory of each additional pod, from the peaks at two sizes of the cluster."""
    create(nodes(options.nodes, first=options.nodes), env)
    more = wait_for_rest(env) - pods
    print()
    for program, before in zip(ours, peaks, strict=True):
        after = max(measured([program, "coverage", "-A"], env)[1] for _ in range(options.rounds))
        print(f"{program}: {(after - before) * 1024 / more:.2f} KiB for each of {more} additional pods")


if __name__ == "__main__":
    main()
